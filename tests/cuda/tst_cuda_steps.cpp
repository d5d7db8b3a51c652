#include <gtest/gtest.h>

#include <utility>

#include "gigawarp/error.h"
#include "solve/objective.h"
#include "support/forwarding_backend.h"
#include "support/gpu.h"
#include "support/iteration_listener.h"
#include "support/memory_store.h"
#include "support/slab_runs.h"

/// Iterations that a GPU is given ahead of their numbers, against the same operations one by one.
namespace gigawarp {
namespace {

/// The GPU without its queue.
class OneByOne final : public test::ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;
  bool fast_window(WindowKind kind, int radius) const override {
    return ForwardingBackend::fast_window(kind, radius);
  }
  ops::FoldRepair repair_folds(const ops::RepairArgs& args) override {
    const ops::FoldRepair repair = ForwardingBackend::repair_folds(args);
    folds_found += repair.found;
    folds_left += repair.remaining;
    return repair;
  }
  std::int64_t folds_found = 0, folds_left = 0;
};

class CudaSteps : public test::GpuTest {
 protected:
  CudaSteps() : pair_({67, 35, 41}, {65, 37, 40}, 1.0, Affine{}) {}

  static StageSpec greedy(MetricKind metric, std::vector<LevelSpec> levels = {{2, 21}, {1, 13}}) {
    return test::whole_stage(StageKind::greedy, metric, std::move(levels));
  }
  static std::unique_ptr<OneByOne> one_by_one() {
    std::string why_not;
    return std::make_unique<OneByOne>(test::make_gpu(why_not));
  }
  void expect_same_bits(const StageSpec& stage, const solve::RegistrationInput& input) {
    const JobSpec job = test::job_of({stage}, Initialisation::transform);
    const auto slow = one_by_one();
    const std::string apart = test::run_on(*slow, input, job);
    EXPECT_TRUE(test::run_on(*gpu_, input, job) == apart);
    folds_found_ = slow->folds_found;
    folds_left_ = slow->folds_left;
  }

  test::TurnedPair pair_;
  std::int64_t folds_found_ = 0, folds_left_ = 0;
};

TEST_F(CudaSteps, queuedIterationsGiveTheBitsOfTheirOperations) {
  ASSERT_GT(gpu_->steps_ahead(), 1);
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi, MetricKind::mse}) {
    StageSpec stage = greedy(metric);
    expect_same_bits(stage, pair_.input());
    stage.metric.symmetric_gradient = true;
    stage.metric.bins = 64;
    stage.metric.radius = 5;
    expect_same_bits(stage, pair_.input());
    stage.metric.window = WindowKind::gaussian;
    stage.metric.approximate_gradient = true;
    expect_same_bits(stage, pair_.input());
  }
}

TEST_F(CudaSteps, queuedIterationsOfSynGiveTheBitsOfTheirOperations) {
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi, MetricKind::mse}) {
    StageSpec stage = greedy(metric, {{2, 11}, {1, 7}});
    stage.kind = StageKind::syn;
    expect_same_bits(stage, pair_.input());
  }
}

TEST_F(CudaSteps, longStepsInTwoPartsAndFoldsAreRepairedAlike) {
  StageSpec stage = greedy(MetricKind::mse);
  stage.learning_rate = 1.0;  // two parts
  stage.sigma_gradient_voxels = 0.5;
  stage.sigma_warp_voxels = 0.3;
  stage.minimum_jacobian = 0.7;
  expect_same_bits(stage, pair_.input());
  EXPECT_GT(folds_found_, 100);
  stage.minimum_jacobian = 1.2;  // more than sweeps can do: some remain
  expect_same_bits(stage, pair_.input());
  EXPECT_GT(folds_left_, 0);
  stage.minimum_jacobian = 0;
  expect_same_bits(stage, pair_.input());
  EXPECT_EQ(folds_found_, 0);
}

/// Few enough voxels and iterations for a tool that slows the repair's sweeps by thousands.
TEST_F(CudaSteps, foldsOfATinyVolumeAreRepairedAlike) {
  pair_ = test::TurnedPair({13, 11, 9}, {13, 11, 9}, 1.0, Affine{});
  StageSpec stage = greedy(MetricKind::mse, {{1, 3}});
  stage.learning_rate = 1.0;
  stage.sigma_gradient_voxels = 0.3;
  stage.sigma_warp_voxels = 0.3;
  stage.minimum_jacobian = 0.9;
  expect_same_bits(stage, pair_.input());
  EXPECT_GT(folds_found_, 0);
}

TEST_F(CudaSteps, severalChannelsAndMasksAreQueuedToo) {
  Volume mask(pair_.fixed.grid(), ScalarType::u8);
  for (std::size_t i = 0; i < mask.bytes(); ++i)
    mask.data()[i] = static_cast<std::byte>(i % 11 != 3 ? 1 : 0);
  solve::RegistrationInput input = pair_.input();
  input.fixed.emplace_back(&pair_.fixed);
  input.moving.emplace_back(&pair_.moving);
  input.fixed_mask = &mask;
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi, MetricKind::mse}) {
    StageSpec stage = greedy(metric);
    expect_same_bits(stage, input);
    stage.kind = StageKind::syn;
    expect_same_bits(stage, input);
  }
}

TEST_F(CudaSteps, linearEvaluationsInOnePieceGiveTheBitsOfTheirOperations) {
  solve::RegistrationInput masked = pair_.input();
  Volume mask(pair_.fixed.grid(), ScalarType::u8);
  for (std::size_t i = 0; i < mask.bytes(); ++i)
    mask.data()[i] = static_cast<std::byte>(i % 13 != 5 ? 1 : 0);
  masked.fixed_mask = &mask;
  masked.fixed.emplace_back(&pair_.fixed);
  masked.moving.emplace_back(&pair_.moving);
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi, MetricKind::mse}) {
    StageSpec stage = test::whole_stage(StageKind::affine, metric, {{2, 9}, {1, 7}});
    expect_same_bits(stage, pair_.input());
    expect_same_bits(stage, masked);
    stage.kind = StageKind::rigid;
    stage.metric.radius = 5;
    stage.metric.bins = 64;
    expect_same_bits(stage, pair_.input());
    stage.metric.approximate_gradient = true;
    stage.metric.window = WindowKind::gaussian;
    expect_same_bits(stage, pair_.input());
  }
}

/// Losses and gradients at a row of transforms, with other work between them that takes memory.
void expect_same_evaluations(ops::Backend& gpu, ops::Backend& apart, const Size3& size,
                             MetricKind kind, const Volume* mask) {
  const test::TurnedPair pair(size, size, 1.0, Affine{});
  solve::RegistrationInput input = pair.input();
  input.moving_mask = mask;
  MetricSpec metric;
  metric.kind = kind;
  const solve::LevelGrid level = solve::level_grid(pair.fixed.grid(), 1);
  const solve::Subject subject(input, {}, gpu), other(input, {}, apart);
  solve::Objective whole(subject, metric, level, level, gpu);
  solve::Objective parts(other, metric, level, level, apart);
  Affine t;
  for (int i = 0; i < 6; ++i) {
    t.offset[0] = 0.3 * i;
    t.linear[0][1] = 0.01 * i;
    t.linear[2][2] = 1 - 0.02 * i;
    const solve::Objective::Linear a = whole.linear(t), b = parts.linear(t);
    EXPECT_EQ(a.loss, b.loss);
    EXPECT_EQ(a.overlap, b.overlap);
    for (int r = 0; r < 3; ++r)
      for (int c = 0; c < 4; ++c) EXPECT_EQ(a.gradient[r][c], b.gradient[r][c]);
    EXPECT_EQ(whole.linear(t, true).loss, parts.linear(t, true).loss);
    const ops::Array beside = gpu.allocate(std::size_t{1} << (16U + static_cast<unsigned>(i)));
  }
}

TEST_F(CudaSteps, linearEvaluationsFollowTheTransform) {
  const auto apart = one_by_one();
  Volume mask(test::TurnedPair({67, 35, 41}, {67, 35, 41}, 1.0, Affine{}).moving.grid(),
              ScalarType::u8);
  for (std::size_t i = 0; i < mask.bytes(); ++i)
    mask.data()[i] = static_cast<std::byte>(i % 7 != 2 ? 1 : 0);
  for (const MetricKind kind : {MetricKind::lncc, MetricKind::mi, MetricKind::mse}) {
    expect_same_evaluations(*gpu_, *apart, {67, 35, 41}, kind, nullptr);
    expect_same_evaluations(*gpu_, *apart, {67, 35, 41}, kind, &mask);
    expect_same_evaluations(*gpu_, *apart, {131, 131, 127}, kind, nullptr);  // no graph any more
    expect_same_evaluations(*gpu_, *apart, {31, 1, 17}, kind, nullptr);
  }
}

TEST_F(CudaSteps, everyIterationIsToldOnceAndInOrder) {
  test::IterationListener listener;
  solve::RunControl control;
  control.progress = &listener;
  const JobSpec job = test::job_of({greedy(MetricKind::lncc)}, Initialisation::transform);
  test::run_on(*gpu_, pair_.input(), job, control);
  std::vector<std::pair<int, int>> expected;
  for (int i = 1; i <= 21; ++i) expected.emplace_back(0, i);
  for (int i = 1; i <= 13; ++i) expected.emplace_back(1, i);
  EXPECT_EQ(listener.told, expected);
}

TEST_F(CudaSteps, aStoppedRunGoesOnToTheSameBits) {
  // Long enough that a stop is seen before the last iteration is on its way.
  const JobSpec job =
      test::job_of({greedy(MetricKind::mi, {{2, 21}, {1, 40}})}, Initialisation::transform);
  const std::string whole = test::fields_of(solve::register_volumes(pair_.input(), job, {}, *gpu_));
  for (const int stop_at : {1, 5, 11, 24, 30}) {
    SCOPED_TRACE(stop_at);
    test::IterationListener listener(stop_at);
    test::MemoryStore store(0);
    solve::RunControl control;
    control.progress = &listener;
    control.stop = listener.stop.get_token();
    control.checkpoints = &store;
    try {
      test::run_on(*gpu_, pair_.input(), job, control);
      ADD_FAILURE() << "a run went on that was asked to stop";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::cancelled);
    }
    // No more than were on their way when it was asked.
    EXPECT_LT(static_cast<int>(listener.told.size()), stop_at + 2 * gpu_->steps_ahead());
    store.thaw();
    ASSERT_TRUE(store.position());
    control = {};
    control.checkpoints = &store;
    EXPECT_TRUE(test::fields_of(solve::register_volumes(pair_.input(), job, control, *gpu_)) ==
                whole);
  }
}

}  // namespace
}  // namespace gigawarp
