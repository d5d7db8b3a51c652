#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/parallel.h"
#include "gigawarp/error.h"
#include "ops/invert_field.h"
#include "solve/initialise.h"
#include "solve/inverse_samples.h"
#include "solve/linear.h"
#include "solve/stages.h"
#include "support/memory_store.h"
#include "support/scene.h"

namespace gigawarp {
namespace {

using test::stage;

constexpr Size3 kSize{44, 52, 40};

JobSpec job_with(std::vector<StageSpec> stages) {
  JobSpec job;
  job.stages = std::move(stages);
  return job;
}

/// A known transform: fixed(x) = anatomy(map(x)), moving(x) = anatomy(x): moving_from_fixed is
/// `map`.
Affine known_rigid(double degrees, const Vec3& shift) {
  const double a = degrees * M_PI / 180;
  Affine t;
  t.linear = {{{std::cos(a), -std::sin(a), 0}, {std::sin(a), std::cos(a), 0}, {0, 0, 1}}};
  t.offset = shift;
  return t;
}

double largest_difference(const Affine& a, const Affine& b) {
  double worst = 0;
  for (const double x : {-25.0, 25.0})
    for (const double y : {-35.0, 35.0})
      for (const double z : {-20.0, 20.0}) {
        const Vec3 p = a({x, y, z}), q = b({x, y, z});
        worst = std::max(worst, std::hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]));
      }
  return worst;
}

solve::RegistrationOutput run(const Volume& fixed, const Volume& moving, const JobSpec& job,
                              const solve::RunControl& control = {}) {
  solve::RegistrationInput input;
  input.fixed = {&fixed};
  input.moving = {&moving};
  return solve::register_volumes(input, job, control);
}

TEST(Linear, rigidRecoversARotationAndShiftByMutualInformation) {
  const Affine truth = known_rigid(9, {5, -4, 3});
  const Volume moving = test::volume_of(kSize, 2.0, [](const Vec3& p) { return p; });
  const Volume fixed = test::volume_of(kSize, 2.0, [&](const Vec3& p) { return truth(p); });
  const auto out =
      run(fixed, moving, job_with({stage(StageKind::rigid, MetricKind::mi, {{2, 60}, {1, 40}})}));
  EXPECT_LT(largest_difference(out.moving_from_fixed, truth), 0.4);
  EXPECT_NEAR(out.moving_from_fixed.determinant(), 1.0, 1e-9);
}

TEST(Linear, affineRecoversShearsByEveryMetric) {
  Affine truth = known_rigid(4, {2, 1, -2});
  truth.linear[0][1] += 0.06;
  truth.linear[2][2] = 1.08;
  const Volume moving = test::volume_of(kSize, 2.0, [](const Vec3& p) { return p; });
  const Volume fixed = test::volume_of(kSize, 2.0, [&](const Vec3& p) { return truth(p); });
  // MI and MSE see the whole intensity scale, which the two fields of view normalise a little
  // differently; LNCC does not.
  for (const auto& [metric, tolerance_mm] :
       {std::pair{MetricKind::mi, 2.0}, {MetricKind::mse, 1.5}, {MetricKind::lncc, 0.5}}) {
    const auto out =
        run(fixed, moving, job_with({stage(StageKind::affine, metric, {{2, 100}, {1, 60}})}));
    EXPECT_LT(largest_difference(out.moving_from_fixed, truth), tolerance_mm)
        << static_cast<int>(metric);
  }
}

TEST(Initialisation, findsAVolumeStoredUpsideDownAndFarAway) {
  // The header says nothing of the half turn about x: only the contents do.
  Affine turn;
  turn.linear = {{{1, 0, 0}, {0, -1, 0}, {0, 0, -1}}};
  turn.offset = {60, -40, 25};
  const Volume moving = test::volume_of(kSize, 2.0, [](const Vec3& p) { return p; });
  Volume fixed = test::volume_of(kSize, 2.0, [&](const Vec3& p) {
    return turn({p[0] - 60, p[1] - 40, p[2] + 25});
  });
  const auto out =
      run(fixed, moving, job_with({stage(StageKind::rigid, MetricKind::mi, {{2, 60}, {1, 40}})}));
  Affine shift;
  shift.offset = {-60, -40, 25};
  EXPECT_LT(largest_difference(out.moving_from_fixed, turn * shift), 0.5);
  EXPECT_FALSE(out.warnings.empty());
}

TEST(Initialisation, refusesAMirroredVolume) {
  const Volume moving = test::volume_of(kSize, 2.0, [](const Vec3& p) { return p; });
  const Volume fixed = test::volume_of(kSize, 2.0, [](const Vec3& p) {
    return Vec3{-p[0], p[1], p[2]};
  });
  try {
    run(fixed, moving, job_with({stage(StageKind::rigid, MetricKind::mi, {{2, 40}})}));
    FAIL() << "a mirrored volume was accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::bad_input);
    EXPECT_NE(std::string(e.what()).find("mirrored"), std::string::npos) << e.what();
  }
}

TEST(Initialisation, landmarksGiveTheExactRigidMap) {
  const Affine truth = known_rigid(33, {7, -2, 11});
  std::vector<std::pair<Vec3, Vec3>> pairs;
  for (const Vec3& p : {Vec3{0, 0, 0}, Vec3{30, 2, 1}, Vec3{-4, 25, 3}, Vec3{6, -7, 20}})
    pairs.emplace_back(p, truth(p));
  EXPECT_LT(largest_difference(solve::fit_landmarks(pairs), truth), 1e-6);
  pairs.resize(2);
  EXPECT_THROW(solve::fit_landmarks(pairs), Error);
  EXPECT_THROW(solve::fit_landmarks(
                   {{{0, 0, 0}, {0, 0, 0}}, {{1, 0, 0}, {1, 0, 0}}, {{2, 0, 0}, {2, 0, 0}}}),
               Error);
}

class Deformable : public testing::TestWithParam<std::pair<StageKind, MetricKind>> {};

TEST_P(Deformable, recoversAKnownWarpWithoutFolds) {
  const Volume moving = test::volume_of(kSize, 2.0, [](const Vec3& p) { return p; });
  const Volume fixed = test::volume_of(kSize, 2.0, test::bend);
  JobSpec job = job_with({stage(GetParam().first, GetParam().second, {{2, 100}, {1, 80}})});
  job.initialisation = Initialisation::identity;
  const auto out = run(fixed, moving, job);
  ASSERT_TRUE(out.forward_mm && out.inverse_mm);
  double before = 0, after = 0, there_and_back = 0;
  int points = 0;
  for (double x = -18; x <= 18; x += 4)
    for (double y = -24; y <= 24; y += 4)
      for (double z = -14; z <= 14; z += 4) {
        const Vec3 p{x, y, z}, truth = test::bend(p);
        const Vec3 d = *out.forward_mm->at_world(p);
        const Vec3 q{x + d[0], y + d[1], z + d[2]};
        const Vec3 back = *out.inverse_mm->at_world(q);
        before += std::hypot(truth[0] - x, truth[1] - y, truth[2] - z);
        after += std::hypot(truth[0] - q[0], truth[1] - q[1], truth[2] - q[2]);
        there_and_back += std::hypot(q[0] + back[0] - x, q[1] + back[1] - y, q[2] + back[2] - z);
        ++points;
      }
  // MI sees one global relation of intensities: where this smooth picture repeats a grey, it cannot
  // tell.
  const double share = GetParam().second == MetricKind::mi ? 0.7 : 0.28;
  EXPECT_LT(after, share * before) << before / points << " mm before, " << after / points;
  EXPECT_LT(there_and_back / points, 0.06);
}

INSTANTIATE_TEST_SUITE_P(Models, Deformable,
                         testing::Values(std::pair{StageKind::greedy, MetricKind::lncc},
                                         std::pair{StageKind::greedy, MetricKind::mi},
                                         std::pair{StageKind::greedy, MetricKind::mse},
                                         std::pair{StageKind::syn, MetricKind::lncc}));

TEST(Inverse, isAlsoRightBetweenTheSamplesOfASteepWarp) {
  Grid grid;
  grid.size = {40, 36, 32};
  const auto shift = [](double t) { return 1.8 * std::sin(t / 3); };  // det J from 0.4 to 1.6
  DisplacementField forward(grid);
  for (std::int64_t i = 0; i < grid.voxel_count(); ++i) {
    const std::int64_t x = i % 40, y = i / 40 % 36;
    forward.component_mm(0)[i] = static_cast<float>(shift(static_cast<double>(x)));
    forward.component_mm(1)[i] = static_cast<float>(shift(static_cast<double>(y) + 1));
  }
  DisplacementField inverse = invert(forward, grid, 60, 1e-5);
  const double sampled = inverse_error(forward, inverse).mean_mm;
  solve::fit_between_samples(inverse);
  EXPECT_LT(inverse_error(forward, inverse).mean_mm, 0.7 * sampled);
  EXPECT_LT(inverse_error(inverse, forward).mean_mm, 0.7 * sampled) << "nor wrong at the samples";
}

TEST(Inverse, samplesOfStraightAndUndefinedFieldsStay) {
  Grid grid;
  grid.size = {9, 8, 7};
  DisplacementField field(grid);
  for (std::int64_t i = 0; i < grid.voxel_count(); ++i)
    for (int c = 0; c < 3; ++c)
      field.component_mm(c)[i] = static_cast<float>(i % 9) - 2 * static_cast<float>(i / 72);
  field.component_mm(1)[9 * 8 * 3 + 9 * 4 + 4] = std::numeric_limits<float>::quiet_NaN();
  DisplacementField fitted(grid);
  for (int c = 0; c < 3; ++c)
    std::copy_n(field.component_mm(c), grid.voxel_count(), fitted.component_mm(c));
  solve::fit_between_samples(fitted);
  for (int c = 0; c < 3; ++c)
    for (std::int64_t i = 0; i < grid.voxel_count(); ++i) {
      const float was = field.component_mm(c)[i], is = fitted.component_mm(c)[i];
      if (was == was)
        EXPECT_FLOAT_EQ(is, was);
      else
        EXPECT_TRUE(is != is);
    }
}

TEST(Deformable, anIdenticalPairStaysWhereItIs) {
  const Volume a = test::volume_of(kSize, 2.0, [](const Vec3& p) { return p; });
  JobSpec job = job_with({stage(StageKind::rigid, MetricKind::mi, {{2, 50}}),
                          stage(StageKind::affine, MetricKind::lncc, {{2, 50}, {1, 50}}),
                          stage(StageKind::greedy, MetricKind::lncc, {{2, 50}, {1, 30}})});
  const auto out = run(a, a, job);
  double largest = 0;
  for (int c = 0; c < 3; ++c)
    for (std::int64_t i = 0; i < a.grid().voxel_count(); ++i)
      largest =
          std::max(largest, std::abs(static_cast<double>(out.forward_mm->component_mm(c)[i])));
  EXPECT_LT(largest, 2e-4);  // 0.0001 voxel
  EXPECT_LT(largest_difference(out.moving_from_fixed, Affine{}), 0.02);
}

/// A volume against itself at full resolution on the CPU.
struct OntoItself {
  Volume volume = test::volume_of(kSize, 2.0, [](const Vec3& p) { return p; });
  std::unique_ptr<ops::Backend> backend = ops::make_cpu_backend();
  solve::RegistrationInput input = [this] {
    solve::RegistrationInput in;
    in.fixed = in.moving = {&volume};
    return in;
  }();
  solve::Subject subject{input, {}, *backend};
  solve::LevelGrid level = solve::level_grid(volume.grid(), 1);
  solve::Objective objective{subject, MetricSpec{}, level, level, *backend};
};

TEST(Deformable, aStepTakesEveryNumberFromItsStage) {
  const OntoItself pair;
  const solve::GreedyState state(kSize, *pair.backend);
  StageSpec spec;
  spec.incoherence_damping = 0.37;
  spec.gradient_floor = 0.2;
  spec.noise_floor = 0;
  spec.noise_smoothing = 0;
  spec.sigma_gradient_voxels = 1.7;
  spec.sigma_warp_voxels = 0.9;
  spec.learning_rate = 0.4;
  spec.minimum_jacobian = 0.33;
  const ops::DirectionArgs direction = solve::direction_args(spec, pair.objective, state, 5);
  EXPECT_FLOAT_EQ(direction.incoherence_damping, 0.37F);
  EXPECT_EQ(direction.step, 5);
  EXPECT_DOUBLE_EQ(direction.sigma_voxels, 1.7);
  EXPECT_FLOAT_EQ(direction.epsilon, static_cast<float>(0.2 / pair.objective.reference_count()));
  const ops::ComposeArgs compose = solve::compose_args(spec, state, direction, 2.0F, 0.5);
  EXPECT_FLOAT_EQ(compose.scale, -0.1F);
  EXPECT_DOUBLE_EQ(compose.sigma_voxels, 0.9);
  EXPECT_FLOAT_EQ(solve::repair_args(spec, state).minimum, 0.33F);
}

TEST(Deformable, aStepOfAWholeVoxelGoesInShortStepsAndArrives) {
  const OntoItself pair;
  solve::GreedyState state(kSize, *pair.backend);
  const ops::SlabView<float> x = state.gradient().component[0];
  std::fill_n(x.data, kSize[0] * kSize[1] * kSize[2], 1.0F);
  StageSpec spec;
  spec.learning_rate = 1;
  spec.incoherence_damping = 0;
  spec.gradient_floor = 0;
  spec.noise_floor = 0;
  const solve::FieldStep step =
      solve::take_step(*pair.backend, spec, pair.objective, state, 1, 1.0);
  EXPECT_NEAR(step.step_voxels, 1.0, 1e-3);
  EXPECT_NEAR(state.displacement().component[0].row(3, 3)[3], -1.0F, 1e-3F);
}

TEST(Run, givesTheSameBitsForAnyNumberOfThreads) {
  const Volume moving = test::volume_of(kSize, 2.0, [](const Vec3& p) { return p; });
  const Volume fixed = test::volume_of(kSize, 2.0, test::bend);
  const auto bytes = [&](int threads) {
    JobSpec job = job_with({stage(StageKind::rigid, MetricKind::mi, {{2, 20}}),
                            stage(StageKind::greedy, MetricKind::lncc, {{2, 15}, {1, 6}}),
                            stage(StageKind::syn, MetricKind::mi, {{1, 4}})});
    job.threads = threads;
    const auto out = run(fixed, moving, job);
    const auto* p = reinterpret_cast<const char*>(out.forward_mm->component_mm(0));
    std::string all(p, out.forward_mm->volume().bytes());
    const auto* q = reinterpret_cast<const char*>(out.inverse_mm->component_mm(0));
    return all + std::string(q, out.inverse_mm->volume().bytes());
  };
  const std::string one = bytes(1);
  EXPECT_TRUE(one == bytes(2));
  EXPECT_TRUE(one == bytes(3));
}

TEST(Run, resumesFromAnyCheckpointWithTheBitsOfAnUninterruptedRun) {
  const Volume moving = test::volume_of(kSize, 2.0, [](const Vec3& p) { return p; });
  const Volume fixed = test::volume_of(kSize, 2.0, test::bend);
  const JobSpec job = job_with({stage(StageKind::rigid, MetricKind::mi, {{2, 10}, {1, 5}}),
                                stage(StageKind::greedy, MetricKind::lncc, {{2, 12}, {1, 6}}),
                                stage(StageKind::syn, MetricKind::lncc, {{2, 5}, {1, 4}})});
  const auto whole = run(fixed, moving, job);
#ifdef __SANITIZE_THREAD__
  const auto checkpoints = {20};  // threads are the same in all; tenfold slowdown
#else
  const auto checkpoints = {1, 4, 20, 27, 34, 40};
#endif
  for (const int when : checkpoints) {
    test::MemoryStore store(when);
    solve::RunControl control;
    control.checkpoints = &store;
    control.stop = store.killed();
    try {
      run(fixed, moving, job, control);
      FAIL() << "not stopped after checkpoint " << when;
    } catch (const Error& e) {
      ASSERT_EQ(e.code(), ErrorCode::cancelled);
    }
    ASSERT_TRUE(store.position());
    store.thaw();
    control.stop = {};
    const auto resumed = run(fixed, moving, job, control);
    for (int c = 0; c < 3; ++c)
      for (std::int64_t i = 0; i < fixed.grid().voxel_count(); ++i)
        ASSERT_EQ(whole.forward_mm->component_mm(c)[i], resumed.forward_mm->component_mm(c)[i])
            << "checkpoint " << when << " at stage " << store.position()->stage;
  }
}

TEST(Run, stopsWithinAnIterationWhenAskedTo) {
  const Volume a = test::volume_of(kSize, 2.0, [](const Vec3& p) { return p; });
  std::stop_source source;
  source.request_stop();
  solve::RunControl control;
  control.stop = source.get_token();
  try {
    run(a, a, job_with({stage(StageKind::greedy, MetricKind::lncc, {{1, 1000}})}), control);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::cancelled);
  }
}

TEST(Convergence, seesAPlateauAndNotADescent) {
  std::vector<double> falling, flat;
  for (int i = 0; i < 30; ++i) {
    falling.push_back(-0.5 - 0.01 * i);
    flat.push_back(-0.5 - 1e-6 * (i % 2));
  }
  EXPECT_FALSE(solve::levelled_off(falling, 10, 1e-4));
  EXPECT_TRUE(solve::levelled_off(flat, 10, 1e-4));
  EXPECT_FALSE(solve::levelled_off(flat, 10, 0));
  EXPECT_FALSE(solve::levelled_off({-1, -1}, 10, 1e-4));
}

}  // namespace
}  // namespace gigawarp
