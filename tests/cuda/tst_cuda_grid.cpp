#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>
#include <string>

#include "ops/grid_members.h"
#include "solve/registration.h"
#include "support/backend_problem.h"
#include "support/gpu.h"
#include "support/slab_runs.h"

/// One registration over several GPUs, to the bits of one. Where there is but one, it takes part
/// several times: the same code, without the links between them.
namespace gigawarp {
namespace {

using test::MetricResult;
using test::ProblemOptions;

class CudaGrid : public test::GpusTest {
 protected:
  /// Every volume, however small, is cut.
  static std::unique_ptr<ops::Backend> grid(std::int64_t small_voxels = 0, bool uneven = false) {
    ops::GridMembers members = ops::make_cuda_members(GetParam(), 0);
    members.small_voxels = small_voxels;
    if (uneven) {
      const double least = 0.4 / static_cast<double>(members.shares.size());
      std::fill(members.shares.begin(), members.shares.end(), least);
      members.shares.back() = 1 - least * static_cast<double>(members.shares.size() - 1);
    }
    return ops::make_grid_backend(std::move(members));
  }
  void expect_same_bits(const std::vector<StageSpec>& stages, std::int64_t small_voxels = 0,
                        bool uneven = false, const Affine& turn = {}) {
    const test::TurnedPair pair({67, 71, 133}, {71, 129, 130}, 1.0, turn);
    const JobSpec job = test::job_of(stages, Initialisation::transform);
    const std::string one = test::run_on(*gpu_, pair.input(), job);
    const auto many = grid(small_voxels, uneven);
    EXPECT_TRUE(test::run_on(*many, pair.input(), job) == one);
  }
};

TEST_P(CudaGrid, copiesCrossTheBordersBetweenGpus) {
  const auto many = grid();
  constexpr std::size_t kBytes = (std::size_t{23} << 20U) + 12345;  // several pages, and a piece
  std::vector<std::uint8_t> out(kBytes), in(kBytes);
  for (std::size_t i = 0; i < kBytes; ++i) out[i] = static_cast<std::uint8_t>(i * 7 + i / 1000);
  const ops::Array a = many->allocate_volume(kBytes, 1), b = many->allocate_volume(kBytes, 1);
  many->download(in.data(), a.data(), kBytes);
  EXPECT_EQ(std::accumulate(in.begin(), in.end(), 0), 0);
  many->upload(a.data(), out.data(), kBytes);
  many->copy(b.data() + 4096, a.data() + 999, kBytes - 5000);
  many->download(in.data(), b.data(), kBytes);
  EXPECT_EQ(std::memcmp(in.data() + 4096, out.data() + 999, kBytes - 5000), 0);
  EXPECT_EQ(in[4095], 0);
  many->fill_words(b.as<std::uint64_t>(), 0x0505050505050505U, kBytes / 8);
  many->download(in.data(), b.data(), kBytes);
  EXPECT_EQ(std::accumulate(in.begin(), in.begin() + kBytes / 8 * 8, std::uint64_t{0}),
            std::uint64_t{5} * (kBytes / 8 * 8));
}

TEST_P(CudaGrid, memoryIsSharedOutAndGivenBack) {
  constexpr std::size_t kBytes = std::size_t{512} << 20U;
  const auto many = grid();
  { const ops::Array a = many->allocate_volume(kBytes, 1); }
  const auto peaks = many->peak_bytes_of_each();
  ASSERT_EQ(peaks.size(), GetParam().size());
  for (const std::uint64_t peak : peaks)
    EXPECT_NEAR(static_cast<double>(peak),
                static_cast<double>(kBytes) / static_cast<double>(peaks.size()), 5e6);
  { const ops::Array a = many->allocate_volume(kBytes, 1); }
  EXPECT_EQ(many->peak_bytes_of_each(), peaks);
}

TEST_P(CudaGrid, metricsGiveTheBitsOfOneGpu) {
  const auto many = grid();
  for (const Size3& n : {Size3{67, 35, 141}, Size3{33, 29, 5}, Size3{19, 1, 70}})
    for (const bool to_field : {true, false}) {
      SCOPED_TRACE(std::to_string(n[2]) + (to_field ? " to a field" : " to parameters"));
      const reference::Problem p = test::quantised(reference::make_problem(n, n, 5));
      ProblemOptions options;
      options.to_field = to_field;
      const auto same = [&](const std::function<MetricResult(test::BackendProblem&)>& metric) {
        test::BackendProblem one(*gpu_, p, options), cut(*many, p, options);
        const MetricResult a = metric(one), b = metric(cut);
        EXPECT_EQ(a.value, b.value);
        EXPECT_EQ(a.count, b.count);
        EXPECT_EQ(a.reported_count, b.reported_count);
        EXPECT_TRUE(a.words == b.words);
        EXPECT_EQ(a.histogram.counts, b.histogram.counts);
        EXPECT_EQ(std::memcmp(a.linear, b.linear, sizeof a.linear), 0);
      };
      same([](test::BackendProblem& b) { return b.lncc(2); });
      same([](test::BackendProblem& b) { return b.lncc(5); });
      same([](test::BackendProblem& b) { return b.lncc(2, WindowKind::gaussian); });
      same([](test::BackendProblem& b) { return b.mi(32); });
      same([](test::BackendProblem& b) { return b.mse(); });
    }
}

TEST_P(CudaGrid, affineStagesGiveTheBitsOfOneGpu) {
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi, MetricKind::mse})
    expect_same_bits({test::whole_stage(StageKind::affine, metric, {{2, 10}, {1, 5}})});
}

TEST_P(CudaGrid, greedyGivesTheBitsOfOneGpu) {
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi, MetricKind::mse})
    expect_same_bits({test::whole_stage(StageKind::greedy, metric, {{2, 20}, {1, 10}})});
}

TEST_P(CudaGrid, synGivesTheBitsOfOneGpu) {
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi, MetricKind::mse})
    expect_same_bits({test::whole_stage(StageKind::syn, metric, {{2, 10}, {1, 5}})});
}

TEST_P(CudaGrid, smallLevelsOnTheFirstGpuGiveTheSameBits) {
  expect_same_bits({test::whole_stage(StageKind::rigid, MetricKind::mi, {{2, 10}}),
                    test::whole_stage(StageKind::greedy, MetricKind::lncc, {{2, 20}, {1, 10}})},
                   200000);  // the coarse level has 82000 voxels, the fine one 630000
}

TEST_P(CudaGrid, aQuarterTurnAndUnequalSlabsGiveTheBitsOfOneGpu) {
  expect_same_bits({test::whole_stage(StageKind::greedy, MetricKind::lncc, {{2, 20}, {1, 10}})}, 0,
                   true, test::quarter_turn());
}

INSTANTIATE_TEST_SUITE_P(Gpus, CudaGrid,
                         testing::Values(std::vector<int>{0, 0, 0}, std::vector<int>{0, 1},
                                         std::vector<int>{1, 0}, std::vector<int>{0, 1, 2, 3},
                                         std::vector<int>{3, 1}),
                         [](const testing::TestParamInfo<std::vector<int>>& gpus) {
                           std::string name = "cuda";
                           for (const int n : gpus.param) name += "_" + std::to_string(n);
                           return name;
                         });

}  // namespace
}  // namespace gigawarp
