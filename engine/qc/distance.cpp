#include "qc/distance.h"

#include <algorithm>
#include <limits>

namespace gigawarp::qc {
namespace {

constexpr float kFar = std::numeric_limits<float>::infinity();

/// Lower envelope of parabolas along one line.
class Line {
 public:
  explicit Line(std::int64_t longest)
      : in_(static_cast<std::size_t>(longest)),
        vertex_(static_cast<std::size_t>(longest)),
        boundary_(static_cast<std::size_t>(longest) + 1) {}

  void transform(float* data, std::int64_t n, std::int64_t stride, double spacing_mm) {
    const double s2 = spacing_mm * spacing_mm;
    std::size_t count = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const double f = in_[static_cast<std::size_t>(i)] = data[i * stride];
      if (f == kFar) continue;
      double start = -std::numeric_limits<double>::infinity();
      while (count > 0) {
        const std::int64_t v = vertex_[count - 1];
        const double g = in_[static_cast<std::size_t>(v)];
        start = ((f - g) / s2 + static_cast<double>(i * i - v * v)) /
                (2.0 * static_cast<double>(i - v));
        if (start > boundary_[count - 1]) break;
        start = -std::numeric_limits<double>::infinity();
        --count;
      }
      vertex_[count] = i;
      boundary_[count] = start;
      ++count;
    }
    if (count == 0) return;
    std::size_t k = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      while (k + 1 < count && boundary_[k + 1] < static_cast<double>(i)) ++k;
      const std::int64_t v = vertex_[k];
      data[i * stride] = static_cast<float>(in_[static_cast<std::size_t>(v)] +
                                            s2 * static_cast<double>((i - v) * (i - v)));
    }
  }

 private:
  std::vector<double> in_;
  std::vector<std::int64_t> vertex_;
  std::vector<double> boundary_;
};

}  // namespace

std::vector<float> squared_distance_mm2(const std::vector<std::uint8_t>& seeds, const Size3& size,
                                        const Vec3& spacing_mm) {
  std::vector<float> out(seeds.size());
  for (std::size_t i = 0; i < seeds.size(); ++i) out[i] = seeds[i] ? 0.0F : kFar;
  Line line(std::max({size[0], size[1], size[2]}));
  const std::int64_t plane = size[0] * size[1];
  for (std::int64_t r = 0; r < size[1] * size[2]; ++r)
    line.transform(out.data() + r * size[0], size[0], 1, spacing_mm[0]);
  for (std::int64_t z = 0; z < size[2]; ++z)
    for (std::int64_t x = 0; x < size[0]; ++x)
      line.transform(out.data() + z * plane + x, size[1], size[0], spacing_mm[1]);
  for (std::int64_t i = 0; i < plane; ++i)
    line.transform(out.data() + i, size[2], plane, spacing_mm[2]);
  return out;
}

}  // namespace gigawarp::qc
