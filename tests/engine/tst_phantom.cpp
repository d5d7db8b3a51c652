#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>

#include "base/parallel.h"
#include "gigawarp/error.h"
#include "ops/jacobian.h"
#include "phantom/phantom.h"
#include "support/temporary_folder.h"

namespace gigawarp::phantom {
namespace {

PhantomSpec small_spec() {
  PhantomSpec spec;
  spec.size = {48, 52, 44};
  return spec;
}

double distance(const Vec3& a, const Vec3& b) {
  return std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

TEST(Phantom, slabsHoldTheBitsOfTheWholeVolume) {
  const Phantom pair(small_spec());
  const Volume whole = pair.image(Side::fixed);
  const std::int64_t plane = 48 * 52 * 2;
  std::vector<std::byte> slab(static_cast<std::size_t>(3 * plane));
  pair.render_slab(Side::fixed, 20, 23, slab.data());
  EXPECT_EQ(std::memcmp(slab.data(), whole.data() + 20 * plane, slab.size()), 0);
}

TEST(Phantom, theNumberOfThreadsDoesNotMatter) {
  const Phantom pair(small_spec());
  Volume one, two;
  with_threads(1, [&] { one = pair.image(Side::moving); });
  with_threads(2, [&] { two = pair.image(Side::moving); });
  EXPECT_EQ(std::memcmp(one.data(), two.data(), one.bytes()), 0);
}

TEST(Phantom, anotherSeedIsAnotherMapAndOtherNoise) {
  PhantomSpec spec = small_spec();
  const Phantom first(spec);
  spec.seed = 2;
  const Phantom second(spec);
  EXPECT_GT(distance(first.map({0, 0, 0}), second.map({0, 0, 0})), 0.1);
  const Volume a = first.image(Side::moving), b = second.image(Side::moving);
  EXPECT_NE(std::memcmp(a.data(), b.data(), a.bytes()), 0);
}

TEST(Phantom, theInverseMapUndoesTheMap) {
  const Phantom pair(small_spec());
  for (const Vec3& p : {Vec3{0, 0, 0}, Vec3{40, -60, 30}, Vec3{-55, 20, -40}})
    EXPECT_LT(distance(pair.inverse_map(pair.map(p)), p), 1e-6);
}

TEST(Phantom, landmarksLieOnEachOtherUnderTheMap) {
  const Phantom pair(small_spec());
  const auto landmarks = pair.landmarks();
  ASSERT_GE(landmarks.size(), 20U);
  for (const PhantomLandmark& l : landmarks)
    EXPECT_LT(distance(pair.map(l.fixed_mm), l.moving_mm), 1e-6) << l.name;
}

TEST(Phantom, theMapKeepsItsDeterminantBetweenAThirdAndThree) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    PhantomSpec spec = small_spec();
    spec.seed = seed;
    const ops::JacobianSummary j = ops::summarise_jacobian(Phantom(spec).true_warp());
    EXPECT_EQ(j.folds, 0);
    EXPECT_GT(j.minimum, 1.0 / 3);
    EXPECT_LT(j.maximum, 3.0);
    EXPECT_GT(j.sd_log, 0.02);  // it does deform
  }
}

TEST(Phantom, theDeformationHasTheAskedSize) {
  PhantomSpec spec = small_spec();
  spec.affine_perturbation = 0;
  spec.deformation_mm = 3;
  const Phantom pair(spec);
  double largest = 0;
  const Grid& g = pair.grid(Side::fixed);
  for (int z = 0; z < 44; z += 2)
    for (int y = 0; y < 52; y += 2)
      for (int x = 0; x < 48; x += 2) {
        const Vec3 p = g.world_from_voxel(
            {static_cast<double>(x), static_cast<double>(y), static_cast<double>(z)});
        largest = std::max(largest, distance(pair.map(p), p));
      }
  EXPECT_NEAR(largest, 3, 0.5);
}

TEST(Phantom, aDeformationThatWouldFoldIsRefused) {
  PhantomSpec spec = small_spec();
  spec.deformation_mm = 60;
  EXPECT_THROW(Phantom{spec}, Error);
}

TEST(Phantom, theKnownMapErrorOfTheTrueWarpIsRounding) {
  const Phantom pair(small_spec());
  Transform exact;
  exact.stages.emplace_back(pair.true_warp());
  const MapError none = known_map_error(exact, pair);
  EXPECT_GT(none.points, 10000);
  EXPECT_LT(none.max_mm, 1e-4);
  const MapError identity_error = known_map_error(Transform{}, pair);
  EXPECT_GT(identity_error.mean_mm, 2);
}

TEST(Phantom, theIdentityPairDiffersInNoiseAlone) {
  PhantomSpec spec = identity(small_spec());
  spec.noise_percent = 0;
  spec.bias_field_percent = 0;
  const Phantom pair(spec);
  EXPECT_EQ(known_map_error(Transform{}, pair).max_mm, 0);
  const Volume f = pair.image(Side::fixed), m = pair.image(Side::moving);
  EXPECT_EQ(std::memcmp(f.data(), m.data(), f.bytes()), 0);
}

TEST(Phantom, everyNamedLabelOccursInBothImages) {
  PhantomSpec spec;
  spec.size = {96, 96, 96};
  const Phantom pair(spec);
  for (const Side side : {Side::fixed, Side::moving}) {
    const Volume labels = pair.labels(side);
    std::set<int> found;
    for (std::int64_t i = 0; i < labels.grid().voxel_count(); ++i)
      found.insert(labels.channel<std::uint8_t>()[i]);
    for (const PhantomLabel& l : phantom_labels()) EXPECT_TRUE(found.contains(l.value)) << l.name;
    EXPECT_EQ(found.size(), phantom_labels().size() + 1);  // and 0
  }
}

TEST(Phantom, contrastsOrderTissuesAsScannersDo) {
  PhantomSpec spec = small_spec();
  spec.noise_percent = spec.bias_field_percent = 0;
  spec.fixed_contrast = Contrast::t2;
  spec = identity(spec);
  const Phantom pair(spec);
  const Volume t2 = pair.image(Side::fixed), t1 = pair.image(Side::moving);
  const Volume labels = pair.labels(Side::moving);
  double sum[2][2]{}, count[2]{};
  for (std::int64_t i = 0; i < labels.grid().voxel_count(); ++i) {
    const int l = labels.channel<std::uint8_t>()[i];
    if (l != 4 && l != 2) continue;  // ventricle, white matter
    count[l == 2] += 1;
    sum[0][l == 2] += t1.channel<std::uint16_t>()[i];
    sum[1][l == 2] += t2.channel<std::uint16_t>()[i];
  }
  ASSERT_GT(count[0], 5);
  EXPECT_LT(sum[0][0] / count[0], sum[0][1] / count[1]);  // T1: fluid dark
  EXPECT_GT(sum[1][0] / count[0], sum[1][1] / count[1]);  // T2: fluid bright
}

/// Root mean square of how far white matter varies over `step` voxels along x, relative to itself,
/// in the middle plane of a head without noise and shading.
double variation(const Size3& size, std::int64_t step) {
  PhantomSpec spec;
  spec.size = size;
  spec.noise_percent = spec.bias_field_percent = 0;
  const Phantom head(spec);
  const std::int64_t plane = size[0] * size[1], z = size[2] / 2;
  std::vector<std::uint16_t> values(static_cast<std::size_t>(plane));
  std::vector<std::uint8_t> labels(values.size());
  head.render_slab(Side::moving, z, z + 1, reinterpret_cast<std::byte*>(values.data()));
  head.label_slab(Side::moving, z, z + 1, labels.data());
  double squares = 0, pairs = 0;
  for (std::size_t i = 0; i + static_cast<std::size_t>(step) < values.size(); ++i) {
    const std::size_t j = i + static_cast<std::size_t>(step);
    const auto inside = [&](std::size_t at) { return labels[at] == 2 || labels[at] == 41; };
    // Away from edges, whose width is that of a voxel.
    if (!inside(i) || !inside(j) || i < static_cast<std::size_t>(4 * step) || !inside(i - 4 * step))
      continue;
    const double d = values[j] / static_cast<double>(values[i]) - 1;
    squares += d * d;
    ++pairs;
  }
  return std::sqrt(squares / pairs);
}

TEST(Phantom, fineVoxelsShowFineTexture) {
  EXPECT_GT(variation({1344, 1600, 1536}, 7), 0.06);  // 0.125 mm, 0.9 mm apart
  EXPECT_LT(variation({168, 200, 192}, 1), 0.04);     // 1 mm, which such a texture would make noise
}

TEST(Phantom, theDescriptionSurvivesJson) {
  PhantomSpec spec = small_spec();
  spec.moving_contrast = Contrast::lightsheet;
  spec.seed = 12345678901234567ULL;
  spec.deformation_mm = 2.25;
  spec.oblique = true;
  const std::string text = to_json(Phantom(spec).spec());
  EXPECT_EQ(to_json(parse_phantom(text)), text);
  const Phantom a(spec), b(parse_phantom(text));
  EXPECT_EQ(a.map({1, 2, 3}), b.map({1, 2, 3}));
  EXPECT_EQ(a.grid(Side::moving), b.grid(Side::moving));
}

TEST(Phantom, damagedDescriptionsAreRefused) {
  EXPECT_THROW(parse_phantom("{"), Error);
  EXPECT_THROW(parse_phantom("{\"phantom_version\": 99}"), Error);
  EXPECT_THROW(parse_phantom("{\"phantom_version\": 1, \"size\": \"big\"}"), Error);
}

TEST(Phantom, theStreamedFileHoldsTheVolume) {
  const test::TemporaryFolder folder;
  const Phantom pair(small_spec());
  const auto path = folder.path() / "fixed.nii";
  stream_nifti(pair, Side::fixed, StreamedKind::image, path);
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  const Volume whole = pair.image(Side::fixed);
  ASSERT_EQ(bytes.size(), 352 + whole.bytes());
  EXPECT_EQ(std::memcmp(bytes.data() + 352, whole.data(), whole.bytes()), 0);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(Phantom, aCancelledStreamLeavesNothing) {
  const test::TemporaryFolder folder;
  const Phantom pair(small_spec());
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THROW(stream_nifti(pair, Side::fixed, StreamedKind::labels, folder.path() / "l.nii", {},
                            stop.get_token()),
               Error);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace gigawarp::phantom
