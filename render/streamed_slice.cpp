// Slices of a streamed volume: the picture in tiles, for each of which the voxels it needs are put
// together from bricks into a small lattice that the row loops sample as they sample a whole
// volume. Copying costs two to three voxels per pixel on straight planes and about ten on slanted
// ones, and lets every brick shape (cubes, planes, odd ends) be one case.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "base/parallel.h"
#include "render/row_stages.h"
#include "render/streamed_volume.h"

namespace gigawarp::render {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kHalf = 0.50001F;
constexpr int kTile = 32, kSmallestTile = 4;
/// A tile whose lattice has more voxels than this per pixel is halved.
constexpr std::int64_t kMostVoxelsPerPixel = 20;
/// Of a lattice. More is asked for where the warp jumps inside a tile, by all that lies between:
/// such a tile is drawn from a coarser level.
constexpr std::int64_t kMostVoxels = kMostVoxelsPerPixel * 64 * 64;

struct Tile {
  int column = 0, row = 0, width = 0, height = 0;  ///< row counts from the band's first
};

/// Bounds of a tile's positions, voxels of the finest level.
struct Bounds {
  float low[3], high[3];
};

/// Where a picture's parts may not be believed.
struct Outcome {
  std::mutex mutex;
  std::set<io::BrickKey> missing;
  std::vector<std::uint8_t> damaged;
};

/// A run of rows, drawn by one thread.
class Band {
 public:
  Band(const StreamedVolume& volume, int level, SliceInterpolation interpolation, SliceImage& out,
       std::int64_t first_row, int rows)
      : volume_(volume),
        level_(level),
        interpolation_(interpolation),
        out_(out),
        first_row_(first_row),
        positions_(out.width, rows),
        rows_(rows) {}

  void draw(const RowStages& stages, const SliceGeometry& geometry) {
    const RowMap voxel_from_world(volume_.grid().voxel_from_world());
    for (int r = 0; r < rows_; ++r) {
      positions_.start(geometry, first_row_ + r, r);
      stages.apply(positions_.points(r));
      map_row(positions_.points(r), voxel_from_world);
    }
    for (int c = 0; c < out_.width; c += kTile)
      draw_tile({c, 0, std::min(kTile, out_.width - c), rows_});
  }
  void tell(Outcome& outcome) const {
    if (missing_.empty() && damaged_.empty()) return;
    const std::lock_guard lock(outcome.mutex);
    outcome.missing.insert(missing_.begin(), missing_.end());
    if (damaged_.empty()) return;
    if (outcome.damaged.empty()) outcome.damaged.assign(out_.values.size(), 0);
    for (const std::size_t pixel : damaged_) outcome.damaged[pixel] = 1;
  }

 private:
  void draw_tile(const Tile& tile);
  bool draw_tile_at(int level, const Tile& tile, const Bounds& bounds, bool may_split);
  void draw_overview(const Tile& tile);
  std::optional<Bounds> bounds_of(const Tile& tile);
  Box box_at(int level, const Bounds& bounds) const;
  bool gather(int level, const Box& box);
  void copy(const io::Brick& brick, const Box& box);
  void sample(const Tile& tile, int level, const Box& box, const void* voxels);
  void mark(const Tile& tile, int row, int level, const std::vector<Box>& damage);

  const StreamedVolume& volume_;
  int level_;
  SliceInterpolation interpolation_;
  SliceImage& out_;
  std::int64_t first_row_;
  RowPositions positions_;
  int rows_;
  std::map<io::BrickKey, io::BrickCache::Pointer> found_;
  std::set<io::BrickKey> missing_;
  std::vector<std::size_t> damaged_;
  std::vector<Box> damage_;  ///< of the tile being drawn
  std::vector<std::byte> voxels_;
  float local_[3][kTile]{};
};

std::optional<Bounds> Band::bounds_of(const Tile& tile) {
  Bounds b{};
  const Size3& n = volume_.grid().size;
  for (std::size_t a = 0; a < 3; ++a) {
    float low = std::numeric_limits<float>::max(), high = std::numeric_limits<float>::lowest();
    for (int r = 0; r < tile.height; ++r) {
      const RowPoints p = positions_.points(tile.row + r);
      const float* v = (a == 0 ? p.x : a == 1 ? p.y : p.z) + tile.column;
      for (int c = 0; c < tile.width; ++c) {  // NaN compares false and is passed over
        low = v[c] < low ? v[c] : low;
        high = v[c] > high ? v[c] : high;
      }
    }
    const auto last = static_cast<float>(n[a] - 1);
    if (!(low <= high) || high < -kHalf || low > last + kHalf) return std::nullopt;
    b.low[a] = std::clamp(low, 0.0F, last);
    b.high[a] = std::clamp(high, 0.0F, last);
  }
  return b;
}

/// All corners of all cells in the bounds.
Box Band::box_at(int level, const Bounds& b) const {
  const StreamedVolume::LevelMap& map = volume_.level_from_finest(level);
  const Size3& n = volume_.level(level).grid.size;
  Box box;
  for (std::size_t a = 0; a < 3; ++a) {
    const auto at = [&](float finest) {
      const double v = static_cast<double>(finest) * map.scale[a] + map.offset[a];
      return static_cast<std::int64_t>(
          std::floor(std::clamp(v, 0.0, static_cast<double>(n[a] - 1))));
    };
    // A voxel more on both sides than rounding to single precision may need.
    box.begin[a] = level == 0 ? at(b.low[a]) : std::max<std::int64_t>(at(b.low[a]) - 1, 0);
    const std::int64_t end = std::min(at(b.high[a]) + (level == 0 ? 2 : 3), n[a]);
    box.size[a] = end - box.begin[a];
  }
  return box;
}

void Band::copy(const io::Brick& brick, const Box& box) {
  const std::size_t width = size_of(volume_.type());
  Size3 begin{}, end{};
  for (std::size_t a = 0; a < 3; ++a) {
    begin[a] = std::max(box.begin[a], brick.box.begin[a]);
    end[a] = std::min(box.begin[a] + box.size[a], brick.box.begin[a] + brick.box.size[a]);
  }
  if (!brick.problem.empty()) {
    damage_.push_back({begin, {end[0] - begin[0], end[1] - begin[1], end[2] - begin[2]}});
    return;
  }
  const auto offset = [&](const Box& in, std::int64_t y, std::int64_t z) {
    return static_cast<std::size_t>(((z - in.begin[2]) * in.size[1] + y - in.begin[1]) *
                                        in.size[0] +
                                    begin[0] - in.begin[0]) *
           width;
  };
  const std::size_t bytes = static_cast<std::size_t>(end[0] - begin[0]) * width;
  for (std::int64_t z = begin[2]; z < end[2]; ++z)
    for (std::int64_t y = begin[1]; y < end[1]; ++y)
      std::memcpy(voxels_.data() + offset(box, y, z), brick.voxels.data() + offset(brick.box, y, z),
                  bytes);
}

/// Fills voxels_ with the box; false when bricks of it are not in memory, which are noted.
bool Band::gather(int level, const Box& box) {
  const Size3& size = volume_.level(level).brick;
  Size3 first{}, last{};
  for (std::size_t a = 0; a < 3; ++a) {
    first[a] = box.begin[a] / size[a];
    last[a] = (box.begin[a] + box.size[a] - 1) / size[a];
  }
  std::vector<io::BrickCache::Pointer> bricks;
  bool complete = true;
  for (std::int64_t k = first[2]; k <= last[2]; ++k)
    for (std::int64_t j = first[1]; j <= last[1]; ++j)
      for (std::int64_t i = first[0]; i <= last[0]; ++i) {
        const io::BrickKey key{level, 0, {i, j, k}};
        const auto [entry, is_new] = found_.try_emplace(key);
        if (is_new) entry->second = volume_.find(key);
        if (entry->second == nullptr) missing_.insert(key);
        complete = complete && entry->second != nullptr;
        bricks.push_back(entry->second);
      }
  if (!complete) return false;
  damage_.clear();
  constexpr std::size_t kSlack = 64;  // the row loops load a little beyond the end
  voxels_.assign(static_cast<std::size_t>(box.voxel_count()) * size_of(volume_.type()) + kSlack,
                 std::byte{0});
  for (const io::BrickCache::Pointer& brick : bricks) copy(*brick, box);
  return true;
}

/// Samples a tile from the lattice of `box`, voxels of `level`.
void Band::sample(const Tile& tile, int level, const Box& box, const void* voxels) {
  const StreamedVolume::LevelMap& map = volume_.level_from_finest(level);
  const RowLattice lattice(box.size);
  for (int r = 0; r < tile.height; ++r) {
    const RowPoints all = positions_.points(tile.row + r);
    const float* const from[3] = {all.x + tile.column, all.y + tile.column, all.z + tile.column};
    for (std::size_t a = 0; a < 3; ++a) {
      const auto scale = static_cast<float>(map.scale[a]),
                 shift = static_cast<float>(map.offset[a]);
      const auto begin = static_cast<float>(box.begin[a]);
      for (int c = 0; c < tile.width; ++c)
        local_[a][c] = level == 0 ? from[a][c] - begin : from[a][c] * scale + shift - begin;
    }
    const RowPoints points{local_[0], local_[1], local_[2], tile.width};
    float* to = out_.values.data() + (first_row_ + tile.row + r) * out_.width + tile.column;
    if (interpolation_ == SliceInterpolation::linear)
      linear_row(volume_.type(), lattice, voxels, points, to);
    else if (interpolation_ == SliceInterpolation::label)
      label_row(volume_.type(), box.size, voxels, points, to);
    else
      nearest_row(volume_.type(), box.size, voxels, points, to);
    if (level > 0) {  // a coarser level may end a little further out, or in
      const Size3& n = volume_.grid().size;
      for (int c = 0; c < tile.width; ++c)
        for (std::size_t a = 0; a < 3; ++a)
          if (!(from[a][c] >= -kHalf && from[a][c] <= static_cast<float>(n[a] - 1) + kHalf))
            to[c] = kNan;
    }
  }
}

/// Pixels whose cell has a corner in a damaged box (voxels of `level`) have no value.
void Band::mark(const Tile& tile, int row, int level, const std::vector<Box>& damage) {
  const StreamedVolume::LevelMap& map = volume_.level_from_finest(level);
  const RowPoints p = positions_.points(tile.row + row);
  for (int c = 0; c < tile.width; ++c) {
    const float finest[3] = {p.x[tile.column + c], p.y[tile.column + c], p.z[tile.column + c]};
    const auto pixel =
        static_cast<std::size_t>((first_row_ + tile.row + row) * out_.width + tile.column + c);
    if (std::isnan(out_.values[pixel])) continue;
    for (const Box& box : damage) {
      bool meets = true;
      for (std::size_t a = 0; a < 3; ++a) {
        const double v = static_cast<double>(finest[a]) * map.scale[a] + map.offset[a];
        meets = meets && v > static_cast<double>(box.begin[a]) - 1 &&
                v < static_cast<double>(box.begin[a] + box.size[a]);
      }
      if (!meets) continue;
      damaged_.push_back(pixel);
      out_.values[pixel] = kNan;
      break;
    }
  }
}

void Band::draw_overview(const Tile& tile) {
  const Volume& whole = *volume_.overview();
  sample(tile, volume_.overview_level(), {{0, 0, 0}, whole.grid().size}, whole.data());
  if (volume_.overview_damage().empty()) return;
  for (int r = 0; r < tile.height; ++r)
    mark(tile, r, volume_.overview_level(), volume_.overview_damage());
}

/// False when bricks are missing, or the level is too fine. Halves a tile that would need too many
/// voxels.
bool Band::draw_tile_at(int level, const Tile& tile, const Bounds& bounds, bool may_split) {
  const Box box = box_at(level, bounds);
  const std::int64_t pixels = std::int64_t{tile.width} * tile.height;
  const bool large = box.voxel_count() > kMostVoxelsPerPixel * std::max<std::int64_t>(pixels, 64);
  if (may_split && large && std::max(tile.width, tile.height) > kSmallestTile) {
    const int w = (tile.width + 1) / 2, h = (tile.height + 1) / 2;
    for (const int r : {0, h})
      for (const int c : {0, w})
        if (r < tile.height && c < tile.width)
          draw_tile({tile.column + c, tile.row + r, std::min(w, tile.width - c),
                     std::min(h, tile.height - r)});
    return true;
  }
  if (box.voxel_count() > kMostVoxels || !gather(level, box)) return false;
  sample(tile, level, box, voxels_.data());
  if (!damage_.empty())
    for (int r = 0; r < tile.height; ++r) mark(tile, r, level, damage_);
  return true;
}

void Band::draw_tile(const Tile& tile) {
  const std::optional<Bounds> bounds = bounds_of(tile);
  if (!bounds) return;
  for (int level = level_; level < volume_.overview_level(); ++level)
    if (draw_tile_at(level, tile, *bounds, level == level_)) return;
  draw_overview(tile);
}

/// Those of coarse levels first, then those nearest to the middle of the picture.
std::vector<io::BrickKey> by_want(const StreamedVolume& volume, const std::set<io::BrickKey>& keys,
                                  const Transform* warp, const SliceGeometry& g) {
  const Vec3 world = g.at(0.5 * g.width, 0.5 * g.height);
  const std::optional<Vec3> moved = warp != nullptr ? (*warp)(world) : world;
  const Vec3 middle = volume.grid().voxel_from_world()(moved.value_or(world));
  const auto distance = [&](const io::BrickKey& key) {
    const io::SourceLevel& level = volume.level(key.level);
    const StreamedVolume::LevelMap& map = volume.level_from_finest(key.level);
    double sum = 0;
    for (std::size_t a = 0; a < 3; ++a) {
      const double centre =
          (static_cast<double>(key.index[a]) + 0.5) * static_cast<double>(level.brick[a]);
      sum += std::pow((centre - middle[a] * map.scale[a] - map.offset[a]), 2);
    }
    return sum;
  };
  std::vector<std::pair<std::pair<int, double>, io::BrickKey>> order;
  order.reserve(keys.size());
  for (const io::BrickKey& key : keys) order.push_back({{-key.level, distance(key)}, key});
  std::sort(order.begin(), order.end());
  std::vector<io::BrickKey> out;
  out.reserve(order.size());
  for (const auto& [want, key] : order) out.push_back(key);
  return out;
}

}  // namespace

SliceImage sample_streamed(const std::shared_ptr<const StreamedVolume>& volume,
                           const Transform* warp, const SliceGeometry& geometry,
                           SliceInterpolation interpolation, Streaming& streaming,
                           const std::stop_token& stop) {
  SliceImage out;
  out.width = geometry.width;
  out.height = geometry.height;
  out.values.assign(static_cast<std::size_t>(out.width) * static_cast<std::size_t>(out.height),
                    kNan);
  const LevelChoice choice = volume->level_for(warp, geometry, streaming.share_bytes);
  const RowStages stages(warp, false);
  Outcome outcome;
  parallel_for((out.height + kTile - 1) / kTile, [&](std::int64_t i) {
    if (stop.stop_requested()) return;
    const std::int64_t first = i * kTile;
    Band band(*volume, choice.level, interpolation, out, first,
              static_cast<int>(std::min<std::int64_t>(kTile, out.height - first)));
    band.draw(stages, geometry);
    band.tell(outcome);
  });
  ++streaming.images;
  streaming.level = std::max(streaming.level, volume->info().first_level + choice.level);
  streaming.limited = streaming.limited || choice.limited;
  if (!outcome.missing.empty())
    streaming.missing.push_back({volume, by_want(*volume, outcome.missing, warp, geometry)});
  if (streaming.damaged.empty()) {
    streaming.damaged = std::move(outcome.damaged);
    return out;
  }
  for (std::size_t p = 0; p < outcome.damaged.size(); ++p)
    streaming.damaged[p] |= outcome.damaged[p];
  return out;
}

}  // namespace gigawarp::render
