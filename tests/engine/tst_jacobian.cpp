#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>

#include "base/parallel.h"
#include "gigawarp/error.h"
#include "ops/jacobian.h"

namespace gigawarp::ops {
namespace {

Grid grid_of(const Size3& size, const Vec3& spacing, double degrees = 0) {
  const double a = degrees * std::numbers::pi / 180;
  return Grid::from_itk(
      size, spacing, {4, -3, 11},
      {{{std::cos(a), -std::sin(a), 0}, {std::sin(a), std::cos(a), 0}, {0, 0, 1}}});
}

template <class Displacement>
DisplacementField field_of(const Grid& grid, const Displacement& displacement) {
  DisplacementField out(grid);
  for (std::int64_t z = 0; z < grid.size[2]; ++z)
    for (std::int64_t y = 0; y < grid.size[1]; ++y)
      for (std::int64_t x = 0; x < grid.size[0]; ++x) {
        const Vec3 u = displacement(grid.world_from_voxel({double(x), double(y), double(z)}));
        for (int c = 0; c < 3; ++c)
          out.component_mm(c)[(z * grid.size[1] + y) * grid.size[0] + x] = static_cast<float>(u[c]);
      }
  return out;
}

/// x + u(x) has the linear part {{1.2, 0.1, 0}, {0, 0.9, 0.2}, {0.05, 0, 1.1}}.
Vec3 linear_displacement(const Vec3& p) {
  return {0.2 * p[0] + 0.1 * p[1], -0.1 * p[1] + 0.2 * p[2], 0.05 * p[0] + 0.1 * p[2]};
}
constexpr double kLinearDeterminant = 1.2 * 0.9 * 1.1 + 0.1 * 0.2 * 0.05;

TEST(Jacobian, aLinearMapHasItsDeterminantEverywhereOnAnObliqueGrid) {
  const auto field = field_of(grid_of({7, 6, 5}, {0.5, 1, 2.5}, 23), linear_displacement);
  const Volume det = jacobian_determinant(field);
  for (std::int64_t i = 0; i < det.grid().voxel_count(); ++i)
    EXPECT_NEAR(det.channel<float>()[i], kLinearDeterminant, 2e-5);
  const JacobianSummary s = summarise_jacobian(field);
  EXPECT_EQ(s.voxels, 3 * 2 * 1);
  EXPECT_NEAR(s.mean, kLinearDeterminant, 2e-5);
  EXPECT_NEAR(s.sd_log, 0, 1e-4);
}

TEST(Jacobian, centralDifferencesByHand) {
  // u_x = x^2 / 10 on voxels of 1 mm: (u(x+1) - u(x-1)) / 2 = x / 5 exactly; 1/10 and 7/10 at the
  // faces.
  Grid grid;
  grid.size = {5, 5, 5};
  const auto field = field_of(grid, [](const Vec3& p) { return Vec3{p[0] * p[0] / 10, 0, 0}; });
  const Volume det = jacobian_determinant(field);
  const double expected[5] = {1.1, 1.2, 1.4, 1.6, 1.7};
  for (int x = 0; x < 5; ++x) EXPECT_NEAR(det.value(x, 2, 2), expected[x], 1e-6);
}

TEST(Jacobian, foldsAreCountedAndBordersLeftOut) {
  Grid grid;
  grid.size = {9, 9, 9};
  auto field = field_of(grid, [](const Vec3&) { return Vec3{0, 0, 0}; });
  // One voxel pushed by 4 mm: its two x neighbours see a slope of +-2.
  field.component_mm(0)[(4 * 9 + 4) * 9 + 4] = 4;
  JacobianSummary s = summarise_jacobian(field);
  EXPECT_EQ(s.voxels, 125);
  EXPECT_EQ(s.folds, 1);
  EXPECT_DOUBLE_EQ(s.folds_percent, 100.0 / 125);
  EXPECT_FLOAT_EQ(static_cast<float>(s.minimum), -1);
  EXPECT_FLOAT_EQ(static_cast<float>(s.maximum), 3);
  // The same in the border does not count.
  field.component_mm(0)[(4 * 9 + 4) * 9 + 4] = 0;
  field.component_mm(0)[(4 * 9 + 4) * 9 + 0] = 4;
  s = summarise_jacobian(field);
  EXPECT_EQ(s.folds, 0);
}

TEST(Jacobian, outsideIsNotAFold) {
  Grid grid;
  grid.size = {9, 9, 9};
  auto field = field_of(grid, [](const Vec3&) { return Vec3{0, 0, 0}; });
  field.component_mm(1)[(4 * 9 + 4) * 9 + 4] = std::numeric_limits<float>::quiet_NaN();
  const JacobianSummary s = summarise_jacobian(field);
  EXPECT_EQ(s.folds, 0);
  EXPECT_EQ(s.undefined, 7);  // the voxel and its six neighbours
  EXPECT_EQ(s.voxels, 118);
}

TEST(Jacobian, theMaskChoosesTheVoxels) {
  const auto field = field_of(grid_of({8, 8, 8}, {1, 1, 1}), linear_displacement);
  Volume mask(field.grid(), ScalarType::u8);
  mask.channel<std::uint8_t>()[(4 * 8 + 4) * 8 + 3] = 7;
  EXPECT_EQ(summarise_jacobian(field, &mask).voxels, 1);
  const Volume elsewhere(grid_of({8, 8, 8}, {2, 1, 1}), ScalarType::u8);
  EXPECT_THROW(summarise_jacobian(field, &elsewhere), Error);
}

TEST(Jacobian, oneSliceHasNoDerivativeAcross) {
  const auto field = field_of(grid_of({6, 6, 1}, {1, 1, 1}), [](const Vec3& p) {
    return Vec3{0.5 * p[0], 0, 3};
  });
  EXPECT_NEAR(summarise_jacobian(field).mean, 1.5, 1e-5);
}

TEST(Jacobian, theNumberOfThreadsDoesNotMatter) {
  const auto field = field_of(grid_of({31, 17, 23}, {1, 1.3, 0.7}, 12), [](const Vec3& p) {
    return Vec3{std::sin(p[1]), 0.3 * std::cos(p[2]), 0.2 * std::sin(p[0] * p[1])};
  });
  JacobianSummary one, two;
  with_threads(1, [&] { one = summarise_jacobian(field); });
  with_threads(2, [&] { two = summarise_jacobian(field); });
  EXPECT_EQ(std::memcmp(&one, &two, sizeof one), 0);
}

}  // namespace
}  // namespace gigawarp::ops
