#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <numeric>

#include "gigawarp/error.h"
#include "ops/grid_members.h"
#include "shard/lanes.h"
#include "shard/partition.h"
#include "solve/registration.h"
#include "support/failing_device.h"
#include "support/forwarding_backend.h"
#include "support/memory_store.h"
#include "support/output_bytes.h"
#include "support/queued_members.h"
#include "support/scene.h"
#include "support/slab_pair.h"
#include "support/slab_runs.h"

/// One registration over several devices, to the bits of one. The devices are slabs on the CPU.
namespace gigawarp {
namespace {

using test::stage;

using test::job_of;
using test::kSlabCounts;
using test::run_on;

std::unique_ptr<ops::Backend> grid_of(int count) {
  return ops::make_grid_backend(ops::make_host_members(count));
}

TEST(Partition, slabsCoverTheVolumeOnceWhateverTheShares) {
  for (const std::int64_t planes : {1, 5, 8, 41, 1280})
    for (const std::int64_t multiple : {1, 4, 64})
      for (const std::vector<double>& shares :
           {std::vector<double>{1.0}, {0.5, 0.5}, {0.7, 0.1, 0.2}, {0.25, 0.25, 0.25, 0.25}}) {
        const std::vector<std::int64_t> borders = shard::slab_borders(planes, shares, multiple);
        ASSERT_EQ(borders.size(), shares.size() + 1);
        EXPECT_EQ(borders.front(), 0);
        EXPECT_EQ(borders.back(), planes);
        std::int64_t covered = 0;
        for (std::size_t i = 0; i < shares.size(); ++i) {
          EXPECT_TRUE(borders[i] % multiple == 0 || borders[i] == planes);
          const ops::ZRange slab = shard::slab_of(borders, i, {0, planes});
          EXPECT_EQ(slab.begin, covered);
          covered = slab.end;
          const double wanted = shares[i] * static_cast<double>(planes);
          EXPECT_LE(std::abs(static_cast<double>(slab.end - slab.begin) - wanted),
                    static_cast<double>(multiple));
        }
        EXPECT_EQ(covered, planes);
      }
}

TEST(Partition, partsOfARangeStayInside) {
  const std::vector<std::int64_t> borders = shard::slab_borders(40, {0.25, 0.5, 0.25}, 1);
  EXPECT_EQ(shard::slab_of(borders, 0, {12, 35}).begin, shard::slab_of(borders, 0, {12, 35}).end);
  EXPECT_EQ(shard::slab_of(borders, 1, {12, 35}).begin, 12);
  EXPECT_EQ(shard::slab_of(borders, 1, {12, 35}).end, 30);
  EXPECT_EQ(shard::slab_of(borders, 2, {12, 35}).begin, 30);
  EXPECT_EQ(shard::slab_of(borders, 2, {12, 35}).end, 35);
}

TEST(Partition, memoryIsCutWhereItsPagesBegin) {
  EXPECT_EQ(shard::byte_borders(1000, {0.5, 0.5}, 64), (std::vector<std::size_t>{0, 512, 1000}));
  EXPECT_EQ(shard::byte_borders(50, {0.5, 0.5}, 64), (std::vector<std::size_t>{0, 0, 50}));
}

class LanesOf : public testing::TestWithParam<bool> {};

TEST_P(LanesOf, everyLaneWorksOnceARoundAndErrorsComeOutOfTheRound) {
  shard::Lanes lanes(5, GetParam());
  std::size_t failed = 0;
  for (int round = 0; round < 200; ++round) {
    std::vector<int> done(5, 0);
    lanes.run([&](std::size_t i) { ++done[i]; }, failed);
    ASSERT_EQ(done, std::vector<int>(5, 1));
  }
  std::vector<int> done(5, 0);
  const auto work = [&](std::size_t i) {
    ++done[i];
    if (i == 3) throw Error(ErrorCode::device_fault, "Three failed.");
  };
  EXPECT_THROW(lanes.run(work, failed), Error);
  EXPECT_EQ(failed, 3U);
  EXPECT_EQ(done, std::vector<int>(5, 1));  // the others ended
  lanes.run([&](std::size_t i) { ++done[i]; }, failed);
  EXPECT_EQ(std::accumulate(done.begin(), done.end(), 0), 10);
}

INSTANTIATE_TEST_SUITE_P(ThreadsAndPool, LanesOf, testing::Values(true, false));

TEST(GridMemory, copiesCrossTheBordersBetweenDevices) {
  const auto grid = grid_of(3);
  constexpr std::size_t kBytes = 1003;
  std::vector<std::byte> out(kBytes), in(kBytes);
  for (std::size_t i = 0; i < kBytes; ++i) out[i] = static_cast<std::byte>(i * 7);
  const ops::Array a = grid->allocate_volume(kBytes, 1), b = grid->allocate_volume(kBytes, 1);
  EXPECT_EQ(static_cast<int>(a.as<char>()[kBytes - 1]), 0);
  grid->upload(a.data(), out.data(), kBytes);
  grid->copy(b.data() + 5, a.data() + 200, 700);
  grid->download(in.data(), b.data(), kBytes);
  EXPECT_EQ(std::memcmp(in.data() + 5, out.data() + 200, 700), 0);
  EXPECT_EQ(in[4], std::byte{0});
  EXPECT_EQ(in[705], std::byte{0});
  grid->fill_words(b.as<std::uint64_t>() + 2, 0x0102030405060708U, 100);
  grid->download(in.data(), b.data(), kBytes);
  EXPECT_EQ(in[16], std::byte{8});
  EXPECT_EQ(in[815], std::byte{1});
  EXPECT_NE(in[816], std::byte{8});
}

TEST(Grid, foldsAreRepairedAcrossSlabsAsOnOneDevice) {
  const Size3 n{35, 13, 17};
  std::vector<float> one = test::rough_field(n);
  const ops::FoldRepair expected =
      ops::make_cpu_backend()->repair_folds({test::view_of(one.data(), n), {0, n[2]}, 0.1F, 20});
  EXPECT_GT(expected.found, 100);
  for (const int count : kSlabCounts) {
    std::vector<float> many = test::rough_field(n);
    const ops::FoldRepair report =
        grid_of(count)->repair_folds({test::view_of(many.data(), n), {0, n[2]}, 0.1F, 20});
    EXPECT_EQ(report.found, expected.found);
    EXPECT_EQ(report.remaining, expected.remaining);
    EXPECT_TRUE(many == one) << count;
  }
}

using Pair = test::SlabPair;

void expect_same_bits(const std::vector<StageSpec>& stages, bool masked = false) {
  const Pair pair;
  const JobSpec job = job_of(stages);
  const std::string one = run_on(*ops::make_cpu_backend(), pair.input(masked), job);
  for (const int count : kSlabCounts)
    EXPECT_TRUE(run_on(*grid_of(count), pair.input(masked), job) == one)
        << count << " devices differ from one";
}

TEST(Grid, affineStagesGiveTheBitsOfOneDeviceByEveryMetric) {
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi, MetricKind::mse})
    expect_same_bits({stage(StageKind::affine, metric, {{2, 5}, {1, 3}})});
}

TEST(Grid, greedyGivesTheBitsOfOneDeviceByEveryMetric) {
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi, MetricKind::mse})
    expect_same_bits({stage(StageKind::greedy, metric, {{2, 5}, {1, 3}})});
}

TEST(Grid, synGivesTheBitsOfOneDeviceByEveryMetric) {
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi, MetricKind::mse})
    expect_same_bits({stage(StageKind::syn, metric, {{2, 3}, {1, 2}})});
}

TEST(Grid, wideWindowsAndMasksGiveTheBitsOfOneDevice) {
  StageSpec wide = stage(StageKind::greedy, MetricKind::lncc, {{2, 5}, {1, 3}});
  wide.metric.radius = 5;  // a halo of ten planes
  wide.metric.symmetric_gradient = true;
  wide.sigma_gradient_voxels = 3;
  expect_same_bits({stage(StageKind::rigid, MetricKind::mi, {{2, 5}}), wide}, true);
}

TEST(Grid, aQuarterTurnGivesTheBitsOfOneDevice) {
  const test::TurnedPair pair({27, 33, 41}, {29, 41, 38}, 2.0, test::quarter_turn());
  const JobSpec job = job_of({stage(StageKind::greedy, MetricKind::lncc, {{2, 5}, {1, 3}})},
                             Initialisation::transform);
  const std::string one = run_on(*ops::make_cpu_backend(), pair.input(), job);
  for (const int count : {2, 5}) EXPECT_TRUE(run_on(*grid_of(count), pair.input(), job) == one);
}

TEST(Grid, unequalSharesGiveTheBitsOfOneDevice) {
  const Pair pair;
  const JobSpec job = job_of({stage(StageKind::greedy, MetricKind::lncc, {{2, 5}, {1, 3}})});
  const std::string one = run_on(*ops::make_cpu_backend(), pair.input(false), job);
  ops::GridMembers members = ops::make_host_members(3);
  members.shares = {0.62, 0.05, 0.33};
  EXPECT_TRUE(run_on(*ops::make_grid_backend(std::move(members)), pair.input(false), job) == one);
}

TEST(Grid, everyDeviceForgetsItsPeak) {
  struct Member : test::ForwardingBackend {
    Member() : ForwardingBackend(ops::make_cpu_backend()) {}
    std::uint64_t peak_bytes() const override { return peak; }
    void forget_peak() override { peak = 3; }
    std::uint64_t peak = 1000;
  };
  ops::GridMembers members = ops::make_host_members(2);
  for (auto& member : members.backends) member = std::make_unique<Member>();
  const auto grid = ops::make_grid_backend(std::move(members));
  EXPECT_EQ(grid->peak_bytes(), 1000U);
  grid->forget_peak();
  EXPECT_EQ(grid->peak_bytes_of_each(), (std::vector<std::uint64_t>{3, 3}));
}

TEST(Grid, smallLevelsRunOnTheFirstDeviceWithTheSameBits) {
  const Pair pair;
  const JobSpec job = job_of({stage(StageKind::greedy, MetricKind::lncc, {{2, 5}, {1, 3}})});
  const std::string one = run_on(*ops::make_cpu_backend(), pair.input(false), job);
  ops::GridMembers members = ops::make_host_members(3);
  members.small_voxels = 20000;  // the coarse level has 18711, the fine one 36531
  const auto grid = ops::make_grid_backend(std::move(members));
  EXPECT_TRUE(run_on(*grid, pair.input(false), job) == one);
  const ops::GridTimes times = grid->take_grid_times();
  ASSERT_EQ(times.busy_seconds.size(), 3U);
  for (const double busy : times.busy_seconds) EXPECT_GT(busy, 0.0);
  EXPECT_GT(times.seconds, 0.0);
  EXPECT_EQ(grid->take_grid_times().seconds, 0.0);
}

TEST(Grid, devicesThatAreNotWaitedForGiveTheBitsOfOne) {
  const Pair pair;
  for (const StageKind kind : {StageKind::greedy, StageKind::syn})
    for (const std::int64_t small_voxels : {0, 20000}) {  // 20000: the coarse level is the first's
      const JobSpec job = job_of({stage(StageKind::rigid, MetricKind::mi, {{2, 5}}),
                                  stage(kind, MetricKind::lncc, {{2, 5}, {1, 3}})});
      const std::string one = run_on(*ops::make_cpu_backend(), pair.input(false), job);
      ops::GridMembers members = test::make_queued_members(3);
      members.small_voxels = small_voxels;
      EXPECT_TRUE(run_on(*ops::make_grid_backend(std::move(members)), pair.input(false), job) ==
                  one);
    }
}

TEST(Grid, aDeviceThatFailsEndsTheRunAndTheCheckpointGoesOnWithAnotherNumberOfDevices) {
  const Pair pair;
  const JobSpec job = job_of({stage(StageKind::rigid, MetricKind::mi, {{2, 5}}),
                              stage(StageKind::greedy, MetricKind::lncc, {{2, 6}, {1, 4}})});
  const std::string whole = test::fields_of(
      solve::register_volumes(pair.input(false), job, {}, *ops::make_cpu_backend()));
  test::MemoryStore store(9);
  solve::RunControl control;
  control.checkpoints = &store;
  ops::GridMembers members = ops::make_host_members(3);
  members.backends[1] = std::make_unique<test::FailingDevice>(6);
  const auto grid = ops::make_grid_backend(std::move(members));
  try {
    run_on(*grid, pair.input(false), job, control);
    FAIL() << "a run went on without one of its devices";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::device_fault);
    EXPECT_EQ(std::string(error.what()), "Device cpu slab 1: It fell off the bus.");
    EXPECT_EQ(error.subject(), "cpu slab 1");
  }
  ASSERT_TRUE(store.position());
  EXPECT_EQ(store.position()->stage, 1);  // within the greedy stage
  store.thaw();
  EXPECT_GT(store.position()->iteration, 0);
  auto resumed = solve::register_volumes(pair.input(false), job, control, *grid_of(5));
  EXPECT_TRUE(test::fields_of(std::move(resumed)) == whole);
}

TEST(Grid, devicesByNameGiveTheBitsOfTheCpu) {
  const Pair pair;
  JobSpec job;
  job.stages = {stage(StageKind::greedy, MetricKind::mi, {{2, 4}})};
  job.device = "cpu";
  const solve::RegistrationOutput one = solve::register_volumes(pair.input(false), job, {});
  job.device = "cpu:3";
  const solve::RegistrationOutput three = solve::register_volumes(pair.input(false), job, {});
  EXPECT_EQ(three.device, "cpu:3");
  EXPECT_TRUE(test::bytes_of(one) == test::bytes_of(three));
  for (const char* wrong : {"cpu:0", "cpu:900", "cpu:1,2", "cuda:", "cuda:0,,1", "gpu"}) {
    job.device = wrong;
    EXPECT_THROW(solve::register_volumes(pair.input(false), job, {}), Error) << wrong;
  }
}

}  // namespace
}  // namespace gigawarp
