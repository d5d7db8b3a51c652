#pragma once
#include <cuda_runtime_api.h>

#include <string>

namespace gigawarp::cuda {

/// "12.8" of 12080, as CUDA counts its versions.
std::string version_text(int version);

/// Why no GPU can be used, in a sentence that says what to do: of what cudaGetDeviceCount()
/// answered when it gave none, the driver's CUDA version (cudaDriverGetVersion(); 0: no driver) and
/// the one that this program was built with.
std::string why_no_gpu(cudaError_t answer, int driver, int toolkit = CUDART_VERSION);

}  // namespace gigawarp::cuda
