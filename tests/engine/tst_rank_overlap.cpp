#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "gigawarp/error.h"
#include "solve/registration.h"
#include "support/forwarding_backend.h"
#include "support/rank_threads.h"
#include "support/slab_pair.h"
#include "support/slab_runs.h"

/// Planes that other ranks want travel while the rest of the operation that writes them is
/// computed. The ranks are threads here.
namespace gigawarp {
namespace {

using test::job_of;
using test::on_ranks;
using test::Rank;
using test::run_on;
using test::thin_pieces;
using test::whole_stage;

/// When what is sent is taken from its memory. Either is allowed: an exchange may be quick or slow.
enum class Taken { at_once, at_the_end };

/// What arrives is there at the end and not before: until then its place holds nonsense.
class DelayedExchange final : public shard::Exchange {
 public:
  DelayedExchange(shard::Communicator& communicator, Taken taken, std::atomic<int>& sent_ahead)
      : communicator_(communicator), taken_(taken), sent_ahead_(sent_ahead) {}
  void begin(std::span<const shard::Message> sends,
             std::span<const shard::Message> receives) override {
    ++sent_ahead_;
    sends_.assign(sends.begin(), sends.end());
    receives_.assign(receives.begin(), receives.end());
    if (taken_ == Taken::at_once) communicator_.begin_exchange(sends, receives);
    constexpr int kHundredth = 0x3c;  // as floats 0.0115: wrong, and leads nobody out of a volume
    for (const shard::Message& m : receives) std::memset(m.data, kHundredth, m.bytes);
  }
  void finish() override {
    if (taken_ == Taken::at_the_end) communicator_.begin_exchange(sends_, receives_);
    communicator_.finish_exchange();
  }
  void operator()(std::span<const shard::Message> sends,
                  std::span<const shard::Message> receives) override {
    communicator_.exchange(sends, receives);
  }
  double take_seconds() override { return 0; }
  std::string name() const override { return "delays"; }

 private:
  shard::Communicator& communicator_;
  const Taken taken_;
  std::atomic<int>& sent_ahead_;
  std::vector<shard::Message> sends_, receives_;
};

class RankOverlap : public testing::TestWithParam<Taken> {
 protected:
  static void expect_same_bits(const std::vector<StageSpec>& stages, bool masked = false,
                               const std::vector<int>& counts = {2, 3, 5, 8}) {
    const test::SlabPair pair;
    const JobSpec job = job_of(stages);
    const std::string one = run_on(*ops::make_cpu_backend(), pair.input(masked), job);
    for (const int count : counts) {
      std::atomic<int> sent_ahead{0};
      on_ranks(
          count,
          [&](Rank& rank) {
            const std::string many = run_on(rank.backend, pair.input(masked), job);
            if (rank.number() == 0) {
              EXPECT_TRUE(many == one) << count << " ranks differ from one";
            }
          },
          [](int) { return thin_pieces(); },
          [&](shard::Communicator& c, ops::RankParts&) {
            return std::make_unique<DelayedExchange>(c, GetParam(), sent_ahead);
          });
      EXPECT_GT(sent_ahead, 10 * count);
    }
  }
};

TEST_P(RankOverlap, messagesThatArriveAtTheLastMomentGiveTheBitsOfOne) {
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi, MetricKind::mse})
    expect_same_bits({whole_stage(StageKind::greedy, metric, {{2, 5}, {1, 4}})});
}

TEST_P(RankOverlap, messagesOfSynMayArriveAtTheLastMomentToo) {
  for (const MetricKind metric : {MetricKind::lncc, MetricKind::mi})
    expect_same_bits({whole_stage(StageKind::syn, metric, {{2, 5}, {1, 3}})}, true);
}

/// Pieces begin and end at multiples of their thickness, so that most borders are thicker than they
/// need be. Not with these halos of 6 and 7 planes: one plane less would be cut elsewhere.
TEST_P(RankOverlap, bordersHoldThePlaneThatIsWantedFarthestIn) {
  for (const double sigma_warp : {1.66, 2.0}) {
    StageSpec stage = whole_stage(StageKind::greedy, MetricKind::mse, {{1, 8}});
    stage.sigma_gradient_voxels = 2.0;
    stage.sigma_warp_voxels = sigma_warp;
    expect_same_bits({stage}, false, {2, 3});
  }
}

/// Two displacements that are composed in turn, until the planes of the newest are on their way.
class Composing {
 public:
  static constexpr Size3 kSize{9, 8, 41};
  explicit Composing(ops::Backend& backend) : backend_(backend) {
    for (ops::Array& array : arrays_) array = backend.allocate(bytes());
    for (ops::Array& array : arrays_) put(array);
    for (const std::size_t from : {1, 2, 1, 2, 1}) {
      ops::ComposeArgs args;
      args.direction = field(0);
      args.displacement = field(from);
      args.out = field(3 - from);
      args.range = {0, kSize[2]};
      args.short_step = true;
      args.scale = 0.5F;
      backend_.compose(args);
    }
  }
  std::vector<float> newest() const {
    std::vector<float> u(values_.size());
    backend_.download(u.data(), arrays_[2].data(), bytes());
    return u;
  }
  ops::Array& array() { return arrays_[2]; }
  void put(ops::Array& array) { backend_.upload(array.data(), values_.data(), bytes()); }
  const std::vector<float>& values() const { return values_; }

 private:
  std::size_t bytes() const { return values_.size() * sizeof(float); }
  ops::FieldView field(std::size_t i) const {
    return test::view_of(arrays_.at(i).as<float>(), kSize);
  }

  ops::Backend& backend_;
  std::vector<float> values_ = test::rough_field(kSize);
  std::array<ops::Array, 3> arrays_;
};

/// body(rank) on ranks whose messages are late.
void on_late_ranks(Taken taken, const std::function<void(Rank&)>& body) {
  for (const int count : {2, 3}) {
    std::atomic<int> sent_ahead{0};
    on_ranks(
        count, body, [](int) { return thin_pieces(); },
        [&](shard::Communicator& c, ops::RankParts&) {
          return std::make_unique<DelayedExchange>(c, taken, sent_ahead);
        });
    EXPECT_GT(sent_ahead, 0);
  }
}

TEST_P(RankOverlap, whatIsOnItsWayArrivesBeforeItIsDownloaded) {
  const auto one = ops::make_cpu_backend();
  const std::vector<float> expected = Composing(*one).newest();
  on_late_ranks(GetParam(), [&](Rank& rank) {
    const std::vector<float> many = Composing(rank.backend).newest();
    if (rank.number() == 0) {
      EXPECT_TRUE(many == expected);
    }
  });
}

TEST_P(RankOverlap, whatIsOnItsWayArrivesBeforeSomethingElseIsPutThere) {
  on_late_ranks(GetParam(), [&](Rank& rank) {
    Composing uploaded(rank.backend);
    uploaded.put(uploaded.array());
    if (const std::vector<float> found = uploaded.newest(); rank.number() == 0) {
      EXPECT_TRUE(found == uploaded.values());
    }
    Composing filled(rank.backend);
    rank.backend.fill_words(filled.array().as<std::uint64_t>(), 0,
                            static_cast<std::int64_t>(filled.values().size() / 2));
    if (const std::vector<float> found = filled.newest(); rank.number() == 0) {
      EXPECT_TRUE(found == std::vector<float>(found.size(), 0));
    }
  });
}

TEST_P(RankOverlap, anArrayThatGoesTakesWhatIsOnItsWayAlong) {
  const auto one = ops::make_cpu_backend();
  const std::vector<float> expected = Composing(*one).newest();
  on_late_ranks(GetParam(), [&](Rank& rank) {
    for (int again = 0; again < 3; ++again) {
      Composing gone(rank.backend);
      gone.array() = {};
      Composing stays(rank.backend);
      if (const std::vector<float> found = stays.newest(); rank.number() == 0) {
        EXPECT_TRUE(found == expected);
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Sent, RankOverlap, testing::Values(Taken::at_once, Taken::at_the_end),
                         [](const testing::TestParamInfo<Taken>& taken) {
                           return taken.param == Taken::at_once ? "atOnce" : "atTheEnd";
                         });

/// Takes steps in one piece, as GPUs do, and says when it was waited for.
class SteppingBackend final : public test::ForwardingBackend {
 public:
  explicit SteppingBackend(std::vector<std::string>& said)
      : ForwardingBackend(ops::make_cpu_backend()), said_(said) {}
  void compose(const ops::ComposeArgs& args) override {
    said_.emplace_back("compose");
    ForwardingBackend::compose(args);
  }
  void synchronise() override { said_.emplace_back("waited for"); }
  bool begin_step(const ops::StepArgs& /*args*/, int /*slot*/) override {
    said_.emplace_back("step");
    return true;
  }

 private:
  std::vector<std::string>& said_;
};

TEST(RankArrays, aStepInOnePieceBeginsWhenTheMessagesBeforeItHaveCome) {
  std::vector<std::vector<std::string>> said(2);
  const Size3 n{9, 8, 41};
  on_ranks(
      2,
      [&](Rank& rank) {
        const std::vector<float> u = test::rough_field(n);
        const std::size_t bytes = u.size() * sizeof(float);
        std::array<ops::Array, 3> arrays;  // as long as the steps: nobody is waited for in between
        for (ops::Array& array : arrays) array = rank.backend.allocate(bytes);
        for (const std::size_t i : {0, 1})
          rank.backend.upload(arrays.at(i).data(), u.data(), bytes);
        ops::ComposeArgs args;
        args.direction = test::view_of(arrays[0].as<float>(), n);
        args.displacement = test::view_of(arrays[1].as<float>(), n);
        args.out = test::view_of(arrays[2].as<float>(), n);
        args.range = {0, n[2]};
        args.short_step = true;
        rank.backend.compose(args);
        for (int step = 0; step < 2; ++step) EXPECT_TRUE(rank.backend.begin_step({}, step));
      },
      [&](int rank) {
        ops::RankParts parts = thin_pieces();
        auto& own = said[static_cast<std::size_t>(rank)];
        parts.backend = std::make_unique<SteppingBackend>(own);
        return parts;
      });
  for (std::vector<std::string>& own : said) {
    ASSERT_GE(own.size(), 4U);
    own.resize(4);  // then the arrays go
    EXPECT_EQ(own, (std::vector<std::string>{"compose", "waited for", "step", "step"}));
  }
}

TEST(RankArrays, anArrayGoesWhenTheWorkOnItIsDoneThoughItsMessagesNeverCome) {
  std::vector<std::vector<std::string>> said(2);
  std::atomic<int> sent_ahead{0};
  on_ranks(
      2,
      [&](Rank& rank) {
        auto& own = said[static_cast<std::size_t>(rank.number())];
        Composing composing(rank.backend);
        rank.communicator.values(0);  // both are here
        rank.communicator.fail(ErrorCode::device_fault, "It fell off the bus.");
        own.clear();
        composing.array() = {};
        EXPECT_EQ(own, std::vector<std::string>{"waited for"});
      },
      [&](int rank) {
        ops::RankParts parts = thin_pieces();
        parts.backend = std::make_unique<SteppingBackend>(said[static_cast<std::size_t>(rank)]);
        return parts;
      },
      [&](shard::Communicator& c, ops::RankParts&) {
        return std::make_unique<DelayedExchange>(c, Taken::at_the_end, sent_ahead);
      });
  EXPECT_GT(sent_ahead, 0);
}

}  // namespace
}  // namespace gigawarp
