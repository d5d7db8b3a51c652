#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>

namespace gigawarp {

/// Time spent in pieces of one kind, by any number of threads: their sum.
class TimeSum {
 public:
  double seconds() const { return 1e-9 * static_cast<double>(nanoseconds_.load()); }

  /// Adds the time until the end of its scope.
  class Piece {
   public:
    explicit Piece(TimeSum& sum) : sum_(sum), begin_(std::chrono::steady_clock::now()) {}
    ~Piece() {
      sum_.nanoseconds_ += std::chrono::duration_cast<std::chrono::nanoseconds>(
                               std::chrono::steady_clock::now() - begin_)
                               .count();
    }
    Piece(const Piece&) = delete;
    Piece& operator=(const Piece&) = delete;

   private:
    TimeSum& sum_;
    std::chrono::steady_clock::time_point begin_;
  };

 private:
  std::atomic<std::int64_t> nanoseconds_{0};
};

}  // namespace gigawarp
