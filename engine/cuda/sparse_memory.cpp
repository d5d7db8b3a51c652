#include "cuda/sparse_memory.h"

#include <bit>
#include <map>
#include <utility>
#include <vector>

#include "base/page_set.h"
#include "cuda/virtual_memory.h"
#include "gigawarp/error.h"

namespace gigawarp::cuda {
namespace {

class DeviceSparseMemory final : public ops::SparseMemory {
 public:
  explicit DeviceSparseMemory(Device& device)
      : device_(device), page_(page_bytes(driver_, device)) {}

  ops::Array reserve(std::size_t bytes) override {
    const std::size_t whole = (bytes + page_ - 1) / page_ * page_;
    CUdeviceptr base = 0;
    check_driver(driver_.reserve(&base, whole, 0, 0, 0), "reserving addresses");
    auto* const data = std::bit_cast<std::byte*>(base);
    arrays_[data] = {};
    return {data, bytes, [this, whole](std::byte* array) { release(array, whole); }};
  }

  void commit(std::byte* from, std::size_t bytes) override {
    if (bytes == 0) return;
    const auto array = std::prev(arrays_.upper_bound(from));
    const auto begin = static_cast<std::size_t>(from - array->first);
    device_.make_current();
    for (const auto& [first, end] : array->second.pages.add(begin, begin + bytes, page_))
      map(array->first + first, end - first, array->second);
  }
  std::uint64_t peak_bytes() const override { return device_.peak_bytes(); }
  void forget_peak() override { device_.forget_peak(); }

 private:
  struct Part {
    CUdeviceptr address;
    std::size_t bytes;
  };
  struct Reserved {
    PageSet pages;
    std::vector<Part> parts;
  };

  void map(std::byte* at, std::size_t bytes, Reserved& array) {
    device_.take(bytes);
    const CUmemAllocationProp pages = pages_on(device_);
    CUmemGenericAllocationHandle handle = 0;
    const CUresult created = driver_.create(&handle, bytes, &pages, 0);
    if (created != CUDA_SUCCESS) device_.give_back(bytes);
    check_driver(created, "taking memory");
    const auto address = std::bit_cast<CUdeviceptr>(at);
    const CUresult mapped = driver_.map(address, bytes, 0, handle, 0);
    driver_.release(handle);  // lives on while it is mapped
    if (mapped != CUDA_SUCCESS) device_.give_back(bytes);
    check_driver(mapped, "giving it an address");
    array.parts.push_back({address, bytes});
    const CUmemAccessDesc access{pages.location, CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    check_driver(driver_.set_access(address, bytes, &access, 1), "opening it to the GPU");
    check(cudaMemsetAsync(at, 0, bytes, device_.stream()), "clearing memory");
  }
  void release(std::byte* data, std::size_t whole) {
    try {
      device_.synchronise();
    } catch (const Error&) {  // a destructor's; who looked has ended what would not end by itself
      cudaStreamSynchronize(device_.stream());
    }
    const auto array = arrays_.find(data);
    for (const Part& part : array->second.parts) {
      driver_.unmap(part.address, part.bytes);
      device_.give_back(part.bytes);
    }
    driver_.free(std::bit_cast<CUdeviceptr>(data), whole);
    arrays_.erase(array);
  }

  Driver driver_;
  Device& device_;
  const std::size_t page_;
  std::map<std::byte*, Reserved> arrays_;
};

}  // namespace

std::unique_ptr<ops::SparseMemory> make_sparse_memory(Device& device) {
  return std::make_unique<DeviceSparseMemory>(device);
}

}  // namespace gigawarp::cuda
