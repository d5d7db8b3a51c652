#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <set>
#include <string>

#include "gigawarp/error.h"
#include "math/packed.h"
#include "shard/device_exchange.h"
#include "solve/registration.h"
#include "support/forwarding_backend.h"
#include "support/gpu.h"
#include "support/rank_threads.h"
#include "support/rows_noted.h"
#include "support/slab_runs.h"

/// One registration over ranks with a GPU each, to the bits of one GPU: threads in place of
/// processes, NCCL between different GPUs, host memory where several ranks have the same.
namespace gigawarp {
namespace {

using test::Rank;

class CudaRanks : public test::GpusTest {
 protected:
  static bool all_different() {
    return std::set<int>(GetParam().begin(), GetParam().end()).size() == GetParam().size();
  }
  static void on_gpus(
      const std::function<void(Rank&)>& body, std::int64_t small_voxels = 0,
      const std::function<void(int, ops::RankParts&)>& change = [](int, ops::RankParts&) {}) {
    test::on_ranks(
        static_cast<int>(GetParam().size()), body,
        [&](int rank) {
          ops::RankParts parts = ops::make_cuda_rank(GetParam()[static_cast<std::size_t>(rank)], 0);
          parts.small_voxels = small_voxels;
          parts.memory_bytes = 1;  // free memory changes while the others start
          change(rank, parts);
          return parts;
        },
        [&](shard::Communicator& c, ops::RankParts& parts) {
          return all_different() ? shard::make_nccl_exchange(c, parts)
                                 : shard::make_staged_exchange(c, *parts.backend);
        });
  }
  void expect_same_bits(const std::vector<StageSpec>& stages, std::int64_t small_voxels = 0,
                        const Affine& turn = {}, std::int64_t least_piece = 0) {
    const test::TurnedPair pair({67, 71, 133}, {71, 129, 130}, 1.0, turn);
    const JobSpec job = test::job_of(stages, Initialisation::transform);
    const std::string one = test::run_on(*gpu_, pair.input(), job);
    on_gpus(
        [&](Rank& rank) {
          const std::string many = test::run_on(rank.backend, pair.input(), job);
          if (rank.number() == 0) {
            EXPECT_TRUE(many == one);
          }
        },
        small_voxels,
        [&](int, ops::RankParts& parts) {
          if (least_piece > 0) parts.least_piece = least_piece;
        });
  }
};

TEST_P(CudaRanks, dataGoesWhereItBelongsAndComesBack) {
  constexpr std::size_t kBytes = (std::size_t{23} << 20U) + 12345;
  std::vector<std::uint8_t> out(kBytes);
  for (std::size_t i = 0; i < kBytes; ++i) out[i] = static_cast<std::uint8_t>(i * 7 + i / 1000);
  on_gpus([&](Rank& rank) {
    std::vector<std::uint8_t> in(kBytes, 1);
    const ops::Array a = rank.backend.allocate_volume(kBytes, 1),
                     b = rank.backend.allocate_volume(kBytes, 1);
    rank.backend.upload(a.data(), out.data(), kBytes);
    rank.backend.copy(b.data() + 4096, a.data() + 999, kBytes - 5000);
    rank.backend.download(in.data(), b.data(), kBytes);
    if (rank.number() != 0) return;
    EXPECT_EQ(std::memcmp(in.data() + 4096, out.data() + 999, kBytes - 5000), 0);
    EXPECT_EQ(in[4095], 0);
  });
}

TEST_P(CudaRanks, affineStagesGiveTheBitsOfOneGpu) {
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi, MetricKind::mse})
    expect_same_bits({test::whole_stage(StageKind::affine, metric, {{2, 10}, {1, 5}})});
}

TEST_P(CudaRanks, greedyGivesTheBitsOfOneGpu) {
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi, MetricKind::mse})
    expect_same_bits({test::whole_stage(StageKind::greedy, metric, {{2, 20}, {1, 10}})});
}

TEST_P(CudaRanks, synGivesTheBitsOfOneGpu) {
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi, MetricKind::mse})
    expect_same_bits({test::whole_stage(StageKind::syn, metric, {{2, 10}, {1, 5}})});
}

TEST_P(CudaRanks, thinPiecesBesideTheirMessagesGiveTheBitsOfOneGpu) {
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi, MetricKind::mse})
    expect_same_bits({test::whole_stage(StageKind::greedy, metric, {{2, 10}, {1, 8}})}, 0, {}, 4);
  expect_same_bits({test::whole_stage(StageKind::syn, MetricKind::lncc, {{1, 8}})}, 0, {}, 4);
  // And none: messages begin when the whole is asked for.
  expect_same_bits({test::whole_stage(StageKind::greedy, MetricKind::lncc, {{1, 8}})}, 0, {}, 1000);
}

TEST_P(CudaRanks, timesAreTakenWhileMessagesTravel) {
  const test::TurnedPair pair({67, 71, 133}, {71, 129, 130}, 1.0, {});
  const JobSpec job =
      test::job_of({test::whole_stage(StageKind::greedy, MetricKind::lncc, {{1, 10}})},
                   Initialisation::transform);
  on_gpus([&](Rank& rank) {
    rank.backend.take_grid_times();  // from here on
    test::run_on(rank.backend, pair.input(), job);
    const ops::GridTimes times = rank.backend.take_grid_times();
    ASSERT_EQ(times.busy_seconds.size(), GetParam().size());
    for (const double busy : times.busy_seconds) {
      EXPECT_GT(busy, 0);
      EXPECT_LE(busy, times.seconds);
    }
    if (GetParam().size() == 1) return;
    for (std::size_t r = 0; r < GetParam().size(); ++r) {
      EXPECT_GT(times.exchange_seconds[r], 0) << r;
      EXPECT_GT(times.received_bytes[r], 0U) << r;
    }
  });
}

TEST_P(CudaRanks, smallLevelsAndAQuarterTurnGiveTheBitsOfOneGpu) {
  expect_same_bits({test::whole_stage(StageKind::rigid, MetricKind::mi, {{2, 10}}),
                    test::whole_stage(StageKind::greedy, MetricKind::lncc, {{2, 20}, {1, 10}})},
                   200000);
  expect_same_bits({test::whole_stage(StageKind::greedy, MetricKind::lncc, {{2, 20}, {1, 10}})}, 0,
                   test::quarter_turn());
}

TEST_P(CudaRanks, anObliqueTurnGivesTheBitsOfOneGpu) {
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi})
    expect_same_bits({test::whole_stage(StageKind::affine, metric, {{2, 3}}),
                      test::whole_stage(StageKind::greedy, metric, {{2, 10}, {1, 8}})},
                     0, test::oblique_turn());
  if (GetParam().size() < 3) return;
  std::atomic<int> seen = 0;
  const test::TurnedPair pair({67, 71, 133}, {71, 129, 130}, 1.0, test::oblique_turn());
  const JobSpec job = test::job_of({test::whole_stage(StageKind::greedy, MetricKind::mi, {{1, 2}})},
                                   Initialisation::transform);
  on_gpus([&](Rank& rank) { test::run_on(rank.backend, pair.input(), job); }, 0,
          [&](int, ops::RankParts& parts) {
            parts.backend = std::make_unique<test::RowsNoted>(std::move(parts.backend), seen);
          });
  EXPECT_GT(seen, 0) << "nothing was sampled by rows";
}

/// Fails when it is asked for the n-th composition: its neighbours have then sent it planes, and
/// wait for its own.
class FailingGpu final : public test::ForwardingBackend {
 public:
  FailingGpu(std::unique_ptr<ops::Backend> to, int when)
      : ForwardingBackend(std::move(to)), left_(when) {}
  void compose(const ops::ComposeArgs& args) override {
    if (--left_ == 0) throw Error(ErrorCode::device_fault, "It fell off the bus.", "bus");
    ForwardingBackend::compose(args);
  }

 private:
  int left_;
};

TEST_P(CudaRanks, aRankThatFailsWhileOthersWaitForItsPlanesEndsTheRun) {
  const test::TurnedPair pair({67, 71, 133}, {71, 129, 130}, 1.0, {});
  const JobSpec job =
      test::job_of({test::whole_stage(StageKind::greedy, MetricKind::lncc, {{2, 20}, {1, 10}})},
                   Initialisation::transform);
  const int last = static_cast<int>(GetParam().size()) - 1;
  try {
    on_gpus([&](Rank& rank) { test::run_on(rank.backend, pair.input(), job); }, 0,
            [&](int rank, ops::RankParts& parts) {
              if (rank == last)
                parts.backend = std::make_unique<FailingGpu>(std::move(parts.backend), 7);
            });
    FAIL() << "a run went on without one of its ranks";
  } catch (const Error& error) {  // of rank 0
    EXPECT_EQ(error.code(), ErrorCode::device_fault);
    EXPECT_NE(std::string(error.what()).find("It fell off the bus."), std::string::npos)
        << error.what();
  }
}

TEST_P(CudaRanks, aRankHoldsItsSlabAndLittleMore) {
  const Size3 n{256, 256, 512};
  const std::int64_t voxels = n[0] * n[1] * n[2];
  on_gpus([&](Rank& rank) {
    const ops::Array u = rank.backend.allocate_volume(static_cast<std::size_t>(voxels) * 8, voxels);
    rank.backend.fill_words(u.as<std::uint64_t>(), math::kPackedZero, voxels);
    ops::FieldView view;
    view.packed = {u.as<std::uint64_t>(), ops::Extent::whole(n)};
    rank.backend.repair_folds({view, {0, n[2]}, 0.1F, 20});
    const auto whole = static_cast<double>(u.bytes()) * 1.3;  // and marks
    EXPECT_LT(static_cast<double>(rank.backend.peak_bytes()),
              whole / static_cast<double>(GetParam().size()) + 64e6);
  });
}

INSTANTIATE_TEST_SUITE_P(Gpus, CudaRanks,
                         testing::Values(std::vector<int>{0}, std::vector<int>{0, 0, 0},
                                         std::vector<int>{0, 1}, std::vector<int>{0, 1, 2, 3}),
                         [](const testing::TestParamInfo<std::vector<int>>& gpus) {
                           std::string name = "ranks";
                           for (const int n : gpus.param) name += "_" + std::to_string(n);
                           return name;
                         });

}  // namespace
}  // namespace gigawarp
