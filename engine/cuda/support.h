#pragma once
#include <cuda_runtime_api.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ops/array.h"

/// What every launcher needs on the host side: errors, the stream, stream-ordered memory.
namespace gigawarp::cuda {

class KeptBlocks;
class RecordedGraph;

/// Throws Error{device_fault} naming what was being done; does_not_fit when memory ran out.
void check(cudaError_t status, const char* what);
/// After a launch: errors of its configuration. Errors inside a kernel show at the next
/// synchronisation.
inline void check_launch(const char* kernel) { check(cudaGetLastError(), kernel); }

/// One device with its stream and the count of its memory in use. All work of a back end goes to
/// this one stream, in order.
class Device {
 public:
  /// Throws Error{device_fault} with the reason when
  /// it cannot be used. `budget`: bytes that may be allocated, 0 for what is free.
  Device(int index, std::uint64_t budget);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  /// Makes it current for the calling thread.
  void make_current() const;
  int index() const { return index_; }
  cudaStream_t stream() const { return stream_; }
  int multiprocessors() const { return multiprocessors_; }
  /// Of shared memory, the most that a block may ask for.
  std::size_t shared_bytes() const { return static_cast<std::size_t>(shared_bytes_); }
  /// Bytes of its budget that nothing has taken.
  std::int64_t left() const {
    return static_cast<std::int64_t>(budget_ > used_ ? budget_ - used_ : 0);
  }
  /// Not initialised. Throws Error{does_not_fit} with the numbers beyond the budget. Small arrays
  /// come back to a store of this class: asking the driver for a dozen of them in every iteration
  /// took longer than the kernels of a coarse level.
  ops::Array allocate(std::size_t bytes);
  /// Counts memory that was got otherwise. Throws as allocate().
  void take(std::size_t bytes);
  void give_back(std::size_t bytes) { used_ -= bytes; }
  /// A block as allocate() has it, without an owner. Throws as allocate().
  void* take_out(std::size_t bytes);
  void put_back(void* block, std::size_t bytes);
  /// From now on allocate() takes from there (KeptBlocks::Use); nullptr: as usual.
  void keep_blocks(KeptBlocks* kept) { kept_ = kept; }
  /// The graph that what is queued now goes into, if any.
  RecordedGraph* recording() const { return recording_; }
  void set_recording(RecordedGraph* graph) { recording_ = graph; }
  std::uint64_t peak_bytes() const { return peak_; }
  void forget_peak() { peak_ = used_; }
  std::uint64_t budget_bytes() const { return budget_; }
  void synchronise();
  /// What synchronise() calls again and again until the stream is done; it may throw.
  void look_while_waiting(std::function<void()> look) { look_ = std::move(look); }
  /// Before copies in which the driver itself waits for the stream, and nobody could look.
  void wait_where_somebody_looks() {
    if (look_) synchronise();
  }
  /// Page-locked memory for results, free until the next read().
  static constexpr std::size_t kLandingBytes = std::size_t{256} << 10U;
  void* landing() const { return landing_; }
  /// Brings a result to the host and waits for it.
  void read(void* host, const void* from, std::size_t bytes, const char* what);
  template <class T>
  T read(const void* from, const char* what) {
    T value{};
    read(&value, from, sizeof value, what);
    return value;
  }

 private:
  void* take_block(std::size_t bytes);
  void give_block(void* block, std::size_t bytes);
  void empty_store();

  int index_ = 0, multiprocessors_ = 0, shared_bytes_ = 0;
  cudaStream_t stream_ = nullptr;
  std::uint64_t budget_ = 0, used_ = 0, peak_ = 0;
  std::map<std::size_t, std::vector<void*>> store_;  ///< blocks that nobody uses, by bytes
  std::size_t stored_bytes_ = 0;
  void* landing_ = nullptr;  ///< results land there without a detour
  KeptBlocks* kept_ = nullptr;
  RecordedGraph* recording_ = nullptr;
  std::function<void()> look_;
};

/// Names a range for profilers (NVTX) while it lives.
class Range {
 public:
  explicit Range(const char* name);
  ~Range();
  Range(const Range&) = delete;
  Range& operator=(const Range&) = delete;
};

inline unsigned blocks_for(std::int64_t count, std::int64_t per_block) {
  return static_cast<unsigned>((count + per_block - 1) / per_block);
}

}  // namespace gigawarp::cuda
