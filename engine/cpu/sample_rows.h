#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cpu/transform_rows.h"
#include "gigawarp/volume_feed.h"
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

/// What is in memory of a moving volume: `box` of its grid of size `whole`, all channels.
struct HeldVoxels {
  const std::byte* voxels = nullptr;
  ScalarType type = ScalarType::u8;
  int channels = 1;
  Box box;
  Size3 whole{};

  explicit HeldVoxels(const Volume& volume)
      : voxels(volume.data()),
        type(volume.type()),
        channels(volume.channels()),
        box{{0, 0, 0}, volume.grid().size},
        whole(volume.grid().size) {}
  HeldVoxels(const std::byte* held, const VolumeFeed& feed, const Box& held_box)
      : voxels(held),
        type(feed.type()),
        channels(feed.channels()),
        box(held_box),
        whole(feed.grid().size) {}
};

/// Where a row goes: its first voxel of channel 0, and voxels from one channel to the next.
struct RowTarget {
  std::byte* first = nullptr;
  std::int64_t channel_step = 0;
};

/// One row of all channels, of the moving volume's type.
void sample_row(const HeldVoxels& moving, const ResampleRule& rule, const MappedRow& row,
                RowCorners& corners, const RowTarget& out);

}  // namespace gigawarp::cpu
