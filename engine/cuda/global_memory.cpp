#include "cuda/global_memory.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "cuda/virtual_memory.h"
#include "gigawarp/error.h"

namespace gigawarp::cuda {
namespace {

/// One array; gives back what it has got so far when it ends.
class Mapping {
 public:
  Mapping(const Driver& driver, const std::vector<Device*>& devices, std::size_t bytes)
      : driver_(driver), devices_(devices), bytes_(bytes) {
    check_driver(driver_.reserve(&base_, bytes_, 0, 0, 0), "reserving addresses");
  }
  ~Mapping() {
    for (const Device* device : devices_) cudaStreamSynchronize(device->stream());
    for (const Part& part : parts_) {
      driver_.unmap(part.address, part.bytes);
      part.device->give_back(part.bytes);
    }
    driver_.free(base_, bytes_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  /// Pages of `device` behind the next `bytes`, cleared.
  void add(Device& device, std::size_t offset, std::size_t bytes) {
    if (bytes == 0) return;
    device.take(bytes);
    const CUmemAllocationProp pages = pages_on(device);
    CUmemGenericAllocationHandle handle = 0;
    const CUresult created = driver_.create(&handle, bytes, &pages, 0);
    if (created != CUDA_SUCCESS) device.give_back(bytes);
    check_driver(created, "taking memory");
    const CUdeviceptr address = base_ + offset;
    const CUresult mapped = driver_.map(address, bytes, 0, handle, 0);
    driver_.release(handle);  // lives on while it is mapped
    if (mapped != CUDA_SUCCESS) device.give_back(bytes);
    check_driver(mapped, "giving it an address");
    parts_.push_back({&device, address, bytes});
    std::vector<CUmemAccessDesc> access;
    for (std::size_t i = 0; i < devices_.size(); ++i)
      if (std::none_of(devices_.begin(), devices_.begin() + static_cast<std::ptrdiff_t>(i),
                       [&](const Device* d) { return d->index() == devices_[i]->index(); }))
        access.push_back({pages_on(*devices_[i]).location, CU_MEM_ACCESS_FLAGS_PROT_READWRITE});
    check_driver(driver_.set_access(address, bytes, access.data(), access.size()),
                 "opening it to the other GPUs");
    device.make_current();
    check(cudaMemsetAsync(std::bit_cast<void*>(address), 0, bytes, device.stream()),
          "clearing memory");
  }
  std::byte* data() const { return std::bit_cast<std::byte*>(base_); }

 private:
  struct Part {
    Device* device;
    CUdeviceptr address;
    std::size_t bytes;
  };
  const Driver& driver_;
  const std::vector<Device*>& devices_;
  const std::size_t bytes_;
  CUdeviceptr base_ = 0;
  std::vector<Part> parts_;
};

class SharedMemory final : public ops::GlobalMemory {
 public:
  explicit SharedMemory(std::vector<Device*> devices) : devices_(std::move(devices)) {
    for (const Device* a : devices_)
      for (const Device* b : devices_) require_access(*a, *b);
    for (const Device* device : devices_)
      granularity_ = std::max(granularity_, page_bytes(driver_, *device));
  }
  std::size_t granularity() const override { return granularity_; }

  ops::Array allocate(const std::vector<std::size_t>& borders) override {
    const std::size_t pages =
        std::max<std::size_t>(1, (borders.back() + granularity_ - 1) / granularity_);
    const std::size_t whole = pages * granularity_;
    auto mapping = std::make_shared<Mapping>(driver_, devices_, whole);
    // Borders are at pages, but where one of them is the end of the array.
    const auto page_end = [&](std::size_t border) {
      return std::min(whole, (border + granularity_ - 1) / granularity_ * granularity_);
    };
    for (std::size_t i = 0; i < devices_.size(); ++i) {
      const std::size_t begin = page_end(borders[i]);
      const std::size_t end = borders.back() == 0 && i == 0 ? whole : page_end(borders[i + 1]);
      if (begin < end) mapping->add(*devices_[i], begin, end - begin);
    }
    for (Device* device : devices_) device->synchronise();
    devices_.front()->make_current();
    std::byte* const data = mapping->data();
    return {data, borders.back(), [mapping](std::byte*) mutable { mapping.reset(); }};
  }

 private:
  static void require_access(const Device& a, const Device& b) {
    if (a.index() == b.index()) return;
    int can = 0;
    check(cudaDeviceCanAccessPeer(&can, a.index(), b.index()), "asking how GPUs are linked");
    if (can == 0)
      throw Error(ErrorCode::device_fault,
                  "Device cuda:" + std::to_string(a.index()) +
                      " cannot reach the memory of cuda:" + std::to_string(b.index()) +
                      ", so one registration cannot run on both; choose GPUs with a link between "
                      "them (nvidia-smi topo -m), or one.",
                  "cuda:" + std::to_string(b.index()));
  }

  Driver driver_;
  std::vector<Device*> devices_;
  std::size_t granularity_ = 1;
};

}  // namespace

std::unique_ptr<ops::GlobalMemory> make_global_memory(std::vector<Device*> devices) {
  return std::make_unique<SharedMemory>(std::move(devices));
}

}  // namespace gigawarp::cuda
