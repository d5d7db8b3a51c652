#include "gigawarp/grid.h"

#include <algorithm>
#include <cmath>

#include "gigawarp/box.h"
#include "gigawarp/error.h"

namespace gigawarp {

Vec3 Affine::map_vector(const Vec3& v) const {
  Vec3 out{};
  for (int r = 0; r < 3; ++r)
    out[r] = linear[r][0] * v[0] + linear[r][1] * v[1] + linear[r][2] * v[2];
  return out;
}

Vec3 Affine::operator()(const Vec3& p) const {
  Vec3 out = map_vector(p);
  for (int r = 0; r < 3; ++r) out[r] += offset[r];
  return out;
}

double Affine::determinant() const {
  const Mat3& m = linear;
  return m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) -
         m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
         m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
}

Affine Affine::inverse() const {
  const Mat3& m = linear;
  const double det = determinant();
  if (!std::isfinite(det) || det == 0)
    throw Error(
        ErrorCode::bad_input,
        "A transform or image geometry is singular (its matrix has no inverse), so it cannot "
        "be used; check the direction, spacing or matrix in the file.");
  Affine out;
  Mat3& o = out.linear;
  o[0][0] = (m[1][1] * m[2][2] - m[1][2] * m[2][1]) / det;
  o[0][1] = (m[0][2] * m[2][1] - m[0][1] * m[2][2]) / det;
  o[0][2] = (m[0][1] * m[1][2] - m[0][2] * m[1][1]) / det;
  o[1][0] = (m[1][2] * m[2][0] - m[1][0] * m[2][2]) / det;
  o[1][1] = (m[0][0] * m[2][2] - m[0][2] * m[2][0]) / det;
  o[1][2] = (m[0][2] * m[1][0] - m[0][0] * m[1][2]) / det;
  o[2][0] = (m[1][0] * m[2][1] - m[1][1] * m[2][0]) / det;
  o[2][1] = (m[0][1] * m[2][0] - m[0][0] * m[2][1]) / det;
  o[2][2] = (m[0][0] * m[1][1] - m[0][1] * m[1][0]) / det;
  const Vec3 t = out.map_vector(offset);
  out.offset = {-t[0], -t[1], -t[2]};
  return out;
}

Affine operator*(const Affine& a, const Affine& b) {
  Affine out;
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < 3; ++c)
      out.linear[r][c] = a.linear[r][0] * b.linear[0][c] + a.linear[r][1] * b.linear[1][c] +
                         a.linear[r][2] * b.linear[2][c];
  out.offset = a(b.offset);
  return out;
}

Vec3 Grid::spacing_mm() const {
  Vec3 s{};
  for (int c = 0; c < 3; ++c) {
    const Mat3& m = world_from_voxel.linear;
    s[c] = std::sqrt(m[0][c] * m[0][c] + m[1][c] * m[1][c] + m[2][c] * m[2][c]);
  }
  return s;
}

Vec3 Grid::sides_mm() const {
  Vec3 sides = spacing_mm();
  for (std::size_t a = 0; a < 3; ++a) sides[a] *= static_cast<double>(size[a]);
  return sides;
}

double Grid::longest_side_mm() const {
  const Vec3 sides = sides_mm();
  return std::max({sides[0], sides[1], sides[2]});
}

Mat3 Grid::direction() const {
  const Vec3 s = spacing_mm();
  Mat3 d = world_from_voxel.linear;
  for (auto& row : d)
    for (int c = 0; c < 3; ++c) row[c] = s[c] > 0 ? row[c] / s[c] : 0;
  return d;
}

Vec3 Grid::centre_mm() const {
  return world_from_voxel({(size[0] - 1) * 0.5, (size[1] - 1) * 0.5, (size[2] - 1) * 0.5});
}

std::string Grid::orientation() const {
  const AxisOrder order = canonical_order(*this);  // stored axis a of the canonical form
  const char positive[] = "LPS";
  const char negative[] = "RAI";
  std::string letters(3, '?');
  for (int world = 0; world < 3; ++world)
    letters[order.axis[world]] = order.flipped[world] ? negative[world] : positive[world];
  return letters;
}

Grid Grid::from_itk(const Size3& size, const Vec3& spacing_mm, const Vec3& origin_mm,
                    const Mat3& direction) {
  Grid g;
  g.size = size;
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < 3; ++c) g.world_from_voxel.linear[r][c] = direction[r][c] * spacing_mm[c];
  g.world_from_voxel.offset = origin_mm;
  return g;
}

bool Grid::same_lattice(const Grid& other, double tolerance_voxels) const {
  if (size != other.size) return false;
  const Affine voxel_from_other = voxel_from_world() * other.world_from_voxel;
  for (int corner = 0; corner < 8; ++corner) {
    const Vec3 p{corner & 1 ? static_cast<double>(size[0] - 1) : 0.0,
                 corner & 2 ? static_cast<double>(size[1] - 1) : 0.0,
                 corner & 4 ? static_cast<double>(size[2] - 1) : 0.0};
    const Vec3 q = voxel_from_other(p);
    for (int a = 0; a < 3; ++a)
      if (!(std::abs(q[a] - p[a]) <= tolerance_voxels)) return false;
  }
  return true;
}

bool AxisOrder::is_identity() const {
  return axis == std::array<int, 3>{0, 1, 2} && flipped == std::array<bool, 3>{false, false, false};
}

AxisOrder AxisOrder::inverse() const {
  AxisOrder out;
  for (int a = 0; a < 3; ++a) {
    out.axis[axis[a]] = a;
    out.flipped[axis[a]] = flipped[a];
  }
  return out;
}

AxisOrder canonical_order(const Grid& grid) {
  // Of the six assignments of index axes to world axes, the one with the largest sum of |cosines|;
  // greedy choice per axis can assign one axis twice on strongly oblique grids.
  const Mat3 d = grid.direction();
  std::array<int, 3> permutation{0, 1, 2}, best = permutation;
  double best_score = -1;
  do {
    double score = 0;
    for (int world = 0; world < 3; ++world) score += std::abs(d[world][permutation[world]]);
    if (score > best_score + 1e-9) {
      best_score = score;
      best = permutation;
    }
  } while (std::next_permutation(permutation.begin(), permutation.end()));
  AxisOrder order;
  for (int world = 0; world < 3; ++world) {
    order.axis[world] = best[world];
    order.flipped[world] = d[world][best[world]] < 0;
  }
  return order;
}

Grid reordered(const Grid& grid, const AxisOrder& order) {
  Grid out;
  out.world_from_voxel.offset = grid.world_from_voxel.offset;
  for (int a = 0; a < 3; ++a) {
    const int source = order.axis[a];
    out.size[a] = grid.size[source];
    for (int r = 0; r < 3; ++r) {
      const double step = grid.world_from_voxel.linear[r][source];
      out.world_from_voxel.linear[r][a] = order.flipped[a] ? -step : step;
      if (order.flipped[a])
        out.world_from_voxel.offset[r] += step * static_cast<double>(grid.size[source] - 1);
    }
  }
  return out;
}

Box in_source(const Box& box, const AxisOrder& order, const Size3& source) {
  Box out;
  for (std::size_t a = 0; a < 3; ++a) {
    const auto s = static_cast<std::size_t>(order.axis[a]);
    out.size[s] = box.size[a];
    out.begin[s] = order.flipped[a] ? source[s] - box.begin[a] - box.size[a] : box.begin[a];
  }
  return out;
}

}  // namespace gigawarp
