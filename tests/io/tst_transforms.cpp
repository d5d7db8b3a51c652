// Transform files mean what the programs that wrote them mean; others are refused by name.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <string>

#include "io/io_fixtures.h"
#include "io/landmarks_io.h"
#include "io/nifti.h"
#include "io/transform_io.h"
#include "support/test_data.h"

namespace gigawarp {
namespace {

namespace fs = std::filesystem;
using test::Folder;

void expect_near(const Vec3& a, const Vec3& b, double tolerance) {
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(a[i], b[i], tolerance);
}

Affine some_affine() {
  return {{{{0.99, 0.1, 0.0}, {-0.1, 0.98, 0.02}, {0.01, 0.03, 1.02}}}, {1.5, -2.25, 3.125}};
}

DisplacementField some_field() {
  DisplacementField field(test::oblique_grid({9, 8, 7}));
  const Size3 n = field.grid().size;
  for (std::int64_t z = 0; z < n[2]; ++z)
    for (std::int64_t y = 0; y < n[1]; ++y)
      for (std::int64_t x = 0; x < n[0]; ++x) {
        const std::int64_t i = (z * n[1] + y) * n[0] + x;
        field.component_mm(0)[i] = 0.5F * std::sin(static_cast<float>(x + y));
        field.component_mm(1)[i] = 0.25F * std::cos(static_cast<float>(y + 2 * z));
        field.component_mm(2)[i] = -0.125F * std::sin(static_cast<float>(z + x));
      }
  return field;
}

TEST(WrittenAffine, isReadBackExactly) {
  const Folder folder;
  for (const char* name : {"a.mat", "a.txt", "a.tfm"}) {
    io::write_affine(some_affine(), folder / name);
    EXPECT_EQ(io::read_transform(folder / name).as_affine(), some_affine()) << name;
    const Affine identity = io::read_transform(folder / name, true).as_affine() * some_affine();
    expect_near(identity({10, 20, 30}), {10, 20, 30}, 1e-10);
  }
}

TEST(WrittenField, isReadBackExactly) {
  const Folder folder;
  const DisplacementField field = some_field();
  for (const char* name : {"f.nii.gz", "f.nii", "f.mha", "f.nrrd"}) {
    io::write_displacement(field, folder / name);
    const Transform back = io::read_transform(folder / name);
    ASSERT_EQ(back.stages.size(), 1U);
    const auto& read = std::get<DisplacementField>(back.stages.front());
    EXPECT_TRUE(test::same_voxels(field.volume(), read.volume())) << name;
    EXPECT_TRUE(field.grid().same_lattice(read.grid(), 1e-5)) << name;
  }
  EXPECT_EQ(io::read_nifti_header(folder / "f.nii.gz").intent, io::kNiftiIntentVector);
}

TEST(WrittenComposite, keepsTheOrderOfItsStages) {
  const Folder folder;
  Transform transform;
  transform.stages.emplace_back(some_field());
  transform.stages.emplace_back(some_affine());
  const Vec3 point = transform.stages.empty() ? Vec3{} : some_field().grid().centre_mm();
  io::write_composite(transform, folder / "c.h5");
  const Transform back = io::read_transform(folder / "c.h5");
  ASSERT_EQ(back.stages.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<DisplacementField>(back.stages.front()));
  expect_near(back(point).value(), transform(point).value(), 1e-5);

  Transform affines;
  affines.stages.emplace_back(Affine{{{{2, 0, 0}, {0, 2, 0}, {0, 0, 2}}}, {0, 0, 0}});
  affines.stages.emplace_back(some_affine());
  io::write_composite(affines, folder / "c.tfm");
  expect_near(io::read_transform(folder / "c.tfm")({1, 2, 3}).value(), affines({1, 2, 3}).value(),
              1e-12);
  test::sentence_of(ErrorCode::usage, [&] { io::write_composite(transform, folder / "d.tfm"); });
  test::sentence_of(ErrorCode::usage, [&] { io::write_affine(some_affine(), folder / "a.nii"); });
}

TEST(InverseOfAFieldFile, isRefusedWithAdvice) {
  const Folder folder;
  io::write_displacement(some_field(), folder / "1Warp.nii.gz");
  EXPECT_NE(test::sentence_of(ErrorCode::usage,
                              [&] { io::read_transform(folder / "1Warp.nii.gz", true); })
                .find("InverseWarp"),
            std::string::npos);
}

TEST(AbsurdDisplacements, meanOutside) {
  const Folder folder;
  DisplacementField field = some_field();
  field.component_mm(1)[0] = std::numeric_limits<float>::max();
  io::write_displacement(field, folder / "f.nii.gz");
  const Transform back = io::read_transform(folder / "f.nii.gz");
  EXPECT_FALSE(back(field.grid().origin_mm()).has_value());
  EXPECT_TRUE(back(field.grid().centre_mm()).has_value());
}

TEST(Append, keepsApplicationOrderAndSources) {
  const Folder folder;
  io::write_affine(some_affine(), folder / "a.mat");
  io::write_displacement(some_field(), folder / "f.nii");
  Transform chain = io::read_transform(folder / "f.nii");
  io::append(chain, io::read_transform(folder / "a.mat"));
  ASSERT_EQ(chain.stages.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<Affine>(chain.stages.back()));
  EXPECT_EQ(chain.sources.back(), (folder / "a.mat").string());
  test::sentence_of(ErrorCode::usage, [&] { chain.as_affine(); });
}

/// Where SimpleITK 2.5.7 (ITK 5.4) maps (10, 20, 30).
struct Known {
  const char* file;
  Vec3 image;
};

TEST(RealTransforms, mapPointsAsItkDoes) {
  const auto data = test::test_data();
  if (!data) GTEST_SKIP() << "set GIGAWARP_TEST_DATA";
  const Known known[] = {
      {"ants_affine_mat/reg0GenericAffine.mat",
       {251.0504005376057, 267.3324407676637, 20.955061510896428}},
      {"nitransforms/affine-LAS.itk.tfm", {5.949990020000001, 33.9460394, 1.9801428300000001}},
      {"nitransforms/affine-antsComposite.h5",
       {5.573971272236744, 4.485000608477986, 41.61267068654201}},
      {"nitransforms/regressions/from-fsnative_to-bold_mode-image.tfm",
       {5.274865349754691, -47.84896684810519, -13.0543456338346}},
      {"simpleitk_ffd/transf_view1_aff.tfm",
       {8.956313854707354, 21.69493041672279, 27.572756909210213}},
      {"xforms/affine_i_3.txt", {10, 20, 30}},
      {"xforms/composite_i_3.txt", {10, 20, 30}},
      {"xforms/quaternion_rigid_i_3.txt", {10, 20, 30}},
      {"xforms/scale_i_3.txt", {10, 20, 30}},
      {"xforms/scale_logarithmic_i_3.txt", {10, 20, 30}},
      {"xforms/translation_i_3.txt", {10, 20, 30}},
      {"xforms/versor_i_3.txt", {10, 20, 30}},
      {"xforms/i_3.txt", {10, 20, 30}},
  };
  for (const Known& k : known) {
    SCOPED_TRACE(k.file);
    const auto image = io::read_transform(*data / "transforms" / k.file)({10, 20, 30});
    ASSERT_TRUE(image.has_value());
    expect_near(*image, k.image, 1e-5);
  }
}

TEST(RealSpline, isEvaluatedAsItkDoes) {
  const auto data = test::test_data();
  if (!data) GTEST_SKIP() << "set GIGAWARP_TEST_DATA";
  const Transform spline =
      io::read_transform(*data / "transforms/simpleitk_ffd/transf_view1_ffd.tfm");
  const auto maps = [&](const Vec3& from, const Vec3& to) {  // SimpleITK 2.5.7
    const auto image = spline(from);
    ASSERT_TRUE(image.has_value());
    expect_near(*image, to, 1e-6);
  };
  maps({88.55437088, 17.18437481, -10.3027792},
       {91.17814752037218, 18.12038116426111, -11.449165755376384});
  maps({62.20477552, 21.28668728, -14.62324778},
       {66.7699543876686, 24.541066713435608, -13.575366188732477});
  maps({116.22144601, 13.90252483, -8.14254491},
       {117.38309433959793, 13.800308334129308, -8.657032946667732});
  maps({29.26778131, 17.18437481, -10.3027792}, {29.26778131, 17.18437481, -10.3027792});
}

TEST(RealWarp, ofTheSpinalCordToolboxIsUndefinedWhereItSaysSo) {
  const auto data = test::test_data();
  if (!data) GTEST_SKIP() << "set GIGAWARP_TEST_DATA";
  const Transform warp = io::read_transform(*data / "transforms/sct/t2/warp_template2anat.nii.gz");
  const auto& field = std::get<DisplacementField>(warp.stages.front());
  EXPECT_EQ(intensity_statistics(field.volume()).not_finite, 2025);  // counted with numpy
  const auto d = field.at_world({6.2192840576171875, -1.7866058349609375, 7.6783294677734375});
  ASSERT_TRUE(d.has_value());
  expect_near(*d, {-6.648285388946533, 1.8380850553512573, 145.39199829101562}, 1e-4);
}

TEST(ForeignTransforms, areRefusedByName) {
  const auto data = test::test_data();
  if (!data) GTEST_SKIP() << "set GIGAWARP_TEST_DATA";
  const std::pair<const char*, const char*> cases[] = {
      {"nitransforms/affine-LAS.fsl", "FSL"},
      {"nitransforms/affine-LAS.fs.lta", "FreeSurfer"},
      {"nitransforms/bold-to-t1w.v2v.lta", "FreeSurfer"},
      {"nitransforms/affine-LAS.afni", "AFNI"},
      {"nitransforms/affine-LAS.afni-array", "AFNI"},
      {"nitransforms/itktflist.tfm", "separate transforms"},
      {"nitransforms/hmc-itk.tfm", "separate transforms"},
      {"itkelastix/exampleoutput/TransformParameters.1.txt", "elastix"},
      {"itkelastix/exampleoutput/itk_composite_transform.h5", "2-D"},
      {"fsl_tractor/tests/data/session/tractor/transforms/structural2diffusion.xfmb/forward1.mat",
       "NiftyReg"},
      {"displacement.mha", "2-D"},
      {"xforms/translation_-13x-17y.txt", "2-D"},
      {"xforms/displacement_-13x-17y.txt", "2-D"},
      {"xforms/bspline_ceoff0.mha", "no transform"},
  };
  for (const auto& [file, word] : cases) {
    const std::string sentence = test::sentence_of(
        ErrorCode::bad_input, [&] { io::read_transform(*data / "transforms" / file); });
    EXPECT_NE(sentence.find(word), std::string::npos) << sentence;
  }
  test::sentence_of(ErrorCode::bad_input,
                    [&] { io::read_transform(*data / "bench/MNI152_T1_2mm.nii.gz"); });
}

TEST(SingularMatrix, isRefused) {
  const Folder folder;
  io::write_affine({{{{1, 0, 0}, {0, 1, 0}, {1, 1, 0}}}, {0, 0, 0}}, folder / "a.mat");
  EXPECT_NE(test::sentence_of(ErrorCode::bad_input, [&] { io::read_transform(folder / "a.mat"); })
                .find("singular"),
            std::string::npos);
}

TEST(Landmarks, areReadBackInLps) {
  const Folder folder;
  const std::vector<io::Landmark> landmarks{{"AC", {1, 2, 3}}, {"PC", {-4.5, 6, 7}}};
  for (const char* name : {"l.csv", "l.fcsv", "l.mrk.json"}) {
    io::write_landmarks(landmarks, folder / name);
    const auto back = io::read_landmarks(folder / name);
    ASSERT_EQ(back.size(), 2U) << name;
    EXPECT_EQ(back[1].name, "PC") << name;
    expect_near(back[1].position_mm, {-4.5, 6, 7}, 1e-9);
  }
}

TEST(Landmarks, ofACsvAreFoundByTheNamesOfItsColumns) {
  const Folder folder;
  const auto read = [&](const std::string& text) {
    std::ofstream(folder / "l.csv") << text;
    return io::read_landmarks(folder / "l.csv");
  };
  for (const char* text :
       {"x,y,z,t,label\n1,2,3,0,AC\n-4.5,6,7,0,PC\n", "name,z,y,x\nAC,3,2,1\nPC,7,6,-4.5\n",
        "\xEF\xBB\xBFLabel;X;Y;Z\r\nAC;1;2;3\r\nPC;-4.5;6;7\r\n", "AC,1,2,3\nPC,-4.5,6,7\n",
        "# by hand\n\"x\",\"held_out\",\"name\",\"y\",\"z\"\n1,1,AC,2,3\n-4.5,0,PC,6,7\n"}) {
    const auto landmarks = read(text);
    ASSERT_EQ(landmarks.size(), 2U) << text;
    EXPECT_EQ(landmarks[0].name, "AC") << text;
    EXPECT_EQ(landmarks[1].name, "PC") << text;
    expect_near(landmarks[0].position_mm, {1, 2, 3}, 1e-9);
    expect_near(landmarks[1].position_mm, {-4.5, 6, 7}, 1e-9);
    EXPECT_EQ(landmarks[0].held_out, std::string(text).find("held_out") != std::string::npos);
    EXPECT_FALSE(landmarks[1].held_out);
  }
  const auto unnamed = read("x,y,z\n1,2,3\n4,5,6\n");
  ASSERT_EQ(unnamed.size(), 2U);
  EXPECT_EQ(unnamed[1].name, "2");
  expect_near(unnamed[1].position_mm, {4, 5, 6}, 1e-9);
  EXPECT_NE(test::sentence_of(ErrorCode::bad_input, [&] { read("index,i,j,k\n1,2,3,4\n"); })
                .find("no columns named x, y and z"),
            std::string::npos);
  test::sentence_of(ErrorCode::bad_input, [&] { read("x,y,z,t,label\n1,2\n"); });
}

/// The displacement at a voxel of the file's grid, read whole and within a bound.
TEST(WarpWithinABound, isHeldAtEveryNthVoxelAndReachesAsFarAsTheFile) {
  const Folder folder;
  DisplacementField field(test::oblique_grid({40, 33, 21}));
  const Size3 n = field.grid().size;
  for (std::int64_t z = 0; z < n[2]; ++z)
    for (std::int64_t y = 0; y < n[1]; ++y)
      for (std::int64_t x = 0; x < n[0]; ++x)
        for (int c = 0; c < 3; ++c)
          field.component_mm(c)[(z * n[1] + y) * n[0] + x] =
              0.01F * static_cast<float>(c + 1) * static_cast<float>(x + 2 * y - z);
  const auto whole = static_cast<std::uint64_t>(field.grid().voxel_count()) * 12;
  for (const char* name : {"w.nii", "w.nii.gz"}) {
    io::write_displacement(field, folder / name);
    EXPECT_EQ(io::read_transform_within(folder / name, whole).step, 1) << name;
    const io::HeldTransform held = io::read_transform_within(folder / name, whole / 20);
    EXPECT_EQ(held.step, 3) << name;
    const auto& coarse = std::get<DisplacementField>(held.transform.stages.front());
    EXPECT_LE(coarse.volume().bytes(), whole / 20);
    EXPECT_EQ(coarse.grid().size, (Size3{14, 12, 8}));
    for (const Size3& v :
         {Size3{0, 0, 0}, Size3{17, 20, 10}, Size3{38, 31, 20}, Size3{39, 32, 20}}) {
      const Vec3 world = field.grid().world_from_voxel(
          {static_cast<double>(v[0]), static_cast<double>(v[1]), static_cast<double>(v[2])});
      const auto is = coarse.at_world(world), should = field.at_world(world);
      ASSERT_TRUE(is && should);
      // Linear, so that nothing is lost but in the last cell, which is shorter in the file.
      expect_near(*is, *should, v[1] == 32 || v[0] >= 39 ? 0.03 : 1e-5);
    }
  }
  std::filesystem::resize_file(folder / "w.nii.gz",
                               std::filesystem::file_size(folder / "w.nii.gz") / 2);
  test::sentence_of(ErrorCode::bad_input,
                    [&] { io::read_transform_within(folder / "w.nii.gz", whole / 20); });
}

TEST(Landmarks, thatAreHeldOutStaySoInEveryFormat) {
  const Folder folder;
  const std::vector<io::Landmark> landmarks{{"AC", {1, 2, 3}, true}, {"PC", {-4.5, 6, 7}}};
  for (const char* name : {"l.csv", "l.fcsv", "l.mrk.json"}) {
    io::write_landmarks(landmarks, folder / name);
    const auto back = io::read_landmarks(folder / name);
    ASSERT_EQ(back.size(), 2U) << name;
    EXPECT_TRUE(back[0].held_out) << name;
    EXPECT_FALSE(back[1].held_out) << name;
  }
}

TEST(Landmarks, ofOlderSlicerAreTurnedFromRas) {
  const auto data = test::test_data();
  if (!data) GTEST_SKIP() << "set GIGAWARP_TEST_DATA";
  const auto afids = io::read_landmarks(*data / "landmarks/tpl-Colin27_afids.fcsv");
  ASSERT_EQ(afids.size(), 32U);
  expect_near(afids[1].position_mm, {-0.31921995625, 23.23456875, -3.72751125}, 1e-9);
  test::sentence_of(ErrorCode::bad_input, [&] {
    io::read_landmarks(*data / "formats/bigwarp_bdv/mr_landmarks_p2p2p4-111.csv");
  });
}

void expect_same_field(const VolumeFeed& feed, const DisplacementField& field) {
  ASSERT_TRUE(feed.grid().same_lattice(field.grid()));
  const Volume all = read_all(feed);
  for (int c = 0; c < 3; ++c)
    for (std::int64_t i = 0; i < field.grid().voxel_count(); ++i) {
      const float want = field.component_mm(c)[i], got = all.channel<float>(c)[i];
      ASSERT_TRUE(want == got || (std::isnan(want) && std::isnan(got)));
    }
  const Box box{{2, 3, 1}, {5, 4, 3}};
  Volume part(Grid{box.size, {}}, ScalarType::f32, 3);
  feed.read(box, part.data());
  for (int c = 0; c < 3; ++c) {
    const Size3& n = field.grid().size;
    EXPECT_EQ(part.channel<float>(c)[(1 * 4 + 2) * 5 + 3],
              field.component_mm(c)[((1 + 1) * n[1] + 3 + 2) * n[0] + 2 + 3]);
  }
}

TEST(Displacement, ownCompressedFilesAreReadByPlanes) {
  const Folder folder;
  DisplacementField field(test::oblique_grid({90, 80, 70}));  // several members of a mebibyte
  for (int c = 0; c < 3; ++c)
    for (std::int64_t i = 0; i < field.grid().voxel_count(); ++i)
      field.component_mm(c)[i] = std::sin(0.001F * static_cast<float>(i + 7 * c));
  field.component_mm(2)[1234] = std::numeric_limits<float>::quiet_NaN();
  io::write_displacement(field, folder.path() / "own.nii.gz");
  const auto feed = io::open_displacement(folder.path() / "own.nii.gz");
  ASSERT_NE(feed, nullptr);
  const Transform whole = io::read_transform(folder.path() / "own.nii.gz");
  expect_same_field(*feed, std::get<DisplacementField>(whole.stages.front()));
}

TEST(Displacement, aDamagedMemberOfAnOwnFileIsNamed) {
  const Folder folder;
  const fs::path path = folder.path() / "damaged.nii.gz";
  DisplacementField field(test::oblique_grid({90, 80, 70}));
  for (std::int64_t i = 0; i < field.grid().voxel_count(); ++i)
    field.component_mm(1)[i] = std::sin(0.001F * static_cast<float>(i));
  io::write_displacement(field, path);
  {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(fs::file_size(path) / 2));
    file.write("damage", 6);
  }
  const auto feed = io::open_displacement(path);
  ASSERT_NE(feed, nullptr);
  try {
    read_all(*feed);
    FAIL() << "the damage went unseen";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_input);
    EXPECT_NE(std::string(error.what()).find("damaged.nii.gz"), std::string::npos);
  }
}

TEST(Displacement, compressedFilesOfOthersAreReadByPlanesOnceImported) {
  const Folder folder;
  const fs::path plain = folder.path() / "plain.nii", path = folder.path() / "other.nii.gz";
  DisplacementField field = some_field();
  field.component_mm(0)[100] = 1e9F;  // "outside"
  io::write_displacement(field, plain);
  ASSERT_EQ(std::system(("gzip -c '" + plain.string() + "' > '" + path.string() + "'").c_str()), 0);
  EXPECT_EQ(io::open_displacement(path), nullptr);
  ASSERT_TRUE(io::can_import_displacement(path));
  ::setenv("GIGAWARP_CACHE", (folder.path() / "cache").c_str(), 1);
  const auto feed = io::import_displacement(path);
  ::unsetenv("GIGAWARP_CACHE");
  ASSERT_NE(feed, nullptr);
  const Transform whole = io::read_transform(path);
  expect_same_field(*feed, std::get<DisplacementField>(whole.stages.front()));
}

}  // namespace
}  // namespace gigawarp
