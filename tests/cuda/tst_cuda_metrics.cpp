#include <gtest/gtest.h>

#include "metric_test.h"

/// The metrics and the sampler on the GPU against the CPU back end and the double reference.
namespace gigawarp {
namespace {

using test::BackendProblem;
using test::expect_same_histogram;
using test::kSizes;
using test::kTypes;
using test::MetricResult;
using test::on_one_grid;
using test::problem;
using test::ProblemOptions;

class CudaMetrics : public test::MetricTest {};

TEST_F(CudaMetrics, warpMatchesCpuAndReference) {
  for (const Size3& size : kSizes)
    for (const bool masks : {false, true}) {
      SCOPED_TRACE(testing::Message() << size[0] << "x" << size[1] << "x" << size[2] << masks);
      const reference::Problem p = problem(size, 3, masks);
      const std::vector<double> expected = reference::warp(p);
      const std::vector<float> device = BackendProblem(*gpu_, p, {}).warp();
      const std::vector<float> host = BackendProblem(*cpu_, p, {}).warp();
      const auto [low, high] = std::minmax_element(p.moving.begin(), p.moving.end());
      const double tolerance = test::kWarpOfRange * (*high - *low);
      std::size_t differ = 0;
      for (std::size_t i = 0; i < expected.size(); ++i) {
        if (std::isnan(expected[i]) != std::isnan(device[i])) ++differ;
        if (std::isnan(expected[i]) || std::isnan(device[i])) continue;
        ASSERT_NEAR(device[i], expected[i], tolerance) << "voxel " << i;
        if (!std::isnan(host[i])) {
          ASSERT_NEAR(device[i], host[i], tolerance) << "voxel " << i;
        }
      }
      EXPECT_LE(differ, expected.size() / 2000 + 1);  // points that rounding puts across an edge
    }
}

TEST_F(CudaMetrics, everyImageTypeIsSampledAlike) {
  const reference::Problem p = problem({67, 35, 41}, 5);
  for (const ScalarType type : kTypes) {
    ProblemOptions options;
    options.type = type;
    SCOPED_TRACE(testing::Message() << name_of(type));
    compare_mse(p, options);
    compare_lncc(p, options, 2);
    compare_mi(p, options, 32);
  }
}

TEST_F(CudaMetrics, mseMatchesReference) {
  const reference::Problem p = problem({67, 35, 41}, 1);
  const MetricResult device = BackendProblem(*gpu_, p, {}).mse();
  EXPECT_NEAR(device.value / device.count, reference::mse_loss(p), 1e-5);
  EXPECT_EQ(device.reported_count, device.count);
}

TEST_F(CudaMetrics, mseMatchesCpuOnEverySize) {
  for (const Size3& size : kSizes)
    for (const bool masks : {false, true})
      for (const bool symmetric : {false, true}) {
        SCOPED_TRACE(testing::Message() << size[0] << "x" << size[1] << "x" << size[2] << masks);
        ProblemOptions options;
        options.symmetric = symmetric;
        compare_mse(problem(size, 7, masks), options);
      }
}

TEST_F(CudaMetrics, lnccMatchesReference) {
  const reference::Problem p = problem({31, 23, 17}, 2);
  for (const int radius : {1, 2, 3}) {
    const MetricResult device = BackendProblem(*gpu_, p, {}).lncc(radius);
    const std::vector<double> taps(static_cast<std::size_t>(2 * radius + 1), 1.0);
    EXPECT_NEAR(device.value / device.count, reference::lncc_loss(p, taps, 1e-4), 2e-4) << radius;
    EXPECT_EQ(device.reported_count, device.count);
  }
}

TEST_F(CudaMetrics, lnccMatchesCpuForEveryRadius) {
  for (const int radius : {1, 2, 3, 4, 5, 7})
    for (const bool masks : {false, true}) {
      SCOPED_TRACE(testing::Message() << "radius " << radius << ", masks " << masks);
      compare_lncc(problem({67, 35, 41}, 11, masks), {}, radius);
    }
}

TEST_F(CudaMetrics, approximateGradientsMatchTheCpuForEveryRadius) {
  for (const int radius : {1, 2, 3, 4, 5, 7})
    for (const bool symmetric : {false, true}) {
      SCOPED_TRACE(testing::Message() << "radius " << radius << ", symmetric " << symmetric);
      ProblemOptions options;
      options.symmetric = symmetric;
      options.accumulate = radius == 3;
      compare_lncc(problem({67, 35, 41}, 11, true), options, radius, WindowKind::box, true);
    }
  compare_lncc(problem({43, 35, 29}, 17, true), {}, 2, WindowKind::gaussian, true);
}

TEST_F(CudaMetrics, lnccHasTheSameValueWithAndWithoutItsGradient) {
  const reference::Problem p = problem({67, 35, 41}, 11, true);
  ProblemOptions value_alone;
  value_alone.wanted = false;
  for (const int radius : {1, 2, 3, 4, 5, 7})
    EXPECT_EQ(BackendProblem(*gpu_, p, value_alone).lncc(radius).value,
              BackendProblem(*gpu_, p, {}).lncc(radius).value)
        << "radius " << radius;
}

TEST_F(CudaMetrics, lnccMatchesCpuOnEverySize) {
  for (const Size3& size : kSizes)
    for (const bool approximate : {false, true}) {
      SCOPED_TRACE(testing::Message()
                   << size[0] << "x" << size[1] << "x" << size[2] << approximate);
      compare_lncc(problem(size, 13), {}, 2, WindowKind::box, approximate);
    }
}

TEST_F(CudaMetrics, lnccMatchesCpuInGaussianWindows) {
  for (const int radius : {1, 2, 3, 5})
    compare_lncc(problem({43, 35, 29}, 17, true), {}, radius, WindowKind::gaussian);
}

TEST_F(CudaMetrics, miMatchesCpuForEveryNumberOfBins) {
  for (const int bins : {16, 32, 33, 64, 128})
    for (const bool masks : {false, true}) {
      SCOPED_TRACE(testing::Message() << bins << " bins, masks " << masks);
      const reference::Problem p = problem({67, 35, 41}, 19, masks);
      const MetricResult device = BackendProblem(*gpu_, p, {}).mi(bins);
      const MetricResult host = BackendProblem(*cpu_, p, {}).mi(bins);
      expect_same_histogram(device.histogram, host.histogram);
      EXPECT_NEAR(device.value, reference::mi_loss(p, bins, {-2.2F, 2.2F}, {-2.1F, 2.3F}), 1e-3);
      // Values at an edge of a bin may fall on either side of it: only a few gradients jump.
      double apart = 0, size = 0;
      for (std::size_t c = 0; c < 3; ++c)
        for (std::size_t i = 0; i < host.gradient[c].size(); ++i) {
          apart += std::abs(static_cast<double>(device.gradient[c][i] - host.gradient[c][i]));
          size += std::abs(static_cast<double>(host.gradient[c][i]));
        }
      EXPECT_LT(apart, 1e-3 * size);
    }
}

TEST_F(CudaMetrics, histogramOfFlatVolumesIsExact) {
  reference::Problem p = problem({131, 67, 41}, 23);
  std::fill(p.fixed.begin(), p.fixed.end(), 0.25);
  std::fill(p.moving.begin(), p.moving.end(), -0.5);
  const MetricResult device = BackendProblem(*gpu_, p, {}).mi(32);
  const MetricResult host = BackendProblem(*cpu_, p, {}).mi(32);
  EXPECT_EQ(device.histogram.total(), host.histogram.total());
  std::size_t cells = 0;
  for (std::size_t i = 0; i < host.histogram.counts.size(); ++i) {
    cells += device.histogram.counts[i] != 0 ? 1 : 0;
    EXPECT_NEAR(static_cast<double>(device.histogram.counts[i]),
                static_cast<double>(host.histogram.counts[i]), device.histogram.total());
  }
  EXPECT_LE(cells, 4U);
}

TEST_F(CudaMetrics, linearStagesGetTheSameSums) {
  for (const Size3& size : kSizes)
    for (const bool masks : {false, true}) {
      SCOPED_TRACE(testing::Message() << size[0] << "x" << size[1] << "x" << size[2] << masks);
      const reference::Problem p = problem(size, 29, masks);
      ProblemOptions options;
      options.displaced = false;
      options.to_field = false;
      compare_mse(p, options);
      if (size[0] < 67) continue;
      compare_lncc(p, options, 2);
      compare_mi(p, options, 32);
    }
}

/// Two volumes on one grid, whose sizes and gaps let four voxels be loaded at once, or not.
TEST_F(CudaMetrics, derivativesByIntensityMatchTheCpu) {
  for (const Size3& size : {Size3{13, 11, 9}, Size3{68, 35, 41}, Size3{257, 3, 5}, Size3{32, 1, 17},
                            Size3{140, 23, 1}, Size3{1, 19, 21}})
    for (const bool masks : {false, true})
      for (const std::int64_t gap : {0, 4, 5}) {
        SCOPED_TRACE(testing::Message()
                     << size[0] << "x" << size[1] << "x" << size[2] << masks << gap);
        ProblemOptions options;
        options.on_grid = true;
        options.layout.gap = gap;
        compare_alone(on_one_grid(size, 61, masks), options, 2, 32);
      }
}

TEST_F(CudaMetrics, derivativesByIntensityMatchTheCpuForEveryTypeWindowAndNumberOfBins) {
  const reference::Problem p = on_one_grid({68, 35, 41}, 67, false);
  ProblemOptions options;
  options.on_grid = true;
  for (const ScalarType type : kTypes) {
    SCOPED_TRACE(testing::Message() << name_of(type));
    options.type = type;
    for (const int radius : {1, 2, 3}) compare_alone(p, options, radius, 64);
  }
  for (const int radius : {1, 4, 5, 7}) compare_alone(p, options, radius, 16 * radius + 1);
}

TEST_F(CudaMetrics, derivativesByIntensityInOnePieceHaveTheSameBits) {
  const reference::Problem p = on_one_grid({68, 35, 41}, 71, false);
  ProblemOptions options;
  options.on_grid = true;
  const auto check = [&](const auto& run) {
    BackendProblem a(*gpu_, p, options), b(*gpu_, p, options);
    const MetricResult apart = run(a, false), whole = run(b, true);
    EXPECT_EQ(apart.intensity, whole.intensity);
    EXPECT_NEAR(apart.value, whole.value, 1e-12 * std::abs(apart.value));
    EXPECT_EQ(apart.count, whole.count);
  };
  check([](BackendProblem& b, bool whole) { return b.alone(MetricKind::lncc, whole); });
  check([](BackendProblem& b, bool whole) { return b.alone(MetricKind::mi, whole); });
  check([](BackendProblem& b, bool whole) { return b.alone(MetricKind::mse, whole); });
}

TEST_F(CudaMetrics, slabsGiveTheVolumesDerivativesByIntensity) {
  constexpr std::int64_t kHalo = 4, kFirst = 12, kLast = 28;
  for (const bool masks : {false, true}) {
    const reference::Problem p = on_one_grid({68, 35, 41}, 73, masks);
    ProblemOptions whole, slab;
    whole.on_grid = slab.on_grid = true;
    whole.type = slab.type = ScalarType::u16;
    whole.count = slab.count = 90000;
    slab.layout.z_begin = kFirst - kHalo;
    slab.layout.z_end = kLast + kHalo;
    BackendProblem all(*gpu_, p, whole), part(*gpu_, p, slab);
    all.restrict_to({kFirst, kLast});
    part.restrict_to({kFirst, kLast});
    EXPECT_EQ(all.mse().intensity, part.mse().intensity);
    EXPECT_EQ(all.lncc(2).intensity, part.lncc(2).intensity);
  }
}

TEST_F(CudaMetrics, laterChannelsAreAdded) {
  const reference::Problem p = problem({67, 35, 41}, 31);
  ProblemOptions options;
  options.accumulate = true;
  compare_mse(p, options);
  compare_lncc(p, options, 3);
}

TEST_F(CudaMetrics, symmetricGradientsMatchTheCpu) {
  ProblemOptions options;
  options.symmetric = true;
  compare_mse(problem({67, 35, 41}, 37), options);
  compare_lncc(problem({67, 35, 41}, 37), options, 2);
}

TEST_F(CudaMetrics, valuesAloneAreTheSameValues) {
  const reference::Problem p = problem({67, 35, 41}, 41);
  ProblemOptions alone;
  alone.wanted = false;
  BackendProblem with(*gpu_, p, {}), without(*gpu_, p, alone);
  EXPECT_NEAR(without.mse().value, with.mse().value, 1e-6 * with.mse().value);
  EXPECT_NEAR(without.lncc(2).value, with.lncc(2).value, 1e-6 * std::abs(with.lncc(2).value));
  EXPECT_EQ(without.mi(32).value, with.mi(32).value);
}

TEST_F(CudaMetrics, gapsBetweenRowsAndPlanesAreSkipped) {
  const reference::Problem p = problem({67, 35, 41}, 43, true);
  ProblemOptions options;
  options.layout.gap = 5;
  compare_mse(p, options);
  compare_lncc(p, options, 2);
  EXPECT_EQ(BackendProblem(*gpu_, p, options).mi(32).histogram.counts,
            BackendProblem(*gpu_, p, {}).mi(32).histogram.counts);
}

TEST_F(CudaMetrics, slabsGiveTheVolumesGradients) {
  const reference::Problem p = problem({67, 35, 41}, 47);
  constexpr std::int64_t kPlane = 67 * 35, kHalo = 4, kFirst = 12, kLast = 28;
  ProblemOptions whole, slab;
  whole.count = slab.count = 90000;
  slab.layout.z_begin = kFirst - kHalo;
  slab.layout.z_end = kLast + kHalo;
  const auto check = [&](const auto& run, double tolerance) {
    BackendProblem all(*gpu_, p, whole), part(*gpu_, p, slab);
    part.restrict_to({kFirst, kLast});
    const test::Vectors a = run(all).gradient, b = run(part).gradient;
    for (std::size_t c = 0; c < 3; ++c)
      for (std::int64_t i = 0; i < (kLast - kFirst) * kPlane; ++i) {
        const auto expected =
            static_cast<double>(a[c][static_cast<std::size_t>(kFirst * kPlane + i)]);
        ASSERT_NEAR(b[c][static_cast<std::size_t>(kHalo * kPlane + i)], expected,
                    tolerance * (std::abs(expected) + 1e-5));
      }
  };
  check([](BackendProblem& b) { return b.mse(); }, 0);
  check([](BackendProblem& b) { return b.lncc(2); }, 2e-2);
}

TEST_F(CudaMetrics, repeatedRunsGiveTheSameBits) {
  const reference::Problem p = problem({131, 67, 41}, 53, true);
  ProblemOptions linear;
  linear.displaced = linear.to_field = false;
  const auto check = [&](const auto& run) {
    BackendProblem first(*gpu_, p, {}), second(*gpu_, p, {});
    const MetricResult a = run(first), b = run(second);
    EXPECT_EQ(a.value, b.value);
    EXPECT_EQ(a.words, b.words);
    EXPECT_EQ(a.histogram.counts, b.histogram.counts);
    BackendProblem third(*gpu_, p, linear), fourth(*gpu_, p, linear);
    const MetricResult c = run(third), d = run(fourth);
    EXPECT_EQ(c.value, d.value);
    for (int r = 0; r < 3; ++r)
      for (int k = 0; k < 4; ++k) EXPECT_EQ(c.linear[r][k], d.linear[r][k]);
  };
  check([](BackendProblem& b) { return b.mse(); });
  check([](BackendProblem& b) { return b.lncc(2); });
  check([](BackendProblem& b) { return b.mi(32); });
}

TEST_F(CudaMetrics, volumesByPartsOfTheirRowsGiveTheBitsOfWholeOnes) {
  test::expect_the_bits_of_whole_volumes(*gpu_);
}

}  // namespace
}  // namespace gigawarp
