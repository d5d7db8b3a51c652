// Resampling and field inversion: identities are exact, threads do not matter, inverses invert.
#include "ops/apply.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "base/parallel.h"
#include "io/io_fixtures.h"
#include "ops/invert_field.h"
#include "ops/jacobian.h"
#include "support/sliced_feed.h"

namespace gigawarp {
namespace {

constexpr Interpolation kAll[] = {Interpolation::linear, Interpolation::nearest,
                                  Interpolation::label};

Transform only(TransformStage stage) {
  Transform out;
  out.stages.push_back(std::move(stage));
  return out;
}

Affine shift(double x, double y, double z) { return {Affine{}.linear, {x, y, z}}; }

/// A smooth bump of a few millimetres, zero at the border.
DisplacementField bump(const Grid& grid, double height_mm) {
  DisplacementField field(grid);
  const Size3 n = grid.size;
  const auto wave = [](std::int64_t i, std::int64_t size) {
    return std::sin(M_PI * static_cast<double>(i) / static_cast<double>(size - 1));
  };
  for (std::int64_t z = 0; z < n[2]; ++z)
    for (std::int64_t y = 0; y < n[1]; ++y)
      for (std::int64_t x = 0; x < n[0]; ++x) {
        const double w = height_mm * wave(x, n[0]) * wave(y, n[1]) * wave(z, n[2]);
        const std::int64_t i = (z * n[1] + y) * n[0] + x;
        field.component_mm(0)[i] = static_cast<float>(w);
        field.component_mm(1)[i] = static_cast<float>(-0.5 * w);
        field.component_mm(2)[i] =
            static_cast<float>(0.25 * w * std::cos(0.2 * static_cast<double>(x)));
      }
  return field;
}

TEST(Identity, givesTheSameBits) {
  const Grid grid = test::oblique_grid({13, 11, 9}, {0.7, 1.3, 2.1});
  for (const ScalarType type :
       {ScalarType::u8, ScalarType::i16, ScalarType::f32, ScalarType::f64}) {
    const Volume volume = test::textured(grid, type, 2);
    for (const Interpolation interpolation : kAll) {
      EXPECT_TRUE(test::same_voxels(volume, apply_transform(volume, {}, grid, interpolation)));
      EXPECT_TRUE(test::same_voxels(
          volume, apply_transform(volume, only(DisplacementField(grid)), grid, interpolation)));
      const Grid wider = test::oblique_grid({20, 20, 20}, {2, 2, 2});
      EXPECT_TRUE(test::same_voxels(
          volume, apply_transform(volume, only(DisplacementField(wider)), grid, interpolation)));
    }
  }
}

TEST(Identity, keepsNanToItsVoxel) {
  const Grid grid = test::oblique_grid({5, 5, 5});
  Volume volume = test::textured(grid, ScalarType::f32);
  volume.channel<float>()[62] = std::numeric_limits<float>::quiet_NaN();
  const Volume out = apply_transform(volume, {}, grid, Interpolation::linear);
  EXPECT_EQ(intensity_statistics(out).not_finite, 1);
}

TEST(LinearInterpolation, isExactByHandAndRounds) {
  Grid grid;
  grid.size = {3, 1, 1};
  Volume volume(grid, ScalarType::u8);
  volume.channel<std::uint8_t>()[0] = 10;
  volume.channel<std::uint8_t>()[1] = 21;
  volume.channel<std::uint8_t>()[2] = 30;
  const Volume out =
      apply_transform(volume, only(shift(0.25, 0, 0)), grid, Interpolation::linear, 7);
  EXPECT_EQ(out.value(0, 0, 0), 13);  // 12.75
  EXPECT_EQ(out.value(1, 0, 0), 23);  // 23.25
  EXPECT_EQ(out.value(2, 0, 0), 30);  // within half a voxel: the edge value
  const Volume far =
      apply_transform(volume, only(shift(0.75, 0, 0)), grid, Interpolation::linear, 7);
  EXPECT_EQ(far.value(2, 0, 0), 7);
}

TEST(Background, isClampedToTheType) {
  const Grid grid = test::oblique_grid({3, 3, 3});
  const Volume volume = test::textured(grid, ScalarType::u8);
  const Volume out =
      apply_transform(volume, only(shift(1e3, 0, 0)), grid, Interpolation::linear, 999);
  EXPECT_EQ(out.value(1, 1, 1), 255);
}

TEST(LabelInterpolation, takesTheHeaviestLabelAndNeverMixes) {
  const Grid grid = test::oblique_grid({12, 12, 12}, {1, 1, 1});
  Volume labels(grid, ScalarType::u16);
  for (std::int64_t i = 0; i < grid.voxel_count(); ++i)
    labels.channel<std::uint16_t>()[i] = static_cast<std::uint16_t>(1000 * ((i / 5) % 3));
  const Affine turn{{{{0.96, 0.28, 0}, {-0.28, 0.96, 0}, {0, 0, 1}}}, {0.3, 0.4, 0.45}};
  const Volume out = apply_transform(labels, only(turn), grid, Interpolation::label);
  std::set<double> seen;
  for (std::int64_t i = 0; i < grid.voxel_count(); ++i)
    seen.insert(out.channel<std::uint16_t>()[i]);
  EXPECT_LE(seen.size(), 3U);
  for (const double label : seen) EXPECT_EQ(std::fmod(label, 1000), 0);

  Grid row;
  row.size = {2, 2, 1};
  Volume four(row, ScalarType::u8);
  const std::uint8_t values[] = {5, 9, 9, 1};
  std::copy_n(values, 4, four.channel<std::uint8_t>());
  // Weights 0.36, 0.24, 0.24, 0.16: the two nines outweigh the nearest voxel.
  EXPECT_EQ(
      apply_transform(four, only(shift(0.4, 0.4, 0)), row, Interpolation::label).value(0, 0, 0), 9);
  EXPECT_EQ(
      apply_transform(four, only(shift(0.4, 0.4, 0)), row, Interpolation::nearest).value(0, 0, 0),
      5);
}

TEST(FieldOnTheReference, agreesWithPointsMappedOneByOne) {
  const Grid grid = test::oblique_grid({17, 15, 13});
  const Volume volume = test::textured(test::oblique_grid({20, 20, 20}), ScalarType::f64);
  Transform transform = only(bump(grid, 2));
  transform.stages.emplace_back(shift(0.3, -0.2, 0.6));
  const Volume out = apply_transform(volume, transform, grid, Interpolation::linear, -1);
  Volume wrapper(volume.grid(), ScalarType::f32, 3);
  for (std::int64_t i = 0; i < volume.grid().voxel_count(); ++i)
    wrapper.channel<float>(0)[i] = static_cast<float>(volume.channel<double>()[i]);
  const DisplacementField reader(std::move(wrapper));  // its interpolation is written separately
  int compared = 0;
  for (std::int64_t x = 0; x < 17; x += 3) {
    const auto p = transform(grid.world_from_voxel({static_cast<double>(x), 7, 6}));
    ASSERT_TRUE(p.has_value());
    if (out.value(x, 7, 6) == -1) continue;  // outside the moving image
    EXPECT_NEAR(out.value(x, 7, 6), reader.at_world(*p).value()[0], 1e-4);
    ++compared;
  }
  EXPECT_GT(compared, 2);
}

TEST(UndefinedPlaces, becomeBackground) {
  const Grid grid = test::oblique_grid({9, 9, 9});
  const Volume volume = test::textured(grid, ScalarType::i16);
  DisplacementField field(grid);
  field.component_mm(2)[(4 * 9 + 4) * 9 + 4] = std::numeric_limits<float>::quiet_NaN();
  const Transform transform = only(std::move(field));
  EXPECT_EQ(apply_transform(volume, transform, grid, Interpolation::linear, -5).value(4, 4, 4), -5);
  EXPECT_TRUE(
      std::isnan(sample_displacement(transform, grid).component_mm(0)[(4 * 9 + 4) * 9 + 4]));
}

TEST(SampledDisplacement, isTheWholeTransform) {
  const Grid grid = test::oblique_grid({9, 8, 7});
  Transform transform = only(bump(test::oblique_grid({20, 20, 20}), 1.5));
  transform.stages.emplace_back(shift(1, 2, 3));
  const DisplacementField field = sample_displacement(transform, grid);
  const Vec3 from = grid.world_from_voxel({4, 5, 3});
  const Vec3 to = transform(from).value();
  for (int a = 0; a < 3; ++a)
    EXPECT_NEAR(field.component_mm(a)[(3 * 8 + 5) * 9 + 4], to[a] - from[a], 1e-5);
}

TEST(Threads, doNotChangeABit) {
  const Grid grid = test::oblique_grid({40, 37, 33});
  const Volume volume = test::textured(grid, ScalarType::f32);
  const DisplacementField forward = bump(grid, 3);
  Volume image[2];
  DisplacementField inverse[2];
  InverseError error[2];
  for (int i = 0; i < 2; ++i)
    with_threads(i == 0 ? 1 : 3, [&] {
      inverse[i] = invert(forward, grid);
      error[i] = inverse_error(forward, inverse[i]);
      Transform transform;
      transform.stages.emplace_back(bump(grid, 3));
      image[i] = apply_transform(volume, transform, grid, Interpolation::linear);
    });
  EXPECT_TRUE(test::same_voxels(image[0], image[1]));
  EXPECT_TRUE(test::same_voxels(inverse[0].volume(), inverse[1].volume()));
  EXPECT_EQ(error[0].mean_mm, error[1].mean_mm);
  EXPECT_EQ(error[0].p95_mm, error[1].p95_mm);
}

/// Boxes of `volume`, counting voxels.
class CountingFeed : public VolumeFeed {
 public:
  CountingFeed(const Volume& volume, std::int64_t& read) : volume_(&volume), read_(read) {}
  const Grid& grid() const override { return volume_.grid(); }
  ScalarType type() const override { return volume_.type(); }
  int channels() const override { return volume_.channels(); }
  void read(const Box& box, std::byte* out) const override {
    read_ += box.voxel_count();
    volume_.read(box, out);
  }

 private:
  WholeVolume volume_;
  std::int64_t& read_;
};

TEST(Boxes, areTheSameBitsAsTheWholeAndReadOnlyWhatTheyNeed) {
  const Grid reference = test::oblique_grid({31, 22, 17}, {1.3, 1.1, 1.7});
  const Volume moving = test::textured(test::oblique_grid({40, 30, 25}), ScalarType::i16, 2);
  Transform fields = only(bump(reference, 4));
  fields.stages.emplace_back(shift(1.25, -2.5, 0.75));
  fields.stages.emplace_back(bump(test::oblique_grid({9, 9, 9}, {5, 5, 5}), 3));
  Transform one_field = only(bump(reference, 4));
  one_field.stages.emplace_back(shift(3, 2, 40));  // partly outside
  for (const Transform* transform : {&fields, &one_field})
    for (const Interpolation interpolation : kAll) {
      const Volume whole = apply_transform(moving, *transform, reference, interpolation, -5);
      std::int64_t read = 0;
      const CountingFeed boxes(moving, read);
      for (const Box& box : {Box{{0, 0, 0}, {31, 22, 17}}, Box{{7, 3, 11}, {10, 13, 6}},
                             Box{{30, 21, 16}, {1, 1, 1}}, Box{{0, 0, 16}, {5, 5, 1}}}) {
        const Volume part =
            apply_transform_to_box(boxes, nullptr, *transform, reference, box, interpolation, -5);
        for (int c = 0; c < 2; ++c)
          for (std::int64_t i = 0; i < box.voxel_count(); ++i) {
            const std::int64_t x = i % box.size[0], y = i / box.size[0] % box.size[1],
                               z = i / box.size[0] / box.size[1];
            ASSERT_EQ(part.value(x, y, z, c),
                      whole.value(box.begin[0] + x, box.begin[1] + y, box.begin[2] + z, c));
          }
      }
      read = 0;
      apply_transform_to_box(boxes, nullptr, only(shift(0.2, 0.2, 0.2)), reference,
                             {{10, 10, 5}, {2, 2, 2}}, interpolation);
      EXPECT_GT(read, 0);
      EXPECT_LT(read, 200);
    }
}

TEST(Boxes, ofABorrowedMapAreTheBitsOfATransformOfItsParts) {
  const Grid reference = test::oblique_grid({31, 22, 17}, {1.3, 1.1, 1.7});
  const Volume moving = test::textured(test::oblique_grid({40, 30, 25}), ScalarType::u16, 1);
  Transform both = only(shift(1.25, -2.5, 0.75));
  both.stages.emplace_back(bump(test::oblique_grid({19, 18, 17}, {2.5, 2.5, 2.5}), 4));
  const auto& field = std::get<DisplacementField>(both.stages.back());
  const Transform linear = only(shift(1.25, -2.5, 0.75));
  const test::SlicedFeed sliced(moving, 7);
  const WholeVolume held(&moving);
  for (const Transform* transform : {static_cast<const Transform*>(&both), &linear})
    for (const VolumeFeed* feed :
         {static_cast<const VolumeFeed*>(&sliced), static_cast<const VolumeFeed*>(&held)}) {
      const BorrowedMap map{shift(1.25, -2.5, 0.75),
                            transform == &both ? &field.volume() : nullptr};
      const Box box{{3, 2, 1}, {25, 19, 15}};
      const Volume expected =
          apply_transform_to_box(held, nullptr, *transform, reference, box, Interpolation::label);
      Volume part(Grid{box.size, {}}, moving.type());
      apply_map_to_box(*feed, map, reference, box, {Interpolation::label, 0, {}}, part.data());
      EXPECT_GT(intensity_statistics(part).not_zero, 0);
      EXPECT_EQ(std::memcmp(part.data(), expected.data(), part.bytes()), 0);
    }
}

TEST(Boxes, ofManyTilesWithADisplacementThatComesInPartsAreTheSameBits) {
  const Grid reference = test::oblique_grid({420, 410, 34}, {1, 1, 1});
  const Volume moving = test::textured(test::oblique_grid({400, 400, 40}), ScalarType::u8, 2);
  Transform all = only(bump(reference, 4));
  all.stages.emplace_back(shift(1.25, -2.5, 0.75));
  const auto& first = std::get<DisplacementField>(all.stages.front());
  const Volume whole = apply_transform(moving, all, reference, Interpolation::linear, 3);
  const test::SlicedFeed sliced(moving, 7), field(first.volume(), 5);
  HeldField held;  // of one box after another
  for (const Box& box : {Box{{0, 0, 0}, reference.size}, Box{{0, 0, 1}, {420, 410, 33}},
                         Box{{0, 0, 9}, {420, 410, 4}}}) {
    Volume part(Grid{box.size, {}}, moving.type(), 2);
    apply_transform_to_box(sliced, &field, only(shift(1.25, -2.5, 0.75)), reference, box,
                           {Interpolation::linear, 3, {}}, held, part.data());
    const std::int64_t plane = 420 * 410;
    for (int c = 0; c < 2; ++c)
      EXPECT_EQ(std::memcmp(part.channel<std::uint8_t>(c),
                            whole.channel<std::uint8_t>(c) + box.begin[2] * plane,
                            static_cast<std::size_t>(box.size[2] * plane)),
                0);
  }
}

TEST(Inversion, ofAConstantShiftIsExact) {
  const Grid grid = test::oblique_grid({12, 11, 10});
  DisplacementField forward(grid);
  std::fill_n(forward.component_mm(0), grid.voxel_count(), 1.25F);
  std::fill_n(forward.component_mm(2), grid.voxel_count(), -2.5F);
  const DisplacementField inverse = invert(forward, grid);
  for (const std::int64_t i : {std::int64_t{0}, grid.voxel_count() / 2, grid.voxel_count() - 1}) {
    EXPECT_NEAR(inverse.component_mm(0)[i], -1.25, 1e-5);
    EXPECT_NEAR(inverse.component_mm(1)[i], 0, 1e-5);
    EXPECT_NEAR(inverse.component_mm(2)[i], 2.5, 1e-5);
  }
}

TEST(Inversion, ofASmoothFieldIsGoodToAFewMicrometres) {
  const Grid grid = test::oblique_grid({60, 50, 40}, {1, 1, 1});
  const DisplacementField forward = bump(grid, 6);
  const InverseError same = inverse_error(forward, invert(forward, grid));
  EXPECT_LT(same.mean_mm, 0.01);
  EXPECT_LT(same.max_mm, 0.1);
  EXPECT_LE(same.mean_mm, same.p95_mm);
  EXPECT_LE(same.p95_mm, same.max_mm);
  const Grid other = Grid::from_itk({70, 70, 70}, {1, 1, 1}, {-40, 10, -5}, Affine{}.linear);
  EXPECT_LT(inverse_error(forward, invert(forward, other)).mean_mm, 0.02);
}

/// A whirl without folds in the plane of two axes, where v <- -u(y + v) leads further away with
/// every step.
DisplacementField whirl(const Grid& grid, std::size_t a, std::size_t b) {
  constexpr double kSteep = 4, kNarrow = 0.35;
  DisplacementField field(grid);
  const Size3& n = grid.size;
  for (std::int64_t i = 0; i < grid.voxel_count(); ++i) {
    const Vec3 at{static_cast<double>(i % n[0]), static_cast<double>(i / n[0] % n[1]),
                  static_cast<double>(i / (n[0] * n[1]))};
    Vec3 u{};
    u[a] = kSteep * std::tanh(kNarrow * (at[b] - 24)) / kNarrow;
    u[b] = -kSteep * std::tanh(kNarrow * (at[a] - 24)) / kNarrow;
    const Vec3 mm = grid.world_from_voxel.map_vector(u);
    for (int c = 0; c < 3; ++c)
      field.component_mm(c)[i] = static_cast<float>(mm[static_cast<std::size_t>(c)]);
  }
  return field;
}

TEST(Inversion, isExactAtItsSamplesHoweverSteepTheFieldIs) {
  struct {
    Size3 size;
    std::size_t a, b;
  } const cases[] = {{{48, 48, 6}, 0, 1}, {{48, 48, 1}, 0, 1}, {{1, 48, 48}, 1, 2}};
  for (const auto& [size, a, b] : cases) {
    const Grid grid = test::oblique_grid(size, {1, 1, 1});
    const DisplacementField forward = whirl(grid, a, b);
    if (size[2] == 6) {
      EXPECT_GT(ops::summarise_jacobian(forward).minimum, 0.3);
    }
    const DisplacementField inverse = invert(forward, grid, 60);
    double most = 0;
    for (std::int64_t i = 0; i < grid.voxel_count(); ++i) {
      const std::int64_t at[3] = {i % size[0], i / size[0] % size[1], i / (size[0] * size[1])};
      if (at[a] < 12 || at[a] >= 36 || at[b] < 12 || at[b] >= 36) continue;
      const Vec3 here = grid.world_from_voxel(
          {static_cast<double>(at[0]), static_cast<double>(at[1]), static_cast<double>(at[2])});
      const Vec3 v{inverse.component_mm(0)[i], inverse.component_mm(1)[i],
                   inverse.component_mm(2)[i]};
      const auto u = forward.at_world({here[0] + v[0], here[1] + v[1], here[2] + v[2]});
      ASSERT_TRUE(u.has_value());
      most = std::max(most, std::hypot((*u)[0] + v[0], (*u)[1] + v[1], (*u)[2] + v[2]));
    }
    EXPECT_LT(most, 0.01) << size[0] << " x " << size[1] << " x " << size[2];
  }
}

TEST(Inversion, isUndefinedWhereTheFieldIsAndThereAlone) {
  const Grid grid = test::oblique_grid({30, 20, 24}, {1, 1, 1});
  DisplacementField forward(grid);
  const Vec3 shift{3.25, 0, -2.5}, mm = grid.world_from_voxel.map_vector(shift);
  const auto is_hole = [](const Vec3& p, double around) {
    const double low[3] = {10, 8, 9}, high[3] = {15, 13, 14};
    bool inside = true;
    for (std::size_t a = 0; a < 3; ++a)
      inside = inside && p[a] >= low[a] - around && p[a] <= high[a] + around;
    return inside;
  };
  const auto place = [](std::int64_t i) {
    return Vec3{static_cast<double>(i % 30), static_cast<double>(i / 30 % 20),
                static_cast<double>(i / 600)};
  };
  for (std::int64_t i = 0; i < grid.voxel_count(); ++i)
    for (int c = 0; c < 3; ++c)
      forward.component_mm(c)[i] = is_hole(place(i), 0)
                                       ? std::numeric_limits<float>::quiet_NaN()
                                       : static_cast<float>(mm[static_cast<std::size_t>(c)]);
  const DisplacementField inverse = invert(forward, grid);
  int holes = 0;
  for (std::int64_t i = 0; i < grid.voxel_count(); ++i) {
    Vec3 origin = place(i);
    for (std::size_t a = 0; a < 3; ++a) origin[a] -= shift[a];
    if (is_hole(origin, -1)) {
      EXPECT_TRUE(std::isnan(inverse.component_mm(0)[i])) << i;
      ++holes;
    } else if (!is_hole(origin, 1)) {
      for (int c = 0; c < 3; ++c)
        ASSERT_NEAR(inverse.component_mm(c)[i], -mm[static_cast<std::size_t>(c)], 2e-3) << i;
    }
  }
  EXPECT_GT(holes, 20);
}

TEST(Inversion, ofAFoldEndsAndStaysFinite) {
  const Grid grid = test::oblique_grid({30, 30, 30}, {1, 1, 1});
  const DisplacementField forward = bump(grid, 60);
  const DisplacementField inverse = invert(forward, grid, 20);
  EXPECT_EQ(intensity_statistics(inverse.volume()).not_finite, 0);
  EXPECT_GT(inverse_error(forward, inverse).max_mm, 0.1);  // and the measure says so
}

TEST(Inversion, ofAFieldThatLeadsFarAwayIsFoundThere) {
  const Grid grid = test::oblique_grid({30, 28, 26}, {1, 1, 1});
  DisplacementField forward = bump(grid, 2);
  const Vec3 away{-7, 60, 35};
  constexpr float kOutside = std::numeric_limits<float>::quiet_NaN();
  for (int a = 0; a < 3; ++a)
    for (std::int64_t i = 0; i < grid.voxel_count(); ++i) {
      const std::int64_t plane = i / (grid.size[0] * grid.size[1]);
      forward.component_mm(a)[i] = plane == 0 || plane == grid.size[2] - 1
                                       ? kOutside
                                       : forward.component_mm(a)[i] + static_cast<float>(away[a]);
    }
  EXPECT_EQ(inverse_error(forward, invert(forward, grid)).voxels, 0) << "nothing was measured";
  const Grid there = inverse_lattice(forward);
  EXPECT_LE(there.voxel_count(), 4 * grid.voxel_count());
  const InverseError error = inverse_error(forward, invert_far(forward, there));
  EXPECT_GT(error.voxels, 8 * grid.voxel_count() / 10);
  EXPECT_LT(error.p95_mm, 0.02);
  // One that stays is inverted where it was, to the bits it had.
  const DisplacementField near = bump(grid, 2);
  EXPECT_EQ(inverse_lattice(near), grid);
  const DisplacementField one = invert(near, grid), other = invert_far(near, grid);
  EXPECT_EQ(std::memcmp(one.component_mm(0), other.component_mm(0),
                        static_cast<std::size_t>(grid.voxel_count()) * sizeof(float)),
            0);
}

TEST(InverseErrorOfTheIdentity, isZero) {
  const Grid grid = test::oblique_grid({5, 6, 7});
  const InverseError error = inverse_error(DisplacementField(grid), DisplacementField(grid));
  EXPECT_EQ(error.mean_mm, 0);
  EXPECT_EQ(error.p95_mm, 0);
  EXPECT_EQ(error.max_mm, 0);
}

TEST(Cancelling, endsWithAnError) {
  const Grid grid = test::oblique_grid({9, 9, 9});
  std::stop_source source;
  source.request_stop();
  const Volume volume = test::textured(grid, ScalarType::u8);
  test::sentence_of(ErrorCode::cancelled, [&] {
    apply_transform(volume, {}, grid, Interpolation::linear, 0, source.get_token());
  });
  test::sentence_of(ErrorCode::cancelled,
                    [&] { invert(DisplacementField(grid), grid, 5, 1e-3, source.get_token()); });
}

}  // namespace
}  // namespace gigawarp
