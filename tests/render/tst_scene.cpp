#include <gtest/gtest.h>

#include <QImage>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <mutex>
#include <thread>

#include "phantom/phantom.h"
#include "render/glyphs.h"
#include "render/golden.h"
#include "render/offscreen.h"
#include "render/render_queue.h"
#include "render/scene.h"
#include "render/surface_cast.h"
#include "render/view_geometry.h"
#include "render/warped_slice.h"

namespace gigawarp::render {
namespace {

/// A phantom pair with its true map, as the window shows it.
struct PhantomScene {
  explicit PhantomScene(std::int64_t size = 56) {
    phantom::PhantomSpec spec;
    spec.size = {size, size, size};
    spec.moving_contrast = phantom::Contrast::t2;
    const phantom::Phantom pair(spec);
    auto fixed = std::make_shared<Volume>(pair.image(phantom::Side::fixed));
    auto moving = std::make_shared<Volume>(pair.image(phantom::Side::moving));
    auto labels = std::make_shared<Volume>(pair.labels(phantom::Side::moving));
    auto warp = std::make_shared<Transform>();
    warp->stages.emplace_back(pair.true_warp());
    scene.fixed = {fixed, percentile_window(*fixed), ColourMap::grey, true};
    scene.moving = {moving, percentile_window(*moving), ColourMap::grey, true};
    scene.warp = warp;
    moving_labels = labels;
    const Grid& grid = fixed->grid();
    frame = {Plane::coronal,
             grid.centre_mm(),
             grid.centre_mm(),
             fitting_pixel_mm(grid, Plane::coronal, 150, 150),
             150,
             150,
             false};
  }
  SliceGeometry geometry() const { return view_geometry(scene.fixed.volume->grid(), frame); }
  Scene scene;
  ViewFrame frame;
  std::shared_ptr<const Volume> moving_labels;
};

TEST(Scene, everyCompareModeLooksAsItDid) {
  PhantomScene p;
  const std::pair<CompareMode, const char*> modes[] = {
      {CompareMode::blend, "scene_blend"}, {CompareMode::checkerboard, "scene_checker"},
      {CompareMode::swipe, "scene_swipe"}, {CompareMode::flicker, "scene_flicker"},
      {CompareMode::edges, "scene_edges"}, {CompareMode::difference, "scene_difference"}};
  p.scene.checker_pixels = 24;
  for (const auto& [mode, name] : modes) {
    p.scene.mode = mode;
    expect_golden(compose(p.scene, Content::compare, p.geometry()), name);
  }
}

/// Two images of one value each: white (fixed) and black (moving) in windows of 0…1.
Scene flat_pair() {
  const Grid grid{{8, 8, 8}, {}};
  Volume white(grid, ScalarType::f32), black(grid, ScalarType::f32);
  std::fill_n(white.channel<float>(), grid.voxel_count(), 1.0F);
  std::fill_n(black.channel<float>(), grid.voxel_count(), 0.0F);
  Scene scene;
  scene.fixed = {std::make_shared<Volume>(std::move(white)), {0, 1}};
  scene.moving = {std::make_shared<Volume>(std::move(black)), {0, 1}};
  scene.checker_pixels = 4;
  return scene;
}

/// Grey level of a pixel in the left or the right half of the middle slice, 8x8 pixels.
int level(const Scene& scene, bool left, Content content = Content::compare) {
  SliceGeometry g;
  g.width = g.height = 8;
  g.pixel_mm = 1;
  g.origin_mm = {0, 0, 4};
  g.right_mm = {1, 0, 0};
  g.down_mm = {0, 1, 0};
  return qGray(compose(scene, content, g).pixel(left ? 1 : 6, 1));
}

TEST(Scene, whatAnImageLetsThroughIsTheOtherOneAndThenTheGround) {
  const int ground = qGray(kBackground);
  for (const CompareMode mode : {CompareMode::checkerboard, CompareMode::swipe}) {
    Scene s = flat_pair();  // white left, black right
    s.mode = mode;
    EXPECT_EQ(level(s, true), 255);
    EXPECT_EQ(level(s, false), 0);
    s.moving.opacity = 0.25;  // three quarters of white come through; the left side stays
    EXPECT_EQ(level(s, true), 255);
    EXPECT_NEAR(level(s, false), 191, 2);
    s.fixed.opacity = 0.5;  // the left: half white over a quarter of black over the ground
    EXPECT_NEAR(level(s, true), 0.5 * 255 + 0.5 * 0.75 * ground, 2);
    EXPECT_NEAR(level(s, false), 0.75 * (0.5 * 255 + 0.5 * ground), 2);
    s.fixed.opacity = 0;
    s.moving.opacity = 1;  // as if it were hidden
    EXPECT_EQ(level(s, true), 0);
    EXPECT_EQ(level(s, false), 0);
  }
  Scene s = flat_pair();
  s.mode = CompareMode::flicker;
  s.moving.opacity = 0.25;
  EXPECT_EQ(level(s, true), 255);
  s.flicker_moving = true;
  EXPECT_NEAR(level(s, true), 191, 2);
}

TEST(Scene, inTheBlendOpacityIsAShareOfLightAndTheDifferenceIsNotFaded) {
  Scene s = flat_pair();
  s.moving.volume = s.fixed.volume;  // white both: the sum of both colours
  EXPECT_GT(level(s, true), 240);
  s.moving.opacity = 0;  // the fixed image alone, in plain grey
  EXPECT_EQ(level(s, true), 255);
  s.fixed.opacity = 0.5;
  EXPECT_NEAR(level(s, true), 127, 2);
  s = flat_pair();
  s.mode = CompareMode::difference;
  const int full = level(s, true);
  s.fixed.opacity = s.moving.opacity = 0.3;
  EXPECT_EQ(level(s, true), full);
}

TEST(Scene, aloneAndUnderEdgesAnImageFadesToTheGround) {
  Scene s = flat_pair();
  const int ground = qGray(kBackground);
  s.fixed.opacity = 0.5;
  EXPECT_NEAR(level(s, true, Content::fixed), 0.5 * (255 + ground), 2);
  s.overlay = false;
  EXPECT_NEAR(level(s, true), 0.5 * (255 + ground), 2);
  s = flat_pair();
  s.moving.volume = s.fixed.volume;
  s.mode = CompareMode::edges;
  s.moving.opacity = 0;
  EXPECT_EQ(level(s, true), ground);
  PhantomScene p;
  p.scene.mode = CompareMode::edges;
  p.scene.moving.opacity = 0;
  const auto lit = [&] {
    const QImage picture = compose(p.scene, Content::compare, p.geometry());
    int count = 0;
    for (int r = 0; r < picture.height(); ++r)
      for (int c = 0; c < picture.width(); ++c) count += picture.pixel(c, r) != kBackground;
    return count;
  };
  EXPECT_GT(lit(), 100) << "the contours stay";
  p.scene.fixed.opacity = 0;
  EXPECT_EQ(lit(), 0);
}

/// Through voxels of 1 mm, 8 by 8 from the origin on.
SliceGeometry small_slice() { return {Plane::axial, {0, 0, 4}, {1, 0, 0}, {0, 1, 0}, 8, 8, 1}; }

/// Layers of one area of the Allen atlas are numbers that single precision takes for one.
TEST(Scene, labelsOfNineDigitsStayApartAndHaveTheColoursOfTheirNames) {
  const std::int32_t left = 560581551, right = 560581563;
  ASSERT_EQ(static_cast<float>(left), static_cast<float>(right));
  const io::LabelNames names{{left, {"layer 1", {{200, 10, 20}}}},
                             {right, {"layer 6", {{10, 20, 200}}}}};
  for (const ScalarType type : {ScalarType::u32, ScalarType::i32, ScalarType::f64}) {
    Volume labels(Grid{{8, 8, 8}, {}}, type);
    dispatch(type, [&]<class T>() {
      for (int i = 0; i < 512; ++i)
        labels.channel<T>()[i] = static_cast<T>(i % 8 < 4 ? left : right);
    });
    Scene s;
    s.labels.push_back({std::make_shared<Volume>(std::move(labels)), false, false, 1, nullptr,
                        std::make_shared<io::LabelNames>(names)});
    const QImage picture = compose(s, Content::fixed, small_slice());
    EXPECT_EQ(picture.pixel(1, 3), qRgb(200, 10, 20)) << name_of(type);
    EXPECT_EQ(picture.pixel(6, 3), qRgb(10, 20, 200)) << name_of(type);
  }
}

/// Down to nothing, and up to its full colour.
TEST(Scene, theOutlineOfAMaskFades) {
  Volume mask(Grid{{8, 8, 8}, {}}, ScalarType::u8);
  for (int i = 0; i < 512; ++i) mask.channel<std::uint8_t>()[i] = i % 8 < 4 ? 1 : 0;
  Scene s;
  s.labels.push_back({std::make_shared<Volume>(std::move(mask)), false, true, 0});
  const auto red_at = [&](double opacity) {
    s.labels.front().opacity = opacity;
    return qRed(compose(s, Content::fixed, small_slice()).pixel(3, 3));
  };
  const int ground = red_at(0);
  EXPECT_EQ(ground, qRed(compose(Scene{}, Content::fixed, small_slice()).pixel(3, 3)));
  EXPECT_NEAR(red_at(0.6), ground + 0.6 * (245 - ground), 2);
  EXPECT_NEAR(red_at(0.9), ground + 0.9 * (245 - ground), 2);
  EXPECT_EQ(red_at(1), 245);
}

TEST(Scene, labelsBelowZeroAreSeen) {
  for (const ScalarType type : {ScalarType::i8, ScalarType::i32, ScalarType::f32}) {
    Volume labels(Grid{{8, 8, 8}, {}}, type);
    dispatch(type, [&]<class T>() {
      for (int i = 0; i < 512; ++i) labels.channel<T>()[i] = static_cast<T>(i % 8 < 4 ? -1 : -2);
    });
    Scene s;
    s.labels.push_back({std::make_shared<Volume>(std::move(labels)), false, false, 1});
    const QImage picture = compose(s, Content::fixed, small_slice());
    EXPECT_EQ(picture.pixel(1, 3), label_colour(-1)) << name_of(type);
    EXPECT_EQ(picture.pixel(6, 3), label_colour(-2)) << name_of(type);
  }
}

TEST(Scene, warpedLabelsAndGridLookAsTheyDid) {
  PhantomScene p;
  p.scene.labels.push_back({p.moving_labels, true, false, 0.35});
  p.scene.grid_mm = 12;
  expect_golden(compose(p.scene, Content::fixed, p.geometry()), "scene_fixed_grid");
  expect_golden(compose(p.scene, Content::compare, p.geometry()), "scene_labels_grid");
}

TEST(Scene, arrowsPointWhereTheDeformationLeads) {
  const OffscreenPainting painting;
  PhantomScene p;
  const Grid& grid = p.scene.fixed.volume->grid();
  DisplacementField field(grid);
  // Towards the patient's left, which is the right of the picture, by 6 mm.
  std::fill_n(field.component_mm(0), grid.voxel_count(), 6.0F);
  Transform warp;
  warp.stages.emplace_back(std::move(field));
  SliceGeometry g = p.geometry();
  QImage picture(g.width, g.height, QImage::Format_RGB32);
  picture.fill(Qt::black);
  draw_glyphs(picture, warp, g, 30);
  const double length = 6 / g.pixel_mm;  // pixels; short, so drawn longer by a whole factor
  const int row = 75, start = 75;
  int lit = 0;
  for (int c = start; c < start + 30; ++c) lit += qGray(picture.pixel(c, row)) > 100;
  EXPECT_GT(lit, length);
  EXPECT_EQ(qGray(picture.pixel(start - 4, row)), 0);
  picture.fill(Qt::black);
  const QImage before = picture;
  draw_glyphs(picture, Transform{}, g, 30);
  EXPECT_EQ(picture, before);
}

TEST(Scene, theWarpIsFollowedAtEveryPixel) {
  const PhantomScene p;
  const SliceGeometry g = p.geometry();
  const Volume& moving = *p.scene.moving.volume;
  const SliceImage slice = sample_warped(moving, p.scene.warp.get(), g, SliceInterpolation::linear);
  const auto* field = std::get_if<DisplacementField>(&p.scene.warp->stages.front());
  const Affine voxel_from_world = moving.grid().voxel_from_world();
  int compared = 0;
  for (int r = 5; r < g.height; r += 7)
    for (int c = 5; c < g.width; c += 7) {
      const Vec3 x = g.at(c, r);
      const auto d = field->at_world(x);
      ASSERT_TRUE(d);
      const Vec3 v = voxel_from_world({x[0] + (*d)[0], x[1] + (*d)[1], x[2] + (*d)[2]});
      bool well_inside = true;
      for (int a = 0; a < 3; ++a) well_inside = well_inside && v[a] > 0.01 && v[a] < 54.99;
      if (!well_inside) continue;
      double expected = 0;
      for (int corner = 0; corner < 8; ++corner) {
        double weight = 1;
        std::int64_t i[3];
        for (int a = 0; a < 3; ++a) {
          const double low = std::floor(v[a]);
          const int up = corner >> a & 1;
          i[a] = static_cast<std::int64_t>(low) + up;
          weight *= up != 0 ? v[a] - low : 1 - (v[a] - low);
        }
        expected += weight * moving.value(i[0], i[1], i[2]);
      }
      EXPECT_NEAR(slice.at(c, r), expected, 0.3 + 2e-3 * expected);
      ++compared;
    }
  EXPECT_GT(compared, 100);
}

TEST(Scene, everyNumberTypeAndThinVolumesAreInterpolatedAlike) {
  for (const Size3& size : {Size3{9, 7, 5}, Size3{1, 7, 5}, Size3{9, 1, 1}, Size3{4, 6, 1}})
    for (const ScalarType type :
         {ScalarType::u8, ScalarType::i8, ScalarType::u16, ScalarType::i16, ScalarType::u32,
          ScalarType::i32, ScalarType::f32, ScalarType::f64}) {
      Volume volume(Grid{size, {}}, type);
      dispatch(type, [&]<class T>() {
        for (std::int64_t z = 0; z < size[2]; ++z)
          for (std::int64_t y = 0; y < size[1]; ++y)
            for (std::int64_t x = 0; x < size[0]; ++x)
              volume.channel<T>()[(z * size[1] + y) * size[0] + x] =
                  static_cast<T>(3 * x + 5 * y + 7 * z);
      });
      SliceGeometry g;
      g.right_mm = {0.37, 0, 0};
      g.down_mm = {0, 0.41, 0.23};
      g.origin_mm = {-0.4, -0.4, -0.2};
      g.width = 30;
      g.height = 20;
      const SliceImage slice = sample_warped(volume, nullptr, g, SliceInterpolation::linear);
      for (int r = 0; r < g.height; ++r)
        for (int c = 0; c < g.width; ++c) {
          const Vec3 p = g.at(c, r);
          double expected = 0;
          bool inside = true;
          for (std::size_t a = 0; a < 3; ++a) {
            const auto last = static_cast<double>(size[a] - 1);
            inside = inside && p[a] >= -0.5 && p[a] <= last + 0.5;
            expected += (a == 0 ? 3 : a == 1 ? 5 : 7) * std::clamp(p[a], 0.0, last);
          }
          const float drawn = slice.at(c, r);
          if (inside)
            EXPECT_NEAR(drawn, expected, 1e-3) << name_of(type) << " " << c << " " << r;
          else
            EXPECT_TRUE(std::isnan(drawn)) << name_of(type) << " " << c << " " << r;
        }
    }
}

TEST(Scene, storageOrderDoesNotShow) {
  PhantomScene p;
  const QImage before = compose(p.scene, Content::compare, p.geometry());
  AxisOrder order;
  order.axis = {2, 0, 1};
  order.flipped = {true, false, true};
  p.scene.fixed.volume = std::make_shared<Volume>(reordered(*p.scene.fixed.volume, order));
  const QImage after = compose(p.scene, Content::compare, p.geometry());
  EXPECT_LT(test::difference(before, after), 0.05 / 3);
}

TEST(ViewGeometry, neurologicalMirrorsAndPixelsComeBack) {
  PhantomScene p;
  p.frame.plane = Plane::axial;
  EXPECT_EQ(p.geometry().edge_letters(), "RLAP");
  p.frame.neurological = true;
  const SliceGeometry g = p.geometry();
  EXPECT_EQ(g.edge_letters(), "LRAP");
  const PixelPosition at = pixel_of(g, g.at(12.5, 40));
  EXPECT_NEAR(at.column, 12.5, 1e-9);
  EXPECT_NEAR(at.row, 40, 1e-9);
  const PixelPosition cursor = pixel_of(g, p.frame.cursor_mm);
  EXPECT_NEAR(cursor.column, 74.5, 1e-9);
}

TEST(SurfaceCast, theCutCornerShowsTheInside) {
  const PhantomScene p;
  CastScene cast;
  cast.volume = p.scene.fixed.volume;
  cast.window = p.scene.fixed.window;
  cast.threshold = surface_threshold(cast.window);
  cast.cut_mm = cast.volume->grid().centre_mm();
  CastView view;
  view.width = view.height = 150;
  expect_golden(cast_surface(cast, view), "cast_cut");
  cast.cut = false;
  expect_golden(cast_surface(cast, view), "cast_whole");
}

TEST(RenderQueue, onlyTheNewestRequestOfAViewIsDelivered) {
  RenderQueue queue;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<int> delivered;
  const int view = 0;
  for (int i = 0; i < 50; ++i)
    queue.request(
        &view,
        [](const std::stop_token& stop) {
          for (int k = 0; k < 20 && !stop.stop_requested(); ++k)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
          return stop.stop_requested() ? QImage() : QImage(1, 1, QImage::Format_RGB32);
        },
        [&, i](QImage) {
          const std::lock_guard lock(mutex);
          delivered.push_back(i);
          changed.notify_all();
        });
  std::unique_lock lock(mutex);
  ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(10),
                               [&] { return !delivered.empty() && delivered.back() == 49; }));
  EXPECT_LT(delivered.size(), 10U);
}

TEST(RenderQueue, nothingIsDeliveredToAForgottenView) {
  std::atomic<int> delivered = 0;
  const int view = 0;
  RenderQueue queue;
  for (int i = 0; i < 20; ++i) {
    queue.request(
        &view, [](const std::stop_token&) { return QImage(1, 1, QImage::Format_RGB32); },
        [&](QImage) { ++delivered; });
    queue.forget(&view);
    const int now = delivered;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    EXPECT_EQ(delivered, now);
  }
}

/// Frames a second of a 512-cube pair with warp and blend at 800 x 800, printed; the number depends
/// on the machine and what else it does, so only a floor is asked for.
TEST(Speed, scrollsAWarpedPair) {
  const std::int64_t size = std::getenv("GIGAWARP_BENCH") != nullptr ? 512 : 128;
  PhantomScene p(size);
  p.frame.plane = Plane::axial;
  p.frame.width = p.frame.height = 800;
  p.frame.pixel_mm = fitting_pixel_mm(p.scene.fixed.volume->grid(), Plane::axial, 800, 800);
  const auto start = std::chrono::steady_clock::now();
  const std::clock_t processor_start = std::clock();
  constexpr int kFrames = 30;
  for (int i = 0; i < kFrames; ++i) {
    p.frame.cursor_mm[2] += i < kFrames / 2 ? 1 : -1;
    compose(p.scene, Content::compare, p.geometry());
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  // Of all threads: what other programs take of the machine does not change it much.
  const double processor_ms =
      1e3 * static_cast<double>(std::clock() - processor_start) / CLOCKS_PER_SEC / kFrames;
  std::cout << size << " cube: " << kFrames / seconds << " frames a second, " << processor_ms
            << " ms of processor time each\n";
  EXPECT_GT(kFrames / seconds, 4);
}

}  // namespace
}  // namespace gigawarp::render
