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
#include "shard/moving_windows.h"
#include "shard/partition.h"
#include "shard/reach.h"
#include "support/rank_threads.h"
#include "support/scene.h"

/// What registrations over several processes are made of: who has which bytes, what a slab can
/// reach, and messages. The processes are threads here.
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

TEST(Reach, holdsEveryVoxelThatASamplerReads) {
  const ops::Extent fixed = ops::Extent::whole({20, 24, 30}),
                    moving = ops::Extent::whole({22, 26, 28});
  std::mt19937 random(3);
  std::uniform_real_distribution<double> uniform(-1, 1);
  for (int trial = 0; trial < 50; ++trial) {
    Affine t;
    for (int r = 0; r < 3; ++r) {
      for (int c = 0; c < 3; ++c) t.linear[r][c] = uniform(random);
      t.offset[r] = 15 + 10 * uniform(random);
    }
    const shard::ShiftRange shift{{-2.5F, -1.0F, -3.0F}, {1.5F, 0.5F, 4.0F}};
    const ops::ZRange planes{7, 11};
    const shard::VoxelBox box = shard::reach({fixed, planes, t, shift, moving}, 0);
    for (int sample = 0; sample < 500; ++sample) {
      const auto in = [&](double low, double high) {
        return low + (high - low) * (0.5 + 0.5 * uniform(random));
      };
      const Vec3 q = t({in(0, 19) + in(-2.5, 1.5), in(0, 23) + in(-1, 0.5), in(7, 10) + in(-3, 4)});
      const std::int64_t size[3] = {22, 26, 28};
      for (std::size_t a = 0; a < 3; ++a) {
        const double p = std::clamp(q[static_cast<int>(a)], 0.0, static_cast<double>(size[a] - 1));
        const auto low = std::min(static_cast<std::int64_t>(p), size[a] - 2);
        ASSERT_GE(low, box.begin[a]);
        ASSERT_LT(low + 1, box.end[a]);
      }
    }
  }
}

TEST(Reach, aQuarterTurnNeedsOneSlabOfAnotherAxis) {
  const ops::Extent e = ops::Extent::whole({100, 100, 100});
  Affine t = test::quarter_turn();
  t.offset = {0, 99, 0};
  const shard::VoxelBox box = shard::reach({e, {25, 50}, t, {}, e}, 0);
  EXPECT_EQ(box.end[2] - box.begin[2], 100);
  EXPECT_LE(box.end[1] - box.begin[1], 25 + 6);
}

/// A map at random, and a slab of 4 planes under it.
shard::Sampling sampling_at_random(std::mt19937& random) {
  std::uniform_real_distribution<double> uniform(-1, 1);
  shard::Sampling s;
  s.fixed = ops::Extent::whole({20, 24, 30});
  s.moving = ops::Extent::whole({22, 26, 28});
  s.planes = {7, 11};
  s.displacement = {{-2.5F, -1.0F, -3.0F}, {1.5F, 0.5F, 4.0F}};
  for (int r = 0; r < 3; ++r) {
    for (int c = 0; c < 3; ++c) s.moving_from_fixed.linear[r][c] = uniform(random);
    s.moving_from_fixed.offset[r] = 15 + 10 * uniform(random);
  }
  return s;
}

/// The lower corner of a point that is sampled, which may lie anywhere in the slab.
std::array<std::int64_t, 3> corner_at_random(const shard::Sampling& s, std::mt19937& random) {
  std::uniform_real_distribution<double> share(0, 1);
  const auto in = [&](double low, double high) { return low + (high - low) * share(random); };
  const auto& u = s.displacement;
  const Vec3 q = s.moving_from_fixed(
      {in(0, static_cast<double>(s.fixed.nx - 1)) + in(u.low[0], u.high[0]),
       in(0, static_cast<double>(s.fixed.ny - 1)) + in(u.low[1], u.high[1]),
       in(static_cast<double>(s.planes.begin), static_cast<double>(s.planes.end - 1)) +
           in(u.low[2], u.high[2])});
  const std::int64_t size[3] = {s.moving.nx, s.moving.ny, s.moving.nz};
  std::array<std::int64_t, 3> corner{};
  for (std::size_t a = 0; a < 3; ++a)
    corner[a] =
        std::min(static_cast<std::int64_t>(std::clamp(q[a], 0.0, static_cast<double>(size[a] - 1))),
                 size[a] - 2);
  return corner;
}

/// Of a cell that is interpolated, all four rows.
bool holds(const shard::RowReach& rows, const std::array<std::int64_t, 3>& corner) {
  for (const std::int64_t y : {corner[1], corner[1] + 1})
    for (const std::int64_t z : {corner[2], corner[2] + 1}) {
      const shard::RowReach::Columns columns = rows.columns(y, z);
      if (corner[0] < columns.begin || corner[0] + 1 >= columns.end) return false;
    }
  return true;
}

TEST(RowReach, holdsEveryVoxelThatASamplerReads) {
  std::mt19937 random(5);
  for (int trial = 0; trial < 100; ++trial) {
    const shard::Sampling s = sampling_at_random(random);
    const shard::RowReach rows(s, 0);
    ASSERT_TRUE(rows.is_known());
    for (int sample = 0; sample < 500; ++sample)
      ASSERT_TRUE(holds(rows, corner_at_random(s, random))) << trial;
  }
}

TEST(RowReach, holdsWhatASamplingThatMovedALittleReads) {
  std::mt19937 random(6);
  std::uniform_real_distribution<double> uniform(-1, 1);
  int within = 0;
  for (int trial = 0; trial < 200; ++trial) {
    const shard::Sampling before = sampling_at_random(random);
    shard::Sampling after = before;
    for (int r = 0; r < 3; ++r) {
      for (int c = 0; c < 3; ++c) after.moving_from_fixed.linear[r][c] += 0.04 * uniform(random);
      after.moving_from_fixed.offset[r] += uniform(random);
      after.displacement.high[static_cast<std::size_t>(r)] += 0.7F;
    }
    constexpr double kMargin = 3;
    if (!shard::reads_within(after, before, kMargin)) continue;
    ++within;
    const shard::RowReach rows(before, kMargin);
    for (int sample = 0; sample < 300; ++sample)
      ASSERT_TRUE(holds(rows, corner_at_random(after, random))) << trial;
  }
  EXPECT_GT(within, 20);
  EXPECT_LT(within, 180);
}

TEST(RowReach, isOfASlabsThicknessHoweverTheSlabLies) {
  const ops::Extent e = ops::Extent::whole({100, 100, 100});
  shard::Sampling s{e, {40, 50}, test::oblique_turn(), {}, e};
  const Vec3 middle{49.5, 49.5, 49.5}, there = s.moving_from_fixed(middle);
  for (int r = 0; r < 3; ++r) s.moving_from_fixed.offset[r] = middle[r] - there[r];
  const shard::RowReach rows(s, 0);
  std::int64_t voxels = 0;
  for (std::int64_t z = 0; z < 100; ++z)
    for (std::int64_t y = 0; y < 100; ++y) voxels += rows.columns(y, z).count();
  EXPECT_GT(shard::reach(s, 0).voxels(), 800000);
  EXPECT_LT(voxels, 200000);  // 100,000 of the slab, and what rounding and corners take
  EXPECT_GT(voxels, 90000);
}

TEST(RowReach, isNotKnownOfMapsWithoutInverseAndOfDisplacementsThatAreNoNumbers) {
  const ops::Extent e = ops::Extent::whole({10, 10, 10});
  shard::Sampling s{e, {2, 5}, {}, {}, e};
  EXPECT_TRUE(shard::RowReach(s, 1).is_known());
  s.displacement.high[1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(shard::RowReach(s, 1).is_known());
  EXPECT_FALSE(shard::reads_within(s, s, 1));
  s.displacement = {};
  EXPECT_TRUE(shard::reads_within(s, s, 0));
  s.moving_from_fixed.linear[2] = {0, 0, 0};
  EXPECT_FALSE(shard::RowReach(s, 1).is_known());
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

/// What each of `ranks` ranks takes for its window, at most, of a volume that lies so; and every
/// voxel in it is the volume's.
std::size_t most_window_bytes(int ranks, const Affine& turn) {
  const Size3 n{120, 124, 128};
  const auto voxels = static_cast<std::size_t>(n[0] * n[1] * n[2]);
  std::vector<std::uint16_t> volume(voxels);
  for (std::size_t i = 0; i < voxels; ++i) volume[i] = static_cast<std::uint16_t>(i * 31 + i / 777);
  const auto communicators = shard::make_thread_communicators(ranks);
  std::atomic<std::size_t> most = 0;
  std::vector<std::thread> threads;
  for (int r = 0; r < ranks; ++r)
    threads.emplace_back([&, r] {
      shard::Communicator& c = *communicators[static_cast<std::size_t>(r)];
      ops::RankParts parts = ops::make_host_rank();
      const auto exchange = shard::make_host_exchange(c);
      const std::vector<double> shares(static_cast<std::size_t>(ranks), 1.0 / ranks);
      shard::RankArrays arrays(parts, c, *exchange, shares);
      shard::MovingWindows windows(parts, c, arrays, *exchange, shares, 1);
      const ops::Array array = arrays.allocate(2 * voxels);
      arrays.upload(array.data(), volume.data(), 2 * voxels);
      ops::ImageView view;
      view.data = array.data();
      view.type = ScalarType::u16;
      view.extent = ops::Extent::whole(n);
      const std::vector<std::int64_t> borders = shard::slab_borders(n[2], shares, 1);
      std::vector<shard::Sampling> samplings;
      for (std::size_t k = 0; k < shares.size(); ++k) {
        const Vec3 middle{59.5, 61.5, 63.5}, there = turn(middle);
        shard::Sampling s{
            view.extent, shard::slab_of(borders, k, {0, n[2]}), turn, {}, view.extent};
        for (std::size_t a = 0; a < 3; ++a) s.moving_from_fixed.offset[a] = middle[a] - there[a];
        samplings.push_back(s);
      }
      const auto bytes_now = [&] {
        parts.memory->forget_peak();
        return parts.memory->peak_bytes();
      };
      const std::uint64_t before = bytes_now();
      EXPECT_FALSE(windows.covers(view, samplings));
      windows.fetch(view, samplings);
      EXPECT_TRUE(windows.covers(view, samplings));
      const std::uint64_t after = bytes_now();
      for (std::size_t seen = most; seen < after - before;)
        if (most.compare_exchange_weak(seen, after - before)) break;
      const ops::ImageView local = windows.local(view);
      const shard::Sampling& own = samplings[static_cast<std::size_t>(r)];
      const shard::RowReach rows(own, 0);
      for (std::int64_t z = 0; z < n[2]; ++z)
        for (std::int64_t y = 0; y < n[1]; ++y) {
          const shard::RowReach::Columns columns = rows.columns(y, z);
          const auto* const row =
              static_cast<const std::uint16_t*>(local.data) + local.offset_of(y, z);
          for (std::int64_t x = columns.begin; x < columns.end; ++x)
            ASSERT_EQ(row[x], volume[static_cast<std::size_t>((z * n[1] + y) * n[0] + x)]);
        }
      // What moved a little is covered; what moved further is not, and is brought.
      for (shard::Sampling& s : samplings) s.moving_from_fixed.offset[2] += 0.5;
      EXPECT_TRUE(windows.covers(view, samplings));
      for (shard::Sampling& s : samplings)
        for (double& along : s.moving_from_fixed.offset) along += 9;
      if (ranks > 2) {
        EXPECT_FALSE(windows.covers(view, samplings));
      }
      windows.fetch(view, samplings);
      EXPECT_TRUE(windows.covers(view, samplings));
    });
  for (std::thread& thread : threads) thread.join();
  return most;
}

TEST(MovingWindows, holdASlabsShareHoweverItLies) {
  constexpr double kWhole = 2.0 * 120 * 124 * 128, kTable = 8.0 * 124 * 128;
  for (const Affine& turn : {Affine{}, test::quarter_turn(), test::oblique_turn()}) {
    const auto bytes = static_cast<double>(most_window_bytes(8, turn));
    EXPECT_LT(bytes, 0.3 * kWhole + kTable);  // an eighth, and margins that are as much again
  }
  EXPECT_LT(static_cast<double>(most_window_bytes(2, test::oblique_turn())), 1.1 * kWhole);
}

}  // namespace
}  // namespace gigawarp
