#include "base/parallel.h"
#include "bench/rows.h"
#include "ops/apply.h"
#include "ops/invert_field.h"
#include "ops/jacobian.h"

namespace gigawarp::bench {
namespace {

DisplacementField known_field(const Problem& problem) {
  DisplacementField field(problem.fixed.grid());
  const Size3 n = field.grid().size;
  parallel_for(n[2], [&](std::int64_t z) {
    for (std::int64_t y = 0; y < n[1]; ++y)
      for (std::int64_t x = 0; x < n[0]; ++x) {
        const Vec3 d = problem.displacement(static_cast<double>(x), static_cast<double>(y),
                                            static_cast<double>(z));
        for (int c = 0; c < 3; ++c)
          field.component_mm(c)[(z * n[1] + y) * n[0] + x] = static_cast<float>(d[c]);
      }
  });
  return field;
}

}  // namespace

void measure_field_operations(const Problem& problem, Stopwatch& stopwatch) {
  const Grid& grid = problem.fixed.grid();
  Transform transform;
  transform.stages.emplace_back(known_field(problem));
  transform.stages.emplace_back(problem.moving_from_fixed);
  const auto& field = std::get<DisplacementField>(transform.stages.front());
  const auto apply = [&](Interpolation interpolation) {
    apply_transform(problem.moving, transform, grid, interpolation);
  };
  stopwatch.measure("apply, linear", kApply, [&] { apply(Interpolation::linear); });
  stopwatch.measure("apply, nearest", kApply, [&] { apply(Interpolation::nearest); });
  stopwatch.measure("apply, label", kApply, [&] { apply(Interpolation::label); });
  stopwatch.measure("sample_displacement", kFieldToField,
                    [&] { sample_displacement(transform, grid); });
  stopwatch.measure("jacobian_determinant", kJacobian, [&] { ops::jacobian_determinant(field); });
  stopwatch.measure("summarise_jacobian", kJacobianSummary,
                    [&] { ops::summarise_jacobian(field); });
  DisplacementField inverse;
  stopwatch.measure("invert", kFieldToField, [&] {
    inverse = {};  // so that there are never two
    inverse = invert(field, grid);
  });
  stopwatch.measure("inverse_error", kInverseError, [&] { inverse_error(field, inverse); });
}

}  // namespace gigawarp::bench
