#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <limits>
#include <mutex>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "gigawarp/error.h"
#include "shard/directory.h"
#include "shard/partition.h"
#include "support/rank_threads.h"
#include "support/scene.h"

/// What registrations over several processes are made of: who has which bytes, and messages. The
/// processes are threads here.
namespace gigawarp {
namespace {

using test::on_ranks;
using test::Rank;

TEST(Directory, saysWhatIsLackingAndFromWhomItComes) {
  shard::Directory directory(100);
  std::vector<shard::Transfer> lacking;
  directory.need(1, {0, 100}, lacking);
  EXPECT_TRUE(lacking.empty());  // zero everywhere
  directory.wrote(0, {0, 50});
  directory.wrote(2, {50, 100});
  directory.need(1, {40, 60}, lacking);
  ASSERT_EQ(lacking.size(), 2U);
  EXPECT_EQ(lacking[0].from, 0);
  EXPECT_EQ(lacking[0].bytes.begin, 40U);
  EXPECT_EQ(lacking[0].bytes.end, 50U);
  EXPECT_EQ(lacking[1].from, 2);
  EXPECT_EQ(lacking[1].bytes.end, 60U);
  lacking.clear();
  directory.need(3, {45, 55}, lacking);
  ASSERT_EQ(lacking.size(), 2U);
  EXPECT_EQ(lacking[0].from, 0);  // rank 1 is nearer, but waits for it
  directory.arrived();
  lacking.clear();
  directory.need(1, {45, 55}, lacking);
  EXPECT_TRUE(lacking.empty());
  directory.wrote(0, {44, 48});
  directory.need(1, {40, 60}, lacking);
  ASSERT_EQ(lacking.size(), 1U);
  EXPECT_EQ(lacking[0].bytes.begin, 44U);
  EXPECT_EQ(lacking[0].bytes.end, 48U);
  directory.arrived();
  lacking.clear();
  directory.need(4, {40, 52}, lacking);
  for (const shard::Transfer& t : lacking) EXPECT_NE(t.from, 0) << "others are nearer";
  directory.wrote_by_all({0, 100});
  lacking.clear();
  for (const int rank : {0, 1, 2, 3}) directory.need(rank, {0, 100}, lacking);
  EXPECT_TRUE(lacking.empty());
}

TEST(Directory, randomWritesAndNeedsAgreeWithAListOfBytes) {
  std::mt19937 random(5);
  constexpr int kRanks = 5;
  constexpr std::size_t kBytes = 97;
  shard::Directory directory(kBytes);
  std::vector<std::vector<bool>> holds(kRanks, std::vector<bool>(kBytes, true));
  for (int step = 0; step < 3000; ++step) {
    std::size_t a = random() % (kBytes + 1), b = random() % (kBytes + 1);
    if (a > b) std::swap(a, b);
    const int rank = static_cast<int>(random() % kRanks);
    if (random() % 3 == 0) {
      directory.wrote(rank, {a, b});
      for (int r = 0; r < kRanks; ++r)
        for (std::size_t i = a; i < b; ++i) holds[static_cast<std::size_t>(r)][i] = r == rank;
      continue;
    }
    std::vector<shard::Transfer> lacking;
    directory.need(rank, {a, b}, lacking);
    directory.arrived();
    for (const shard::Transfer& t : lacking)
      for (std::size_t i = t.bytes.begin; i < t.bytes.end; ++i) {
        ASSERT_TRUE(holds[static_cast<std::size_t>(t.from)][i]);
        ASSERT_FALSE(holds[static_cast<std::size_t>(rank)][i]);
        holds[static_cast<std::size_t>(rank)][i] = true;
      }
    for (std::size_t i = a; i < b; ++i) ASSERT_TRUE(holds[static_cast<std::size_t>(rank)][i]);
  }
}

TEST(CutSlab, bordersHoldWhatNeighboursWantAndTheRestAtLeastHalf) {
  const ops::ZRange whole{5, 300};
  int in_pieces = 0;
  for (const std::int64_t begin : {5, 6, 40, 64, 127})
    for (const std::int64_t thick : {1, 7, 20, 64, 130, 173})
      for (std::int64_t halo = 1; halo < 20; ++halo)
        for (const shard::PieceSize size : {shard::PieceSize{1, 1}, {4, 1}, {1, 32}, {16, 64}}) {
          const ops::ZRange slab{begin, std::min(begin + thick, whole.end)};
          const ops::CutRange cut = shard::cut_slab(slab, whole, halo, size);
          const std::string where = std::to_string(slab.begin) + " to " + std::to_string(slab.end) +
                                    ", halo " + std::to_string(halo);
          std::vector<int> computed(300, 0);
          for (const ops::ZRange& piece : cut.border)
            for (std::int64_t z = piece.begin; z < piece.end; ++z)
              ++computed.at(static_cast<std::size_t>(z));
          const auto times = [&](std::int64_t z) {
            return computed.at(static_cast<std::size_t>(z));
          };
          for (std::int64_t z = slab.begin; z < slab.end; ++z) {
            const bool wanted = (slab.begin > whole.begin && z < slab.begin + halo) ||
                                (slab.end < whole.end && z >= slab.end - halo);
            if (wanted) {
              ASSERT_EQ(times(z), 1) << z << " of " << where;
            }
          }
          for (std::int64_t z = cut.rest.begin; z < cut.rest.end; ++z)
            ++computed.at(static_cast<std::size_t>(z));
          for (std::int64_t z = 0; z < 300; ++z)
            ASSERT_EQ(times(z), z >= slab.begin && z < slab.end ? 1 : 0) << z << " of " << where;
          const std::int64_t rest = cut.rest.end - cut.rest.begin;
          if (rest == 0) continue;
          ++in_pieces;
          EXPECT_GE(2 * rest, slab.end - slab.begin) << where;
          const std::int64_t least = std::max(size.multiple, size.least);
          if (cut.rest.begin > slab.begin) {
            EXPECT_EQ(cut.rest.begin % least, 0) << where;
          }
          if (cut.rest.end < slab.end) {
            EXPECT_EQ(cut.rest.end % least, 0) << where;
          }
        }
  EXPECT_GT(in_pieces, 500);
}

TEST(CutSlab, isInOnePieceWhereNobodyWantsAnyOfIt) {
  for (const ops::ZRange slab : {ops::ZRange{0, 100}, ops::ZRange{50, 50}}) {
    const ops::CutRange cut = shard::cut_slab(slab, {0, 300}, 0, {});
    ASSERT_EQ(cut.border.size(), 1U);
    EXPECT_EQ(cut.border[0].begin, slab.begin);
    EXPECT_EQ(cut.border[0].end, slab.end);
    EXPECT_EQ(cut.rest.begin, cut.rest.end);
  }
}

TEST(Communicator, ranksExchangeGatherAndBroadcast) {
  on_ranks(5, [](Rank& rank) {
    shard::Communicator& c = rank.communicator;
    for (int round = 0; round < 50; ++round) {
      const int own = c.rank(), n = c.size();
      std::vector<int> out(static_cast<std::size_t>(2 * n)), in(out.size());
      std::vector<shard::Message> sends, receives;
      for (int peer = 0; peer < n; ++peer)
        for (int k = 0; k < 2; ++k) {
          const auto i = static_cast<std::size_t>(2) * static_cast<std::size_t>(peer) +
                         static_cast<std::size_t>(k);
          out[i] = 1000 * own + 10 * peer + k + round;
          sends.push_back({peer, reinterpret_cast<std::byte*>(&out[i]), sizeof(int)});
          receives.push_back({peer, reinterpret_cast<std::byte*>(&in[i]), sizeof(int)});
        }
      c.exchange(sends, receives);
      for (int peer = 0; peer < n; ++peer)
        for (int k = 0; k < 2; ++k)
          ASSERT_EQ(in[static_cast<std::size_t>(2 * peer + k)], 1000 * peer + 10 * own + k + round);
      ASSERT_EQ(c.values(own * 3), (std::vector<int>{0, 3, 6, 9, 12}));
      const std::string mine(static_cast<std::size_t>(own), static_cast<char>('a' + own));
      std::string all(10, ' ');
      c.gather(mine.data(), std::vector<std::size_t>{0, 1, 2, 3, 4}, all.data());
      ASSERT_EQ(all, "bccdddeeee");
      int told = own;
      c.broadcast(&told, sizeof told, 3);
      ASSERT_EQ(told, 3);
    }
  });
}

TEST(Communicator, whatHasBeenSentMayBeOverwrittenBeforeAnybodyTakesIt) {
  on_ranks(5, [](Rank& rank) {
    shard::Communicator& c = rank.communicator;
    const int own = c.rank(), above = (own + 1) % 5, below = (own + 4) % 5;
    for (int round = 0; round < 50; ++round) {
      std::vector<int> out{own, round}, in(2, -1);
      const auto message = [](int peer, std::vector<int>& values) {
        return shard::Message{peer, reinterpret_cast<std::byte*>(values.data()), 2 * sizeof(int)};
      };
      const shard::Message send = message(above, out), receive = message(below, in);
      c.begin_exchange({&send, 1}, {&receive, 1});
      out = {-2, -2};
      if (round % 2 == 0) {  // other calls may come between
        EXPECT_EQ(c.values(own).back(), 4);
      }
      if (round % 3 == own % 3) std::this_thread::sleep_for(std::chrono::microseconds(200));
      c.finish_exchange();
      ASSERT_EQ(in, (std::vector<int>{below, round}));
    }
  });
}

TEST(Communicator, aRankThatFailsEndsTheWaitForWhatItDidNotSend) {
  std::atomic<int> told{0};
  on_ranks(3, [&](Rank& rank) {
    shard::Communicator& c = rank.communicator;
    if (rank.number() == 1) {
      c.fail(ErrorCode::does_not_fit, "Rank 1 gave up.");
      return;
    }
    std::byte place{};
    const shard::Message wanted{1, &place, 1};
    EXPECT_THROW(
        {
          c.begin_exchange({}, {&wanted, 1});
          c.finish_exchange();
        },
        Error);
    ++told;
  });
  EXPECT_EQ(told, 2);
}

TEST(Communicator, aRankThatFailsEndsTheWaitOfAllWithItsSentence) {
  int told = 0;
  std::mutex mutex;
  on_ranks(3, [&](Rank& rank) {
    if (rank.number() == 1) {
      rank.communicator.fail(ErrorCode::does_not_fit, "Rank 1 gave up.");
      return;
    }
    try {
      rank.communicator.barrier();
      FAIL() << "a barrier was passed without rank 1";
    } catch (const Error& error) {
      EXPECT_STREQ(error.what(), "Rank 1 gave up.");
      EXPECT_EQ(error.code(), ErrorCode::does_not_fit);
      const std::lock_guard lock(mutex);
      ++told;
    }
  });
  EXPECT_EQ(told, 2);
}

TEST(RankMemory, dataGoesWhereItBelongsAndComesBackToRankZero) {
  constexpr std::size_t kBytes = 100003;
  std::vector<std::byte> out(kBytes);
  for (std::size_t i = 0; i < kBytes; ++i) out[i] = static_cast<std::byte>(i * 7 + i / 256);
  on_ranks(3, [&](Rank& rank) {
    ops::Backend& b = rank.backend;
    std::vector<std::byte> in(kBytes, std::byte{0xEE});
    const ops::Array a = b.allocate_volume(kBytes, 1), c = b.allocate_volume(kBytes, 1);
    b.download(in.data(), a.data(), kBytes);
    if (rank.number() == 0) {
      EXPECT_EQ(in[kBytes - 1], std::byte{0});
    }
    b.upload(a.data(), out.data(), kBytes);
    b.copy(c.data() + 5, a.data() + 30000, 60000);
    b.download(in.data(), c.data(), kBytes);
    if (rank.number() > 0) {
      EXPECT_EQ(in[70], std::byte{0xEE});  // only the first receives
    } else {
      EXPECT_EQ(std::memcmp(in.data() + 5, out.data() + 30000, 60000), 0);
      EXPECT_EQ(in[4], std::byte{0});
      EXPECT_EQ(in[60005], std::byte{0});
    }
    b.fill_words(c.as<std::uint64_t>() + 2, 0x0102030405060708U, 5000);
    b.download(in.data(), c.data(), kBytes);
    if (rank.number() == 0) {
      EXPECT_EQ(in[16], std::byte{8});
      EXPECT_EQ(in[40015], std::byte{1});
      EXPECT_EQ(in[40016], out[70011]);
    }
  });
}

}  // namespace
}  // namespace gigawarp
