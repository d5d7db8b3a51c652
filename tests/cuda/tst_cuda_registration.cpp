#include <gtest/gtest.h>

#include <cmath>

#include "phantom/phantom.h"
#include "solve/registration.h"
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

class CudaRegistration : public test::GpuTest {
 protected:
  void compare(const std::vector<StageSpec>& stages) {
    phantom::PhantomSpec spec;
    spec.size = {72, 84, 76};
    const phantom::Phantom phantom(spec);
    const Volume fixed = phantom.image(phantom::Side::fixed);
    const Volume moving = phantom.image(phantom::Side::moving);
    solve::RegistrationInput input;
    input.fixed = {&fixed};
    input.moving = {&moving};
    JobSpec job;
    job.stages = stages;
    job.device = "cpu";
    const solve::RegistrationOutput host = solve::register_volumes(input, job, {});
    job.device = "cuda:0";
    const solve::RegistrationOutput device = solve::register_volumes(input, job, {});
    ASSERT_EQ(device.levels.size(), host.levels.size());
    for (std::size_t l = 0; l < host.levels.size(); ++l)
      EXPECT_NEAR(device.levels[l].last_loss, host.levels[l].last_loss,
                  2e-3 * std::abs(host.levels[l].last_loss))
          << "level " << l;
    expect_same_affine(device.moving_from_fixed, host.moving_from_fixed, fixed.grid());
    ASSERT_EQ(device.forward_mm.has_value(), host.forward_mm.has_value());
    if (!host.forward_mm) return;
    EXPECT_LT(mean_difference_voxels(*device.forward_mm, *host.forward_mm), 0.05);
    ASSERT_TRUE(device.inverse_mm.has_value());
    EXPECT_LT(mean_difference_voxels(*device.inverse_mm, *host.inverse_mm), 0.05);
  }

 private:
  static void expect_same_affine(const Affine& a, const Affine& b, const Grid& grid) {
    const Size3 n = grid.size;
    for (const double x : {0.0, 1.0})
      for (const double y : {0.0, 1.0})
        for (const double z : {0.0, 1.0}) {
          const Vec3 corner = grid.world_from_voxel({x * static_cast<double>(n[0] - 1),
                                                     y * static_cast<double>(n[1] - 1),
                                                     z * static_cast<double>(n[2] - 1)});
          const Vec3 p = a(corner), q = b(corner);
          EXPECT_LT(std::hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]), 1e-2);  // mm, at the corners
        }
  }
  static double mean_difference_voxels(const DisplacementField& a, const DisplacementField& b) {
    const std::int64_t n = a.grid().voxel_count();
    double sum = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      double square = 0;
      for (int c = 0; c < 3; ++c) {
        const double d =
            static_cast<double>(a.component_mm(c)[i]) - static_cast<double>(b.component_mm(c)[i]);
        square += d * d;
      }
      sum += std::sqrt(square);
    }
    return sum / static_cast<double>(n) / a.grid().spacing_mm()[0];
  }
};

TEST_F(CudaRegistration, affineStagesEndAtTheSamePlace) {
  for (const MetricKind metric : {MetricKind::mi, MetricKind::mse})
    compare({stage(StageKind::affine, metric, {{2, 40}, {1, 20}})});
}

TEST_F(CudaRegistration, greedyMatchesTheCpuByEveryMetric) {
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi, MetricKind::mse})
    compare({stage(StageKind::affine, MetricKind::mi, {{2, 40}}),
             stage(StageKind::greedy, metric, {{2, 30}, {1, 15}})});
}

TEST_F(CudaRegistration, synMatchesTheCpuByEveryMetric) {
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi, MetricKind::mse})
    compare({stage(StageKind::affine, MetricKind::mi, {{2, 40}}),
             stage(StageKind::syn, metric, {{2, 20}, {1, 8}})});
}

}  // namespace
}  // namespace gigawarp
