#include <gtest/gtest.h>

#include <QImage>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>

#include "gigawarp/error.h"
#include "ops/jacobian.h"
#include "phantom/phantom.h"
#include "render/compare_modes.h"
#include "render/contact_sheet.h"
#include "render/golden.h"
#include "render/offscreen.h"
#include "render/slice_sampler.h"
#include "support/temporary_folder.h"

namespace gigawarp::render {
namespace {

/// One coronal slice through a phantom pair and its true warp.
struct PhantomSlice {
  PhantomSlice() {
    phantom::PhantomSpec spec;
    spec.size = {56, 64, 60};
    spec.moving_contrast = phantom::Contrast::t2;
    const phantom::Phantom pair(spec);
    fixed_volume = pair.image(phantom::Side::fixed);
    moving_volume = pair.image(phantom::Side::moving);
    warp = pair.true_warp();
    geometry =
        slice_geometry(fixed_volume.grid(), content_box(fixed_volume, 4), Plane::coronal, 0.5, 1.8);
    fixed = sample_slice(fixed_volume, geometry);
    moving = sample_slice(moving_volume, geometry);
    fixed_window = percentile_window(fixed_volume);
    moving_window = percentile_window(moving_volume);
  }
  Volume fixed_volume, moving_volume;
  DisplacementField warp;
  SliceGeometry geometry;
  SliceImage fixed, moving;
  Window fixed_window, moving_window;
};

TEST(Pictures, compareModesLookAsTheyDid) {
  const PhantomSlice s;
  expect_golden(grey_picture(s.fixed, s.fixed_window), "grey");
  expect_golden(blend_picture(s.fixed, s.fixed_window, s.moving, s.moving_window), "blend");
  expect_golden(difference_picture(s.fixed, s.fixed_window, s.moving, s.moving_window),
                "difference");
  expect_golden(edges_picture(s.fixed, s.fixed_window, s.moving, s.moving_window, 1.5), "edges");
}

TEST(Pictures, jacobianAndGridLookAsTheyDid) {
  const PhantomSlice s;
  const Volume det = ops::jacobian_determinant(s.warp);
  expect_golden(jacobian_picture(sample_slice(det, s.geometry), 1), "jacobian");
  const SliceImage right = sample_slice(s.warp.volume(), s.geometry, SliceInterpolation::linear, 0);
  const SliceImage down = sample_slice(s.warp.volume(), s.geometry, SliceInterpolation::linear, 2);
  expect_golden(grid_picture(right, down, 1.8, 20, s.fixed, s.fixed_window), "grid");
}

TEST(Pictures, equalImagesBlendToGreyAndDifferByNothing) {
  const PhantomSlice s;
  const QImage blend = blend_picture(s.fixed, s.fixed_window, s.fixed, s.fixed_window);
  const QImage difference = difference_picture(s.fixed, s.fixed_window, s.fixed, s.fixed_window);
  for (int r = 0; r < blend.height(); ++r)
    for (int c = 0; c < blend.width(); ++c) {
      const QRgb p = blend.pixel(c, r);
      EXPECT_NEAR(qRed(p), qGreen(p), 2);
      EXPECT_NEAR(qRed(p), qBlue(p), 2);
      EXPECT_EQ(difference.pixel(c, r), colour_of(ColourMap::diverging, 0.5));
    }
}

TEST(Pictures, foldsAreDrawnInTheDefectColourAndOutsideInTheBackground) {
  SliceImage j{3, 1, {-0.2F, 1.0F, std::numeric_limits<float>::quiet_NaN()}};
  const QImage picture = jacobian_picture(j, 1);
  EXPECT_EQ(picture.pixel(0, 0), kDefectColour);
  EXPECT_EQ(picture.pixel(1, 0), colour_of(ColourMap::diverging, 0.5));
  EXPECT_EQ(picture.pixel(2, 0), kBackground);
}

TEST(Pictures, edgesLieOnTheEdge) {
  SliceImage step{40, 20, std::vector<float>(800, 0.0F)};
  for (int r = 0; r < 20; ++r)
    for (int c = 20; c < 40; ++c) step.values[static_cast<std::size_t>(r * 40 + c)] = 1;
  const QImage picture = edges_picture(step, {0, 1}, step, {0, 1}, 1.5);
  for (int r = 3; r < 17; ++r)
    for (int c = 3; c < 37; ++c) {
      const bool drawn = qRed(picture.pixel(c, r)) != qBlue(picture.pixel(c, r));
      EXPECT_TRUE(!drawn || c == 19 || c == 20) << c;
    }
  EXPECT_NE(qRed(picture.pixel(19, 10)) != qBlue(picture.pixel(19, 10)),
            qRed(picture.pixel(20, 10)) != qBlue(picture.pixel(20, 10)));
}

TEST(ContactSheet, isDrawnWithoutADisplayAndWritten) {
  const OffscreenPainting painting;
  const test::TemporaryFolder folder;
  const PhantomSlice s;
  Transform truth;
  truth.stages.emplace_back(DisplacementField(Volume(s.warp.grid(), ScalarType::f32, 3)));
  qc::QcInput in;
  in.fixed = &s.fixed_volume;
  in.moving = &s.moving_volume;
  in.transform = &truth;
  const qc::Assessment assessment = qc::assess(in);
  SheetOptions options;
  options.panel_pixels = 120;
  options.slices_per_plane = 1;
  const QImage sheet = contact_sheet(s.fixed_volume, assessment, options);
  EXPECT_GT(sheet.width(), 7 * 100);
  EXPECT_GT(sheet.height(), 3 * 100);
  int bright = 0;  // the title is there
  for (int r = 0; r < 50; ++r)
    for (int c = 0; c < 400; ++c) bright += qGray(sheet.pixel(c, r)) > 180;
  EXPECT_GT(bright, 200);
  write_png(sheet, folder.path() / "sheet.png");
  EXPECT_EQ(QImage(QString::fromStdString((folder.path() / "sheet.png").string())).size(),
            sheet.size());
  EXPECT_THROW(write_png(sheet, folder.path() / "missing" / "sheet.png"), Error);
}

}  // namespace
}  // namespace gigawarp::render
