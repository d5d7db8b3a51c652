#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <string>

#include "support/backend_memory.h"
#include "support/gpu.h"

/// What acts on displacements and pyramids, on the GPU against the CPU back end.
namespace gigawarp {
namespace {

using test::DeviceArray;
using test::DeviceField;
using test::Form;
using test::Layout;
using test::Vectors;

constexpr Size3 kSizes[]{{13, 11, 9}, {67, 35, 41}, {257, 3, 5},
                         {31, 1, 17}, {29, 23, 1},  {1, 19, 21}};

/// Waves of `voxels` with a grain, in steps that the compact form holds.
Vectors waves(const Size3& n, double voxels, double grain, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform(-1, 1);
  Vectors out;
  for (std::int64_t z = 0; z < n[2]; ++z)
    for (std::int64_t y = 0; y < n[1]; ++y)
      for (std::int64_t x = 0; x < n[0]; ++x)
        for (std::size_t c = 0; c < 3; ++c) {
          const double a = 0.21 * static_cast<double>(x) + 0.17 * static_cast<double>(y) -
                           0.19 * static_cast<double>(z) + static_cast<double>(c);
          const double v = voxels * std::sin(a) + grain * uniform(random);
          out[c].push_back(static_cast<float>(std::round(v * 2048) / 2048));
        }
  return out;
}

double largest_difference(const Vectors& a, const Vectors& b) {
  double worst = 0;
  for (std::size_t c = 0; c < 3; ++c) {
    if (a[c].size() != b[c].size()) return 1e30;
    for (std::size_t i = 0; i < a[c].size(); ++i)
      worst =
          std::max(worst, std::abs(static_cast<double>(a[c][i]) - static_cast<double>(b[c][i])));
  }
  return worst;
}

double mean_difference(const Vectors& a, const Vectors& b) {
  double sum = 0;
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t i = 0; i < a[c].size(); ++i)
      sum += std::abs(static_cast<double>(a[c][i]) - static_cast<double>(b[c][i]));
  return sum / static_cast<double>(3 * a[0].size());
}

/// The optimiser's arrays in the form of the back end.
struct Optimiser {
  Optimiser(ops::Backend& backend, const Size3& n, const Layout& layout, const Vectors& start)
      : gradient(backend, layout.extent(n), Form::gradient),
        u(backend, layout.extent(n), Form::displacement),
        out(backend, layout.extent(n), Form::displacement) {
    u.set(start);
    if (backend.compact()) {
      moments.emplace_back(backend, layout.extent(n));
      args.moments = moments[0].view();
    } else {
      direction.emplace_back(backend, layout.extent(n), Form::displacement);
      second.emplace_back(backend, layout.extent(n));
      for (int c = 0; c < 3; ++c) first.emplace_back(backend, layout.extent(n));
      for (std::size_t c = 0; c < 3; ++c) args.first_moment[c] = first[c].view();
      args.second_moment = second[0].view();
      args.direction = direction[0].view();
    }
    args.gradient = gradient.view();
    args.range = {0, n[2]};
  }
  float step(ops::Backend& backend, int iteration, double sigma, const Vectors& g,
             double sigma_warp) {
    gradient.set(g);
    args.step = iteration;
    args.sigma_voxels = sigma;
    args.epsilon = 1e-3F;
    args.incoherence_damping = 0.3F;
    const float largest = backend.direction(args);
    ops::ComposeArgs compose;
    compose.direction = args.direction;
    if (args.moments) compose.from_moments = &args;
    compose.displacement = u.view();
    compose.out = out.view();
    compose.range = args.range;
    compose.scale = -0.5F / std::max(1.0F, largest);
    compose.sigma_voxels = sigma_warp;
    compose.short_step = true;
    backend.compose(compose);
    u.set(out.get());
    return largest;
  }
  DeviceField gradient, u, out;
  std::vector<DeviceField> direction;
  std::vector<DeviceArray<std::uint64_t>> moments;
  std::vector<DeviceArray<math::Bfloat16>> first;
  std::vector<DeviceArray<float>> second;
  ops::DirectionArgs args;
};

class CudaUpdate : public test::GpuTest {};

TEST_F(CudaUpdate, wordsAreFilledExactlyAsManyAsAsked) {
  for (const std::int64_t n : {1, 31, 257, 100003}) {
    const auto bytes = static_cast<std::size_t>(n + 1) * sizeof(std::uint64_t);
    const ops::Array array = gpu_->allocate(bytes);
    gpu_->fill_words(array.as<std::uint64_t>(), math::kPackedZero, n);
    std::vector<std::uint64_t> host(static_cast<std::size_t>(n + 1));
    gpu_->download(host.data(), array.data(), bytes);
    EXPECT_EQ(std::count(host.begin(), host.end(), math::kPackedZero), n);
    EXPECT_EQ(host.back(), 0U);
  }
}

TEST_F(CudaUpdate, largeDownloadsArriveWholeAndInOrder) {
  // Around the size from which downloads go through page-locked pieces, and ends within a piece.
  for (const std::size_t bytes : {std::size_t{32} << 20U, (std::size_t{32} << 20U) - 1,
                                  (std::size_t{40} << 20U) + 3, (std::size_t{61} << 20U) + 777}) {
    std::vector<std::byte> out(bytes), in(bytes);
    std::mt19937 random(static_cast<unsigned>(bytes));
    for (std::byte& b : out) b = static_cast<std::byte>(random());
    const ops::Array array = gpu_->allocate(bytes);
    gpu_->upload(array.data(), out.data(), bytes);
    gpu_->download(in.data(), array.data(), bytes);
    EXPECT_TRUE(in == out);
  }
}

TEST_F(CudaUpdate, directionAndComposeMatchTheCpu) {
  for (const Size3& n : kSizes)
    for (const double sigma : {0.7, 1.5, 0.0})
      for (const std::int64_t gap : {0, 3}) {
        SCOPED_TRACE(testing::Message() << n[0] << "x" << n[1] << "x" << n[2] << " " << sigma);
        const Layout layout{gap, 0, -1};
        const Vectors start = waves(n, 1.3, 0.0, 1);
        Optimiser device(*gpu_, n, layout, start), host(*cpu_, n, layout, start);
        for (int i = 1; i <= 3; ++i) {
          const Vectors g = waves(n, 0.5, 0.2, static_cast<unsigned>(i));
          const float a = device.step(*gpu_, i, sigma, g, 0.65);
          const float b = host.step(*cpu_, i, sigma, g, 0.65);
          EXPECT_NEAR(a, b, 0.02 * b);
        }
        // Moments of 8 bits (whose squares weigh the agreement), words of 1/2048 voxel: of steps of
        // half a voxel, a hundredth.
        EXPECT_LT(largest_difference(device.u.get(), host.u.get()), 0.03);
        EXPECT_LT(mean_difference(device.u.get(), host.u.get()), 0.006);
        EXPECT_GT(largest_difference(device.u.get(), start), 0.1);
      }
}

TEST_F(CudaUpdate, directionAndComposeRepeatBitForBit) {
  const Size3 n{67, 35, 41};
  const Vectors start = waves(n, 1.3, 0.1, 1), g = waves(n, 0.5, 0.2, 2);
  Optimiser first(*gpu_, n, {}, start), second(*gpu_, n, {}, start);
  EXPECT_EQ(first.step(*gpu_, 1, 0.7, g, 0.65), second.step(*gpu_, 1, 0.7, g, 0.65));
  EXPECT_EQ(first.u.words(), second.u.words());
}

TEST_F(CudaUpdate, fieldsWithoutFoldsAreLeftAlone) {
  for (const Size3& n : kSizes) {
    DeviceField u(*gpu_, Layout{}.extent(n), Form::displacement);
    u.set(waves(n, 0.5, 0.0, 3));
    const std::vector<std::uint64_t> before = u.words();
    const ops::FoldRepair report = gpu_->repair_folds({u.view(), {0, n[2]}, 0.1F, 20});
    EXPECT_EQ(report.found, 0);
    EXPECT_EQ(report.remaining, 0);
    EXPECT_EQ(u.words(), before);
  }
}

TEST_F(CudaUpdate, foldsAreFoundAndRepairedAsOnTheCpu) {
  for (const Size3& n : kSizes)
    for (const double grain : {0.45, 0.9}) {
      SCOPED_TRACE(testing::Message() << n[0] << "x" << n[1] << "x" << n[2] << " " << grain);
      const Layout layout{2, 0, -1};
      DeviceField device(*gpu_, layout.extent(n), Form::displacement),
          host(*cpu_, layout.extent(n), Form::displacement);
      const Vectors start = waves(n, 1.0, grain, 4);
      device.set(start);
      host.set(start);
      const ops::FoldRepair a = gpu_->repair_folds({device.view(), {0, n[2]}, 0.1F, 40});
      const ops::FoldRepair b = cpu_->repair_folds({host.view(), {0, n[2]}, 0.1F, 40});
      EXPECT_EQ(a.found, b.found);
      // Words round, so that late sweeps may see other voxels below the minimum.
      EXPECT_NEAR(static_cast<double>(a.remaining), static_cast<double>(b.remaining),
                  0.05 * static_cast<double>(b.found) + 3);
      EXPECT_LT(mean_difference(device.get(), host.get()), 0.02);
    }
}

TEST_F(CudaUpdate, oneFoldIsRepairedOnTheSpot) {
  const Size3 n{67, 35, 41};
  Vectors start = waves(n, 0.3, 0.0, 5);
  const std::size_t place = (20 * 35 + 17) * 67 + 32;
  start[0][place] += 3.0F;
  DeviceField u(*gpu_, Layout{}.extent(n), Form::displacement);
  u.set(start);
  const ops::FoldRepair report = gpu_->repair_folds({u.view(), {0, n[2]}, 0.1F, 40});
  EXPECT_GT(report.found, 0);
  EXPECT_EQ(report.remaining, 0);
  const Vectors after = u.get();
  for (std::int64_t z = 0; z < n[2]; ++z)
    for (std::int64_t y = 0; y < n[1]; ++y)
      for (std::int64_t x = 0; x < n[0]; ++x)
        if (std::abs(x - 32) > 12 || std::abs(y - 17) > 12 || std::abs(z - 20) > 12) {
          const auto i = static_cast<std::size_t>((z * n[1] + y) * n[0] + x);
          ASSERT_EQ(after[0][i], start[0][i]);
        }
}

TEST_F(CudaUpdate, repairRepeatsBitForBit) {
  const Size3 n{67, 35, 41};
  const Vectors start = waves(n, 1.0, 0.9, 6);
  DeviceField first(*gpu_, Layout{}.extent(n), Form::displacement),
      second(*gpu_, Layout{}.extent(n), Form::displacement);
  first.set(start);
  second.set(start);
  gpu_->repair_folds({first.view(), {0, n[2]}, 0.1F, 20});
  gpu_->repair_folds({second.view(), {0, n[2]}, 0.1F, 20});
  EXPECT_EQ(first.words(), second.words());
}

TEST_F(CudaUpdate, inverseMatchesTheCpu) {
  for (const Size3& n : kSizes) {
    SCOPED_TRACE(testing::Message() << n[0] << "x" << n[1] << "x" << n[2]);
    const Layout layout{1, 0, -1};
    DeviceField device(*gpu_, layout.extent(n), Form::displacement),
        device_out(*gpu_, layout.extent(n), Form::displacement),
        host(*cpu_, layout.extent(n), Form::displacement),
        host_out(*cpu_, layout.extent(n), Form::displacement);
    const Vectors u = waves(n, 1.5, 0.05, 7);
    device.set(u);
    host.set(u);
    gpu_->invert({device.view(), device_out.view(), {0, n[2]}, 60, 1e-3});
    cpu_->invert({host.view(), host_out.view(), {0, n[2]}, 60, 1e-3});
    EXPECT_LT(largest_difference(device_out.get(), host_out.get()), 5e-3);
  }
}

TEST_F(CudaUpdate, inversesOfASteepFieldMatchTheCpuAndThoseOfItsSlabs) {
  // A whirl without folds (tst_apply), where plain steps lead away.
  const Size3 n{48, 48, 40};
  Vectors u;
  for (std::int64_t z = 0; z < n[2]; ++z)
    for (std::int64_t y = 0; y < n[1]; ++y)
      for (std::int64_t x = 0; x < n[0]; ++x) {
        const double along[3] = {4 * std::tanh(0.35 * static_cast<double>(y - 24)) / 0.35,
                                 -4 * std::tanh(0.35 * static_cast<double>(x - 24)) / 0.35,
                                 1.5 * std::sin(0.3 * static_cast<double>(x + y + z))};
        for (std::size_t c = 0; c < 3; ++c)
          u[c].push_back(static_cast<float>(std::round(along[c] * 2048) / 2048));
      }
  const auto invert = [&](ops::Backend& backend, const Layout& layout, ops::ZRange range) {
    DeviceField forward(backend, layout.extent(n), Form::displacement),
        out(backend, Layout{0, range.begin, range.end}.extent(n), Form::displacement);
    forward.set(u);
    ops::InvertArgs args{forward.view(), out.view(), range};
    args.farthest = {12, 12, 1.51F};
    backend.invert(args);
    return out.get();
  };
  const Vectors whole = invert(*gpu_, {}, {0, n[2]}), host = invert(*cpu_, {}, {0, n[2]}),
                slab = invert(*gpu_, {0, 16 - 5, 24 + 5}, {16, 24});
  const std::int64_t plane = n[0] * n[1];
  double worst = 0;
  for (std::int64_t i = 0; i < plane * n[2]; ++i) {
    const std::int64_t x = i % n[0], y = i / n[0] % n[1], z = i / plane;
    if (x < 14 || x >= 34 || y < 14 || y >= 34 || z < 3 || z >= n[2] - 3) continue;
    for (std::size_t c = 0; c < 3; ++c)
      worst = std::max(worst, std::abs(static_cast<double>(whole[c][static_cast<std::size_t>(i)]) -
                                       static_cast<double>(host[c][static_cast<std::size_t>(i)])));
  }
  EXPECT_LT(worst, 5e-3);
  for (std::size_t c = 0; c < 3; ++c)
    EXPECT_TRUE(std::equal(slab[c].begin(), slab[c].end(),
                           whole[c].begin() + static_cast<std::ptrdiff_t>(16 * plane)));
}

TEST_F(CudaUpdate, upsampledFieldsMatchTheCpu) {
  for (const Size3& n : kSizes) {
    SCOPED_TRACE(testing::Message() << n[0] << "x" << n[1] << "x" << n[2]);
    Size3 coarse{};
    for (std::size_t a = 0; a < 3; ++a) coarse[a] = (n[a] + 1) / 2;
    const Layout layout{1, 0, -1};
    const auto run = [&](ops::Backend& backend) {
      DeviceField in(backend, layout.extent(coarse), Form::displacement),
          out(backend, Layout{}.extent(n), Form::displacement);
      in.set(waves(coarse, 1.5, 0.2, 8));
      backend.upsample_field(
          {in.view(), out.view(), {0.5, 0.5, 0.5}, {-0.25, -0.25, -0.25}, {0, n[2]}});
      return out.get();
    };
    EXPECT_LT(largest_difference(run(*gpu_), run(*cpu_)), 4e-4);
  }
}

TEST_F(CudaUpdate, downsampledImagesMatchTheCpu) {
  for (const Size3& n : kSizes)
    for (const ScalarType type :
         {ScalarType::u8, ScalarType::i8, ScalarType::u16, ScalarType::i16, ScalarType::f32})
      for (const int shrink : {1, 2, 3, 8}) {
        SCOPED_TRACE(testing::Message() << n[0] << "x" << n[1] << "x" << n[2] << " by " << shrink);
        const Vectors v = waves(n, 1.5, 0.3, 9);
        const std::vector<double> values(v[0].begin(), v[0].end());
        Size3 coarse{};
        for (std::size_t a = 0; a < 3; ++a) coarse[a] = (n[a] + shrink - 1) / shrink;
        const auto run = [&](ops::Backend& backend) {
          const test::DeviceImageOf in(backend, Layout{3, 0, -1}.extent(n), values, type);
          DeviceArray<float> out(backend, Layout{1, 0, -1}.extent(coarse), 1e30F);
          const double sigma = shrink > 1 ? 0.45 * shrink : 0.0;
          backend.downsample({in.view(),
                              out.view(),
                              {shrink, shrink, shrink},
                              {sigma, sigma, sigma},
                              {0, coarse[2]}});
          out.fetch();
          std::vector<float> got;
          out.for_each(
              [&](std::int64_t, std::int64_t, std::int64_t, float f) { got.push_back(f); });
          return got;
        };
        const std::vector<float> device = run(*gpu_), host = run(*cpu_);
        for (std::size_t i = 0; i < host.size(); ++i) ASSERT_NEAR(device[i], host[i], 1e-5);
      }
}

TEST_F(CudaUpdate, voxelsOutsideOneSideCountOnNeither) {
  for (const Size3& n : kSizes) {
    const ops::Extent e = Layout{2, 0, -1}.extent(n);
    DeviceArray<float> a(*gpu_, e), b(*gpu_, e);
    double both = 0;
    const auto holes = [&](DeviceArray<float>& array, std::int64_t period) {
      array.for_each([&](std::int64_t x, std::int64_t y, std::int64_t z, float& v) {
        v = (x + 3 * y + 5 * z) % period == 0 ? std::nanf("") : 1.0F;
      });
      array.send();
    };
    holes(a, 7);
    holes(b, 11);
    for (std::int64_t z = 0; z < n[2]; ++z)
      for (std::int64_t y = 0; y < n[1]; ++y)
        for (std::int64_t x = 0; x < n[0]; ++x)
          both += (x + 3 * y + 5 * z) % 7 != 0 && (x + 3 * y + 5 * z) % 11 != 0 ? 1 : 0;
    EXPECT_EQ(gpu_->keep_common(a.view(), b.view(), {0, n[2]}), both);
    a.fetch();
    b.fetch();
    a.for_each([&](std::int64_t x, std::int64_t y, std::int64_t z, float v) {
      ASSERT_EQ(std::isnan(v), std::isnan(b.at(x, y, z)));
    });
  }
}

}  // namespace
}  // namespace gigawarp
