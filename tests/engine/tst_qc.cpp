#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/parallel.h"
#include "gigawarp/error.h"
#include "phantom/phantom.h"
#include "qc/distance.h"
#include "qc/histograms.h"
#include "qc/report.h"
#include "qc/streamed_transform.h"
#include "qc/worst.h"
#include "support/sliced_feed.h"

namespace gigawarp::qc {
namespace {

Grid grid_of(const Size3& size, const Vec3& spacing = {1, 1, 1}) {
  return Grid::from_itk(size, spacing, {0, 0, 0}, {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}});
}

Volume labels_of(const Grid& grid, const std::vector<int>& values) {
  Volume out(grid, ScalarType::i16);
  std::copy(values.begin(), values.end(), out.channel<std::int16_t>());
  return out;
}

Transform shift(const Vec3& by) {
  Affine affine;
  affine.offset = by;
  Transform out;
  out.stages.emplace_back(affine);
  return out;
}

TEST(Overlap, diceByHand) {
  const Grid grid = grid_of({6, 1, 1});
  const Volume a = labels_of(grid, {0, 1, 1, 1, 2, 3}), b = labels_of(grid, {0, 0, 1, 1, 1, 2});
  const auto labels = common_labels(a, b);
  EXPECT_EQ(labels, (std::vector<std::int64_t>{1, 2}));
  const OverlapSummary s = label_overlap(a, b, labels, false);
  EXPECT_DOUBLE_EQ(s.labels[0].dice, 2.0 * 2 / 6);
  EXPECT_DOUBLE_EQ(s.labels[1].dice, 0);
  EXPECT_DOUBLE_EQ(s.dice_mean, 1.0 / 3);
  EXPECT_DOUBLE_EQ(s.dice_p30, 0.3 * 2.0 / 3);  // numpy.percentile([2/3, 0], 30)
}

TEST(Overlap, aLabelThatVanishedCountsAsZero) {
  const Grid grid = grid_of({4, 1, 1});
  const std::vector<std::int64_t> labels{5};
  const OverlapSummary s =
      label_overlap(labels_of(grid, {5, 5, 0, 0}), labels_of(grid, {0, 0, 0, 0}), labels, true);
  EXPECT_EQ(s.labels[0].dice, 0);
  EXPECT_LT(s.labels[0].hd95_mm, 0);
}

TEST(Overlap, hausdorffByHandOnAnisotropicVoxels) {
  // Two single voxels, 3 apart in x of 0.5 mm and 2 apart in z of 2 mm: sqrt(1.5^2 + 4^2).
  const Grid grid = grid_of({5, 3, 4}, {0.5, 1, 2});
  Volume a(grid, ScalarType::u8), b(grid, ScalarType::u8);
  a.channel<std::uint8_t>()[(0 * 3 + 1) * 5 + 1] = 9;
  b.channel<std::uint8_t>()[(2 * 3 + 1) * 5 + 4] = 9;
  const std::vector<std::int64_t> labels{9};
  EXPECT_NEAR(label_overlap(a, b, labels, true).labels[0].hd95_mm, std::hypot(1.5, 4), 1e-6);
}

TEST(Overlap, aShiftedCubeIsOneVoxelAway) {
  const Grid grid = grid_of({20, 20, 20}, {1, 1, 1});
  Volume a(grid, ScalarType::u8), b(grid, ScalarType::u8);
  for (int z = 5; z < 15; ++z)
    for (int y = 5; y < 15; ++y)
      for (int x = 5; x < 15; ++x) {
        a.channel<std::uint8_t>()[(z * 20 + y) * 20 + x] = 1;
        b.channel<std::uint8_t>()[(z * 20 + y) * 20 + x + 1] = 1;
      }
  const std::vector<std::int64_t> labels{1};
  const OverlapSummary s = label_overlap(a, b, labels, true);
  EXPECT_DOUBLE_EQ(s.labels[0].dice, 0.9);
  EXPECT_NEAR(s.labels[0].hd95_mm, 1, 1e-6);
}

TEST(Overlap, otherGridsAreRefused) {
  const std::vector<std::int64_t> labels{1};
  EXPECT_THROW(label_overlap(Volume(grid_of({4, 4, 4}), ScalarType::u8),
                             Volume(grid_of({4, 4, 5}), ScalarType::u8), labels, false),
               Error);
}

TEST(Distance, matchesBruteForce) {
  const Size3 size{7, 6, 5};
  const Vec3 spacing{0.7, 1.1, 2.3};
  std::vector<std::uint8_t> seeds(7 * 6 * 5, 0);
  for (const std::size_t i : {3U, 77U, 140U, 205U}) seeds[i] = 1;
  const std::vector<float> found = squared_distance_mm2(seeds, size, spacing);
  for (int i = 0; i < 210; ++i) {
    double best = std::numeric_limits<double>::infinity();
    for (int j = 0; j < 210; ++j) {
      if (!seeds[static_cast<std::size_t>(j)]) continue;
      const double dx = (i % 7 - j % 7) * 0.7, dy = (i / 7 % 6 - j / 7 % 6) * 1.1,
                   dz = (i / 42 - j / 42) * 2.3;
      best = std::min(best, dx * dx + dy * dy + dz * dz);
    }
    EXPECT_NEAR(found[static_cast<std::size_t>(i)], best, 1e-4);
  }
}

TEST(Distance, withoutSeedsIsInfinite) {
  for (const float d : squared_distance_mm2(std::vector<std::uint8_t>(27, 0), {3, 3, 3}, {1, 1, 1}))
    EXPECT_TRUE(std::isinf(d));
}

TEST(SimilarityMeasures, correlationByHand) {
  const Grid grid = grid_of({4, 1, 1});
  const Volume a = labels_of(grid, {1, 2, 3, 4}), b = labels_of(grid, {2, 4, 6, 9});
  // Deviations -1.5 -.5 .5 1.5 and -3.25 -1.25 .75 3.75: 11.5 / sqrt(5 * 26.75).
  EXPECT_NEAR(similarity(a, b).ncc, 11.5 / std::sqrt(5 * 26.75), 1e-12);
  EXPECT_NEAR(similarity(a, a).nmi, 2, 1e-12);
  EXPECT_NEAR(similarity(a, labels_of(grid, {5, 5, 5, 5})).ncc, 0, 1e-12);
}

TEST(SimilarityMeasures, onlyTheOverlapCounts) {
  const Grid grid = grid_of({5, 1, 1});
  const Volume a = labels_of(grid, {1, 2, 3, 4, 99}), b = labels_of(grid, {1, 2, 3, 4, -50});
  Volume inside(grid, ScalarType::u8);
  std::fill_n(inside.channel<std::uint8_t>(), 4, std::uint8_t{1});
  const Similarity s = similarity(a, b, &inside);
  EXPECT_EQ(s.voxels, 4);
  EXPECT_NEAR(s.ncc, 1, 1e-12);
}

TEST(SimilarityMeasures, localCorrelationByHand) {
  // Radius 1 in a row of five: the middle window is 2 3 4 against 5 1 3.
  const Grid grid = grid_of({5, 1, 1});
  const Volume a = labels_of(grid, {9, 2, 3, 4, 7}), b = labels_of(grid, {0, 5, 1, 3, 8});
  const Volume map = local_ncc_map(a, b, 1);
  EXPECT_NEAR(map.value(2, 0, 0), -2 / std::sqrt(2.0 * 8.0), 1e-6);
  EXPECT_NEAR(map.value(0, 0, 0), -1, 1e-6);  // cut window: 9 2 against 0 5
  const Volume flat = local_ncc_map(a, labels_of(grid, {4, 4, 4, 4, 4}), 1);
  EXPECT_EQ(flat.value(2, 0, 0), 0);
}

TEST(Landmarks, errorsByHandMatchedByName) {
  const std::vector<NamedPoint> fixed{{"a", {0, 0, 0}}, {"b", {10, 0, 0}}, {"only", {1, 1, 1}}};
  const std::vector<NamedPoint> moving{{"b", {13, 4, 0}}, {"a", {1, 0, 0}}};
  const LandmarkErrors e = landmark_errors(fixed, moving, shift({1, 0, 0}));
  ASSERT_EQ(e.landmarks.size(), 2U);
  EXPECT_NEAR(e.landmarks[0].before_mm, 1, 1e-12);
  EXPECT_NEAR(e.landmarks[0].after_mm, 0, 1e-12);
  EXPECT_NEAR(e.landmarks[1].before_mm, 5, 1e-12);
  EXPECT_NEAR(e.landmarks[1].after_mm, std::hypot(2, 4), 1e-12);
  EXPECT_NEAR(e.after.mean_mm, std::hypot(2, 4) / 2, 1e-6);
  EXPECT_NEAR(e.after.max_mm, std::hypot(2, 4), 1e-6);
  EXPECT_EQ(e.unmatched, (std::vector<std::string>{"only"}));
}

TEST(Landmarks, heldOutOnesAreMeasuredApart) {
  const std::vector<NamedPoint> fixed{{"a", {0, 0, 0}}, {"b", {5, 0, 0}, true}};
  const std::vector<NamedPoint> moving{{"a", {1, 0, 0}}, {"b", {9, 0, 0}}};
  const LandmarkErrors e = landmark_errors(fixed, moving, Transform{});
  EXPECT_TRUE(e.landmarks[1].held_out);
  EXPECT_NEAR(e.used.mean_mm, 1, 1e-6);
  EXPECT_NEAR(e.held_out.mean_mm, 4, 1e-6);
  EXPECT_NEAR(e.after.mean_mm, 2.5, 1e-6);
}

TEST(Points, thePointThatLeadsToAMovingOneIsFound) {
  phantom::PhantomSpec spec;
  spec.size = {40, 40, 40};
  const phantom::Phantom pair(spec);
  Transform warp;
  warp.stages.emplace_back(pair.true_warp());
  Affine turn;
  turn.linear = {{{0.9, -0.2, 0}, {0.2, 1.1, 0.1}, {0, 0, 1}}};
  turn.offset = {5, -3, 2};
  warp.stages.emplace_back(turn);
  const Vec3 start = pair.landmarks().front().fixed_mm;
  const std::optional<Vec3> found = fixed_point_of(warp, *warp(start));
  ASSERT_TRUE(found);
  for (std::size_t a = 0; a < 3; ++a) EXPECT_NEAR((*found)[a], start[a], 0.01);
}

TEST(Landmarks, twiceTheSameNameAndNothingInCommonAreRefused) {
  const std::vector<NamedPoint> twice{{"a", {}}, {"a", {}}}, one{{"a", {}}},
      other{{"c", {}}, {"d", {}}};
  EXPECT_THROW(landmark_errors(twice, one, Transform{}), Error);
  EXPECT_THROW(landmark_errors(one, other, Transform{}), Error);
}

TEST(Points, twoShiftsDifferByTheirDifference) {
  const Distances d = transform_difference(shift({1, 2, 2}), shift({1, 0, 2}), grid_of({9, 8, 7}));
  EXPECT_EQ(d.points, 9 * 8 * 7);
  EXPECT_NEAR(d.mean_mm, 2, 1e-6);
  EXPECT_NEAR(d.max_mm, 2, 1e-6);
}

TEST(Points, aWrongInverseIsSeen) {
  const Grid grid = grid_of({12, 12, 12});
  EXPECT_NEAR(inverse_consistency(shift({1, 0, 0}), shift({-1, 0, 0}), grid, grid).max_mm, 0, 1e-6);
  EXPECT_NEAR(inverse_consistency(shift({1, 0, 0}), shift({-1, 0.5, 0}), grid, grid).mean_mm, 0.5,
              1e-6);
}

/// A phantom pair with its true map, assessed.
Assessment assessed(phantom::Phantom& pair, Transform& truth) {
  truth.stages.emplace_back(pair.true_warp());
  const Volume fixed = pair.image(phantom::Side::fixed), moving = pair.image(phantom::Side::moving);
  const Volume fixed_labels = pair.labels(phantom::Side::fixed),
               moving_labels = pair.labels(phantom::Side::moving);
  QcInput in;
  in.fixed = &fixed;
  in.moving = &moving;
  in.transform = &truth;
  in.fixed_labels = &fixed_labels;
  in.moving_labels = &moving_labels;
  for (const phantom::PhantomLandmark& l : pair.landmarks()) {
    in.fixed_landmarks.push_back({l.name, l.fixed_mm});
    in.moving_landmarks.push_back({l.name, l.moving_mm});
  }
  return assess(in);
}

TEST(Points, aDisplacementThatIsReadBySlabsMovesThemAsOneInMemory) {
  phantom::PhantomSpec spec;
  spec.size = {33, 40, 37};
  DisplacementField field = phantom::Phantom(spec).true_warp();
  field.component_mm(1)[20 * 33 * 40 + 17 * 33 + 9] = std::numeric_limits<float>::quiet_NaN();
  const test::SlicedFeed feed(field.volume(), 4);
  Transform held;
  std::vector<Vec3> points, expected;
  const Grid& grid = field.grid();
  for (int i = 0; i < 5000; ++i)  // some beyond the grid, some at its faces, one at the hole
    points.push_back(grid.world_from_voxel(
        {i % 41 - 3.3, (i * 7) % 47 - 2.5 + 0.25 * (i % 3), (i * 13) % 44 - 3.0 + 0.5 * (i % 2)}));
  points.push_back(grid.world_from_voxel({9, 17, 20}));
  expected = points;
  displace(feed, points);
  held.stages.emplace_back(std::move(field));
  point_map(held)(expected);
  int nowhere = 0;
  for (std::size_t i = 0; i < points.size(); ++i)
    for (std::size_t a = 0; a < 3; ++a) {
      if (std::isnan(expected[i][a])) {
        ++nowhere;
        EXPECT_TRUE(std::isnan(points[i][a]));
      } else {
        EXPECT_EQ(points[i][a], expected[i][a]);
      }
    }
  EXPECT_GE(nowhere, 3);
}

/// As the verb does where warps do not fit: displacements stay where they are.
struct StreamedPair {
  phantom::Phantom pair;
  Volume fixed, moving, mask;
  DisplacementField truth = pair.true_warp();
  StreamedTransform warp;
  Transform held, at_voxels;

  static phantom::PhantomSpec spec() {
    phantom::PhantomSpec out;
    out.size = {48, 52, 44};
    return out;
  }

  StreamedPair()
      : pair(spec()),
        fixed(pair.image(phantom::Side::fixed)),
        moving(pair.image(phantom::Side::moving)),
        mask(pair.labels(phantom::Side::fixed)) {
    Affine shift;
    shift.offset = {1.5, -2, 0.5};
    warp.add(std::make_shared<test::SlicedFeed>(truth.volume(), 3));
    Transform affine;
    affine.stages.emplace_back(shift);
    warp.add(std::move(affine));
    held.stages.emplace_back(pair.true_warp());
    held.stages.emplace_back(shift);
  }

  QcInput input(const Volume& measured, const Volume& measured_mask) const {
    QcInput in;
    in.fixed = &measured;
    in.moving = &moving;
    in.mask = &measured_mask;
    for (const phantom::PhantomLandmark& l : pair.landmarks()) {
      in.fixed_landmarks.push_back({l.name, l.fixed_mm});
      in.moving_landmarks.push_back({l.name, l.moving_mm});
    }
    return in;
  }
  QcReport in_memory() const {
    QcInput in = input(fixed, mask);
    in.transform = &held;
    return assess(in).report;
  }
  QcReport streamed(std::int64_t every) {
    const Volume some = read_thinned(WholeVolume(&fixed), every),
                 some_mask = read_thinned(WholeVolume(&mask), every);
    QcInput in = input(some, some_mask);
    at_voxels = warp.at_voxels_of(some.grid());
    in.transform = &at_voxels;
    in.map = warp.map();
    in.deformation = warp.deformation()->displacement_mm;
    in.before_deformation = warp.deformation()->before;
    in.whole_mask = std::make_shared<WholeVolume>(&mask);
    return assess(in).report;
  }
};

TEST(Streamed, aWarpInItsFileGivesTheFiguresOfOneInMemory) {
  StreamedPair scene;
  const QcReport expected = scene.in_memory(), found = scene.streamed(1);
  EXPECT_EQ(found.after->voxels, expected.after->voxels);
  EXPECT_NEAR(found.after->ncc, expected.after->ncc, 1e-6);
  EXPECT_EQ(found.jacobian->voxels, expected.jacobian->voxels);
  EXPECT_EQ(found.jacobian->sd_log, expected.jacobian->sd_log);
  EXPECT_EQ(found.jacobian->minimum, expected.jacobian->minimum);
  EXPECT_EQ(found.landmarks->after.mean_mm, expected.landmarks->after.mean_mm);
}

TEST(Streamed, detJOfAThinnedImageIsOfEveryVoxelInTheMask) {
  StreamedPair scene;
  const QcReport expected = scene.in_memory(), found = scene.streamed(2);
  EXPECT_LT(found.after->voxels, expected.after->voxels / 6);
  EXPECT_NEAR(found.after->ncc, expected.after->ncc, 0.02);
  EXPECT_EQ(found.jacobian->voxels, expected.jacobian->voxels);
  EXPECT_EQ(found.jacobian->sd_log, expected.jacobian->sd_log);
  EXPECT_EQ(found.landmarks->after.mean_mm, expected.landmarks->after.mean_mm);
  const auto all = static_cast<std::int64_t>(44) * 48 * 40;
  EXPECT_LT(expected.jacobian->voxels, all);  // the mask counts
}

TEST(Streamed, detJOfAWarpOnACoarseGridCountsTheMaskToo) {
  StreamedPair scene;
  Grid coarse = scene.fixed.grid();
  for (std::size_t a = 0; a < 3; ++a) {
    coarse.size[a] /= 2;
    for (std::size_t r = 0; r < 3; ++r) coarse.world_from_voxel.linear[r][a] *= 2;
  }
  Transform warp;
  warp.stages.emplace_back(displacement_of(scene.held, coarse));
  QcInput in = scene.input(scene.fixed, scene.mask);
  in.transform = &warp;
  const QcReport masked = assess(in).report;
  in.mask = nullptr;
  const QcReport all = assess(in).report;
  std::int64_t inside = 0;
  for (std::int64_t z = 2; z < coarse.size[2] - 2; ++z)
    for (std::int64_t y = 2; y < coarse.size[1] - 2; ++y)
      for (std::int64_t x = 2; x < coarse.size[0] - 2; ++x)
        inside += scene.mask.value(2 * x, 2 * y, 2 * z) != 0;
  EXPECT_EQ(masked.jacobian->voxels, inside);
  EXPECT_GT(all.jacobian->voxels, inside);
  // The other figures of the images as well.
  EXPECT_NE(masked.after->ncc, all.after->ncc);
  EXPECT_NE(masked.local_ncc_mean, all.local_ncc_mean);
  EXPECT_GT(masked.local_ncc_mean, 0);
}

TEST(Streamed, anAffineMapBeforeTheWarpMovesTheMask) {
  StreamedPair scene;
  Affine shift;
  shift.offset = scene.fixed.grid().spacing_mm();
  shift.offset[1] = shift.offset[2] = 0;
  Transform warp;
  warp.stages.emplace_back(shift);
  warp.stages.emplace_back(scene.pair.true_warp());
  QcInput in = scene.input(scene.fixed, scene.mask);
  in.transform = &warp;
  const QcReport report = assess(in).report;
  std::int64_t inside = 0;
  const Size3& n = scene.mask.grid().size;
  for (std::int64_t z = 2; z < n[2] - 2; ++z)
    for (std::int64_t y = 2; y < n[1] - 2; ++y)
      for (std::int64_t x = 2; x < n[0] - 2; ++x) inside += scene.mask.value(x - 1, y, z) != 0;
  EXPECT_EQ(report.jacobian->voxels, inside);
}

TEST(Points, theMapOfTheInverseErrorShowsWhereTheInverseIsWrong) {
  const Grid grid = grid_of({20, 10, 10});
  const Volume map = inverse_error_map(shift({2, 0, 0}), shift({-1.5, 0, 0}), grid, grid);
  EXPECT_EQ(map.grid().size, grid.size);
  EXPECT_NEAR(map.value(5, 5, 5), 0.5, 1e-6);
  EXPECT_TRUE(std::isnan(map.value(18, 5, 5)));  // leads out of the moving image
  const Volume coarse = inverse_error_map(shift({2, 0, 0}), shift({-1.5, 0, 0}), grid, grid, 300);
  EXPECT_EQ(coarse.grid().size, (Size3{10, 5, 5}));
  EXPECT_NEAR(coarse.grid().world_from_voxel({3, 1, 1})[0], 6, 1e-12);
}

TEST(Histograms, everyVoxelOfDetJIsCountedOnceAndFoldsApart) {
  Volume det(grid_of({9, 8, 7}), ScalarType::f32);
  for (std::int64_t i = 0; i < det.grid().voxel_count(); ++i) det.channel<float>()[i] = 1.01F;
  const auto set = [&](int x, int y, int z, float v) {
    det.channel<float>()[(z * 8 + y) * 9 + x] = v;
  };
  set(4, 4, 3, -0.2F);
  set(5, 4, 3, 0.0F);
  set(3, 3, 3, 0.1F);
  set(4, 3, 3, 9.0F);
  set(5, 3, 3, 1.9F);
  set(2, 2, 2, std::numeric_limits<float>::quiet_NaN());
  set(0, 0, 0, -5.0F);  // at a face: not counted
  const JacobianHistogram h = jacobian_histogram(det, 4, 2);
  EXPECT_EQ(h.voxels, 5 * 4 * 3 - 1);
  EXPECT_EQ(h.folds, 2);
  EXPECT_EQ(h.below, 1);
  EXPECT_EQ(h.above, 1);
  EXPECT_EQ(h.bins, (std::vector<std::int64_t>{0, 0, 55, 0}));
}

TEST(Histograms, equalImagesMeetOnTheDiagonalAndAShiftSpreads) {
  phantom::PhantomSpec spec;
  spec.size = {40, 40, 40};
  const phantom::Phantom pair(spec);
  const Volume image = pair.image(phantom::Side::fixed);
  const IntensityStatistics s = intensity_statistics(image);
  const std::pair range{s.minimum, s.maximum};
  const JointHistogram same = joint_histogram(image, image, nullptr, range, range, 32, 1'000'000);
  EXPECT_EQ(same.samples, 40 * 40 * 40);
  std::int64_t off = 0;
  for (std::size_t m = 0; m < 32; ++m)
    for (std::size_t f = 0; f < 32; ++f)
      if (m != f) off += same.counts[m * 32 + f];
  EXPECT_LT(off, 20);  // on the edge of a bin, by rounding
  const Transform moved = shift({6, 0, 0});
  const JointHistogram other = joint_histogram(image, image, &moved, range, range, 32, 1'000'000);
  EXPECT_LT(other.mutual_information, 0.7 * same.mutual_information);
  EXPECT_LT(other.samples, same.samples);
}

TEST(Report, theTruthOfAPhantomScoresHigh) {
  phantom::PhantomSpec spec;
  spec.size = {64, 72, 68};
  phantom::Phantom pair(spec);
  Transform truth;
  const QcReport r = assessed(pair, truth).report;
  EXPECT_GT(r.after->ncc, 0.97);
  EXPECT_LT(r.before->ncc, 0.9);
  EXPECT_GT(r.overlap->dice_mean, 0.8);
  EXPECT_GE(r.overlap->labels.size(), 25U);
  EXPECT_LT(r.landmarks->after.max_mm, 0.05);
  EXPECT_GT(r.landmarks->before.mean_mm, 3);
  EXPECT_EQ(r.jacobian->folds, 0);
  const auto json = nlohmann::json::parse(to_json(r));
  EXPECT_DOUBLE_EQ(json["overlap"]["dice_mean"].get<double>(), r.overlap->dice_mean);
  EXPECT_EQ(json["landmarks"]["landmarks"].size(), r.landmarks->landmarks.size());
  const std::string table = to_table(r, true);
  EXPECT_NE(table.find("Dice"), std::string::npos);
  EXPECT_NE(table.find("callosum-genu"), std::string::npos);
}

TEST(Report, theNumberOfThreadsDoesNotMatter) {
  phantom::PhantomSpec spec;
  spec.size = {40, 44, 42};
  phantom::Phantom pair(spec);
  std::string text[2];
  for (int i = 0; i < 2; ++i)
    with_threads(i + 1, [&] {
      Transform truth;
      text[i] = to_json(assessed(pair, truth).report);
    });
  EXPECT_EQ(text[0], text[1]);
}

TEST(WorstPlaces, foldsComeFirstThenLandmarksAndDisagreementInTurn) {
  const Grid grid = grid_of({20, 20, 20});
  Volume fixed(grid, ScalarType::f32), jacobian(grid, ScalarType::f32);
  Assessment assessment;
  assessment.local_ncc = Volume(grid, ScalarType::f32);
  const auto index = [](int x, int y, int z) { return (z * 20 + y) * 20 + x; };
  for (std::int64_t i = 0; i < grid.voxel_count(); ++i) {
    fixed.channel<float>()[i] = i % 20 < 10 ? 100.0F : 0.0F;  // bright where x < 10
    jacobian.channel<float>()[i] = 1;
    assessment.local_ncc.channel<float>()[i] = 1;
  }
  jacobian.channel<float>()[index(7, 8, 9)] = -0.5F;
  jacobian.channel<float>()[index(0, 0, 0)] = -9;  // at a face: says little
  for (int k = 0; k < 2; ++k)
    for (int j = 0; j < 2; ++j)
      for (int i = 0; i < 2; ++i) {
        assessment.local_ncc.channel<float>()[index(4 + i, 4 + j, 4 + k)] = 0.1F;
        assessment.local_ncc.channel<float>()[index(14 + i, 4 + j, 4 + k)] = -1;  // background
      }
  assessment.report.landmarks = LandmarkErrors{};
  assessment.report.landmarks->landmarks = {{"A", 3, 1}, {"B", 3, 4}};
  const std::vector<WorstPlace> worst =
      worst_places(fixed, assessment, jacobian, {{"A", {1, 1, 1}}, {"B", {2, 2, 2}}}, 1);
  ASSERT_EQ(worst.size(), 3U);
  EXPECT_EQ(worst[0].position_mm, (Vec3{7, 8, 9}));
  EXPECT_EQ(worst[1].position_mm, (Vec3{2, 2, 2}));
  EXPECT_EQ(worst[2].position_mm, (Vec3{4, 4, 4}));
  EXPECT_NE(worst[0].reason.find("fold"), std::string::npos);
}

}  // namespace
}  // namespace gigawarp::qc
