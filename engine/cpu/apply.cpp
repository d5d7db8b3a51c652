#include "ops/apply.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <mutex>
#include <vector>

#include "base/beside.h"
#include "base/parallel.h"
#include "cpu/multiversion.h"
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

/// Smallest and largest positions of a row inside the moving volume; least above most: none.
struct PositionRange {
  Vec3 least{}, most{};
};

GIGAWARP_MULTIVERSION
PositionRange range_of(const double* __restrict px, const double* __restrict py,
                       const double* __restrict pz, std::int64_t n, const Size3& whole) {
  constexpr std::int64_t kLanes = 8;
  constexpr double kNone = std::numeric_limits<double>::infinity();
  double least[3][kLanes], most[3][kLanes];
  for (std::int64_t k = 0; k < kLanes; ++k)
    for (int a = 0; a < 3; ++a) {
      least[a][k] = kNone;
      most[a][k] = -kNone;
    }
  const double ex = static_cast<double>(whole[0]) - 0.5, ey = static_cast<double>(whole[1]) - 0.5,
               ez = static_cast<double>(whole[2]) - 0.5;
  const auto widen = [](double p, bool inside, double& low, double& high) {
    const double below = inside ? p : kNone, above = inside ? p : -kNone;
    low = below < low ? below : low;
    high = above > high ? above : high;
  };
  const auto add = [&](std::int64_t x, std::int64_t k) {
    const bool inside = (px[x] >= -0.5) & (px[x] < ex) & (py[x] >= -0.5) & (py[x] < ey) &
                        (pz[x] >= -0.5) & (pz[x] < ez);
    widen(px[x], inside, least[0][k], most[0][k]);
    widen(py[x], inside, least[1][k], most[1][k]);
    widen(pz[x], inside, least[2][k], most[2][k]);
  };
  std::int64_t x = 0;
  for (; x + kLanes <= n; x += kLanes)
    for (std::int64_t k = 0; k < kLanes; ++k) add(x + k, k);
  for (; x < n; ++x) add(x, 0);
  PositionRange out;
  for (std::size_t a = 0; a < 3; ++a) {
    out.least[a] = *std::min_element(least[a], least[a] + kLanes);
    out.most[a] = *std::max_element(most[a], most[a] + kLanes);
  }
  return out;
}

/// Smallest and largest moving voxel index that linear interpolation touches.
struct Reach {
  Size3 low{std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::max(),
            std::numeric_limits<std::int64_t>::max()};
  Size3 high{-1, -1, -1};

  void add(const MappedRow& row, const Size3& whole) {
    const PositionRange range = range_of(row.position[0].data(), row.position[1].data(),
                                         row.position[2].data(), row.size(), whole);
    if (!(range.least[0] <= range.most[0])) return;  // all outside
    for (std::size_t a = 0; a < 3; ++a) {
      const auto last = static_cast<double>(whole[a] - 1);
      low[a] = std::min(
          low[a], static_cast<std::int64_t>(std::floor(std::clamp(range.least[a], 0.0, last))));
      high[a] = std::max(
          high[a], static_cast<std::int64_t>(std::ceil(std::clamp(range.most[a], 0.0, last))));
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

namespace {
/// A box in memory, all channels.
struct BoxPlace {
  std::byte* voxels = nullptr;
  Size3 size{};
  std::size_t width = 0;

  RowTarget at(const Size3& voxel) const {
    const std::int64_t i = (voxel[2] * size[1] + voxel[1]) * size[0] + voxel[0];
    return {voxels + static_cast<std::size_t>(i) * width, size[0] * size[1] * size[2]};
  }
};

RowTarget row_of(const BoxPlace& box, std::int64_t r) {
  return box.at({0, r % box.size[1], r / box.size[1]});
}

/// A box of the reference from a moving volume in memory.
void sample_box(const RowProgram& program, const Volume& moving, const Grid& reference,
                const Box& box, const ResampleRule& rule, const std::stop_token& stop,
                const BoxPlace& out) {
  const Size3& n = box.size;
  const HeldVoxels held(moving);
  for_row_blocks(n[1] * n[2], stop, [&](std::int64_t first, std::int64_t last) {
    MappedRow row(n[0]);
    RowCorners corners(n[0]);
    for (std::int64_t r = first; r < last; ++r) {
      find_positions(program, reference,
                     {box.begin[0], box.begin[1] + r % n[1], box.begin[2] + r / n[1]}, row);
      sample_row(held, rule, row, corners, row_of(out, r));
    }
  });
}
}  // namespace

Volume apply_transform(const Volume& moving, const Transform& moving_from_fixed,
                       const Grid& reference, Interpolation interpolation, double background,
                       std::stop_token stop) {
  if (moving.empty() || reference.voxel_count() <= 0)
    throw Error(ErrorCode::bad_input, "An empty volume cannot be resampled.");
  const RowProgram program = compile(moving_from_fixed, reference, moving.grid());
  Volume out(reference, moving.type(), moving.channels());
  sample_box(program, moving, reference, {{0, 0, 0}, reference.size}, {interpolation, background},
             stop, {out.data(), reference.size, size_of(out.type())});
  return out;
}

namespace {
constexpr std::int64_t kTile = 256;  ///< voxels along x and y of what is resampled at once

/// Memory that is used again: as many pieces as are held at once.
class BufferPool {
 public:
  Buffer take(std::size_t bytes) {
    Buffer out;
    {
      const std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        out = std::move(free_.back());
        free_.pop_back();
      }
    }
    if (out.bytes() < bytes) out = Buffer(bytes + bytes / 8);  // the next needs a little more
    return out;
  }
  void give_back(Buffer&& buffer) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(buffer));
  }

 private:
  std::mutex mutex_;
  std::vector<Buffer> free_;
};

/// sample_box() of a moving volume of which the box that is needed can be read.
class TileSampler {
 public:
  TileSampler(const RowProgram& program, const VolumeFeed& moving, const Grid& reference,
              const ResampleRule& rule, const std::stop_token& stop)
      : program_(program), moving_(moving), reference_(reference), rule_(rule), stop_(stop) {}

  /// A tile of the reference into its place in `out`, a box that begins at `corner`.
  void operator()(const Box& tile, const Size3& corner, const BoxPlace& out) {
    const Size3& n = tile.size;
    Rows rows(static_cast<std::size_t>(n[1] * n[2]));
    Reach reach;
    for (const Reach& one : reaches(tile, rows)) reach.add(one);
    Box needed = reach.box();
    const bool any = needed.size[0] > 0;
    if (!any) needed.size = {1, 1, 1};  // all outside: a voxel that nobody reads
    Buffer part =
        pool_.take(static_cast<std::size_t>(needed.voxel_count()) *
                   static_cast<std::size_t>(moving_.channels()) * size_of(moving_.type()));
    if (any) moving_.read(needed, part.data());
    const HeldVoxels held(part.data(), moving_, needed);
    for_row_blocks(n[1] * n[2], stop_, [&](std::int64_t first, std::int64_t last) {
      RowCorners corners(n[0]);
      MappedRow again(n[0]);
      for (std::int64_t r = first; r < last; ++r) {
        auto& row = rows[static_cast<std::size_t>(r)];
        const Size3 at = place(tile, r);
        if (row == nullptr) find_positions(program_, reference_, at, again);
        sample_row(held, rule_, row != nullptr ? *row : again, corners,
                   out.at({at[0] - corner[0], at[1] - corner[1], at[2] - corner[2]}));
        row.reset();
      }
    });
    pool_.give_back(std::move(part));
  }

  /// Positions that take a walk through fields are kept from finding the box to reading it.
  bool keeps_positions() const { return !program_.steps.empty(); }

 private:
  using Rows = std::vector<std::unique_ptr<MappedRow>>;

  static Size3 place(const Box& box, std::int64_t r) {
    return {box.begin[0], box.begin[1] + r % box.size[1], box.begin[2] + r / box.size[1]};
  }

  /// What each block of rows needs of the moving volume.
  std::vector<Reach> reaches(const Box& box, Rows& rows) const {
    const Size3& n = box.size;
    std::vector<Reach> out((rows.size() + kRowsPerTask - 1) / kRowsPerTask);
    for_row_blocks(n[1] * n[2], stop_, [&](std::int64_t first, std::int64_t last) {
      MappedRow one(n[0]);
      for (std::int64_t r = first; r < last; ++r) {
        auto& kept = rows[static_cast<std::size_t>(r)];
        if (keeps_positions()) kept = std::make_unique<MappedRow>(n[0]);
        MappedRow& row = kept != nullptr ? *kept : one;
        find_positions(program_, reference_, place(box, r), row);
        out[static_cast<std::size_t>(first / kRowsPerTask)].add(row, moving_.grid().size);
      }
    });
    return out;
  }

  const RowProgram& program_;
  const VolumeFeed& moving_;
  const Grid& reference_;
  ResampleRule rule_;
  const std::stop_token& stop_;
  BufferPool pool_;
};

/// The box into its place in `out`, which begins at `corner`, tile by tile, several at once: one
/// alone has too little for many cores in each of its parts.
void sample_tiles(TileSampler& sampler, const Box& box, const Size3& corner, const BoxPlace& out) {
  const std::int64_t columns = (box.size[0] + kTile - 1) / kTile,
                     tiles = columns * ((box.size[1] + kTile - 1) / kTile);
  // Kept positions take 24 bytes for each voxel of a tile.
  const std::int64_t at_once =
      sampler.keeps_positions() ? std::clamp(available_threads() / 4, 1, 4) : tiles;
  for (std::int64_t first = 0; first < tiles; first += at_once)
    parallel_for(std::min(at_once, tiles - first), [&](std::int64_t i) {
      const std::int64_t x = (first + i) % columns * kTile, y = (first + i) / columns * kTile;
      const Box tile{
          {box.begin[0] + x, box.begin[1] + y, box.begin[2]},
          {std::min(kTile, box.size[0] - x), std::min(kTile, box.size[1] - y), box.size[2]}};
      sampler(tile, corner, out);
    });
}

}  // namespace

namespace {
/// Fewest planes of a part of a box: bricks of the moving volume are read once for each.
constexpr std::int64_t kLeastPart = 16;
/// A displacement of a box that is larger comes in two parts.
constexpr std::int64_t kMostWhole = std::int64_t{64} << 20;

std::vector<Box> parts_of(const Box& box, bool apart) {
  const std::int64_t planes = box.size[2], half = (planes + 1) / 2;
  const auto bytes = box.voxel_count() * static_cast<std::int64_t>(3 * sizeof(float));
  if (!apart || half < kLeastPart || bytes <= kMostWhole) return {box};
  Box low = box, high = box;
  low.size[2] = half;
  high.begin[2] += half;
  high.size[2] = planes - half;
  return {low, high};
}
}  // namespace

void apply_transform_to_box(const VolumeFeed& moving, const VolumeFeed* first_mm,
                            const Transform& moving_from_fixed, const Grid& reference,
                            const Box& box, const BoxRule& rule, HeldField& held, std::byte* out) {
  const RowProgram compiled =
      compile(moving_from_fixed, reference, moving.grid(), first_mm == nullptr);
  const Volume* field = first_mm != nullptr ? first_mm->whole() : nullptr;
  const bool comes = first_mm != nullptr && field == nullptr;
  const ResampleRule how{rule.interpolation, rule.background};
  const BoxPlace place{out, box.size, size_of(moving.type())};
  const std::vector<Box> parts = parts_of(box, comes && moving.whole() == nullptr);
  const auto bring = [&](std::size_t i) {
    if (!comes) return;
    Volume& part = held.part[i];
    if (part.grid().size != parts[i].size)
      part = Volume(Grid{parts[i].size, {}}, ScalarType::f32, 3);
    first_mm->read(parts[i], part.data());
  };
  const auto sample = [&](std::size_t i) {
    RowProgram program = compiled;
    if (comes) set_first_field(program, held.part[i], parts[i]);
    if (field != nullptr) set_first_field(program, *field, {{0, 0, 0}, first_mm->grid().size});
    if (const Volume* whole = moving.whole())
      return sample_box(program, *whole, reference, box, how, rule.stop, place);
    TileSampler sampler(program, moving, reference, how, rule.stop);
    sample_tiles(sampler, parts[i], box.begin, place);
  };
  bring(0);
  if (parts.size() == 1) return sample(0);
  beside([&] { bring(1); }, [&] { sample(0); });
  sample(1);
}

Volume apply_transform_to_box(const VolumeFeed& moving, const VolumeFeed* first_mm,
                              const Transform& moving_from_fixed, const Grid& reference,
                              const Box& box, Interpolation interpolation, double background,
                              const std::stop_token& stop) {
  HeldField held;
  Volume out(Grid{box.size, {}}, moving.type(), moving.channels());
  apply_transform_to_box(moving, first_mm, moving_from_fixed, reference, box,
                         BoxRule{interpolation, background, stop}, held, out.data());
  return out;
}

void apply_map_to_box(const VolumeFeed& moving, const BorrowedMap& moving_from_fixed,
                      const Grid& reference, const Box& box, const BoxRule& rule, std::byte* out) {
  const RowProgram program = compile(moving_from_fixed, reference, moving.grid());
  const ResampleRule how{rule.interpolation, rule.background};
  const BoxPlace place{out, box.size, size_of(moving.type())};
  if (const Volume* whole = moving.whole())
    return sample_box(program, *whole, reference, box, how, rule.stop, place);
  TileSampler sampler(program, moving, reference, how, rule.stop);
  sample_tiles(sampler, box, box.begin, place);
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
