// Slices of volumes that stay in their files.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <ctime>
#include <iostream>
#include <thread>

#include "gigawarp/error.h"
#include "io/sampled_levels.h"
#include "io/volume_sink.h"
#include "phantom/phantom.h"
#include "render/brick_fetcher.h"
#include "render/scene.h"
#include "render/view_geometry.h"
#include "render/warped_slice.h"
#include "support/temporary_folder.h"

namespace gigawarp::render {
namespace {

using io::BrickCache;
constexpr std::uint64_t kPlenty = std::uint64_t{1} << 30;

/// A pyramid made on demand: values that differ everywhere, anisotropic voxels, odd bricks. Counts
/// what is read; bricks can be damaged.
class FakePyramid : public io::BrickSource {
 public:
  explicit FakePyramid(std::int64_t size = 400) {
    info_.type = ScalarType::u16;
    Size3 n{size, size - 11, size - 40};
    Vec3 spacing{0.5, 0.5, 0.6}, origin{-50, 20, 7};
    for (int l = 0; l < 4; ++l) {
      info_.levels.push_back(
          {Grid::from_itk(n, spacing, origin, {{{1, 0, 0}, {0, 0, -1}, {0, 1, 0}}}), {48, 32, 40}});
      for (std::size_t a = 0; a < 3; ++a) {
        n[a] = (n[a] + 1) / 2;
        const Vec3 axis = info_.levels.back().grid.world_from_voxel.map_vector(
            {a == 0 ? 0.5 : 0, a == 1 ? 0.5 : 0, a == 2 ? 0.5 : 0});
        for (std::size_t b = 0; b < 3; ++b) origin[b] += axis[b];
        spacing[a] *= 2;
      }
    }
  }
  const io::SourceInfo& info() const override { return info_; }
  void read(int level, int, const Box& box, std::byte* out) const override {
    ++reads;
    if (delay_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms.load()));
    if (level == damaged_level && box.begin == damaged_begin)
      throw Error(ErrorCode::bad_input, "The file \"0/1/2/3\" is damaged.", "0/1/2/3");
    const Grid& grid = info_.levels[static_cast<std::size_t>(level)].grid;
    auto* to = reinterpret_cast<std::uint16_t*>(out);
    for (std::int64_t z = 0; z < box.size[2]; ++z)
      for (std::int64_t y = 0; y < box.size[1]; ++y)
        for (std::int64_t x = 0; x < box.size[0]; ++x)
          *to++ = value(grid.world_from_voxel({static_cast<double>(box.begin[0] + x),
                                               static_cast<double>(box.begin[1] + y),
                                               static_cast<double>(box.begin[2] + z)}));
  }
  static std::uint16_t value(const Vec3& p) {
    return static_cast<std::uint16_t>(5000 + 900 * wave(p[0], 31) + 700 * wave(p[1], 37) +
                                      600 * wave(p[2] + 0.3 * p[0], 43));
  }
  /// 0 … period / 2, up and down.
  static double wave(double x, double period) {
    return std::abs(x - period * std::floor(x / period + 0.5));
  }
  mutable std::atomic<int> reads{0};
  std::atomic<int> delay_ms{0};
  int damaged_level = -1;
  Size3 damaged_begin{};

 private:
  io::SourceInfo info_;
};

ViewFrame frame_of(const Grid& grid, Plane plane, double pixel_mm, int size = 200) {
  ViewFrame frame;
  frame.plane = plane;
  frame.cursor_mm = frame.centre_mm = grid.centre_mm();
  frame.pixel_mm = pixel_mm;
  frame.width = size;
  frame.height = size - 17;
  return frame;
}

/// Everything the picture lacks, read now.
void read_all(BrickCache& cache, const Streaming& streaming) {
  for (const MissingBricks& of : streaming.missing)
    for (const io::BrickKey& key : of.keys) cache.get(of.volume->source(), key);
}

SliceImage refined(const std::shared_ptr<const StreamedVolume>& volume, BrickCache& cache,
                   const Transform* warp, const SliceGeometry& g, SliceInterpolation how) {
  Streaming first, second;
  sample_streamed(volume, warp, g, how, first);
  read_all(cache, first);
  SliceImage out = sample_streamed(volume, warp, g, how, second);
  EXPECT_TRUE(second.missing.empty());
  return out;
}

void expect_equal(const SliceImage& a, const SliceImage& b, double tolerance) {
  ASSERT_EQ(a.values.size(), b.values.size());
  double worst = 0;
  int different_extent = 0;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    if (std::isnan(a.values[i]) != std::isnan(b.values[i]))
      ++different_extent;
    else if (!std::isnan(a.values[i]))
      worst = std::max(worst, std::abs(static_cast<double>(a.values[i]) - b.values[i]));
  }
  EXPECT_EQ(different_extent, 0);
  EXPECT_LE(worst, tolerance);
}

class Streamed : public testing::Test {
 protected:
  std::shared_ptr<BrickCache> cache = std::make_shared<BrickCache>(kPlenty);
  std::shared_ptr<FakePyramid> pyramid = std::make_shared<FakePyramid>();
  std::shared_ptr<const StreamedVolume> volume = std::make_shared<StreamedVolume>(pyramid, cache);
  const Volume& finest() const {
    static const Volume made = io::read_level(FakePyramid(), 0, "fake");
    return made;
  }
};

TEST_F(Streamed, slicesEqualThoseOfTheWholeVolumeOnceAllBricksAreThere) {
  const Volume& whole = finest();
  for (const Plane plane : {Plane::axial, Plane::coronal, Plane::sagittal})
    for (const auto how : {SliceInterpolation::linear, SliceInterpolation::nearest}) {
      const SliceGeometry g = view_geometry(volume->grid(), frame_of(volume->grid(), plane, 0.45));
      expect_equal(refined(volume, *cache, nullptr, g, how), sample_warped(whole, nullptr, g, how),
                   0);
    }
}

TEST_F(Streamed, slantedAndWarpedSlicesEqualThoseOfTheWholeVolume) {
  const Volume& whole = finest();
  Transform warp;
  Affine turn;
  turn.linear = turn_about({0.6, 0, 0.8}, 0.4);
  for (std::size_t a = 0; a < 3; ++a)
    turn.offset[a] = volume->grid().centre_mm()[a] - turn.map_vector(volume->grid().centre_mm())[a];
  warp.stages.emplace_back(turn);
  ViewFrame frame = frame_of(volume->grid(), Plane::coronal, 0.4);
  frame.turn = turn_about({0, 0.6, 0.8}, 0.7);
  const SliceGeometry g = view_geometry(volume->grid(), frame);
  for (const Transform* w : {static_cast<const Transform*>(nullptr), &std::as_const(warp)})
    expect_equal(refined(volume, *cache, w, g, SliceInterpolation::linear),
                 sample_warped(whole, w, g, SliceInterpolation::linear), 0.01);
}

TEST_F(Streamed, partsBeyondTheVolumeAreNotANumberAsInMemory) {
  const Volume& whole = finest();
  ViewFrame frame = frame_of(volume->grid(), Plane::axial, 0.5);
  frame.centre_mm = volume->grid().world_from_voxel({0, 0, 100});
  const SliceGeometry g = view_geometry(volume->grid(), frame);
  expect_equal(refined(volume, *cache, nullptr, g, SliceInterpolation::linear),
               sample_warped(whole, nullptr, g, SliceInterpolation::linear), 0);
}

TEST_F(Streamed, theLevelFitsThePixels) {
  const auto level_at = [&](double pixel_mm, std::uint64_t share = kPlenty) {
    return volume->level_for(
        nullptr, view_geometry(volume->grid(), frame_of(volume->grid(), Plane::axial, pixel_mm)),
        share);
  };
  EXPECT_EQ(level_at(0.1).level, 0);
  EXPECT_EQ(level_at(0.5).level, 0);
  EXPECT_EQ(level_at(1.05).level, 1);
  EXPECT_EQ(level_at(8).level, volume->overview_level());
  EXPECT_FALSE(level_at(0.5).limited);
  // A share of one brick or two: coarser, and said.
  EXPECT_GT(level_at(0.5, 300'000).level, 0);
  EXPECT_TRUE(level_at(0.5, 300'000).limited);
}

TEST_F(Streamed, thePictureIsCoarseAtOnceAndRefinedInPlace) {
  const Volume& whole = finest();
  const SliceGeometry g =
      view_geometry(volume->grid(), frame_of(volume->grid(), Plane::axial, 0.3));
  const int reads_before = pyramid->reads;
  Streaming first;
  const SliceImage coarse = sample_streamed(volume, nullptr, g, SliceInterpolation::linear, first);
  EXPECT_EQ(pyramid->reads, reads_before);  // no waiting for the file
  ASSERT_FALSE(first.missing.empty());
  const SliceImage fine = sample_warped(whole, nullptr, g, SliceInterpolation::linear);
  double sum = 0;
  std::int64_t count = 0;
  for (std::size_t i = 0; i < fine.values.size(); ++i) {
    ASSERT_EQ(std::isnan(coarse.values[i]), std::isnan(fine.values[i]));
    if (std::isnan(fine.values[i])) continue;
    sum += std::abs(coarse.values[i] - fine.values[i]);
    ++count;
  }
  EXPECT_GT(sum / count, 1);     // of 40 000: it is another level,
  EXPECT_LT(sum / count, 1000);  // of the same image at the same place
  // One brick after another: what is there is used, the rest stays coarse.
  const io::BrickKey one = first.missing.front().keys.back();
  EXPECT_EQ(first.missing.front().keys.front().level, volume->overview_level() - 1);
  EXPECT_EQ(one.level, 0);
  cache->get(volume->source(), one);
  Streaming second;
  sample_streamed(volume, nullptr, g, SliceInterpolation::linear, second);
  EXPECT_LT(second.missing.front().keys.size(), first.missing.front().keys.size());
  read_all(*cache, second);
  Streaming third;
  expect_equal(sample_streamed(volume, nullptr, g, SliceInterpolation::linear, third), fine, 0);
  EXPECT_TRUE(third.missing.empty());
}

TEST_F(Streamed, memoryStaysWithinTheBudgetWhateverIsScrolledThrough) {
  const std::uint64_t budget = 4 << 20;
  cache->set_budget(budget);
  BrickFetcher fetcher(cache);
  ViewFrame frame = frame_of(volume->grid(), Plane::axial, 0.5);
  std::uint64_t most = 0;
  const int view = 0;
  for (int step = 0; step < 40; ++step) {
    frame.cursor_mm[2] += 2;
    frame.centre_mm[2] += 2;
    Streaming streaming;
    streaming.share_bytes = fetcher.share_bytes(1);
    sample_streamed(volume, nullptr, view_geometry(volume->grid(), frame),
                    SliceInterpolation::linear, streaming);
    fetcher.want(&view, streaming.missing, true, [] {});
    for (int i = 0; i < 200 && fetcher.outstanding() > 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      most = std::max(most, cache->held_bytes());
    }
  }
  EXPECT_GT(most, budget / 4);
  EXPECT_LE(most, budget);
}

TEST_F(Streamed, whatIsNoLongerWantedIsNotRead) {
  pyramid->delay_ms = 20;
  BrickFetcher fetcher(cache);
  const int view = 0;
  std::atomic<int> arrived{0};
  ViewFrame frame = frame_of(volume->grid(), Plane::axial, 0.4);
  const auto ask = [&] {
    Streaming streaming;
    sample_streamed(volume, nullptr, view_geometry(volume->grid(), frame),
                    SliceInterpolation::linear, streaming);
    fetcher.want(&view, streaming.missing, true, [&] { ++arrived; });
    return streaming.missing.front().keys.size();
  };
  const int before = pyramid->reads;
  const std::size_t first = ask();
  frame.cursor_mm = volume->grid().world_from_voxel({200, 3, 180});  // another layer of bricks
  frame.centre_mm = frame.cursor_mm;
  const std::size_t second = ask();
  for (int i = 0; i < 3000 && fetcher.outstanding() > 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_EQ(fetcher.outstanding(), 0U);
  EXPECT_EQ(arrived, static_cast<int>(second));
  EXPECT_LE(pyramid->reads - before, static_cast<int>(second) + 4) << "of " << first;
  pyramid->delay_ms = 0;
  fetcher.forget(&view);
}

TEST_F(Streamed, theNextLayerOfBricksIsReadAheadOfScrolling) {
  BrickFetcher fetcher(cache);
  ViewFrame frame = frame_of(volume->grid(), Plane::axial, 0.5);
  Scene scene;
  scene.fixed = {volume->overview(), {10000, 50000}, ColourMap::grey, true, volume};
  const SliceGeometry g = view_geometry(volume->grid(), frame);
  const int view = 0;
  Streaming streaming;
  compose(scene, Content::fixed, g, {}, &streaming);
  read_all(*cache, streaming);
  fetcher.want(&view, {}, true, [] {});
  EXPECT_TRUE(bricks_ahead(scene, Content::fixed, g, 1, 1000).empty());  // too little room
  const auto ahead = bricks_ahead(scene, Content::fixed, g, 1, kPlenty);
  ASSERT_EQ(ahead.size(), 1U);
  fetcher.read_ahead(&view, ahead);
  const io::BrickKey last = ahead.front().keys.back();
  for (int i = 0; i < 3000 && cache->find(volume->source(), last) == nullptr; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  Streaming wanted;
  wanted.missing = ahead;
  read_all(*cache, wanted);
  const PlaneDirections d = plane_directions(volume->grid(), Plane::axial, false);
  const Vec3& r = g.right_mm;
  const Vec3 across{r[1] * g.down_mm[2] - r[2] * g.down_mm[1],
                    r[2] * g.down_mm[0] - r[0] * g.down_mm[2],
                    r[0] * g.down_mm[1] - r[1] * g.down_mm[0]};
  const double side = across[0] * d.normal[0] + across[1] * d.normal[1] + across[2] * d.normal[2];
  for (std::size_t a = 0; a < 3; ++a)
    frame.cursor_mm[a] += (side > 0 ? 1 : -1) * volume->brick_mm(0) * d.normal[a];
  frame.centre_mm = frame.cursor_mm;
  Streaming next;
  compose(scene, Content::fixed, view_geometry(volume->grid(), frame), {}, &next);
  EXPECT_TRUE(next.missing.empty());
}

TEST_F(Streamed, aDamagedBrickIsHatchedAndNamedAndTheRestIsDrawn) {
  const SliceGeometry g =
      view_geometry(volume->grid(), frame_of(volume->grid(), Plane::axial, 0.5));
  const io::BrickKey broken{0, 0, {4, 6, 4}};
  pyramid->damaged_level = 0;
  pyramid->damaged_begin = io::box_of(volume->level(0), broken.index).begin;
  Streaming first, second;
  sample_streamed(volume, nullptr, g, SliceInterpolation::linear, first);
  read_all(*cache, first);
  Scene scene;
  scene.fixed = {volume->overview(), {10000, 50000}, ColourMap::grey, true, volume};
  const QImage picture = compose(scene, Content::fixed, g, {}, &second);
  EXPECT_TRUE(second.missing.empty());
  ASSERT_FALSE(second.damaged.empty());
  const auto hatched = std::count(second.damaged.begin(), second.damaged.end(), 1);
  // Its 48 x 40 or 48 x 32 or 40 x 32 voxels, with the cells that lead into it.
  EXPECT_GT(hatched, 400);
  EXPECT_LT(hatched, 3000);
  int defect_pixels = 0;
  for (int r = 0; r < picture.height(); ++r)
    for (int c = 0; c < picture.width(); ++c) defect_pixels += picture.pixel(c, r) == kDefectColour;
  EXPECT_GT(defect_pixels, hatched / 8);
  ASSERT_EQ(volume->problems().size(), 1U);
  EXPECT_NE(volume->problems().front().find("0/1/2/3"), std::string::npos);
}

/// Processor time, as other programs share the cores; figures in RESULTS.md.
TEST_F(Streamed, aCachedPairIsBlendedManyTimesASecond) {
  Scene scene;
  scene.fixed = {volume->overview(), {10000, 50000}, ColourMap::grey, true, volume};
  scene.moving = scene.fixed;
  auto warp = std::make_shared<Transform>();
  Affine turn;
  turn.linear = turn_about({0, 0, 1}, 0.1);
  warp->stages.emplace_back(turn);
  scene.warp = warp;
  for (const bool slanted : {false, true}) {
    ViewFrame frame = frame_of(volume->grid(), Plane::axial, 0.25, 800);
    if (slanted) frame.turn = turn_about({0.6, 0.8, 0}, 0.6);
    const SliceGeometry g = view_geometry(volume->grid(), frame);
    Streaming first;
    compose(scene, Content::compare, g, {}, &first);
    read_all(*cache, first);
    constexpr int kFrames = 10;
    const std::clock_t start = std::clock();
    for (int i = 0; i < kFrames; ++i) {
      Streaming streaming;
      compose(scene, Content::compare, g, {}, &streaming);
      ASSERT_TRUE(streaming.missing.empty());
    }
    const double ms = 1000.0 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC / kFrames;
    std::cout << (slanted ? "slanted" : "straight") << " blend of two streamed images, " << g.width
              << "x" << g.height << ": " << ms << " ms of processor time\n";
    EXPECT_LT(ms, 300);
  }
}

TEST_F(Streamed, theValueAtAPointIsOfTheFinestLevelInMemory) {
  const Vec3 world = volume->grid().world_from_voxel({100, 120, 130});
  StreamedVolume::Value value = volume->value_at(world);
  EXPECT_EQ(value.level, volume->overview_level());
  EXPECT_NEAR(*value.value, FakePyramid::value(world), 1500);
  cache->get(volume->source(), {0, 0, {100 / 48, 120 / 32, 130 / 40}});
  value = volume->value_at(world);
  EXPECT_EQ(value.level, 0);
  EXPECT_EQ(*value.value, FakePyramid::value(world));
  EXPECT_FALSE(volume->value_at({1e4, 0, 0}).value);
}

TEST(StreamedFiles, aPlainFileGetsCoarseLevelsOfItsOwnVoxels) {
  const test::TemporaryFolder folder;
  const auto file = folder.path() / "plain.nii";
  phantom::PhantomSpec spec;
  spec.size = {200, 180, 150};
  const phantom::Phantom pair(spec);
  const Volume whole = pair.image(phantom::Side::fixed);
  io::write_image(whole, file);
  const std::shared_ptr<const io::BrickSource> plain = io::open_source(file);
  ASSERT_NE(plain, nullptr);
  const auto pyramid = io::with_coarse_levels(plain, 100'000);
  ASSERT_EQ(pyramid->info().levels.size(), 3U);
  const Volume coarse = io::read_level(*pyramid, 2, file);
  EXPECT_EQ(coarse.grid().size, (Size3{50, 45, 37}));
  const Affine fine_from_coarse = whole.grid().voxel_from_world() * coarse.grid().world_from_voxel;
  for (const Size3& v : {Size3{0, 0, 0}, Size3{20, 30, 10}, Size3{49, 44, 36}}) {
    const Vec3 at = fine_from_coarse(
        {static_cast<double>(v[0]), static_cast<double>(v[1]), static_cast<double>(v[2])});
    EXPECT_EQ(coarse.value(v[0], v[1], v[2]),
              whole.value(std::llround(at[0]), std::llround(at[1]), std::llround(at[2])));
  }
  const auto cache = std::make_shared<BrickCache>(kPlenty);
  const auto volume = std::make_shared<StreamedVolume>(plain, cache);
  const SliceGeometry g =
      view_geometry(volume->grid(), frame_of(volume->grid(), Plane::sagittal, 0.9));
  expect_equal(refined(volume, *cache, nullptr, g, SliceInterpolation::linear),
               sample_warped(whole, nullptr, g, SliceInterpolation::linear), 0);
}

TEST(StreamedFiles, chunksOfAFileWithOneLevelAreSampledForCoarseOnes) {
  class OneLevel : public FakePyramid {
   public:
    OneLevel() {
      info_ = FakePyramid::info();
      info_.levels.resize(1);
    }
    const io::SourceInfo& info() const override { return info_; }

   private:
    io::SourceInfo info_;
  };
  const auto file = std::make_shared<OneLevel>();
  const auto pyramid = io::with_coarse_levels(file, 1'000'000);
  const int last = static_cast<int>(pyramid->info().levels.size()) - 1;
  ASSERT_EQ(last, 2);
  const Grid& grid = pyramid->info().levels[2].grid;
  const Volume coarse = io::read_level(*pyramid, last, "fake");
  for (const Size3& v : {Size3{0, 0, 0}, Size3{33, 44, 55}, Size3{99, 96, 89}})
    EXPECT_NEAR(
        coarse.value(v[0], v[1], v[2]),
        FakePyramid::value(grid.world_from_voxel(
            {static_cast<double>(v[0]), static_cast<double>(v[1]), static_cast<double>(v[2])})),
        1);  // the same place by two roundings
}

}  // namespace
}  // namespace gigawarp::render
