#include <nvtx3/nvToolsExt.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "cuda/recorded_graph.h"
#include "cuda/support.h"
#include "gigawarp/error.h"

namespace gigawarp::cuda {
namespace {

/// Left to the driver, the context and the display.
constexpr std::uint64_t kReserveBytes = std::uint64_t{256} << 20U;
/// The store of small blocks: what one may have, and all. Within what forecasts leave for trifles.
constexpr std::size_t kSmallBlock = std::size_t{4} << 20U, kStoreBytes = std::size_t{24} << 20U;

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
  check(cudaDeviceGetAttribute(&shared_bytes_, cudaDevAttrMaxSharedMemoryPerBlockOptin, index),
        "asking for the shared memory of a block");
  // Tests run as on a card that has less.
  if (const char* less = std::getenv("GIGAWARP_GPU_SHARED_BYTES"))
    shared_bytes_ = std::min(shared_bytes_, std::max(std::atoi(less), 1));
  check(cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, index),
        "asking for its properties");
  std::size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "asking for free memory");
  const std::uint64_t most = free > kReserveBytes ? free - kReserveBytes : 0;
  budget_ = budget == 0 ? most : std::min(budget, most);
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream");
  check(cudaMallocHost(&landing_, kLandingBytes), "asking for page-locked memory");
  // Freed memory stays with the process: levels come and go, and the driver is slow to give.
  cudaMemPool_t pool = nullptr;
  check(cudaDeviceGetDefaultMemPool(&pool, index), "asking for its memory pool");
  std::uint64_t keep = ~std::uint64_t{0};
  check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keep),
        "setting up its memory pool");
}

Device::~Device() {
  if (stream_ == nullptr) return;
  empty_store();
  cudaStreamSynchronize(stream_);
  cudaStreamDestroy(stream_);
  cudaFreeHost(landing_);
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
  if (kept_ != nullptr) return kept_->take(bytes);
  return {static_cast<std::byte*>(take_out(bytes)), bytes,
          [this, bytes](std::byte* p) { put_back(p, bytes); }};
}

void* Device::take_out(std::size_t bytes) {
  take(bytes);
  try {
    return take_block(bytes);
  } catch (...) {
    give_back(bytes);
    throw;
  }
}

void Device::put_back(void* block, std::size_t bytes) {
  give_block(block, bytes);
  give_back(bytes);
}

/// The stream is one, and in order: who takes a block runs after who gave it.
void* Device::take_block(std::size_t bytes) {
  if (const auto found = store_.find(bytes); found != store_.end() && !found->second.empty()) {
    void* const block = found->second.back();
    found->second.pop_back();
    stored_bytes_ -= bytes;
    return block;
  }
  void* data = nullptr;
  cudaError_t status = cudaMallocAsync(&data, std::max<std::size_t>(bytes, 1), stream_);
  if (status == cudaErrorMemoryAllocation && stored_bytes_ > 0) {
    cudaGetLastError();
    empty_store();
    status = cudaMallocAsync(&data, std::max<std::size_t>(bytes, 1), stream_);
  }
  check(status, "allocating");
  return data;
}

void Device::give_block(void* block, std::size_t bytes) {
  if (bytes > kSmallBlock) {
    cudaFreeAsync(block, stream_);
    return;
  }
  if (stored_bytes_ + bytes > kStoreBytes) empty_store();  // of an earlier level
  store_[bytes].push_back(block);
  stored_bytes_ += bytes;
}

void Device::empty_store() {
  for (auto& [bytes, blocks] : store_)
    for (void* block : blocks) cudaFreeAsync(block, stream_);
  store_.clear();
  stored_bytes_ = 0;
}

void Device::read(void* host, const void* from, std::size_t bytes, const char* what) {
  void* const to = bytes <= kLandingBytes ? landing_ : host;
  if (to == host) wait_where_somebody_looks();
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_), what);
  synchronise();
  if (to != host) std::memcpy(host, to, bytes);
}

void Device::synchronise() {
  constexpr const char* kWhat = "waiting for the device";
  if (!look_) {
    check(cudaStreamSynchronize(stream_), kWhat);
    return;
  }
  for (;;) {
    const cudaError_t status = cudaStreamQuery(stream_);
    if (status == cudaSuccess) return;
    if (status != cudaErrorNotReady) check(status, kWhat);
    cudaGetLastError();  // "not ready" is none, and what is launched next shall not meet it
    look_();
    std::this_thread::yield();
  }
}

Range::Range(const char* name) { nvtxRangePushA(name); }
Range::~Range() { nvtxRangePop(); }

}  // namespace gigawarp::cuda
