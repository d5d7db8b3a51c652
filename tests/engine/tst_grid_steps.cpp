#include <gtest/gtest.h>

#include "gigawarp/error.h"
#include "ops/grid_members.h"
#include "shard/member_times.h"
#include "shard/step_parts.h"
#include "solve/registration.h"
#include "support/iteration_listener.h"
#include "support/memory_store.h"
#include "support/queued_members.h"
#include "support/slab_pair.h"
#include "support/slab_runs.h"

/// Iterations that all devices of a grid are given as a whole, against those of one device. The
/// devices are threads that begin late what they are asked for.
namespace gigawarp {
namespace {

using Kind = ops::StepPart::Kind;
using test::job_of;
using test::run_on;
using test::whole_stage;

std::vector<Kind> kinds_of(const ops::StepArgs& args) {
  std::vector<Kind> kinds;
  for (const ops::StepPart& part : shard::step_parts(args)) kinds.push_back(part.kind);
  return kinds;
}

TEST(StepParts, onlyWhatNeedsAllVoxelsIsWaitedFor) {
  ops::StepArgs args;
  args.minimum = 0.1F;
  args.channels = {{ops::LnccArgs{}, {}}, {ops::LnccArgs{}, {}}};
  EXPECT_EQ(kinds_of(args), (std::vector<Kind>{Kind::differentiate, Kind::direct, Kind::compose,
                                               Kind::find_folds, Kind::relax_folds}));
  EXPECT_EQ(shard::step_parts(args).front().end_channel, 2U);  // both at once
  args.channels = {{ops::MiArgs{}, {}}};
  args.minimum = 0;
  args.parts = 2;
  EXPECT_EQ(kinds_of(args), (std::vector<Kind>{Kind::measure, Kind::differentiate, Kind::direct,
                                               Kind::compose, Kind::compose}));
  EXPECT_EQ(shard::step_parts(args)[3].part, 1);
  EXPECT_EQ(shard::step_parts(args)[4].part, 2);
}

TEST(StepParts, channelsThatMeetTakeTheirScratchOneAfterAnother) {
  ops::StepArgs args;
  args.channels = {{ops::MseArgs{}, ops::MeetingArgs{}}, {ops::MseArgs{}, ops::MeetingArgs{}}};
  EXPECT_EQ(kinds_of(args), (std::vector<Kind>{Kind::meet, Kind::differentiate, Kind::meet,
                                               Kind::differentiate, Kind::direct, Kind::compose}));
  EXPECT_EQ(shard::step_parts(args)[2].first_channel, 1U);
  args.channels = {{ops::MiArgs{}, ops::MeetingArgs{}}};
  EXPECT_EQ(kinds_of(args), (std::vector<Kind>{Kind::meet, Kind::measure, Kind::differentiate,
                                               Kind::direct, Kind::compose}));
}

/// A second for every mark.
class CountingClock final : public ops::WorkClock {
 public:
  explicit CountingClock(double pace) : pace_(pace) {}
  std::size_t mark() override { return marks_++; }
  double seconds(std::size_t from, std::size_t to) const override {
    return pace_ * static_cast<double>(to - from);
  }
  void forget_marks() override { marks_ = 0; }

 private:
  double pace_;
  std::size_t marks_ = 0;
};

TEST(MemberTimes, anOperationTakesAsLongAsTheSlowestFromItsFirstPieceToItsLast) {
  std::vector<std::unique_ptr<ops::WorkClock>> clocks;
  clocks.push_back(std::make_unique<CountingClock>(1));
  clocks.push_back(std::make_unique<CountingClock>(10));
  shard::MemberTimes times(2, std::move(clocks));
  const auto operation = [&](int pieces) {
    times.next_operation();
    for (int i = 0; i < pieces; ++i)
      for (const std::size_t member : {0U, 1U}) times.time(member, [] {});
  };
  operation(1);  // nobody has asked
  EXPECT_EQ(times.take().seconds, 0);
  operation(1);
  operation(2);
  times.add(1e6, {1e6, 1e6});  // what the host sees counts nothing
  const ops::GridTimes taken = times.take();
  EXPECT_EQ(taken.busy_seconds, (std::vector<double>{3, 30}));
  EXPECT_EQ(taken.seconds, 10 + 30);  // of the second, a wait between its pieces included
  EXPECT_EQ(times.take().seconds, 0);
}

/// A grid of threads, and what it was asked for.
struct Grid {
  explicit Grid(int count, std::int64_t small_voxels = 0) {
    ops::GridMembers members = test::make_queued_members(count, true);
    members.small_voxels = small_voxels;
    steps = dynamic_cast<test::QueuedSteps*>(members.steps.get());
    backend = ops::make_grid_backend(std::move(members));
  }
  test::QueuedSteps* steps = nullptr;
  std::unique_ptr<ops::Backend> backend;
};

const std::vector<int> kAllCounts(std::begin(test::kSlabCounts), std::end(test::kSlabCounts));

int iterations_of(const std::vector<StageSpec>& stages) {
  int all = 0;
  for (const StageSpec& stage : stages)
    for (const LevelSpec& level : stage.levels) all += level.iterations;
  return all;
}

std::int64_t expect_same_bits(const std::vector<StageSpec>& stages,
                              const solve::RegistrationInput& input,
                              const std::vector<int>& counts) {
  const JobSpec job = job_of(stages);
  const std::string one = run_on(*ops::make_cpu_backend(), input, job);
  std::int64_t folds_found = 0;
  for (const int count : counts) {
    const Grid grid(count);
    EXPECT_TRUE(run_on(*grid.backend, input, job) == one) << count << " devices differ from one";
    EXPECT_EQ(grid.steps->steps_queued, iterations_of(stages));
    folds_found = grid.steps->folds_found;
  }
  return folds_found;
}

class GridSteps : public testing::TestWithParam<MetricKind> {
 protected:
  const test::SlabPair pair_;
};

TEST_P(GridSteps, greedyIterationsGiveTheBitsOfOneDevice) {
  expect_same_bits({whole_stage(StageKind::greedy, GetParam(), {{2, 3}, {1, 2}})},
                   pair_.input(false), kAllCounts);
}

TEST_P(GridSteps, iterationsOfSynGiveTheBitsOfOneDevice) {
  expect_same_bits({whole_stage(StageKind::syn, GetParam(), {{1, 2}})}, pair_.input(false),
                   kAllCounts);
}

TEST_P(GridSteps, masksAndSeveralChannelsGiveTheBitsOfOneDevice) {
  solve::RegistrationInput input = pair_.input(true);
  input.fixed.push_back(input.fixed.front());
  input.moving.push_back(input.moving.front());
  for (const StageKind kind : {StageKind::greedy, StageKind::syn})
    expect_same_bits({whole_stage(kind, GetParam(), {{2, 1}, {1, 2}})}, input, {3});
}

TEST_P(GridSteps, stepsInTwoPartsAndFoldsGiveTheBitsOfOneDevice) {
  StageSpec stage = whole_stage(StageKind::greedy, GetParam(), {{1, 3}});
  stage.learning_rate = 1.0;
  stage.sigma_gradient_voxels = 0.5;
  stage.sigma_warp_voxels = 0.3;
  stage.minimum_jacobian = 0.9;
  EXPECT_GT(expect_same_bits({stage}, pair_.input(false), {2, 5}), 10);
  stage.minimum_jacobian = 0;
  EXPECT_EQ(expect_same_bits({stage}, pair_.input(false), {3}), 0);
}

TEST_P(GridSteps, smallLevelsAreTheFirstDevicesAndTheOthersGoInSteps) {
  const std::vector<StageSpec> stages{whole_stage(StageKind::greedy, GetParam(), {{2, 4}, {1, 3}})};
  const std::string one = run_on(*ops::make_cpu_backend(), pair_.input(false), job_of(stages));
  const Grid grid(3, 20000);  // the coarse level has 18711 voxels, the fine one 36531
  EXPECT_TRUE(run_on(*grid.backend, pair_.input(false), job_of(stages)) == one);
  EXPECT_EQ(grid.steps->steps_queued, 3);
}

INSTANTIATE_TEST_SUITE_P(Metrics, GridSteps,
                         testing::Values(MetricKind::lncc, MetricKind::mi, MetricKind::mse),
                         [](const testing::TestParamInfo<MetricKind>& tested) {
                           return std::string(tested.param == MetricKind::lncc ? "lncc"
                                              : tested.param == MetricKind::mi ? "mi"
                                                                               : "mse");
                         });

const JobSpec& long_job() {
  static const JobSpec job =
      job_of({whole_stage(StageKind::greedy, MetricKind::mi, {{2, 10}, {1, 12}})});
  return job;
}

TEST(GridStepsOfARun, aStoppedRunGoesOnOnAnotherNumberOfDevicesToTheSameBits) {
  const test::SlabPair pair;
  const std::string whole = test::fields_of(
      solve::register_volumes(pair.input(false), long_job(), {}, *ops::make_cpu_backend()));
  for (const int stop_at : {1, 7, 13}) {
    SCOPED_TRACE(stop_at);
    test::IterationListener listener(stop_at);
    test::MemoryStore store(0);
    solve::RunControl control;
    control.progress = &listener;
    control.stop = listener.stop.get_token();
    control.checkpoints = &store;
    const Grid three(3);
    EXPECT_THROW(run_on(*three.backend, pair.input(false), long_job(), control), Error);
    store.thaw();
    ASSERT_TRUE(store.position());
    control = {};
    control.checkpoints = &store;
    const Grid two(2);
    EXPECT_TRUE(test::fields_of(solve::register_volumes(pair.input(false), long_job(), control,
                                                        *two.backend)) == whole);
    EXPECT_GT(two.steps->steps_queued, 0);
  }
}

TEST(GridStepsOfARun, aDeviceThatFailsIsNamed) {
  const test::SlabPair pair;
  const Grid grid(3);
  grid.steps->fails = 1;
  try {
    run_on(*grid.backend, pair.input(false), long_job());
    FAIL() << "a run went on without one of its devices";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::device_fault);
    EXPECT_EQ(std::string(error.what()), "Device cpu slab 1: It fell off the bus.");
    EXPECT_EQ(error.subject(), "cpu slab 1");
  }
}

}  // namespace
}  // namespace gigawarp
