#include "qc/similarity.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/parallel.h"
#include "gigawarp/error.h"

namespace gigawarp::qc {
namespace {

constexpr int kBins = 64;

void require_same_lattice(const Volume& a, const Volume& b, const char* what) {
  if (!a.grid().same_lattice(b.grid()))
    throw Error(ErrorCode::bad_input,
                std::string("The ") + what + " is not on the grid of the fixed image.", what);
}

void read_row(const Volume& volume, std::int64_t y, std::int64_t z, std::vector<double>& out) {
  const Size3& n = volume.grid().size;
  out.resize(static_cast<std::size_t>(n[0]));
  dispatch(volume.type(), [&]<class T>() {
    const T* row = volume.channel<T>() + (z * n[1] + y) * n[0];
    for (std::int64_t x = 0; x < n[0]; ++x)
      out[static_cast<std::size_t>(x)] = static_cast<double>(row[x]);
  });
}

/// Rows of both images, NaN where a voxel does not count.
struct RowPair {
  std::vector<double> f, w, m;
  void read(const Volume& fixed, const Volume& warped, const Volume* inside, const Volume* mask,
            std::int64_t y, std::int64_t z) {
    read_row(fixed, y, z, f);
    read_row(warped, y, z, w);
    for (const Volume* gate : {inside, mask}) {
      if (!gate) continue;
      read_row(*gate, y, z, m);
      for (std::size_t x = 0; x < f.size(); ++x)
        if (m[x] == 0) f[x] = std::numeric_limits<double>::quiet_NaN();
    }
  }
  bool counts(std::size_t x) const { return std::isfinite(f[x]) && std::isfinite(w[x]); }
};

struct Moments {
  double n = 0, f = 0, w = 0;
  double f_low = std::numeric_limits<double>::infinity(), f_high = -f_low;
  double w_low = f_low, w_high = -f_low;
};

struct Products {
  double ff = 0, ww = 0, fw = 0;
};

double entropy(const std::vector<double>& counts, double total) {
  double h = 0;
  for (const double c : counts)
    if (c > 0) h -= c / total * std::log(c / total);
  return h;
}

int bin_of(double value, double low, double high) {
  if (!(high > low)) return 0;
  return std::min(kBins - 1, static_cast<int>((value - low) / (high - low) * kBins));
}

double normalised_information(const std::vector<std::int64_t>& joint) {
  std::vector<double> both(joint.size()), f(kBins), w(kBins);
  double total = 0;
  for (std::size_t i = 0; i < joint.size(); ++i) {
    both[i] = static_cast<double>(joint[i]);
    f[i / kBins] += both[i];
    w[i % kBins] += both[i];
    total += both[i];
  }
  const double h = entropy(both, total);
  return h > 0 ? (entropy(f, total) + entropy(w, total)) / h : 0;
}

/// One pass over all planes in parallel; the results in plane order.
template <class Plane, class Body>
std::vector<Plane> per_plane(std::int64_t planes, const Plane& empty, const Body& body) {
  std::vector<Plane> out(static_cast<std::size_t>(planes), empty);
  parallel_for(planes, [&](std::int64_t z) { body(z, out[static_cast<std::size_t>(z)]); });
  return out;
}

}  // namespace

Similarity similarity(const Volume& fixed, const Volume& warped, const Volume* inside,
                      const Volume* mask) {
  require_same_lattice(warped, fixed, "warped image");
  if (inside) require_same_lattice(*inside, fixed, "overlap mask");
  if (mask) require_same_lattice(*mask, fixed, "mask");
  const Size3& n = fixed.grid().size;
  const auto each = [&](std::int64_t z, const auto& use) {
    RowPair rows;
    for (std::int64_t y = 0; y < n[1]; ++y) {
      rows.read(fixed, warped, inside, mask, y, z);
      for (std::size_t x = 0; x < rows.f.size(); ++x)
        if (rows.counts(x)) use(rows.f[x], rows.w[x]);
    }
  };
  Moments all;
  for (const Moments& m : per_plane(n[2], Moments{}, [&](std::int64_t z, Moments&out) {
         each(z, [&](double f, double w) {
           out.n += 1;
           out.f += f;
           out.w += w;
           out.f_low = std::min(out.f_low, f);
           out.f_high = std::max(out.f_high, f);
           out.w_low = std::min(out.w_low, w);
           out.w_high = std::max(out.w_high, w);
         });
       })) {
    all.n += m.n;
    all.f += m.f;
    all.w += m.w;
    all.f_low = std::min(all.f_low, m.f_low);
    all.f_high = std::max(all.f_high, m.f_high);
    all.w_low = std::min(all.w_low, m.w_low);
    all.w_high = std::max(all.w_high, m.w_high);
  }
  Similarity out;
  out.voxels = static_cast<std::int64_t>(all.n);
  if (all.n == 0) return out;
  const double f_mean = all.f / all.n, w_mean = all.w / all.n;
  struct Second {
    Products products;
    std::vector<std::int64_t> joint;
  };
  Second empty;
  empty.joint.assign(static_cast<std::size_t>(kBins) * kBins, 0);
  Second sum = empty;
  for (const Second& s : per_plane(n[2], empty, [&](std::int64_t z, Second&plane) {
         each(z, [&](double f, double w) {
           plane.products.ff += (f - f_mean) * (f - f_mean);
           plane.products.ww += (w - w_mean) * (w - w_mean);
           plane.products.fw += (f - f_mean) * (w - w_mean);
           const auto row = static_cast<std::size_t>(bin_of(f, all.f_low, all.f_high));
           const auto column = static_cast<std::size_t>(bin_of(w, all.w_low, all.w_high));
           ++plane.joint[row * kBins + column];
         });
       })) {
    sum.products.ff += s.products.ff;
    sum.products.ww += s.products.ww;
    sum.products.fw += s.products.fw;
    for (std::size_t i = 0; i < sum.joint.size(); ++i) sum.joint[i] += s.joint[i];
  }
  const double norm = std::sqrt(sum.products.ff * sum.products.ww);
  out.ncc = norm > 0 ? sum.products.fw / norm : 0;
  out.nmi = normalised_information(sum.joint);
  return out;
}

namespace {

/// Window sums of one plane along x and y: n, f, w, ff, ww, fw.
struct PlaneSums {
  std::vector<double> sums[6];
};

void box_rows(std::vector<double>& v, std::int64_t n, std::int64_t lines, std::int64_t step,
              std::int64_t line_step, int radius) {
  std::vector<double> prefix(static_cast<std::size_t>(n) + 1);
  for (std::int64_t l = 0; l < lines; ++l) {
    double* p = v.data() + l * line_step;
    for (std::int64_t i = 0; i < n; ++i)
      prefix[static_cast<std::size_t>(i) + 1] = prefix[static_cast<std::size_t>(i)] + p[i * step];
    for (std::int64_t i = 0; i < n; ++i)
      p[i * step] = prefix[static_cast<std::size_t>(std::min(n, i + radius + 1))] -
                    prefix[static_cast<std::size_t>(std::max<std::int64_t>(0, i - radius))];
  }
}

PlaneSums plane_sums(const Volume& fixed, const Volume& warped, const Volume* inside, int radius,
                     double f_mean, double w_mean, std::int64_t z) {
  const Size3& n = fixed.grid().size;
  PlaneSums out;
  for (auto& s : out.sums) s.assign(static_cast<std::size_t>(n[0] * n[1]), 0.0);
  RowPair rows;
  for (std::int64_t y = 0; y < n[1]; ++y) {
    rows.read(fixed, warped, inside, nullptr, y, z);
    for (std::size_t x = 0; x < rows.f.size(); ++x) {
      if (!rows.counts(x)) continue;
      const double f = rows.f[x] - f_mean, w = rows.w[x] - w_mean;
      const double terms[6] = {1, f, w, f * f, w * w, f * w};
      for (int k = 0; k < 6; ++k) out.sums[k][static_cast<std::size_t>(y * n[0]) + x] = terms[k];
    }
  }
  for (auto& s : out.sums) {
    box_rows(s, n[0], n[1], 1, n[0], radius);
    box_rows(s, n[1], n[0], n[0], 1, radius);
  }
  return out;
}

float correlation(const double (&s)[6]) {
  const double cross = s[5] - s[1] * s[2] / s[0];
  const double f = s[3] - s[1] * s[1] / s[0], w = s[4] - s[2] * s[2] / s[0];
  const double floor_f = 1e-9 * s[3], floor_w = 1e-9 * s[4];  // rounding of the sums
  if (!(f > floor_f && w > floor_w)) return 0;
  return static_cast<float>(std::clamp(cross / std::sqrt(f * w), -1.0, 1.0));
}

}  // namespace

namespace {
constexpr std::int64_t kMostWindowBytes = std::int64_t{160} << 20;
constexpr std::int64_t kSumBytes = 6 * sizeof(double);  ///< of a voxel of PlaneSums

/// Planes of sums that a thread holds: 16 planes share their window's, fewer where planes are
/// large.
std::int64_t window_planes(const Size3& n, int radius) {
  const std::int64_t plane = kSumBytes * n[0] * n[1] * available_threads();
  return std::clamp<std::int64_t>(kMostWindowBytes / plane, 1 + 2 * radius, 16 + 2 * radius);
}
}  // namespace

std::int64_t local_ncc_bytes(const Size3& size, int radius) {
  return window_planes(size, radius) * kSumBytes * size[0] * size[1] * available_threads();
}

Volume local_ncc_map(const Volume& fixed, const Volume& warped, int radius, const Volume* inside) {
  require_same_lattice(warped, fixed, "warped image");
  const Size3& n = fixed.grid().size;
  const double f_mean = intensity_statistics(fixed).mean,
               w_mean = intensity_statistics(warped).mean;
  Volume out(fixed.grid(), ScalarType::f32);
  const std::int64_t planes_at_once = window_planes(n, radius) - 2 * radius;
  parallel_for((n[2] + planes_at_once - 1) / planes_at_once, [&](std::int64_t slab) {
    const std::int64_t z0 = slab * planes_at_once, z1 = std::min(n[2], z0 + planes_at_once);
    const std::int64_t first = std::max<std::int64_t>(0, z0 - radius);
    std::vector<PlaneSums> planes;
    for (std::int64_t z = first; z < std::min(n[2], z1 + radius); ++z)
      planes.push_back(plane_sums(fixed, warped, inside, radius, f_mean, w_mean, z));
    for (std::int64_t z = z0; z < z1; ++z) {
      float* to = out.channel<float>() + z * n[0] * n[1];
      const std::int64_t low = std::max<std::int64_t>(0, z - radius) - first;
      const std::int64_t high = std::min(n[2] - 1, z + radius) - first;
      for (std::int64_t i = 0; i < n[0] * n[1]; ++i) {
        double s[6] = {0, 0, 0, 0, 0, 0};
        for (std::int64_t p = low; p <= high; ++p)
          for (int k = 0; k < 6; ++k)
            s[k] += planes[static_cast<std::size_t>(p)].sums[k][static_cast<std::size_t>(i)];
        const bool seen = !inside || inside->value(i % n[0], i / n[0], z) != 0;
        to[i] = seen && s[0] > 0 ? correlation(s) : std::numeric_limits<float>::quiet_NaN();
      }
    }
  });
  return out;
}

}  // namespace gigawarp::qc
