#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>

#include "gigawarp/error.h"
#include "job/checkpoint_files.h"
#include "job/checksum.h"
#include "support/temporary_folder.h"

namespace gigawarp::job {
namespace {

namespace fs = std::filesystem;
using test::TemporaryFolder;

const RunIdentity kIdentity{"job", {{"fixed[0]", "aa"}, {"moving[0]", "bb"}}};

CheckpointFiles store(const fs::path& folder, RunIdentity identity = kIdentity,
                      double interval_s = 1000, RunSwitch* control = nullptr) {
  return {folder, [identity] { return identity; }, control,
          std::chrono::duration<double>(interval_s)};
}

solve::Position position(int iteration) {
  solve::Position p;
  p.stage = 2;
  p.level = 1;
  p.iteration = iteration;
  p.numbers["affine"] = {1.0 / 3.0, -0.0, 1e-310, std::numeric_limits<double>::infinity(),
                         std::nextafter(1.0, 2.0)};
  p.numbers["empty"] = {};
  return p;
}

std::vector<std::byte> bytes_of(std::size_t size, int seed) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<std::byte>((i * 31 + static_cast<std::size_t>(seed)) & 255);
  return bytes;
}

void save(CheckpointFiles& files, int iteration, const std::vector<std::byte>& array) {
  const std::vector<solve::ArrayRef> arrays{
      {"u", array.size(), [&](std::size_t begin, std::size_t count, std::byte* out) {
         std::copy_n(array.data() + begin, count, out);
       }}};
  files.save(position(iteration), arrays);
}

/// Array "u", or another.
void load(CheckpointFiles& files, std::vector<std::byte>& out, const std::string& name = "u") {
  files.load(name, out.size(), [&](std::size_t begin, std::size_t count, const std::byte* data) {
    std::copy_n(data, count, out.data() + begin);
  });
}

ErrorCode code_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::internal;
}

TEST(CheckpointFiles, NumbersAndArraysComeBackExactly) {
  const TemporaryFolder folder;
  const std::vector<std::byte> array = bytes_of(solve::kArrayPiece + 1'000'001, 5);
  CheckpointFiles writer = store(folder.path() / "c");
  save(writer, 17, array);
  CheckpointFiles reader = store(folder.path() / "c");
  reader.open();
  const solve::Position read = reader.position().value();
  EXPECT_EQ(read.stage, 2);
  EXPECT_EQ(read.level, 1);
  EXPECT_EQ(read.iteration, 17);
  const auto wanted = position(17).numbers.at("affine");
  const auto got = read.numbers.at("affine");
  ASSERT_EQ(got.size(), wanted.size());
  EXPECT_EQ(std::memcmp(got.data(), wanted.data(), got.size() * sizeof(double)), 0);
  EXPECT_TRUE(read.numbers.contains("empty"));
  std::vector<std::byte> loaded(array.size());
  load(reader, loaded);
  EXPECT_EQ(loaded, array);
}

TEST(CheckpointFiles, ASaveReplacesTheOneBeforeAndLeavesNoOldArrays) {
  const TemporaryFolder folder;
  CheckpointFiles writer = store(folder.path());
  save(writer, 1, bytes_of(1000, 1));
  save(writer, 2, bytes_of(1000, 2));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 2);
  CheckpointFiles reader = store(folder.path());
  reader.open();
  EXPECT_EQ(reader.position()->iteration, 2);
  std::vector<std::byte> loaded(1000);
  load(reader, loaded);
  EXPECT_EQ(loaded, bytes_of(1000, 2));
}

TEST(CheckpointFiles, AKillBeforeTheHeaderIsRenamedKeepsTheOldCheckpoint) {
  const TemporaryFolder folder;
  CheckpointFiles writer = store(folder.path());
  save(writer, 1, bytes_of(1000, 1));
  std::ofstream(folder.path() / "u.2.bin") << "half an array";
  std::ofstream(folder.path() / "header.json.part") << "half a header";
  CheckpointFiles reader = store(folder.path());
  reader.open();
  EXPECT_EQ(reader.position()->iteration, 1);
  save(reader, 3, bytes_of(10, 3));
  EXPECT_FALSE(fs::exists(folder.path() / "header.json.part"));
}

TEST(CheckpointFiles, DamageIsFound) {
  const TemporaryFolder folder;
  CheckpointFiles writer = store(folder.path());
  save(writer, 1, bytes_of(1000, 1));
  CheckpointFiles reader = store(folder.path());
  reader.open();
  std::vector<std::byte> loaded(1000), longer(1001);
  EXPECT_EQ(code_of([&] { load(reader, longer); }), ErrorCode::bad_input);
  EXPECT_EQ(code_of([&] { load(reader, loaded, "v"); }), ErrorCode::bad_input);
  {
    std::fstream array(folder.path() / "u.1.bin", std::ios::in | std::ios::out | std::ios::binary);
    array.seekp(500).put('x');
  }
  EXPECT_EQ(code_of([&] { load(reader, loaded); }), ErrorCode::bad_input);
  fs::resize_file(folder.path() / "u.1.bin", 999);
  EXPECT_EQ(code_of([&] { load(reader, loaded); }), ErrorCode::bad_input);
  fs::resize_file(folder.path() / "header.json", 100);
  CheckpointFiles again = store(folder.path());
  EXPECT_EQ(code_of([&] { again.open(); }), ErrorCode::bad_input);
}

TEST(CheckpointFiles, ArraysOfSeveralPiecesComeBackAndTheirDamageIsFound) {
  const TemporaryFolder folder;
  constexpr std::size_t kBytes = 2 * solve::kArrayPiece + 12345;
  CheckpointFiles writer = store(folder.path());
  save(writer, 1, bytes_of(kBytes, 7));
  CheckpointFiles reader = store(folder.path());
  reader.open();
  std::vector<std::byte> loaded(kBytes);
  load(reader, loaded);
  EXPECT_TRUE(loaded == bytes_of(kBytes, 7));
  for (const std::size_t place : {std::size_t{0}, solve::kArrayPiece + 5, kBytes - 1}) {
    std::fstream array(folder.path() / "u.1.bin", std::ios::in | std::ios::out | std::ios::binary);
    const auto at = static_cast<std::streamoff>(place);
    array.seekg(at);
    const auto before = static_cast<char>(array.get());
    array.seekp(at).put(static_cast<char>(before ^ 4));
    array.flush();
    EXPECT_EQ(code_of([&] { load(reader, loaded); }), ErrorCode::bad_input);
    array.seekp(at).put(before);
  }
  load(reader, loaded);
}

TEST(CheckpointFiles, EveryFlippedBitOfTheHeaderIsFound) {
  const TemporaryFolder folder;
  CheckpointFiles writer = store(folder.path());
  save(writer, 1, bytes_of(10, 1));
  std::string header;
  std::getline(std::ifstream(folder.path() / "header.json"), header);
  for (std::size_t i = 0; i < header.size(); i += 7) {
    std::string damaged = header;
    damaged[i] = static_cast<char>(damaged[i] ^ 2);
    std::ofstream(folder.path() / "header.json") << damaged;
    CheckpointFiles reader = store(folder.path());
    EXPECT_EQ(code_of([&] { reader.open(); }), ErrorCode::bad_input) << "byte " << i;
  }
}

TEST(CheckpointFiles, AnotherJobOrOtherInputsAreRefused) {
  const TemporaryFolder folder;
  CheckpointFiles writer = store(folder.path());
  save(writer, 1, bytes_of(10, 1));
  CheckpointFiles other_job = store(folder.path(), {"another", kIdentity.inputs});
  EXPECT_EQ(code_of([&] { other_job.open(); }), ErrorCode::usage);
  CheckpointFiles other_input = store(folder.path(), {"job", {{"fixed[0]", "aa"}}});
  EXPECT_EQ(code_of([&] { other_input.open(); }), ErrorCode::usage);
}

TEST(CheckpointFiles, OneIsDueAfterTheIntervalOrOnRequest) {
  const TemporaryFolder folder;
  EXPECT_TRUE(store(folder.path(), kIdentity, 0).due());
  RunSwitch control;
  CheckpointFiles patient = store(folder.path(), kIdentity, 1000, &control);
  EXPECT_FALSE(patient.due());
  control.request_checkpoint();
  EXPECT_TRUE(patient.due());
  EXPECT_FALSE(patient.due());
}

TEST(CheckpointFiles, DiscardLeavesNothing) {
  const TemporaryFolder folder;
  CheckpointFiles writer = store(folder.path() / "c");
  save(writer, 1, bytes_of(10, 1));
  EXPECT_TRUE(CheckpointFiles::exists(folder.path() / "c"));
  writer.discard();
  EXPECT_FALSE(fs::exists(folder.path() / "c"));
}

TEST(CheckpointFiles, AFolderThatCannotBeMadeIsNotWritten) {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "file") << "in the way";
  CheckpointFiles writer = store(folder.path() / "file" / "c");
  EXPECT_EQ(code_of([&] { save(writer, 1, bytes_of(10, 1)); }), ErrorCode::output_not_written);
}

TEST(Checksum, OfAFolderSaysWhatItsFilesHoldAndHowTheyAreCalled) {
  const TemporaryFolder folder;
  fs::create_directories(folder.path() / "image" / "0");
  const auto put = [&](const char* name, const char* text) {
    std::ofstream(folder.path() / "image" / name) << text;
  };
  put("a", "one");
  put("0/b", "two");
  const std::string sum = sha256_of_file(folder.path() / "image");
  EXPECT_EQ(sha256_of_file(folder.path() / "image"), sum);
  put("a", "onf");
  EXPECT_NE(sha256_of_file(folder.path() / "image"), sum);
  put("a", "one");
  EXPECT_EQ(sha256_of_file(folder.path() / "image"), sum);
  fs::rename(folder.path() / "image" / "a", folder.path() / "image" / "c");
  EXPECT_NE(sha256_of_file(folder.path() / "image"), sum);
}

TEST(Checksum, MatchesThePublishedVectors) {
  // FIPS 180-2, appendix B.
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "million") << std::string(1'000'000, 'a');
  EXPECT_EQ(sha256_of_file(folder.path() / "million"),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_EQ(code_of([&] { sha256_of_file(folder.path() / "none"); }), ErrorCode::bad_input);
}

}  // namespace
}  // namespace gigawarp::job
