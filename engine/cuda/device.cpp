#include <nvtx3/nvToolsExt.h>

#include <algorithm>

#include "cuda/support.h"
#include "gigawarp/error.h"

namespace gigawarp::cuda {
namespace {

/// Left to the driver, the context and the display.
constexpr std::uint64_t kReserveBytes = std::uint64_t{256} << 20U;

std::string mebibytes(std::uint64_t bytes) { return std::to_string(bytes >> 20U) + " MiB"; }

}  // namespace

void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  const std::string text = cudaGetErrorString(status);
  cudaGetLastError();  // unless it is sticky, what comes next shall not meet it again
  if (status == cudaErrorMemoryAllocation) {
    throw Error(ErrorCode::does_not_fit,
                "The GPU's memory ran out (" + std::string(what) +
                    "); another program may have taken some. Close it, or lower --memory so that "
                    "the plan leaves room.",
                "--memory");
  }
  throw Error(ErrorCode::device_fault,
              "The GPU reported an error (" + std::string(what) + ": " + text +
                  "); a run with checkpoints can be resumed.",
              "cuda");
}

Device::Device(int index, std::uint64_t budget) : index_(index) {
  check(cudaSetDevice(index), "choosing the device");
  check(cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, index),
        "asking for its properties");
  std::size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "asking for free memory");
  const std::uint64_t most = free > kReserveBytes ? free - kReserveBytes : 0;
  budget_ = budget == 0 ? most : std::min(budget, most);
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream");
  // Freed memory stays with the process: levels come and go, and the driver is slow to give.
  cudaMemPool_t pool = nullptr;
  check(cudaDeviceGetDefaultMemPool(&pool, index), "asking for its memory pool");
  std::uint64_t keep = ~std::uint64_t{0};
  check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keep),
        "setting up its memory pool");
}

Device::~Device() {
  if (stream_ == nullptr) return;
  cudaStreamSynchronize(stream_);
  cudaStreamDestroy(stream_);
  cudaMemPool_t pool = nullptr;
  if (cudaDeviceGetDefaultMemPool(&pool, index_) == cudaSuccess) cudaMemPoolTrimTo(pool, 0);
}

void Device::make_current() const { check(cudaSetDevice(index_), "choosing the device"); }

void Device::take(std::size_t bytes) {
  if (used_ + bytes > budget_)
    throw Error(ErrorCode::does_not_fit,
                "The run needs " + mebibytes(used_ + bytes) + " of GPU memory, but only " +
                    mebibytes(budget_) +
                    " may be used; use a larger GPU, fewer levels or --device cpu.",
                "--memory");
  used_ += bytes;
  peak_ = std::max(peak_, used_);
}

ops::Array Device::allocate(std::size_t bytes) {
  take(bytes);
  void* data = nullptr;
  const cudaError_t status = cudaMallocAsync(&data, std::max<std::size_t>(bytes, 1), stream_);
  if (status != cudaSuccess) give_back(bytes);
  check(status, "allocating");
  return {static_cast<std::byte*>(data), bytes, [this, bytes](std::byte* p) {
            cudaFreeAsync(p, stream_);
            give_back(bytes);
          }};
}

void Device::synchronise() { check(cudaStreamSynchronize(stream_), "waiting for the device"); }

Range::Range(const char* name) { nvtxRangePushA(name); }
Range::~Range() { nvtxRangePop(); }

}  // namespace gigawarp::cuda
