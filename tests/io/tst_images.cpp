// Volumes come out of files as they went in, in LPS millimetres, whatever the format.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <fstream>
#include <limits>

#include "io/convert.h"
#include "io/image_io.h"
#include "io/io_fixtures.h"
#include "support/test_data.h"

namespace gigawarp {
namespace {

namespace fs = std::filesystem;
using test::Folder;

void expect_near(const Vec3& a, const Vec3& b, double tolerance) {
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(a[i], b[i], tolerance);
}

constexpr ScalarType kTypes[] = {ScalarType::u8,  ScalarType::i8,  ScalarType::u16,
                                 ScalarType::i16, ScalarType::u32, ScalarType::i32,
                                 ScalarType::f32, ScalarType::f64};

class RoundTrip : public testing::TestWithParam<const char*> {};

TEST_P(RoundTrip, keepsTypeVoxelsAndGeometry) {
  const Folder folder;
  const fs::path path = folder / (std::string("v") + GetParam());
  for (const ScalarType type : kTypes) {
    if (type == ScalarType::i8 && std::string(GetParam()) == ".mnc") continue;  // checked below
    const Volume volume = test::textured(test::oblique_grid({11, 6, 5}), type);
    io::write_image(volume, path);
    const Volume back = io::read_image(path);
    EXPECT_TRUE(test::same_voxels(volume, back)) << name_of(type) << ' ' << name_of(back.type());
    EXPECT_TRUE(volume.grid().same_lattice(back.grid(), 1e-5)) << name_of(type);
    const io::ImageHeader header = io::read_header(path);
    EXPECT_EQ(header.type, type);
    EXPECT_EQ(header.grid.size, volume.grid().size);
  }
}

INSTANTIATE_TEST_SUITE_P(ofAllTypes, RoundTrip,
                         testing::Values(".nii", ".nii.gz", ".nrrd", ".mha", ".h5"));

TEST(RoundTripOfChannels, keepsThemApart) {
  const Folder folder;
  const Volume volume = test::textured(test::oblique_grid({7, 6, 5}), ScalarType::f32, 3);
  for (const char* name : {"v.nii", "v.nii.gz", "v.nrrd", "v.mha"}) {
    io::write_image(volume, folder / name);
    EXPECT_TRUE(test::same_voxels(volume, io::read_image(folder / name))) << name;
  }
}

TEST(RoundTripOfTiff, keepsVoxelsAndSpacing) {
  const Folder folder;
  Grid grid;
  grid.size = {7, 6, 5};
  grid.world_from_voxel.linear = {{{0.01, 0, 0}, {0, 0.02, 0}, {0, 0, 0.04}}};
  for (const ScalarType type : {ScalarType::u8, ScalarType::u16, ScalarType::f32}) {
    const Volume volume = test::textured(grid, type);
    io::write_image(volume, folder / "v.tif");
    const Volume back = io::read_image(folder / "v.tif");
    EXPECT_TRUE(test::same_voxels(volume, back));
    expect_near(back.grid().spacing_mm(), {0.01, 0.02, 0.04}, 1e-7);
  }
  EXPECT_EQ(io::lost_geometry(grid, "v.tif"), "");
}

TEST(RoundTripOfTiff, losesOrientationAndPositionWithASentence) {
  Grid grid = test::oblique_grid({7, 6, 5});
  const std::string both = io::lost_geometry(grid, "v.tiff");
  EXPECT_NE(both.find("the orientation and the position of a volume"), std::string::npos) << both;
  EXPECT_NE(both.find("not obliquely towards LPS"), std::string::npos) << both;
  EXPECT_NE(both.find("not -12.5, 30.25, 7"), std::string::npos) << both;
  grid.world_from_voxel.offset = {};
  const std::string turned = io::lost_geometry(grid, "v.tif");
  EXPECT_NE(turned.find("the orientation of a volume"), std::string::npos) << turned;
  EXPECT_EQ(turned.find("0, 0, 0 mm"), std::string::npos) << turned;
  EXPECT_EQ(io::lost_geometry(grid, "v.nii.gz"), "");
}

TEST(RoundTripOfMinc, keepsPlaceAndValues) {
  const Folder folder;
  const Volume volume = test::textured(test::oblique_grid({7, 6, 5}), ScalarType::f32);
  io::write_image(volume, folder / "v.mnc");
  const Volume back = io::read_image(folder / "v.mnc");
  EXPECT_TRUE(volume.grid().same_lattice(back.grid(), 1e-4));
  for (std::int64_t z = 0; z < 5; ++z)
    EXPECT_NEAR(back.value(3, 2, z), volume.value(3, 2, z), 1e-3);
}

TEST(LargeGzip, isReadInParallelAndAlone) {
  const Folder folder;
  const Volume volume = test::textured(test::oblique_grid({160, 120, 90}), ScalarType::u16);
  io::write_image(volume, folder / "v.nii.gz");  // several members
  EXPECT_TRUE(test::same_voxels(volume, io::read_image(folder / "v.nii.gz")));
}

TEST(Sides, ofAGridReachFromFaceToFaceHoweverItLies) {
  const Grid grid = test::oblique_grid({7, 6, 5}, {1, 1.5, 4});
  expect_near(grid.sides_mm(), {7, 9, 20}, 1e-12);
  EXPECT_NEAR(grid.longest_side_mm(), 20, 1e-12);
}

TEST(Spacing, ofTheUserWins) {
  const Folder folder;
  io::write_image(test::textured(test::oblique_grid({5, 6, 7}), ScalarType::u8), folder / "v.nii");
  const Volume volume = io::read_image(folder / "v.nii", {Vec3{0.1, 0.2, 0.3}, false});
  expect_near(volume.grid().spacing_mm(), {0.1, 0.2, 0.3}, 1e-9);
  EXPECT_FALSE(volume.notes().empty());
}

/// A NIfTI-1 file with a few header fields overwritten.
class Patched {
 public:
  Patched() {
    io::write_image(test::textured(test::oblique_grid({4, 5, 6}), ScalarType::i16),
                    folder_ / "v.nii");
    std::ifstream stream(path(), std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(stream), {});
  }
  template <class T>
  void set(std::size_t offset, T value) {
    std::memcpy(bytes_.data() + offset, &value, sizeof value);
    std::ofstream(path(), std::ios::binary) << bytes_;
  }
  fs::path path() const { return folder_ / "v.nii"; }

 private:
  Folder folder_;
  std::string bytes_;
};

TEST(NiftiScaling, isHonouredAndSaid) {
  Patched file;
  file.set(112, 0.5F);
  file.set(116, 10.0F);
  const Volume volume = io::read_image(file.path());
  ASSERT_EQ(volume.type(), ScalarType::f32);
  EXPECT_NEAR(volume.value(0, 0, 0), 10 + 0.5 * 75, 1);
  EXPECT_FALSE(volume.notes().empty());
}

TEST(NiftiUnits, ofMicrometresBecomeMillimetres) {
  Patched file;
  const Grid before = io::read_header(file.path()).grid;
  file.set(123, static_cast<unsigned char>(3));
  const Grid after = io::read_header(file.path()).grid;
  for (std::size_t a = 0; a < 3; ++a) {
    EXPECT_NEAR(after.spacing_mm()[a], before.spacing_mm()[a] * 1e-3, 1e-9);
    EXPECT_NEAR(after.origin_mm()[a], before.origin_mm()[a] * 1e-3, 1e-7);
  }
}

TEST(NiftiUnits, thatAreMissingAreReported) {
  Patched file;
  file.set(123, static_cast<unsigned char>(0));
  const auto notes = io::read_header(file.path()).notes;
  ASSERT_FALSE(notes.empty());
  EXPECT_NE(notes.front().find("unit"), std::string::npos);
}

TEST(NiftiOrientation, followsItkWhereTheFormsDisagree) {
  Patched file;
  const Vec3 origin = io::read_header(file.path()).grid.origin_mm();
  file.set(268, 99.0F);                                                      // qoffset_x
  expect_near(io::read_header(file.path()).grid.origin_mm(), origin, 1e-6);  // sform_code 1 wins
  file.set(254, std::int16_t{2});                                            // now the qform does
  EXPECT_NEAR(io::read_header(file.path()).grid.origin_mm()[0], -99, 1e-6);
  EXPECT_FALSE(io::read_header(file.path()).notes.empty());
}

TEST(NiftiOrientation, ofAShearedSformAloneIsKeptExactly) {
  Patched file;
  file.set(252, std::int16_t{0});  // no qform
  file.set(284, 0.7F);             // srow_x[1]
  const io::ImageHeader header = io::read_header(file.path());
  EXPECT_NEAR(header.grid.world_from_voxel.linear[0][1], -0.7, 1e-6);
  EXPECT_FALSE(header.notes.empty());
}

/// Six planes, as three at two time points.
class NiftiOfTimePoints : public testing::Test {
 protected:
  NiftiOfTimePoints() {
    planes_ = io::read_image(file_.path());
    file_.set(40, std::int16_t{4});
    file_.set(46, std::int16_t{3});
    file_.set(48, std::int16_t{2});
  }
  static io::ReadOptions at(int time) {
    io::ReadOptions options;
    options.selection.timepoint = time;
    return options;
  }
  Patched file_;
  Volume planes_;
};

TEST_F(NiftiOfTimePoints, isRefusedWithoutAChoice) {
  EXPECT_NE(test::sentence_of(ErrorCode::bad_input, [&] { io::read_image(file_.path()); })
                .find("2 time points; choose one with --timepoint 0 to 1"),
            std::string::npos);
  EXPECT_EQ(io::read_header(file_.path()).parts.timepoints, 2);
}

TEST_F(NiftiOfTimePoints, givesTheOneThatIsChosen) {
  for (const int time : {0, 1}) {
    const Volume volume = io::read_image(file_.path(), at(time));
    ASSERT_EQ(volume.grid().size, (Size3{4, 5, 3}));
    for (std::int64_t z = 0; z < 3; ++z)
      for (std::int64_t y = 0; y < 5; ++y)
        for (std::int64_t x = 0; x < 4; ++x)
          ASSERT_EQ(volume.value(x, y, z), planes_.value(x, y, 3 * time + z)) << time;
  }
}

TEST_F(NiftiOfTimePoints, hasNoOthers) {
  for (const bool header : {false, true})
    EXPECT_NE(test::sentence_of(ErrorCode::usage,
                                [&] {
                                  if (header)
                                    io::read_header(file_.path(), at(2));
                                  else
                                    io::read_image(file_.path(), at(2));
                                })
                  .find("no time point 2; it has 2"),
              std::string::npos);
}

TEST_F(NiftiOfTimePoints, isTruncatedWhereAnyIsMissing) {
  file_.set(48, std::int16_t{3});
  EXPECT_NE(test::sentence_of(ErrorCode::bad_input, [&] { io::read_image(file_.path(), at(0)); })
                .find("truncated"),
            std::string::npos);
}

TEST_F(NiftiOfTimePoints, isRefusedWithSeveralNumbersPerVoxel) {
  file_.set(40, std::int16_t{5});
  file_.set(46, std::int16_t{1});
  file_.set(50, std::int16_t{3});
  EXPECT_NE(test::sentence_of(ErrorCode::bad_input, [&] { io::read_image(file_.path(), at(0)); })
                .find("3 numbers per voxel at 2 time points"),
            std::string::npos);
}

TEST(NiftiOfComplexNumbers, isRefused) {
  Patched file;
  file.set(70, std::int16_t{32});
  EXPECT_NE(
      test::sentence_of(ErrorCode::bad_input, [&] { io::read_image(file.path()); }).find("complex"),
      std::string::npos);
}

TEST(NiftiOfColour, becomesLuminanceWithANote) {
  Patched file;
  file.set(70, std::int16_t{128});  // RGB24: 2 of 3 bytes per voxel are there
  file.set(46, std::int16_t{4});    // two thirds of the slices
  const Volume volume = io::read_image(file.path());
  EXPECT_EQ(volume.type(), ScalarType::u8);
  EXPECT_EQ(volume.channels(), 1);
  EXPECT_FALSE(volume.notes().empty());
}

TEST(NiftiOf64BitLabels, becomes32Bit) {
  Patched file;
  file.set(70, std::int16_t{1024});
  file.set(46, std::int16_t{1});
  EXPECT_NE(test::sentence_of(ErrorCode::bad_input, [&] { io::read_image(file.path()); })
                .find("do not fit"),
            std::string::npos);  // four i16 side by side make a number beyond 32 bits
}

TEST(LabelMaps, inFloatFilesBecomeWholeNumbers) {
  const Folder folder;
  Volume labels(test::oblique_grid({3, 3, 3}), ScalarType::f32);
  labels.channel<float>()[4] = 1035;
  io::write_image(labels, folder / "l.nii.gz");
  const Volume back = io::read_image(folder / "l.nii.gz", {std::nullopt, true});
  EXPECT_EQ(back.type(), ScalarType::i32);
  EXPECT_EQ(back.value(1, 1, 0), 1035);
  labels.channel<float>()[4] = 1.5F;
  io::write_image(labels, folder / "l.nii.gz");
  test::sentence_of(ErrorCode::bad_input, [&] {
    io::read_image(folder / "l.nii.gz", {std::nullopt, true});
  });
}

TEST(Nan, isKept) {
  const Folder folder;
  Volume volume(test::oblique_grid({3, 3, 3}), ScalarType::f32);
  volume.channel<float>()[4] = std::numeric_limits<float>::quiet_NaN();
  io::write_image(volume, folder / "v.nii.gz");
  EXPECT_EQ(intensity_statistics(io::read_image(folder / "v.nii.gz")).not_finite, 1);
}

TEST(ToType, refusesWhatDoesNotFit) {
  Volume volume(test::oblique_grid({3, 3, 3}), ScalarType::f32);
  volume.channel<float>()[4] = 299.6F;
  EXPECT_EQ(io::to_type(volume, ScalarType::u16).value(1, 1, 0), 300);
  test::sentence_of(ErrorCode::bad_input, [&] { io::to_type(volume, ScalarType::u8); });
}

TEST(Writing, leavesNothingBehindWhereItFails) {
  const Folder folder;
  const Volume volume = test::textured(test::oblique_grid({3, 3, 3}), ScalarType::u8);
  test::sentence_of(ErrorCode::output_not_written,
                    [&] { io::write_image(volume, folder / "missing/v.nii.gz"); });
  test::sentence_of(ErrorCode::usage, [&] { io::write_image(volume, folder / "v.xyz"); });
  fs::create_directory(folder / "v.nrrd");
  test::sentence_of(ErrorCode::output_not_written,
                    [&] { io::write_image(volume, folder / "v.nrrd"); });
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 1);
}

TEST(Writing, ontoAFullDiskIsReported) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  const Volume volume = test::textured(test::oblique_grid({64, 64, 64}), ScalarType::f32);
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = old;
  small.rlim_cur = 64 << 10;  // stands in for a full disk: write() fails half way
  const Folder folder;
  setrlimit(RLIMIT_FSIZE, &small);
  for (const char* name : {"v.nii", "v.nii.gz", "v.tif", "v.h5"})
    test::sentence_of(ErrorCode::output_not_written,
                      [&] { io::write_image(volume, folder / name); });
  setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(RealVolumes, haveTheGeometryOtherReadersSee) {  // numbers from SimpleITK 2.5 and nibabel
  const auto data = test::test_data();
  if (!data) GTEST_SKIP() << "set GIGAWARP_TEST_DATA";
  const Volume head = io::read_image(*data / "bench/T1_head_2mm.nii.gz");
  expect_near(head.grid().origin_mm(), {76.19074249267578, 80.46900177001953, -131.80577087402344},
              1e-5);
  EXPECT_EQ(head.grid().orientation(), "RAS");
  const Volume vxm = io::read_image(*data / "labels/vxm_T1.nii.gz");
  EXPECT_EQ(vxm.grid().orientation(), "LIA");
  expect_near(vxm.grid().origin_mm(), {-80, 112, 96}, 1e-6);
  const Volume permuted = io::read_image(*data / "formats/permuted_axes.nrrd");
  EXPECT_EQ(permuted.grid().orientation(), "AIL");
  expect_near(permuted.grid().spacing_mm(), {2, 2, 2.5}, 1e-9);
  const Volume fish = io::read_image(*data / "lightsheet/fish1_pre.nrrd");
  expect_near(fish.grid().spacing_mm(), {0.005, 0.005, 0.005}, 1e-12);
  const Volume stack = io::read_image(*data / "formats/mri-stack-calibrated.tif");
  EXPECT_EQ(stack.grid().size, (Size3{186, 226, 27}));
  expect_near(stack.grid().spacing_mm(), {0.001, 0.001, 0.005}, 1e-9);
  EXPECT_NEAR(intensity_statistics(stack).mean, 23.44575020352925, 1e-9);
  const Volume minc = io::read_image(*data / "mouse/average_template_200um.mnc");
  EXPECT_EQ(minc.grid().orientation(), "RAS");  // as nibabel reads it
  EXPECT_NEAR(minc.value(3, 4, 5), 0.9990736842155457, 1e-6);
  const Volume slice = io::read_image(*data / "formats/adi_slice.nrrd");
  EXPECT_EQ(slice.grid().size[2], 1);
}

TEST(RealVolumes, thatCannotBeReadAreRefusedByName) {
  const auto data = test::test_data();
  if (!data) GTEST_SKIP() << "set GIGAWARP_TEST_DATA";
  const auto refusal = [&](const char* name) {
    return test::sentence_of(ErrorCode::bad_input, [&] { io::read_image(*data / name); });
  };
  const auto contains = [](const std::string& sentence, const char* word) {
    EXPECT_NE(sentence.find(word), std::string::npos) << sentence;
  };
  contains(refusal("lightsheet/mouse_brain_downsampled.tiff"), "--spacing");
  contains(refusal("formats/mri-stack.ome.zarr"), "pixel");
  contains(refusal("formats/z5py.n5"), "name one of the datasets inside it (");
  contains(refusal("formats/example_nifti2.nii.gz"), "2 time points");
  contains(refusal("formats/no_such_file.nii"), "does not exist");
}

TEST(Leftovers, ofKilledWritersGoWhenTheirFileIsWrittenAgainAndThoseOfLivingOnesStay) {
  const test::Folder folder;
  std::array<char, 256> machine{};
  ASSERT_EQ(gethostname(machine.data(), machine.size() - 1), 0);
  const pid_t gone = fork();
  if (gone == 0) _exit(0);
  ASSERT_EQ(waitpid(gone, nullptr, 0), gone);
  const auto left = [&](const std::string& host, pid_t process, const std::string& name) {
    const std::filesystem::path path =
        folder / ("." + host + "-" + std::to_string(process) + "-0.part-" + name);
    std::filesystem::create_directories(path / "0");
    return path;
  };
  const auto dead = left(machine.data(), gone, "a.nii"),
             other = left(machine.data(), gone, "b.nii"),
             living = left(machine.data(), getppid(), "a.nii"),
             elsewhere = left(std::string(machine.data()) + "x", gone, "a.nii");
  io::write_image(test::textured(test::oblique_grid({5, 4, 3}), ScalarType::u8), folder / "a.nii");
  EXPECT_FALSE(std::filesystem::exists(dead));
  for (const auto& path : {other, living, elsewhere}) EXPECT_TRUE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace gigawarp
