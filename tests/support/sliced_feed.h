#pragma once
#include "gigawarp/volume_feed.h"

namespace gigawarp::test {

/// A volume that pretends not to be in memory, and is read a few planes at a time.
class SlicedFeed : public VolumeFeed {
 public:
  SlicedFeed(const Volume& volume, std::int64_t planes) : volume_(&volume), planes_(planes) {}
  const Grid& grid() const override { return volume_.grid(); }
  ScalarType type() const override { return volume_.type(); }
  int channels() const override { return volume_.channels(); }
  void read(const Box& box, std::byte* out) const override { volume_.read(box, out); }
  std::int64_t slab_planes() const override { return planes_; }

 private:
  WholeVolume volume_;
  std::int64_t planes_;
};

}  // namespace gigawarp::test
