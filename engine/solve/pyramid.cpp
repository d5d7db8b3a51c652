#include "solve/pyramid.h"

#include <algorithm>
#include <cmath>

#include "base/parallel.h"

namespace gigawarp::solve {
namespace {

/// Gaussian that suppresses what the coarse grid cannot hold, in input voxels.
constexpr double kSigmaPerShrink = 0.45;
/// Fewer voxels along an axis than this say nothing about shape, and joint histograms overfit.
constexpr std::int64_t kFewestVoxels = 20;

LevelGrid with_shrink(const Grid& full, const std::array<int, 3>& shrink) {
  LevelGrid out;
  out.shrink = shrink;
  Affine full_from_level;
  for (int a = 0; a < 3; ++a) {
    out.grid.size[a] = (full.size[a] + shrink[a] - 1) / shrink[a];
    full_from_level.linear[a][a] = shrink[a];
    full_from_level.offset[a] = 0.5 * (shrink[a] - 1);
  }
  out.grid.world_from_voxel = full.world_from_voxel * full_from_level;
  return out;
}

/// Counts of finite values in `bins` bins over [low, high].
std::vector<std::int64_t> histogram(const Volume& volume, double low, double high,
                                    std::size_t bins) {
  const Size3 n = volume.grid().size;
  const std::int64_t plane = n[0] * n[1];
  const double per_width = static_cast<double>(bins) / (high - low);
  std::vector<std::vector<std::int64_t>> parts(static_cast<std::size_t>(n[2]));
  dispatch(volume.type(), [&]<class T>() {
    parallel_for(n[2], [&](std::int64_t z) {
      std::vector<std::int64_t> counts(bins, 0);
      const T* p = volume.channel<T>() + z * plane;
      for (std::int64_t i = 0; i < plane; ++i) {
        const double b = (static_cast<double>(p[i]) - low) * per_width;
        if (b >= 0) ++counts[std::min(static_cast<std::size_t>(b), bins - 1)];
      }
      parts[static_cast<std::size_t>(z)] = std::move(counts);
    });
  });
  std::vector<std::int64_t> total(bins, 0);
  for (const auto& part : parts)
    for (std::size_t b = 0; b < bins; ++b) total[b] += part[b];
  return total;
}

}  // namespace

LevelGrid level_grid(const Grid& full, double spacing_mm) {
  const Vec3 spacing = full.spacing_mm();
  std::array<int, 3> shrink{};
  for (int a = 0; a < 3; ++a) {
    const auto wanted = static_cast<int>(std::lround(spacing_mm / spacing[a]));
    const auto most = static_cast<int>(std::max<std::int64_t>(1, full.size[a] / kFewestVoxels));
    shrink[a] = std::clamp(wanted, 1, most);
  }
  return with_shrink(full, shrink);
}

LevelGrid level_grid(const Grid& full, int shrink) {
  const Vec3 spacing = full.spacing_mm();
  return level_grid(full, shrink * std::min({spacing[0], spacing[1], spacing[2]}));
}

double noise_variance(const Volume& volume, double threshold, double deviation) {
  const Size3 n = volume.grid().size;
  if (n[0] < 3 || n[1] < 3 || n[2] < 3) return 0;
  constexpr std::size_t kBins = 2048;
  const double per_width = static_cast<double>(kBins) / (2.0 * deviation);  // up to two deviations
  // A few million voxels say enough.
  const std::int64_t step = std::max<std::int64_t>(1, volume.grid().voxel_count() / 4000000);
  std::vector<std::vector<std::int64_t>> parts(static_cast<std::size_t>(n[2]));
  dispatch(volume.type(), [&]<class T>() {
    parallel_for(n[2] - 2, [&](std::int64_t i) {
      const std::int64_t z = i + 1;
      if (i % step != 0) return;
      std::vector<std::int64_t> counts(kBins, 0);
      for (std::int64_t y = 1; y < n[1] - 1; ++y) {
        const T* p = volume.channel<T>() + (z * n[1] + y) * n[0];
        for (std::int64_t x = 1; x < n[0] - 1; ++x) {
          const auto v = static_cast<double>(p[x]);
          if (!(v > threshold)) continue;
          const double around =
              static_cast<double>(p[x - 1]) + static_cast<double>(p[x + 1]) +
              static_cast<double>(p[x - n[0]]) + static_cast<double>(p[x + n[0]]) +
              static_cast<double>(p[x - n[0] * n[1]]) + static_cast<double>(p[x + n[0] * n[1]]);
          const double bin = std::abs(v - around / 6) * per_width;
          ++counts[bin < static_cast<double>(kBins) ? static_cast<std::size_t>(bin) : kBins - 1];
        }
      }
      parts[static_cast<std::size_t>(z)] = std::move(counts);
    });
  });
  std::vector<std::int64_t> total(kBins, 0);
  std::int64_t number = 0;
  for (const auto& part : parts)
    for (std::size_t b = 0; b < part.size(); ++b) {
      total[b] += part[b];
      number += part[b];
    }
  std::int64_t reached = 0;
  for (std::size_t b = 0; b < kBins && number > 0; ++b) {
    if (2 * (reached + total[b]) >= number) {
      // Within the median's bin, in proportion: integer volumes have few distinct residuals.
      const double inside = (0.5 * static_cast<double>(number) - static_cast<double>(reached)) /
                            static_cast<double>(std::max<std::int64_t>(total[b], 1));
      const double median = (static_cast<double>(b) + inside) / per_width;
      const double sigma = 1.4826 * median * std::sqrt(6.0 / 7.0);
      return sigma * sigma;
    }
    reached += total[b];
  }
  return 0;
}

IntensityScale intensity_scale(const Volume& volume) {
  const IntensityStatistics all = intensity_statistics(volume);
  IntensityScale out;
  if (!(all.maximum > all.minimum)) return out;
  constexpr std::size_t kBins = 4096;
  const std::vector<std::int64_t> counts = histogram(volume, all.minimum, all.maximum, kBins);
  const double width = (all.maximum - all.minimum) / static_cast<double>(kBins);
  // Background: the first bin, where skull-stripped and padded volumes pile up.
  double number = 0, sum = 0, squares = 0;
  for (std::size_t b = 1; b < kBins; ++b) {
    const double value = all.minimum + (static_cast<double>(b) + 0.5) * width;
    const auto n = static_cast<double>(counts[b]);
    number += n;
    sum += n * value;
    squares += n * value * value;
  }
  if (number < 1) {
    number = 1;
    sum = all.maximum;
    squares = all.maximum * all.maximum;
  }
  const double mean = sum / number;
  const double deviation =
      std::max(std::sqrt(std::max(0.0, squares / number - mean * mean)), width);
  const auto percentile = [&](double fraction) {
    const double target = fraction * (number + static_cast<double>(counts[0]));
    double reached = 0;
    for (std::size_t b = 0; b < kBins; ++b) {
      reached += static_cast<double>(counts[b]);
      if (reached >= target) return all.minimum + (static_cast<double>(b) + 0.5) * width;
    }
    return all.maximum;
  };
  out.noise_variance =
      noise_variance(volume, mean - 0.5 * deviation, deviation) / (deviation * deviation);
  out.offset = static_cast<float>(mean);
  out.scale = static_cast<float>(1.0 / deviation);
  out.low = static_cast<float>((percentile(0.001) - mean) / deviation);
  out.high = static_cast<float>((percentile(0.999) - mean) / deviation);
  if (!(out.high > out.low)) {
    out.low = static_cast<float>((all.minimum - mean) / deviation);
    out.high = static_cast<float>((all.maximum - mean) / deviation);
  }
  return out;
}

namespace {

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

}  // namespace

ResidentImage::ResidentImage(const Volume& volume, ops::Backend& backend) : volume_(&volume) {
  if (backend.on_host()) return;
  Volume converted;
  const Volume* source = &volume;
  if (!samples_natively(volume.type())) {
    converted = as_float(volume);
    source = &converted;
  }
  const std::size_t bytes =
      static_cast<std::size_t>(source->grid().voxel_count()) * size_of(source->type());
  // Samplers read both corners of the last voxel in one word.
  array_ = backend.allocate_volume(bytes + sizeof(std::uint64_t), source->grid().voxel_count());
  backend.upload(array_.data(), source->data(), bytes);
  view_ = raw_view(*source);
  view_.data = array_.data();
}

LevelImage::LevelImage(const ResidentImage& image, const LevelGrid& level,
                       const IntensityScale& scale, ops::Backend& backend) {
  const Volume& volume = image.volume();
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
  } else if (level.is_full() && samples_natively(volume.type())) {
    view_ = raw_view(volume);
  } else {
    owned_ = level.is_full() ? as_float(volume) : downsampled(volume, level, backend);
    view_ = raw_view(owned_);
  }
  view_.offset = scale.offset;
  view_.scale = scale.scale;
  noise_variance_ = scale.noise_variance;
}

LevelMask::LevelMask(const Volume& mask, const LevelGrid& level, ops::Backend& backend) {
  // Masks are made on the host: once per level, of one byte per voxel.
  const std::unique_ptr<ops::Backend> cpu = backend.on_host() ? nullptr : ops::make_cpu_backend();
  ops::Backend& host = cpu != nullptr ? *cpu : backend;
  Volume binary(mask.grid(), ScalarType::u8);
  auto* flags = binary.channel<std::uint8_t>();
  dispatch(mask.type(), [&]<class T>() {
    const T* from = mask.channel<T>();
    for (std::int64_t i = 0; i < mask.grid().voxel_count(); ++i) flags[i] = from[i] != T(0) ? 2 : 0;
  });
  if (level.is_full()) {
    owned_ = std::move(binary);
  } else {
    const Volume smooth = downsampled(binary, level, host);
    owned_ = Volume(level.grid, ScalarType::u8);
    auto* out = owned_.channel<std::uint8_t>();
    for (std::int64_t i = 0; i < level.grid.voxel_count(); ++i)
      out[i] = smooth.channel<float>()[i] >= 1.0F ? 1 : 0;
  }
  view_ = raw_view(owned_);
  const auto* flag = owned_.channel<std::uint8_t>();
  const std::int64_t voxels = level.grid.voxel_count();
  count_ = std::count_if(flag, flag + voxels, [](std::uint8_t v) { return v != 0; });
  if (backend.on_host()) return;
  array_ = backend.allocate_volume(static_cast<std::size_t>(voxels), voxels);
  backend.upload(array_.data(), owned_.data(), static_cast<std::size_t>(voxels));
  view_.data = array_.data();
  owned_ = {};
}

}  // namespace gigawarp::solve
