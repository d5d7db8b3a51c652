#pragma once
#include <cstdint>
#include <vector>

#include "cuda/support.h"
#include "ops/similarity.h"

/// Sums that repeat bit for bit. A block keeps its partial sums in a slot of its own; slots belong
/// to segments of planes whose borders are multiples of a constant in global z, and are added in a
/// fixed order: first those of a segment, then segments. So neither scheduling nor the number of
/// slabs can show.
namespace gigawarp::cuda {

constexpr int kSums = 14;  ///< value, count, gradient 3, moment 3×3 (ops::PlaneSums)

/// The segments that an operation over `range` takes its sums by.
struct Segments {
  ops::ZRange range;
  int first = 0, count = 0;  ///< in segments, counted from plane 0
  int planes = 1;            ///< of a segment
  int blocks = 1;            ///< that share one, each with a slot

  Segments(ops::ZRange over, int planes_of_one, int blocks_of_one)
      : range(over), planes(planes_of_one), blocks(blocks_of_one) {
    if (range.end <= range.begin) return;
    first = static_cast<int>(range.begin / planes);
    count = static_cast<int>((range.end - 1) / planes) - first + 1;
  }
  std::size_t total_bytes() const {
    return static_cast<std::size_t>(count) * kSums * sizeof(double);
  }
  /// Totals, as SegmentSums leaves them, where the back end's callers look for them: each at its
  /// first plane, the others zero.
  void spread(const double* totals, std::vector<ops::PlaneSums>& sums) const;
};

/// Slots of one operation, made before the launch.
class SegmentSums {
 public:
  /// `totals`: where they are wanted, or else in memory of their own.
  SegmentSums(Device& device, const Segments& segments, double* totals = nullptr);
  double* slots() const { return slots_.as<double>(); }
  const Segments& segments() const { return segments_; }
  /// Adds each segment's slots, on the device.
  void add_up();
  /// The same, then the segments' values.
  void queue_value(double* value);
  /// The same as add_up(), and brings them to the host: waits for the stream.
  void collect(std::vector<ops::PlaneSums>& sums);

 private:
  Device& device_;
  Segments segments_;
  ops::Array slots_, own_totals_;
  double* totals_;
};

}  // namespace gigawarp::cuda
