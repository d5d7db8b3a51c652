#include <algorithm>
#include <cmath>
#include <cstring>

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
                                  ops::Backend& host, const std::array<int, 3>& factor) {
  std::vector<Volume> out;
  std::vector<ops::DownsampleArgs> tasks;
  std::vector<Reach> reaches;
  std::vector<std::int64_t> next(levels.size(), 0);  // output plane of each level
  const Size3& n = feed.grid().size;
  ops::ImageView view;
  view.type = sampled_type(feed.type());
  view.extent = ops::Extent::whole(n);
  for (const LevelGrid& level : levels) {
    out.emplace_back(level.grid, ScalarType::f32);
    tasks.push_back(downsampling(view, out.back().channel<float>(), level));
    take_means_into_account(tasks.back(), factor);
    reaches.emplace_back(tasks.back(), n[2]);
  }
  const std::size_t plane = static_cast<std::size_t>(n[0] * n[1]) * size_of(view.type);
  Volume window;  // input planes [begin, end)
  std::int64_t begin = 0, end = 0;
  while (end < n[2]) {
    // Planes that some level still needs stay; a slab more is read.
    std::int64_t keep = end;
    for (std::size_t l = 0; l < levels.size(); ++l)
      if (next[l] < levels[l].grid.size[2]) keep = std::min(keep, reaches[l].low(next[l]));
    const std::int64_t more = std::min(feed.slab_planes(), n[2] - end);
    const std::byte* kept = window.data() + static_cast<std::size_t>(keep - begin) * plane;
    const std::size_t kept_bytes = static_cast<std::size_t>(end - keep) * plane;
    if (end + more - keep > window.grid().size[2]) {  // soon it is as long as it has to be
      Volume wider(Grid{{n[0], n[1], end + more - keep}, {}}, view.type);
      std::memcpy(wider.data(), kept, kept_bytes);
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
      while (next[l] < levels[l].grid.size[2] && reaches[l].high(next[l]) < end) ++next[l];
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
  if (backend.on_host()) return;
  const Size3& n = feed_->grid().size;
  view_.type = sampled_type(feed_->type());
  view_.extent = ops::Extent::whole(n);
  const std::size_t plane = static_cast<std::size_t>(n[0] * n[1]) * size_of(view_.type);
  // Samplers read both corners of the last voxel in one word.
  array_ = backend.allocate_volume(plane * static_cast<std::size_t>(n[2]) + sizeof(std::uint64_t),
                                   feed_->grid().voxel_count());
  view_.data = array_.data();
  TimeSum uploads;
  const auto upload = [&](std::size_t offset, const void* voxels, std::size_t bytes) {
    const TimeSum::Piece piece(uploads);
    backend.upload(array_.data() + offset, voxels, bytes);
  };
  const Volume* whole = feed_->whole();
  if (whole != nullptr && samples_natively(whole->type()))
    upload(0, whole->data(), plane * static_cast<std::size_t>(n[2]));
  else
    for (std::int64_t z = 0; z < n[2]; z += feed_->slab_planes()) {
      const Volume slab = sampled_planes(*feed_, z, std::min(feed_->slab_planes(), n[2] - z));
      upload(static_cast<std::size_t>(z) * plane, slab.data(), slab.bytes());
    }
  upload_seconds_ = uploads.seconds();
}

void ResidentImage::prepare(const std::vector<LevelGrid>& levels, ops::Backend& backend) {
  if (!backend.on_host() || feed_->whole() != nullptr) return;
  std::vector<LevelGrid> wanted;
  const auto has = [](const std::vector<LevelGrid>& list, const LevelGrid& level) {
    return std::any_of(list.begin(), list.end(),
                       [&](const LevelGrid& l) { return l.shrink == level.shrink; });
  };
  for (const LevelGrid& level : levels)
    if (!level.is_full() && !has(wanted, level) && !coarse_.contains(level.shrink))
      wanted.push_back(level);
  const std::vector<CoarserFeed> copies = feed_->coarser();
  std::map<const CoarserFeed*, std::vector<LevelGrid>> by_source;  // null: the feed itself
  for (const LevelGrid& level : wanted) by_source[copy_for(level, copies)].push_back(level);
  for (const auto& [copy, list] : by_source) {
    std::vector<Volume> made = copy == nullptr
                                   ? stream_levels(*feed_, list, backend)
                                   : stream_levels(*copy->feed, list, backend, copy->factor);
    for (std::size_t i = 0; i < list.size(); ++i) {
      coarse_[list[i].shrink] = std::make_shared<const Volume>(std::move(made[i]));
      if (copy != nullptr) taken_from_file_[list[i].shrink] = copy->factor;
    }
  }
}

std::shared_ptr<const Volume> ResidentImage::coarse(const LevelGrid& level) const {
  const auto found = coarse_.find(level.shrink);
  return found == coarse_.end() ? nullptr : found->second;
}

LevelImage::LevelImage(const ResidentImage& image, const LevelGrid& level,
                       const IntensityScale& scale, ops::Backend& backend) {
  const VolumeFeed& feed = image.feed();
  if (!backend.on_host()) {
    view_ = image.view();
    if (!level.is_full()) {
      const auto voxels = static_cast<std::size_t>(level.grid.voxel_count());
      array_ = backend.allocate_volume((voxels + 2) * sizeof(float), level.grid.voxel_count());
      backend.downsample(downsampling(image.view(), array_.as<float>(), level));
      view_.data = array_.data();
      view_.type = ScalarType::f32;
      view_.extent = ops::Extent::whole(level.grid.size);
    }
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
  const std::int64_t voxels = level.grid.voxel_count();
  view_.type = ScalarType::u8;
  view_.extent = ops::Extent::whole(level.grid.size);
  if (!backend.on_host())
    array_ = backend.allocate_volume(static_cast<std::size_t>(voxels), voxels);
  if (level.is_full() && !backend.on_host()) {
    view_.data = array_.data();
    const std::int64_t n = level.grid.size[2];
    for (std::int64_t z = 0; z < n; z += flags.slab_planes()) {
      const Volume slab = read_planes(flags, z, std::min(flags.slab_planes(), n - z));
      count_ += not_zero(slab.channel<std::uint8_t>(), slab.grid().voxel_count());
      backend.upload(array_.data() + static_cast<std::size_t>(z) * flags.plane_bytes(), slab.data(),
                     slab.bytes());
    }
    return;
  }
  if (level.is_full()) {
    owned_ = read_all(flags);
  } else {
    const Volume smooth = std::move(stream_levels(flags, {level}, host).front());
    owned_ = Volume(level.grid, ScalarType::u8);
    auto* out = owned_.channel<std::uint8_t>();
    for (std::int64_t i = 0; i < voxels; ++i) out[i] = smooth.channel<float>()[i] >= 1.0F ? 1 : 0;
  }
  view_.data = owned_.data();
  count_ = not_zero(owned_.channel<std::uint8_t>(), voxels);
  if (backend.on_host()) return;
  backend.upload(array_.data(), owned_.data(), static_cast<std::size_t>(voxels));
  view_.data = array_.data();
  owned_ = {};
}

}  // namespace gigawarp::solve
