#pragma once
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "gigawarp/transform.h"
#include "io/brick_cache.h"
#include "render/slice_sampler.h"

namespace gigawarp::render {

/// The level that a picture is drawn from.
struct LevelChoice {
  int level = 0;
  bool limited = false;  ///< a finer one would fit the pixels, but not the share of the cache
};

/// A volume that is looked at while it stays in its file: bricks of the level that fits the
/// display come through a cache shared by all, and one coarse level, the overview, is always in
/// memory, so that there is a picture at once. The first channel that the source delivers.
/// Thread-safe; nothing but the constructor reads files.
class StreamedVolume {
 public:
  /// Reads the overview, the finest level of at most kOverviewVoxels (levels are made where the
  /// file lacks coarse ones: io/sampled_levels.h). A part of it that is damaged is left out and
  /// noted; throws Error when there is nothing else.
  /// `reading` is what the source was opened with (io::ReadOptions::stop): it ends what is still
  /// read over the network when nobody looks at the volume any more.
  StreamedVolume(std::shared_ptr<const io::BrickSource> source,
                 std::shared_ptr<io::BrickCache> cache,
                 std::stop_source reading = std::stop_source(std::nostopstate));
  ~StreamedVolume();
  StreamedVolume(const StreamedVolume&) = delete;
  StreamedVolume& operator=(const StreamedVolume&) = delete;

  /// 160 voxels cubed: 8 MiB of 16-bit numbers, a hundredth of a second to read.
  static constexpr std::int64_t kOverviewVoxels = std::int64_t{160} * 160 * 160;

  const Grid& grid() const { return level(0).grid; }  ///< of the finest level
  ScalarType type() const { return source_->info().type; }
  const io::SourceInfo& info() const { return source_->info(); }
  const io::SourceLevel& level(int l) const {
    return source_->info().levels[static_cast<std::size_t>(l)];
  }
  const io::BrickCache::Source& source() const { return source_; }
  /// What the file calls level `l` of this volume.
  int number_of(int l) const { return source_->info().first_level + l; }
  /// Levels 0 … overview_level() - 1 come in bricks; coarser ones are not used.
  int overview_level() const { return overview_level_; }
  const std::shared_ptr<const Volume>& overview() const { return overview_; }
  /// Parts of the overview that could not be read, voxels of its level; 0 there.
  const std::vector<Box>& overview_damage() const { return overview_damage_; }
  /// Voxel of level `l` from voxel of the finest: per axis, index * scale + offset.
  struct LevelMap {
    Vec3 scale{}, offset{};
  };
  const LevelMap& level_from_finest(int l) const { return maps_[static_cast<std::size_t>(l)]; }

  /// What is in memory; a damaged one has a problem, which is noted for problems().
  io::BrickCache::Pointer find(const io::BrickKey& key) const;
  /// What reading has found damaged so far, a sentence each, without repeats.
  std::vector<std::string> problems() const;

  /// The level at which a picture shows all that its pixels can: the coarsest whose voxels, seen
  /// through the warp, are not larger than a pixel; and one whose bricks for this picture take at
  /// most `share_bytes`.
  LevelChoice level_for(const Transform* warp, const SliceGeometry& geometry,
                        std::uint64_t share_bytes) const;

  /// Bricks of a level that a picture meets, estimated from a coarse lattice of its points.
  std::vector<io::BrickKey> bricks_of(const Transform* warp, const SliceGeometry& geometry,
                                      int level) const;
  /// The longest edge of a level's bricks, mm.
  double brick_mm(int level) const;

  /// The voxel nearest to a world point, at the finest level in memory there.
  struct Value {
    std::optional<double> value;  ///< nothing: outside, or damaged
    int level = 0;
    bool damaged = false;
  };
  Value value_at(const Vec3& world_mm) const;

 private:
  void read_overview();
  void note(const std::string& problem) const;

  std::shared_ptr<const io::BrickSource> source_;
  std::shared_ptr<io::BrickCache> cache_;
  std::stop_source reading_;
  int overview_level_ = 0;
  std::shared_ptr<const Volume> overview_;
  std::vector<Box> overview_damage_;
  std::vector<LevelMap> maps_;
  mutable std::mutex mutex_;
  mutable std::vector<std::string> problems_;
};

/// Bricks of a volume that a picture lacked, the most wanted first.
struct MissingBricks {
  std::shared_ptr<const StreamedVolume> volume;
  std::vector<io::BrickKey> keys;
};

/// What a picture may take of the cache, and what came of it.
struct Streaming {
  std::uint64_t share_bytes = ~std::uint64_t{0};  ///< in: of each image in the picture
  int images = 0;                                 ///< streamed ones that were drawn
  std::vector<MissingBricks> missing;  ///< without them the picture is coarser than it could be
  int level = 0;         ///< coarsest asked for of any image, as its file counts; 0 without any
  bool limited = false;  ///< as in LevelChoice, of any image
  std::vector<std::uint8_t> damaged;  ///< 1 per pixel whose voxels cannot be read; or empty
};

/// As sample_warped(), from what is in memory: where bricks of the wanted level are missing, from
/// the finest level that is there, at the worst from the overview. Equal to sample_warped() of the
/// whole level once nothing is missing.
SliceImage sample_streamed(const std::shared_ptr<const StreamedVolume>& volume,
                           const Transform* warp, const SliceGeometry& geometry,
                           SliceInterpolation interpolation, Streaming& streaming,
                           const std::stop_token& stop = {});

}  // namespace gigawarp::render
