#include <gtest/gtest.h>

#include <QColor>
#include <cmath>
#include <cstdlib>
#include <functional>

#include "phantom/phantom.h"
#include "render/golden.h"
#include "render/renderer_3d.h"
#include "render/surfaces.h"
#include "render/view_geometry.h"
#include "support/pictures.h"

namespace gigawarp::render {
namespace {

constexpr int kSize = 200;

/// A phantom pair with its true map, labels and landmarks, looked at from the front left above.
struct Phantom3d {
  Phantom3d() {
    phantom::PhantomSpec spec;
    spec.size = {48, 48, 48};
    const phantom::Phantom pair(spec);
    auto fixed = std::make_shared<Volume>(pair.image(phantom::Side::fixed));
    auto moving = std::make_shared<Volume>(pair.image(phantom::Side::moving));
    labels = std::make_shared<Volume>(pair.labels(phantom::Side::fixed));
    auto warp = std::make_shared<Transform>();
    warp->stages.emplace_back(pair.true_warp());
    scene.slices.fixed = {fixed, percentile_window(*fixed), ColourMap::grey, true};
    scene.slices.moving = {moving, percentile_window(*moving), ColourMap::grey, true};
    scene.slices.warp = warp;
    scene.slices_revision = 1;
    scene.grid = fixed->grid();
    scene.cursor_mm = fixed->grid().centre_mm();
    threshold = surface_threshold(scene.slices.fixed.window);
    scene.tissue = 0.5 * threshold;
    scene.surface = head_surface(*fixed, threshold, {});
    view.width = view.height = kSize;
  }
  /// The pixel that a world point falls on.
  QPoint pixel(const Vec3& world_mm) const {
    const CastAxes axes = cast_axes(view);
    const Vec3 centre = scene.grid.centre_mm();
    double right = 0, down = 0;
    for (std::size_t a = 0; a < 3; ++a) {
      right += axes.right[a] * (world_mm[a] - centre[a]);
      down += axes.down[a] * (world_mm[a] - centre[a]);
    }
    const double mm = pixel_mm_of(scene.grid, view);
    return {static_cast<int>(std::floor(kSize / 2.0 + right / mm)),
            static_cast<int>(std::floor(kSize / 2.0 + down / mm))};
  }
  Scene3d scene;
  CastView view;
  std::shared_ptr<const Volume> labels;
  double threshold = 0;
};

class Scene3dTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!renderer.problem().empty()) GTEST_SKIP() << renderer.problem();
  }
  Phantom3d p;
  Renderer3d renderer;
};

bool is_background(QRgb colour) { return test::colour_distance(colour, kBackground) < 12; }

int drawn(const QImage& picture) {
  int count = 0;
  for (int r = 0; r < picture.height(); ++r)
    for (int c = 0; c < picture.width(); ++c) count += is_background(picture.pixel(c, r)) ? 0 : 1;
  return count;
}

TEST_F(Scene3dTest, theSurfaceHasTheOutlineThatRaysFind) {
  CastScene cast;
  cast.volume = p.scene.slices.fixed.volume;
  cast.window = p.scene.slices.fixed.window;
  cast.threshold = p.threshold;
  cast.cut_mm = p.scene.cursor_mm;
  const QImage rays = cast_surface(cast, p.view);
  const QImage surface = renderer.draw(p.scene, p.view);
  ASSERT_EQ(surface.size(), rays.size());
  if (const char* folder = std::getenv("GIGAWARP_PICTURES"); folder != nullptr) {
    surface.save(QString::fromStdString(std::string(folder) + "/surface.png"));
    rays.save(QString::fromStdString(std::string(folder) + "/rays.png"));
  }
  int both = 0, either = 0;
  for (int r = 0; r < kSize; ++r)
    for (int c = 0; c < kSize; ++c) {
      const bool a = !is_background(rays.pixel(c, r)), b = !is_background(surface.pixel(c, r));
      both += a && b ? 1 : 0;
      either += a || b ? 1 : 0;
    }
  EXPECT_GT(both, 3000);
  EXPECT_GT(both, 0.95 * either);
}

/// Compares places of the cut planes, in the quarters that have been laid open, with the picture.
/// The number of places.
int compare_cut_with_slices(const Phantom3d& p, const QImage& picture) {
  const std::array<CutPlane, 3> planes = cut_planes(p.scene, {});
  const CastAxes axes = cast_axes(p.view);
  int compared = 0;
  const std::array<Vec3, 3> normals = cut_normals(p.scene);
  const std::array<double, 3> sides = cut_sides(p.scene, axes);
  constexpr std::array<std::size_t, 3> kNormalOf{2, 1, 0};
  for (std::size_t i = 0; i < 3; ++i) {
    const CutPlane& plane = planes.at(i);
    const SliceGeometry& g = plane.geometry;
    // Between the other two planes, towards the viewer, where the slice is smooth.
    for (const double mm : {5.0, 8.0, 11.0, 14.0}) {
      Vec3 at = p.scene.cursor_mm;
      for (std::size_t a = 0; a < 3; ++a)
        for (std::size_t k = 0; k < 3; ++k)
          if (k != kNormalOf.at(i)) at[a] += mm * sides.at(k) * normals.at(k)[a];
      const PixelPosition pixel = pixel_of(g, at);
      const int column = static_cast<int>(std::lround(pixel.column)),
                row = static_cast<int>(std::lround(pixel.row));
      const QColor expected = plane.picture.pixelColor(column, row);
      if (expected.alpha() == 0) continue;
      const QRgb found = picture.pixel(p.pixel(g.at(column, row)));
      EXPECT_LT(test::colour_distance(expected.rgb(), found), 90)
          << name_of(g.plane) << " at " << column << ", " << row;
      ++compared;
    }
  }
  return compared;
}

TEST_F(Scene3dTest, theCutShowsTheVerySlices) {
  EXPECT_GE(compare_cut_with_slices(p, renderer.draw(p.scene, p.view)), 9);
}

TEST_F(Scene3dTest, theCutFollowsTheSlantOfTheViews) {
  const QImage straight = renderer.draw(p.scene, p.view);
  p.scene.turn = turned_further(turn_about({0, 0, 1}, 0.5), turn_about({1, 0, 0}, 0.3));
  ++p.scene.slices_revision;
  const QImage slanted = renderer.draw(p.scene, p.view);
  EXPECT_GT(test::difference(straight, slanted), 1);
  EXPECT_GE(compare_cut_with_slices(p, slanted), 9);
  // The planes stand at right angles, and each is whole: its corners lie outside the volume.
  const std::array<Vec3, 3> normals = cut_normals(p.scene);
  for (std::size_t i = 0; i < 3; ++i) {
    double product = 0;
    for (std::size_t a = 0; a < 3; ++a) product += normals.at(i)[a] * normals.at((i + 1) % 3)[a];
    EXPECT_NEAR(product, 0, 1e-12);
  }
  const Affine voxel_from_world = p.scene.grid.voxel_from_world();
  for (const CutPlane& plane : cut_planes(p.scene, {})) {
    const Vec3 corner = voxel_from_world(plane.geometry.at(0, 0));
    bool outside = false;
    for (std::size_t a = 0; a < 3; ++a)
      outside = outside || corner[a] < 0 || corner[a] > static_cast<double>(p.scene.grid.size[a]);
    EXPECT_TRUE(outside) << name_of(plane.geometry.plane);
  }
}

TEST_F(Scene3dTest, aVolumeCutAtASlantIsOneInThreePieces) {
  p.scene.planes = false;
  p.scene.style = HeadStyle::volume;
  p.scene.head = head_bytes(*p.scene.slices.fixed.volume, p.scene.slices.fixed.window, {});
  const QImage straight = renderer.draw(p.scene, p.view);
  if (const char* folder = std::getenv("GIGAWARP_PICTURES"); folder != nullptr)
    straight.save(QString::fromStdString(std::string(folder) + "/volume.png"));
  // Turned by next to nothing, the pieces must be blended to what cropping shows.
  p.scene.turn = turn_about({0, 0, 1}, 1e-5);
  const QImage pieces = renderer.draw(p.scene, p.view);
  if (const char* folder = std::getenv("GIGAWARP_PICTURES"); folder != nullptr)
    pieces.save(QString::fromStdString(std::string(folder) + "/pieces.png"));
  // Each piece samples its rays from its own start: the grain differs, what it adds up to must not.
  const auto blurred = [](const QImage& picture) {
    return picture.scaled(25, 25, Qt::IgnoreAspectRatio, Qt::SmoothTransformation);
  };
  EXPECT_LT(test::difference(blurred(straight), blurred(pieces)), 1.5);
  p.scene.turn = turn_about({0, 0, 1}, 0.6);
  EXPECT_GT(test::difference(straight, renderer.draw(p.scene, p.view)), 1.5);
}

TEST(RayCaster, theCutFollowsTheSlantOfTheViews) {
  const Phantom3d p;
  CastScene cast;
  cast.volume = p.scene.slices.fixed.volume;
  cast.window = p.scene.slices.fixed.window;
  cast.threshold = p.threshold;
  cast.cut_mm = p.scene.cursor_mm;
  const QImage straight = cast_surface(cast, p.view);
  // A quarter turn about the superior axis brings the planes back to where they were.
  cast.turn = turn_about({0, 0, 1}, 0.5 * 3.14159265358979);
  EXPECT_LT(test::difference(straight, cast_surface(cast, p.view)), 0.2);
  cast.turn = turn_about({0, 0, 1}, 0.5);
  EXPECT_GT(test::difference(straight, cast_surface(cast, p.view)), 1);
}

TEST_F(Scene3dTest, everyPartChangesThePicture) {
  p.scene.planes = false;
  QImage before = renderer.draw(p.scene, p.view);
  EXPECT_GT(drawn(before), 3000);
  const auto expect_change = [&](const char* what) {
    const QImage now = renderer.draw(p.scene, p.view);
    EXPECT_GT(test::difference(before, now), 0.3) << what;
    before = now;
  };
  p.scene.planes = true;
  expect_change("planes");
  p.scene.style = HeadStyle::glass;
  expect_change("glass");
  p.scene.labels = surfaces_of_labels(*p.labels, {});
  expect_change("labels");
  p.scene.labels = nullptr;
  p.scene.style = HeadStyle::none;
  expect_change("none");
  p.scene.slices.grid_mm = 12;
  ++p.scene.slices_revision;
  expect_change("grid");
  p.scene.head = head_bytes(*p.scene.slices.fixed.volume, p.scene.slices.fixed.window, {});
  p.scene.style = HeadStyle::volume;
  expect_change("volume");
  p.view.zoom = 1.6;
  expect_change("zoom");
  p.view.right_mm = 20;
  expect_change("pan");
}

/// Pictures of scenes as they were once looked at, each also drawn without its layers: the
/// tolerance must notice that.
class Golden3d : public Scene3dTest {
 protected:
  void SetUp() override {
    Scene3dTest::SetUp();
    p.view.zoom = 1.7;
    p.view.width = p.view.height = 2 * kSize;
    p.scene.labels = surfaces_of_labels(*p.labels, {});
    p.scene.head = head_bytes(*p.scene.slices.fixed.volume, p.scene.slices.fixed.window, {});
    for (const Vec3& voxel :
         {Vec3{30, 8, 26}, Vec3{14, 8, 34}, Vec3{38, 12, 40}, Vec3{20, 6, 16}}) {
      const Vec3 at = p.scene.grid.world_from_voxel(voxel);
      p.scene.landmarks.push_back({at, at});
      p.scene.landmarks.back().moving_mm[2] += 12;
    }
  }
  void show_slices(double grid_mm) {
    p.scene.slices.grid_mm = grid_mm;
    ++p.scene.slices_revision;
  }
  /// Draws as `change` would have it, and changes back.
  QImage drawn_with(const std::function<void(Scene3d&)>& change) {
    const Scene3d before = p.scene;
    change(p.scene);
    const QImage drawn = picture();
    p.scene = before;
    return drawn;
  }
  /// At half the size it is drawn in, so that edges and the grain of a volume, in which drivers
  /// differ, are means.
  QImage picture() {
    return renderer.draw(p.scene, p.view)
        .scaled(kSize, kSize, Qt::IgnoreAspectRatio, Qt::SmoothTransformation);
  }
  void expect_noticed(const char* name, const char* layer,
                      const std::function<void(Scene3d&)>& change) {
    EXPECT_FALSE(is_golden(drawn_with(change), name)) << layer << " is not missed in " << name;
  }
};

TEST_F(Golden3d, theSurfaceCutOpenWithItsSlices) {
  p.scene.labels = nullptr;
  expect_golden(picture(), "vtk_solid");
  expect_noticed("vtk_solid", "the surface", [](Scene3d& s) { s.style = HeadStyle::none; });
  expect_noticed("vtk_solid", "a slice", [](Scene3d& s) { s.planes = false; });
  expect_noticed("vtk_solid", "the landmarks", [](Scene3d& s) { s.landmarks.clear(); });
}

TEST_F(Golden3d, labelsInAHeadOfGlass) {
  p.scene.style = HeadStyle::glass;
  p.scene.planes = false;
  p.scene.landmarks.clear();
  expect_golden(picture(), "vtk_glass_labels");
  expect_noticed("vtk_glass_labels", "the glass", [](Scene3d& s) { s.style = HeadStyle::none; });
  expect_noticed("vtk_glass_labels", "the labels", [](Scene3d& s) { s.labels = nullptr; });
  expect_noticed("vtk_glass_labels", "one label", [](Scene3d& s) {
    auto fewer = *s.labels;
    fewer.erase(fewer.begin());
    s.labels = std::make_shared<std::vector<mesh::LabelSurface>>(fewer);
  });
}

TEST_F(Golden3d, theVolumeWithTheDeformationGrid) {
  p.scene.style = HeadStyle::volume;
  p.scene.planes = false;
  p.scene.labels = nullptr;
  p.scene.landmarks.clear();
  show_slices(12);
  expect_golden(picture(), "vtk_volume_grid");
  expect_noticed("vtk_volume_grid", "the volume", [](Scene3d& s) { s.style = HeadStyle::none; });
  expect_noticed("vtk_volume_grid", "the grid", [](Scene3d& s) {
    s.slices.grid_mm = 0;
    ++s.slices_revision;
  });
}

TEST_F(Golden3d, theSlicesAloneAtASlant) {
  p.scene.style = HeadStyle::none;
  p.scene.labels = nullptr;
  p.scene.landmarks.clear();
  p.scene.turn = turned_further(turn_about({0, 0, 1}, 0.4), turn_about({1, 0, 0}, 0.3));
  ++p.scene.slices_revision;
  expect_golden(picture(), "vtk_slices");
  expect_noticed("vtk_slices", "the moving image", [](Scene3d& s) {
    s.slices.moving.volume = nullptr;
    ++s.slices_revision;
  });
  expect_noticed("vtk_slices", "the warp", [](Scene3d& s) {
    s.slices.warp = nullptr;
    ++s.slices_revision;
  });
}

TEST_F(Scene3dTest, theCrosshairMovesTheCut) {
  const QImage before = renderer.draw(p.scene, p.view);
  p.scene.cursor_mm = p.scene.grid.world_from_voxel({30, 14, 30});
  ++p.scene.slices_revision;
  EXPECT_GT(test::difference(before, renderer.draw(p.scene, p.view)), 1);
}

TEST_F(Scene3dTest, labelsHaveTheColoursOfTheSlices) {
  p.scene.labels = surfaces_of_labels(*p.labels, {});
  ASSERT_FALSE(p.scene.labels->empty());
  p.scene.style = HeadStyle::none;
  p.scene.planes = false;
  const QImage picture = renderer.draw(p.scene, p.view);
  int coloured = 0, known = 0;
  for (int r = 0; r < kSize; ++r)
    for (int c = 0; c < kSize; ++c) {
      const QColor pixel = picture.pixelColor(c, r);
      if (pixel.hsvSaturation() < 90 || pixel.value() < 60) continue;
      ++coloured;
      for (const mesh::LabelSurface& label : *p.scene.labels) {
        const int hue = QColor(label_colour(static_cast<int>(label.label))).hsvHue();
        const int apart = std::abs(hue - pixel.hsvHue());
        if (std::min(apart, 360 - apart) < 9) {
          ++known;
          break;
        }
      }
    }
  EXPECT_GT(coloured, 1500);
  EXPECT_GT(known, 0.97 * coloured);
}

TEST_F(Scene3dTest, landmarksAreBallsWhereTheyLie) {
  p.scene.style = HeadStyle::none;
  p.scene.planes = false;
  const Vec3 at = p.scene.grid.world_from_voxel({30, 20, 26});
  p.scene.landmarks = {{at, at}};
  p.scene.landmarks[0].moving_mm[2] += 14;
  const QImage picture = renderer.draw(p.scene, p.view);
  const QColor fixed = picture.pixelColor(p.pixel(at));
  const QColor moving = picture.pixelColor(p.pixel(p.scene.landmarks[0].moving_mm));
  EXPECT_GT(fixed.red(), fixed.blue() + 40);
  EXPECT_GT(moving.blue(), moving.red() + 40);
}

TEST_F(Scene3dTest, aStopEndsADrawing) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_TRUE(renderer.draw(p.scene, p.view, stop.get_token()).isNull());
  EXPECT_FALSE(renderer.draw(p.scene, p.view).isNull());
}

TEST(Renderer3d, saysWhyItCannotDraw) {
  setenv("GIGAWARP_NO_OPENGL", "1", 1);
  Renderer3d renderer;
  const Phantom3d p;
  EXPECT_EQ(renderer.problem(), "OpenGL is switched off by GIGAWARP_NO_OPENGL.");
  EXPECT_TRUE(renderer.draw(p.scene, p.view).isNull());
  unsetenv("GIGAWARP_NO_OPENGL");
}

TEST(Parts3d, deformationLinesFollowTheWarp) {
  Phantom3d p;
  p.scene.slices.grid_mm = 10;
  const std::vector<Polyline> lines = deformation_lines(p.scene, {});
  ASSERT_GT(lines.size(), 20U);
  // Undeformed they are straight: the warp must bend some, and move each point as it says.
  double farthest = 0;
  for (const Polyline& line : lines)
    for (std::size_t i = 1; i + 1 < line.size(); ++i) {
      double bend = 0;
      for (std::size_t a = 0; a < 3; ++a) {
        const double d = line[i - 1][a] - 2 * line[i][a] + line[i + 1][a];
        bend += d * d;
      }
      farthest = std::max(farthest, std::sqrt(bend));
    }
  EXPECT_GT(farthest, 0.05);
  EXPECT_LT(farthest, 10);
  p.scene.slices.warp = nullptr;
  EXPECT_TRUE(deformation_lines(p.scene, {}).empty());
}

TEST(Parts3d, marksOfTheMovingImageComeBackThroughTheAffinePart) {
  Transform warp;
  Affine affine;
  affine.linear = {{{0, -1, 0}, {1, 0, 0}, {0, 0, 2}}};
  affine.offset = {5, 6, 7};
  warp.stages.emplace_back(affine);
  const Vec3 fixed{10, 20, 30}, wanted{11, 18, 33};
  const std::vector<Landmark3d> marks = landmarks_in_fixed_space({fixed}, {affine(wanted)}, &warp);
  ASSERT_EQ(marks.size(), 1U);
  for (std::size_t a = 0; a < 3; ++a) EXPECT_NEAR(marks[0].moving_mm[a], wanted[a], 1e-9);
}

TEST(Parts3d, warpedLabelsAreThoseThatTheWarpLeadsTo) {
  const Phantom3d p;
  phantom::PhantomSpec spec;
  spec.size = {48, 48, 48};
  const phantom::Phantom pair(spec);
  const Volume moving = pair.labels(phantom::Side::moving);
  const Volume warped = labels_on_grid(moving, p.scene.slices.warp.get(), p.scene.grid, {});
  const Affine voxel_from_world = moving.grid().voxel_from_world();
  int compared = 0, different = 0;
  for (std::int64_t z = 3; z < 45; z += 2)
    for (std::int64_t y = 3; y < 45; y += 2)
      for (std::int64_t x = 3; x < 45; x += 2) {
        const auto at = (*p.scene.slices.warp)(p.scene.grid.world_from_voxel(
            {static_cast<double>(x), static_cast<double>(y), static_cast<double>(z)}));
        ASSERT_TRUE(at);
        const Vec3 v = voxel_from_world(*at);
        // Half-way between voxels fp32 may round either way, as the rows lie in memory.
        const auto half_way = [](double c) { return std::abs(c - std::floor(c) - 0.5) < 1e-3; };
        if (half_way(v[0]) || half_way(v[1]) || half_way(v[2])) continue;
        const std::int64_t at_x = std::llround(v[0]), at_y = std::llround(v[1]),
                           at_z = std::llround(v[2]);
        const Size3& n = moving.grid().size;
        const bool inside = at_x >= 0 && at_y >= 0 && at_z >= 0 && at_x < n[0] && at_y < n[1] &&
                            at_z < n[2];  // outside there is no label
        const double expected = inside ? moving.value(at_x, at_y, at_z) : 0;
        ++compared;
        different += warped.value(x, y, z) == expected ? 0 : 1;
      }
  EXPECT_GT(compared, 4000);
  EXPECT_EQ(different, 0);
}

}  // namespace
}  // namespace gigawarp::render
