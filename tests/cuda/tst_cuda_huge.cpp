#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "math/packed.h"
#include "support/gpu.h"

/// Volumes of more than 2^31 voxels, where 32-bit indices would wrap. They need up to 62 GB of a
/// GPU and GIGAWARP_TEST_HUGE=1.
namespace gigawarp {
namespace {

using Floats = std::vector<float>;
using Words = std::vector<std::uint64_t>;

constexpr Size3 kHuge{1300, 1300, 1300};
constexpr std::int64_t kPlane = kHuge[0] * kHuge[1];
/// Planes at the end that hold anything, and of those the ones that are worked out.
constexpr std::int64_t kHeld = 32, kLast = 6;
constexpr ops::ZRange kRange{kHuge[2] - kLast, kHuge[2]};

constexpr std::int64_t count_of(const Size3& n) { return n[0] * n[1] * n[2]; }

/// The same last planes, of a volume that lies in memory whole or as their slab alone: what is
/// worked out of them has the same bits.
class LastPlanes {
 public:
  LastPlanes(ops::Backend& gpu, const ops::Extent& extent)
      : gpu_(gpu),
        extent_(extent),
        fixed_(gpu.allocate(bytes(sizeof(std::uint16_t)))),
        moving_(gpu.allocate(bytes(sizeof(std::uint16_t)))),
        displacement_(gpu.allocate(bytes(sizeof(std::uint64_t)))),
        words_(gpu.allocate(bytes(sizeof(std::uint64_t)))),
        floats_(gpu.allocate(bytes(sizeof(float)))),
        sums_(static_cast<std::size_t>(kHuge[2])) {
    std::uint32_t state = 12345;
    const auto random = [&] { return (state = state * 1664525U + 1013904223U) >> 16U; };
    std::vector<std::uint16_t> f(kHeld * kPlane), m(f.size());
    for (std::size_t i = 0; i < f.size(); ++i) {
      f[i] = static_cast<std::uint16_t>(random());
      m[i] = static_cast<std::uint16_t>((f[i] + random()) / 2);
    }
    Words u(f.size());
    for (auto& word : u) {
      const auto component = [&] { return static_cast<float>(random() % 4096U) / 2048 - 1; };
      word = math::pack_vector({component(), component(), component()});
    }
    gpu_.fill_words(displacement_.as<std::uint64_t>(), math::kPackedZero, stored() * kPlane);
    put(fixed_.as<std::uint16_t>(), f);
    put(moving_.as<std::uint16_t>(), m);
    put(displacement_.as<std::uint64_t>(), u);
  }

  ops::FieldView displacement() const { return packed(displacement_); }
  ops::FieldView words() const { return packed(words_); }
  ops::SlabView<float> floats() const { return {floats_.as<float>(), extent_}; }
  ops::ImageView fixed() const { return image(fixed_); }
  /// Displaced, of a linear stage, or of two volumes on one grid.
  ops::ImagePair pair(bool displaced, double shift) const {
    ops::ImagePair pair;
    pair.fixed = image(fixed_);
    pair.moving = image(moving_);
    pair.moving_from_fixed.offset[2] = shift;
    if (displaced) pair.displacement = displacement();
    return pair;
  }
  /// The same with the moving volume by its rows.
  ops::ImagePair pair_by_rows(bool displaced, double shift) {
    if (!rows_) {
      std::vector<std::int64_t> table;
      for (std::int64_t z = 0; z < extent_.nz; ++z)
        for (std::int64_t y = 0; y < extent_.ny; ++y)
          table.push_back(z < extent_.z_begin ? 0 : extent_.offset(y, z));
      rows_ = gpu_.allocate(table.size() * sizeof table[0]);
      gpu_.upload(rows_.data(), table.data(), table.size() * sizeof table[0]);
    }
    ops::ImagePair by_rows = pair(displaced, shift);
    by_rows.moving.rows = rows_.as<std::int64_t>();
    return by_rows;
  }
  /// The moving volume's last planes into the words, four copies of each row.
  void copy_rows_to_words() {
    std::vector<ops::Backend::Piece> pieces;
    for (std::int64_t z = kRange.begin; z < kRange.end; ++z)
      for (std::int64_t y = 0; y < extent_.ny; ++y)
        for (std::int64_t k = 0; k < 4; ++k)
          pieces.push_back({2 * extent_.offset(y, z), 8 * extent_.offset(y, z) + 2 * k * extent_.nx,
                            2 * extent_.nx});
    gpu_.copy_pieces(words_.data(), moving_.data(), pieces);
  }
  /// The last planes of a result, which are cleared for the next one.
  Words take_words() { return take(words_.as<std::uint64_t>()); }
  Floats take_floats() { return take(floats_.as<float>()); }
  /// Of the range's planes: value, count, and the sums for affine parameters.
  std::vector<double> take_sums() {
    std::vector<double> all;
    for (std::int64_t z = kRange.begin; z < kRange.end; ++z) {
      const ops::PlaneSums& s = sums_[static_cast<std::size_t>(z)];
      all.insert(all.end(), {s.value, s.count, s.gradient[0], s.gradient[2], s.moment[1][2]});
    }
    std::fill(sums_.begin(), sums_.end(), ops::PlaneSums{});
    return all;
  }
  std::vector<ops::PlaneSums>& sums() { return sums_; }

 private:
  std::int64_t stored() const { return extent_.z_end - extent_.z_begin; }
  std::size_t bytes(std::size_t each) const {
    return static_cast<std::size_t>(stored() * kPlane) * each;
  }
  template <class T>
  void put(T* data, const std::vector<T>& last) {
    gpu_.upload(data + (stored() - kHeld) * kPlane, last.data(), last.size() * sizeof(T));
  }
  template <class T>
  std::vector<T> take(T* data) {
    std::vector<T> last(kLast * kPlane);
    T* const from = data + (stored() - kLast) * kPlane;
    gpu_.download(last.data(), from, last.size() * sizeof(T));
    const std::vector<T> nothing(last.size());
    gpu_.upload(from, nothing.data(), nothing.size() * sizeof(T));
    return last;
  }
  ops::FieldView packed(const ops::Array& array) const {
    ops::FieldView v;
    v.packed = {array.as<std::uint64_t>(), extent_};
    return v;
  }
  ops::ImageView image(const ops::Array& array) const {
    return {array.as<std::uint16_t>(), ScalarType::u16, extent_, 32768.0F, 1 / 18918.0F};
  }

  ops::Backend& gpu_;
  ops::Extent extent_;
  ops::Array fixed_, moving_, displacement_, words_, floats_, rows_;
  std::vector<ops::PlaneSums> sums_;
};

class CudaHuge : public test::GpuTest {
 protected:
  void SetUp() override {
    const char* wanted = std::getenv("GIGAWARP_TEST_HUGE");
    if (wanted == nullptr || std::string(wanted) != "1")
      GTEST_SKIP() << "GIGAWARP_TEST_HUGE is not 1.";
    GpuTest::SetUp();
  }

  /// Runs `work` on the whole volume and on the slab, and expects the same bits: of most voxels not
  /// zero, and not all sums.
  template <class Work>
  void expect_same(const char* what, const Work& work) {
    SCOPED_TRACE(what);
    const auto whole = work(*whole_), slab = work(*slab_);
    ASSERT_EQ(whole.size(), slab.size());
    EXPECT_EQ(std::memcmp(whole.data(), slab.data(), whole.size() * sizeof(whole[0])), 0);
    const auto zeros =
        std::count(whole.begin(), whole.end(), typename decltype(whole)::value_type{});
    const bool voxels = static_cast<std::int64_t>(whole.size()) >= kPlane / 4;
    EXPECT_LT(zeros, static_cast<std::int64_t>(voxels ? whole.size() / 2 : whole.size()));
  }
  void make_places() {
    const ops::Extent all = ops::Extent::whole(kHuge);
    ops::Extent last = all;
    last.z_begin = kHuge[2] - kHeld;
    whole_ = std::make_unique<LastPlanes>(*gpu_, all);
    slab_ = std::make_unique<LastPlanes>(*gpu_, last);
  }

  std::unique_ptr<LastPlanes> whole_, slab_;
};

TEST_F(CudaHuge, metricsReachTheLastPlanes) {
  make_places();
  constexpr double kCount = 1e6;
  const auto target_of = [&](LastPlanes& p, bool to_field) {
    ops::GradientTarget target;
    if (to_field) target.field = p.words();
    target.unit = 1 / kCount;
    return target;
  };
  const auto lncc = [&](LastPlanes& p, bool to_field, int radius) {
    ops::LnccArgs args;
    args.pair = p.pair(to_field, 0.25);
    args.range = kRange;
    args.radius = radius;
    args.count = kCount;
    args.target = target_of(p, to_field);
    gpu_->lncc(args, p.sums());
  };
  const auto mse = [&](LastPlanes& p, bool to_field) {
    gpu_->mse({p.pair(to_field, 0.25), {}, kRange, kCount, target_of(p, to_field)}, p.sums());
  };
  const auto mi_args = [&](LastPlanes& p, bool to_field) {
    ops::MiArgs args;
    args.pair = p.pair(to_field, 0.25);
    args.range = kRange;
    args.fixed_bins = args.moving_bins = {-1.8F, 9.0F};
    args.count = kCount;
    args.target = target_of(p, to_field);
    return args;
  };
  const auto mi = [&](LastPlanes& p, bool to_field) {
    const ops::MiArgs args = mi_args(p, to_field);
    ops::JointHistogram histogram;
    gpu_->mi_histogram(args, histogram);
    gpu_->mi_gradient(args, ops::mutual_information(histogram), p.sums());
    return histogram.counts;
  };
  expect_same("warp", [&](LastPlanes& p) {
    gpu_->warp({p.pair(true, 0.25), p.floats(), kRange}, p.sums());
    return p.take_floats();
  });
  expect_same("warp, by rows", [&](LastPlanes& p) {
    gpu_->warp({p.pair_by_rows(true, 0.25), p.floats(), kRange}, p.sums());
    return p.take_floats();
  });
  expect_same("pieces", [&](LastPlanes& p) { return p.copy_rows_to_words(), p.take_words(); });
  for (const int radius : {2, 5}) {
    expect_same("lncc", [&](LastPlanes& p) { return lncc(p, true, radius), p.take_words(); });
    expect_same("lncc, linear",
                [&](LastPlanes& p) { return lncc(p, false, radius), p.take_sums(); });
  }
  expect_same("mse", [&](LastPlanes& p) { return mse(p, true), p.take_words(); });
  expect_same("mse, linear", [&](LastPlanes& p) { return mse(p, false), p.take_sums(); });
  expect_same("mi", [&](LastPlanes& p) { return mi(p, true), p.take_words(); });
  expect_same("mi, linear", [&](LastPlanes& p) { return mi(p, false), p.take_sums(); });
  const auto histogram = mi(*whole_, true);
  EXPECT_EQ(histogram, mi(*slab_, true));
  EXPECT_GT(std::count_if(histogram.begin(), histogram.end(), [](auto n) { return n > 0; }), 100);

  for (const int radius : {2, 5})
    expect_same("lncc alone", [&](LastPlanes& p) {
      ops::LnccArgs args;
      args.pair = p.pair(false, 0);
      args.range = kRange;
      args.radius = radius;
      args.count = kCount;
      args.target.intensity = p.floats();
      gpu_->lncc(args, p.sums());
      return p.take_floats();
    });
  expect_same("mse alone", [&](LastPlanes& p) {
    ops::GradientTarget target;
    target.intensity = p.floats();
    gpu_->mse({p.pair(false, 0), {}, kRange, kCount, target}, p.sums());
    return p.take_floats();
  });
  expect_same("mi alone", [&](LastPlanes& p) {
    ops::MiArgs args = mi_args(p, false);
    args.pair = p.pair(false, 0);
    args.target.intensity = p.floats();
    ops::JointHistogram counts;
    gpu_->mi_histogram(args, counts);
    gpu_->mi_gradient(args, ops::mutual_information(counts), p.sums());
    return p.take_floats();
  });
}

TEST_F(CudaHuge, resamplingAndInversionReachTheLastPlanes) {
  make_places();
  constexpr Size3 kHalf{kHuge[0] / 2, kHuge[1] / 2, kHuge[2] / 2};
  constexpr std::int64_t kHalfPlane = kHalf[0] * kHalf[1], kHalfLast = kLast / 2;
  const ops::Extent half = ops::Extent::whole(kHalf);
  constexpr std::int64_t kHalfVoxels = count_of(kHalf);
  const ops::Array coarse = gpu_->allocate(static_cast<std::size_t>(kHalfVoxels) * sizeof(float));
  expect_same("downsample", [&](LastPlanes& p) {
    ops::DownsampleArgs args;
    args.in = p.fixed();
    args.out = {coarse.as<float>(), half};
    args.shrink = {2, 2, 2};
    args.sigma = {1, 1, 1};
    args.range = {kHalf[2] - kHalfLast, kHalf[2]};
    gpu_->downsample(args);
    Floats last(kHalfLast * kHalfPlane);
    gpu_->download(last.data(), coarse.as<float>() + (kHalfVoxels - kHalfLast * kHalfPlane),
                   last.size() * sizeof(float));
    return last;
  });
  const ops::Array coarse_words =
      gpu_->allocate(static_cast<std::size_t>(kHalfVoxels) * sizeof(std::uint64_t));
  gpu_->fill_words(coarse_words.as<std::uint64_t>(), math::pack_vector({0.5F, -0.25F, 1}),
                   kHalfVoxels);
  expect_same("upsample", [&](LastPlanes& p) {
    ops::UpsampleArgs args;
    args.in.packed = {coarse_words.as<std::uint64_t>(), half};
    args.out = p.words();
    args.fine_to_coarse = {0.5, 0.5, 0.5};
    args.shift = {-0.25, -0.25, -0.25};
    args.range = kRange;
    gpu_->upsample_field(args);
    return p.take_words();
  });
  expect_same("invert", [&](LastPlanes& p) {
    gpu_->invert({p.displacement(), p.words(), kRange, 8, 1e-3, {1.1F, 1.1F, 1.1F}});
    return p.take_words();
  });
  const auto whole = gpu_->displacement_range(whole_->displacement(), kRange);
  EXPECT_EQ(whole, gpu_->displacement_range(slab_->displacement(), kRange));
  EXPECT_LT(whole[0], -0.9F);
  EXPECT_GT(whole[5], 0.9F);
  const auto common = [&](LastPlanes& p) {
    gpu_->warp({p.pair(true, 3), p.floats(), kRange}, p.sums());
    return gpu_->keep_common(p.floats(), p.floats(), kRange);
  };
  const double counted = common(*whole_);
  EXPECT_EQ(counted, common(*slab_));
  EXPECT_GT(counted, kPlane);
  EXPECT_LT(counted, kLast * kPlane);  // some points lie beyond the end
}

TEST_F(CudaHuge, theLastPlanesAreReachedAndRepaired) {
  const Size3 n{1300, 1300, 1300};
  const ops::Extent e = ops::Extent::whole(n);
  const std::int64_t voxels = count_of(n);
  const ops::Array words = gpu_->allocate(static_cast<std::size_t>(voxels) * sizeof(std::uint64_t));
  auto* const data = words.as<std::uint64_t>();
  gpu_->fill_words(data, math::kPackedZero, voxels);
  ops::FieldView u;
  u.packed = {data, e};
  EXPECT_EQ(gpu_->repair_folds({u, {0, n[2]}, 0.1F, 40}).found, 0);
  const std::int64_t places[]{voxels - 1 - 2 * (1300 * 1300 + 1300 + 1),
                              (std::int64_t{1} << 31) + 77};
  const std::uint64_t spike = math::pack_vector({4, 0, 0});
  for (const std::int64_t i : places) gpu_->upload(data + i, &spike, sizeof spike);
  const ops::FoldRepair report = gpu_->repair_folds({u, {0, n[2]}, 0.1F, 40});
  EXPECT_EQ(report.found, 2);  // on the far side of each spike along x
  EXPECT_EQ(report.remaining, 0);
  for (const std::int64_t i : places) {
    std::uint64_t word = 0;
    gpu_->download(&word, data + i, sizeof word);
    EXPECT_LT(math::unpack_vector(word).x, 4);
    EXPECT_GT(math::unpack_vector(word).x, 0);
  }
}

TEST_F(CudaHuge, stepsReachTheLastVoxels) {
  const Size3 n{1300, 1300, 1300};
  const ops::Extent e = ops::Extent::whole(n);
  const std::int64_t voxels = count_of(n);
  const auto bytes = static_cast<std::size_t>(voxels) * sizeof(std::uint64_t);
  const ops::Array u = gpu_->allocate(bytes), g = gpu_->allocate(bytes), m = gpu_->allocate(bytes);
  gpu_->fill_words(u.as<std::uint64_t>(), math::kPackedZero, voxels);
  gpu_->fill_words(g.as<std::uint64_t>(), math::pack_floats(1, -1, 0.5F), voxels);
  ops::DirectionArgs direction;
  direction.gradient.packed = {g.as<std::uint64_t>(), e};
  direction.moments = {m.as<std::uint64_t>(), e};
  direction.range = {0, n[2]};
  const float largest = gpu_->direction(direction);
  EXPECT_GT(largest, 0.5F);
  ops::ComposeArgs compose;
  compose.from_moments = &direction;
  compose.displacement.packed = {u.as<std::uint64_t>(), e};
  compose.out = direction.gradient;
  compose.range = direction.range;
  compose.scale = -0.5F / largest;
  compose.short_step = true;
  gpu_->compose(compose);
  for (const std::int64_t i : {std::int64_t{0}, (std::int64_t{1} << 31) + 5, voxels - 1}) {
    std::uint64_t word = 0;
    gpu_->download(&word, g.as<std::uint64_t>() + i, sizeof word);
    const math::Float3 v = math::unpack_vector(word);
    EXPECT_LT(v.x, -0.2F) << i;
    EXPECT_NEAR(v.y, -v.x, 2e-3F) << i;
  }
}

}  // namespace
}  // namespace gigawarp
