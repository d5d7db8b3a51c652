#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <optional>

#include "phantom/phantom.h"
#include "solve/registration.h"
#include "support/device_tolerance.h"
#include "support/gpu.h"

/// Whole registrations of a phantom, GPU against CPU.
namespace gigawarp {
namespace {

StageSpec stage(StageKind kind, MetricKind metric, std::vector<LevelSpec> levels) {
  StageSpec s;
  s.kind = kind;
  s.metric.kind = metric;
  s.levels = std::move(levels);
  s.convergence_slope = 0;  // the same number of iterations on both
  return s;
}

/// A turn of `degrees` about an oblique axis through the middle of the head, and a shift of no
/// whole voxels: where grids lie on one another, MI has a spurious optimum.
Affine offset_pose(const Grid& grid, double degrees, const Vec3& shift_mm) {
  const double c = std::cos(degrees * std::numbers::pi / 180),
               s = std::sin(degrees * std::numbers::pi / 180);
  Affine turn;
  turn.linear = {{{c, -s, 0}, {s * c, c * c, -s}, {s * s, c * s, c}}};  // about z, then about x
  Vec3 middle{};
  for (std::size_t a = 0; a < 3; ++a) middle[a] = 0.5 * static_cast<double>(grid.size[a] - 1);
  middle = grid.world_from_voxel(middle);
  const Vec3 turned = turn(middle);
  for (std::size_t a = 0; a < 3; ++a) turn.offset[a] = middle[a] - turned[a] + shift_mm[a];
  return turn;
}

using PointMap = std::function<Vec3(std::int64_t voxel, const Vec3& fixed_mm)>;

class CudaRegistration : public test::GpuTest {
 protected:
  CudaRegistration()
      : phantom_(spec()),
        fixed_(phantom_.image(phantom::Side::fixed)),
        moving_(phantom_.image(phantom::Side::moving)),
        head_(phantom_.mask(phantom::Side::fixed)) {}

  /// Starts `degrees` and a shift away from the known affine part.
  void compare(const std::vector<StageSpec>& stages, double degrees, const Vec3& shift_mm) {
    solve::RegistrationInput input;
    input.fixed = {&fixed_};
    input.moving = {&moving_};
    const Affine start = phantom_.affine() * offset_pose(fixed_.grid(), degrees, shift_mm);
    input.initial = start;
    JobSpec job;
    job.initialisation = Initialisation::transform;
    job.stages = stages;
    job.device = "cpu";
    const solve::RegistrationOutput host = solve::register_volumes(input, job, {});
    job.device = "cuda:0";
    const solve::RegistrationOutput device = solve::register_volumes(input, job, {});
    ASSERT_EQ(device.levels.size(), host.levels.size());
    const double loss_tolerance =
        std::min(test::kFinalLoss, test::kLossShare * std::abs(host.levels.front().first_loss));
    for (std::size_t l = 0; l < host.levels.size(); ++l)
      EXPECT_NEAR(device.levels[l].last_loss, host.levels[l].last_loss, loss_tolerance)
          << "level " << l;
    const PointMap of_device = map_of(device, device.forward_mm),
                   of_host = map_of(host, host.forward_mm),
                   known = [this](std::int64_t, const Vec3&x) { return phantom_.map(x); },
                   at_start = [&](std::int64_t, const Vec3&x) { return start(x); };
    EXPECT_LT(mean_distance_voxels(of_device, of_host), test::kMapVoxels);
    // Both went a long way, to the same place and the right one.
    const double before = mean_distance_voxels(at_start, known);
    EXPECT_GT(mean_distance_voxels(at_start, of_device), 0.5 * before);
    EXPECT_LT(mean_distance_voxels(of_device, known),
              mean_distance_voxels(of_host, known) + 0.5 * test::kMapVoxels);
    EXPECT_LT(mean_distance_voxels(of_device, known), 0.7 * before);
    ASSERT_EQ(device.forward_mm.has_value(), host.forward_mm.has_value());
    if (!host.forward_mm) return;
    ASSERT_TRUE(device.inverse_mm.has_value());
    EXPECT_LT(mean_distance_voxels(map_of({}, device.inverse_mm), map_of({}, host.inverse_mm)),
              test::kMapVoxels);
  }

 private:
  static phantom::PhantomSpec spec() {
    phantom::PhantomSpec spec;
    spec.size = {72, 84, 76};
    return spec;
  }
  /// A(x + u(x)).
  static PointMap map_of(const solve::RegistrationOutput& output,
                         const std::optional<DisplacementField>& u) {
    const Affine affine = output.moving_from_fixed;
    return [affine, field = u ? &*u : nullptr](std::int64_t i, const Vec3& x) {
      Vec3 p = x;
      if (field != nullptr)
        for (int c = 0; c < 3; ++c) p[static_cast<std::size_t>(c)] += field->component_mm(c)[i];
      return affine(p);
    };
  }
  /// Over the head, in voxels of the fixed grid.
  double mean_distance_voxels(const PointMap& a, const PointMap& b) const {
    const Grid& grid = fixed_.grid();
    const Size3 n = grid.size;
    double sum = 0, count = 0;
    for (std::int64_t i = 0; i < grid.voxel_count(); ++i) {
      if (head_.channel<std::uint8_t>()[i] == 0) continue;
      const std::int64_t z = i / (n[0] * n[1]), y = i / n[0] % n[1];
      const Vec3 x = grid.world_from_voxel(
          {static_cast<double>(i % n[0]), static_cast<double>(y), static_cast<double>(z)});
      const Vec3 p = a(i, x), q = b(i, x);
      sum += std::hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]);
      ++count;
    }
    return sum / count / grid.spacing_mm()[0];
  }

  phantom::Phantom phantom_;
  Volume fixed_, moving_, head_;
};

constexpr Vec3 kFar{5.3, -4.1, 3.7}, kNear{1.3, -0.9, 0.7};  // mm; voxels are 2.3 to 2.6 mm wide

TEST_F(CudaRegistration, affineStagesEndAtTheSamePlace) {
  for (const MetricKind metric : {MetricKind::mi, MetricKind::mse, MetricKind::lncc}) {
    SCOPED_TRACE(static_cast<int>(metric));
    compare({stage(StageKind::affine, metric, {{2, 40}, {1, 20}})}, 4, kFar);
  }
}

TEST_F(CudaRegistration, greedyMatchesTheCpuByEveryMetric) {
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi, MetricKind::mse}) {
    SCOPED_TRACE(static_cast<int>(metric));
    compare({stage(StageKind::greedy, metric, {{2, 30}, {1, 15}})}, 1, kNear);
  }
}

TEST_F(CudaRegistration, synMatchesTheCpuByEveryMetric) {
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi, MetricKind::mse}) {
    SCOPED_TRACE(static_cast<int>(metric));
    compare({stage(StageKind::syn, metric, {{2, 20}, {1, 8}})}, 1, kNear);
  }
}

TEST_F(CudaRegistration, stagesFollowOneAnotherToTheSamePlace) {
  compare({stage(StageKind::rigid, MetricKind::mi, {{2, 40}}),
           stage(StageKind::affine, MetricKind::mi, {{2, 40}, {1, 20}}),
           stage(StageKind::greedy, MetricKind::lncc, {{2, 30}, {1, 15}})},
          4, kFar);
}

}  // namespace
}  // namespace gigawarp
