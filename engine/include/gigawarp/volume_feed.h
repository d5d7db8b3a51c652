#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "gigawarp/box.h"
#include "gigawarp/volume.h"

namespace gigawarp {

class VolumeFeed;

/// A coarser copy of a volume: voxel i is the mean of the `factor` voxels per axis that it stands
/// for, from i * factor on.
struct CoarserFeed {
  std::array<int, 3> factor{1, 1, 1};
  std::shared_ptr<const VolumeFeed> feed;
};

/// Where several processes look at the same volume, each of them at some of its planes, and bring
/// together what they found. All call the same functions in the same order.
class PlaneSharing {
 public:
  virtual ~PlaneSharing() = default;
  /// Those of `planes` planes that this process looks at: begin and end.
  virtual std::pair<std::int64_t, std::int64_t> own(std::int64_t planes) const = 0;
  /// `entries` has one entry of `bytes` bytes for each of `planes` planes: those of planes that
  /// others look at come from them.
  virtual void gather(std::int64_t planes, std::size_t bytes, void* entries) const = 0;
  /// Adds up what each process counted.
  virtual void add(std::span<std::int64_t> counts) const = 0;
};

/// A volume whose voxels are had as they are needed: one in memory, a file of any size, or values
/// that are computed on request. Thread-safe.
class VolumeFeed {
 public:
  virtual ~VolumeFeed() = default;
  virtual const Grid& grid() const = 0;
  virtual ScalarType type() const = 0;
  virtual int channels() const { return 1; }
  /// Fills `out` with the box of every channel: x fastest, channels planar and slowest, in type().
  /// Throws Error{bad_input} naming what of a file is damaged.
  virtual void read(const Box& box, std::byte* out) const = 0;
  /// The volume when all of it is in memory; nothing is copied then.
  virtual const Volume* whole() const { return nullptr; }
  /// Of the voxels, when they are known; intensity_statistics() asks for them.
  virtual const IntensityStatistics* known_statistics() const { return nullptr; }
  /// Coarser copies that may stand in for the average of its voxels; finest first.
  virtual std::vector<CoarserFeed> coarser() const { return {}; }
  /// Walks over all planes that are shared (PlaneWalk::shared) visit those of this process alone.
  /// read() is nobody else's business.
  virtual const PlaneSharing* sharing() const { return nullptr; }
  /// Planes along z that are cheapest to read together, from multiples of that number on.
  virtual std::int64_t brick_planes() const { return 1; }

  /// Bytes of one plane, all channels.
  std::size_t plane_bytes() const;
  /// Planes to work on at once: whole bricks, and about 64 MiB of all channels, at most 256.
  virtual std::int64_t slab_planes() const;
};

/// A volume in memory, borrowed or owned.
class WholeVolume final : public VolumeFeed {
 public:
  explicit WholeVolume(const Volume* borrowed) : volume_(borrowed) {}
  explicit WholeVolume(Volume&& owned) : owned_(std::move(owned)), volume_(&owned_) {}
  WholeVolume(const WholeVolume&) = delete;
  WholeVolume& operator=(const WholeVolume&) = delete;
  const Grid& grid() const override { return volume_->grid(); }
  ScalarType type() const override { return volume_->type(); }
  int channels() const override { return volume_->channels(); }
  void read(const Box& box, std::byte* out) const override;
  const Volume* whole() const override { return volume_; }

 private:
  Volume owned_;
  const Volume* volume_;
};

/// The box of channels first … second of a volume, as VolumeFeed::read() fills it.
void read_channels(const Volume& volume, std::pair<int, int> channels, const Box& box,
                   std::byte* out);

/// A volume that somebody takes: one in memory, which is borrowed, a feed, or nothing.
class ImageInput {
 public:
  ImageInput() = default;
  ImageInput(const Volume* borrowed)
      : feed_(borrowed != nullptr ? std::make_shared<WholeVolume>(borrowed) : nullptr) {}
  ImageInput(std::shared_ptr<const VolumeFeed> feed) : feed_(std::move(feed)) {}
  explicit operator bool() const { return feed_ != nullptr; }
  const VolumeFeed* operator->() const { return feed_.get(); }
  const VolumeFeed& operator*() const { return *feed_; }
  const std::shared_ptr<const VolumeFeed>& feed() const { return feed_; }

 private:
  std::shared_ptr<const VolumeFeed> feed_;
};

/// u8, 1 everywhere.
std::shared_ptr<const VolumeFeed> ones_on(const Grid& grid);

/// Planes [z, z + planes) with all channels; the grid of the result is of that size alone.
Volume read_planes(const VolumeFeed& feed, std::int64_t z, std::int64_t planes);
/// All of it, on its grid.
Volume read_all(const VolumeFeed& feed);

/// Every `step`-th voxel along each axis, from the first on, on the grid that these make.
Volume read_thinned(const VolumeFeed& feed, std::int64_t step);

/// Which planes of channel 0 to visit: begin, begin + step, … below end. `halo` neighbours on
/// either side lie in memory before and behind a plane, as far as the volume has them.
struct PlaneWalk {
  std::int64_t begin = 0;
  std::optional<std::int64_t> end;  ///< nothing: to the last
  std::int64_t step = 1;
  std::int64_t halo = 0;
  bool shared = false;  ///< where the feed is, this process's planes; the caller gathers
};

/// Calls body(z, plane) for every plane of the walk, in any order and in parallel; what is read is
/// read by slabs, so that memory is bounded. `plane` is valid during the call.
void for_each_plane(const VolumeFeed& feed, const PlaneWalk& walk,
                    const std::function<void(std::int64_t z, const std::byte* plane)>& body);

/// What a shared walk found, by plane: of all planes, wherever they were visited.
template <class T>
void gather_planes(const VolumeFeed& feed, std::vector<T>& of_planes) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (const PlaneSharing* sharing = feed.sharing())
    sharing->gather(static_cast<std::int64_t>(of_planes.size()), sizeof(T), of_planes.data());
}
/// The sum of what shared walks counted.
inline void add_counts(const VolumeFeed& feed, std::span<std::int64_t> counts) {
  if (const PlaneSharing* sharing = feed.sharing()) sharing->add(counts);
}

/// As of a volume, plane by plane: the same bits.
IntensityStatistics intensity_statistics(const VolumeFeed& feed);

/// DisplacementField::at_world() of a displacement of which boxes are read: 3 channels of f32, mm.
std::optional<Vec3> displacement_at(const VolumeFeed& displacement_mm, const Vec3& point_mm);
/// Moves each point by it, to NaN where there is none. Reads what the points need, in slabs: the
/// more points at once, the fewer slabs are read twice.
void displace(const VolumeFeed& displacement_mm, std::span<Vec3> points_mm);

/// Consecutive planes of a feed in memory, which move along it: planes that stay are not read
/// again.
class PlaneWindow {
 public:
  explicit PlaneWindow(const VolumeFeed& feed) : feed_(&feed) {}
  /// Holds planes [begin, end) from here on, or all of them where the feed has them in memory:
  /// nothing is copied then.
  void move_to(std::int64_t begin, std::int64_t end);
  std::int64_t begin() const { return begin_; }
  std::int64_t end() const { return end_; }
  /// Planes begin() … end() of one channel, x fastest.
  template <class T>
  const T* channel(int c = 0) const {
    return planes().channel<T>(c);
  }
  const Volume& planes() const { return whole_ != nullptr ? *whole_ : planes_; }

 private:
  const VolumeFeed* feed_;
  std::int64_t begin_ = 0, end_ = 0;
  Volume planes_;
  const Volume* whole_ = nullptr;
};

}  // namespace gigawarp
