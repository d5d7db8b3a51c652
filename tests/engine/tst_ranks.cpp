#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <future>
#include <mutex>
#include <numeric>
#include <random>
#include <thread>

#include "gigawarp/error.h"
#include "ops/grid_members.h"
#include "shard/directory.h"
#include "shard/plane_sharing.h"
#include "shard/reach.h"
#include "solve/forecast.h"
#include "solve/rank_run.h"
#include "solve/registration.h"
#include "support/failing_device.h"
#include "support/forwarding_backend.h"
#include "support/memory_store.h"
#include "support/output_bytes.h"
#include "support/queued_members.h"
#include "support/rank_threads.h"
#include "support/scene.h"
#include "support/slab_pair.h"
#include "support/slab_runs.h"
#include "support/sliced_feed.h"

/// One registration over several processes, to the bits of one. The processes are threads here, and
/// share nothing but their messages.
namespace gigawarp {
namespace {

using test::fields_of;
using test::job_of;
using test::kSlabCounts;
using test::on_ranks;
using test::Rank;
using test::run_on;
using test::stage;

TEST(Ranks, foldsAreRepairedAcrossSlabsAsOnOneDevice) {
  const Size3 n{35, 13, 37};
  std::vector<float> one = test::rough_field(n);
  const ops::FoldRepair expected =
      ops::make_cpu_backend()->repair_folds({test::view_of(one.data(), n), {0, n[2]}, 0.1F, 20});
  EXPECT_GT(expected.found, 100);
  for (const int count : kSlabCounts)
    on_ranks(count, [&](Rank& rank) {
      const std::vector<float> rough = test::rough_field(n);
      const std::size_t bytes = rough.size() * sizeof(float);
      const ops::Array u = rank.backend.allocate_volume(bytes, n[0] * n[1] * n[2]);
      rank.backend.upload(u.data(), rough.data(), bytes);
      const ops::FoldRepair report =
          rank.backend.repair_folds({test::view_of(u.as<float>(), n), {0, n[2]}, 0.1F, 20});
      EXPECT_EQ(report.found, expected.found);
      EXPECT_EQ(report.remaining, expected.remaining);
      std::vector<float> repaired(rough.size());
      rank.backend.download(repaired.data(), u.data(), bytes);
      if (rank.number() == 0) {
        EXPECT_TRUE(repaired == one) << count;
      }
    });
}

void expect_same_bits(const solve::RegistrationInput& input, const JobSpec& job,
                      std::span<const int> counts = kSlabCounts, std::int64_t small_voxels = 0) {
  const std::string one = run_on(*ops::make_cpu_backend(), input, job);
  for (const int count : counts)
    on_ranks(
        count,
        [&](Rank& rank) {
          const std::string many = run_on(rank.backend, input, job);
          if (rank.number() == 0) {
            EXPECT_TRUE(many == one) << count << " ranks differ from one";
          }
        },
        [&](int) {
          ops::RankParts parts = ops::make_host_rank();
          parts.small_voxels = small_voxels;
          return parts;
        });
}

TEST(Ranks, affineStagesGiveTheBitsOfOneByEveryMetric) {
  const test::SlabPair pair;
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi, MetricKind::mse})
    expect_same_bits(pair.input(false),
                     job_of({stage(StageKind::affine, metric, {{2, 5}, {1, 3}})}));
}

TEST(Ranks, greedyGivesTheBitsOfOneByEveryMetric) {
  const test::SlabPair pair;
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi, MetricKind::mse})
    expect_same_bits(pair.input(false),
                     job_of({stage(StageKind::greedy, metric, {{2, 5}, {1, 3}})}));
}

TEST(Ranks, synGivesTheBitsOfOneByEveryMetric) {
  const test::SlabPair pair;
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi, MetricKind::mse})
    expect_same_bits(pair.input(false), job_of({stage(StageKind::syn, metric, {{2, 3}, {1, 2}})}));
}

/// A rank's memory whose arrays end when what was queued before is done.
class QueuedSparseMemory final : public ops::SparseMemory {
 public:
  QueuedSparseMemory(std::unique_ptr<ops::SparseMemory> memory,
                     std::shared_ptr<test::WorkQueue> queue)
      : memory_(std::move(memory)), queue_(std::move(queue)) {}
  ops::Array reserve(std::size_t bytes) override {
    auto array = std::make_shared<ops::Array>(memory_->reserve(bytes));
    return {array->data(), bytes, [array, queue = queue_](std::byte*) mutable {
              queue->drain();
              array.reset();
            }};
  }
  void commit(std::byte* from, std::size_t bytes) override { memory_->commit(from, bytes); }
  std::uint64_t peak_bytes() const override { return memory_->peak_bytes(); }
  void forget_peak() override { memory_->forget_peak(); }

 private:
  std::unique_ptr<ops::SparseMemory> memory_;
  std::shared_ptr<test::WorkQueue> queue_;
};

/// Messages on a thread of their own, in the order of the back end's work where the two meet, as
/// NCCL sends them on a stream of its own; the host does not wait.
class QueuedExchange final : public shard::Exchange {
 public:
  QueuedExchange(shard::Communicator& communicator, std::shared_ptr<test::WorkQueue> queue)
      : communicator_(communicator), queue_(std::move(queue)) {}
  void begin(std::span<const shard::Message> sends,
             std::span<const shard::Message> receives) override {
    messages_.add([this, ready = queue_->mark(), out = std::vector(sends.begin(), sends.end()),
                   in = std::vector(receives.begin(), receives.end())] {
      ready.wait();
      std::this_thread::sleep_for(std::chrono::microseconds(300));
      communicator_.exchange(out, in);
    });
    arrived_ = messages_.mark();
  }
  void finish() override {
    queue_->add([arrived = arrived_] { arrived.wait(); });
  }
  double take_seconds() override { return 0; }
  std::string name() const override { return "a queue"; }

 private:
  shard::Communicator& communicator_;
  std::shared_ptr<test::WorkQueue> queue_;
  test::WorkQueue messages_;
  std::shared_future<void> arrived_;
};

TEST(Ranks, thatDoNotWaitForTheirWorkGiveTheBitsOfOne) {
  const test::SlabPair pair;
  constexpr int kRanks = 3;
  for (const StageKind kind : {StageKind::greedy, StageKind::syn})
    for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi}) {
      const JobSpec job = job_of({stage(StageKind::rigid, MetricKind::mi, {{2, 5}}),
                                  stage(kind, metric, {{2, 5}, {1, 3}})});
      const std::string one = run_on(*ops::make_cpu_backend(), pair.input(true), job);
      const auto carriers = shard::make_thread_communicators(kRanks);
      std::vector<std::shared_ptr<test::WorkQueue>> queues;
      for (int i = 0; i < kRanks; ++i) queues.push_back(std::make_shared<test::WorkQueue>());
      on_ranks(
          kRanks,
          [&](Rank& rank) {
            const std::string many = run_on(rank.backend, pair.input(true), job);
            if (rank.number() == 0) {
              EXPECT_TRUE(many == one);
            }
          },
          [&](int rank) {
            const auto& queue = queues[static_cast<std::size_t>(rank)];
            ops::RankParts parts = ops::make_host_rank();
            parts.least_piece = 1;
            parts.backend =
                std::make_unique<test::QueuedMember>(queue, std::chrono::microseconds(1500 * rank));
            parts.memory = std::make_unique<QueuedSparseMemory>(std::move(parts.memory), queue);
            return parts;
          },
          [&](shard::Communicator& communicator, ops::RankParts&) {
            const auto rank = static_cast<std::size_t>(communicator.rank());
            return std::make_unique<QueuedExchange>(*carriers[rank], queues[rank]);
          });
    }
}

TEST(Ranks, wideWindowsAndMasksGiveTheBitsOfOne) {
  const test::SlabPair pair;
  StageSpec wide = stage(StageKind::greedy, MetricKind::lncc, {{2, 5}, {1, 3}});
  wide.metric.radius = 5;  // a halo of ten planes
  wide.metric.symmetric_gradient = true;
  wide.sigma_gradient_voxels = 3;
  expect_same_bits(pair.input(true),
                   job_of({stage(StageKind::rigid, MetricKind::mi, {{2, 5}}), wide}));
  StageSpec soft = stage(StageKind::greedy, MetricKind::lncc, {{1, 3}});
  soft.metric.window = WindowKind::gaussian;
  constexpr int kFew[] = {3, 8};
  expect_same_bits(pair.input(true), job_of({soft}), kFew);
}

TEST(Ranks, smallLevelsComputedByAllGiveTheBitsOfOne) {
  const test::SlabPair pair;
  constexpr int kFew[] = {2, 5};
  // The coarse level has 18711 voxels, the fine one 36531.
  for (const StageKind kind : {StageKind::greedy, StageKind::syn})
    expect_same_bits(pair.input(false), job_of({stage(kind, MetricKind::lncc, {{2, 5}, {1, 3}})}),
                     kFew, 20000);
}

TEST(Ranks, theSearchForAStartGivesTheBitsOfOne) {
  const test::SlabPair pair;
  constexpr int kFew[] = {3};
  expect_same_bits(
      pair.input(false),
      job_of({stage(StageKind::rigid, MetricKind::mi, {{2, 5}})}, Initialisation::automatic), kFew);
}

TEST(Ranks, aQuarterTurnGivesTheBitsOfOne) {
  const test::TurnedPair pair({27, 33, 41}, {29, 41, 38}, 2.0, test::quarter_turn());
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi})
    expect_same_bits(pair.input(), job_of({stage(StageKind::greedy, metric, {{2, 5}, {1, 3}})},
                                          Initialisation::transform));
}

TEST(Ranks, showWhatOneShowsOnTheWay) {
  const test::SlabPair pair;
  for (const StageKind kind : {StageKind::greedy, StageKind::syn}) {
    const JobSpec job = job_of({stage(StageKind::affine, MetricKind::mi, {{2, 6}}),
                                stage(kind, MetricKind::lncc, {{2, 6}, {1, 4}})});
    const auto shown_by = [&](ops::Backend& backend, bool is_first) {
      test::KeptPreviews previews;
      solve::RunControl control;
      control.preview = &previews;
      run_on(backend, pair.input(false), job, control);
      if (is_first) {
        EXPECT_GE(previews.fields(), 2);
        EXPECT_GT(previews.shown(), previews.fields());
      }
      return previews.bytes();
    };
    const std::string one = shown_by(*ops::make_cpu_backend(), true);
    EXPECT_TRUE(shown_by(*ops::make_grid_backend(ops::make_host_members(3)), true) == one);
    for (const int count : {2, 5})
      on_ranks(count, [&](Rank& rank) {
        const std::string shown = shown_by(rank.backend, rank.number() == 0);
        if (rank.number() == 0) {
          EXPECT_TRUE(shown == one) << count << " ranks show something else";
        }
      });
  }
}

/// Takes note when a moving volume comes by the parts of its rows.
class RowsNoted final : public test::ForwardingBackend {
 public:
  explicit RowsNoted(std::atomic<int>& seen)
      : ForwardingBackend(ops::make_cpu_backend()), seen_(seen) {}
  void warp(const ops::WarpArgs& args, std::vector<ops::PlaneSums>& sums) override {
    if (args.pair.moving.rows != nullptr) ++seen_;
    ForwardingBackend::warp(args, sums);
  }

 private:
  std::atomic<int>& seen_;
};

TEST(Ranks, anObliqueTurnGivesTheBitsOfOneFromPartsOfRows) {
  const test::TurnedPair pair({33, 45, 67}, {49, 61, 64}, 2.0, test::oblique_turn());
  const Volume fixed_mask = test::mask_of(pair.fixed, 2),
               moving_mask = test::mask_of(pair.moving, 3);
  solve::RegistrationInput masked = pair.input();
  masked.fixed_mask = &fixed_mask;
  masked.moving_mask = &moving_mask;
  const std::vector<LevelSpec> levels{{2, 4}, {1, 3}};
  struct {
    solve::RegistrationInput input;
    StageKind kind;
    MetricKind metric;
  } const runs[] = {{pair.input(), StageKind::greedy, MetricKind::lncc},
                    {pair.input(), StageKind::greedy, MetricKind::mi},
                    {pair.input(), StageKind::affine, MetricKind::mse},
                    {pair.input(), StageKind::syn, MetricKind::mse},
                    {masked, StageKind::greedy, MetricKind::lncc}};
  for (const auto& run : runs) {
    const JobSpec job = job_of({stage(run.kind, run.metric, levels)}, Initialisation::transform);
    const std::string one = run_on(*ops::make_cpu_backend(), run.input, job);
    for (const int count : kSlabCounts) {
      std::atomic<int> seen = 0;
      on_ranks(
          count,
          [&](Rank& rank) {
            const std::string many = run_on(rank.backend, run.input, job);
            if (rank.number() == 0) {
              EXPECT_TRUE(many == one) << count << " ranks differ from one";
            }
          },
          [&](int) {
            ops::RankParts parts = test::thin_pieces();
            parts.backend = std::make_unique<RowsNoted>(seen);
            return parts;
          });
      if (count > 2) {
        EXPECT_GT(seen, 0) << count;
      }
    }
  }
}

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

TEST(Ranks, imagesAndMasksThatAreReadByPlanesGiveTheBitsOfOne) {
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

TEST(Ranks, eachReadsThePlanesOfItsOwnAndFewMore) {
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

TEST(Ranks, coarseLevelsOfFilesGiveTheBitsOfOneProcess) {
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

TEST(Ranks, fieldsAreReadFromThoseThatHoldThemUntilRankZeroReleasesThem) {
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

const std::vector<StageSpec> kTwoStages{
    stage(StageKind::rigid, MetricKind::mi, {{2, 5}}),
    stage(StageKind::greedy, MetricKind::lncc, {{2, 6}, {1, 4}})};

/// Goes on from the store on another number of ranks, to the bits of an undisturbed run.
void expect_it_goes_on(test::MemoryStore& store, const test::SlabPair& pair, int count) {
  const JobSpec job = job_of(kTwoStages);
  const std::string whole =
      fields_of(solve::register_volumes(pair.input(false), job, {}, *ops::make_cpu_backend()));
  ASSERT_TRUE(store.position());
  store.thaw();
  on_ranks(count, [&](Rank& rank) {
    solve::RankStore shared(rank.communicator, &store);
    solve::RunControl control;
    control.checkpoints = &shared;
    auto resumed = solve::register_volumes(pair.input(false), job, control, rank.backend);
    EXPECT_EQ(resumed.forward_mm.has_value(), rank.number() == 0);
    EXPECT_EQ(resumed.inverse_mm.has_value(), rank.number() == 0);
    if (rank.number() > 0) return;
    EXPECT_TRUE(fields_of(std::move(resumed)) == whole);
  });
}

TEST(Ranks, aRankThatFailsEndsTheRunAndTheCheckpointGoesOnWithAnotherNumber) {
  const test::SlabPair pair;
  test::MemoryStore store(9);
  std::atomic<int> ended{0};
  try {
    on_ranks(
        3,
        [&](Rank& rank) {
          solve::RankStore shared(rank.communicator, &store);
          solve::RunControl control;
          control.checkpoints = &shared;
          try {
            run_on(rank.backend, pair.input(false), job_of(kTwoStages), control);
          } catch (const Error&) {
            ++ended;
            throw;
          }
        },
        [](int rank) {
          ops::RankParts parts = ops::make_host_rank();
          if (rank == 1) parts.backend = std::make_unique<test::FailingDevice>(6);
          return parts;
        });
    FAIL() << "a run went on without one of its ranks";
  } catch (const Error& error) {  // of rank 0
    EXPECT_EQ(error.code(), ErrorCode::device_fault);
    EXPECT_STREQ(error.what(), "Rank 1 (cpu): It fell off the bus.");
  }
  EXPECT_EQ(ended, 3);
  expect_it_goes_on(store, pair, 5);
}

TEST(Ranks, aStopAskedOfOneRankReachesAllAtTheSameIteration) {
  const test::SlabPair pair;
  test::MemoryStore store(1000);
  std::stop_source stop;
  struct StopAt : ProgressSink {
    std::stop_source* source = nullptr;
    void on_event(const ProgressEvent& event) override {
      if (event.kind == EventKind::iteration && event.stage == "greedy" && event.iteration == 4)
        source->request_stop();
    }
  } sink;
  sink.source = &stop;
  std::atomic<int> cancelled{0};
  EXPECT_THROW(on_ranks(3,
                        [&](Rank& rank) {
                          solve::RankStore shared(rank.communicator, &store);
                          solve::RunControl control;
                          control.checkpoints = &shared;
                          if (rank.number() == 2) {  // any of them
                            control.progress = &sink;
                            control.stop = stop.get_token();
                          }
                          try {
                            run_on(rank.backend, pair.input(false), job_of(kTwoStages), control);
                          } catch (const Error& error) {
                            cancelled += error.code() == ErrorCode::cancelled ? 1 : 0;
                            throw;
                          }
                        }),
               Error);
  EXPECT_EQ(cancelled, 3);
  ASSERT_TRUE(store.position());
  EXPECT_EQ(store.position()->iteration, 4);
  expect_it_goes_on(store, pair, 2);
}

TEST(Ranks, eachTakesTheGpuOfItsNumberOrTheOnlyOneThatItSees) {
  EXPECT_EQ(solve::gpu_number(2, 4), 2);
  EXPECT_EQ(solve::gpu_number(2, 1), 0);  // Slurm has given it one of its own
  EXPECT_EQ(solve::gpu_number(2, 2), 2);  // which is not there
  EXPECT_EQ(solve::first_without_gpu({"a", "b", "c"}), 3U);
  EXPECT_EQ(solve::first_without_gpu({"a", "b", "a"}), 2U);  // two ranks, one GPU
  EXPECT_EQ(solve::first_without_gpu({"a", "", ""}), 1U);
}

TEST(Ranks, leftToTheMachineTheySayWhyTheyTakeNoGpu) {
  on_ranks(2, [](Rank& rank) {
    const solve::DeviceChoice choice = solve::choose_rank_device("mpi", rank.communicator);
    if (choice.device == "mpi:cuda") {
      EXPECT_EQ(choice.why_no_gpu, "");
    } else {
      EXPECT_EQ(choice.device, "mpi:cpu");
      const std::string begin = "No rank has a GPU to use; rank " + std::to_string(rank.number());
      EXPECT_EQ(choice.why_no_gpu.rfind(begin, 0), 0U) << choice.why_no_gpu;
    }
    EXPECT_EQ(solve::choose_rank_device("mpi:cpu", rank.communicator).why_no_gpu, "");
  });
}

TEST(Ranks, whatARankHoldsDoesNotGrowWithTheirNumber) {
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

TEST(Ranks, takeNoMoreThanTheirPlanSays) {
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
