#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "cpu/transform_rows.h"
#include "gigawarp/volume.h"
#include "ops/apply.h"

/// Values of a moving volume at the positions of a row.
namespace gigawarp::cpu {

/// Corner offsets and weights of one row in a box of the moving grid.
struct RowCorners {
  std::vector<std::int64_t> base;                  ///< lower corner; -1: outside
  std::array<std::vector<std::int64_t>, 3> upper;  ///< offset to the upper corner, 0 at weight 0
  std::array<std::vector<double>, 3> weight;
  explicit RowCorners(std::int64_t n) {
    const auto count = static_cast<std::size_t>(n);
    base.resize(count);
    for (auto& u : upper) u.resize(count);
    for (auto& w : weight) w.resize(count);
  }
};

/// How values are made, for every row alike.
struct ResampleRule {
  Interpolation interpolation;
  double background;
};

/// One row of all channels: `row` in the moving grid of size `whole`, of which `moving` holds
/// `box`.
void sample_row(const Volume& moving, const Size3& whole, const Box& box, const ResampleRule& rule,
                const MappedRow& row, RowCorners& corners, Volume& out, std::int64_t out_row);

}  // namespace gigawarp::cpu
