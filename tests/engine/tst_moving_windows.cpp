#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <random>
#include <thread>
#include <vector>

#include "shard/moving_windows.h"
#include "shard/partition.h"
#include "shard/reach.h"
#include "support/scene.h"

/// What a slab can reach of the moving volume, and what its rank keeps of that.
namespace gigawarp {
namespace {

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
