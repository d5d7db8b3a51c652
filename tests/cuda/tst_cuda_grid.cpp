#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>
#include <string>
#include <utility>

#include "gigawarp/error.h"
#include "ops/grid_members.h"
#include "solve/registration.h"
#include "support/backend_problem.h"
#include "support/gpu.h"
#include "support/iteration_listener.h"
#include "support/memory_store.h"
#include "support/slab_runs.h"

/// One registration over several GPUs, to the bits of one. Where there is but one, it takes part
/// several times: the same code, without the links between them.
namespace gigawarp {
namespace {

using test::MetricResult;
using test::ProblemOptions;

/// What whole iterations leave behind, counted.
class CountedSteps final : public ops::GridSteps {
 public:
  struct Counts {
    int steps = 0;
    std::int64_t folds_found = 0, folds_left = 0;
  };
  CountedSteps(std::unique_ptr<ops::GridSteps> of, Counts& counts)
      : of_(std::move(of)), counts_(counts) {}
  int steps_ahead() const override { return of_->steps_ahead(); }
  bool can_queue(const ops::StepArgs& args) const override { return of_->can_queue(args); }
  std::size_t area_bytes(const ops::StepArgs& args) const override { return of_->area_bytes(args); }
  void begin(std::size_t member, const ops::GridStep& step) override { of_->begin(member, step); }
  void queue(std::size_t member, const ops::GridStep& step, const ops::StepPart& part) override {
    of_->queue(member, step, part);
  }
  void queue_numbers(std::size_t member, const ops::GridStep& step) override {
    of_->queue_numbers(member, step);
  }
  void wait(std::size_t member, int slot) override { of_->wait(member, slot); }
  ops::StepNumbers numbers(int slot) override {
    ops::StepNumbers numbers = of_->numbers(slot);
    ++counts_.steps;
    for (const ops::StepNumbers::Side& side : numbers.sides) {
      counts_.folds_found += side.folds.found;
      counts_.folds_left += side.folds.remaining;
    }
    return numbers;
  }

 private:
  std::unique_ptr<ops::GridSteps> of_;
  Counts& counts_;
};

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
  /// Of one stage, of which every iteration is queued.
  CountedSteps::Counts expect_same_steps(const StageSpec& stage,
                                         const solve::RegistrationInput& input) {
    const JobSpec job = test::job_of({stage}, Initialisation::transform);
    const std::string one = test::run_on(*gpu_, input, job);
    CountedSteps::Counts counts;
    ops::GridMembers members = ops::make_cuda_members(GetParam(), 0);
    members.small_voxels = 0;
    members.steps = std::make_unique<CountedSteps>(std::move(members.steps), counts);
    EXPECT_TRUE(test::run_on(*ops::make_grid_backend(std::move(members)), input, job) == one);
    int iterations = 0;
    for (const LevelSpec& level : stage.levels) iterations += level.iterations;
    EXPECT_EQ(counts.steps, iterations);
    return counts;
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
  many->forget_peak();
  for (const std::uint64_t peak : many->peak_bytes_of_each()) EXPECT_LT(peak, 5'000'000U);
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

TEST_P(CudaGrid, wholeIterationsWithMasksAndSeveralChannelsGiveTheBitsOfOneGpu) {
  const test::TurnedPair pair({67, 35, 41}, {65, 37, 40}, 1.0, Affine{});
  Volume mask(pair.fixed.grid(), ScalarType::u8);
  for (std::size_t i = 0; i < mask.bytes(); ++i)
    mask.data()[i] = static_cast<std::byte>(i % 11 != 3 ? 1 : 0);
  solve::RegistrationInput input = pair.input();
  input.fixed.emplace_back(&pair.fixed);
  input.moving.emplace_back(&pair.moving);
  input.fixed_mask = &mask;
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi, MetricKind::mse})
    for (const StageKind kind : {StageKind::greedy, StageKind::syn}) {
      StageSpec stage = test::whole_stage(kind, metric, {{2, 7}, {1, 9}});
      stage.metric.bins = 64;  // another area than by default
      expect_same_steps(stage, input);
    }
}

TEST_P(CudaGrid, iterationsByTheirOperationsGiveTheBitsOfOneGpu) {
  const test::TurnedPair pair({67, 35, 41}, {65, 37, 40}, 1.0, Affine{});
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi, MetricKind::mse})
    for (const StageKind kind : {StageKind::greedy, StageKind::syn}) {
      const JobSpec job =
          test::job_of({test::whole_stage(kind, metric, {{1, 9}})}, Initialisation::transform);
      ops::GridMembers members = ops::make_cuda_members(GetParam(), 0);
      members.small_voxels = 0;
      members.steps = nullptr;
      const auto apart = ops::make_grid_backend(std::move(members));
      EXPECT_TRUE(test::run_on(*apart, pair.input(), job) ==
                  test::run_on(*gpu_, pair.input(), job));
    }
}

TEST_P(CudaGrid, wholeIterationsInTwoPartsAndWithFoldsGiveTheBitsOfOneGpu) {
  const test::TurnedPair pair({67, 35, 41}, {65, 37, 40}, 1.0, Affine{});
  for (const MetricKind metric : {MetricKind::mi, MetricKind::mse})
    for (const StageKind kind : {StageKind::greedy, StageKind::syn}) {
      StageSpec stage = test::whole_stage(kind, metric, {{2, 11}, {1, 13}});
      stage.learning_rate = 1.0;  // two parts, but of SyN's sides
      stage.sigma_gradient_voxels = 0.5;
      stage.sigma_warp_voxels = 0.3;
      stage.minimum_jacobian = 0.7;
      EXPECT_GT(expect_same_steps(stage, pair.input()).folds_found, 100);
      stage.minimum_jacobian = 1.2;  // more than sweeps can do: some remain
      EXPECT_GT(expect_same_steps(stage, pair.input()).folds_left, 0);
      stage.minimum_jacobian = 0;
      EXPECT_EQ(expect_same_steps(stage, pair.input()).folds_found, 0);
    }
}

TEST_P(CudaGrid, slabsWithoutPlanesTakePartInWholeIterations) {
  const test::TurnedPair pair({67, 71, 6}, {71, 69, 7}, 1.0, Affine{});  // two segments of planes
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi, MetricKind::mse})
    for (const StageKind kind : {StageKind::greedy, StageKind::syn})
      expect_same_steps(test::whole_stage(kind, metric, {{1, 9}}), pair.input());
}

TEST_P(CudaGrid, aStoppedRunGoesOnOnOneGpuToTheSameBits) {
  const test::TurnedPair pair({67, 35, 41}, {65, 37, 40}, 1.0, Affine{});
  const JobSpec job =
      test::job_of({test::whole_stage(StageKind::greedy, MetricKind::mi, {{2, 21}, {1, 40}})},
                   Initialisation::transform);
  const std::string whole = test::fields_of(solve::register_volumes(pair.input(), job, {}, *gpu_));
  for (const int stop_at : {1, 11, 30}) {
    SCOPED_TRACE(stop_at);
    test::IterationListener listener(stop_at);
    test::MemoryStore store(0);
    solve::RunControl control;
    control.progress = &listener;
    control.stop = listener.stop.get_token();
    control.checkpoints = &store;
    EXPECT_THROW(test::run_on(*grid(), pair.input(), job, control), Error);
    store.thaw();
    ASSERT_TRUE(store.position());
    control = {};
    control.checkpoints = &store;
    EXPECT_TRUE(test::fields_of(solve::register_volumes(pair.input(), job, control, *gpu_)) ==
                whole);
  }
}

TEST_P(CudaGrid, timesAreTheGpusOwn) {
  const test::TurnedPair pair({131, 129, 133}, {131, 129, 133}, 1.0, Affine{});
  const auto many = grid();
  EXPECT_EQ(many->take_grid_times().seconds, 0);
  test::run_on(*many, pair.input(),
               test::job_of({test::whole_stage(StageKind::greedy, MetricKind::mi, {{1, 20}})},
                            Initialisation::transform));
  const ops::GridTimes times = many->take_grid_times();
  ASSERT_EQ(times.busy_seconds.size(), GetParam().size());
  for (const double busy : times.busy_seconds) {
    EXPECT_GT(busy, 0);
    EXPECT_LE(busy, times.seconds);
  }
  EXPECT_EQ(many->take_grid_times().seconds, 0);
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
