#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <vector>

#include "base/page_set.h"
#include "base/parallel.h"
#include "gigawarp/error.h"
#include "ops/rank_parts.h"

namespace gigawarp::ops {
namespace {

/// Addresses without access until they are committed: what a rank has not asked for cannot be read
/// by mistake.
class HostSparseMemory final : public SparseMemory {
 public:
  Array reserve(std::size_t bytes) override {
    const std::size_t whole = bytes + kOverrun;
    void* const p =
        mmap(nullptr, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) refuse(bytes);
    auto* const base = static_cast<std::byte*>(p);
    pages_[base] = {};
    return {base, bytes, [this, whole](std::byte* array) {
              committed_ -= pages_[array].bytes();
              pages_.erase(array);
              munmap(array, whole);
            }};
  }
  void commit(std::byte* from, std::size_t bytes) override {
    if (bytes == 0) return;
    auto array = pages_.upper_bound(from);
    --array;
    const auto begin = static_cast<std::size_t>(from - array->first);
    for (const auto& [first, end] : array->second.add(begin, begin + bytes + kOverrun, page_)) {
      if (mprotect(array->first + first, end - first, PROT_READ | PROT_WRITE) != 0)
        refuse(end - first);
      committed_ += end - first;
    }
    peak_ = std::max(peak_, committed_);
  }
  std::uint64_t peak_bytes() const override { return peak_; }
  void forget_peak() override { peak_ = committed_; }

 private:
  /// What vector loops may load beyond an array, as in Buffer.
  static constexpr std::size_t kOverrun = 64;

  [[noreturn]] static void refuse(std::size_t bytes) {
    throw Error(ErrorCode::does_not_fit, "There is not enough memory for another " +
                                             std::to_string(bytes >> 20U) +
                                             " MiB; close other programs or take more ranks.");
  }

  const std::size_t page_ = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  std::map<std::byte*, PageSet> pages_;
  std::uint64_t committed_ = 0, peak_ = 0;
};

/// What is asked for is done at once.
class HostClock final : public WorkClock {
 public:
  std::size_t mark() override {
    marks_.push_back(std::chrono::steady_clock::now());
    return marks_.size() - 1;
  }
  double seconds(std::size_t from, std::size_t to) const override {
    return std::chrono::duration<double>(marks_[to] - marks_[from]).count();
  }
  void forget_marks() override { marks_.clear(); }

 private:
  std::vector<std::chrono::steady_clock::time_point> marks_;
};

}  // namespace

RankParts make_host_rank() {
  /// Tiles march through so many planes: thinner pieces compute the planes around them twice, which
  /// takes longer than their messages.
  constexpr int kLeastPiece = 32;
  RankParts parts;
  parts.least_piece = kLeastPiece;
  parts.backend = make_cpu_backend();
  parts.memory = std::make_unique<HostSparseMemory>();
  parts.clock = std::make_unique<HostClock>();
  parts.name = "cpu";
  return parts;
}

}  // namespace gigawarp::ops
