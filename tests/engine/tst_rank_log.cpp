#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <string>
#include <vector>

#include "gigawarp/error.h"
#include "solve/registration.h"
#include "support/failing_device.h"
#include "support/forwarding_backend.h"
#include "support/rank_threads.h"
#include "support/slab_pair.h"
#include "support/slab_runs.h"

/// What ranks do, one thing after another, while planes that others want travel: borders first, the
/// interior before anybody waits. The ranks are threads here.
namespace gigawarp {
namespace {

using test::job_of;
using test::on_ranks;
using test::Rank;
using test::run_on;
using test::thin_pieces;
using test::whole_stage;

/// What a rank does, one after another.
struct Deed {
  std::string what;
  ops::ZRange planes;
};
using Log = std::vector<Deed>;

class LoggedBackend final : public test::ForwardingBackend {
 public:
  explicit LoggedBackend(Log& log) : ForwardingBackend(ops::make_cpu_backend()), log_(log) {}
  void warp(const ops::WarpArgs& args, std::vector<ops::PlaneSums>& sums) override {
    log_.push_back({"warp", args.range});
    ForwardingBackend::warp(args, sums);
  }
  void lncc(const ops::LnccArgs& args, std::vector<ops::PlaneSums>& sums) override {
    log_.push_back({"metric", args.range});
    ForwardingBackend::lncc(args, sums);
  }
  void mi_gradient(const ops::MiArgs& args, const ops::MiTable& table,
                   std::vector<ops::PlaneSums>& sums) override {
    log_.push_back({"metric", args.range});
    ForwardingBackend::mi_gradient(args, table, sums);
  }
  void mse(const ops::MseArgs& args, std::vector<ops::PlaneSums>& sums) override {
    log_.push_back({"metric", args.range});
    ForwardingBackend::mse(args, sums);
  }
  float direction(const ops::DirectionArgs& args) override {
    log_.push_back({"direction", args.range});
    return ForwardingBackend::direction(args);
  }
  void compose(const ops::ComposeArgs& args) override {
    log_.push_back({"compose", args.range});
    ForwardingBackend::compose(args);
  }
  double keep_common(const ops::SlabView<float>& a, const ops::SlabView<float>& b,
                     ops::ZRange range) override {
    log_.push_back({"keep_common", range});
    return ForwardingBackend::keep_common(a, b, range);
  }

 private:
  Log& log_;
};

class LoggedExchange final : public shard::Exchange {
 public:
  LoggedExchange(shard::Communicator& communicator, Log& log)
      : messages_(shard::make_host_exchange(communicator)), log_(log) {}
  void begin(std::span<const shard::Message> sends,
             std::span<const shard::Message> receives) override {
    log_.push_back({"begin", {}});
    messages_->begin(sends, receives);
  }
  void finish() override {
    log_.push_back({"finish", {}});
    messages_->finish();
  }
  void operator()(std::span<const shard::Message> sends,
                  std::span<const shard::Message> receives) override {
    log_.push_back({"exchange", {}});
    (*messages_)(sends, receives);
  }
  double take_seconds() override { return messages_->take_seconds(); }
  std::string name() const override { return "a log"; }

 private:
  std::unique_ptr<shard::Exchange> messages_;
  Log& log_;
};

constexpr int kIterations = 9;

/// Of one rank of `count`, over one level.
Log log_of(const StageSpec& stage, int count, int number) {
  const test::SlabPair pair;
  std::vector<Log> logs(static_cast<std::size_t>(count));
  on_ranks(
      count, [&](Rank& rank) { run_on(rank.backend, pair.input(false), job_of({stage})); },
      [&](int rank) {
        ops::RankParts parts = thin_pieces();
        parts.backend = std::make_unique<LoggedBackend>(logs[static_cast<std::size_t>(rank)]);
        return parts;
      },
      [&](shard::Communicator& c, ops::RankParts&) {
        return std::make_unique<LoggedExchange>(c, logs[static_cast<std::size_t>(c.rank())]);
      });
  return logs[static_cast<std::size_t>(number)];
}

/// Pieces of the operation around an exchange that has begun.
struct Around {
  std::string what;
  std::vector<ops::ZRange> before, after;
};

/// Of every exchange that was begun ahead. What comes between its beginning and its end is the rest
/// of the operation that wrote what is sent, and nothing else.
std::vector<Around> begun_in(const Log& log) {
  std::vector<Around> all;
  for (std::size_t i = 0; i < log.size(); ++i) {
    if (log[i].what != "begin") continue;
    Around around{log[i - 1].what, {}, {}};
    for (std::size_t k = i; k > 0 && log[k - 1].what == around.what; --k)
      around.before.insert(around.before.begin(), log[k - 1].planes);
    std::size_t k = i + 1;
    for (; k < log.size() && log[k].what == around.what; ++k) around.after.push_back(log[k].planes);
    EXPECT_TRUE(k < log.size() && log[k].what == "finish") << around.what;
    all.push_back(around);
  }
  return all;
}

StageSpec level(StageKind kind, MetricKind metric) {
  return whole_stage(kind, metric, {{1, kIterations}});
}

TEST(RankLog, bordersComeFirstAndTheInteriorIsAskedForBeforeAnybodyWaits) {
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi, MetricKind::mse}) {
    const Log log = log_of(level(StageKind::greedy, metric), 2, 0);
    std::map<std::string, int> times;
    for (const Around& around : begun_in(log)) {
      ++times[around.what];
      // Rank 0 has the lower planes, and a neighbour above.
      ASSERT_EQ(around.before.size(), 1U) << around.what;
      ASSERT_EQ(around.after.size(), 1U) << around.what;
      EXPECT_EQ(around.after[0].begin, 0);
      EXPECT_EQ(around.after[0].end, around.before[0].begin);
      EXPECT_GE(around.after[0].end, 10) << "the smaller half is computed meanwhile";
      EXPECT_NEAR(static_cast<double>(around.before[0].end), 20.5, 1);
    }
    // The first iterations show what is wanted: gradient and displacement take turns in two arrays.
    EXPECT_GE(times["metric"], kIterations - 2);
    EXPECT_EQ(times["direction"], kIterations - 1);
    EXPECT_GE(times["compose"], kIterations - 2);
    EXPECT_EQ(times["warp"], metric == MetricKind::lncc ? kIterations - 1 : 0);
  }
}

TEST(RankLog, inTheLastIterationsNothingIsExchangedThatWasNotSentAhead) {
  for (const StageKind kind : {StageKind::greedy, StageKind::syn})
    for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi}) {
      const Log log = log_of(level(kind, metric), 3, 1);
      const auto is_direction = [](const Deed& deed) { return deed.what == "direction"; };
      const auto last = std::find_if(log.rbegin(), log.rend(), is_direction).base();
      auto first = log.end();
      for (int found = 0; found < 6;) found += is_direction(*--first) ? 1 : 0;
      ASSERT_LT(first, last);
      const auto exchanges =
          std::count_if(first, last, [](const Deed& deed) { return deed.what == "exchange"; });
      EXPECT_EQ(exchanges, 0);
    }
}

TEST(RankLog, ofTwoVolumesThatMeetOnlyWhatStaysIsSent) {
  const Log log = log_of(level(StageKind::syn, MetricKind::lncc), 2, 0);
  std::map<std::string, int> times;
  for (const Around& around : begun_in(log)) ++times[around.what];
  EXPECT_EQ(times["warp"], 0);
  EXPECT_EQ(times["keep_common"], kIterations - 1);
  EXPECT_GE(times["metric"], 2 * (kIterations - 2));
  EXPECT_EQ(times["direction"], 2 * (kIterations - 1));
}

TEST(RankLog, aSlabBetweenTwoNeighboursHasTwoBorders) {
  bool seen = false;
  for (const Around& around : begun_in(log_of(level(StageKind::greedy, MetricKind::mse), 3, 1)))
    if (around.before.size() == 2) {
      seen = true;
      ASSERT_EQ(around.after.size(), 1U);
      EXPECT_EQ(around.before[0].end, around.after[0].begin);
      EXPECT_EQ(around.after[0].end, around.before[1].begin);
    }
  EXPECT_TRUE(seen);
}

TEST(RankLog, slabsWithoutAnInteriorGoInOnePiece) {
  for (const Around& around : begun_in(log_of(level(StageKind::greedy, MetricKind::lncc), 8, 3))) {
    EXPECT_EQ(around.before.size(), 1U) << around.what;
    EXPECT_TRUE(around.after.empty()) << around.what;
  }
}

TEST(RankLog, aRankThatFailsBesideItsMessagesEndsTheRunOfAll) {
  const test::SlabPair pair;
  for (const int when : {7, 8, 9, 10}) {  // some in a border, some while it is on its way
    std::atomic<int> ended{0};
    try {
      on_ranks(
          3,
          [&](Rank& rank) {
            try {
              run_on(rank.backend, pair.input(false),
                     job_of({level(StageKind::greedy, MetricKind::mse)}));
            } catch (const Error&) {
              ++ended;
              throw;
            }
          },
          [&](int rank) {
            ops::RankParts parts = thin_pieces();
            if (rank == 1) parts.backend = std::make_unique<test::FailingDevice>(when);
            return parts;
          });
      FAIL() << "a run went on without one of its ranks";
    } catch (const Error& error) {  // of rank 0
      EXPECT_STREQ(error.what(), "Rank 1 (cpu): It fell off the bus.");
    }
    EXPECT_EQ(ended, 3);
  }
}

}  // namespace
}  // namespace gigawarp
