#pragma once
#include <cuda_runtime_api.h>

#include <cstddef>
#include <string>

namespace gigawarp::cuda {

/// "12.8" of 12080, as CUDA counts its versions.
std::string version_text(int version);

/// Why no GPU can be used, in a sentence that says what to do: of what cudaGetDeviceCount()
/// answered when it gave none, the driver's CUDA version (cudaDriverGetVersion(); 0: no driver) and
/// the one that this program was built with.
std::string why_no_gpu(cudaError_t answer, int driver, int toolkit = CUDART_VERSION);

/// Why this card is not used, or nothing: of its compute capability and its compute mode
/// (cudaDevAttrComputeMode).
std::string why_not_card(int major, int minor, int compute_mode);

/// The same of what cudaMemGetInfo() said of its memory; a context is made for that, which a card
/// that another program keeps for itself does not give.
std::string why_not_memory(cudaError_t answer, std::size_t free_bytes);

}  // namespace gigawarp::cuda
