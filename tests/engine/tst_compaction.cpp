#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "bench/problem.h"
#include "gigawarp/job.h"
#include "solve/registration.h"
#include "support/rounding_backend.h"

/// What the GPU's compact forms cost (tests/bench/compaction_cost.cpp has whole tables).
namespace gigawarp {
namespace {

using test::Compaction;

constexpr std::int64_t kSize = 32;

DisplacementField register_rounded(const bench::Problem& problem, MetricKind metric,
                                   const Compaction& rounded) {
  solve::RegistrationInput input;
  input.fixed = {&problem.fixed};
  input.moving = {&problem.moving};
  input.initial = problem.moving_from_fixed;
  JobSpec job;
  StageSpec stage;
  stage.metric.kind = metric;
  stage.levels = {{2, 12}, {1, 6}};
  stage.convergence_slope = 0;
  job.stages = {stage};
  job.initialisation = Initialisation::transform;
  job.write_inverse = false;
  test::RoundingBackend backend(rounded);
  return std::move(*solve::register_volumes(input, job, {}, backend).forward_mm);
}

struct Difference {
  double mean = 0, largest = 0;
};

Difference difference(const DisplacementField& a, const DisplacementField& b) {
  Difference out;
  const std::int64_t n = a.grid().voxel_count();
  for (std::int64_t i = 0; i < n; ++i) {
    double square = 0;
    for (int c = 0; c < 3; ++c)
      square += std::pow(
          static_cast<double>(a.component_mm(c)[i]) - static_cast<double>(b.component_mm(c)[i]), 2);
    out.mean += std::sqrt(square) / static_cast<double>(n);
    out.largest = std::max(out.largest, std::sqrt(square));
  }
  return out;
}

class CompactionOf : public testing::TestWithParam<MetricKind> {};

TEST_P(CompactionOf, eachAloneMovesTheMapByLittle) {
  // Four times what is measured, 0.0007 and 0.08 voxel of displacements of up to 1.5: where
  // gradients nearly cancel, a rounding turns Adam's step, which is of one length.
  constexpr double kMean = 0.003, kLargest = 0.3;
  const bench::Problem problem({kSize, kSize, kSize}, 1.5);
  const DisplacementField exact = register_rounded(problem, GetParam(), {});
  for (const test::NamedCompaction& compaction : test::compactions(GetParam())) {
    const Difference moved =
        difference(register_rounded(problem, GetParam(), compaction.what), exact);
    EXPECT_GT(moved.mean, 0) << compaction.name << " rounded nothing";
    EXPECT_LT(moved.mean, kMean) << compaction.name;
    EXPECT_LT(moved.largest, kLargest) << compaction.name;
  }
}
INSTANTIATE_TEST_SUITE_P(Metrics, CompactionOf, testing::Values(MetricKind::lncc, MetricKind::mi),
                         [](const auto& p) { return p.param == MetricKind::mi ? "mi" : "lncc"; });

/// LNCC's arguments on a small problem, and room for its gradient.
struct LnccCase {
  bench::Problem problem{{kSize, kSize - 3, kSize - 6}, 1.5};
  std::vector<float> warped, shift, gradient;
  std::vector<ops::PlaneSums> sums;
  ops::LnccArgs args;

  LnccCase() {
    const Size3 n = problem.fixed.grid().size;
    const auto voxels = static_cast<std::size_t>(problem.fixed.grid().voxel_count());
    const ops::Extent whole = ops::Extent::whole(n);
    warped.resize(voxels);
    shift.assign(voxels, 0.3F);
    gradient.resize(3 * voxels);
    sums.resize(static_cast<std::size_t>(n[2]));
    args.pair.fixed = {problem.fixed.data(), ScalarType::u16, whole, 500.0F, 1 / 400.0F};
    args.pair.moving = {problem.moving.data(), ScalarType::u16, whole, 500.0F, 1 / 400.0F};
    args.pair.moving_from_fixed = problem.moving_from_fixed;  // voxels are 1 mm
    args.warped = {warped.data(), whole};
    args.range = {0, n[2]};
    args.count = static_cast<double>(voxels);
    for (std::size_t c = 0; c < 3; ++c) {
      args.pair.displacement.component[c] = {shift.data(), whole};
      args.target.field.component[c] = {gradient.data() + c * voxels, whole};
    }
    ops::make_cpu_backend()->warp({args.pair, args.warped, args.range}, sums);
  }
  double value() const {
    double value = 0;
    for (const ops::PlaneSums& plane : sums) value += plane.value / args.count;
    return value;
  }
};

/// Of the length of `b`.
double relative_distance(const std::vector<float>& a, const std::vector<float>& b) {
  double square = 0, length = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    square += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    length += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(square / length);
}

/// The coefficients are rounded in a volume-by-volume LNCC of the test's own: it has to be LNCC.
TEST(Compaction, lnccIsThatOfTheCpuButForTheRounding) {
  LnccCase exact, intensities, coefficients, image_gradient;
  ops::make_cpu_backend()->lncc(exact.args, exact.sums);
  const auto rounded = [&](LnccCase& own, const Compaction& what) {
    test::RoundingBackend(what).lncc(own.args, own.sums);
    EXPECT_NEAR(own.value(), exact.value(), 1e-4);
    return relative_distance(own.gradient, exact.gradient);
  };
  // The most by which 13 significant bits are off; the coefficients' three products nearly cancel.
  constexpr double kHalfStep = 1.0 / 8192;
  const double of_image = rounded(image_gradient, {.image_gradient = true});
  EXPECT_GT(of_image, 0.1 * kHalfStep);
  EXPECT_LT(of_image, kHalfStep);
  const double of_coefficients = rounded(coefficients, {.coefficients = true});
  EXPECT_GT(of_coefficients, 0.1 * kHalfStep);
  EXPECT_LT(of_coefficients, 3 * kHalfStep);
  const double of_intensities = rounded(intensities, {.intensities = true});
  EXPECT_GT(of_intensities, 1e-5);
  EXPECT_LT(of_intensities, 1e-2);
}

/// Room for Adam's arrays, and a gradient.
struct StepCase {
  static constexpr Size3 kGrid{12, 11, 10};
  std::vector<float> gradient, direction, second;
  std::vector<math::Bfloat16> first;
  ops::DirectionArgs args;

  StepCase() {
    const ops::Extent whole = ops::Extent::whole(kGrid);
    const auto voxels = static_cast<std::size_t>(kGrid[0] * kGrid[1] * kGrid[2]);
    gradient.resize(3 * voxels);
    direction.resize(3 * voxels);
    second.resize(voxels);
    first.resize(3 * voxels);
    for (std::size_t i = 0; i < gradient.size(); ++i)
      gradient[i] = 1e-4F * std::sin(0.13F * static_cast<float>(i));
    for (std::size_t c = 0; c < 3; ++c) {
      args.gradient.component[c] = {gradient.data() + c * voxels, whole};
      args.direction.component[c] = {direction.data() + c * voxels, whole};
      args.first_moment[c] = {first.data() + c * voxels, whole};
    }
    args.second_moment = {second.data(), whole};
    args.range = {0, kGrid[2]};
    args.incoherence_damping = 0.3F;
  }
  float take(ops::Backend& backend, int steps) {
    float largest = 0;
    for (args.step = 1; args.step <= steps; ++args.step) {
      largest = backend.direction(args);
      for (float& g : gradient) g *= -0.7F;
    }
    return largest;
  }
};

/// Adam's moments are the test's own too. The CPU back end keeps the first in bfloat16, which the
/// first step cannot show.
TEST(Compaction, stepsAreThoseOfTheCpuButForTheRounding) {
  const auto cpu = ops::make_cpu_backend();
  const auto from_cpu = [&](const Compaction& what, int steps) {
    StepCase own, exact;
    test::RoundingBackend backend(what);
    const float largest = exact.take(*cpu, steps);
    EXPECT_NEAR(own.take(backend, steps) / largest, 1, 0.01);
    return relative_distance(own.direction, exact.direction);
  };
  EXPECT_LT(from_cpu({}, 1), 1e-6);
  const double bfloat16 = from_cpu({.first_moment = true}, 4),
               root = from_cpu({.second_moment = true}, 1);
  EXPECT_GT(bfloat16, 1e-4);
  EXPECT_LT(bfloat16, 1.0 / 256);
  EXPECT_GT(root, 1e-4);
  EXPECT_LT(root, 1.0 / 512);
}

}  // namespace
}  // namespace gigawarp
