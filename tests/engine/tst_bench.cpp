#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "bench/bench.h"
#include "bench/problem.h"
#include "bench/stopwatch.h"
#include "shard/communicator.h"
#include "support/forwarding_backend.h"

/// The benchmark: its made-up problem has the map that it says, and rows hold what is theirs.
namespace gigawarp {
namespace {

double interpolated(const Volume& v, const Vec3& p) {
  std::int64_t low[3];
  double f[3];
  for (std::size_t a = 0; a < 3; ++a) {
    low[a] = static_cast<std::int64_t>(std::floor(p[a]));
    f[a] = p[a] - static_cast<double>(low[a]);
  }
  double sum = 0;
  for (int corner = 0; corner < 8; ++corner) {
    const int x = corner & 1, y = corner >> 1 & 1, z = corner >> 2 & 1;
    sum += (x != 0 ? f[0] : 1 - f[0]) * (y != 0 ? f[1] : 1 - f[1]) * (z != 0 ? f[2] : 1 - f[2]) *
           v.value(low[0] + x, low[1] + y, low[2] + z);
  }
  return sum;
}

/// Root mean square of moving(A(x + share·u(x))) − fixed(x) inside the ellipsoid.
double mismatch(const bench::Problem& problem, double share) {
  const Size3 n = problem.fixed.grid().size;
  double sum = 0, count = 0;
  for (std::int64_t z = 0; z < n[2]; z += 2)
    for (std::int64_t y = 0; y < n[1]; y += 2)
      for (std::int64_t x = 0; x < n[0]; x += 2) {
        const Vec3 p{static_cast<double>(x), static_cast<double>(y), static_cast<double>(z)};
        if (!problem.shows_scene(p[0], p[1], p[2])) continue;
        const Vec3 u = problem.displacement(p[0], p[1], p[2]);
        const Vec3 q = problem.moving_from_fixed(
            {p[0] + share * u[0], p[1] + share * u[1], p[2] + share * u[2]});
        const double d = interpolated(problem.moving, q) - problem.fixed.value(x, y, z);
        sum += d * d;
        ++count;
      }
  return std::sqrt(sum / count);
}

TEST(Bench, movingShowsFixedUnderTheKnownMap) {
  const bench::Problem problem({112, 96, 104}, 3);
  // Noise of at most 25 on both sides, 14.4 each, and what interpolation loses of the texture.
  EXPECT_LT(mismatch(problem, 1), 25);
  EXPECT_GT(mismatch(problem, 0.9), 1.15 * mismatch(problem, 1));
  EXPECT_GT(mismatch(problem, 1.1), 1.15 * mismatch(problem, 1));
}

TEST(Bench, planesHoldTheDisplacement) {
  const bench::Problem problem({40, 24, 32}, 5);
  constexpr std::int64_t kPlane = 40 * 24;
  std::vector<float> x(3 * kPlane), y(x), z(x);
  float* const component[3] = {x.data(), y.data(), z.data()};
  problem.displacement_planes(7, 10, 0.5, component);
  for (std::int64_t i = 0; i < 3 * kPlane; ++i) {
    const std::int64_t row = i / 40, plane = 7 + i / kPlane;
    const Vec3 u = problem.displacement(static_cast<double>(i % 40), static_cast<double>(row % 24),
                                        static_cast<double>(plane));
    for (int c = 0; c < 3; ++c)
      ASSERT_NEAR(component[c][i], 0.5 * u[static_cast<std::size_t>(c)], 1e-4);
  }
}

TEST(Bench, threadsDoNotShowInTheVolumes) {
  std::vector<Volume> volumes;
  for (const int threads : {1, 2})
    with_threads(threads, [&] { volumes.push_back(bench::Problem({33, 21, 17}).moving); });
  EXPECT_EQ(std::memcmp(volumes[0].data(), volumes[1].data(), volumes[0].bytes()), 0);
}

/// Counts what is allocated, as GPUs do.
class CountingBackend final : public test::ForwardingBackend {
 public:
  CountingBackend() : ForwardingBackend(ops::make_cpu_backend()) {}
  ops::Array allocate(std::size_t bytes) override {
    used_ += bytes;
    peak_ = std::max(peak_, used_);
    auto array = std::make_shared<ops::Array>(ForwardingBackend::allocate(bytes));
    return {array->data(), bytes, [this, array, bytes](std::byte*) { used_ -= bytes; }};
  }
  std::uint64_t peak_bytes() const override { return peak_; }
  void forget_peak() override { peak_ = used_; }

 private:
  std::uint64_t used_ = 0, peak_ = 0;
};

bench::Report report_of_a_thousand_voxels() {
  bench::Report report;
  report.size = {10, 10, 10};
  report.repeats = 2;
  report.copy_gb_per_s = 1;
  return report;
}

TEST(Bench, aRowHasItsOwnPeak) {
  CountingBackend backend;
  bench::Report report = report_of_a_thousand_voxels();
  const std::function<void(const bench::Row&)> nobody;
  bench::Stopwatch stopwatch(report, nobody, backend);
  { const ops::Array of_the_copy = backend.allocate(9'000'000); }
  const ops::Array kept = backend.allocate(2000);
  stopwatch.measure("large", {1, 1}, [&] { const ops::Array a = backend.allocate(50000); });
  stopwatch.measure("small", {1, 1}, [&] { const ops::Array a = backend.allocate(3000); });
  stopwatch.measure("none", {1, 1}, [] {});
  EXPECT_EQ(report.rows[0].peak_bytes_per_voxel, 52.0);
  EXPECT_EQ(report.rows[1].peak_bytes_per_voxel, 5.0);
  EXPECT_EQ(report.rows[2].peak_bytes_per_voxel, 2.0);
  EXPECT_EQ(report.device_peak_bytes, 9'000'000U) << "of the whole run";
}

/// Two devices that wait for as long as they are told.
class WaitingBackend final : public test::ForwardingBackend {
 public:
  WaitingBackend() : ForwardingBackend(ops::make_cpu_backend()) {}
  void wait(double seconds) { seconds_ += seconds; }
  ops::GridTimes take_grid_times() override {
    const double taken = std::exchange(seconds_, 0);
    const auto bytes = static_cast<std::uint64_t>(10 * taken);
    return {taken, {0, 0}, {taken, taken}, {bytes, bytes}};
  }

 private:
  double seconds_ = 0;
};

TEST(Bench, waitsOfTheCallThatIsNotTimedDoNotCount) {
  WaitingBackend backend;
  bench::Report report = report_of_a_thousand_voxels();
  report.repeats = 3;
  const double of_each[] = {700, 2, 90, 2};
  const double* next = of_each;
  bench::Stopwatch(report, {}, backend).measure("any", {1, 1}, [&] { backend.wait(*next++); });
  EXPECT_DOUBLE_EQ(report.rows.front().waiting_milliseconds, 2000) << "the median, as of the times";
  EXPECT_DOUBLE_EQ(report.rows.front().communication_milliseconds, 2000);
  EXPECT_DOUBLE_EQ(report.rows.front().received_bytes, 20);
}

TEST(Bench, peaksThatNobodyMeasuresAreNotThere) {
  const auto backend = ops::make_cpu_backend();
  bench::Report report = report_of_a_thousand_voxels();
  bench::Stopwatch(report, {}, *backend).measure("any", {1, 1}, [] {});
  EXPECT_FALSE(report.rows.front().peak_bytes_per_voxel.has_value());
}

TEST(Bench, theCopyOfARankIsNotInThePeakOfItsRows) {
  bench::Spec spec;
  spec.size = {64, 64, 64};
  spec.device = "mpi:cpu";
  spec.repeats = 1;
  spec.metrics = {MetricKind::mse};
  const auto communicators = shard::make_thread_communicators(1);
  spec.ranks = communicators.front().get();
  const bench::Report report = bench::run(spec);
  ASSERT_FALSE(report.rows.empty());
  for (const bench::Row& row : report.rows) {
    EXPECT_GT(row.peak_bytes_per_voxel.value_or(0), 15) << row.operation;
    EXPECT_LT(row.peak_bytes_per_voxel.value_or(1e9), 70) << row.operation;
  }
  EXPECT_GE(report.device_peak_bytes, bench::kCopyBytes);
}

}  // namespace
}  // namespace gigawarp
