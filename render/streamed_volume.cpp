#include "render/streamed_volume.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>
#include <set>

#include "base/parallel.h"
#include "io/http.h"
#include "io/sampled_levels.h"

namespace gigawarp::render {
namespace {

constexpr std::size_t kMostProblems = 100;
/// A level whose voxels are this much larger than a pixel still counts as fitting it.
constexpr double kPixelSlack = 0.8;
/// A picture is estimated on this many cells along each side.
constexpr int kCells = 8;

double length(const Vec3& v) { return std::hypot(v[0], v[1], v[2]); }

/// Positions of a picture's corners and inner points in voxels of the finest level; nothing where
/// the warp is undefined.
class PointGrid {
 public:
  PointGrid(const StreamedVolume& volume, const Transform* warp, const SliceGeometry& g) {
    const Affine voxel_from_world = volume.grid().voxel_from_world();
    for (int r = 0; r <= kCells; ++r)
      for (int c = 0; c <= kCells; ++c) {
        const Vec3 world = g.at(c * (g.width - 1.0) / kCells, r * (g.height - 1.0) / kCells);
        const std::optional<Vec3> moved = warp != nullptr ? (*warp)(world) : world;
        if (moved) points_[index(c, r)] = voxel_from_world(*moved);
      }
  }
  /// Bounds of one cell; false when it leads nowhere.
  bool bounds(int column, int row, Vec3& low, Vec3& high) const {
    bool any = false;
    for (const auto& [dc, dr] : {std::pair{0, 0}, {1, 0}, {0, 1}, {1, 1}}) {
      const auto& p = points_[index(column + dc, row + dr)];
      if (!p) continue;
      for (std::size_t a = 0; a < 3; ++a) {
        low[a] = any ? std::min(low[a], (*p)[a]) : (*p)[a];
        high[a] = any ? std::max(high[a], (*p)[a]) : (*p)[a];
      }
      any = true;
    }
    return any;
  }

 private:
  static std::size_t index(int c, int r) {
    return static_cast<std::size_t>(r) * (kCells + 1) + static_cast<std::size_t>(c);
  }
  std::array<std::optional<Vec3>, std::size_t{kCells + 1} * (kCells + 1)> points_;
};

/// The bricks of one level that the cells touch.
std::set<Size3> touched(const StreamedVolume& volume, const PointGrid& points, int l) {
  const io::SourceLevel& level = volume.level(l);
  const StreamedVolume::LevelMap& map = volume.level_from_finest(l);
  std::set<Size3> bricks;
  for (int r = 0; r < kCells; ++r)
    for (int c = 0; c < kCells; ++c) {
      Vec3 low{}, high{};
      if (!points.bounds(c, r, low, high)) continue;
      Size3 first{}, last{};
      bool inside = true;
      for (std::size_t a = 0; a < 3; ++a) {
        const auto end = static_cast<double>(level.grid.size[a] - 1);
        const double from = low[a] * map.scale[a] + map.offset[a],
                     to = high[a] * map.scale[a] + map.offset[a];
        inside = inside && to >= -0.5 && from <= end + 0.5;
        first[a] = static_cast<std::int64_t>(std::clamp(from, 0.0, end)) / level.brick[a];
        last[a] = static_cast<std::int64_t>(std::clamp(std::ceil(to), 0.0, end)) / level.brick[a];
      }
      if (!inside) continue;
      for (std::int64_t k = first[2]; k <= last[2]; ++k)
        for (std::int64_t j = first[1]; j <= last[1]; ++j)
          for (std::int64_t i = first[0]; i <= last[0]; ++i) bricks.insert({i, j, k});
    }
  return bricks;
}

std::uint64_t bytes_of(const StreamedVolume& volume, const PointGrid& points, int l) {
  const Size3& brick = volume.level(l).brick;
  return touched(volume, points, l).size() *
         static_cast<std::uint64_t>(brick[0] * brick[1] * brick[2]) * size_of(volume.type());
}

}  // namespace

StreamedVolume::StreamedVolume(std::shared_ptr<const io::BrickSource> source,
                               std::shared_ptr<io::BrickCache> cache, std::stop_source reading)
    : source_(io::with_coarse_levels(std::move(source), kOverviewVoxels)),
      cache_(std::move(cache)),
      reading_(std::move(reading)) {
  const auto& levels = source_->info().levels;
  const auto fits = [](const io::SourceLevel& l) {
    return l.grid.voxel_count() <= kOverviewVoxels;
  };
  const auto overview = std::find_if(levels.begin(), levels.end(), fits);
  overview_level_ = static_cast<int>(overview == levels.end()
                                         ? levels.size() - 1
                                         : static_cast<std::size_t>(overview - levels.begin()));
  const Affine world_from_finest = levels.front().grid.world_from_voxel;
  for (const io::SourceLevel& l : levels) {
    const Affine map = l.grid.voxel_from_world() * world_from_finest;
    LevelMap axes;
    for (std::size_t a = 0; a < 3; ++a) {
      axes.scale[a] = map.linear[a][a];
      axes.offset[a] = map.offset[a];
    }
    maps_.push_back(axes);
  }
  maps_.front() = {{1, 1, 1}, {0, 0, 0}};  // not to rounding
  read_overview();
}

/// Brick by brick, so that a damaged one is all that is missing.
void StreamedVolume::read_overview() {
  const io::SourceInfo& info = source_->info();
  const io::SourceLevel& at = level(overview_level_);
  auto out = std::make_shared<Volume>(at.grid, info.type, 1);
  out->notes() = info.notes;
  Size3 count{};
  for (std::size_t a = 0; a < 3; ++a) count[a] = (at.grid.size[a] + at.brick[a] - 1) / at.brick[a];
  const std::size_t width = size_of(info.type);
  std::mutex mutex;
  std::exception_ptr first_error;
  std::int64_t good = 0;
  const auto read_brick = [&](std::int64_t i) {
    const Box box =
        io::box_of(at, {i % count[0], i / count[0] % count[1], i / (count[0] * count[1])});
    std::vector<std::byte> brick(static_cast<std::size_t>(box.voxel_count()) * width);
    try {
      source_->read(overview_level_, 0, box, brick.data());
    } catch (const std::exception& error) {
      note(error.what());
      const std::lock_guard lock(mutex);
      overview_damage_.push_back(box);
      if (!first_error) first_error = std::current_exception();
      return;
    }
    const Size3& n = at.grid.size;
    const std::size_t row = static_cast<std::size_t>(box.size[0]) * width;
    const std::byte* from = brick.data();
    for (std::int64_t z = 0; z < box.size[2]; ++z)
      for (std::int64_t y = 0; y < box.size[1]; ++y, from += row)
        std::memcpy(out->data() +
                        static_cast<std::size_t>(
                            ((box.begin[2] + z) * n[1] + box.begin[1] + y) * n[0] + box.begin[0]) *
                            width,
                    from, row);
    const std::lock_guard lock(mutex);
    ++good;
  };
  const std::int64_t bricks = count[0] * count[1] * count[2];
  info.remote ? io::many_at_once(bricks, read_brick) : parallel_for(bricks, read_brick);
  if (good == 0 && first_error) std::rethrow_exception(first_error);
  overview_ = std::move(out);
}

StreamedVolume::~StreamedVolume() {
  cache_->forget(source_.get());
  reading_.request_stop();
}

void StreamedVolume::note(const std::string& problem) const {
  const std::lock_guard lock(mutex_);
  if (problems_.size() < kMostProblems &&
      std::find(problems_.begin(), problems_.end(), problem) == problems_.end())
    problems_.push_back(problem);
}

io::BrickCache::Pointer StreamedVolume::find(const io::BrickKey& key) const {
  io::BrickCache::Pointer brick = cache_->find(source_, key);
  if (brick != nullptr && !brick->problem.empty()) note(brick->problem);
  return brick;
}

std::vector<std::string> StreamedVolume::problems() const {
  const std::lock_guard lock(mutex_);
  return problems_;
}

LevelChoice StreamedVolume::level_for(const Transform* warp, const SliceGeometry& g,
                                      std::uint64_t share_bytes) const {
  // Voxels of the finest level per pixel, to the right and down, in the middle of the picture.
  const Affine voxel_from_world = grid().voxel_from_world();
  std::array<Vec3, 2> step{voxel_from_world.map_vector(g.right_mm),
                           voxel_from_world.map_vector(g.down_mm)};
  if (warp != nullptr) {
    const double c = 0.5 * g.width, r = 0.5 * g.height;
    const auto here = (*warp)(g.at(c, r)), right = (*warp)(g.at(c + 1, r)),
               down = (*warp)(g.at(c, r + 1));
    for (std::size_t a = 0; here && right && down && a < 3; ++a) {
      const Vec3 row = voxel_from_world.linear[a];
      step[0][a] = step[1][a] = 0;
      for (std::size_t b = 0; b < 3; ++b) {
        step[0][a] += row[b] * ((*right)[b] - (*here)[b]);
        step[1][a] += row[b] * ((*down)[b] - (*here)[b]);
      }
    }
  }
  const auto fits = [&](int l) {
    const Vec3& scale = level_from_finest(l).scale;
    return std::all_of(step.begin(), step.end(), [&](const Vec3& s) {
      const double voxels = length({s[0] * scale[0], s[1] * scale[1], s[2] * scale[2]});
      return voxels >= kPixelSlack || voxels >= 0.999 * length(s);
    });
  };
  LevelChoice out;
  while (out.level < overview_level_ && fits(out.level + 1)) ++out.level;
  const PointGrid points(*this, warp, g);
  while (out.level < overview_level_ && bytes_of(*this, points, out.level) > share_bytes) {
    ++out.level;
    out.limited = true;
  }
  return out;
}

std::vector<io::BrickKey> StreamedVolume::bricks_of(const Transform* warp, const SliceGeometry& g,
                                                    int level) const {
  std::vector<io::BrickKey> keys;
  for (const Size3& index : touched(*this, PointGrid(*this, warp, g), level))
    keys.push_back({level, 0, index});
  return keys;
}

double StreamedVolume::brick_mm(int l) const {
  const Vec3 spacing = level(l).grid.spacing_mm();
  double longest = 0;
  for (std::size_t a = 0; a < 3; ++a)
    longest = std::max(longest, spacing[a] * static_cast<double>(level(l).brick[a]));
  return longest;
}

StreamedVolume::Value StreamedVolume::value_at(const Vec3& world) const {
  Value out;
  const Vec3 finest = grid().voxel_from_world()(world);
  for (std::size_t a = 0; a < 3; ++a)
    if (!(finest[a] >= -0.5 && finest[a] < static_cast<double>(grid().size[a]) - 0.5)) return out;
  for (out.level = 0; out.level <= overview_level_; ++out.level) {
    const io::SourceLevel& at = level(out.level);
    const LevelMap& map = level_from_finest(out.level);
    Size3 voxel{};
    io::BrickKey key{out.level, 0, {}};
    for (std::size_t a = 0; a < 3; ++a) {
      const double place = std::floor(finest[a] * map.scale[a] + map.offset[a] + 0.5);
      voxel[a] = static_cast<std::int64_t>(
          std::clamp(place, 0.0, static_cast<double>(at.grid.size[a] - 1)));
      key.index[a] = voxel[a] / at.brick[a];
    }
    if (out.level == overview_level_) {
      out.value = overview_->value(voxel[0], voxel[1], voxel[2]);
      return out;
    }
    const io::BrickCache::Pointer brick = find(key);
    if (brick == nullptr) continue;
    out.damaged = !brick->problem.empty();
    if (out.damaged) return out;
    const Box& box = brick->box;
    const std::int64_t i =
        ((voxel[2] - box.begin[2]) * box.size[1] + voxel[1] - box.begin[1]) * box.size[0] +
        voxel[0] - box.begin[0];
    dispatch(type(), [&]<class T>() {
      out.value = static_cast<double>(reinterpret_cast<const T*>(brick->voxels.data())[i]);
    });
    return out;
  }
  return out;
}

}  // namespace gigawarp::render
