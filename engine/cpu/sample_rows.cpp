#include "cpu/sample_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "cpu/multiversion.h"

namespace gigawarp::cpu {
namespace {

/// Adds one axis to the corners of a row.
GIGAWARP_MULTIVERSION
void corner_axis(const double* __restrict position, std::int64_t n, double size, std::int64_t begin,
                 std::int64_t stride, bool nearest, std::int64_t* __restrict base,
                 std::int64_t* __restrict upper, double* __restrict weight) {
  const double last = size - 1;
  for (std::int64_t x = 0; x < n; ++x) {
    const double p = position[x];
    const bool inside = p >= -0.5 && p < size - 0.5;
    double clamped = inside ? p : 0.0;
    clamped = nearest ? std::floor(clamped + 0.5) : clamped;
    clamped = std::min(std::max(clamped, 0.0), last);
    const double low = std::floor(clamped);
    const double w = clamped - low;
    const std::int64_t offset = (static_cast<std::int64_t>(low) - begin) * stride;
    base[x] = inside && base[x] >= 0 ? base[x] + offset : -1;
    upper[x] = w > 0 ? stride : 0;
    weight[x] = w;
  }
}

/// `n` is the size of the whole moving grid, of which `box` is in memory.
void find_corners(const MappedRow& row, const Size3& n, const Box& box, bool nearest,
                  RowCorners& corners) {
  std::fill(corners.base.begin(), corners.base.end(), 0);
  std::int64_t stride = 1;
  for (int a = 0; a < 3; ++a) {
    corner_axis(row.position[a].data(), static_cast<std::int64_t>(row.position[a].size()),
                static_cast<double>(n[a]), box.begin[a], stride, nearest, corners.base.data(),
                corners.upper[a].data(), corners.weight[a].data());
    stride *= box.size[a];
  }
}

template <class T>
T rounded(double value) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(std::floor(value + 0.5));
  else
    return static_cast<T>(value);
}

/// `value` as T, clamped to its range; NaN becomes 0 in whole numbers.
template <class T>
T as_type(double value) {
  if constexpr (std::is_integral_v<T>) {
    if (std::isnan(value)) return 0;
    return static_cast<T>(std::clamp(std::nearbyint(value),
                                     static_cast<double>(std::numeric_limits<T>::min()),
                                     static_cast<double>(std::numeric_limits<T>::max())));
  } else {
    return static_cast<T>(value);
  }
}

template <class T>
void linear_row(const T* moving, const RowCorners& c, T background, T* out) {
  const std::size_t n = c.base.size();
  for (std::size_t x = 0; x < n; ++x) {
    if (c.base[x] < 0) {
      out[x] = background;
      continue;
    }
    const T* p = moving + c.base[x];
    const std::int64_t sx = c.upper[0][x], sy = c.upper[1][x], sz = c.upper[2][x];
    const double wx = c.weight[0][x], wy = c.weight[1][x], wz = c.weight[2][x];
    const auto mix = [](double a, double b, double w) { return a + w * (b - a); };
    const auto at = [&](std::int64_t i) { return static_cast<double>(p[i]); };
    const double low = mix(mix(at(0), at(sx), wx), mix(at(sy), at(sy + sx), wx), wy);
    const double high =
        mix(mix(at(sz), at(sz + sx), wx), mix(at(sz + sy), at(sz + sy + sx), wx), wy);
    out[x] = rounded<T>(mix(low, high, wz));
  }
}

template <class T>
void nearest_row(const T* moving, const RowCorners& c, T background, T* out) {
  for (std::size_t x = 0; x < c.base.size(); ++x)
    out[x] = c.base[x] < 0 ? background : moving[c.base[x]];
}

/// The label with the largest sum of weights; the smaller label where two are equal.
template <class T>
T heaviest_label(const std::array<T, 8>& label, const std::array<double, 8>& weight) {
  T best = label[0];
  double best_sum = -1;
  for (std::size_t i = 0; i < 8; ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < 8; ++j) sum += label[j] == label[i] ? weight[j] : 0;
    if (sum > best_sum || (sum == best_sum && label[i] < best)) {
      best_sum = sum;
      best = label[i];
    }
  }
  return best;
}

template <class T>
void label_row(const T* moving, const RowCorners& c, T background, T* out) {
  for (std::size_t x = 0; x < c.base.size(); ++x) {
    if (c.base[x] < 0) {
      out[x] = background;
      continue;
    }
    std::array<T, 8> label{};
    std::array<double, 8> weight{};
    bool uniform = true;
    for (std::size_t i = 0; i < 8; ++i) {
      std::int64_t at = c.base[x];
      double w = 1;
      for (std::size_t a = 0; a < 3; ++a) {
        const bool high = (i >> a & 1U) != 0;
        at += high ? c.upper[a][x] : 0;
        w *= high ? c.weight[a][x] : 1 - c.weight[a][x];
      }
      label[i] = moving[at];
      weight[i] = w;
      uniform = uniform && label[i] == label[0];
    }
    out[x] = uniform ? label[0] : heaviest_label(label, weight);
  }
}

}  // namespace

void sample_row(const HeldVoxels& moving, const ResampleRule& rule, const MappedRow& row,
                RowCorners& corners, const RowTarget& out) {
  find_corners(row, moving.whole, moving.box, rule.interpolation == Interpolation::nearest,
               corners);
  dispatch(moving.type, [&]<class T>() {
    const T background = as_type<T>(rule.background);
    for (int c = 0; c < moving.channels; ++c) {
      const T* from = reinterpret_cast<const T*>(moving.voxels) + c * moving.box.voxel_count();
      T* to = reinterpret_cast<T*>(out.first) + c * out.channel_step;
      switch (rule.interpolation) {
        case Interpolation::linear: linear_row(from, corners, background, to); break;
        case Interpolation::nearest: nearest_row(from, corners, background, to); break;
        case Interpolation::label: label_row(from, corners, background, to); break;
      }
    }
  });
}

}  // namespace gigawarp::cpu
