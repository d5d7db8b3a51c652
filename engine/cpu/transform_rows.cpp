#include "cpu/transform_rows.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <variant>

#include "cpu/multiversion.h"

namespace gigawarp::cpu {
namespace {

/// Entries within rounding of whole numbers become whole, so that an identity is exactly one.
Affine cleaned(Affine t) {
  const auto snap = [](double& v, double tolerance) {
    const double whole = std::nearbyint(v);
    if (std::abs(v - whole) < tolerance) v = whole;
  };
  for (auto& row : t.linear)
    for (double& v : row) snap(v, 1e-11);
  for (double& v : t.offset) snap(v, 1e-8);
  return t;
}

/// Where the displacements of the voxels from `at` on begin; null without any.
std::array<const float*, 3> first_displacements(const RowProgram& program, const Size3& at) {
  std::array<const float*, 3> u = program.first_field;
  if (u[0] == nullptr) return u;
  const Box& box = program.first_box;
  const std::int64_t offset =
      ((at[2] - box.begin[2]) * box.size[1] + at[1] - box.begin[1]) * box.size[0] + at[0] -
      box.begin[0];
  for (const float*& p : u) p += offset;
  return u;
}

/// position = base + (first + x) * step + linear * u.
GIGAWARP_MULTIVERSION
void linear_positions(double* __restrict out, std::int64_t first, std::int64_t n, double base,
                      double step, const double* linear, const float* __restrict u0,
                      const float* __restrict u1, const float* __restrict u2) {
  const double a = linear[0], b = linear[1], c = linear[2];
  if (u0 == nullptr) {
    for (std::int64_t x = 0; x < n; ++x) out[x] = base + static_cast<double>(first + x) * step;
    return;
  }
  for (std::int64_t x = 0; x < n; ++x)
    out[x] = base + static_cast<double>(first + x) * step +
             (a * static_cast<double>(u0[x]) + b * static_cast<double>(u1[x]) +
              c * static_cast<double>(u2[x]));
}

/// Positions of the voxels from (x, y, z) on, as many as the row has.
void direct_row(const RowProgram& program, const Size3& at, MappedRow& row) {
  const auto [first, y, z] = at;
  const std::array<const float*, 3> u = first_displacements(program, at);
  const Affine& t = program.moving_from_reference;
  for (int a = 0; a < 3; ++a) {
    const double base = t.linear[a][1] * static_cast<double>(y) +
                        t.linear[a][2] * static_cast<double>(z) + t.offset[a];
    linear_positions(row.position[a].data(), first, row.size(), base, t.linear[a][0],
                     program.moving_from_world.linear[a].data(), u[0], u[1], u[2]);
  }
}

/// Trilinear displacement at a world point: zero outside, NaN where the field is undefined.
Vec3 field_at(const ProgramStep& step, const Vec3& point) {
  const Size3& n = step.field->grid().size;
  const Vec3 v = step.voxel_from_world(point);
  std::int64_t low[3], high[3];
  double w[3];
  for (int a = 0; a < 3; ++a) {
    if (!(v[a] >= -0.5 && v[a] < static_cast<double>(n[a]) - 0.5))
      return std::isnan(v[a]) ? v : Vec3{0, 0, 0};
    const double clamped = std::clamp(v[a], 0.0, static_cast<double>(n[a] - 1));
    low[a] = static_cast<std::int64_t>(clamped);
    w[a] = clamped - static_cast<double>(low[a]);
    high[a] = low[a] + (w[a] > 0 ? 1 : 0);
  }
  Vec3 out{};
  for (int corner = 0; corner < 8; ++corner) {
    const std::int64_t x = corner & 1 ? high[0] : low[0], y = corner & 2 ? high[1] : low[1],
                       z = corner & 4 ? high[2] : low[2];
    const double weight = (corner & 1 ? w[0] : 1 - w[0]) * (corner & 2 ? w[1] : 1 - w[1]) *
                          (corner & 4 ? w[2] : 1 - w[2]);
    const std::int64_t i = (z * n[1] + y) * n[0] + x;
    for (int a = 0; a < 3; ++a)
      out[a] += weight * static_cast<double>(step.field->channel<float>(a)[i]);
  }
  return out;
}

Vec3 apply_step(const ProgramStep& step, const Vec3& p) {
  if (step.field == nullptr && step.spline == nullptr) return step.affine(p);
  const Vec3 d = step.field != nullptr ? field_at(step, p) : step.spline->at_world(p);
  return {p[0] + d[0], p[1] + d[1], p[2] + d[2]};
}

/// Programs with steps go through the world, point by point.
void stepped_row(const RowProgram& program, const Grid& reference, const Size3& at,
                 MappedRow& row) {
  const auto [first, y, z] = at;
  const std::array<const float*, 3> u = first_displacements(program, at);
  for (std::int64_t x = 0; x < row.size(); ++x) {
    Vec3 p = reference.world_from_voxel(
        {static_cast<double>(first + x), static_cast<double>(y), static_cast<double>(z)});
    if (u[0] != nullptr)
      for (std::size_t a = 0; a < 3; ++a) p[a] += static_cast<double>(u[a][x]);
    for (const ProgramStep& step : program.steps) p = apply_step(step, p);
    const Vec3 v = program.moving_from_world(p);
    for (int a = 0; a < 3; ++a) {
      const double whole = std::nearbyint(v[a]);  // world round trips of an identity leave 1e-13
      row.position[a][static_cast<std::size_t>(x)] = std::abs(v[a] - whole) < 1e-9 ? whole : v[a];
    }
  }
}

/// What is compiled so far: steps, and the affine that comes after them.
struct Unfinished {
  RowProgram program;
  Affine pending;

  void add(ProgramStep step) {
    if (!(pending == Affine{})) program.steps.push_back({nullptr, nullptr, pending, {}});
    pending = Affine{};
    if (step.field != nullptr) step.voxel_from_world = step.field->grid().voxel_from_world();
    program.steps.push_back(step);
  }
  RowProgram finished(const Grid& reference, const Grid& moving) {
    program.moving_from_world = moving.voxel_from_world() * pending;
    program.moving_from_reference = cleaned(program.moving_from_world * reference.world_from_voxel);
    return std::move(program);
  }
};

}  // namespace

void set_first_field(RowProgram& program, const Volume& displacement_mm, const Box& box) {
  for (int a = 0; a < 3; ++a)
    program.first_field[static_cast<std::size_t>(a)] = displacement_mm.channel<float>(a);
  program.first_box = box;
}

RowProgram compile(const Transform& transform, const Grid& reference, const Grid& moving,
                   bool at_start) {
  Unfinished out;
  for (const TransformStage& stage : transform.stages) {
    if (const auto* affine = std::get_if<Affine>(&stage)) {
      out.pending = *affine * out.pending;
      at_start = false;
      continue;
    }
    const auto* field = std::get_if<DisplacementField>(&stage);
    if (at_start && field != nullptr && field->grid().same_lattice(reference, 1e-4)) {
      set_first_field(out.program, field->volume(), {{0, 0, 0}, field->grid().size});
      at_start = false;
      continue;
    }
    ProgramStep step;
    if (field != nullptr) step.field = &field->volume();
    step.spline = std::get_if<BSplineField>(&stage);
    out.add(step);
    at_start = false;
  }
  return out.finished(reference, moving);
}

RowProgram compile(const BorrowedMap& map, const Grid& reference, const Grid& moving) {
  Unfinished out;
  out.pending = map.before;
  if (map.displacement_mm != nullptr) {
    ProgramStep step;
    step.field = map.displacement_mm;
    out.add(step);
  }
  return out.finished(reference, moving);
}

void find_positions(const RowProgram& program, const Grid& reference, const Size3& at,
                    MappedRow& row) {
  if (program.steps.empty())
    direct_row(program, at, row);
  else
    stepped_row(program, reference, at, row);
}

}  // namespace gigawarp::cpu
