#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <thread>

#include "gigawarp/error.h"
#include "job/axis_reorder.h"
#include "job/extraction.h"
#include "job/input_checks.h"
#include "job/inputs.h"
#include "job/output_folder.h"
#include "job/recorder.h"
#include "job/run_switch.h"
#include "support/sliced_feed.h"
#include "support/temporary_folder.h"

namespace gigawarp::job {
namespace {

namespace fs = std::filesystem;
using test::TemporaryFolder;

void write(const fs::path& path, const char* text = "x") { std::ofstream(path) << text; }

std::string text_of(const fs::path& path) {
  std::ifstream stream(path);
  return {std::istreambuf_iterator<char>(stream), {}};
}

constexpr const char* kJob = R"({"version": 1, "fixed": [], "moving": [], "stages": []})";
constexpr const char* kReport =
    R"({"files": ["warped.nii.gz", "result.json", "job.json"], "measures": {}, "provenance": {}})";

TEST(OutputFolder, ResultsAppearTogether) {
  const TemporaryFolder temporary;
  const fs::path path = temporary.path() / "a" / "b";
  OutputFolder folder(path);
  EXPECT_EQ(folder.state(), OutputFolder::State::fresh);
  write(folder.pending("1Warp.nii.gz"));
  write(folder.pending("result.json"), kReport);
  EXPECT_FALSE(fs::exists(path / "1Warp.nii.gz"));
  folder.publish();
  EXPECT_TRUE(fs::exists(path / "1Warp.nii.gz"));
  EXPECT_EQ(folder.state(), OutputFolder::State::finished);
  EXPECT_EQ(std::distance(fs::directory_iterator(path), fs::directory_iterator()), 2);
}

TEST(LoadedLandmarks, ThatAreHeldOutAreScoredButNeverFitted) {
  const TemporaryFolder temporary;
  JobSpec job;
  job.fixed_landmarks = (temporary.path() / "fixed.csv").string();
  job.moving_landmarks = (temporary.path() / "moving.csv").string();
  job.initialisation = Initialisation::landmarks;
  std::ofstream(job.moving_landmarks) << "name,x,y,z\na,0,0,0\nb,1,0,0\nc,0,1,0\nd,0,0,1\n";
  std::ofstream(job.fixed_landmarks)
      << "name,x,y,z,held_out\na,0,0,0,0\nb,1,0,0,0\nc,0,1,0,0\nd,0,0,9,1\n";
  RunInputs inputs;
  inputs.landmarks = load_landmarks(job);
  EXPECT_EQ(inputs.landmarks.size(), 4U);
  EXPECT_EQ(inputs.view().landmarks_mm.size(), 3U);
  std::ofstream(job.fixed_landmarks)
      << "name,x,y,z,held_out\na,0,0,0,0\nb,1,0,0,1\nc,0,1,0,0\nd,0,0,9,1\n";
  EXPECT_THROW(load_landmarks(job), Error);
  job.initialisation = Initialisation::automatic;
  EXPECT_EQ(load_landmarks(job).size(), 4U);
}

TEST(OutputFolder, AFailedRunLeavesNothingButForeignFiles) {
  const TemporaryFolder temporary;
  {
    OutputFolder folder(temporary.path() / "new");
    write(folder.pending("warped.nii.gz"));
    folder.abandon();
  }
  EXPECT_FALSE(fs::exists(temporary.path() / "new"));
  write(temporary.path() / "notes.txt");
  OutputFolder folder(temporary.path());
  write(temporary.path() / "log.txt");
  folder.abandon();
  EXPECT_TRUE(fs::exists(temporary.path() / "notes.txt"));
  EXPECT_FALSE(fs::exists(temporary.path() / "log.txt"));
}

TEST(OutputFolder, TellsFilesOfRunsFromOthersOfTheSameNames) {
  const TemporaryFolder temporary;
  const fs::path path = temporary.path();
  OutputFolder folder(path);
  EXPECT_EQ(folder.stranger(), "");
  write(path / "log.txt");
  EXPECT_EQ(folder.stranger(), path / "log.txt");
  write(path / "job.json");  // not one of ours either
  write(path / "result.json");
  EXPECT_EQ(folder.state(), OutputFolder::State::unfinished);
  EXPECT_EQ(folder.stranger(), path / "result.json");
  fs::remove(path / "result.json");
  write(path / "job.json", kJob);
  EXPECT_EQ(folder.stranger(), "");
  fs::remove(path / "log.txt");
  write(path / "result.json", kReport);
  write(path / "warped.nii.gz");
  EXPECT_EQ(folder.stranger(), "");
  write(path / "1Warp.nii.gz");  // not in the list of results
  EXPECT_EQ(folder.stranger(), path / "1Warp.nii.gz");
}

TEST(OutputFolder, AFolderOfAnothersNamedCheckpointIsAStranger) {
  const TemporaryFolder temporary;
  OutputFolder folder(temporary.path());
  fs::create_directory(temporary.path() / "checkpoint");
  write(temporary.path() / "checkpoint" / "model.pt");
  EXPECT_EQ(folder.stranger(), temporary.path() / "checkpoint");
}

TEST(OutputFolder, WhatIsSetAsideComesBackAfterAFailureAndAfterAKill) {
  const TemporaryFolder temporary;
  const fs::path path = temporary.path();
  const auto begin_another = [&](OutputFolder& folder) {
    folder.set_aside();
    EXPECT_EQ(folder.state(), OutputFolder::State::fresh);
    write(path / "job.json", "new");
    write(path / "log.txt", "new");
  };
  const auto expect_the_earlier = [&] {
    EXPECT_EQ(text_of(path / "job.json"), kJob);
    EXPECT_EQ(text_of(path / "checkpoint" / "header.json"), "x");
    EXPECT_FALSE(fs::exists(path / ".replaced"));
  };
  write(path / "job.json", kJob);
  write(path / "log.txt");
  fs::create_directory(path / "checkpoint");
  write(path / "checkpoint" / "header.json");
  {
    OutputFolder folder(path);
    begin_another(folder);
    folder.abandon();
    expect_the_earlier();
    begin_another(folder);  // and is killed
  }
  OutputFolder folder(path);
  expect_the_earlier();
  begin_another(folder);
  folder.forget_set_aside();
  folder.abandon();
  EXPECT_TRUE(fs::is_empty(path));
}

TEST(OutputFolder, IsLockedAgainstASecondRun) {
  const TemporaryFolder temporary;
  {
    OutputFolder first(temporary.path());
    try {
      OutputFolder second(temporary.path());
      FAIL() << "a second run could start";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::usage);
    }
  }
  EXPECT_NO_THROW(OutputFolder(temporary.path()));
}

TEST(OutputFolder, ForgetsWhatAKilledRunWasWriting) {
  const TemporaryFolder temporary;
  fs::create_directory(temporary.path() / ".writing");
  write(temporary.path() / ".writing" / "warped.nii.gz");
  OutputFolder folder(temporary.path());
  EXPECT_FALSE(fs::exists(temporary.path() / ".writing"));
}

/// A ball of tissue of `radius` voxels in `around`, in a shell of `shell` more; a neck of the
/// shell reaches the low z face.
Volume ball(double radius, double shell, double around, double rim = 1) {
  constexpr std::int64_t n = 40;
  Volume volume(
      Grid::from_itk({n, n, n}, {1, 1, 1}, {0, 0, 0}, {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}}),
      ScalarType::f32);
  auto* p = volume.channel<float>();
  for (std::int64_t i = 0; i < n * n * n; ++i) {
    const std::int64_t row = i / n, plane = row / n;
    const auto x = static_cast<double>(i % n) - 19.5, y = static_cast<double>(row % n) - 19.5,
               z = static_cast<double>(plane) - 19.5;
    const double r = std::sqrt(x * x + y * y + z * z);
    const bool neck = z < 0 && std::hypot(x, y) < 0.5 * (radius + shell);
    double value = around;
    if (shell > 0 && (r < radius + shell || neck)) value = 60;
    if (r < radius) value = r < radius - 1.5 ? 100 : 100 * rim;
    p[i] = static_cast<float>(value);
  }
  return volume;
}

TEST(Extraction, ABrainCutOutOfItsHeadIsToldFromTheHead) {
  EXPECT_TRUE(examine_extraction(WholeVolume(ball(10, 0, 0))).cut_out());
  EXPECT_FALSE(examine_extraction(WholeVolume(ball(10, 6, 0))).cut_out())
      << "the neck reaches a face";
  EXPECT_FALSE(examine_extraction(WholeVolume(ball(10, 0, 2))).cut_out())
      << "the background is not zero";
  EXPECT_FALSE(examine_extraction(WholeVolume(ball(10, 0, 0, 0.1))).cut_out()) << "the rim is dark";
}

/// ball() not in memory, as a file with bricks would give it.
class BrickedBall final : public test::SlicedFeed {
 public:
  BrickedBall(const Volume& ball, std::int64_t brick)
      : SlicedFeed(ball, 2 * brick), brick_(brick) {}
  std::int64_t brick_planes() const override { return brick_; }

 private:
  std::int64_t brick_;
};

TEST(Extraction, SomePlanesOfALargeVolumeTellTheSame) {
  const Volume brain = ball(10, 0, 0), smaller = ball(9, 0, 0), head = ball(10, 6, 2),
               dark = ball(10, 0, 0, 0.1), blackened = ball(10, 6, 0), noisy = ball(10, 0, 2);
  for (const std::int64_t brick : {1, 2, 8, 64}) {
    const auto some = [&](const Volume& volume) {
      return examine_extraction(BrickedBall(volume, brick), 0);
    };
    for (const Volume* volume : {&brain, &smaller, &head, &dark, &blackened, &noisy}) {
      const Extraction all = examine_extraction(WholeVolume(volume)), part = some(*volume);
      EXPECT_EQ(part.cut_out(), all.cut_out());
      EXPECT_EQ(part.zero_share, all.zero_share);
      EXPECT_NEAR(part.zero_faces, all.zero_faces, 0.03);
      EXPECT_NEAR(part.bright_rim, all.bright_rim, 0.1);
      EXPECT_NEAR(part.tissue_mm3 / all.tissue_mm3, 1, 0.1);
      EXPECT_EQ(part.not_zero_mm3, all.not_zero_mm3);
    }
    const auto compare = [&](const Volume& fixed, const Volume& moving) {
      return compare_extraction(BrickedBall(fixed, brick), BrickedBall(moving, brick), 0);
    };
    EXPECT_EQ(compare(brain, head), ExtractedSide::fixed_alone);
    EXPECT_EQ(compare(brain, smaller), ExtractedSide::neither_or_both);
    EXPECT_EQ(compare(head, brain), ExtractedSide::neither_or_both);
    EXPECT_EQ(compare(brain, noisy), ExtractedSide::neither_or_both);
    EXPECT_EQ(compare(dark, head), ExtractedSide::fixed_alone_perhaps);
  }
}

TEST(Extraction, OnlyAFixedBrainWithAMovingHeadMasksItself) {
  const WholeVolume brain(ball(10, 0, 0)), smaller(ball(9, 0, 0)), head(ball(10, 6, 2));
  EXPECT_EQ(compare_extraction(brain, head), ExtractedSide::fixed_alone);
  EXPECT_EQ(compare_extraction(brain, smaller), ExtractedSide::neither_or_both);
  EXPECT_EQ(compare_extraction(head, brain), ExtractedSide::neither_or_both);
  EXPECT_EQ(compare_extraction(head, head), ExtractedSide::neither_or_both);
  EXPECT_EQ(compare_extraction(brain, WholeVolume(ball(10, 0, 2))), ExtractedSide::neither_or_both)
      << "a brain on a noisy background shows no more than the fixed one";
  EXPECT_EQ(compare_extraction(WholeVolume(ball(10, 0, 0, 0.1)), head),
            ExtractedSide::fixed_alone_perhaps);
}

TEST(RunSwitch, APausedRunWaitsUntilResumedOrCancelled) {
  for (const bool cancel : {false, true}) {
    RunSwitch control;
    control.pause();
    std::atomic<bool> passed = false;
    std::thread run([&] {
      control.wait_while_paused();
      passed = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    EXPECT_FALSE(passed);
    cancel ? control.cancel() : control.resume();
    run.join();
    EXPECT_TRUE(passed);
    EXPECT_EQ(control.cancelled(), cancel);
  }
}

TEST(AxisReorder, EqualsReorderedForAll48Orders) {
  Volume volume(
      Grid::from_itk({5, 3, 4}, {1, 2, 3}, {7, -8, 9}, Mat3{{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}}),
      ScalarType::u16, 2);
  for (std::int64_t i = 0; i < 2 * volume.grid().voxel_count(); ++i)
    volume.channel<std::uint16_t>()[i] = static_cast<std::uint16_t>(i * 37);
  std::array<int, 3> axes{0, 1, 2};
  do {
    for (int flips = 0; flips < 8; ++flips) {
      AxisOrder order;
      order.axis = axes;
      order.flipped = {(flips & 1) != 0, (flips & 2) != 0, (flips & 4) != 0};
      const Volume wanted = reordered(volume, order);
      Volume got = reordered(volume, AxisOrder{});
      reorder_in_place(got, order);
      EXPECT_EQ(got.grid(), wanted.grid());
      EXPECT_EQ(std::memcmp(got.data(), wanted.data(), wanted.bytes()), 0);
    }
  } while (std::next_permutation(axes.begin(), axes.end()));
}

TEST(RoundedGrid, MovesNoVoxelAndTakesAwayTheNoiseOfSinglePrecision) {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> unit(-1, 1);
  for (int trial = 0; trial < 200; ++trial) {
    const double scale = std::pow(10.0, 4 * unit(random));
    Grid grid;
    grid.size = {181, 217, 1001};
    for (int r = 0; r < 3; ++r) {
      for (int c = 0; c < 3; ++c)
        grid.world_from_voxel.linear[r][c] = scale * ((r == c ? 1.0 : 0.0) + 0.2 * unit(random));
      grid.world_from_voxel.offset[r] = 100 * scale * unit(random);
    }
    EXPECT_TRUE(rounded(grid).same_lattice(grid, 1.0 / 500)) << trial;
    EXPECT_EQ(rounded(rounded(grid)), rounded(grid));
  }
  Grid nice;
  nice.size = {182, 218, 182};
  nice.world_from_voxel.offset = {90, 126, -72};
  Grid noisy = nice;
  for (int r = 0; r < 3; ++r) {
    noisy.world_from_voxel.offset[r] += 1e-5;
    for (int c = 0; c < 3; ++c) noisy.world_from_voxel.linear[r][c] += 1e-7;
  }
  EXPECT_EQ(rounded(noisy), nice);
}

JobSpec two_levels() {
  JobSpec job;
  StageSpec stage;
  stage.kind = StageKind::greedy;
  stage.levels = {{2, 100}, {1, 50}};
  job.stages = {stage};
  return job;
}

TEST(WorkModel, TheFractionGrowsAndTheEtaFollowsTheMeasuredSpeed) {
  WorkModel model(two_levels(), 1'000'000, 10);
  ProgressEvent event;
  event.stage = "greedy";
  event.kind = EventKind::stage_started;
  model.update(event, 1);
  EXPECT_EQ(model.fraction(), 0);
  EXPECT_NEAR(model.eta_s(1), 10, 0.5);
  event.kind = EventKind::iteration;
  double last = 0;
  for (event.level = 0; event.level < 2; ++event.level) {
    const LevelSpec level = two_levels().stages[0].levels[static_cast<std::size_t>(event.level)];
    event.iterations = level.iterations;
    event.shrink = level.shrink;
    for (event.iteration = 1; event.iteration <= event.iterations; ++event.iteration) {
      model.update(event, 1 + 100 * last);  // a hundred seconds for everything, not ten
      EXPECT_GT(model.fraction(), last);
      last = model.fraction();
    }
  }
  EXPECT_GT(last, 0.9);
  EXPECT_GT(model.eta_s(1 + 100 * last), 5);
  event.kind = EventKind::run_finished;
  model.update(event, 101);
  EXPECT_EQ(model.fraction(), 1);
  EXPECT_EQ(model.eta_s(101), 0);
}

TEST(WorkModel, NothingDoneIsZeroWhateverTheForecast) {
  for (int tenths = 1; tenths < 50; ++tenths) {
    const WorkModel model(two_levels(), 1'000'000, 0.1 * tenths, {0.3, 0.7});
    EXPECT_FALSE(std::signbit(model.fraction())) << tenths;
  }
}

TEST(WorkModel, ReadingAndWritingMoveTheFractionAndTheTimeLeft) {
  WorkModel model(two_levels(), 1'000'000, 10, {20, 70});
  EXPECT_EQ(model.fraction(), 0);
  EXPECT_NEAR(model.eta_s(0), 100, 1e-9);
  model.set_loaded(0.5);
  EXPECT_NEAR(model.fraction(), 0.1, 1e-9);
  EXPECT_NEAR(model.eta_s(10), 90, 1e-9);
  ProgressEvent event;
  event.kind = EventKind::stage_finished;
  event.stage = "load";
  model.update(event, 20);
  EXPECT_NEAR(model.fraction(), 0.2, 1e-9);
  event.stage = "greedy";
  for (event.kind = EventKind::stage_started; model.fraction() < 0.25;
       event.kind = EventKind::stage_finished)
    model.update(event, 25);
  const double solved = model.fraction();
  model.set_written(0.5);
  EXPECT_NEAR(model.fraction(), solved + 0.35, 1e-9);
  model.set_written(1);
  EXPECT_LT(model.fraction(), 1) << "the run has not finished";
}

TEST(Recorder, TellsHowFarReadingIsAtMostOnceASecond) {
  const TemporaryFolder temporary;
  Recorder recorder(temporary.path(), false, WorkModel(two_levels(), 1000, 10, {20, 70}), nullptr);
  std::this_thread::sleep_for(std::chrono::milliseconds(1050));
  for (const double share : {0.25, 0.5, 0.75}) recorder.say_share("load", share, "reading");
  recorder.close();
  std::ifstream stream(temporary.path() / "events.jsonl");
  std::string first, second;
  std::getline(stream, first);
  EXPECT_NE(first.find("\"text\":\"reading: 25 %\""), std::string::npos) << first;
  EXPECT_NE(first.find("\"fraction\":0.05"), std::string::npos) << first;
  EXPECT_FALSE(std::getline(stream, second)) << second;
  EXPECT_EQ(std::filesystem::file_size(temporary.path() / "log.txt"), 0U) << "a line each second";
}

TEST(Recorder, KeepsEventsAsJsonLinesAndCollectsWarnings) {
  const TemporaryFolder temporary;
  Recorder recorder(temporary.path(), false, WorkModel(two_levels(), 1000, 1), nullptr);
  recorder.say(EventKind::warning, "load", "a \"quoted\"\nwarning");
  recorder.say(EventKind::run_finished, "", "");
  recorder.close();
  EXPECT_EQ(recorder.warnings().size(), 1U);
  std::ifstream stream(temporary.path() / "events.jsonl");
  int lines = 0;
  for (std::string line; std::getline(stream, line); ++lines) EXPECT_EQ(line.front(), '{');
  EXPECT_EQ(lines, 2);
}

TEST(Recorder, TellsTheMemoryOfEachGpuAndNothingOfItOnTheCpu) {
  const TemporaryFolder temporary;
  Recorder recorder(temporary.path(), false, WorkModel(two_levels(), 1000, 1), nullptr);
  ProgressEvent event;
  event.kind = EventKind::level_finished;
  event.levels = 2;
  recorder.on_event(event);
  event.device_peak_bytes = {5'000'000'000, 7};
  recorder.on_event(event);
  recorder.close();
  std::ifstream stream(temporary.path() / "events.jsonl");
  std::string on_cpu, on_gpus;
  std::getline(stream, on_cpu);
  std::getline(stream, on_gpus);
  EXPECT_EQ(on_cpu.find("device_peak_bytes"), std::string::npos) << on_cpu;
  EXPECT_NE(on_gpus.find("\"device_peak_bytes\":[5000000000,7]"), std::string::npos) << on_gpus;
  std::ifstream log(temporary.path() / "log.txt");
  const std::string text((std::istreambuf_iterator<char>(log)), {});
  EXPECT_NE(text.find("4768 MiB on the GPU"), std::string::npos) << text;
}

TEST(InputChecks, NotFiniteVoxelsBecomeTheMinimumWithAWarning) {
  Grid grid;
  grid.size = {8, 8, 8};
  Volume volume(grid, ScalarType::f32);
  float* voxels = volume.channel<float>();
  for (int i = 0; i < 512; ++i) voxels[i] = static_cast<float>(i) - 5;
  voxels[100] = std::numeric_limits<float>::quiet_NaN();
  voxels[200] = std::numeric_limits<float>::infinity();
  std::vector<std::string> warnings;
  check_intensities(volume, "image.nii", warnings);
  EXPECT_EQ(voxels[100], -5);
  EXPECT_EQ(voxels[200], -5);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].find("2 voxels"), std::string::npos);
}

TEST(InputChecks, OverlapIsJudgedAfterTheInitialTransform) {
  Grid fixed;
  fixed.size = {10, 10, 10};
  Grid moving = fixed;
  moving.world_from_voxel.offset = {100, 0, 0};
  EXPECT_THROW(check_overlap(fixed, moving, Affine{}, "f", "m"), Error);
  Affine shift;
  shift.offset = {100, 0, 0};
  EXPECT_NO_THROW(check_overlap(fixed, moving, shift, "f", "m"));
}

}  // namespace
}  // namespace gigawarp::job
