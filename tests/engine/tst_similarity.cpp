#include <gtest/gtest.h>

#include "base/parallel.h"
#include "math/logarithm.h"
#include "support/backend_problem.h"
#include "support/device_problem.h"

namespace gigawarp {
namespace {

using reference::make_problem;
using reference::OpsProblem;
using reference::Problem;

const Size3 kOddFixed{13, 11, 9}, kOddMoving{12, 14, 10};

double test_epsilon() { return 1e-4; }

ops::LnccArgs lncc_args(const OpsProblem& p, double count, int radius, WindowKind window) {
  ops::LnccArgs args;
  args.pair = p.pair;
  args.warped = p.warped;
  args.range = p.range;
  args.radius = radius;
  args.window = window;
  args.epsilon = static_cast<float>(test_epsilon());
  args.count = count;
  args.target.field = p.gradient;
  return args;
}

std::vector<double> box(int radius) {
  return std::vector<double>(static_cast<std::size_t>(2 * radius + 1), 1.0);
}

std::vector<double> gaussian(int radius) {
  const double sigma = 0.5 * radius + 0.25;
  const int reach = static_cast<int>(std::ceil(2.0 * sigma));
  std::vector<double> taps;
  for (int k = -reach; k <= reach; ++k) taps.push_back(std::exp(-0.5 * k * k / (sigma * sigma)));
  return taps;
}

/// Compares the engine's gradient with finite differences of the double-precision loss.
template <class Loss>
void expect_gradient(Problem& p, const OpsProblem& engine, const Loss& loss, double tolerance) {
  std::mt19937 random(5);
  const auto n = static_cast<std::size_t>(p.voxels());
  double largest = 0;
  for (int a = 0; a < 3; ++a)
    for (std::size_t i = 0; i < n; ++i)
      largest =
          std::max(largest, std::abs(static_cast<double>(engine.gradient.component[a].data[i])));
  ASSERT_GT(largest, 0);
  int compared = 0;
  for (int trial = 0; trial < 400 && compared < 40; ++trial) {
    const std::size_t voxel = random() % n;
    const int axis = trial % 3;
    constexpr double kStep = 1e-4;
    if (!reference::is_smooth_at(p, voxel, kStep)) continue;
    const double expected = reference::finite_difference(p, axis, voxel, kStep, loss);
    const double got = static_cast<double>(engine.gradient.component[axis].data[voxel]);
    EXPECT_NEAR(got, expected, tolerance * largest) << "voxel " << voxel << " axis " << axis;
    ++compared;
  }
  EXPECT_GE(compared, 20);
}

class Warp : public testing::TestWithParam<std::pair<Size3, Size3>> {};

TEST_P(Warp, matchesTheReferenceOnOddAndThinGrids) {
  const Problem p = make_problem(GetParam().first, GetParam().second, 3);
  OpsProblem engine(p);
  const auto backend = ops::make_cpu_backend();
  const double count = engine.run_warp(*backend);
  const std::vector<double> expected = reference::warp(p);
  double valid = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double got = static_cast<double>(engine.warped.data[i]);
    EXPECT_EQ(std::isnan(got), std::isnan(expected[i])) << i;
    if (!std::isnan(expected[i])) {
      EXPECT_NEAR(got, expected[i], 2e-5) << i;
    }
    valid += std::isnan(expected[i]) ? 0 : 1;
  }
  EXPECT_EQ(count, valid);
}

INSTANTIATE_TEST_SUITE_P(Sizes, Warp,
                         testing::Values(std::pair{Size3{13, 11, 9}, Size3{12, 14, 10}},
                                         std::pair{Size3{1, 11, 9}, Size3{12, 14, 10}},
                                         std::pair{Size3{13, 1, 9}, Size3{1, 14, 10}},
                                         std::pair{Size3{13, 11, 1}, Size3{12, 1, 1}},
                                         std::pair{Size3{37, 5, 7}, Size3{31, 17, 3}}));

TEST(WarpTypes, everyIntegerTypeGivesWhatItsFloatCopyGives) {
  Problem p = make_problem(kOddFixed, kOddMoving, 4);
  for (double& v : p.moving) v = std::round(30 * v) + 100;  // 0…255 fits every type
  const auto backend = ops::make_cpu_backend();
  OpsProblem as_float(p);
  as_float.run_warp(*backend);
  const auto check = [&]<class T>(T) {
    Buffer raw(p.moving.size() * sizeof(T));
    const int shift = std::is_signed_v<T> && sizeof(T) == 1 ? 100 : 0;
    for (std::size_t i = 0; i < p.moving.size(); ++i)
      reinterpret_cast<T*>(raw.data())[i] = static_cast<T>(p.moving[i] - shift);
    OpsProblem typed(p);
    typed.pair.moving.data = raw.data();
    typed.pair.moving.type = ScalarTypeOf<T>::value;
    typed.pair.moving.offset = static_cast<float>(-shift);
    typed.run_warp(*backend);
    for (std::size_t i = 0; i < p.fixed.size(); ++i) {
      const float a = as_float.warped.data[i], b = typed.warped.data[i];
      EXPECT_EQ(std::isnan(a), std::isnan(b));
      if (!std::isnan(a)) {
        EXPECT_NEAR(a, b, 1e-3);
      }
    }
  };
  check(std::uint8_t{});
  check(std::int8_t{});
  check(std::uint16_t{});
  check(std::int16_t{});
}

struct LnccCase {
  int radius;
  WindowKind window;
  bool masks;
};

class Lncc : public testing::TestWithParam<LnccCase> {};

Problem masked_problem(bool masks) {
  Problem p = make_problem(kOddFixed, kOddMoving, 7);
  if (!masks) return p;
  for (std::int64_t i = 0; i < p.voxels(); ++i) p.fixed_mask.push_back(i % 13 > 3 ? 1 : 0);
  for (std::size_t i = 0; i < p.moving.size(); ++i) p.moving_mask.push_back(i % 12 < 10 ? 1 : 0);
  return p;
}

TEST_P(Lncc, valueMatchesTheReference) {
  const Problem p = masked_problem(GetParam().masks);
  OpsProblem engine(p);
  const auto backend = ops::make_cpu_backend();
  const double count = engine.run_warp(*backend);
  backend->lncc(lncc_args(engine, count, GetParam().radius, GetParam().window), engine.sums);
  const auto taps =
      GetParam().window == WindowKind::box ? box(GetParam().radius) : gaussian(GetParam().radius);
  EXPECT_NEAR(engine.value() / count, reference::lncc_loss(p, taps, test_epsilon()), 2e-5);
}

TEST_P(Lncc, gradientIsTheDerivativeOfTheValue) {
  Problem p = masked_problem(GetParam().masks);
  OpsProblem engine(p);
  const auto backend = ops::make_cpu_backend();
  const double count = engine.run_warp(*backend);
  backend->lncc(lncc_args(engine, count, GetParam().radius, GetParam().window), engine.sums);
  const auto taps =
      GetParam().window == WindowKind::box ? box(GetParam().radius) : gaussian(GetParam().radius);
  expect_gradient(
      p, engine, [&](const Problem& q) { return reference::lncc_loss(q, taps, test_epsilon()); },
      2e-3);
}

INSTANTIATE_TEST_SUITE_P(
    Windows, Lncc,
    testing::Values(LnccCase{1, WindowKind::box, false}, LnccCase{2, WindowKind::box, false},
                    LnccCase{2, WindowKind::box, true}, LnccCase{3, WindowKind::box, false},
                    LnccCase{5, WindowKind::box, false}, LnccCase{7, WindowKind::box, false},
                    LnccCase{2, WindowKind::gaussian, false},
                    LnccCase{3, WindowKind::gaussian, true}));

TEST(Lncc, flatWindowsGiveZero) {
  Problem p = make_problem(kOddFixed, kOddMoving, 7);
  std::fill(p.fixed.begin(), p.fixed.end(), 0.5);
  OpsProblem engine(p);
  const auto backend = ops::make_cpu_backend();
  const double count = engine.run_warp(*backend);
  backend->lncc(lncc_args(engine, count, 2, WindowKind::box), engine.sums);
  EXPECT_NEAR(engine.value() / count, 0, 1e-3);
  for (int a = 0; a < 3; ++a)
    for (std::int64_t i = 0; i < p.voxels(); ++i)
      EXPECT_NEAR(engine.gradient.component[a].data[i], 0.0F, 1e-5F);
}

TEST(Lncc, approximateGradientPointsTheSameWayButIsNotTheExactOne) {
  const Problem p = make_problem(kOddFixed, kOddMoving, 8);
  OpsProblem exact(p), approximate(p);
  const auto backend = ops::make_cpu_backend();
  const double count = exact.run_warp(*backend);
  approximate.run_warp(*backend);
  backend->lncc(lncc_args(exact, count, 2, WindowKind::box), exact.sums);
  ops::LnccArgs args = lncc_args(approximate, count, 2, WindowKind::box);
  args.approximate_gradient = true;
  backend->lncc(args, approximate.sums);
  double dot = 0, aa = 0, bb = 0, difference = 0;
  for (std::int64_t i = 0; i < p.voxels(); ++i) {
    const double a = static_cast<double>(exact.gradient.component[0].data[i]),
                 b = static_cast<double>(approximate.gradient.component[0].data[i]);
    dot += a * b;
    aa += a * a;
    bb += b * b;
    difference = std::max(difference, std::abs(a - b));
  }
  EXPECT_GT(dot / std::sqrt(aa * bb), 0.5);
  EXPECT_GT(difference, 0.05 * std::sqrt(aa / static_cast<double>(p.voxels())));
  EXPECT_EQ(exact.value(), approximate.value());
}

class Mi : public testing::TestWithParam<int> {};

TEST_P(Mi, valueAndGradientMatchTheReference) {
  Problem p = make_problem(kOddFixed, kOddMoving, 9);
  OpsProblem engine(p);
  const auto backend = ops::make_cpu_backend();
  ops::MiArgs args;
  args.pair = engine.pair;
  args.warped = engine.warped;
  args.range = engine.range;
  args.bins = GetParam();
  args.fixed_bins = {-2.5F, 2.5F};
  args.moving_bins = {-2.2F, 2.2F};  // some voxels are clamped
  args.count = engine.run_warp(*backend);
  args.target.field = engine.gradient;
  ops::JointHistogram histogram;
  backend->mi_histogram(args, histogram);
  const ops::MiTable table = ops::mutual_information(histogram);
  const auto loss = [&](const Problem& q) {
    return reference::mi_loss(q, GetParam(), args.fixed_bins, args.moving_bins);
  };
  EXPECT_NEAR(table.loss, loss(p), 1e-4);
  std::int64_t total = 0;
  for (const std::int64_t c : histogram.counts) total += c;
  EXPECT_EQ(static_cast<double>(total), args.count * ops::JointHistogram::kOne);
  backend->mi_gradient(args, table, engine.sums);
  expect_gradient(p, engine, loss, 5e-3);
}

TEST(Logarithm, isThatOfTheLibraryToTwoUlp) {
  double worst = 0;
  const auto look = [&](double v) {
    const double expected = std::log(v),
                 ulp = std::nextafter(std::abs(expected), 1e9) - std::abs(expected);
    worst = std::max(worst, std::abs(math::logarithm(v) - expected) / ulp);
  };
  for (double v = 1e-300; v < 1e300; v *= 1.37) look(v);
  for (int i = 1; i < 20000; ++i) look(0.5 + i * 1e-4);
  for (int i = 1; i < 60; ++i) {
    look(1 + std::ldexp(1.0, -i));
    look(1 - std::ldexp(1.0, -i));
    look(std::sqrt(2.0) * (1 + (i - 30) * 1e-16));
  }
  EXPECT_LE(worst, 2);
  EXPECT_EQ(math::logarithm(1), 0);
}

INSTANTIATE_TEST_SUITE_P(Bins, Mi, testing::Values(16, 32, 64, 128));

TEST(Mse, valueAndGradientMatchTheReference) {
  Problem p = masked_problem(true);
  OpsProblem engine(p);
  const auto backend = ops::make_cpu_backend();
  ops::MseArgs args{engine.pair,
                    engine.warped,
                    engine.range,
                    engine.run_warp(*backend),
                    {engine.gradient, false, 1.0F}};
  backend->mse(args, engine.sums);
  EXPECT_NEAR(engine.value() / args.count, reference::mse_loss(p), 1e-5);
  expect_gradient(
      p, engine, [](const Problem& q) { return reference::mse_loss(q); }, 1e-3);
}

TEST(Mse, channelsAddUpWithTheirWeights) {
  const Problem p = make_problem(kOddFixed, kOddMoving, 10);
  OpsProblem once(p), twice(p);
  const auto backend = ops::make_cpu_backend();
  const double count = once.run_warp(*backend);
  twice.run_warp(*backend);
  backend->mse({once.pair, once.warped, once.range, count, {once.gradient, false, 1.0F}},
               once.sums);
  backend->mse({twice.pair, twice.warped, twice.range, count, {twice.gradient, false, 0.25F}},
               twice.sums);
  backend->mse({twice.pair, twice.warped, twice.range, count, {twice.gradient, true, 0.75F}},
               twice.sums);
  for (std::int64_t i = 0; i < p.voxels(); ++i)
    EXPECT_NEAR(once.gradient.component[1].data[i], twice.gradient.component[1].data[i], 1e-7F);
}

TEST(GradientByIntensity, isTheDerivativeOfTheLossByEachVoxelOfTheMovingVolume) {
  Problem p = make_problem(kOddFixed, kOddFixed, 12);
  p.t = {};
  for (auto& c : p.u) c.clear();
  constexpr ops::BinRange kFixedBins{-2.2F, 2.2F}, kMovingBins{-2.1F, 2.3F};  // BackendProblem's
  constexpr double kWeight = 0.7;
  const auto backend = ops::make_cpu_backend();
  test::ProblemOptions options;
  options.on_grid = true;
  Problem at_rest = p;  // BackendProblem wants a displacement, and leaves it
  for (auto& c : at_rest.u) c.assign(static_cast<std::size_t>(p.voxels()), 0.0);
  const auto check = [&](const std::vector<float>& gradient, double tolerance, const auto& loss) {
    ASSERT_EQ(gradient.size(), static_cast<std::size_t>(p.voxels()));
    double largest = 0;
    for (const float g : gradient) largest = std::max(largest, std::abs(static_cast<double>(g)));
    ASSERT_GT(largest, 0);
    constexpr double kStep = 1e-4;
    for (std::size_t i = 7; i < gradient.size(); i += 41) {
      Problem lower = p, upper = p;
      lower.moving[i] -= kStep;
      upper.moving[i] += kStep;
      const double expected = kWeight * (loss(upper) - loss(lower)) / (2 * kStep);
      EXPECT_NEAR(gradient[i], expected, tolerance * largest) << "voxel " << i;
    }
  };
  for (const int radius : {1, 2, 3})
    check(test::BackendProblem(*backend, at_rest, options).lncc(radius).intensity, 2e-3,
          [&](const Problem& q) { return reference::lncc_loss(q, box(radius), test_epsilon()); });
  for (const int bins : {32, 64})
    check(test::BackendProblem(*backend, at_rest, options).mi(bins).intensity, 5e-3,
          [&](const Problem& q) { return reference::mi_loss(q, bins, kFixedBins, kMovingBins); });
  check(test::BackendProblem(*backend, at_rest, options).mse().intensity, 1e-3,
        [](const Problem& q) { return reference::mse_loss(q); });
}

TEST(AffineGradient, isTheDerivativeOfTheLossByTheMatrix) {
  Problem p = make_problem({24, 22, 20}, {26, 24, 22}, 11);
  for (auto& c : p.u) c.clear();
  OpsProblem engine(p, false);
  const auto backend = ops::make_cpu_backend();
  ops::MseArgs args{engine.pair, engine.warped, engine.range, engine.run_warp(*backend), {}};
  backend->mse(args, engine.sums);
  ops::PlaneSums total;
  for (const ops::PlaneSums& s : engine.sums) total += s;
  // The loss jumps where voxels enter or leave; keep those that count fixed by masking the border.
  for (int r = 0; r < 3; ++r) {
    for (int c = 0; c < 4; ++c) {
      const double h = c < 3 ? 1e-7 : 1e-6;
      Problem up = p, down = p;
      (c < 3 ? up.t.linear[r][c] : up.t.offset[r]) += h;
      (c < 3 ? down.t.linear[r][c] : down.t.offset[r]) -= h;
      const double expected = (reference::mse_loss(up) - reference::mse_loss(down)) / (2 * h);
      const double got = c < 3 ? total.moment[r][c] : total.gradient[r];
      EXPECT_NEAR(got, expected, 2e-3 * std::max(1.0, std::abs(expected))) << r << "," << c;
    }
  }
}

TEST(Similarity, doesNotDependOnTheNumberOfThreads) {
  const Problem p = make_problem({45, 67, 70}, {50, 60, 64}, 12);
  const auto run = [&](int threads) {
    std::vector<float> out;
    with_threads(threads, [&] {
      OpsProblem engine(p);
      const auto backend = ops::make_cpu_backend();
      const double count = engine.run_warp(*backend);
      backend->lncc(lncc_args(engine, count, 2, WindowKind::box), engine.sums);
      out.push_back(static_cast<float>(engine.value()));
      for (int a = 0; a < 3; ++a)
        out.insert(out.end(), engine.gradient.component[a].data,
                   engine.gradient.component[a].data + p.voxels());
    });
    return out;
  };
  EXPECT_EQ(run(1), run(2));
  EXPECT_EQ(run(2), run(5));
}

TEST(Similarity, aSlabGivesTheBitsOfTheWholeVolume) {
  const Problem p = make_problem({33, 21, 40}, {35, 24, 44}, 13);
  const auto backend = ops::make_cpu_backend();
  OpsProblem whole(p), slabs(p);
  const double count = whole.run_warp(*backend);
  backend->lncc(lncc_args(whole, count, 2, WindowKind::box), whole.sums);
  slabs.run_warp(*backend);
  for (const ops::ZRange range : {ops::ZRange{0, 7}, ops::ZRange{7, 8}, ops::ZRange{8, 40}}) {
    ops::LnccArgs args = lncc_args(slabs, count, 2, WindowKind::box);
    args.range = range;
    backend->lncc(args, slabs.sums);
  }
  for (int a = 0; a < 3; ++a)
    for (std::int64_t i = 0; i < p.voxels(); ++i)
      ASSERT_EQ(whole.gradient.component[a].data[i], slabs.gradient.component[a].data[i]);
  EXPECT_EQ(whole.value(), slabs.value());
}

TEST(Similarity, volumesByPartsOfTheirRowsGiveTheBitsOfWholeOnes) {
  test::expect_the_bits_of_whole_volumes(*ops::make_cpu_backend());
}

}  // namespace
}  // namespace gigawarp
