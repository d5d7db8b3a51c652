#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <set>

#include "mesh/reduce.h"
#include "mesh/surface.h"

namespace gigawarp::mesh {
namespace {

constexpr std::int64_t kAllVoxels = 1 << 30;

/// A ball in a grid of 40 voxels, brighter towards its middle; stored with oblique, mirrored axes.
Volume ball(double radius_mm, bool mirrored) {
  const double c = std::cos(0.3), s = std::sin(0.3);
  Mat3 direction{{{c, -s, 0}, {s, c, 0}, {0, 0, mirrored ? -1.0 : 1.0}}};
  Volume volume(Grid::from_itk({40, 44, 36}, {1, 1, 1.2}, {-30, 12, 5}, direction),
                ScalarType::f32);
  const Grid& grid = volume.grid();
  const Vec3 centre = grid.centre_mm();
  auto* data = volume.channel<float>();
  for (std::int64_t z = 0; z < 36; ++z)
    for (std::int64_t y = 0; y < 44; ++y)
      for (std::int64_t x = 0; x < 40; ++x) {
        const Vec3 p = grid.world_from_voxel(
            {static_cast<double>(x), static_cast<double>(y), static_cast<double>(z)});
        *data++ = static_cast<float>(
            100 -
            10 * (std::hypot(p[0] - centre[0], p[1] - centre[1], p[2] - centre[2]) - radius_mm));
      }
  return volume;
}

/// How often each edge is walked in one direction; a closed surface walks each both ways once.
bool is_closed(const SurfaceMesh& mesh) {
  std::map<std::pair<std::uint32_t, std::uint32_t>, int> walked;
  for (const auto& t : mesh.triangles)
    for (std::size_t i = 0; i < 3; ++i) ++walked[{t[i], t[(i + 1) % 3]}];
  for (const auto& [edge, times] : walked) {
    const auto back = walked.find({edge.second, edge.first});
    if (back == walked.end() || back->second != times) return false;
  }
  return !walked.empty();
}

TEST(Mesh, theSurfaceOfABallLiesOnTheBall) {
  for (const bool mirrored : {false, true}) {
    const Volume volume = ball(12, mirrored);
    const SurfaceMesh mesh = isosurface(volume, 100, kAllVoxels);
    ASSERT_FALSE(mesh.empty());
    EXPECT_TRUE(is_closed(mesh));
    const Vec3 centre = volume.grid().centre_mm();
    double farthest_mm = 0, least_outwards = 1;
    for (std::size_t i = 0; i < mesh.points_mm.size(); ++i) {
      Vec3 from_centre{};
      double outwards = 0, square = 0;
      for (std::size_t a = 0; a < 3; ++a) {
        from_centre[a] = mesh.points_mm[i][a] - centre[a];
        square += from_centre[a] * from_centre[a];
        outwards += from_centre[a] * mesh.normals[i][a];
      }
      farthest_mm = std::max(farthest_mm, std::abs(std::sqrt(square) - 12));
      least_outwards = std::min(least_outwards, outwards / std::sqrt(square));
    }
    EXPECT_LT(farthest_mm, 0.4);
    for (std::size_t a = 0; a < 3; ++a) EXPECT_NEAR(mesh.box_mm[1][a] - mesh.box_mm[0][a], 24, 0.8);
    EXPECT_GT(least_outwards, 0.97);
    // Outside is where anticlockwise triangles face, whatever the handedness of the axes.
    EXPECT_NEAR(enclosed_mm3(mesh), 4.0 / 3 * std::numbers::pi * 12 * 12 * 12, 350);
  }
}

TEST(Mesh, tissueAtTheEndOfTheVolumeIsClosedThere) {
  const SurfaceMesh mesh = isosurface(ball(25, false), 100, kAllVoxels);
  EXPECT_TRUE(is_closed(mesh));
  EXPECT_GT(enclosed_mm3(mesh), 0);
}

TEST(Mesh, aThinnedOutVolumeHasTheSameSurfaceWithFewerTriangles) {
  const Volume volume = ball(12, false);
  const SurfaceMesh fine = isosurface(volume, 100, kAllVoxels);
  const SurfaceMesh coarse = isosurface(volume, 100, 9000);
  EXPECT_LT(coarse.triangles.size(), fine.triangles.size() / 2);
  EXPECT_NEAR(enclosed_mm3(coarse), enclosed_mm3(fine), 0.12 * enclosed_mm3(fine));
}

TEST(Mesh, specksAreLeftOut) {
  Volume volume = ball(12, false);
  volume.channel<float>()[(2 * 44 + 2) * 40 + 2] = 2000;
  const SurfaceMesh mesh = isosurface(volume, 100, kAllVoxels);
  const Vec3 speck = volume.grid().world_from_voxel({2, 2, 2});
  for (const auto& t : mesh.triangles)
    for (const std::uint32_t i : t)
      EXPECT_GT(std::hypot(mesh.points_mm[i][0] - speck[0], mesh.points_mm[i][1] - speck[1],
                           mesh.points_mm[i][2] - speck[2]),
                4);
}

TEST(Mesh, nothingBrighterIsNoSurface) {
  EXPECT_TRUE(isosurface(ball(12, false), 1e6, kAllVoxels).empty());
  EXPECT_TRUE(isosurface(Volume(), 0, kAllVoxels).empty());
}

TEST(Mesh, everyLabelHasAClosedSurfaceAroundItsVoxels) {
  Volume labels(Grid::from_itk({30, 20, 20}, {2, 2, 2}, {0, 0, 0}, Affine{}.linear),
                ScalarType::u16);
  auto* data = labels.channel<std::uint16_t>();
  for (int z = 4; z < 16; ++z)
    for (int y = 4; y < 16; ++y) {
      for (int x = 3; x < 13; ++x) data[(z * 20 + y) * 30 + x] = 7;
      for (int x = 13; x < 30; ++x) data[(z * 20 + y) * 30 + x] = 300;
    }
  const std::vector<LabelSurface> surfaces = label_surfaces(labels, kAllVoxels, 100);
  ASSERT_EQ(surfaces.size(), 2U);
  EXPECT_EQ(surfaces[0].label, 7);
  EXPECT_EQ(surfaces[1].label, 300);
  EXPECT_EQ(surfaces[1].voxels, 17 * 12 * 12);
  for (const LabelSurface& surface : surfaces) {
    EXPECT_TRUE(is_closed(surface.mesh)) << surface.label;
    // Smoothing rounds the corners off.
    const double exact = 8.0 * static_cast<double>(surface.voxels);
    EXPECT_NEAR(enclosed_mm3(surface.mesh), exact, 0.12 * exact) << surface.label;
  }
  const std::vector<LabelSurface> largest = label_surfaces(labels, kAllVoxels, 1);
  ASSERT_EQ(largest.size(), 1U);
  EXPECT_EQ(largest[0].label, 300);
}

TEST(Mesh, aStopEndsItWithNothing) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_TRUE(isosurface(ball(12, false), 100, kAllVoxels, stop.get_token()).empty());
  EXPECT_TRUE(label_surfaces(ball(12, false), kAllVoxels, 9, stop.get_token()).empty());
}

TEST(Reduce, boxesKeepThickSlicesAndWorldPositions) {
  const Grid grid = Grid::from_itk({64, 64, 10}, {1, 1, 6}, {5, 6, 7}, Affine{}.linear);
  EXPECT_EQ(shrink_to(grid, 64 * 64 * 10), (Size3{1, 1, 1}));
  EXPECT_EQ(shrink_to(grid, 10240), (Size3{2, 2, 1}));
  Volume volume(grid, ScalarType::i16);
  for (int i = 0; i < 64 * 64 * 10; ++i) volume.channel<std::int16_t>()[i] = 3;
  const Volume means = box_means(volume, {2, 3, 1});
  EXPECT_EQ(means.grid().size, (Size3{32, 22, 10}));
  EXPECT_EQ(means.grid().world_from_voxel({0, 0, 0}), (Vec3{5.5, 7, 7}));
  for (std::int64_t i = 0; i < means.grid().voxel_count(); ++i)
    ASSERT_EQ(means.channel<float>()[i], 3) << i;
}

}  // namespace
}  // namespace gigawarp::mesh
