#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "qc/streamed_transform.h"

namespace gigawarp::app {

/// The files of --transform, to move points by. A displacement of more than 512 MiB that its file
/// gives in parts (io::open_displacement()) stays there and is read by slabs of 64 MiB, each for
/// all points that lie in it, to the same bits; everything else is held as read_transform_list()
/// holds it, which takes a third of the time where the file is compressed.
class PointTransform {
 public:
  /// With `inverse` the whole chain is inverted, for which it is held.
  PointTransform(const std::vector<std::string>& words, bool inverse, const std::stop_token& stop);
  /// It turns right hands into left ones: faces have their corners the other way round.
  bool mirrors() const { return mirrors_; }
  /// How many of the points lie beyond the grid of a displacement that goes first, which leaves
  /// them where they are, as in ITK: a surface of another space is betrayed by it.
  std::int64_t beyond_first(std::span<const Vec3> points_mm) const;
  /// Takes points, world LPS mm, where the transform leads them; NaN where that is nowhere. `tell`
  /// gets how much is done, 0 to 1. Throws Error{cancelled}.
  void move(std::span<Vec3> points_mm, const std::function<void(double done)>& tell) const;

 private:
  void add(Transform&& held);

  qc::StreamedTransform stages_;
  std::stop_token stop_;
  bool mirrors_ = false, any_ = false;
  std::optional<Grid> first_;  ///< of the displacement that goes first
};

}  // namespace gigawarp::app
