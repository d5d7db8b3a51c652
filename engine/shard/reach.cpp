#include "shard/reach.h"

#include <algorithm>
#include <cmath>

namespace gigawarp::shard {

ShiftRange ShiftRange::grown(float step) const {
  ShiftRange out = *this;
  for (std::size_t a = 0; a < 3; ++a) {
    out.low[a] -= step;
    out.high[a] += step;
  }
  return out;
}

ShiftRange ShiftRange::joined(const ShiftRange& other) const {
  ShiftRange out;
  for (std::size_t a = 0; a < 3; ++a) {
    out.low[a] = std::min(low[a], other.low[a]);
    out.high[a] = std::max(high[a], other.high[a]);
  }
  return out;
}

std::int64_t VoxelBox::voxels() const {
  return empty() ? 0 : (end[0] - begin[0]) * (end[1] - begin[1]) * (end[2] - begin[2]);
}

bool VoxelBox::contains(const VoxelBox& other) const {
  if (other.empty()) return true;
  for (std::size_t a = 0; a < 3; ++a)
    if (other.begin[a] < begin[a] || other.end[a] > end[a]) return false;
  return !empty();
}

namespace {

using Axes = std::array<std::array<double, 2>, 3>;  ///< least and greatest

/// i + u, fixed voxels.
Axes displaced(const Sampling& s) {
  const std::array<std::int64_t, 3> first{0, 0, s.planes.begin},
      last{s.fixed.nx - 1, s.fixed.ny - 1, s.planes.end - 1};
  Axes out{};
  for (std::size_t a = 0; a < 3; ++a)
    out[a] = {static_cast<double>(first[a]) + static_cast<double>(s.displacement.low[a]),
              static_cast<double>(last[a]) + static_cast<double>(s.displacement.high[a])};
  return out;
}

/// The box around a map's image of a box.
Axes image_of(const Affine& map, const Axes& box) {
  Axes out{};
  for (std::size_t r = 0; r < 3; ++r) {
    out[r] = {map.offset[r], map.offset[r]};
    for (std::size_t c = 0; c < 3; ++c) {
      const double a = map.linear[r][c] * box[c][0], b = map.linear[r][c] * box[c][1];
      out[r][0] += std::min(a, b);
      out[r][1] += std::max(a, b);
    }
  }
  return out;
}

/// Not of a displacement that is not a number.
bool is_usual(const std::array<double, 2>& range) { return range[0] >= -1e15 && range[1] <= 1e15; }

std::array<std::int64_t, 3> size_of(const ops::Extent& e) { return {e.nx, e.ny, e.nz}; }

/// Both corners of all points between, `around` voxels about them, where an axis has n voxels.
std::array<std::int64_t, 2> corners(double low, double high, double around, std::int64_t n) {
  const double end = static_cast<double>(n) - 1;
  const double lowest = std::clamp(std::floor(low - around), 0.0, std::max(0.0, end - 1)),
               highest = std::clamp(std::floor(high + around) + 1, std::min(lowest + 1, end), end);
  return {static_cast<std::int64_t>(lowest), static_cast<std::int64_t>(highest) + 1};
}

/// Samplers work in single precision, and round corners.
constexpr double kRounding = 1;

}  // namespace

VoxelBox reach(const Sampling& sampling, double margin) {
  VoxelBox box;
  if (sampling.planes.begin >= sampling.planes.end) return box;
  const Axes there = image_of(sampling.moving_from_fixed, displaced(sampling));
  const std::array<std::int64_t, 3> size = size_of(sampling.moving);
  for (std::size_t r = 0; r < 3; ++r) {
    const auto [begin, end] = is_usual(there[r])
                                  ? corners(there[r][0], there[r][1], margin + kRounding, size[r])
                                  : std::array<std::int64_t, 2>{0, size[r]};
    box.begin[r] = begin;
    box.end[r] = end;
  }
  return box;
}

RowReach::RowReach(const Sampling& sampling, double margin)
    : beyond_(margin + kRounding), size_(size_of(sampling.moving)) {
  const double determinant = sampling.moving_from_fixed.determinant();
  if (sampling.planes.begin >= sampling.planes.end || !(std::abs(determinant) > 1e-12)) return;
  fixed_from_moving_ = sampling.moving_from_fixed.inverse();
  const Axes here = displaced(sampling), there = image_of(sampling.moving_from_fixed, here);
  is_known_ = true;
  for (std::size_t a = 0; a < 3; ++a) {
    is_known_ = is_known_ && is_usual(here[a]) && is_usual(there[a]);
    here_[a] = {here[a][0], here[a][1]};
    there_[a] = {there[a][0], there[a][1]};
  }
}

RowReach::Range RowReach::around(std::int64_t i, std::size_t axis) const {
  // The lower corner of a point may be i - 1, the upper one i; the last two rows on either side are
  // read for all that lies beyond.
  const auto at = static_cast<double>(i);
  return {i <= 1 ? there_[axis].low : std::max(there_[axis].low, at - 1 - beyond_),
          i >= size_[axis] - 2 ? there_[axis].high : std::min(there_[axis].high, at + 1 + beyond_)};
}

RowReach::Columns RowReach::columns(std::int64_t y, std::int64_t z) const {
  const Range ys = around(y, 1), zs = around(z, 2);
  if (ys.low > ys.high || zs.low > zs.high) return {};
  // The point's x, of T(box): each axis of the box tells where it may lie.
  Range x = there_[0];
  for (std::size_t k = 0; k < 3; ++k) {
    const auto& row = fixed_from_moving_.linear[k];
    const double y0 = row[1] * ys.low, y1 = row[1] * ys.high, z0 = row[2] * zs.low,
                 z1 = row[2] * zs.high, offset = fixed_from_moving_.offset[k];
    constexpr double kSlack = 1e-6;
    const double low = here_[k].low - kSlack - offset - std::max(y0, y1) - std::max(z0, z1),
                 high = here_[k].high + kSlack - offset - std::min(y0, y1) - std::min(z0, z1);
    if (std::abs(row[0]) < 1e-12) {
      // Next to no change along the row: all of it or nothing.
      const double most = std::abs(row[0]) * (there_[0].high - there_[0].low + 1e6);
      if (low > most || high < -most) return {};
      continue;
    }
    x.low = std::max(x.low, std::min(low / row[0], high / row[0]));
    x.high = std::min(x.high, std::max(low / row[0], high / row[0]));
  }
  if (x.low > x.high) return {};
  const auto [begin, end] = corners(x.low, x.high, beyond_, size_[0]);
  return {begin, end};
}

bool reads_within(const Sampling& sampling, const Sampling& other, double margin) {
  if (sampling.planes.begin >= sampling.planes.end) return true;
  if (other.planes.begin >= other.planes.end) return false;
  const Axes mine = displaced(sampling), theirs = displaced(other);
  for (std::size_t a = 0; a < 3; ++a)
    if (!is_usual(mine[a]) || !is_usual(theirs[a])) return false;
  Affine difference;
  for (std::size_t r = 0; r < 3; ++r) {
    for (std::size_t c = 0; c < 3; ++c)
      difference.linear[r][c] =
          sampling.moving_from_fixed.linear[r][c] - other.moving_from_fixed.linear[r][c];
    difference.offset[r] = sampling.moving_from_fixed.offset[r] - other.moving_from_fixed.offset[r];
  }
  const Axes apart = image_of(difference, mine);
  for (std::size_t r = 0; r < 3; ++r) {
    // From a point of mine to T'(the nearest of theirs).
    double far = std::max(-apart[r][0], apart[r][1]);
    for (std::size_t c = 0; c < 3; ++c)
      far += std::abs(other.moving_from_fixed.linear[r][c]) *
             std::max({0.0, theirs[c][0] - mine[c][0], mine[c][1] - theirs[c][1]});
    if (!(far <= margin)) return false;
  }
  return true;
}

}  // namespace gigawarp::shard
