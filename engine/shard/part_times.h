#pragma once
#include <array>
#include <cstddef>
#include <utility>
#include <vector>

#include "ops/rank_parts.h"

namespace gigawarp::shard {

/// How long parts of a rank's work take, by the clock of its processor: on a GPU the host only
/// queues, and would see nothing. Nothing is marked before somebody has asked once.
class PartTimes {
 public:
  enum Part : std::size_t { operation, computation, kParts };

  explicit PartTimes(ops::WorkClock& clock) : clock_(clock) {}

  template <class Body>
  void time(Part part, const Body& body) {
    const std::size_t from = start();
    body();
    stop(part, from);
  }
  /// The two ends of a part, where it is not one piece of the program.
  std::size_t start() { return asked_ ? clock_.mark() : kUnasked; }
  void stop(Part part, std::size_t from) {
    if (from != kUnasked) spans_.push_back({part, from, clock_.mark()});
  }
  /// Seconds of each part since the last call. All work must be done.
  std::array<double, kParts> take() {
    asked_ = true;
    std::array<double, kParts> sums{};
    for (const Span& span : std::exchange(spans_, {}))
      sums[span.part] += clock_.seconds(span.from, span.to);
    clock_.forget_marks();
    return sums;
  }

 private:
  static constexpr std::size_t kUnasked = ~std::size_t{0};

  struct Span {
    Part part;
    std::size_t from, to;
  };
  ops::WorkClock& clock_;
  bool asked_ = false;
  std::vector<Span> spans_;
};

}  // namespace gigawarp::shard
