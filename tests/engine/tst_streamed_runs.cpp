#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "solve/forecast.h"
#include "solve/registration.h"
#include "support/feed_scene.h"
#include "support/forwarding_backend.h"
#include "support/sliced_feed.h"

/// Runs whose images and fields are read a few planes at a time give the bits of those in memory.
namespace gigawarp {
namespace {

using test::kSize;
using test::same_bytes;
using test::scene;
using test::SlicedFeed;

/// The CPU as if its memory were its own.
class DistantBackend : public test::ForwardingBackend {
 public:
  DistantBackend() : ForwardingBackend(ops::make_cpu_backend()) {}
  bool on_host() const override { return false; }
};

JobSpec small_job() {
  JobSpec job;
  StageSpec affine;
  affine.kind = StageKind::affine;
  affine.metric.kind = MetricKind::mi;
  affine.levels = {{2, 5}};
  StageSpec greedy;
  greedy.kind = StageKind::greedy;
  greedy.levels = {{2, 6}};
  job.stages = {affine, greedy};
  job.device = "cpu";
  return job;
}

class Runs : public testing::Test {
 protected:
  Volume fixed_ = scene(ScalarType::u16);
  Volume moving_ = test::volume_of(kSize, 2.0, [](const Vec3& p) {
    return Vec3{p[0] + 2 * std::sin(0.1 * p[1]), p[1] - 1, p[2] + 1};
  });
  Volume mask_ = test::volume_of(kSize, 2.0, [](const Vec3& p) { return p; });

  solve::RegistrationInput whole() const {
    solve::RegistrationInput in;
    in.fixed = {&fixed_};
    in.moving = {&moving_};
    in.fixed_mask = &mask_;
    return in;
  }
  solve::RegistrationInput sliced() const {
    solve::RegistrationInput in;
    in.fixed.emplace_back(std::make_shared<SlicedFeed>(fixed_, 4));
    in.moving.emplace_back(std::make_shared<SlicedFeed>(moving_, 9));
    in.fixed_mask = ImageInput(std::make_shared<SlicedFeed>(mask_, 3));
    return in;
  }
};

TEST_F(Runs, endAlikeWhetherImagesAreInMemoryOrNot) {
  for (const bool distant : {false, true})
    for (const int finest : {2, 1}) {
      JobSpec job = small_job();
      job.stages.back().levels = {{2, 6}};
      if (finest == 1) job.stages.back().levels.push_back({1, 3});
      const auto on = [&](const solve::RegistrationInput& input) {
        if (!distant) return solve::register_volumes(input, job, {});
        DistantBackend backend;
        return solve::register_volumes(input, job, {}, backend);
      };
      const auto a = on(whole()), b = on(sliced());
      ASSERT_TRUE(a.forward_mm && a.inverse_mm && b.forward_mm && b.inverse_mm);
      EXPECT_TRUE(same_bytes(a.forward_mm->volume(), b.forward_mm->volume()));
      EXPECT_TRUE(same_bytes(a.inverse_mm->volume(), b.inverse_mm->volume()));
      EXPECT_EQ(a.levels.back().losses, b.levels.back().losses);
    }
}

/// A device that counts how often its memory is asked for: between ranks each time is a message.
class CountedBackend : public DistantBackend {
 public:
  std::vector<std::uint64_t> peak_bytes_of_each() const override {
    ++asked_;
    return {5'000'000'000, 7};
  }
  int asked() const { return asked_; }

 private:
  mutable int asked_ = 0;
};

TEST_F(Runs, tellTheMemoryOfEachDeviceFromTheFirstIterationOn) {
  struct : ProgressSink {
    void on_event(const ProgressEvent& event) override { events.push_back(event); }
    std::vector<ProgressEvent> events;
  } sink;
  solve::RunControl control;
  control.progress = &sink;
  CountedBackend counted;
  solve::register_volumes(whole(), small_job(), control, counted);
  const std::vector<std::uint64_t> expected{5'000'000'000, 7};
  bool iterated = false;
  for (const ProgressEvent& event : sink.events) {
    iterated = iterated || event.kind == EventKind::iteration;
    EXPECT_EQ(event.device_peak_bytes, iterated ? expected : std::vector<std::uint64_t>{});
  }
  EXPECT_TRUE(iterated);
  EXPECT_EQ(counted.asked(), 2 * 2) << "twice a level";
  CountedBackend silent;  // as ranks that tell nothing: they must ask just as often
  solve::register_volumes(whole(), small_job(), {}, silent);
  EXPECT_EQ(silent.asked(), counted.asked());
  sink.events.clear();
  solve::register_volumes(whole(), small_job(), control);
  for (const ProgressEvent& event : sink.events) EXPECT_TRUE(event.device_peak_bytes.empty());
}

TEST_F(Runs, leaveTheirFieldsWithTheSameBits) {
  for (const bool distant : {false, true})
    for (const WarpGrid grid : {WarpGrid::full, WarpGrid::level}) {
      JobSpec job = small_job();
      job.warp_grid = grid;
      DistantBackend far;
      const auto near = ops::make_cpu_backend();
      ops::Backend& backend = distant ? static_cast<ops::Backend&>(far) : *near;
      solve::RunControl control;
      const auto brought = solve::register_volumes(sliced(), job, control, backend);
      control.leave_fields = true;
      const auto left = solve::register_volumes(sliced(), job, control, backend);
      EXPECT_FALSE(left.forward_mm || left.inverse_mm);
      ASSERT_TRUE(left.forward != nullptr && left.inverse != nullptr);
      EXPECT_EQ(left.forward->whole() == nullptr, distant);
      const Size3 size = grid == WarpGrid::full ? kSize : Size3{23, 26, 37};
      EXPECT_EQ(left.forward->grid().size, size);
      for (const auto& [field, feed] : {std::pair{&*brought.forward_mm, left.forward.get()},
                                        std::pair{&*brought.inverse_mm, left.inverse.get()}}) {
        EXPECT_TRUE(same_bytes(field->volume(), read_all(*feed)));
        const Box box{{2, 3, 4}, {5, 6, 7}};
        Volume expected(Grid{box.size, {}}, ScalarType::f32, 3),
            part(Grid{box.size, {}}, ScalarType::f32, 3);
        WholeVolume(&field->volume()).read(box, expected.data());
        feed->read(box, part.data());
        EXPECT_TRUE(same_bytes(expected, part));
      }
    }
}

TEST_F(Runs, warpOnTheGridOfTheLevelIsTheSameMap) {
  JobSpec job = small_job();
  const auto full = solve::register_volumes(whole(), job, {});
  job.warp_grid = WarpGrid::level;
  const auto level = solve::register_volumes(whole(), job, {});
  double worst = 0;
  for (std::int64_t z = 0; z < kSize[2]; z += 3)
    for (std::int64_t y = 0; y < kSize[1]; y += 3)
      for (std::int64_t x = 0; x < kSize[0]; x += 3) {
        const Vec3 p = full.forward_mm->grid().world_from_voxel(
            {static_cast<double>(x), static_cast<double>(y), static_cast<double>(z)});
        const Vec3 a = *full.forward_mm->at_world(p), b = *level.forward_mm->at_world(p);
        for (int c = 0; c < 3; ++c) worst = std::max(worst, std::abs(a[c] - b[c]));
      }
  EXPECT_LT(worst, 1e-4);
}

TEST(Streaming, isForImagesOfWhichNoStageTakesTheFullLevel) {
  Grid grid;
  grid.size = {400, 400, 400};
  JobSpec job = small_job();
  EXPECT_TRUE(solve::streamable(grid, grid, job).fixed);
  job.stages.back().levels.push_back({1, 3});
  EXPECT_FALSE(solve::streamable(grid, grid, job).fixed);
  job.device = "cuda:0";
  EXPECT_TRUE(solve::streamable(grid, grid, job).moving);
  job.device = "cpu";
  job.stages.back().levels = {{8, 10}, {4, 5}};
  job.stages.front().levels = {{8, 10}};
  solve::Streaming streamed{true, true, true};
  job.warp_grid = WarpGrid::level;
  grid.size = {1200, 1200, 1200};
  const auto less =
      solve::forecast(grid, grid, ScalarType::u16, ScalarType::u16, job, {}, streamed);
  const auto more = solve::forecast(grid, grid, ScalarType::u16, ScalarType::u16, job, {});
  EXPECT_LT(less.images_bytes + less.state_bytes, more.images_bytes + more.state_bytes);
  grid.size = {400, 400, 400};
  Grid coarse = grid;  // voxels as wide as the level's
  coarse.size = {100, 100, 100};
  for (int a = 0; a < 3; ++a) coarse.world_from_voxel.linear[a][a] = 4;
  EXPECT_FALSE(solve::streamable(grid, coarse, job).moving);
}

}  // namespace
}  // namespace gigawarp
