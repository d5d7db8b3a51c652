#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "metric_test.h"

/// LNCC where a launch is cut: strips of columns, tiles of rows, chunks of planes, slabs, and cards
/// with little shared memory.
namespace gigawarp {
namespace {

using test::BackendProblem;
using test::on_one_grid;
using test::problem;
using test::ProblemOptions;

class CudaWindows : public test::MetricTest {};

TEST_F(CudaWindows, stripsAndTilesMeetWithoutASeam) {
  for (const Size3& size : {Size3{259, 83, 13}, Size3{121, 45, 7}, Size3{36, 200, 9}})
    for (const int radius : {1, 2, 3, 4, 5})
      for (const bool masks : {false, true}) {
        SCOPED_TRACE(testing::Message() << size[0] << "x" << size[1] << "x" << size[2]
                                        << ", radius " << radius << ", masks " << masks);
        const reference::Problem p = problem(size, 83, masks);
        compare_lncc(p, {}, radius);
        ProblemOptions linear;
        linear.displaced = linear.to_field = false;
        compare_lncc(p, linear, radius);
      }
}

TEST_F(CudaWindows, imagesReadInQuadsGiveWhatOthersGive) {
  for (const std::int64_t nx : {260, 259, 124})
    for (const ScalarType type : {ScalarType::u8, ScalarType::i16, ScalarType::u16})
      for (const int radius : {1, 3, 4, 5}) {
        SCOPED_TRACE(testing::Message()
                     << nx << " columns, " << name_of(type) << ", radius " << radius);
        ProblemOptions options;
        options.on_grid = true;
        options.type = type;
        compare_alone(on_one_grid({nx, 83, 13}, 89, false), options, radius, 32);
      }
}

TEST_F(CudaWindows, cardsWithLittleSharedMemoryGiveTheSameBits) {
  setenv("GIGAWARP_GPU_SHARED_BYTES", "101376", 1);  // what compute capability 8.6 and 8.9 have
  std::string why_not;
  const std::unique_ptr<ops::Backend> small = test::make_gpu(why_not);
  unsetenv("GIGAWARP_GPU_SHARED_BYTES");
  ASSERT_NE(small, nullptr) << why_not;
  for (const bool masks : {false, true}) {
    const reference::Problem p = problem({259, 83, 13}, 97, masks);
    for (const int radius : {1, 2, 3, 4, 5})
      for (const bool approximate : {false, true}) {
        BackendProblem here(*gpu_, p, {}), there(*small, p, {});
        const auto a = here.lncc(radius, WindowKind::box, approximate),
                   b = there.lncc(radius, WindowKind::box, approximate);
        EXPECT_EQ(a.value, b.value) << "radius " << radius;
        EXPECT_EQ(a.words, b.words) << "radius " << radius;
      }
    BackendProblem here(*gpu_, p, {}), there(*small, p, {});
    EXPECT_EQ(here.mi(64).histogram.counts, there.mi(64).histogram.counts);
  }
}

TEST_F(CudaWindows, slabsOfWideWindowsHaveTheVolumesBits) {
  constexpr std::int64_t kFirst = 12, kLast = 28;
  const reference::Problem p = on_one_grid({132, 61, 41}, 101, false);
  for (const ScalarType type : {ScalarType::u16, ScalarType::f32})
    for (const int radius : {2, 3, 5}) {
      SCOPED_TRACE(testing::Message() << name_of(type) << ", radius " << radius);
      ProblemOptions whole, slab;
      whole.on_grid = slab.on_grid = true;
      whole.type = slab.type = type;
      whole.count = slab.count = 90000;
      slab.layout.z_begin = kFirst - 2 * radius;
      slab.layout.z_end = kLast + 2 * radius;
      BackendProblem all(*gpu_, p, whole), part(*gpu_, p, slab);
      all.restrict_to({kFirst, kLast});
      part.restrict_to({kFirst, kLast});
      EXPECT_EQ(all.lncc(radius).intensity, part.lncc(radius).intensity);
    }
}

/// Beyond what LnccChunks keeps at once: sums along z take the place of planes further down, and
/// the next chunk goes on from what is left. Images on one grid have chunks only where memory is
/// scarce.
TEST_F(CudaWindows, chunksOfPlanesContinueOneAnother) {
  constexpr std::int64_t kPlane = 512 * 512, kPlanes = 140, kFirst = 120;
  constexpr std::uint64_t kScarce = std::uint64_t{1500} << 20U;
  std::string why_not;
  const std::unique_ptr<ops::Backend> scarce = test::make_gpu(why_not, kScarce);
  ASSERT_NE(scarce, nullptr) << why_not;
  const reference::Problem p = on_one_grid({512, 512, kPlanes}, 103, false);
  for (const ScalarType type : {ScalarType::u16, ScalarType::f32})
    for (const int radius : {2, 5}) {
      SCOPED_TRACE(testing::Message() << name_of(type) << ", radius " << radius);
      ProblemOptions options;
      options.on_grid = true;
      options.type = type;
      options.count = 1e7;
      BackendProblem at_once(*gpu_, p, options);
      const auto in_chunks = [&](ops::ZRange planes) {
        BackendProblem part(*scarce, p, options);
        part.restrict_to(planes);
        return part.lncc(radius).intensity;
      };
      const std::vector<float> whole = in_chunks({0, kPlanes}), end = in_chunks({kFirst, kPlanes});
      ASSERT_EQ(whole.size(), static_cast<std::size_t>(kPlanes * kPlane));
      ASSERT_EQ(end.size(), static_cast<std::size_t>((kPlanes - kFirst) * kPlane));
      EXPECT_TRUE(std::equal(end.begin(), end.end(), whole.begin() + kFirst * kPlane));
      EXPECT_EQ(at_once.lncc(radius).intensity, whole);
    }
}

}  // namespace
}  // namespace gigawarp
