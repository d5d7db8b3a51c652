#pragma once
#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "ops/backend.h"
#include "ops/rank_parts.h"

namespace gigawarp::shard {

/// How long each member of a grid works, and how long operations take, a whole step counting as
/// one. Members with clocks of their own are asked by those, since the host only queues; others by
/// the host's. Nothing is marked before somebody has asked once.
class MemberTimes {
 public:
  MemberTimes(std::size_t members, std::vector<std::unique_ptr<ops::WorkClock>> clocks)
      : clocks_(std::move(clocks)), spans_(members) {
    by_host_.busy_seconds.resize(members);
  }

  void next_operation() { ++operation_; }
  /// What a member does of the operation, perhaps one of several pieces; different members at once.
  template <class Work>
  void time(std::size_t member, const Work& work) {
    if (!asked_ || clocks_.empty()) {
      work();
      return;
    }
    const std::size_t from = clocks_[member]->mark();
    work();
    spans_[member].push_back({operation_, from, clocks_[member]->mark()});
  }
  /// By the host's clock.
  void add(double seconds, const std::vector<double>& of_each) {
    if (!clocks_.empty()) return;
    by_host_.seconds += seconds;
    for (std::size_t i = 0; i < of_each.size(); ++i) by_host_.busy_seconds[i] += of_each[i];
  }

  /// Since the last call. All work must be done.
  ops::GridTimes take() {
    asked_ = true;
    ops::GridTimes times;
    times.busy_seconds.resize(spans_.size());
    std::swap(times, by_host_);
    std::vector<double> longest(operation_ + 1, 0.0);
    for (std::size_t i = 0; i < spans_.size(); ++i) add_spans(i, times.busy_seconds[i], longest);
    for (const double seconds : longest) times.seconds += seconds;
    for (const auto& clock : clocks_) clock->forget_marks();
    operation_ = 0;
    return times;
  }

 private:
  struct Span {
    std::size_t operation, from, to;
  };

  /// From a member's first piece of an operation to its last, waiting between them included.
  void add_spans(std::size_t member, double& busy, std::vector<double>& longest) {
    const std::vector<Span> spans = std::exchange(spans_[member], {});
    for (std::size_t i = 0, first = 0; i < spans.size(); ++i) {
      const Span& span = spans[i];
      if (span.operation != spans[first].operation) first = i;
      const ops::WorkClock& clock = *clocks_[member];
      busy += clock.seconds(span.from, span.to);
      double& whole = longest[span.operation];
      whole = std::max(whole, clock.seconds(spans[first].from, span.to));
    }
  }

  std::vector<std::unique_ptr<ops::WorkClock>> clocks_;  ///< of each member, or none
  std::vector<std::vector<Span>> spans_;                 ///< of each member
  ops::GridTimes by_host_;
  std::size_t operation_ = 0;
  bool asked_ = false;
};

}  // namespace gigawarp::shard
