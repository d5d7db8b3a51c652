#include "ops/apply.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "base/parallel.h"
#include "cpu/sample_rows.h"
#include "cpu/transform_rows.h"
#include "gigawarp/error.h"

namespace gigawarp {

using namespace cpu;

namespace {
constexpr std::int64_t kRowsPerTask = 16;

/// Calls body(first, last) for blocks of rows, and throws when stopped.
template <class Body>
void for_row_blocks(std::int64_t rows, const std::stop_token& stop, const Body& body) {
  parallel_for((rows + kRowsPerTask - 1) / kRowsPerTask, [&](std::int64_t i) {
    if (stop.stop_requested())
      throw Error(ErrorCode::cancelled, "Resampling was cancelled; nothing was written.");
    body(i * kRowsPerTask, std::min(rows, (i + 1) * kRowsPerTask));
  });
}

/// Smallest and largest moving voxel index that linear interpolation touches.
struct Reach {
  Size3 low{std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::max(),
            std::numeric_limits<std::int64_t>::max()};
  Size3 high{-1, -1, -1};

  void add(const MappedRow& row, const Size3& whole) {
    for (std::size_t x = 0; x < row.position[0].size(); ++x) {
      bool inside = true;
      for (std::size_t a = 0; a < 3; ++a) {
        const double p = row.position[a][x];
        inside = inside && p >= -0.5 && p < static_cast<double>(whole[a]) - 0.5;
      }
      if (!inside) continue;
      for (std::size_t a = 0; a < 3; ++a) {
        const double p = std::clamp(row.position[a][x], 0.0, static_cast<double>(whole[a] - 1));
        low[a] = std::min(low[a], static_cast<std::int64_t>(std::floor(p)));
        high[a] = std::max(high[a], static_cast<std::int64_t>(std::ceil(p)));
      }
    }
  }
  void add(const Reach& other) {
    for (std::size_t a = 0; a < 3; ++a) {
      low[a] = std::min(low[a], other.low[a]);
      high[a] = std::max(high[a], other.high[a]);
    }
  }
  Box box() const {
    Box out;
    for (std::size_t a = 0; a < 3 && high[a] >= 0; ++a) {
      out.begin[a] = low[a];
      out.size[a] = high[a] - low[a] + 1;
    }
    return out;
  }
};
}  // namespace

Volume apply_transform(const Volume& moving, const Transform& moving_from_fixed,
                       const Grid& reference, Interpolation interpolation, double background,
                       std::stop_token stop) {
  if (moving.empty() || reference.voxel_count() <= 0)
    throw Error(ErrorCode::bad_input, "An empty volume cannot be resampled.");
  const RowProgram program = compile(moving_from_fixed, reference, moving.grid());
  Volume out(reference, moving.type(), moving.channels());
  const Size3 n = reference.size, whole = moving.grid().size;
  for_row_blocks(n[1] * n[2], stop, [&](std::int64_t first, std::int64_t last) {
    MappedRow row(n[0]);
    RowCorners corners(n[0]);
    for (std::int64_t r = first; r < last; ++r) {
      find_positions(program, reference, {0, r % n[1], r / n[1]}, row);
      sample_row(moving, whole, {{0, 0, 0}, whole}, {interpolation, background}, row, corners, out,
                 r);
    }
  });
  return out;
}

namespace {
constexpr std::int64_t kTile = 256;  ///< voxels along x and y of what is resampled at once

/// A box of the reference from a moving volume in memory.
void sample_box(const RowProgram& program, const Volume& moving, const Grid& reference,
                const Box& box, const ResampleRule& rule, const std::stop_token& stop,
                Volume& out) {
  const Size3& n = box.size;
  const Size3 whole = moving.grid().size;
  for_row_blocks(n[1] * n[2], stop, [&](std::int64_t first, std::int64_t last) {
    MappedRow row(n[0]);
    RowCorners corners(n[0]);
    for (std::int64_t r = first; r < last; ++r) {
      find_positions(program, reference,
                     {box.begin[0], box.begin[1] + r % n[1], box.begin[2] + r / n[1]}, row);
      sample_row(moving, whole, {{0, 0, 0}, whole}, rule, row, corners, out, r);
    }
  });
}

/// The same of a moving volume of which the box that is needed can be read.
Volume read_and_sample(const RowProgram& program, const VolumeFeed& moving, const Grid& reference,
                       const Box& box, const ResampleRule& rule, const std::stop_token& stop) {
  const Size3& n = box.size;
  // Each row's memory is got and given back by the thread that fills and uses it.
  std::vector<std::unique_ptr<MappedRow>> rows(static_cast<std::size_t>(n[1] * n[2]));
  std::vector<Reach> reaches(rows.size());
  for_row_blocks(n[1] * n[2], stop, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t r = first; r < last; ++r) {
      const Size3 at{box.begin[0], box.begin[1] + r % n[1], box.begin[2] + r / n[1]};
      auto& row = rows[static_cast<std::size_t>(r)];
      row = std::make_unique<MappedRow>(n[0]);
      find_positions(program, reference, at, *row);
      reaches[static_cast<std::size_t>(r)].add(*row, moving.grid().size);
    }
  });
  Reach reach;
  for (const Reach& one : reaches) reach.add(one);
  Volume out(Grid{n, {}}, moving.type(), moving.channels());
  const Box needed = reach.box();
  // All outside: one voxel that nobody reads keeps the rows below the same.
  Volume part(Grid{needed.size[0] > 0 ? needed.size : Size3{1, 1, 1}, {}}, moving.type(),
              moving.channels());
  if (needed.size[0] > 0) moving.read(needed, part.data());
  for_row_blocks(n[1] * n[2], stop, [&](std::int64_t first, std::int64_t last) {
    RowCorners corners(n[0]);
    for (std::int64_t r = first; r < last; ++r) {
      auto& row = rows[static_cast<std::size_t>(r)];
      sample_row(part, moving.grid().size, needed, rule, *row, corners, out, r);
      row.reset();
    }
  });
  return out;
}

/// A tile of a box, into its place there; `at` counts from the box's corner.
void put_tile(const Volume& tile, const Size3& at, Volume& box) {
  const std::size_t width = size_of(box.type());
  const Size3 &n = box.grid().size, &t = tile.grid().size;
  const auto row = static_cast<std::size_t>(t[0]) * width;
  for (std::int64_t i = 0; i < tile.channels() * t[2] * t[1]; ++i) {
    const std::int64_t c = i / (t[1] * t[2]), z = i / t[1] % t[2], y = i % t[1];
    std::memcpy(box.data() + static_cast<std::size_t>(
                                 ((c * n[2] + at[2] + z) * n[1] + at[1] + y) * n[0] + at[0]) *
                                 width,
                tile.data() + static_cast<std::size_t>(i) * row, row);
  }
}

}  // namespace

Volume apply_transform_to_box(const VolumeFeed& moving, const VolumeFeed* first_mm,
                              const Transform& moving_from_fixed, const Grid& reference,
                              const Box& box, Interpolation interpolation, double background,
                              const std::stop_token& stop) {
  RowProgram program = compile(moving_from_fixed, reference, moving.grid(), first_mm == nullptr);
  Volume first;
  if (first_mm != nullptr && first_mm->whole() != nullptr) {
    set_first_field(program, *first_mm->whole(), {{0, 0, 0}, first_mm->grid().size});
  } else if (first_mm != nullptr) {
    first = Volume(Grid{box.size, {}}, ScalarType::f32, 3);
    first_mm->read(box, first.data());
    set_first_field(program, first, box);
  }
  Volume out(Grid{box.size, {}}, moving.type(), moving.channels());
  const ResampleRule rule{interpolation, background};
  if (const Volume* whole = moving.whole()) {
    sample_box(program, *whole, reference, box, rule, stop, out);
    return out;
  }
  for (std::int64_t y = 0; y < box.size[1]; y += kTile)
    for (std::int64_t x = 0; x < box.size[0]; x += kTile) {
      const Box tile{
          {box.begin[0] + x, box.begin[1] + y, box.begin[2]},
          {std::min(kTile, box.size[0] - x), std::min(kTile, box.size[1] - y), box.size[2]}};
      put_tile(read_and_sample(program, moving, reference, tile, rule, stop), {x, y, 0}, out);
    }
  return out;
}

DisplacementField sample_displacement(const Transform& transform, const Grid& grid,
                                      std::stop_token stop) {
  const Grid world{grid.size, Affine{}};  // positions in mm instead of moving voxels
  const RowProgram program = compile(transform, grid, world);
  DisplacementField out(grid);
  const Size3& n = grid.size;
  parallel_for(n[2], [&](std::int64_t z) {
    if (stop.stop_requested())
      throw Error(ErrorCode::cancelled, "Composing transforms was cancelled; nothing was written.");
    MappedRow row(n[0]);
    for (std::int64_t y = 0; y < n[1]; ++y) {
      find_positions(program, grid, {0, y, z}, row);
      for (std::int64_t x = 0; x < n[0]; ++x) {
        const Vec3 from = grid.world_from_voxel(
            {static_cast<double>(x), static_cast<double>(y), static_cast<double>(z)});
        for (int a = 0; a < 3; ++a)
          out.component_mm(a)[(z * n[1] + y) * n[0] + x] =
              static_cast<float>(row.position[a][static_cast<std::size_t>(x)] - from[a]);
      }
    }
  });
  return out;
}

}  // namespace gigawarp
