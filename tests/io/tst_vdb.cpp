// OpenVDB files come back as they were, within what 16 bits allow, and OpenVDB itself reads them.
#include <gtest/gtest.h>
#include <openvdb/openvdb.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <limits>

#include "io/image_io.h"
#include "io/io_fixtures.h"
#include "io/transform_io.h"
#include "io/vdb.h"

namespace gigawarp {
namespace {

namespace fs = std::filesystem;
using test::Folder;

/// A bump of that height in the middle of the lattice, exactly zero outside.
DisplacementField bump(const Size3& size, double height_mm) {
  DisplacementField field(test::oblique_grid(size));
  for (int c = 0; c < 3; ++c)
    for (std::int64_t z = 0; z < size[2]; ++z)
      for (std::int64_t y = 0; y < size[1]; ++y)
        for (std::int64_t x = 0; x < size[0]; ++x) {
          const double r = std::hypot(x - 0.5 * size[0], y - 0.5 * size[1], z - 0.5 * size[2]) /
                           (0.3 * static_cast<double>(size[0]));
          if (r < 1)
            field.component_mm(c)[(z * size[1] + y) * size[0] + x] =
                static_cast<float>(height_mm * (1 - r * r) * (c - 1.3));
        }
  return field;
}

template <class Grid>
typename Grid::Ptr only_grid(const fs::path& path) {
  openvdb::initialize();
  openvdb::io::File file(path.string());
  file.open();
  const auto grids = file.getGrids();
  EXPECT_EQ(grids->size(), 1U);
  return openvdb::gridPtrCast<Grid>(grids->front());
}

TEST(VdbWarp, composesToTheSameWithinAThousandthOfAVoxel) {
  const Folder folder;
  const DisplacementField field = bump({40, 36, 30}, 5);
  io::write_displacement(field, folder / "warp.vdb");
  const Transform back = io::read_transform(folder / "warp.vdb");
  const auto& ours = std::get<DisplacementField>(back.stages.front());
  EXPECT_TRUE(ours.grid().same_lattice(field.grid(), 1e-12));
  for (std::int64_t z = 0; z < 30; z += 2)
    for (std::int64_t x = 0; x < 40; x += 3) {
      const Vec3 point = field.grid().world_from_voxel(
          Vec3{static_cast<double>(x) + 0.3, 17.6, static_cast<double>(z) + 0.1});
      const auto a = field.at_world(point), b = back(point);
      ASSERT_TRUE(a && b);
      for (std::size_t k = 0; k < 3; ++k)
        EXPECT_NEAR(point[k] + (*a)[k], (*b)[k], 0.9 * io::kVdbMostRounding * 5);
    }
}

TEST(VdbWarp, isWhatOpenVdbExpectsOfVectors) {
  const Folder folder;
  const DisplacementField field = bump({40, 36, 30}, 0.5);
  io::write_displacement(field, folder / "warp.vdb");
  const auto grid = only_grid<openvdb::Vec3SGrid>(folder / "warp.vdb");
  ASSERT_TRUE(grid);
  EXPECT_EQ(grid->getName(), "displacement");
  EXPECT_EQ(grid->background(), openvdb::Vec3s(0.0F));
  EXPECT_EQ(grid->getVectorType(), openvdb::VEC_CONTRAVARIANT_RELATIVE);
  EXPECT_TRUE(grid->isInWorldSpace());
  EXPECT_TRUE(grid->saveFloatAsHalf());
  EXPECT_EQ(grid->metaValue<std::string>("gigawarp_frame"), "LPS mm");
  EXPECT_TRUE(grid->metaValue<std::string>("gigawarp_direction").starts_with("fixed to moving"));
  EXPECT_LT(grid->activeVoxelCount(), 40U * 36 * 30 / 5);  // the bump alone
  const openvdb::Vec3d world = grid->transform().indexToWorld(openvdb::Vec3d(3, 5, 7));
  const Vec3 expected = field.grid().world_from_voxel(Vec3{3, 5, 7});
  for (int a = 0; a < 3; ++a) EXPECT_NEAR(world[a], expected[static_cast<std::size_t>(a)], 1e-9);
  const openvdb::Vec3s d = grid->getConstAccessor().getValue(openvdb::Coord(20, 18, 14));
  for (int c = 0; c < 3; ++c)
    EXPECT_NEAR(d[c], field.component_mm(c)[(14 * 36 + 18) * 40 + 20], 1e-3);
}

TEST(VdbWarp, isExactWhereSixteenBitsAreTooFewAndKeepsWhatIsOutside) {
  const Folder folder;
  DisplacementField field = bump({40, 36, 30}, 300);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (int c = 0; c < 3; ++c) field.component_mm(c)[5] = nan;
  io::write_displacement(field, folder / "warp.vdb");
  const Volume back = io::read_image(folder / "warp.vdb");
  for (int c = 0; c < 3; ++c)
    for (std::int64_t i = 0; i < field.grid().voxel_count(); ++i) {
      if (i == 5)
        EXPECT_TRUE(std::isnan(back.channel<float>(c)[i]));
      else
        ASSERT_EQ(back.channel<float>(c)[i], field.component_mm(c)[i]);
    }
}

TEST(VdbMaps, keepTheNumbersOfABlockThatBeginsOutside) {
  const Folder folder;
  Volume map(test::oblique_grid({32, 24, 16}), ScalarType::f32);
  for (std::int64_t i = 0; i < map.grid().voxel_count(); ++i)
    map.channel<float>()[i] = i % 8 == 0 ? std::numeric_limits<float>::quiet_NaN()
                                         : 1 + 0.01F * static_cast<float>(i % 50);
  io::write_image(map, folder / "map.vdb");
  const Volume back = io::read_image(folder / "map.vdb");
  for (std::int64_t i = 0; i < map.grid().voxel_count(); ++i) {
    if (i % 8 == 0)
      ASSERT_TRUE(std::isnan(back.channel<float>()[i]));
    else
      ASSERT_NEAR(back.channel<float>()[i], map.channel<float>()[i], 1e-3);
  }
}

TEST(VdbMaps, keepTheirBackgroundAndAreRoundedByAThousandthOfTheirRangeAtMost) {
  const Folder folder;
  const DisplacementField field = bump({40, 36, 30}, 1);
  Volume map(field.grid(), ScalarType::f32);  // like det J: 1 outside
  for (std::int64_t i = 0; i < map.grid().voxel_count(); ++i)
    map.channel<float>()[i] = 1 + field.component_mm(0)[i];
  io::write_image(map, folder / "map.vdb");
  const auto grid = only_grid<openvdb::FloatGrid>(folder / "map.vdb");
  ASSERT_TRUE(grid);
  EXPECT_EQ(grid->background(), 1.0F);
  EXPECT_EQ(grid->getGridClass(), openvdb::GRID_FOG_VOLUME);
  EXPECT_EQ(grid->getConstAccessor().getValue(openvdb::Coord(-50, 0, 0)), 1.0F);
  const Volume back = io::read_image(folder / "map.vdb");
  EXPECT_TRUE(back.grid().same_lattice(map.grid(), 1e-12));
  EXPECT_FALSE(back.notes().empty());  // tells the rounding
  for (std::int64_t i = 0; i < map.grid().voxel_count(); ++i) {
    const float was = map.channel<float>()[i], is = back.channel<float>()[i];
    ASSERT_NEAR(is, was, io::kVdbMostRounding * 1.3);
    if (was == 1) {
      ASSERT_EQ(is, 1.0F);
    }
  }
  EXPECT_LT(fs::file_size(folder / "map.vdb"), map.bytes() / 4);
}

TEST(VdbLabels, areExactAndMasksAreOfOneBit) {
  const Folder folder;
  for (const bool mask : {false, true}) {
    Volume labels(test::oblique_grid({33, 20, 17}), ScalarType::u16);
    for (std::int64_t i = 1000; i < 5000; ++i)
      labels.channel<std::uint16_t>()[i] = static_cast<std::uint16_t>(mask ? i % 3 == 0 : i * 7);
    io::write_image(labels, folder / "labels.vdb");
    const Volume back = io::read_image(folder / "labels.vdb");
    EXPECT_EQ(back.type(), mask ? ScalarType::u8 : ScalarType::i32);
    for (std::int64_t i = 0; i < labels.grid().voxel_count(); ++i) {
      const Size3 at{i % 33, i / 33 % 20, i / 660};
      ASSERT_EQ(back.value(at[0], at[1], at[2]), labels.value(at[0], at[1], at[2]));
    }
    if (mask) {
      EXPECT_TRUE(only_grid<openvdb::BoolGrid>(folder / "labels.vdb"));
    } else {
      EXPECT_TRUE(only_grid<openvdb::Int32Grid>(folder / "labels.vdb"));
    }
  }
}

TEST(VdbOfNothing, keepsItsLattice) {
  const Folder folder;
  const Volume empty(test::oblique_grid({9, 8, 7}), ScalarType::f32);
  io::write_image(empty, folder / "empty.vdb");
  EXPECT_TRUE(test::same_voxels(io::read_image(folder / "empty.vdb"), empty));
}

TEST(VdbOfOthers, coversItsVoxelsAndIsAskedForItsUnit) {
  const Folder folder;
  openvdb::initialize();
  const auto grid = openvdb::FloatGrid::create(0.0F);
  grid->setTransform(openvdb::math::Transform::createLinearTransform(2.0));
  grid->getAccessor().setValue(openvdb::Coord(-3, 4, 5), 7.0F);
  grid->getAccessor().setValue(openvdb::Coord(2, 6, 5), 8.0F);
  openvdb::io::File((folder / "other.vdb").string()).write(openvdb::GridCPtrVec{grid});
  EXPECT_NE(test::sentence_of(ErrorCode::bad_input, [&] { io::read_image(folder / "other.vdb"); })
                .find("--spacing"),
            std::string::npos);
  const Volume volume = io::read_image(folder / "other.vdb", {Vec3{0.5, 0.5, 0.5}, false});
  EXPECT_EQ(volume.grid().size, (Size3{6, 3, 1}));
  EXPECT_EQ(volume.value(0, 0, 0), 7);
  EXPECT_EQ(volume.value(5, 2, 0), 8);
  EXPECT_EQ(volume.grid().spacing_mm(), (Vec3{0.5, 0.5, 0.5}));
}

TEST(VdbDamage, isRefusedAndNeverPassesAsAVolume) {
  const Folder folder;
  const fs::path path = folder / "warp.vdb";
  io::write_displacement(bump({40, 36, 30}, 2), path);
  std::ifstream stream(path, std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(stream), {}};
  for (const double part : {0.0, 0.001, 0.01, 0.1, 0.4, 0.7, 0.95, 0.999}) {
    std::ofstream(path, std::ios::binary | std::ios::trunc)
        << whole.substr(0, static_cast<std::size_t>(part * static_cast<double>(whole.size())));
    EXPECT_NE(
        test::sentence_of(ErrorCode::bad_input, [&] { io::read_image(path); }).find("warp.vdb"),
        std::string::npos)
        << part;
  }
  std::ofstream(path, std::ios::binary | std::ios::trunc) << std::string(5000, 'x');
  test::sentence_of(ErrorCode::bad_input, [&] { io::read_image(path); });
}

TEST(VdbDamage, inAByteOfTheHeaderIsRefusedOrHarmless) {
  const Folder folder;
  const fs::path path = folder / "warp.vdb";
  io::write_displacement(bump({20, 18, 16}, 2), path);
  std::ifstream stream(path, std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(stream), {}};
  int refused = 0;
  for (std::size_t i = 0; i < 1500; i += 5) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x7f);
    std::ofstream(path, std::ios::binary | std::ios::trunc) << damaged;
    try {
      io::read_image(path);
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ErrorCode::bad_input || error.code() == ErrorCode::does_not_fit);
      EXPECT_NE(std::string(error.what()).find("warp.vdb"), std::string::npos) << i;
      ++refused;
    }
  }
  EXPECT_GT(refused, 60);
}

TEST(VdbOnAFullDisk, isNotWritten) {
  const Folder folder;
  const DisplacementField field = bump({60, 60, 60}, 300);
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{20000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  test::sentence_of(ErrorCode::output_not_written,
                    [&] { io::write_displacement(field, folder / "warp.vdb"); });
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

}  // namespace
}  // namespace gigawarp
