#include "cuda/virtual_memory.h"

#include <string>

#include "gigawarp/error.h"

namespace gigawarp::cuda {
namespace {

template <class Function>
void find(const char* name, Function& function) {
  constexpr unsigned kVersion = 10020;
  void* found = nullptr;
  cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSymbolNotFound;
  check(cudaGetDriverEntryPointByVersion(name, &found, kVersion, cudaEnableDefault, &result),
        "asking the driver for its functions");
  if (result != cudaDriverEntryPointSuccess || found == nullptr)
    throw Error(ErrorCode::device_fault,
                "The NVIDIA driver has no " + std::string(name) +
                    ", which several GPUs for one registration need; update it, or choose one "
                    "GPU.",
                "cuda");
  function = reinterpret_cast<Function>(found);
}

}  // namespace

Driver::Driver() {
  find("cuMemAddressReserve", reserve);
  find("cuMemAddressFree", free);
  find("cuMemCreate", create);
  find("cuMemRelease", release);
  find("cuMemMap", map);
  find("cuMemUnmap", unmap);
  find("cuMemSetAccess", set_access);
  find("cuMemGetAllocationGranularity", granularity);
}

void check_driver(CUresult result, const char* what) {
  if (result == CUDA_SUCCESS) return;
  if (result == CUDA_ERROR_OUT_OF_MEMORY) check(cudaErrorMemoryAllocation, what);
  throw Error(ErrorCode::device_fault,
              "The NVIDIA driver refused memory that several GPUs share (" + std::string(what) +
                  ": error " + std::to_string(static_cast<int>(result)) + "); choose one GPU.",
              "cuda");
}

CUmemAllocationProp pages_on(const Device& device) {
  CUmemAllocationProp pages{};
  pages.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  pages.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  pages.location.id = device.index();
  return pages;
}

std::size_t page_bytes(const Driver& driver, const Device& device) {
  const CUmemAllocationProp pages = pages_on(device);
  std::size_t bytes = 0;
  check_driver(driver.granularity(&bytes, &pages, CU_MEM_ALLOC_GRANULARITY_RECOMMENDED),
               "asking for the size of pages");
  return bytes;
}

}  // namespace gigawarp::cuda
