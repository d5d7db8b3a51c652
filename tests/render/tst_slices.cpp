#include <gtest/gtest.h>

#include <cmath>

#include "phantom/phantom.h"
#include "render/compare_modes.h"
#include "render/slice_sampler.h"

namespace gigawarp::render {
namespace {

/// Value 100 z + 10 y + x on voxels of 1 x 2 x 3 mm.
Volume ramp() {
  Volume out(
      Grid::from_itk({4, 5, 6}, {1, 2, 3}, {10, 20, 30}, {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}}),
      ScalarType::i16);
  for (int z = 0; z < 6; ++z)
    for (int y = 0; y < 5; ++y)
      for (int x = 0; x < 4; ++x)
        out.channel<std::int16_t>()[(z * 5 + y) * 4 + x] =
            static_cast<std::int16_t>(100 * z + 10 * y + x);
  return out;
}

VoxelBox whole(const Grid& grid) {
  const Grid canonical = reordered(grid, canonical_order(grid));
  VoxelBox box;
  for (int a = 0; a < 3; ++a) box.high[a] = static_cast<double>(canonical.size[a] - 1);
  return box;
}

TEST(Slices, axialShowsRightOnTheLeftAndFrontOnTop) {
  const Volume volume = ramp();
  const SliceGeometry g = slice_geometry(volume.grid(), whole(volume.grid()), Plane::axial, 0.4, 1);
  EXPECT_EQ(g.width, 4);
  EXPECT_EQ(g.height, 10);  // 5 voxels of 2 mm in true proportion
  EXPECT_EQ(g.edge_letters(), "RLAP");
  EXPECT_EQ(g.position_text(), "S 36.0 mm");
  const SliceImage slice = sample_slice(volume, g);
  EXPECT_NEAR(slice.at(0, 0), 200, 1e-4);  // outer half voxel repeats the outer value
  EXPECT_NEAR(slice.at(3, 0), 203, 1e-4);
  EXPECT_NEAR(slice.at(1, 1), 200 + 2.5 + 1, 1e-4);  // a quarter of a voxel on
}

TEST(Slices, coronalAndSagittalShowSuperiorOnTop) {
  const Volume volume = ramp();
  const VoxelBox box = whole(volume.grid());
  const SliceGeometry coronal = slice_geometry(volume.grid(), box, Plane::coronal, 0.5, 1);
  EXPECT_EQ(coronal.edge_letters(), "RLSI");
  EXPECT_NEAR(sample_slice(volume, coronal).at(0, 0), 520, 1e-4);
  const SliceGeometry sagittal = slice_geometry(volume.grid(), box, Plane::sagittal, 0, 1);
  EXPECT_EQ(sagittal.edge_letters(), "APSI");
  EXPECT_NEAR(sample_slice(volume, sagittal).at(9, 17), 40, 1e-4);
}

TEST(Slices, theStorageOrderDoesNotChangeThePicture) {
  const Volume volume = ramp();
  AxisOrder order;
  order.axis = {2, 0, 1};
  order.flipped = {true, false, true};
  const Volume stored = reordered(volume, order);
  ASSERT_NE(stored.grid().size, volume.grid().size);
  for (const Plane plane : {Plane::axial, Plane::coronal, Plane::sagittal}) {
    const auto a = sample_slice(
        volume, slice_geometry(volume.grid(), content_box(volume, 1), plane, 0.6, 0.7));
    const auto b = sample_slice(
        stored, slice_geometry(stored.grid(), content_box(stored, 1), plane, 0.6, 0.7));
    ASSERT_EQ(a.values.size(), b.values.size());
    for (std::size_t i = 0; i < a.values.size(); ++i) EXPECT_NEAR(a.values[i], b.values[i], 1e-3);
  }
}

TEST(Slices, outsideTheVolumeIsNotANumber) {
  const Volume volume = ramp();
  SliceGeometry g = slice_geometry(volume.grid(), whole(volume.grid()), Plane::axial, 0, 1);
  g.origin_mm[0] -= 2;
  const SliceImage slice = sample_slice(volume, g);
  EXPECT_TRUE(std::isnan(slice.at(0, 0)));
  EXPECT_FALSE(std::isnan(slice.at(2, 0)));
}

TEST(Slices, theContentBoxHoldsTheHeadAndLittleMore) {
  phantom::PhantomSpec spec;
  spec.size = {60, 60, 60};
  spec.spacing_mm = 5;  // the head fills the field of view
  const phantom::Phantom pair(phantom::identity(spec));
  const Volume image = pair.image(phantom::Side::fixed);
  const VoxelBox box = content_box(image, 0);
  for (int a = 0; a < 2; ++a) {
    EXPECT_GT(box.high[a] - box.low[a], 35);
    EXPECT_LT(box.high[a] - box.low[a], 58);
  }
}

TEST(Windows, runFromTheFirstToTheLastPercentile) {
  Volume volume(Grid{{1000, 1, 1}, {}}, ScalarType::f32);
  for (int i = 0; i < 1000; ++i) volume.channel<float>()[i] = static_cast<float>(i + 1);
  const Window window = percentile_window(volume);
  EXPECT_NEAR(window.low, 10, 2);
  EXPECT_NEAR(window.high, 990, 2);
  EXPECT_EQ(window(-5), 0);
  EXPECT_EQ(window(2000), 1);
}

TEST(ColourMaps, theDivergingMapIsDarkInTheMiddleAndEvenOnBothSides) {
  const auto lightness = [](double t) { return qGray(colour_of(ColourMap::diverging, t)); };
  EXPECT_LT(lightness(0.5), 30);
  for (const double d : {0.1, 0.2, 0.3, 0.4}) {
    EXPECT_GT(lightness(0.5 + d), lightness(0.5 + d - 0.1));
    EXPECT_GT(lightness(0.5 - d), lightness(0.5 - d + 0.1));
    EXPECT_NEAR(lightness(0.5 + d), lightness(0.5 - d), 25);
  }
}

}  // namespace
}  // namespace gigawarp::render
