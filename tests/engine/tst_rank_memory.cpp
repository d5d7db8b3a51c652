#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "shard/plane_sharing.h"
#include "solve/forecast.h"
#include "solve/rank_run.h"
#include "solve/registration.h"
#include "support/output_bytes.h"
#include "support/rank_threads.h"
#include "support/scene.h"
#include "support/slab_pair.h"
#include "support/slab_runs.h"
#include "support/sliced_feed.h"

/// What each process of a registration over several reads of its files, and how much it holds. The
/// processes are threads here.
namespace gigawarp {
namespace {

using test::job_of;
using test::on_ranks;
using test::Rank;
using test::run_on;
using test::stage;

/// A volume in a file that several ranks read, and which of its planes this one has read.
class RankFeed final : public test::SlicedFeed {
 public:
  RankFeed(const Volume& volume, shard::Communicator& communicator,
           std::vector<CoarserFeed> coarser = {})
      : SlicedFeed(volume, 3),
        sharing_(shard::share_planes(communicator)),
        coarser_(std::move(coarser)),
        read_(static_cast<std::size_t>(volume.grid().size[2]), false) {}
  const PlaneSharing* sharing() const override { return sharing_.get(); }
  std::vector<CoarserFeed> coarser() const override { return coarser_; }
  void read(const Box& box, std::byte* out) const override {
    std::fill_n(read_.begin() + box.begin[2], box.size[2], true);
    SlicedFeed::read(box, out);
  }
  double share_read() const {
    return static_cast<double>(std::count(read_.begin(), read_.end(), true)) /
           static_cast<double>(read_.size());
  }

 private:
  std::shared_ptr<const PlaneSharing> sharing_;
  std::vector<CoarserFeed> coarser_;
  mutable std::vector<bool> read_;
};

TEST(RankFiles, imagesAndMasksThatAreReadByPlanesGiveTheBitsOfOne) {
  const test::SlabPair pair;
  const solve::RegistrationInput whole = pair.input(true);
  const JobSpec job = job_of({stage(StageKind::rigid, MetricKind::mi, {{2, 5}}),
                              stage(StageKind::greedy, MetricKind::lncc, {{2, 5}, {1, 3}})},
                             Initialisation::automatic);
  const std::string one = run_on(*ops::make_cpu_backend(), whole, job);
  for (const int count : {1, 3, 8})
    on_ranks(count, [&](Rank& rank) {
      const auto feed = [&](const ImageInput& input) -> ImageInput {
        return std::shared_ptr<const VolumeFeed>(
            std::make_shared<RankFeed>(*input->whole(), rank.communicator));
      };
      solve::RegistrationInput input;
      input.fixed = {feed(whole.fixed[0])};
      input.moving = {feed(whole.moving[0])};
      input.fixed_mask = feed(whole.fixed_mask);
      input.moving_mask = feed(whole.moving_mask);
      const std::string many = run_on(rank.backend, input, job);
      if (rank.number() == 0) {
        EXPECT_TRUE(many == one) << count << " ranks differ from one";
      }
    });
}

TEST(RankFiles, eachReadsThePlanesOfItsOwnAndFewMore) {
  const Volume fixed = test::volume_of({27, 33, 160}, 2.0, test::bend),
               moving = test::volume_of({29, 31, 150}, 2.0, [](const Vec3&p) { return p; });
  // Slabs of 40 planes, and around them what levels and metrics take.
  on_ranks(4, [&](Rank& rank) {
    const auto f = std::make_shared<RankFeed>(fixed, rank.communicator),
               m = std::make_shared<RankFeed>(moving, rank.communicator);
    solve::RegistrationInput input;
    input.fixed = {ImageInput(f)};
    input.moving = {ImageInput(m)};
    input.initial = Affine{};
    run_on(rank.backend, input,
           job_of({stage(StageKind::greedy, MetricKind::lncc, {{2, 2}, {1, 1}})},
                  Initialisation::transform));
    EXPECT_LT(f->share_read(), 0.32);
    EXPECT_LT(m->share_read(), 0.32);
    EXPECT_GE(f->share_read(), 0.25);
  });
}

TEST(RankFiles, coarseLevelsOfFilesGiveTheBitsOfOneProcess) {
  // Large enough for a level of a quarter, which the halves may be taken for.
  const test::TurnedPair pair({84, 90, 97}, {86, 88, 94}, 1.0, {});
  const solve::RegistrationInput whole = pair.input();
  const auto halved = [](const Volume& fine) {  // its geometry is nobody's business here
    Grid grid = fine.grid();
    for (std::int64_t& n : grid.size) n /= 2;
    Volume out(grid, ScalarType::u16);
    const Size3& n = grid.size;
    for (std::int64_t i = 0; i < grid.voxel_count(); ++i) {
      double sum = 0;
      for (int k = 0; k < 8; ++k)
        sum += fine.value(2 * (i % n[0]) + k % 2, 2 * (i / n[0] % n[1]) + k / 2 % 2,
                          2 * (i / n[0] / n[1]) + k / 4);
      out.channel<std::uint16_t>()[i] = static_cast<std::uint16_t>(sum / 8);
    }
    return out;
  };
  const Volume fixed_half = halved(*whole.fixed[0]->whole()),
               moving_half = halved(*whole.moving[0]->whole());
  const JobSpec job = job_of({stage(StageKind::greedy, MetricKind::lncc, {{4, 5}})});
  const auto input_of = [&](shard::Communicator& communicator) {
    const auto feed = [&](const Volume& fine, const Volume& half) -> ImageInput {
      return std::shared_ptr<const VolumeFeed>(std::make_shared<RankFeed>(
          fine, communicator,
          std::vector<CoarserFeed>{{{2, 2, 2}, std::make_shared<test::SlicedFeed>(half, 5)}}));
    };
    solve::RegistrationInput input;
    input.fixed = {feed(*whole.fixed[0]->whole(), fixed_half)};
    input.moving = {feed(*whole.moving[0]->whole(), moving_half)};
    return input;
  };
  const auto alone = shard::make_thread_communicators(1);
  const auto backend = ops::make_cpu_backend();
  const auto expected = solve::register_volumes(input_of(*alone[0]), job, {}, *backend);
  ASSERT_EQ(expected.notes.size(), 2U);  // of both images
  const std::string one = test::bytes_of(expected);
  EXPECT_FALSE(run_on(*backend, whole, job) == one) << "the file's level did not count";
  for (const int count : {2, 5})
    on_ranks(count, [&](Rank& rank) {
      const std::string many = run_on(rank.backend, input_of(rank.communicator), job);
      if (rank.number() == 0) {
        EXPECT_TRUE(many == one) << count;
      }
    });
}

TEST(RankFiles, fieldsAreReadFromThoseThatHoldThemUntilRankZeroReleasesThem) {
  const test::SlabPair pair;
  const JobSpec job = job_of({stage(StageKind::greedy, MetricKind::lncc, {{2, 5}})});
  const auto one = solve::register_volumes(pair.input(false), job, {}, *ops::make_cpu_backend());
  std::atomic<int> released{0};
  const auto communicators = shard::make_thread_communicators(3);
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&, i] {
      JobSpec own = job;
      own.device = "mpi:cpu";
      solve::RunControl control;
      control.leave_fields = true;
      const auto output = solve::register_on_ranks(pair.input(false), own, control,
                                                   *communicators[static_cast<std::size_t>(i)]);
      EXPECT_FALSE(output.forward_mm || output.inverse_mm);
      if (i > 0) {
        EXPECT_EQ(released, 1);
        EXPECT_EQ(output.forward, nullptr);
        return;
      }
      const Size3& n = output.forward->grid().size;
      for (std::int64_t z = n[2]; z-- > 0;)  // in any order
        for (const auto& [feed, expected] : {std::pair{output.forward, &*one.forward_mm},
                                             std::pair{output.inverse, &*one.inverse_mm}})
          for (int c = 0; c < 3; ++c)
            EXPECT_EQ(std::memcmp(read_planes(*feed, z, 1).channel<float>(c),
                                  expected->component_mm(c) + z * n[0] * n[1],
                                  static_cast<std::size_t>(n[0] * n[1]) * sizeof(float)),
                      0);
      released = 1;
      output.release();
    });
  for (std::thread& thread : threads) thread.join();
}

TEST(RankMemory, whatARankHoldsDoesNotGrowWithTheirNumber) {
  const auto peak = [](int count, const Affine& turn) {
    const test::TurnedPair pair({48, 96, 96}, {48, 96, 96}, 2.0, turn);
    std::uint64_t most = 0;
    on_ranks(count, [&](Rank& rank) {
      run_on(rank.backend, pair.input(),
             job_of({stage(StageKind::greedy, MetricKind::lncc, {{1, 2}})},
                    Initialisation::transform));
      const std::uint64_t bytes = rank.backend.peak_bytes();
      if (rank.number() == 0) most = bytes;
    });
    return static_cast<double>(most);
  };
  for (const Affine& turn : {Affine{}, test::quarter_turn()}) {
    const double one = peak(1, turn), two = peak(2, turn), four = peak(4, turn);
    EXPECT_LT(two, 0.72 * one);  // halves, and the planes around them
    EXPECT_LT(four, 0.52 * one);
  }
}

TEST(RankMemory, takeNoMoreThanTheirPlanSays) {
  for (const Size3& moving_size : {Size3{72, 80, 96}, Size3{36, 40, 48}})
    for (const Affine& turn : {Affine{}, test::quarter_turn(), test::oblique_turn()}) {
      const test::TurnedPair pair({72, 80, 96}, moving_size, 2.0, turn);
      const solve::RegistrationInput input = pair.input();
      JobSpec job = job_of({stage(StageKind::greedy, MetricKind::lncc, {{2, 2}, {1, 2}})},
                           Initialisation::transform);
      job.device = "mpi:cpu";
      constexpr int kRanks = 4;
      const solve::MemoryForecast plan =
          solve::forecast(pair.fixed.grid(), pair.moving.grid(), ScalarType::u16, ScalarType::u16,
                          job, std::vector<double>(kRanks, 1.0 / kRanks));
      ASSERT_EQ(plan.slabs.size(), std::size_t{kRanks});
      on_ranks(kRanks, [&](Rank& rank) {
        run_on(rank.backend, input, job);
        const std::vector<std::uint64_t> each = rank.backend.peak_bytes_of_each();
        for (std::size_t r = 0; r < each.size(); ++r)
          EXPECT_LE(each[r], plan.slabs[r].bytes)
              << "rank " << r << " of a moving image of " << moving_size[0] << " voxels";
      });
    }
}

}  // namespace
}  // namespace gigawarp
