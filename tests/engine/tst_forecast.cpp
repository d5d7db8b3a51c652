#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "solve/forecast.h"
#include "support/scene.h"

/// What a run of given sizes is said to need.
namespace gigawarp {
namespace {

using test::stage;

Grid cube(std::int64_t side) {
  Grid grid;
  grid.size = {side, side, side};
  return grid;
}

/// To full resolution by MI, of which only state and images count.
JobSpec unmasked_job(const std::string& device) {
  JobSpec job;
  job.stages = {stage(StageKind::greedy, MetricKind::mi, {{2, 10}, {1, 20}})};
  job.device = device;
  job.fixed_mask = kNoMask;
  return job;
}

TEST(Forecast, severalGpusShareTheMemoryOfOne) {
  const Grid grid = cube(1024);
  JobSpec job;
  job.stages = {stage(StageKind::greedy, MetricKind::lncc, {{2, 10}, {1, 2000}})};
  job.device = "cuda:0";
  const auto one = solve::forecast(grid, grid, ScalarType::u16, ScalarType::u16, job, {1.0});
  ASSERT_EQ(one.slabs.size(), 1U);
  EXPECT_EQ(one.slabs[0].bytes, one.device_bytes);
  job.device = "cuda:0,1,2,3";
  const auto four =
      solve::forecast(grid, grid, ScalarType::u16, ScalarType::u16, job, {0.4, 0.2, 0.2, 0.2});
  ASSERT_EQ(four.slabs.size(), 4U);
  EXPECT_EQ(four.slabs[0].z_end, 408);  // 409.6, at a multiple of four
  EXPECT_EQ(four.slabs[3].z_end, 1024);
  const auto all = static_cast<double>(one.device_bytes);
  EXPECT_NEAR(static_cast<double>(four.slabs[0].bytes), 0.41 * all, 0.03 * all);
  for (std::size_t i = 1; i < 4; ++i) {
    EXPECT_EQ(four.slabs[i].z_begin, four.slabs[i - 1].z_end);
    EXPECT_NEAR(static_cast<double>(four.slabs[i].bytes), 0.2 * all, 0.03 * all);
  }
  EXPECT_EQ(four.device_bytes, four.slabs[0].bytes);
  EXPECT_LT(four.seconds, 0.5 * one.seconds);
  const Grid little = cube(100);  // the first alone
  const auto small = solve::forecast(little, little, ScalarType::u16, ScalarType::u16, job,
                                     {0.25, 0.25, 0.25, 0.25});
  EXPECT_EQ(small.slabs[0].z_end, 100);
  EXPECT_EQ(small.slabs[2].z_end, 0);
}

TEST(Forecast, countsMasksOnAGpu) {
  const Grid grid = cube(1024);
  const auto voxels = static_cast<double>(grid.voxel_count());
  JobSpec job = unmasked_job("cuda:0");
  const auto bytes = [&](const std::string& fixed_mask, const std::string& moving_mask) {
    job.fixed_mask = fixed_mask;
    job.moving_mask = moving_mask;
    return static_cast<double>(
        solve::forecast(grid, grid, ScalarType::u16, ScalarType::u16, job, {1.0}).device_bytes);
  };
  const double none = bytes(kNoMask, kNoMask);
  EXPECT_NEAR(bytes("a", kNoMask) - none, voxels, 0.01 * voxels);
  EXPECT_NEAR(bytes("a", "b") - none, 2 * voxels, 0.01 * voxels);
  EXPECT_NEAR(bytes("", "") - none, voxels, 0.01 * voxels);  // it may mask itself
}

TEST(Forecast, countsTheLevelThatAFinerMovingImageHasWhereTheFixedOneIsWhole) {
  const Grid fixed = cube(512);
  Grid moving = cube(1024);
  for (int a = 0; a < 3; ++a) moving.world_from_voxel.linear[a][a] = 0.5;
  const JobSpec job = unmasked_job("cuda:0");
  const auto bytes = [&](const Grid& other) {
    return static_cast<double>(
        solve::forecast(fixed, other, ScalarType::u16, ScalarType::u16, job, {1.0}).device_bytes);
  };
  // Seven times its voxels more of 2 bytes, and one level of 4.
  const auto voxels = static_cast<double>(fixed.voxel_count());
  EXPECT_NEAR(bytes(moving) - bytes(fixed), (7 * 2 + 4) * voxels, 0.05 * voxels);
}

TEST(Forecast, countsWhatARankReachesOfTheMovingImage) {
  const Grid grid = cube(1024);
  const auto voxels = static_cast<double>(grid.voxel_count());
  const std::vector<double> shares(8, 0.125);
  const auto bytes = [&](const char* device, const Grid& moving) {
    return static_cast<double>(solve::forecast(grid, moving, ScalarType::u16, ScalarType::u16,
                                               unmasked_job(device), shares)
                                   .slabs[3]
                                   .bytes);
  };
  const double window = bytes("mpi:cuda", grid) - bytes("cuda:0,1,2,3,4,5,6,7", grid);
  EXPECT_GT(window, 2 * voxels * 0.17);  // a slab's eighth and its margins, u16
  EXPECT_LT(window, 2 * voxels * 0.8);   // and what is packed, tables
  // Of a moving image half as wide a slab covers a quarter.
  const Grid half = cube(512);
  const double of_half = bytes("mpi:cuda", half) - bytes("cuda:0,1,2,3,4,5,6,7", half);
  EXPECT_GT(of_half, 2 * voxels / 8 * 0.35);
}

TEST(Forecast, countsTheInverseThatRankZeroTakesToCarryFixedLabels) {
  const Grid grid = cube(512);
  JobSpec job = unmasked_job("mpi:cpu");
  const std::vector<double> shares(8, 0.125);
  const auto bytes = [&](std::size_t label_bytes) {
    job.fixed_labels = label_bytes > 0 ? "areas.nii" : "";
    solve::Companions companions;
    companions.fixed_label_bytes = label_bytes;
    return static_cast<double>(solve::forecast(grid, grid, ScalarType::u16, ScalarType::u16, job,
                                               shares, {true, true}, companions)
                                   .peak_bytes);
  };
  EXPECT_GT(bytes(2) - bytes(0), 6.0 * static_cast<double>(grid.voxel_count()));
}

}  // namespace
}  // namespace gigawarp
