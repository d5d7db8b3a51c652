#include <gtest/gtest.h>

#include <random>

#include "base/parallel.h"
#include "ops/backend.h"

namespace gigawarp {
namespace {

/// A field with its storage.
struct Field {
  explicit Field(const Size3& n) : size(n) {
    for (int a = 0; a < 3; ++a) {
      data[a].assign(static_cast<std::size_t>(n[0] * n[1] * n[2]) + 16, 0.0F);
      view.component[a] = {data[a].data(), ops::Extent::whole(n)};
    }
  }
  Field(const Field&) = delete;
  float& at(int a, std::int64_t x, std::int64_t y, std::int64_t z) {
    return view.component[a].row(y, z)[x];
  }
  void randomise(unsigned seed, float amplitude) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> uniform(-amplitude, amplitude);
    for (auto& c : data)
      for (float& v : c) v = uniform(random);
  }
  Size3 size;
  std::vector<float> data[3];
  ops::FieldView view;
};

double clamped(Field& f, int a, std::int64_t x, std::int64_t y, std::int64_t z) {
  const auto c = [](std::int64_t i, std::int64_t n) {
    return std::clamp<std::int64_t>(i, 0, n - 1);
  };
  return static_cast<double>(f.at(a, c(x, f.size[0]), c(y, f.size[1]), c(z, f.size[2])));
}

std::vector<double> gaussian(double sigma) {
  if (sigma == 0) return {1.0};
  int r = static_cast<int>(std::ceil(3 * sigma));
  while (r > 1 && std::exp(-0.5 * r * r / (sigma * sigma)) < 2e-4) --r;  // not worth reading
  std::vector<double> w;
  double sum = 0;
  for (int k = -r; k <= r; ++k) {
    w.push_back(std::exp(-0.5 * k * k / (sigma * sigma)));
    sum += w.back();
  }
  for (double& v : w) v /= sum;
  return w;
}

template <class At>
double smoothed(const At& at, const std::vector<double>& w, std::int64_t x, std::int64_t y,
                std::int64_t z) {
  const auto r = static_cast<std::int64_t>(w.size() / 2);
  double s = 0;
  for (std::int64_t c = -r; c <= r; ++c)
    for (std::int64_t b = -r; b <= r; ++b)
      for (std::int64_t a = -r; a <= r; ++a)
        s += w[static_cast<std::size_t>(a + r)] * w[static_cast<std::size_t>(b + r)] *
             w[static_cast<std::size_t>(c + r)] * at(x + a, y + b, z + c);
  return s;
}

const Size3 kSize{11, 37, 35};  // more rows and planes than a tile

struct Moments {
  explicit Moments(const Size3& n)
      : m(static_cast<std::size_t>(3 * n[0] * n[1] * n[2]), 0),
        v(static_cast<std::size_t>(n[0] * n[1] * n[2]), 0.0F),
        size(n) {}
  void attach(ops::DirectionArgs& args) {
    for (int a = 0; a < 3; ++a)
      args.first_moment[a] = {m.data() + a * size[0] * size[1] * size[2], ops::Extent::whole(size)};
    args.second_moment = {v.data(), ops::Extent::whole(size)};
  }
  std::vector<math::Bfloat16> m;
  std::vector<float> v;
  Size3 size;
};

TEST(Direction, firstStepIsTheSmoothedGradientOverItsRootMeanSquare) {
  Field gradient(kSize), direction(kSize);
  gradient.randomise(1, 1.0F);
  Moments moments(kSize);
  ops::DirectionArgs args;
  args.gradient = gradient.view;
  args.direction = direction.view;
  moments.attach(args);
  args.range = {0, kSize[2]};
  args.sigma_voxels = 1.0;
  args.step = 1;
  args.epsilon = 0.01F;
  const float largest = ops::make_cpu_backend()->direction(args);
  const std::vector<double> w = gaussian(1.0);
  double expected_largest = 0;
  for (std::int64_t z = 0; z < kSize[2]; ++z)
    for (std::int64_t y = 0; y < kSize[1]; ++y)
      for (std::int64_t x = 0; x < kSize[0]; ++x) {
        double g[3], squares = 0;
        for (int a = 0; a < 3; ++a) {
          g[a] = smoothed([&](auto i, auto j, auto k) { return clamped(gradient, a, i, j, k); }, w,
                          x, y, z);
          squares += g[a] * g[a];
        }
        const double scale = 1.0 / (std::sqrt(squares / 3) + 0.01);
        for (int a = 0; a < 3; ++a) ASSERT_NEAR(direction.at(a, x, y, z), g[a] * scale, 2e-3);
        expected_largest = std::max(expected_largest, std::sqrt(squares) * scale);
      }
  EXPECT_NEAR(largest, expected_largest, 2e-3);
}

TEST(Direction, secondStepRemembersTheFirst) {
  const Size3 n{5, 4, 3};
  Field gradient(n), direction(n);
  Moments moments(n);
  ops::DirectionArgs args;
  args.gradient = gradient.view;
  args.direction = direction.view;
  moments.attach(args);
  args.range = {0, n[2]};
  args.sigma_voxels = 0;
  args.epsilon = 0;
  const auto backend = ops::make_cpu_backend();
  const float steps[2] = {0.5F, -0.25F};
  double m = 0, v = 0;
  for (int t = 1; t <= 2; ++t) {
    const float g = steps[t - 1];
    std::fill(gradient.data[1].begin(), gradient.data[1].end(), g);
    args.step = t;
    backend->direction(args);
    m = 0.9 * m + 0.1 * static_cast<double>(g);
    v = 0.99 * v + 0.01 * static_cast<double>(g) * static_cast<double>(g) / 3;
  }
  const double expected = m / (1 - std::pow(0.9, 2)) / std::sqrt(v / (1 - std::pow(0.99, 2)));
  EXPECT_NEAR(direction.at(1, 2, 2, 1), expected, 0.01 * std::abs(expected));  // bfloat16 moments
  EXPECT_EQ(direction.at(0, 2, 2, 1), 0.0F);
}

TEST(Direction, gradientsThatCancelAreDampedAndThoseThatAgreeAreNot) {
  const Size3 n{5, 4, 3};
  const auto last = [&](float damping, bool alternating) {
    Field gradient(n), direction(n);
    Moments moments(n);
    ops::DirectionArgs args;
    args.gradient = gradient.view;
    args.direction = direction.view;
    moments.attach(args);
    args.range = {0, n[2]};
    args.sigma_voxels = 0;
    args.epsilon = 0;
    args.incoherence_damping = damping;
    const auto backend = ops::make_cpu_backend();
    for (int t = 1; t <= 50; ++t) {
      const float g = alternating && t % 2 == 0 ? -1e-7F : 1e-7F;
      std::fill(gradient.data[0].begin(), gradient.data[0].end(), g);
      args.step = t;
      backend->direction(args);
    }
    EXPECT_EQ(direction.at(1, 2, 2, 1), 0.0F);
    return std::abs(direction.at(0, 2, 2, 1));
  };
  EXPECT_NEAR(last(0, false), std::sqrt(3.0F), 0.03F);
  EXPECT_NEAR(last(0.5F, false), std::sqrt(3.0F) / 1.5F, 0.03F);
  const float trembling = last(0, true);
  EXPECT_GT(trembling, 0.03F);
  EXPECT_LT(last(0.5F, true), 0.02F * trembling);
}

TEST(Compose, matchesTheDefinitionThenSmooths) {
  Field u(kSize), d(kSize), out(kSize);
  u.randomise(2, 3.0F);
  d.randomise(3, 1.0F);
  ops::ComposeArgs args;
  args.direction = d.view;
  args.displacement = u.view;
  args.out = out.view;
  args.range = {0, kSize[2]};
  args.scale = -0.7F;
  for (const double sigma : {0.0, 0.7}) {
    args.sigma_voxels = sigma;
    ops::make_cpu_backend()->compose(args);
    const auto composed = [&](int a, std::int64_t x, std::int64_t y, std::int64_t z) {
      x = std::clamp<std::int64_t>(x, 0, kSize[0] - 1);
      y = std::clamp<std::int64_t>(y, 0, kSize[1] - 1);
      z = std::clamp<std::int64_t>(z, 0, kSize[2] - 1);
      double p[3] = {static_cast<double>(x), static_cast<double>(y), static_cast<double>(z)};
      std::int64_t low[3];
      double f[3];
      for (int c = 0; c < 3; ++c) {
        p[c] += -0.7 * clamped(d, c, x, y, z);
        p[c] = std::clamp(p[c], 0.0, static_cast<double>(kSize[c] - 1));
        low[c] = static_cast<std::int64_t>(p[c]);
        f[c] = p[c] - static_cast<double>(low[c]);
      }
      double s = -0.7 * clamped(d, a, x, y, z);
      for (int k = 0; k < 8; ++k)
        s += clamped(u, a, low[0] + (k & 1), low[1] + (k >> 1 & 1), low[2] + (k >> 2)) *
             (k & 1 ? f[0] : 1 - f[0]) * (k & 2 ? f[1] : 1 - f[1]) * (k & 4 ? f[2] : 1 - f[2]);
      return s;
    };
    const std::vector<double> w = gaussian(sigma);
    for (std::int64_t z = 0; z < kSize[2]; z += 3)
      for (std::int64_t y = 0; y < kSize[1]; y += 2)
        for (std::int64_t x = 0; x < kSize[0]; ++x)
          for (int a = 0; a < 3; ++a)
            ASSERT_NEAR(
                out.at(a, x, y, z),
                smoothed([&](auto i, auto j, auto k) { return composed(a, i, j, k); }, w, x, y, z),
                2e-5)
                << sigma << " " << x << " " << y << " " << z;
  }
}

TEST(Compose, shortStepsInterpolateAlongTheAxesOnTheSideTheyPointTo) {
  Field u(kSize), d(kSize), out(kSize);
  u.randomise(6, 3.0F);
  d.randomise(7, 1.0F);
  ops::ComposeArgs args{d.view, u.view, out.view, {0, kSize[2]}, -0.5F, 0};
  args.short_step = true;
  ops::make_cpu_backend()->compose(args);
  for (std::int64_t z = 0; z < kSize[2]; ++z)
    for (std::int64_t y = 0; y < kSize[1]; ++y)
      for (std::int64_t x = 0; x < kSize[0]; ++x)
        for (int a = 0; a < 3; ++a) {
          const double own = clamped(u, a, x, y, z);
          double expected = own - 0.5 * clamped(d, a, x, y, z);
          for (int c = 0; c < 3; ++c) {
            const double step = -0.5 * clamped(d, c, x, y, z);
            std::int64_t at[3] = {x, y, z};
            at[c] += step < 0 ? -1 : 1;
            expected += std::abs(step) * (clamped(u, a, at[0], at[1], at[2]) - own);
          }
          ASSERT_NEAR(out.at(a, x, y, z), expected, 1e-5) << x << " " << y << " " << z;
        }
}

TEST(Compose, shortStepsAgreeWithTrilinearOnesInALinearField) {
  const Size3 n{9, 8, 7};
  Field u(n), d(n), exact(n), brief(n);
  for (std::int64_t z = 0; z < 7; ++z)
    for (std::int64_t y = 0; y < 8; ++y)
      for (std::int64_t x = 0; x < 9; ++x)
        for (int a = 0; a < 3; ++a)
          u.at(a, x, y, z) = 0.1F * static_cast<float>(x) - 0.2F * static_cast<float>(y) +
                             0.05F * static_cast<float>(z * (a + 1));
  d.randomise(8, 1.0F);
  const auto backend = ops::make_cpu_backend();
  ops::ComposeArgs args{d.view, u.view, exact.view, {0, n[2]}, 0.5F, 0};
  backend->compose(args);
  args.out = brief.view;
  args.short_step = true;
  backend->compose(args);
  for (std::int64_t z = 1; z < 6; ++z)
    for (std::int64_t y = 1; y < 7; ++y)
      for (std::int64_t x = 1; x < 8; ++x)
        for (int a = 0; a < 3; ++a) ASSERT_NEAR(brief.at(a, x, y, z), exact.at(a, x, y, z), 1e-5);
}

TEST(Compose, slabsGiveTheBitsOfTheWhole) {
  Field u(kSize), d(kSize), whole(kSize), parts(kSize);
  u.randomise(4, 2.0F);
  d.randomise(5, 1.0F);
  ops::ComposeArgs args{d.view, u.view, whole.view, {0, kSize[2]}, 0.5F, 0.5};
  const auto backend = ops::make_cpu_backend();
  for (const bool short_step : {false, true}) {
    args.short_step = short_step;
    args.out = whole.view;
    args.range = {0, kSize[2]};
    backend->compose(args);
    args.out = parts.view;
    for (const ops::ZRange range : {ops::ZRange{0, 1}, ops::ZRange{1, 20}, ops::ZRange{20, 35}}) {
      args.range = range;
      backend->compose(args);
    }
    for (int a = 0; a < 3; ++a) EXPECT_EQ(whole.data[a], parts.data[a]) << short_step;
  }
}

double determinant(Field& u, std::int64_t x, std::int64_t y, std::int64_t z) {
  double j[3][3];
  const std::int64_t at[3] = {x, y, z};
  for (int c = 0; c < 3; ++c)
    for (int a = 0; a < 3; ++a) {
      std::int64_t low[3] = {x, y, z}, high[3] = {x, y, z};
      low[a] = std::max<std::int64_t>(at[a] - 1, 0);
      high[a] = std::min(at[a] + 1, u.size[a] - 1);
      j[c][a] = (c == a ? 1.0 : 0.0) +
                (clamped(u, c, high[0], high[1], high[2]) - clamped(u, c, low[0], low[1], low[2])) /
                    static_cast<double>(std::max<std::int64_t>(high[a] - low[a], 1));
    }
  return j[0][0] * (j[1][1] * j[2][2] - j[1][2] * j[2][1]) -
         j[0][1] * (j[1][0] * j[2][2] - j[1][2] * j[2][0]) +
         j[0][2] * (j[1][0] * j[2][1] - j[1][1] * j[2][0]);
}

TEST(RepairFolds, leavesNoVoxelBelowTheMinimumAndTouchesNothingFarAway) {
  Field u({24, 24, 24});
  // A fold in the middle, smooth and small elsewhere.
  for (std::int64_t z = 0; z < 24; ++z)
    for (std::int64_t y = 0; y < 24; ++y)
      for (std::int64_t x = 0; x < 24; ++x)
        u.at(0, x, y, z) = 0.2F * std::sin(0.3F * static_cast<float>(y));
  u.at(0, 11, 12, 12) = 4.0F;
  u.at(2, 12, 12, 13) = -3.0F;
  std::int64_t folded = 0;
  for (std::int64_t i = 0; i < 24 * 24 * 24; ++i)
    folded += determinant(u, i % 24, i / 24 % 24, i / 576) < 0.1 ? 1 : 0;
  ASSERT_GT(folded, 0);
  const float far = u.at(0, 2, 3, 3);
  const ops::FoldRepair report = ops::make_cpu_backend()->repair_folds({u.view, {0, 24}, 0.1F, 40});
  EXPECT_EQ(report.found, folded);
  EXPECT_EQ(report.remaining, 0);
  for (std::int64_t i = 0; i < 24 * 24 * 24; ++i)
    EXPECT_GE(determinant(u, i % 24, i / 24 % 24, i / 576), 0.0999);
  EXPECT_EQ(u.at(0, 2, 3, 3), far);
}

TEST(Downsample, keepsConstantsAndLinearRampsInPlace) {
  const Size3 n{23, 12, 9}, half{12, 6, 5};
  std::vector<float> in(static_cast<std::size_t>(23 * 12 * 9) + 16), out(12 * 6 * 5);
  for (std::int64_t z = 0; z < 9; ++z)
    for (std::int64_t y = 0; y < 12; ++y)
      for (std::int64_t x = 0; x < 23; ++x)
        in[static_cast<std::size_t>((z * 12 + y) * 23 + x)] =
            2.0F * static_cast<float>(x) - static_cast<float>(y) + 0.5F * static_cast<float>(z);
  ops::DownsampleArgs args;
  args.in.data = in.data();
  args.in.extent = ops::Extent::whole(n);
  args.out = {out.data(), ops::Extent::whole(half)};
  args.shrink = {2, 2, 2};
  args.sigma = {0.9, 0.9, 0.9};
  args.range = {0, 5};
  ops::make_cpu_backend()->downsample(args);
  for (std::int64_t z = 2; z < 3; ++z)
    for (std::int64_t y = 2; y < 4; ++y)
      for (std::int64_t x = 2; x < 9; ++x)  // away from the clamped borders
        EXPECT_NEAR(args.out.row(y, z)[x],
                    2 * (2 * static_cast<double>(x) + 0.5) - (2 * static_cast<double>(y) + 0.5) +
                        0.5 * (2 * static_cast<double>(z) + 0.5),
                    1e-4);
}

TEST(UpsampleField, carriesALinearFieldAndScalesItToTheFinerVoxels) {
  const Size3 coarse{8, 7, 6}, fine{16, 14, 12};
  Field a(coarse), b(fine);
  for (std::int64_t z = 0; z < 6; ++z)
    for (std::int64_t y = 0; y < 7; ++y)
      for (std::int64_t x = 0; x < 8; ++x)
        a.at(1, x, y, z) = 0.1F * static_cast<float>(x) + 0.2F * static_cast<float>(z);
  ops::UpsampleArgs args;
  args.in = a.view;
  args.out = b.view;
  args.fine_to_coarse = {0.5, 0.5, 0.5};
  args.shift = {-0.25, -0.25, -0.25};
  args.range = {0, 12};
  ops::make_cpu_backend()->upsample_field(args);
  for (std::int64_t z = 1; z < 11; ++z)
    for (std::int64_t x = 1; x < 15; ++x)
      EXPECT_NEAR(b.at(1, x, 5, z),
                  2 * (0.1 * (0.5 * static_cast<double>(x) - 0.25) +
                       0.2 * (0.5 * static_cast<double>(z) - 0.25)),
                  1e-5);
}

}  // namespace
}  // namespace gigawarp
