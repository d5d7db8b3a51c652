#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/beside.h"
#include "base/parallel.h"
#include "base/time_sum.h"
#include "ops/taps.h"
#include "solve/pyramid.h"

namespace gigawarp::solve {
namespace {

/// Gaussian that suppresses what the coarse grid cannot hold, in input voxels.
constexpr double kSigmaPerShrink = 0.45;

ops::ImageView raw_view(const Volume& volume) {
  ops::ImageView view;
  view.data = volume.data();
  view.type = volume.type();
  view.extent = ops::Extent::whole(volume.grid().size);
  return view;
}

Volume as_float(const Volume& volume) {
  Volume out(volume.grid(), ScalarType::f32);
  const Size3 n = volume.grid().size;
  const std::int64_t plane = n[0] * n[1];
  dispatch(volume.type(), [&]<class T>() {
    parallel_for(n[2], [&](std::int64_t z) {
      const T* from = volume.channel<T>() + z * plane;
      float* to = out.channel<float>() + z * plane;
      for (std::int64_t i = 0; i < plane; ++i) to[i] = static_cast<float>(from[i]);
    });
  });
  return out;
}

bool samples_natively(ScalarType type) {
  return type == ScalarType::u8 || type == ScalarType::i8 || type == ScalarType::u16 ||
         type == ScalarType::i16 || type == ScalarType::f32;
}

/// What the samplers see of a type.
ScalarType sampled_type(ScalarType type) { return samples_natively(type) ? type : ScalarType::f32; }

Volume sampled_planes(const VolumeFeed& feed, std::int64_t z, std::int64_t planes) {
  Volume slab = read_planes(feed, z, planes);
  return samples_natively(feed.type()) ? std::move(slab) : as_float(slab);
}

ops::DownsampleArgs downsampling(const ops::ImageView& in, float* out, const LevelGrid& level) {
  ops::DownsampleArgs args;
  args.in = in;
  args.out = {out, ops::Extent::whole(level.grid.size)};
  args.shrink = level.shrink;
  for (int a = 0; a < 3; ++a)
    args.sigma[a] = level.shrink[a] > 1 ? kSigmaPerShrink * level.shrink[a] : 0.0;
  args.range = {0, level.grid.size[2]};
  return args;
}

Volume downsampled(const Volume& volume, const LevelGrid& level, ops::Backend& backend) {
  Volume converted;
  const Volume* source = &volume;
  if (!samples_natively(volume.type())) {
    converted = as_float(volume);
    source = &converted;
  }
  Volume out(level.grid, ScalarType::f32);
  backend.downsample(downsampling(raw_view(*source), out.channel<float>(), level));
  return out;
}

/// Which input planes the output planes of a level take.
struct Reach {
  int first, count, shrink;
  std::int64_t planes;  ///< of the input

  explicit Reach(const ops::DownsampleArgs& args, std::int64_t n) : planes(n) {
    const ops::StridedTaps taps(args.shrink[2], args.sigma[2]);
    first = taps.first;
    count = static_cast<int>(taps.weight.size());
    shrink = args.shrink[2];
  }
  std::int64_t low(std::int64_t z) const {
    return std::clamp<std::int64_t>(z * shrink + first, 0, planes - 1);
  }
  std::int64_t high(std::int64_t z) const {
    return std::clamp<std::int64_t>(z * shrink + first + count - 1, 0, planes - 1);
  }
};

/// Non-zero voxels as 2, others as 0, so that an average of 1 is half of them.
class FlagFeed final : public VolumeFeed {
 public:
  explicit FlagFeed(const VolumeFeed& mask) : mask_(mask) {}
  const Grid& grid() const override { return mask_.grid(); }
  ScalarType type() const override { return ScalarType::u8; }
  std::int64_t brick_planes() const override { return mask_.brick_planes(); }
  void read(const Box& box, std::byte* out) const override {
    Volume part(Grid{box.size, {}}, mask_.type());
    mask_.read(box, part.data());
    auto* flags = reinterpret_cast<std::uint8_t*>(out);
    dispatch(part.type(), [&]<class T>() {
      const T* from = part.channel<T>();
      for (std::int64_t i = 0; i < box.voxel_count(); ++i) flags[i] = from[i] != T(0) ? 2 : 0;
    });
  }

 private:
  const VolumeFeed& mask_;
};

/// All of a feed as the samplers take it.
Volume sampled_whole(const VolumeFeed& feed) {
  Volume all = read_all(feed);
  return samples_natively(feed.type()) ? std::move(all) : as_float(all);
}

std::int64_t not_zero(const std::uint8_t* flags, std::int64_t n) {
  return std::count_if(flags, flags + n, [](std::uint8_t v) { return v != 0; });
}

}  // namespace

namespace {

/// What is left to do of a level when means of `factor` voxels per axis are there: the mean of f
/// voxels has the variance (f^2 - 1) / 12 of a Gaussian.
void take_means_into_account(ops::DownsampleArgs& args, const std::array<int, 3>& factor) {
  for (std::size_t a = 0; a < 3; ++a) {
    const double f = factor[a];
    args.shrink[a] /= factor[a];
    if (factor[a] > 1)
      args.sigma[a] = std::sqrt(args.sigma[a] * args.sigma[a] - (f * f - 1) / 12) / f;
  }
}

/// The coarsest copy that a level can be made of without its averaging showing: half the level's
/// shrink at most.
const CoarserFeed* copy_for(const LevelGrid& level, const std::vector<CoarserFeed>& copies) {
  const CoarserFeed* best = nullptr;
  for (const CoarserFeed& copy : copies) {
    bool fits = true;
    for (std::size_t a = 0; a < 3; ++a)
      fits = fits && level.shrink[a] % copy.factor[a] == 0 &&
             (copy.factor[a] == 1 || 2 * copy.factor[a] <= level.shrink[a]);
    if (fits) best = &copy;
  }
  return best;
}

}  // namespace

std::vector<Volume> stream_levels(const VolumeFeed& feed, const std::vector<LevelGrid>& levels,
                                  ops::Backend& host, const std::array<int, 3>& factor,
                                  const ops::Backend* owner) {
  std::vector<Volume> out;
  std::vector<ops::DownsampleArgs> tasks;
  std::vector<Reach> reaches;
  std::vector<std::int64_t> next, last;  // output planes of each level
  const Size3& n = feed.grid().size;
  ops::ImageView view;
  view.type = sampled_type(feed.type());
  view.extent = ops::Extent::whole(n);
  std::int64_t begin = n[2], end = 0, until = 0;  // input planes in memory, and the last to read
  for (const LevelGrid& level : levels) {
    const Size3& size = level.grid.size;
    const ops::ZRange planes =
        owner != nullptr ? owner->own_planes(size[2]) : ops::ZRange{0, size[2]};
    Grid grid = level.grid;
    grid.size[2] = std::max<std::int64_t>(0, planes.end - planes.begin);
    out.emplace_back(grid, ScalarType::f32);
    tasks.push_back(downsampling(view, out.back().channel<float>(), level));
    tasks.back().out.extent.z_begin = planes.begin;
    tasks.back().out.extent.z_end = planes.end;
    take_means_into_account(tasks.back(), factor);
    reaches.emplace_back(tasks.back(), n[2]);
    next.push_back(planes.begin);
    last.push_back(planes.end);
    if (planes.begin >= planes.end) continue;
    begin = std::min(begin, reaches.back().low(planes.begin));
    until = std::max(until, reaches.back().high(planes.end - 1) + 1);
  }
  end = begin;
  const std::size_t plane = static_cast<std::size_t>(n[0] * n[1]) * size_of(view.type);
  Volume window;
  while (end < until) {
    // Planes that some level still needs stay; a slab more is read.
    std::int64_t keep = end;
    for (std::size_t l = 0; l < levels.size(); ++l)
      if (next[l] < last[l]) keep = std::min(keep, reaches[l].low(next[l]));
    const std::int64_t slab_planes = feed.slab_planes();  // from multiples of them on
    const std::int64_t more = std::min(slab_planes - end % slab_planes, until - end);
    const std::byte* kept = window.data() + static_cast<std::size_t>(keep - begin) * plane;
    const std::size_t kept_bytes = static_cast<std::size_t>(end - keep) * plane;
    if (end + more - keep > window.grid().size[2]) {  // soon it is as long as it has to be
      Volume wider(Grid{{n[0], n[1], end + more - keep}, {}}, view.type);
      if (kept_bytes > 0) std::memcpy(wider.data(), kept, kept_bytes);
      window = std::move(wider);
    } else {
      std::memmove(window.data(), kept, kept_bytes);
    }
    if (samples_natively(feed.type())) {
      feed.read({{0, 0, end}, {n[0], n[1], more}}, window.data() + kept_bytes);
    } else {
      const Volume slab = sampled_planes(feed, end, more);
      std::memcpy(window.data() + kept_bytes, slab.data(), slab.bytes());
    }
    begin = keep;
    end += more;
    for (std::size_t l = 0; l < levels.size(); ++l) {
      const std::int64_t first = next[l];
      while (next[l] < last[l] && reaches[l].high(next[l]) < end) ++next[l];
      if (first == next[l]) continue;
      ops::DownsampleArgs args = tasks[l];
      args.in.data = window.data();
      args.in.extent.z_begin = begin;
      args.in.extent.z_end = end;
      args.range = {first, next[l]};
      host.downsample(args);
    }
  }
  return out;
}

ResidentImage::ResidentImage(std::shared_ptr<const VolumeFeed> feed, ops::Backend& backend)
    : feed_(std::move(feed)) {
  if (!backend.takes_levels_of_files()) upload(backend);
}

const ops::ImageView& ResidentImage::view(ops::Backend& backend) const {
  if (!full_.view) upload(backend);
  return full_.view;
}

namespace {
/// Brings a back end its planes of a feed, as the samplers take them.
void bring_planes(const VolumeFeed& feed, const ops::ZRange& own,
                  const ops::Backend::PutPlanes& put) {
  const Volume* whole = feed.whole();
  if (whole != nullptr && samples_natively(whole->type())) {
    const std::size_t plane = feed.plane_bytes();
    put(own.begin, own.end - own.begin,
        whole->data() + static_cast<std::size_t>(own.begin) * plane);
    return;
  }
  const std::int64_t slab = feed.slab_planes();  // from multiples of them on
  const auto end_of = [&](std::int64_t z) { return std::min(own.end, (z / slab + 1) * slab); };
  Volume slabs[2];  // one is read while the other goes to the back end
  const auto fetch = [&](Volume& to, std::int64_t z) {
    const Size3& n = feed.grid().size;
    const Box box{{0, 0, z}, {n[0], n[1], end_of(z) - z}};
    if (!samples_natively(feed.type())) {
      to = sampled_planes(feed, z, box.size[2]);
      return;
    }
    if (to.grid().size != box.size) to = Volume(Grid{box.size, {}}, feed.type());
    feed.read(box, to.data());
  };
  if (own.begin < own.end) fetch(slabs[0], own.begin);
  std::size_t here = 0;
  for (std::int64_t z = own.begin; z < own.end; z = end_of(z), here = 1 - here) {
    const auto bring = [&] { put(z, end_of(z) - z, slabs[here].data()); };
    if (end_of(z) < own.end)
      beside(bring, [&] { fetch(slabs[1 - here], end_of(z)); });
    else
      bring();
  }
}
}  // namespace

void ResidentImage::upload(ops::Backend& backend) const {
  const Size3& n = feed_->grid().size;
  ops::ImageView& view = full_.view;
  view.type = sampled_type(feed_->type());
  view.extent = ops::Extent::whole(n);
  const std::size_t plane = static_cast<std::size_t>(n[0] * n[1]) * size_of(view.type);
  // Samplers read both corners of the last voxel in one word.
  full_.array = backend.allocate_volume(
      plane * static_cast<std::size_t>(n[2]) + sizeof(std::uint64_t), feed_->grid().voxel_count());
  view.data = full_.array.data();
  TimeSum uploads;
  backend.upload_planes(full_.array.data(), plane, n[2], [&](const ops::Backend::PutPlanes& put) {
    bring_planes(*feed_, backend.own_planes(n[2]),
                 [&](std::int64_t z, std::int64_t count, const void* values) {
                   const TimeSum::Piece piece(uploads);
                   put(z, count, values);
                 });
  });
  upload_seconds_ = uploads.seconds();
}

namespace {
/// The planes of a level that a process has made, with those of the others.
std::shared_ptr<const PlacedVolume> shared_level(const Volume& own, const LevelGrid& level,
                                                 ops::Backend& backend) {
  const auto voxels = static_cast<std::size_t>(level.grid.voxel_count());
  auto placed = std::make_shared<PlacedVolume>();
  placed->array = backend.allocate_volume((voxels + 2) * sizeof(float), level.grid.voxel_count());
  placed->view.data = placed->array.data();
  placed->view.type = ScalarType::f32;
  placed->view.extent = ops::Extent::whole(level.grid.size);
  const Size3& n = level.grid.size;
  backend.upload_planes(placed->array.data(), static_cast<std::size_t>(n[0] * n[1]) * sizeof(float),
                        n[2], [&](const ops::Backend::PutPlanes& put) {
                          const ops::ZRange planes = backend.own_planes(n[2]);
                          put(planes.begin, planes.end - planes.begin, own.data());
                        });
  return placed;
}
}  // namespace

void ResidentImage::prepare(const std::vector<LevelGrid>& levels, ops::Backend& backend) {
  if (!backend.takes_levels_of_files() || feed_->whole() != nullptr) return;
  std::vector<LevelGrid> wanted;
  const auto has = [](const std::vector<LevelGrid>& list, const LevelGrid& level) {
    return std::any_of(list.begin(), list.end(),
                       [&](const LevelGrid& l) { return l.shrink == level.shrink; });
  };
  for (const LevelGrid& level : levels)
    if (!level.is_full() && !has(wanted, level) && !coarse_.contains(level.shrink) &&
        !placed_.contains(level.shrink))
      wanted.push_back(level);
  const std::unique_ptr<ops::Backend> cpu = backend.on_host() ? nullptr : ops::make_cpu_backend();
  ops::Backend& host = cpu != nullptr ? *cpu : backend;
  const std::vector<CoarserFeed> copies = feed_->coarser();
  std::map<const CoarserFeed*, std::vector<LevelGrid>> by_source;  // null: the feed itself
  for (const LevelGrid& level : wanted) by_source[copy_for(level, copies)].push_back(level);
  for (const auto& [copy, list] : by_source) {
    std::vector<Volume> made = copy == nullptr
                                   ? stream_levels(*feed_, list, host, {1, 1, 1}, &backend)
                                   : stream_levels(*copy->feed, list, host, copy->factor, &backend);
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (backend.on_host()) {
        coarse_[list[i].shrink] = std::make_shared<const Volume>(std::move(made[i]));
      } else {
        placed_[list[i].shrink] = shared_level(made[i], list[i], backend);
        made[i] = {};
      }
      if (copy != nullptr) taken_from_file_[list[i].shrink] = copy->factor;
    }
  }
}

std::shared_ptr<const Volume> ResidentImage::coarse(const LevelGrid& level) const {
  const auto found = coarse_.find(level.shrink);
  return found == coarse_.end() ? nullptr : found->second;
}

std::shared_ptr<const PlacedVolume> ResidentImage::placed(const LevelGrid& level,
                                                          ops::Backend& backend) const {
  if (const auto found = placed_.find(level.shrink); found != placed_.end()) return found->second;
  const std::unique_ptr<ops::Backend> host = ops::make_cpu_backend();
  return shared_level(stream_levels(*feed_, {level}, *host, {1, 1, 1}, &backend).front(), level,
                      backend);
}

namespace {
/// A level made by the back end of the full volume in its memory.
std::shared_ptr<const PlacedVolume> downsampled_there(const ResidentImage& image,
                                                      const LevelGrid& level,
                                                      ops::Backend& backend) {
  const auto voxels = static_cast<std::size_t>(level.grid.voxel_count());
  auto made = std::make_shared<PlacedVolume>();
  made->array = backend.allocate_volume((voxels + 2) * sizeof(float), level.grid.voxel_count());
  backend.downsample(downsampling(image.view(backend), made->array.as<float>(), level));
  made->view = image.view(backend);
  made->view.data = made->array.data();
  made->view.type = ScalarType::f32;
  made->view.extent = ops::Extent::whole(level.grid.size);
  return made;
}
}  // namespace

LevelImage::LevelImage(const ResidentImage& image, const LevelGrid& level,
                       const IntensityScale& scale, ops::Backend& backend) {
  const VolumeFeed& feed = image.feed();
  if (!backend.on_host() && level.is_full()) {
    view_ = image.view(backend);
  } else if (!backend.on_host()) {
    placed_ = backend.takes_levels_of_files() ? image.placed(level, backend)
                                              : downsampled_there(image, level, backend);
    view_ = placed_->view;
  } else if (level.is_full()) {
    const Volume* whole = feed.whole();
    if (whole == nullptr || !samples_natively(whole->type())) {
      owned_ =
          std::make_shared<const Volume>(whole != nullptr ? as_float(*whole) : sampled_whole(feed));
      whole = owned_.get();
    }
    view_ = raw_view(*whole);
  } else {
    owned_ = image.coarse(level);
    if (owned_ == nullptr)
      owned_ = std::make_shared<const Volume>(
          feed.whole() != nullptr ? downsampled(*feed.whole(), level, backend)
                                  : std::move(stream_levels(feed, {level}, backend).front()));
    view_ = raw_view(*owned_);
  }
  view_.offset = scale.offset;
  view_.scale = scale.scale;
  noise_variance_ = scale.noise_variance;
}

LevelMask::LevelMask(const VolumeFeed& mask, const LevelGrid& level, ops::Backend& backend) {
  // Masks are made on the host: once per level, of one byte per voxel.
  const std::unique_ptr<ops::Backend> cpu = backend.on_host() ? nullptr : ops::make_cpu_backend();
  ops::Backend& host = cpu != nullptr ? *cpu : backend;
  const FlagFeed flags(mask);
  const Size3& n = level.grid.size;
  view_.type = ScalarType::u8;
  view_.extent = ops::Extent::whole(n);
  if (level.is_full() && backend.on_host()) {
    owned_ = read_all(flags);
  } else if (!level.is_full()) {
    const Volume smooth =
        std::move(stream_levels(flags, {level}, host, {1, 1, 1}, &backend).front());
    owned_ = Volume(smooth.grid(), ScalarType::u8);
    auto* out = owned_.channel<std::uint8_t>();
    for (std::int64_t i = 0; i < smooth.grid().voxel_count(); ++i)
      out[i] = smooth.channel<float>()[i] >= 1.0F ? 1 : 0;
  }
  count_ = not_zero(owned_.channel<std::uint8_t>(), owned_.grid().voxel_count());
  view_.data = owned_.data();
  if (backend.on_host()) return;
  const std::int64_t voxels = level.grid.voxel_count();
  array_ = backend.allocate_volume(static_cast<std::size_t>(voxels), voxels);
  view_.data = array_.data();
  const ops::ZRange own = backend.own_planes(n[2]);
  backend.upload_planes(
      array_.data(), static_cast<std::size_t>(n[0] * n[1]), n[2],
      [&](const ops::Backend::PutPlanes& put) {
        if (!level.is_full()) {
          put(own.begin, own.end - own.begin, owned_.data());
          return;
        }
        bring_planes(flags, own, [&](std::int64_t z, std::int64_t planes, const void* values) {
          count_ += not_zero(static_cast<const std::uint8_t*>(values), planes * n[0] * n[1]);
          put(z, planes, values);
        });
      });
  count_ = backend.sum(count_);
  owned_ = {};
}

}  // namespace gigawarp::solve
