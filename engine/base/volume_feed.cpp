#include "gigawarp/volume_feed.h"

#include <algorithm>
#include <cstring>

#include "base/parallel.h"
#include "base/read_by_slabs.h"

namespace gigawarp {
namespace {

constexpr std::int64_t kSlabBytes = std::int64_t{64} << 20;
constexpr std::int64_t kLargestSlabBytes = std::int64_t{256} << 20;
constexpr std::int64_t kMostPlanes = 256;

/// Copies `box` out of memory that holds `from` of the same lattice; all channels.
void copy_box(const std::byte* source, const Box& from, const Box& box, int channels,
              std::size_t width, std::byte* out) {
  const auto row = static_cast<std::size_t>(box.size[0]) * width;
  parallel_for(channels * box.size[2], [&](std::int64_t i) {
    const std::int64_t c = i / box.size[2], z = i % box.size[2];
    for (std::int64_t y = 0; y < box.size[1]; ++y) {
      const std::int64_t at =
          ((c * from.size[2] + box.begin[2] - from.begin[2] + z) * from.size[1] + box.begin[1] -
           from.begin[1] + y) *
              from.size[0] +
          box.begin[0] - from.begin[0];
      std::memcpy(out + static_cast<std::size_t>(i * box.size[1] + y) * row,
                  source + static_cast<std::size_t>(at) * width, row);
    }
  });
}

Box planes_of(const Grid& grid, std::int64_t z, std::int64_t planes) {
  return {{0, 0, z}, {grid.size[0], grid.size[1], planes}};
}

class OnesFeed final : public VolumeFeed {
 public:
  explicit OnesFeed(const Grid& grid) : grid_(grid) {}
  const Grid& grid() const override { return grid_; }
  ScalarType type() const override { return ScalarType::u8; }
  void read(const Box& box, std::byte* out) const override {
    std::memset(out, 1, static_cast<std::size_t>(box.voxel_count()));
  }

 private:
  Grid grid_;
};

}  // namespace

std::shared_ptr<const VolumeFeed> ones_on(const Grid& grid) {
  return std::make_shared<OnesFeed>(grid);
}

std::size_t VolumeFeed::plane_bytes() const {
  const Size3& n = grid().size;
  return static_cast<std::size_t>(n[0] * n[1]) * size_of(type()) *
         static_cast<std::size_t>(channels());
}

std::int64_t VolumeFeed::slab_planes() const {
  const auto plane = static_cast<std::int64_t>(plane_bytes());
  const std::int64_t brick = std::max<std::int64_t>(1, brick_planes());
  const std::int64_t wanted = std::clamp<std::int64_t>(kSlabBytes / plane, 1, kMostPlanes);
  const std::int64_t most = std::max<std::int64_t>(1, kLargestSlabBytes / plane);
  std::int64_t slab = std::max<std::int64_t>(1, wanted / brick) * brick;
  // A layer of bricks that is too much is taken in equal parts, so that none reaches into the next.
  if (slab > most) {
    std::int64_t parts = (brick + most - 1) / most;
    while (brick % parts != 0) ++parts;
    slab = brick / parts;
  }
  return std::clamp<std::int64_t>(slab, 1, std::max<std::int64_t>(1, grid().size[2]));
}

void WholeVolume::read(const Box& box, std::byte* out) const {
  read_channels(*volume_, {0, volume_->channels()}, box, out);
}

void read_channels(const Volume& volume, std::pair<int, int> channels, const Box& box,
                   std::byte* out) {
  const std::size_t width = size_of(volume.type());
  const auto before = static_cast<std::size_t>(channels.first * volume.grid().voxel_count());
  copy_box(volume.data() + before * width, {{0, 0, 0}, volume.grid().size}, box,
           channels.second - channels.first, width, out);
}

Volume read_planes(const VolumeFeed& feed, std::int64_t z, std::int64_t planes) {
  const Box box = planes_of(feed.grid(), z, planes);
  Volume out(Grid{box.size, {}}, feed.type(), feed.channels());
  feed.read(box, out.data());
  return out;
}

Volume read_all(const VolumeFeed& feed) {
  Volume out(feed.grid(), feed.type(), feed.channels());
  const Size3& n = feed.grid().size;
  if (feed.channels() == 1) {  // by slabs: whoever converts on the way needs a copy of a slab only
    for (std::int64_t z = 0; z < n[2]; z += feed.slab_planes())
      feed.read(planes_of(feed.grid(), z, std::min(feed.slab_planes(), n[2] - z)),
                out.data() + static_cast<std::size_t>(z) * feed.plane_bytes());
    return out;
  }
  feed.read(planes_of(feed.grid(), 0, n[2]), out.data());
  return out;
}

Volume read_all_by_slabs(const VolumeFeed& feed) {
  Volume out(feed.grid(), feed.type(), feed.channels());
  const std::int64_t planes = feed.grid().size[2];
  const auto channels = static_cast<std::size_t>(feed.channels());
  const std::size_t plane = feed.plane_bytes() / channels;
  for (std::int64_t z = 0; z < planes; z += feed.slab_planes()) {
    const Volume slab = read_planes(feed, z, std::min(feed.slab_planes(), planes - z));
    const std::size_t bytes = slab.bytes() / channels;
    for (std::size_t c = 0; c < channels; ++c) {
      const std::size_t at = c * static_cast<std::size_t>(planes) + static_cast<std::size_t>(z);
      std::memcpy(out.data() + at * plane, slab.data() + c * bytes, bytes);
    }
  }
  return out;
}

Volume read_thinned(const VolumeFeed& feed, std::int64_t step) {
  if (step == 1) return read_all(feed);
  const Size3& n = feed.grid().size;
  Grid grid = feed.grid();
  for (std::size_t a = 0; a < 3; ++a) {
    grid.size[a] = (n[a] + step - 1) / step;
    for (std::size_t r = 0; r < 3; ++r)
      grid.world_from_voxel.linear[r][a] *= static_cast<double>(step);
  }
  Volume out(grid, feed.type());
  PlaneWalk walk;
  walk.step = step;
  dispatch(feed.type(), [&]<class T>() {
    for_each_plane(feed, walk, [&](std::int64_t z, const std::byte* plane) {
      T* to = out.channel<T>() + z / step * grid.size[0] * grid.size[1];
      for (std::int64_t y = 0; y < n[1]; y += step) {
        const T* row = reinterpret_cast<const T*>(plane) + y * n[0];
        for (std::int64_t x = 0; x < n[0]; x += step) *to++ = row[x];
      }
    });
  });
  return out;
}

namespace {
using PlaneBody = std::function<void(std::int64_t z, const std::byte* plane)>;

/// for_each_plane() of `count` planes from `begin` on, each read with its neighbours alone.
void for_each_apart(const VolumeFeed& feed, const PlaneWalk& walk, std::int64_t begin,
                    std::int64_t count, const PlaneBody& body) {
  const std::int64_t planes = feed.grid().size[2], each = 2 * walk.halo + 1;
  const std::size_t bytes = feed.plane_bytes();
  const std::int64_t most =
      std::max<std::int64_t>(1, kSlabBytes / (each * static_cast<std::int64_t>(bytes)));
  const std::int64_t at_once = std::min(count, std::max<std::int64_t>(most, available_threads()));
  Buffer held(static_cast<std::size_t>(std::max<std::int64_t>(0, at_once) * each) * bytes);
  const auto low = [&](std::int64_t z) { return std::max<std::int64_t>(0, z - walk.halo); };
  const auto place = [&](std::int64_t i) {
    return held.data() + static_cast<std::size_t>(i * each) * bytes;
  };
  for (std::int64_t first = 0; first < count; first += at_once) {
    const std::int64_t some = std::min(at_once, count - first);
    const auto plane = [&](std::int64_t i) { return begin + (first + i) * walk.step; };
    for (std::int64_t i = 0; i < some; ++i) {
      const std::int64_t z = plane(i);
      feed.read(planes_of(feed.grid(), low(z), std::min(planes, z + walk.halo + 1) - low(z)),
                place(i));
    }
    parallel_for(some, [&](std::int64_t i) {
      const std::int64_t z = plane(i);
      body(z, place(i) + static_cast<std::size_t>(z - low(z)) * bytes /
                             static_cast<std::size_t>(feed.channels()));
    });
  }
}
}  // namespace

void for_each_plane(const VolumeFeed& feed, const PlaneWalk& walk,
                    const std::function<void(std::int64_t z, const std::byte* plane)>& body) {
  const std::int64_t planes = feed.grid().size[2];
  std::int64_t begin = walk.begin, end = walk.end.value_or(planes);
  if (walk.shared && feed.sharing() != nullptr) {
    const auto own = feed.sharing()->own(planes);
    end = std::min(end, own.second);
    if (begin < own.first) begin += (own.first - begin + walk.step - 1) / walk.step * walk.step;
  }
  const std::size_t bytes = feed.plane_bytes() / static_cast<std::size_t>(feed.channels());
  const auto visits = [&](std::int64_t from, std::int64_t to) {  // how many in [from, to)
    return to > from ? (to - from + walk.step - 1) / walk.step : 0;
  };
  if (const Volume* whole = feed.whole()) {
    parallel_for(visits(begin, end), [&](std::int64_t i) {
      const std::int64_t z = begin + i * walk.step;
      body(z, whole->data() + static_cast<std::size_t>(z) * bytes);
    });
    return;
  }
  // Planes further apart than bricks are deep come without what lies between them.
  if (walk.step >= std::max(feed.brick_planes(), 2 * (2 * walk.halo + 1)))
    return for_each_apart(feed, walk, begin, visits(begin, end), body);
  const std::int64_t slab = feed.slab_planes();
  Buffer part;  // one for all slabs: fresh pages are dear, and clearing them does not spread well
  for (std::int64_t first = begin; first < end;) {
    // Up to the end of the slab that this plane is in.
    const std::int64_t until = std::min(end, (first / slab + 1) * slab);
    const std::int64_t count = visits(first, until), last = first + (count - 1) * walk.step;
    const std::int64_t low = std::max<std::int64_t>(0, first - walk.halo);
    const std::int64_t read = std::min(planes, last + walk.halo + 1) - low;
    if (const std::size_t all = static_cast<std::size_t>(read) * feed.plane_bytes();
        part.bytes() < all)
      part = Buffer(all);
    feed.read(planes_of(feed.grid(), low, read), part.data());
    parallel_for(count, [&](std::int64_t i) {
      const std::int64_t z = first + i * walk.step;
      body(z, part.data() + static_cast<std::size_t>(z - low) * bytes);
    });
    first = last + walk.step;
  }
}

void PlaneWindow::move_to(std::int64_t begin, std::int64_t end) {
  if (begin == begin_ && end == end_) return;
  const Size3& n = feed_->grid().size;
  whole_ = feed_->whole();
  if (whole_ != nullptr) {
    begin_ = 0;
    end_ = n[2];
    return;
  }
  const std::int64_t keep_begin = std::max(begin, begin_), keep_end = std::min(end, end_);
  const auto room = [&] {
    return Volume(Grid{{n[0], n[1], end - begin}, {}}, feed_->type(), feed_->channels());
  };
  if (keep_begin >= keep_end) {
    begin_ = end_ = 0;  // nothing, should reading fail
    if (planes_.grid().size[2] != end - begin) {
      planes_ = {};
      planes_ = room();
    }
    feed_->read(planes_of(feed_->grid(), begin, end - begin), planes_.data());
    begin_ = begin;
    end_ = end;
    return;
  }
  Volume next = room();
  const auto channel_plane = feed_->plane_bytes() / static_cast<std::size_t>(feed_->channels());
  // What is read comes in one piece per side, so that channels have to be put in their places.
  const auto put = [&](const Volume& from, std::int64_t skip, std::int64_t to, std::int64_t count) {
    parallel_for(feed_->channels() * count, [&](std::int64_t i) {
      const std::int64_t c = i / count, z = i % count;
      std::memcpy(
          next.data() + static_cast<std::size_t>(c * (end - begin) + to + z) * channel_plane,
          from.data() +
              static_cast<std::size_t>(c * from.grid().size[2] + skip + z) * channel_plane,
          channel_plane);
    });
  };
  const auto fetch = [&](std::int64_t from, std::int64_t to) {
    if (from < to) put(read_planes(*feed_, from, to - from), 0, from - begin, to - from);
  };
  put(planes_, keep_begin - begin_, keep_begin - begin, keep_end - keep_begin);
  planes_ = {};
  fetch(begin, keep_begin);
  fetch(keep_end, end);
  planes_ = std::move(next);
  begin_ = begin;
  end_ = end;
}

}  // namespace gigawarp
