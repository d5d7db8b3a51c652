#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <mutex>
#include <vector>

#include "base/parallel.h"
#include "ops/invert_field.h"

/// How far an inverse is from one.
namespace gigawarp {

namespace {
// Errors are binned by the leading 16 bits of their f32 form: monotonic, 1/128 of an octave each.
constexpr std::size_t kBins = 1U << 15;

/// Sum, count and maximum of some rows of a plane.
struct PartError {
  double sum = 0, maximum = 0;
  std::int64_t count = 0;
};

/// A plane in parts of whole rows, which threads share and whose sums are added in their order.
struct Parts {
  static constexpr std::int64_t kVoxels = std::int64_t{1} << 18;  ///< of a part, about
  std::int64_t rows, planes, height, count;

  Parts(const Size3& n, std::int64_t planes_in_all)
      : rows(std::max<std::int64_t>(1, kVoxels / n[0])),
        planes(planes_in_all),
        height(n[1]),
        count((n[1] + rows - 1) / rows) {}
  /// body(plane, its rows, number of the part among all) in parallel.
  template <class Body>
  void each(const Body& body) const {
    parallel_for(planes * count, [&](std::int64_t i) {
      const std::int64_t first = i % count * rows;
      body(i / count, ops::ZRange{first, std::min(first + rows, height)},
           static_cast<std::size_t>(i));
    });
  }
};

/// Trilinear value of a component in double at a clamped position; `d` begins at plane `first`.
struct Sampler {
  std::int64_t low[3], high[3];
  double weight[3];
  const Size3& n;
  std::int64_t first;

  double operator()(const float* d) const {
    const auto at = [&](std::int64_t x, std::int64_t y, std::int64_t z) {
      return static_cast<double>(d[((z - first) * n[1] + y) * n[0] + x]);
    };
    const auto row = [&](std::int64_t y, std::int64_t z) {
      const double a = at(low[0], y, z);
      return a + weight[0] * (at(high[0], y, z) - a);
    };
    const auto plane = [&](std::int64_t z) {
      const double a = row(low[1], z);
      return a + weight[1] * (row(high[1], z) - a);
    };
    const double a = plane(low[2]);
    return a + weight[2] * (plane(high[2]) - a);
  }
};

/// False when the position lies outside the grid.
bool locate(const Vec3& p, Sampler& s) {
  for (int a = 0; a < 3; ++a) {
    if (!(p[a] >= -0.5 && p[a] < static_cast<double>(s.n[a]) - 0.5)) return false;
    const double clamped = std::clamp(p[a], 0.0, static_cast<double>(s.n[a] - 1));
    s.low[a] = static_cast<std::int64_t>(clamped);
    s.high[a] = std::min(s.low[a] + 1, s.n[a] - 1);
    s.weight[a] = clamped - static_cast<double>(s.low[a]);
  }
  return true;
}

/// One plane of the forward displacement, and the inverse where it leads to.
struct Composition {
  const Grid& forward_grid;
  const Grid& inverse_grid;
  Affine inverse_from_world = inverse_grid.voxel_from_world();
  Affine inverse_from_forward = inverse_from_world * forward_grid.world_from_voxel;

  /// Calls body(u, p) for every voxel of some rows: displacement in mm, and where it leads, in
  /// inverse voxels.
  template <class Body>
  void each(const float* const plane[3], std::int64_t z, ops::ZRange rows, const Body& body) const {
    const Size3& n = forward_grid.size;
    for (std::int64_t y = rows.begin; y < rows.end; ++y)
      for (std::int64_t x = 0; x < n[0]; ++x) {
        const std::int64_t i = y * n[0] + x;
        Vec3 u{};
        for (int a = 0; a < 3; ++a) u[a] = static_cast<double>(plane[a][i]);
        Vec3 p = inverse_from_forward(
            {static_cast<double>(x), static_cast<double>(y), static_cast<double>(z)});
        const Vec3 shift = inverse_from_world.map_vector(u);
        for (int a = 0; a < 3; ++a) p[a] += shift[a];
        body(u, p);
      }
  }
  /// Planes of the inverse that those rows lead to; none: begin = end.
  ops::ZRange reach(const float* const plane[3], std::int64_t z, ops::ZRange rows) const {
    const auto last = static_cast<double>(inverse_grid.size[2] - 1);
    double low = last + 1, high = -1;
    each(plane, z, rows, [&](const Vec3&, const Vec3& p) {
      if (!(p[2] >= -0.5 && p[2] < last + 0.5)) return;
      low = std::min(low, std::clamp(p[2], 0.0, last));
      high = std::max(high, std::clamp(p[2], 0.0, last));
    });
    if (high < low) return {};
    return {static_cast<std::int64_t>(low),
            std::min(static_cast<std::int64_t>(high) + 2, inverse_grid.size[2])};
  }
};

/// Bins are added to `bins`.
PartError part_error(const Composition& composition, const float* const forward[3], std::int64_t z,
                     ops::ZRange rows, const Volume& inverse, std::int64_t first,
                     std::vector<std::uint32_t>& bins) {
  PartError out;
  composition.each(forward, z, rows, [&](const Vec3& u, const Vec3& p) {
    Sampler sampler{{}, {}, {}, composition.inverse_grid.size, first};
    if (!locate(p, sampler)) return;
    double square = 0;
    for (int a = 0; a < 3; ++a) {
      const double e = u[a] + sampler(inverse.channel<float>(a));
      square += e * e;
    }
    if (!(square >= 0)) return;  // NaN: outside
    const double error = std::sqrt(square);
    out.sum += error;
    out.maximum = std::max(out.maximum, error);
    ++out.count;
    ++bins[std::bit_cast<std::uint32_t>(static_cast<float>(error)) >> 16U];
  });
  return out;
}

InverseError summary_of(const std::vector<PartError>& partial,
                        const std::vector<std::uint64_t>& histogram) {
  InverseError out;
  std::int64_t& count = out.voxels;
  for (const PartError& p : partial) {
    out.mean_mm += p.sum;
    out.max_mm = std::max(out.max_mm, p.maximum);
    count += p.count;
  }
  if (count == 0) return out;
  out.mean_mm /= static_cast<double>(count);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBins; ++i) {
    seen += histogram[i];
    if (static_cast<double>(seen) < 0.95 * static_cast<double>(count)) continue;
    const auto edge = std::bit_cast<float>(static_cast<std::uint32_t>((i << 16U) | 0x8000U));
    out.p95_mm = std::min(static_cast<double>(edge), out.max_mm);
    break;
  }
  return out;
}
}  // namespace

InverseError inverse_error(const VolumeFeed& forward_mm, const VolumeFeed& inverse_mm,
                           std::int64_t plane_step) {
  const Size3& n = forward_mm.grid().size;
  const std::int64_t plane = n[0] * n[1];
  const Composition composition{forward_mm.grid(), inverse_mm.grid()};
  std::vector<PartError> partial;
  std::vector<std::uint64_t> histogram(kBins, 0);
  std::mutex mutex;
  const auto measure = [&](PartError& out, std::int64_t z, ops::ZRange rows,
                           const float* const forward[3], const Volume& inverse,
                           std::int64_t first) {
    std::vector<std::uint32_t> bins(kBins, 0);
    out = part_error(composition, forward, z, rows, inverse, first, bins);
    const std::lock_guard lock(mutex);
    for (std::size_t i = 0; i < kBins; ++i) histogram[i] += bins[i];
  };
  const Volume *forward = forward_mm.whole(), *inverse = inverse_mm.whole();
  const auto planes_of = [plane](const Volume& volume, std::int64_t z) {
    return std::array<const float*, 3>{volume.channel<float>(0) + z * plane,
                                       volume.channel<float>(1) + z * plane,
                                       volume.channel<float>(2) + z * plane};
  };
  if (forward != nullptr && inverse != nullptr) {
    const Parts parts(n, (n[2] + plane_step - 1) / plane_step);
    partial.resize(static_cast<std::size_t>(parts.planes * parts.count));
    parts.each([&](std::int64_t i, ops::ZRange rows, std::size_t part) {
      const std::int64_t z = i * plane_step;
      measure(partial[part], z, rows, planes_of(*forward, z).data(), *inverse, 0);
    });
    return summary_of(partial, histogram);
  }
  PlaneWindow window(inverse_mm);
  const std::int64_t batch = plane_step == 1 ? forward_mm.slab_planes() : 1;
  for (std::int64_t z = 0; z < n[2]; z += batch * plane_step) {
    const std::int64_t count = std::min(batch, n[2] - z);
    const Volume slab = read_planes(forward_mm, z, count);
    const Parts parts(n, count);
    ops::ZRange reach{inverse_mm.grid().size[2], 0};
    std::vector<ops::ZRange> reaches(static_cast<std::size_t>(count * parts.count));
    parts.each([&](std::int64_t k, ops::ZRange rows, std::size_t part) {
      reaches[part] = composition.reach(planes_of(slab, k).data(), z + k, rows);
    });
    for (const ops::ZRange& r : reaches)
      if (r.begin < r.end) reach = {std::min(reach.begin, r.begin), std::max(reach.end, r.end)};
    if (reach.begin >= reach.end) continue;
    window.move_to(reach.begin, reach.end);
    const std::size_t done = partial.size();
    partial.resize(done + reaches.size());
    parts.each([&](std::int64_t k, ops::ZRange rows, std::size_t part) {
      measure(partial[done + part], z + k, rows, planes_of(slab, k).data(), window.planes(),
              window.begin());
    });
  }
  return summary_of(partial, histogram);
}

InverseError inverse_error(const DisplacementField& forward, const DisplacementField& inverse) {
  return inverse_error(WholeVolume(&forward.volume()), WholeVolume(&inverse.volume()));
}

}  // namespace gigawarp
