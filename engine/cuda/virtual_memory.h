#pragma once
#include <cuda.h>
#include <cudaTypedefs.h>
#include <cuda_runtime_api.h>

#include "cuda/support.h"

/// The driver's virtual memory management: addresses and the pages behind them, apart.
namespace gigawarp::cuda {

/// Its functions (CUDA 10.2 and later), found at run time: programs that link the driver's library
/// do not start on machines without one. Throws Error{device_fault} where it lacks one.
class Driver {
 public:
  Driver();
  PFN_cuMemAddressReserve_v10020 reserve = nullptr;
  PFN_cuMemAddressFree_v10020 free = nullptr;
  PFN_cuMemCreate_v10020 create = nullptr;
  PFN_cuMemRelease_v10020 release = nullptr;
  PFN_cuMemMap_v10020 map = nullptr;
  PFN_cuMemUnmap_v10020 unmap = nullptr;
  PFN_cuMemSetAccess_v10020 set_access = nullptr;
  PFN_cuMemGetAllocationGranularity_v10020 granularity = nullptr;
};

/// Throws Error{does_not_fit, device_fault} naming what was being done.
void check_driver(CUresult result, const char* what);
/// Pages of this device's memory.
CUmemAllocationProp pages_on(const Device& device);
/// Their size, bytes.
std::size_t page_bytes(const Driver& driver, const Device& device);

}  // namespace gigawarp::cuda
