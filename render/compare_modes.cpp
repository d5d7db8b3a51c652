#include "render/compare_modes.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <utility>
#include <vector>

#include "base/parallel.h"

namespace gigawarp::render {
namespace {

/// A picture of a slice, pixel by pixel.
template <class Colour>
QImage picture(const SliceImage& slice, const Colour& colour) {
  QImage out(slice.width, slice.height, QImage::Format_RGB32);
  auto* bits = out.bits();
  const auto stride = out.bytesPerLine();
  parallel_for(slice.height, [&](std::int64_t row) {
    auto* line = reinterpret_cast<QRgb*>(bits + row * stride);
    for (int c = 0; c < slice.width; ++c) line[c] = colour(c, static_cast<int>(row));
  });
  return out;
}

QRgb grey(double t) {
  const int level = static_cast<int>(std::lround(255 * t));
  return qRgb(level, level, level);
}

QRgb mix(QRgb under, QRgb over, double cover) {
  const auto one = [cover](int a, int b) {
    return static_cast<int>(std::lround(a + cover * (b - a)));
  };
  return qRgb(one(qRed(under), qRed(over)), one(qGreen(under), qGreen(over)),
              one(qBlue(under), qBlue(over)));
}

double shown(float value, const Window& window) { return std::isnan(value) ? 0.0 : window(value); }

class Plane2 {
 public:
  Plane2(int width, int height)
      : width_(width),
        height_(height),
        values_(static_cast<std::size_t>(width) * static_cast<std::size_t>(height)) {}
  double& at(int c, int r) { return values_[index(c, r)]; }
  /// Repeats the border.
  double at(int c, int r) const {
    return values_[index(std::clamp(c, 0, width_ - 1), std::clamp(r, 0, height_ - 1))];
  }

 private:
  std::size_t index(int c, int r) const {
    return static_cast<std::size_t>(r) * static_cast<std::size_t>(width_) +
           static_cast<std::size_t>(c);
  }
  int width_, height_;
  std::vector<double> values_;
};

Plane2 smoothed(const SliceImage& slice, const Window& window, double sigma) {
  const int radius = std::max(1, static_cast<int>(std::ceil(3 * sigma)));
  std::vector<double> weight;
  double sum = 0;
  for (int i = -radius; i <= radius; ++i) {
    weight.push_back(std::exp(-0.5 * i * i / (sigma * sigma)));
    sum += weight.back();
  }
  Plane2 in(slice.width, slice.height), across(slice.width, slice.height),
      out(slice.width, slice.height);
  for (int r = 0; r < slice.height; ++r)
    for (int c = 0; c < slice.width; ++c) in.at(c, r) = shown(slice.at(c, r), window);
  const auto pass = [&](const Plane2& from, Plane2& to, int dc, int dr) {
    parallel_for(slice.height, [&](std::int64_t row) {
      const int r = static_cast<int>(row);
      for (int c = 0; c < slice.width; ++c) {
        double v = 0;
        for (int i = -radius; i <= radius; ++i)
          v += weight[i + radius] * from.at(c + i * dc, r + i * dr);
        to.at(c, r) = v / sum;
      }
    });
  };
  pass(in, across, 1, 0);
  pass(across, out, 0, 1);
  return out;
}

/// 1 on ridges of the gradient above the high threshold, or above the low one and connected to
/// such.
std::vector<std::uint8_t> canny(const SliceImage& slice, const Window& window, double sigma) {
  const Plane2 smooth = smoothed(slice, window, sigma);
  const int w = slice.width, h = slice.height;
  const auto index = [w](int c, int r) {
    return static_cast<std::size_t>(r) * static_cast<std::size_t>(w) + static_cast<std::size_t>(c);
  };
  Plane2 strength(w, h);
  for (int r = 0; r < h; ++r)
    for (int c = 0; c < w; ++c)
      strength.at(c, r) = sigma * 0.5 *
                          std::hypot(smooth.at(c + 1, r) - smooth.at(c - 1, r),
                                     smooth.at(c, r + 1) - smooth.at(c, r - 1));
  constexpr double kHigh = 0.10, kLow = 0.045;  // of the window, per sigma
  std::vector<std::uint8_t> state(static_cast<std::size_t>(w) * static_cast<std::size_t>(h), 0);
  std::vector<std::pair<int, int>> queue;
  const Plane2& s = strength;
  for (int r = 1; r < h - 1; ++r)
    for (int c = 1; c < w - 1; ++c) {
      const double gx = smooth.at(c + 1, r) - smooth.at(c - 1, r);
      const double gy = smooth.at(c, r + 1) - smooth.at(c, r - 1);
      // The neighbour nearest to the gradient's direction.
      const int octant =
          static_cast<int>(std::lround(std::atan2(gy, gx) * 4 / std::numbers::pi)) & 3;
      constexpr int kStep[4][2] = {{1, 0}, {1, 1}, {0, 1}, {-1, 1}};
      const int dc = kStep[octant][0], dr = kStep[octant][1];
      const double here = s.at(c, r);
      if (here < kLow || here < s.at(c + dc, r + dr) || here <= s.at(c - dc, r - dr)) continue;
      state[index(c, r)] = 1;
      if (here >= kHigh) queue.emplace_back(c, r);
    }
  std::vector<std::uint8_t> out(state.size(), 0);
  while (!queue.empty()) {
    const auto [c, r] = queue.back();
    queue.pop_back();
    if (out[index(c, r)]) continue;
    out[index(c, r)] = 1;
    for (int dr = -1; dr <= 1; ++dr)
      for (int dc = -1; dc <= 1; ++dc) {
        const int nc = c + dc, nr = r + dr;
        if (nc >= 0 && nr >= 0 && nc < w && nr < h && state[index(nc, nr)])
          queue.emplace_back(nc, nr);
      }
  }
  return out;
}

}  // namespace

Window percentile_window(const Volume& volume, double low_percent, double high_percent) {
  std::vector<float> values;
  const std::int64_t n = volume.grid().voxel_count();
  const std::int64_t stride = std::max<std::int64_t>(1, n / 500'000);
  dispatch(volume.type(), [&]<class T>() {
    const T* data = volume.channel<T>();
    for (std::int64_t i = 0; i < n; i += stride) {
      const auto v = static_cast<float>(data[i]);
      if (std::isfinite(v) && v != 0) values.push_back(v);
    }
  });
  if (values.empty()) return {0, 1};
  const auto order = [&](double percent) {
    const auto k = values.begin() + static_cast<std::ptrdiff_t>(
                                        percent / 100 * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), k, values.end());
    return static_cast<double>(*k);
  };
  Window out{order(low_percent), order(high_percent)};
  if (!(out.high > out.low)) out.high = out.low + 1;
  return out;
}

QImage grey_picture(const SliceImage& slice, const Window& window) {
  return picture(slice, [&](int c, int r) {
    const float v = slice.at(c, r);
    return std::isnan(v) ? kBackground : grey(window(v));
  });
}

QImage blend_picture(const SliceImage& fixed, const Window& fixed_window, const SliceImage& moving,
                     const Window& moving_window) {
  return picture(fixed, [&](int c, int r) {
    const float f = fixed.at(c, r), m = moving.at(c, r);
    if (std::isnan(f) && std::isnan(m)) return kBackground;
    const double tf = shown(f, fixed_window), tm = shown(m, moving_window);
    const auto channel = [&](int a, int b) {
      return std::min(255, static_cast<int>(tf * a + tm * b));
    };
    return qRgb(channel(qRed(kFixedColour), qRed(kMovingColour)),
                channel(qGreen(kFixedColour), qGreen(kMovingColour)),
                channel(qBlue(kFixedColour), qBlue(kMovingColour)));
  });
}

QImage difference_picture(const SliceImage& fixed, const Window& fixed_window,
                          const SliceImage& moving, const Window& moving_window) {
  return picture(fixed, [&](int c, int r) {
    const float f = fixed.at(c, r), m = moving.at(c, r);
    if (std::isnan(f) || std::isnan(m)) return kBackground;
    return colour_of(ColourMap::diverging, 0.5 + (fixed_window(f) - moving_window(m)));
  });
}

void draw_edges(QImage& picture, const SliceImage& slice, const Window& window, double sigma_pixels,
                QRgb colour, double opacity) {
  const std::vector<std::uint8_t> edge = canny(slice, window, sigma_pixels);
  for (int r = 0; r < slice.height; ++r) {
    auto* line = reinterpret_cast<QRgb*>(picture.scanLine(r));
    const std::uint8_t* on =
        edge.data() + static_cast<std::size_t>(r) * static_cast<std::size_t>(slice.width);
    for (int c = 0; c < slice.width; ++c)
      if (on[c]) line[c] = mix(line[c], colour, opacity);
  }
}

QImage edges_picture(const SliceImage& fixed, const Window& fixed_window, const SliceImage& moving,
                     const Window& moving_window, double sigma_pixels, double edge_opacity,
                     double moving_opacity) {
  QImage out = picture(moving, [&](int c, int r) {
    const float m = moving.at(c, r);
    return std::isnan(m) ? kBackground
                         : mix(kBackground, grey(0.85 * moving_window(m)), moving_opacity);
  });
  draw_edges(out, fixed, fixed_window, sigma_pixels, kFixedColour, 0.9 * edge_opacity);
  return out;
}

QImage jacobian_picture(const SliceImage& determinant, double log2_range) {
  return picture(determinant, [&](int c, int r) {
    const float j = determinant.at(c, r);
    if (std::isnan(j)) return kBackground;
    if (j <= 0) return kDefectColour;
    return colour_of(ColourMap::diverging, 0.5 + 0.5 * std::log2(j) / log2_range);
  });
}

QImage grid_picture(const SliceImage& right_mm, const SliceImage& down_mm, double pixel_mm,
                    double spacing_mm, const SliceImage& under, const Window& window) {
  const auto line = [&](const SliceImage& u, int c, int r, int dc, int dr, double place) {
    // Distance to the nearest line, in pixels: coordinate error over its gradient.
    const auto coordinate = [&](int cc, int rr) {
      const int x = std::clamp(cc, 0, u.width - 1), y = std::clamp(rr, 0, u.height - 1);
      return static_cast<double>(u.at(x, y));
    };
    const double v = place * pixel_mm + coordinate(c, r);
    const double gx = dc * pixel_mm + 0.5 * (coordinate(c + 1, r) - coordinate(c - 1, r));
    const double gy = dr * pixel_mm + 0.5 * (coordinate(c, r + 1) - coordinate(c, r - 1));
    const double off = std::abs(v - spacing_mm * std::round(v / spacing_mm));
    const double pixels = off / std::max(1e-9, std::hypot(gx, gy));
    return std::clamp(1.1 - pixels, 0.0, 1.0);
  };
  return picture(under, [&](int c, int r) {
    const float v = under.at(c, r);
    const QRgb ground = std::isnan(v) ? kBackground : grey(0.45 * window(v));
    if (std::isnan(right_mm.at(c, r)) || std::isnan(down_mm.at(c, r))) return ground;
    const double cover = std::max(line(right_mm, c, r, 1, 0, c), line(down_mm, c, r, 0, 1, r));
    return std::isnan(cover) ? ground : mix(ground, qRgb(120, 214, 200), 0.85 * cover);
  });
}

}  // namespace gigawarp::render
