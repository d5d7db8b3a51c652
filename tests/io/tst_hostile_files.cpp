// Damaged files are read or refused in one sentence: no crash, no hang, no absurd allocation.
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>

#include "base/parallel.h"
#include "io/image_io.h"
#include "io/io_fixtures.h"
#include "io/label_names.h"
#include "io/landmarks_io.h"
#include "io/transform_io.h"
#include "support/test_data.h"

namespace gigawarp {
namespace {

namespace fs = std::filesystem;
using test::Folder;

constexpr double kLimitSeconds = 5;
constexpr std::uint64_t kLimitBytes = 2ULL << 30;

std::string bytes_of(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

void write_bytes(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// Half of the mutations cut the file, the others flip one to eight bits, mostly in the header.
std::string mutated(const std::string& original, std::mt19937& random) {
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  std::string out = original;
  if (random() % 3 == 0) {
    out.resize(below(original.size()));
    return out;
  }
  const std::size_t flips = 1 + below(8);
  const std::size_t header = std::min<std::size_t>(original.size(), 400);
  for (std::size_t i = 0; i < flips; ++i) {
    const std::size_t at = random() % 4 != 0 ? below(header) : below(original.size());
    out[at] = static_cast<char>(out[at] ^ (1 << random() % 8));
  }
  return out;
}

/// Runs `read` on `count` mutations of a file.
void torture(const fs::path& original, const fs::path& victim, int count,
             const std::function<void(const fs::path&)>& read) {
  const std::string bytes = bytes_of(original);
  ASSERT_FALSE(bytes.empty()) << original;
  ASSERT_NO_THROW(read(original));
  std::mt19937 random(20261121);
  int refused = 0;
  for (int i = 0; i < count; ++i) {
    write_bytes(victim, mutated(bytes, random));
    const auto start = std::chrono::steady_clock::now();
    try {
      read(victim);
    } catch (const Error& error) {
      ++refused;
      EXPECT_TRUE(error.code() == ErrorCode::bad_input || error.code() == ErrorCode::does_not_fit)
          << error.what();
      EXPECT_NE(std::string(error.what()).find(victim.filename().string()), std::string::npos)
          << error.what();
    } catch (const std::exception& error) {
      ADD_FAILURE() << "mutation " << i << " of " << original << ": " << error.what();
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    EXPECT_LT(seconds.count(), kLimitSeconds) << "mutation " << i << " of " << original;
  }
  EXPECT_GT(refused, count / 10) << "damage of " << original << " goes unnoticed";
  EXPECT_LT(peak_resident_bytes(), kLimitBytes);
}

void read_image(const fs::path& path) { io::read_image(path); }
void read_transform(const fs::path& path) { io::read_transform(path); }
void read_landmarks(const fs::path& path) { io::read_landmarks(path); }

class DamagedImage : public testing::TestWithParam<const char*> {};

TEST_P(DamagedImage, isReadOrRefused) {
  const Folder folder;
  const std::string extension = GetParam();
  const fs::path original = folder / ("original" + extension);
  io::write_image(test::textured(test::oblique_grid({9, 8, 7}), ScalarType::u16), original);
  torture(original, folder / ("victim" + extension), 200, read_image);
}

INSTANTIATE_TEST_SUITE_P(ofEveryFormat, DamagedImage,
                         testing::Values(".nii", ".nii.gz", ".nrrd", ".mha", ".tif"));

TEST(DamagedFile, ofHdf5IsReadOrRefused) {
  const Folder folder;
  io::write_image(test::textured(test::oblique_grid({9, 8, 7}), ScalarType::u16), folder / "a.h5");
  torture(folder / "a.h5", folder / "victim.h5", 200, read_image);
}

TEST(DamagedFile, ofMincIsReadOrRefused) {
  const Folder folder;
  io::write_image(test::textured(test::oblique_grid({9, 8, 7}), ScalarType::u16), folder / "a.mnc");
  torture(folder / "a.mnc", folder / "victim.mnc", 100, read_image);
}

TEST(DamagedFile, ofAnAffineIsReadOrRefused) {
  const Folder folder;
  Affine affine;
  affine.offset = {1, -2, 3};
  for (const char* name : {"a.mat", "a.tfm"}) {
    io::write_affine(affine, folder / name);
    torture(folder / name, folder / (std::string("victim") + fs::path(name).extension().string()),
            200, read_transform);
  }
}

TEST(DamagedFile, ofAFieldOrACompositeIsReadOrRefused) {
  const Folder folder;
  const DisplacementField field(test::oblique_grid({6, 5, 4}));
  io::write_displacement(field, folder / "a.nii.gz");
  torture(folder / "a.nii.gz", folder / "victim.nii.gz", 150, read_transform);
  Transform transform;
  transform.stages.emplace_back(DisplacementField(test::oblique_grid({6, 5, 4})));
  transform.stages.emplace_back(Affine{});
  io::write_composite(transform, folder / "a.h5");
  torture(folder / "a.h5", folder / "victim.h5", 150, read_transform);
}

TEST(DamagedFile, ofNamesOfLabelsIsReadOrRefused) {
  const Folder folder;
  const std::pair<const char*, const char*> tables[] = {
      {"a.txt", "0 Unknown 0 0 0 0\n17 Left-Hippocampus 220 216 20 0\n"},
      {"a.label", "0 0 0 0 0 0 0 \"Clear Label\"\n17 220 216 20 1 1 1 \"Left hippocampus\"\n"},
      {"a.csv", "index,name,r,g,b\n4,Ventricle,1,2,3\n"},
      {"a.tsv", "index\tname\tcolor\n1\tGray Matter\t#ff53bb\n"}};
  for (const auto& [name, text] : tables) {
    write_bytes(folder / name, text);
    torture(folder / name, folder / ("victim-" + std::string(name)), 300,
            [](const fs::path& path) { io::read_label_names(path); });
  }
}

TEST(DamagedFile, ofLandmarksIsReadOrRefused) {
  const Folder folder;
  const std::vector<io::Landmark> landmarks{{"AC", {1, 2, 3}}, {"PC", {-4.5, 6, 7}}};
  for (const char* name : {"a.fcsv", "a.csv", "a.mrk.json"}) {
    io::write_landmarks(landmarks, folder / name);
    torture(folder / name, folder / ("victim-" + std::string(name)), 100, read_landmarks);
  }
}

TEST(DamagedFile, ofARealOneIsReadOrRefused) {
  const auto data = test::test_data();
  if (!data) GTEST_SKIP() << "set GIGAWARP_TEST_DATA";
  const Folder folder;
  torture(*data / "formats/minc2_1_scale.mnc", folder / "victim.mnc", 60, read_image);
  torture(*data / "formats/adi_slice.nrrd", folder / "victim.nrrd", 60, read_image);
  torture(*data / "formats/mri-stack-calibrated.tif", folder / "victim.tif", 30, read_image);
  torture(*data / "transforms/nitransforms/affine-antsComposite.h5", folder / "victim.h5", 60,
          read_transform);
  torture(*data / "transforms/ants_affine_mat/reg0GenericAffine.mat", folder / "victim.mat", 100,
          read_transform);
}

TEST(GzipDamage, neverPassesUnnoticed) {
  const Folder folder;
  io::write_image(test::textured(test::oblique_grid({9, 8, 7}), ScalarType::u16),
                  folder / "a.nii.gz");
  const std::string bytes = bytes_of(folder / "a.nii.gz");
  const Volume original = io::read_image(folder / "a.nii.gz");
  for (std::size_t keep = 1; keep < bytes.size(); keep += 7) {
    write_bytes(folder / "b.nii.gz", bytes.substr(0, keep));
    EXPECT_THROW(io::read_image(folder / "b.nii.gz"), Error) << keep << " of " << bytes.size();
  }
  std::mt19937 random(7);
  int refused = 0;
  for (int i = 0; i < 200; ++i) {
    std::string flipped = bytes;
    const std::size_t at = random() % bytes.size();
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << random() % 8));
    write_bytes(folder / "b.nii.gz", flipped);
    try {  // a flip in a time stamp does no harm; one in the voxels must not go through
      EXPECT_TRUE(test::same_voxels(io::read_image(folder / "b.nii.gz"), original))
          << "byte " << at;
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 150);
}

TEST(HeaderLie, isRefusedBeforeAllocating) {
  const Folder folder;
  io::write_image(test::textured(test::oblique_grid({9, 8, 7}), ScalarType::u16), folder / "a.nii");
  std::string bytes = bytes_of(folder / "a.nii");
  for (const std::size_t at : {42U, 44U, 46U}) bytes[at] = bytes[at + 1] = 0x7f;
  write_bytes(folder / "b.nii", bytes);
  const std::string sentence =
      test::sentence_of(ErrorCode::bad_input, [&] { io::read_image(folder / "b.nii"); });
  EXPECT_NE(sentence.find("promises more voxels"), std::string::npos) << sentence;
  EXPECT_LT(peak_resident_bytes(), kLimitBytes);
}

}  // namespace
}  // namespace gigawarp
