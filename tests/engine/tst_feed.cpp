#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "base/read_by_slabs.h"
#include "base/value_counts.h"
#include "ops/invert_field.h"
#include "ops/jacobian.h"
#include "solve/initialise.h"
#include "solve/inverse_samples.h"
#include "solve/pyramid.h"
#include "support/feed_scene.h"
#include "support/sliced_feed.h"

/// A volume that is read a few planes at a time gives the bits of one in memory.
namespace gigawarp {
namespace {

using test::SlicedFeed;

using test::kSize;
using test::same_bytes;
using test::scene;

DisplacementField waves(double mm) {
  Grid grid = test::volume_of(kSize, 2.0, [](const Vec3& p) { return p; }).grid();
  DisplacementField field(grid);
  for (std::int64_t i = 0; i < grid.voxel_count(); ++i) {
    const auto x = static_cast<double>(i % kSize[0]),
               y = static_cast<double>(i / kSize[0] % kSize[1]),
               z = static_cast<double>(i / kSize[0] / kSize[1]);
    field.component_mm(0)[i] = static_cast<float>(mm * std::sin(0.2 * y));
    field.component_mm(1)[i] = static_cast<float>(mm * std::cos(0.17 * z + 0.1 * x));
    field.component_mm(2)[i] = static_cast<float>(mm * std::sin(0.15 * x + 0.1 * y));
  }
  return field;
}

/// Of any size, without voxels.
class BrickedFeed final : public VolumeFeed {
 public:
  BrickedFeed(const Size3& size, std::int64_t brick) : grid_{size, {}}, brick_(brick) {}
  const Grid& grid() const override { return grid_; }
  ScalarType type() const override { return ScalarType::u16; }
  std::int64_t brick_planes() const override { return brick_; }
  void read(const Box&, std::byte*) const override {}

 private:
  Grid grid_;
  std::int64_t brick_;
};

TEST(Feed, slabsAreWholeLayersOfBricksOrEqualPartsOfOne) {
  EXPECT_EQ(BrickedFeed({512, 512, 512}, 64).slab_planes(), 128);
  EXPECT_EQ(BrickedFeed({1063, 1063, 1063}, 64).slab_planes(), 64);
  EXPECT_EQ(BrickedFeed({1760, 1760, 1280}, 64).slab_planes(), 32);  // 378 MiB a layer
  EXPECT_EQ(BrickedFeed({4096, 4096, 4096}, 96).slab_planes(), 8);   // 3 GiB a layer
  EXPECT_EQ(BrickedFeed({20000, 20000, 100}, 64).slab_planes(), 1);
}

TEST(Feed, allChannelsComeBySlabs) {
  const DisplacementField field = waves(3);
  for (const std::int64_t planes : {1, 5, 1000})
    EXPECT_TRUE(same_bytes(read_all_by_slabs(SlicedFeed(field.volume(), planes)), field.volume()));
}

TEST(Feed, boxesAndPlanesAreThoseOfTheVolume) {
  const Volume volume = scene(ScalarType::u16);
  const SlicedFeed feed(volume, 5);
  EXPECT_TRUE(same_bytes(read_all(feed), volume));
  const Box box{{3, 4, 5}, {7, 6, 9}};
  Volume part(Grid{box.size, {}}, feed.type());
  feed.read(box, part.data());
  EXPECT_EQ(part.value(6, 5, 8), volume.value(9, 9, 13));
  const Volume thinned = read_thinned(feed, 3);
  EXPECT_EQ(thinned.grid().size, (Size3{15, 18, 13}));
  EXPECT_EQ(thinned.value(14, 17, 12), volume.value(42, 51, 36));
  const Vec3 there = thinned.grid().world_from_voxel({14, 17, 12}),
             here = volume.grid().world_from_voxel({42, 51, 36});
  for (int a = 0; a < 3; ++a) EXPECT_NEAR(there[a], here[a], 1e-9);
}

TEST(Feed, windowsMoveInBothDirections) {
  const DisplacementField field = waves(3);
  const SlicedFeed feed(field.volume(), 5);
  PlaneWindow window(feed);
  for (const auto& [begin, end] :
       {std::pair{0, 6}, std::pair{3, 12}, std::pair{2, 4}, std::pair{20, 37}, std::pair{10, 22}}) {
    window.move_to(begin, end);
    for (int c = 0; c < 3; ++c)
      for (const std::int64_t i : {0, 777, 45 * 52 - 1})
        for (std::int64_t z = begin; z < end; ++z)
          ASSERT_EQ(window.channel<float>(c)[(z - begin) * 45 * 52 + i],
                    field.component_mm(c)[z * 45 * 52 + i]);
  }
}

TEST(Feed, statisticsAreThoseOfTheVolume) {
  for (const ScalarType type : {ScalarType::u8, ScalarType::i16, ScalarType::f64}) {
    const Volume volume = scene(type);
    const WholeVolume whole(&volume);
    for (const std::int64_t planes : {1, 4, 37}) {
      const SlicedFeed feed(volume, planes);
      const IntensityStatistics a = intensity_statistics(whole), b = intensity_statistics(feed);
      EXPECT_EQ(a.mean, b.mean);
      EXPECT_EQ(a.standard_deviation, b.standard_deviation);
      const solve::IntensityScale s = solve::intensity_scale(whole),
                                  t = solve::intensity_scale(feed);
      EXPECT_EQ(s.offset, t.offset);
      EXPECT_EQ(s.scale, t.scale);
      EXPECT_EQ(s.low, t.low);
      EXPECT_EQ(s.high, t.high);
      EXPECT_EQ(s.noise_variance, t.noise_variance);
      EXPECT_GT(s.noise_variance, 0);
      const solve::Moments m = solve::moments(whole, s), n = solve::moments(feed, t);
      EXPECT_EQ(m.centre_mm, n.centre_mm);
      EXPECT_EQ(m.axes, n.axes);
    }
  }
}

/// A volume not in memory that knows what one pass found.
class CountedSlices final : public SlicedFeed, public CountedFeed {
 public:
  explicit CountedSlices(const Volume& volume) : SlicedFeed(volume, 5) {
    found_ = counted_statistics(SlicedFeed(volume, 5));
  }
  const IntensityStatistics* known_statistics() const override {
    return found_ ? &found_->statistics : nullptr;
  }
  const ValueCounts* known_counts() const override {
    return found_ && found_->counts ? &*found_->counts : nullptr;
  }

 private:
  std::optional<CountedStatistics> found_;
};

/// Sum and sum of squares voxel by voxel in doubles, plane after plane.
std::pair<double, double> plain_sums(const Volume& volume) {
  const Size3& n = volume.grid().size;
  double sum = 0, squares = 0;
  dispatch(volume.type(), [&]<class T>() {
    for (std::int64_t z = 0; z < n[2]; ++z) {
      double of_plane = 0, squares_of_plane = 0;
      for (std::int64_t i = 0; i < n[0] * n[1]; ++i) {
        const auto v = static_cast<double>(volume.channel<T>()[z * n[0] * n[1] + i]);
        of_plane += v;
        squares_of_plane += v * v;
      }
      sum += of_plane;
      squares += squares_of_plane;
    }
  });
  return {sum, squares};
}

TEST(Feed, countsOfValuesGiveTheHistogramOfTheVoxels) {
  for (const ScalarType type : {ScalarType::u8, ScalarType::i8, ScalarType::u16, ScalarType::i16,
                                ScalarType::f32, ScalarType::i32}) {
    Volume volume = scene(type);
    dispatch(type, [&]<class T>() {  // both ends of what the type holds
      volume.channel<T>()[5] = std::is_integral_v<T> ? std::numeric_limits<T>::min() : T(-5);
      volume.channel<T>()[50000] = std::is_integral_v<T> ? std::numeric_limits<T>::max() : T(500);
    });
    const CountedSlices counted(volume);
    EXPECT_EQ(counted.known_counts() != nullptr, size_of(type) <= 2) << name_of(type);
    const IntensityStatistics known = intensity_statistics(counted);
    const auto [sum, squares] = plain_sums(volume);
    const auto voxels = static_cast<double>(volume.grid().voxel_count());
    EXPECT_EQ(known.mean, sum / voxels);
    EXPECT_EQ(known.standard_deviation, std::sqrt(squares / voxels - known.mean * known.mean));
    const solve::IntensityScale a = solve::intensity_scale(SlicedFeed(volume, 5)),
                                b = solve::intensity_scale(counted);
    EXPECT_EQ(a.offset, b.offset);
    EXPECT_EQ(a.scale, b.scale);
    EXPECT_EQ(a.low, b.low);
    EXPECT_EQ(a.high, b.high);
    EXPECT_EQ(a.noise_variance, b.noise_variance);
  }
}

TEST(Feed, planesApartComeWithTheirNeighboursWhereverTheyLie) {
  const Volume volume = scene(ScalarType::i16);
  const std::int64_t plane = kSize[0] * kSize[1];
  for (const std::int64_t halo : {0, 1})
    for (const std::int64_t step : {1, 3, 6, 17, 36}) {
      PlaneWalk walk{1, {}, step, halo};
      std::vector<int> visits(static_cast<std::size_t>(kSize[2]), 0);
      for_each_plane(SlicedFeed(volume, 5), walk, [&](std::int64_t z, const std::byte* voxels) {
        ++visits[static_cast<std::size_t>(z)];
        const std::int64_t low = std::max<std::int64_t>(0, z - halo),
                           high = std::min(kSize[2], z + halo + 1);
        EXPECT_EQ(std::memcmp(voxels - (z - low) * plane * 2,
                              volume.channel<std::int16_t>() + low * plane,
                              static_cast<std::size_t>((high - low) * plane * 2)),
                  0);
      });
      for (std::int64_t z = 0; z < kSize[2]; ++z)
        EXPECT_EQ(visits[static_cast<std::size_t>(z)], z >= 1 && (z - 1) % step == 0 ? 1 : 0);
    }
}

/// Half along x and y alone.
solve::LevelGrid uneven(const Grid& full) {
  solve::LevelGrid level;
  level.shrink = {2, 2, 1};
  level.grid = full;
  level.grid.size = {(full.size[0] + 1) / 2, (full.size[1] + 1) / 2, full.size[2]};
  return level;
}

TEST(Feed, levelsAreThoseOfTheVolumeInOnePass) {
  const auto backend = ops::make_cpu_backend();
  for (const ScalarType type : {ScalarType::u8, ScalarType::u16, ScalarType::i32}) {
    const auto volume = std::make_shared<const Volume>(scene(type));
    const solve::ResidentImage whole(std::make_shared<WholeVolume>(volume.get()), *backend);
    const std::vector<solve::LevelGrid> levels{solve::level_grid(volume->grid(), 4.0),
                                               uneven(volume->grid())};
    for (const std::int64_t planes : {1, 3, 16, 37}) {
      const std::vector<Volume> made =
          solve::stream_levels(SlicedFeed(*volume, planes), levels, *backend);
      for (std::size_t l = 0; l < levels.size(); ++l) {
        const solve::LevelImage expected(whole, levels[l], {}, *backend);
        ASSERT_EQ(std::memcmp(expected.view().data, made[l].data(), made[l].bytes()), 0)
            << planes << " planes, level " << l;
      }
    }
  }
}

TEST(Feed, levelsOfTheFilesMeansAreCloseToThoseOfItsVoxels) {
  const auto backend = ops::make_cpu_backend();
  const Volume fine = test::volume_of({96, 100, 92}, 1.0, [](const Vec3& p) { return p; });
  Volume means(Grid{{48, 50, 46}, {}}, ScalarType::f32);
  for (std::int64_t i = 0; i < means.grid().voxel_count(); ++i) {
    const std::int64_t x = i % 48, y = i / 48 % 50, z = i / 48 / 50;
    double sum = 0;
    for (int k = 0; k < 8; ++k)
      sum += fine.value(2 * x + (k & 1), 2 * y + (k >> 1 & 1), 2 * z + (k >> 2));
    means.channel<float>()[i] = static_cast<float>(sum / 8);
  }
  const solve::LevelGrid level = solve::level_grid(fine.grid(), 4);
  ASSERT_EQ(level.shrink, (std::array<int, 3>{4, 4, 4}));
  const Volume direct = std::move(solve::stream_levels(SlicedFeed(fine, 7), {level}, *backend)[0]);
  const Volume via =
      std::move(solve::stream_levels(SlicedFeed(means, 7), {level}, *backend, {2, 2, 2})[0]);
  const IntensityStatistics all = intensity_statistics(direct);
  double squares = 0;
  for (std::int64_t i = 0; i < direct.grid().voxel_count(); ++i) {
    const double d = via.channel<float>()[i] - direct.channel<float>()[i];
    squares += d * d;
  }
  EXPECT_LT(std::sqrt(squares / static_cast<double>(direct.grid().voxel_count())),
            0.01 * all.standard_deviation);
}

TEST(Feed, fieldsAreMeasuredAlike) {
  const DisplacementField forward = waves(3);
  const DisplacementField inverse = invert(forward, forward.grid());
  const ops::JacobianSummary a = ops::summarise_jacobian(forward),
                             b = ops::summarise_jacobian(SlicedFeed(forward.volume(), 4));
  EXPECT_EQ(a.sd_log, b.sd_log);
  EXPECT_EQ(a.minimum, b.minimum);
  EXPECT_EQ(a.voxels, b.voxels);
  const InverseError whole = inverse_error(forward, inverse);
  const InverseError sliced =
      inverse_error(SlicedFeed(forward.volume(), 4), SlicedFeed(inverse.volume(), 4));
  EXPECT_EQ(whole.mean_mm, sliced.mean_mm);
  EXPECT_EQ(whole.p95_mm, sliced.p95_mm);
  EXPECT_EQ(whole.max_mm, sliced.max_mm);
  EXPECT_GT(whole.mean_mm, 0);
  const InverseError some =
      inverse_error(SlicedFeed(forward.volume(), 4), SlicedFeed(inverse.volume(), 4), 5);
  EXPECT_NEAR(some.mean_mm, whole.mean_mm, 0.5 * whole.mean_mm);
  for (const Vec3& p : {Vec3{0, 0, 0}, Vec3{12.3, -20, 7.7}, Vec3{500, 0, 0}})
    EXPECT_EQ(forward.at_world(p), displacement_at(SlicedFeed(forward.volume(), 4), p));
}

TEST(Feed, determinantsOfSlabsThatComeByAreThoseOfTheField) {
  DisplacementField field = waves(9);  // folds as well
  field.component_mm(2)[45 * 52 * 20 + 45 * 26 + 20] = std::numeric_limits<float>::quiet_NaN();
  const ops::JacobianSummary whole = ops::summarise_jacobian(field);
  EXPECT_GT(whole.folds, 0);
  EXPECT_GT(whole.undefined, 0);
  const WholeVolume feed(&field.volume());
  for (const std::vector<std::int64_t>& slabs :
       {std::vector<std::int64_t>{37}, {1}, {2}, {3}, {5}, {1, 4, 2, 1, 1, 20}, {36, 1}}) {
    ops::JacobianOfSlabs some(field.grid());
    std::size_t turn = 0;
    for (std::int64_t z = 0; z < kSize[2];) {
      const std::int64_t planes = std::min(slabs[turn++ % slabs.size()], kSize[2] - z);
      some.add(read_planes(feed, z, planes));
      z += planes;
    }
    const ops::JacobianSummary found = some.summary();
    EXPECT_EQ(found.voxels, whole.voxels);
    EXPECT_EQ(found.folds, whole.folds);
    EXPECT_EQ(found.undefined, whole.undefined);
    EXPECT_EQ(found.minimum, whole.minimum);
    EXPECT_EQ(found.maximum, whole.maximum);
    EXPECT_EQ(found.mean, whole.mean);
    EXPECT_EQ(found.sd_log, whole.sd_log);
  }
}

TEST(Feed, inversesAreFittedPlaneByPlaneAlike) {
  DisplacementField whole = waves(3);
  whole.component_mm(1)[45 * 52 * 20 + 45 * 26 + 20] = std::numeric_limits<float>::quiet_NaN();
  Volume exact = read_all(WholeVolume(&whole.volume()));
  solve::fit_between_samples(whole);
  for (const auto& [begin, end] : {std::pair{0, 5}, std::pair{5, 30}, std::pair{30, 37}}) {
    const std::int64_t low = std::max(0, begin - 1), high = std::min(37, end + 1);
    Volume stored = read_planes(WholeVolume(&exact), low, high - low);
    std::vector<float> out(static_cast<std::size_t>(3 * (end - begin) * 45 * 52));
    solve::fit_planes(whole.grid(), stored, low, {begin, end}, out.data());
    for (int c = 0; c < 3; ++c)
      ASSERT_EQ(std::memcmp(out.data() + c * (end - begin) * 45 * 52,
                            whole.component_mm(c) + begin * 45 * 52,
                            static_cast<std::size_t>((end - begin) * 45 * 52) * sizeof(float)),
                0);
  }
}

}  // namespace
}  // namespace gigawarp
