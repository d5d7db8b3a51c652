#include <algorithm>
#include <array>
#include <bit>
#include <utility>
#include <vector>

#include "cpu/cpu_ops.h"
#include "cpu/tiles.h"

/// Keeps det(I + grad u) above a minimum: where it is not, u is relaxed towards its neighbourhood
/// mean, and only there. Relaxation tends to a locally constant u, whose determinant is one.
namespace gigawarp::cpu {
namespace {

/// Rows around (y, z): centre, y-1, y+1, z-1, z+1 of one component, with the divisors of
/// differences.
struct Neighbours {
  const float* row[3][5];
  float scale_y, scale_z;
};

Neighbours neighbours(const ops::FieldView& u, std::int64_t y, std::int64_t z) {
  const ops::Extent& e = u.extent();
  const auto ym = std::max<std::int64_t>(y - 1, 0), yp = std::min(y + 1, e.ny - 1);
  const auto zm = std::max<std::int64_t>(z - 1, 0), zp = std::min(z + 1, e.nz - 1);
  Neighbours n{};
  for (int c = 0; c < 3; ++c) {
    const ops::SlabView<float>& v = u.component[c];
    n.row[c][0] = v.row(y, z);
    n.row[c][1] = v.row(ym, z);
    n.row[c][2] = v.row(yp, z);
    n.row[c][3] = v.row(y, zm);
    n.row[c][4] = v.row(y, zp);
  }
  n.scale_y = yp > ym ? 1.0F / static_cast<float>(yp - ym) : 0.0F;
  n.scale_z = zp > zm ? 1.0F / static_cast<float>(zp - zm) : 0.0F;
  return n;
}

GIGAWARP_ALWAYS_INLINE float determinant_at(const Neighbours& n, std::int64_t x, std::int64_t xm,
                                            std::int64_t xp, float scale_x) {
  const auto d = [&](int c, float& dx, float& dy, float& dz) __attribute__((always_inline)) {
    dx = (n.row[c][0][xp] - n.row[c][0][xm]) * scale_x;
    dy = (n.row[c][2][x] - n.row[c][1][x]) * n.scale_y;
    dz = (n.row[c][4][x] - n.row[c][3][x]) * n.scale_z;
  };
  float a, b, c, p, q, r, s, t, v;
  d(0, a, b, c);
  d(1, p, q, r);
  d(2, s, t, v);
  a += 1;
  q += 1;
  v += 1;
  return a * (q * v - r * t) - b * (p * v - r * s) + c * (p * t - q * s);
}

GIGAWARP_MULTIVERSION std::int32_t determinant_row(const Neighbours& n, std::int64_t nx,
                                                   float minimum, float* __restrict out) {
  std::int32_t below = 0;
  out[0] = determinant_at(n, 0, 0, std::min<std::int64_t>(1, nx - 1), nx > 1 ? 1.0F : 0.0F);
  out[nx - 1] =
      determinant_at(n, nx - 1, std::max<std::int64_t>(nx - 2, 0), nx - 1, nx > 1 ? 1.0F : 0.0F);
#pragma omp simd
  for (std::int64_t x = 1; x < nx - 1; ++x) out[x] = determinant_at(n, x, x - 1, x + 1, 0.5F);
  for (std::int64_t x = 0; x < nx; ++x) below += !(out[x] >= minimum) ? 1 : 0;
  return below;
}

using Voxel = std::array<std::int32_t, 3>;  // z, y, x: sorts in memory order

bool is_below(const ops::FieldView& u, const Voxel& v, float minimum) {
  const Neighbours n = neighbours(u, v[1], v[0]);
  const std::int64_t nx = u.extent().nx, x = v[2];
  const std::int64_t xm = std::max<std::int64_t>(x - 1, 0), xp = std::min(x + 1, nx - 1);
  return !(determinant_at(n, x, xm, xp, xp > xm ? 1.0F / static_cast<float>(xp - xm) : 0.0F) >=
           minimum);
}

/// Grows sets of voxels within the planes stored. One bit per voxel says what is in already: lists
/// with duplicates would need more memory than the field when many voxels fold.
class Dilation {
 public:
  explicit Dilation(const ops::Extent& e)
      : e_(e),
        seen_(static_cast<std::size_t>((e.nx * e.ny * (e.z_end - e.z_begin) + 63) / 64), 0) {}

  /// Every voxel within `radius` (largest coordinate difference), in memory order.
  std::vector<Voxel> operator()(const std::vector<Voxel>& voxels, std::int32_t radius) {
    std::vector<Voxel> out;
    for (const Voxel& v : voxels)
      for (std::int32_t dz = -radius; dz <= radius; ++dz)
        for (std::int32_t dy = -radius; dy <= radius; ++dy)
          for (std::int32_t dx = -radius; dx <= radius; ++dx)
            add({v[0] + dz, v[1] + dy, v[2] + dx}, out);
    for (const Voxel& v : out) seen_[word(v)] = 0;
    std::sort(out.begin(), out.end());
    return out;
  }

 private:
  std::int64_t index(const Voxel& v) const {
    return ((v[0] - e_.z_begin) * e_.ny + v[1]) * e_.nx + v[2];
  }
  std::size_t word(const Voxel& v) const { return static_cast<std::size_t>(index(v) / 64); }
  void add(const Voxel& v, std::vector<Voxel>& out) {
    if (v[0] < e_.z_begin || v[0] >= e_.z_end || v[1] < 0 || v[1] >= e_.ny || v[2] < 0 ||
        v[2] >= e_.nx)
      return;
    const std::uint64_t bit = std::uint64_t{1} << static_cast<unsigned>(index(v) % 64);
    std::uint64_t& bits = seen_[word(v)];
    if ((bits & bit) != 0) return;
    bits |= bit;
    out.push_back(v);
  }

  const ops::Extent e_;
  std::vector<std::uint64_t> seen_;
};

/// One relaxation: u becomes its 3×3×3 binomial mean at the given voxels.
void relax(const ops::FieldView& u, const std::vector<Voxel>& voxels) {
  const ops::Extent& e = u.extent();
  std::vector<std::array<float, 3>> relaxed(voxels.size());
  parallel_for(static_cast<std::int64_t>((voxels.size() + 255) / 256), [&](std::int64_t block) {
    const std::size_t end = std::min(voxels.size(), static_cast<std::size_t>(block + 1) * 256);
    for (auto i = static_cast<std::size_t>(block) * 256; i < end; ++i) {
      const Voxel& v = voxels[i];
      for (int c = 0; c < 3; ++c) {
        float sum = 0;
        for (int dz = -1; dz <= 1; ++dz)
          for (int dy = -1; dy <= 1; ++dy) {
            const float* row = u.component[c].row(std::clamp<std::int64_t>(v[1] + dy, 0, e.ny - 1),
                                                  std::clamp<std::int64_t>(v[0] + dz, 0, e.nz - 1));
            for (int dx = -1; dx <= 1; ++dx)
              sum += row[std::clamp<std::int64_t>(v[2] + dx, 0, e.nx - 1)] *
                     static_cast<float>((2 - dz * dz) * (2 - dy * dy) * (2 - dx * dx));
          }
        relaxed[i][static_cast<std::size_t>(c)] = sum * (1.0F / 64.0F);
      }
    }
  });
  for (std::size_t i = 0; i < voxels.size(); ++i)
    for (int c = 0; c < 3; ++c)
      u.component[c].row(voxels[i][1], voxels[i][0])[voxels[i][2]] =
          relaxed[i][static_cast<std::size_t>(c)];
}

/// Voxels of the range below the minimum, in memory order.
std::vector<Voxel> voxels_below(const ops::RepairArgs& args) {
  const ops::FieldView& u = args.displacement;
  const ops::Extent& e = u.extent();
  std::vector<std::vector<Voxel>> per_plane(
      static_cast<std::size_t>(std::max<std::int64_t>(0, args.range.end - args.range.begin)));
  parallel_for(args.range.end - args.range.begin, [&](std::int64_t i) {
    const std::int64_t z = args.range.begin + i;
    std::vector<float> determinant(static_cast<std::size_t>(e.nx));
    for (std::int64_t y = 0; y < e.ny; ++y) {
      if (determinant_row(neighbours(u, y, z), e.nx, args.minimum, determinant.data()) == 0)
        continue;
      for (std::int64_t x = 0; x < e.nx; ++x)
        if (!(determinant[static_cast<std::size_t>(x)] >= args.minimum))
          per_plane[static_cast<std::size_t>(i)].push_back({static_cast<std::int32_t>(z),
                                                            static_cast<std::int32_t>(y),
                                                            static_cast<std::int32_t>(x)});
    }
  });
  std::vector<Voxel> below;
  for (const auto& plane : per_plane) below.insert(below.end(), plane.begin(), plane.end());
  return below;
}

/// Those of the voxels that are below the minimum, in the same order.
std::vector<Voxel> still_below(const ops::FieldView& u, const std::vector<Voxel>& voxels,
                               float minimum) {
  std::vector<char> below(voxels.size());
  parallel_for(static_cast<std::int64_t>((voxels.size() + 255) / 256), [&](std::int64_t block) {
    const std::size_t end = std::min(voxels.size(), static_cast<std::size_t>(block + 1) * 256);
    for (auto i = static_cast<std::size_t>(block) * 256; i < end; ++i)
      below[i] = is_below(u, voxels[i], minimum) ? 1 : 0;
  });
  std::vector<Voxel> bad;
  for (std::size_t i = 0; i < voxels.size(); ++i)
    if (below[i] != 0) bad.push_back(voxels[i]);
  return bad;
}

/// Marked voxels of all planes stored.
std::vector<Voxel> marked(const ops::Extent& e, const std::uint32_t* marks, ops::ZRange planes) {
  const std::int64_t words = (e.nx + 31) / 32, plane = ops::fold_words_of_plane(e);
  std::vector<Voxel> voxels;
  for (std::int64_t z = planes.begin; z < planes.end; ++z)
    for (std::int64_t i = 0; i < plane; ++i)
      for (std::uint32_t bits = marks[(z - e.z_begin) * plane + i]; bits != 0; bits &= bits - 1)
        voxels.push_back({static_cast<std::int32_t>(z), static_cast<std::int32_t>(i / words),
                          static_cast<std::int32_t>(i % words * 32 + std::countr_zero(bits))});
  return voxels;
}

void mark(const ops::Extent& e, const std::vector<Voxel>& voxels, ops::ZRange planes,
          std::uint32_t* marks) {
  const std::int64_t words = (e.nx + 31) / 32, plane = ops::fold_words_of_plane(e);
  std::fill(marks + (planes.begin - e.z_begin) * plane, marks + (planes.end - e.z_begin) * plane,
            0U);
  for (const Voxel& v : voxels)
    marks[(v[0] - e.z_begin) * plane + v[1] * words + v[2] / 32] |=
        1U << static_cast<unsigned>(v[2] % 32);
}

/// Voxels of the range within `radius` of a marked one.
std::vector<Voxel> around_marked(const ops::RepairArgs& args, int radius) {
  const ops::Extent& e = args.displacement.extent();
  std::vector<Voxel> around = Dilation(e)(marked(e, args.marks,
                                                 {std::max(e.z_begin, args.range.begin - radius),
                                                  std::min(e.z_end, args.range.end + radius)}),
                                          radius);
  std::erase_if(around,
                [&](const Voxel& v) { return v[0] < args.range.begin || v[0] >= args.range.end; });
  return around;
}

/// Sweeps until no voxel is below the minimum; returns how many remain.
std::int64_t relax_around(const ops::RepairArgs& args, std::vector<Voxel> bad) {
  if (bad.empty()) return 0;
  const ops::FieldView& u = args.displacement;
  Dilation dilated(u.extent());
  for (int sweep = 0; sweep < args.sweeps && !bad.empty(); ++sweep) {
    const std::vector<Voxel> around = dilated(bad, ops::relaxation_radius(sweep));
    relax(u, around);
    const std::vector<Voxel> touched = dilated(around, 1);
    bad = still_below(u, touched, args.minimum);
  }
  return static_cast<std::int64_t>(bad.size());
}

}  // namespace

ops::FoldRepair repair_folds(const ops::RepairArgs& args) {
  std::vector<Voxel> below = voxels_below(args);
  ops::FoldRepair report;
  report.found = static_cast<std::int64_t>(below.size());
  report.remaining = relax_around(args, std::move(below));
  return report;
}

std::int64_t find_folds(const ops::RepairArgs& args) {
  const std::vector<Voxel> below = voxels_below(args);
  mark(args.displacement.extent(), below, args.range, args.marks);
  return static_cast<std::int64_t>(below.size());
}

std::int64_t relax_folds(const ops::RepairArgs& args, std::int64_t /*found*/) {
  return relax_around(args, marked(args.displacement.extent(), args.marks, args.range));
}

void relax_marked(const ops::RepairArgs& args, int radius) {
  relax(args.displacement, around_marked(args, radius));
}

std::int64_t recheck_marked(const ops::RepairArgs& args, int radius, std::uint32_t* marks_after) {
  const std::vector<Voxel> below =
      still_below(args.displacement, around_marked(args, radius + 1), args.minimum);
  mark(args.displacement.extent(), below, args.range, marks_after);
  return static_cast<std::int64_t>(below.size());
}

}  // namespace gigawarp::cpu
