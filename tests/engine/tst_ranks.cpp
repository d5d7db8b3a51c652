#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <future>
#include <thread>

#include "gigawarp/error.h"
#include "ops/grid_members.h"
#include "shard/directory.h"
#include "solve/rank_run.h"
#include "solve/registration.h"
#include "support/failing_device.h"
#include "support/memory_store.h"
#include "support/output_bytes.h"
#include "support/queued_members.h"
#include "support/rank_threads.h"
#include "support/rows_noted.h"
#include "support/scene.h"
#include "support/slab_pair.h"
#include "support/slab_runs.h"

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
            parts.backend = std::make_unique<test::RowsNoted>(ops::make_cpu_backend(), seen);
            return parts;
          });
      if (count > 2) {
        EXPECT_GT(seen, 0) << count;
      }
    }
  }
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

}  // namespace
}  // namespace gigawarp
