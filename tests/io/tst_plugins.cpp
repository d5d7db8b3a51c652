// What plugins say is checked, what they break is told in words, and no plugin ends the session.
// Whole libraries, built outside the tree: tests/cli/tst_plugins.py.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <thread>

#include "io/chunk_codecs.h"
#include "io/format_list.h"
#include "io/io_fixtures.h"
#include "io/plugin_host.h"
#include "io/plugin_source.h"

namespace gigawarp {
namespace {

/// What the plugin of these tests says next.
struct Says {
  std::int32_t open = GIGAWARP_OK, describe = GIGAWARP_OK, read = GIGAWARP_OK;
  const char* error = "";
  std::int32_t timepoints = 1;
  bool throws = false;
  std::vector<GigawarpLevel> levels;
  GigawarpDescription description{};
  std::int64_t value = 0;                 ///< of voxels of 64 bits
  std::atomic<int>* strangers = nullptr;  ///< counts work of a loop on threads of the pool
};
Says says;
std::atomic<int> open_volumes{0}, inside{0}, most_inside{0};

GigawarpLevel level(std::int64_t n, double spacing) {
  GigawarpLevel out{};
  for (std::size_t a = 0; a < 3; ++a) {
    out.size[a] = n;
    out.brick[a] = 4;
    out.world_from_voxel[a][a] = spacing;
    out.world_from_voxel[a][3] = 10.0 * static_cast<double>(a + 1) + (spacing - 1) / 2;
  }
  return out;
}

std::int32_t told(std::int32_t code, GigawarpError* error) {
  if (says.throws) throw std::runtime_error("a plugin must not");
  std::snprintf(error->text, sizeof error->text, "%s", says.error);
  return code;
}

std::int32_t fake_open(const char*, GigawarpVolume** volume, std::int32_t* timepoints,
                       GigawarpError* error) {
  const std::int32_t code = told(says.open, error);
  if (code != GIGAWARP_OK) return code;
  ++open_volumes;
  *volume = reinterpret_cast<GigawarpVolume*>(&says);
  *timepoints = says.timepoints;
  return code;
}

std::int32_t fake_describe(GigawarpVolume*, std::int32_t, GigawarpDescription* out,
                           GigawarpError* error) {
  EXPECT_EQ(out->struct_bytes, sizeof *out);
  *out = says.description;
  if (out->levels == nullptr) out->levels = says.levels.data();
  return told(says.describe, error);
}

/// Voxels of u16 tell their place; of 64 bits they are one value.
std::int32_t fake_read(GigawarpVolume*, const GigawarpBox* box, void* out, std::uint64_t bytes,
                       GigawarpError* error) {
  if (++inside > 1) most_inside = 2;
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
  --inside;
  if (says.strangers != nullptr) {
    struct Loop {
      std::thread::id own = std::this_thread::get_id();
      std::atomic<int>* strangers = says.strangers;
    } loop;
    io::plugin_host().parallel_for(
        64,
        [](void* context, std::int64_t) {
          const auto* in = static_cast<const Loop*>(context);
          if (std::this_thread::get_id() != in->own) ++*in->strangers;
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        },
        &loop);
  }
  const std::int64_t n = box->size[0] * box->size[1] * box->size[2];
  if (says.description.type >= GIGAWARP_U64) {
    EXPECT_EQ(bytes, static_cast<std::uint64_t>(8 * n));
    for (std::int64_t i = 0; i < n; ++i) static_cast<std::int64_t*>(out)[i] = says.value;
  } else {
    EXPECT_EQ(bytes, static_cast<std::uint64_t>(2 * n));
    for (std::int64_t i = 0; i < n; ++i)
      static_cast<std::uint16_t*>(out)[i] = static_cast<std::uint16_t>(
          box->begin[0] + i % box->size[0] + 1000 * box->channel + 10000 * box->level);
  }
  return told(says.read, error);
}

std::int32_t fake_probe(const GigawarpFile*) { return GIGAWARP_CONTENT; }
void fake_close(GigawarpVolume*) { --open_volumes; }

class PluginFormats : public testing::Test {
 protected:
  void SetUp() override {
    says = {};
    says.levels = {level(12, 1), level(6, 2)};
    says.description.struct_bytes = sizeof(GigawarpDescription);
    says.description.format = "Fake";
    says.description.type = GIGAWARP_U16;
    says.description.channels = 2;
    says.description.level_count = 2;
    says.description.unit = "mm";
    format_.name = "fake";
    format_.plugin = "fakes";
    format_.calls = {sizeof(GigawarpFormat),
                     "fake",
                     "Fake",
                     nullptr,
                     GIGAWARP_FILES,
                     fake_probe,
                     fake_open,
                     fake_describe,
                     fake_read,
                     fake_close};
    open_volumes = most_inside = 0;
  }
  void TearDown() override { EXPECT_EQ(open_volumes, 0) << "every volume is closed"; }

  std::unique_ptr<io::BrickSource> open(const io::ReadOptions& options = {}) {
    return io::open_plugin(format_, "a.fake", options);
  }
  /// The sentence of the refusal, which names the file.
  std::string refusal(ErrorCode code = ErrorCode::bad_input, const io::ReadOptions& options = {}) {
    const std::string sentence = test::sentence_of(code, [&] { open(options); });
    EXPECT_NE(sentence.find("a.fake"), std::string::npos) << sentence;
    EXPECT_TRUE(sentence.ends_with('.')) << sentence;
    return sentence;
  }
  void expect_nonsense(const std::string& words) {
    const std::string sentence = refusal();
    EXPECT_NE(sentence.find(words), std::string::npos) << sentence;
    EXPECT_NE(sentence.find("\"fakes\""), std::string::npos) << sentence;
    SetUp();
  }

  io::PluginFormat format_;
};

TEST_F(PluginFormats, areReadBoxByBoxAtEveryLevelAndChannel) {
  const auto source = open();
  EXPECT_EQ(source->info().channels, 2);
  EXPECT_EQ(source->info().levels.size(), 2U);
  EXPECT_EQ(source->info().format, "Fake");
  std::vector<std::uint16_t> out(2 * 3 * 4);
  source->read(1, 1, {{3, 0, 2}, {2, 3, 4}}, reinterpret_cast<std::byte*>(out.data()));
  EXPECT_EQ(out[0], 11003);
  EXPECT_EQ(out[1], 11004);
  EXPECT_THROW(source->read(1, 1, {{5, 0, 0}, {2, 1, 1}}, reinterpret_cast<std::byte*>(out.data())),
               Error);
  io::ReadOptions one;
  one.selection.channel = 1;
  const auto chosen = open(one);
  EXPECT_EQ(chosen->info().channels, 1);
  chosen->read(0, 0, {{0, 0, 0}, {1, 1, 1}}, reinterpret_cast<std::byte*>(out.data()));
  EXPECT_EQ(out[0], 1000);
}

TEST_F(PluginFormats, thatSayNonsenseAreRefusedInWords) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  const auto broken = [&](auto change, const std::string& words) {
    change();
    expect_nonsense(words);
  };
  broken([] { says.levels[0].size[1] = -3; }, "-3 voxels along y");
  broken([] { says.levels[0].size[2] = 0; }, "0 voxels along z");
  broken([] { says.levels[0].size[0] = std::int64_t{1} << 50; }, "voxels along x");
  broken([] { says.levels[0] = level(std::int64_t{1} << 39, 1); }, "more voxels than any disk");
  broken([] { says.levels[1].brick[0] = 0; }, "bricks of 0 voxels along x");
  broken([&] { says.levels[1].world_from_voxel[2][2] = kNan; }, "no number");
  broken([&] { says.levels[0].world_from_voxel[0][3] = -1 / 0.0; }, "no number");
  broken([] { says.levels[0].world_from_voxel[1][1] = 0; }, "without an extent");
  broken([] { std::swap(says.levels[0], says.levels[1]); }, "larger than the one before");
  broken([] { says.description.level_count = 100000; }, "100000 levels");
  broken([] { says.description.level_count = 0; }, "0 levels");
  broken([] { says.description.level_count = -1; }, "-1 levels");
  broken([] { says.description.channels = 0; }, "0 channels");
  broken([] { says.description.channels = 1 << 20; }, "1048576 channels");
  broken([] { says.description.type = 10; }, "type 10");
  broken([] { says.description.type = -1; }, "type -1");
  broken([] { says.description.note_count = 3; }, "3 notes");
  broken([] { says.timepoints = 0; }, "0 time points");
}

TEST_F(PluginFormats, thatFailAreNamedWithWhatTheySay) {
  says.open = GIGAWARP_BAD_INPUT;
  says.error = "The file \"a.fake\" is torn.";
  EXPECT_EQ(refusal(), "The file \"a.fake\" is torn (told by the plugin \"fakes\").");
  says.error = "";
  EXPECT_NE(refusal().find("does not say why"), std::string::npos);
  says.open = 77;
  EXPECT_NE(refusal().find("does not say why"), std::string::npos);
  says.open = GIGAWARP_NO_MEMORY;
  refusal(ErrorCode::does_not_fit);
  says.open = GIGAWARP_OK;
  says.describe = GIGAWARP_BAD_INPUT;
  says.error = "The file \"a.fake\"\n\x01 has \xFF\xC3 no header";
  EXPECT_EQ(refusal(), "The file \"a.fake\"   has ?? no header (told by the plugin \"fakes\").");
  says.throws = true;
  refusal();
}

TEST_F(PluginFormats, remainUsableAfterADamagedPart) {
  const auto source = open();
  std::vector<std::byte> out(2);
  says.read = GIGAWARP_BAD_INPUT;
  says.error = "The file \"a.fake\" is torn.";
  EXPECT_NE(test::sentence_of(ErrorCode::bad_input,
                              [&] {
                                source->read(0, 0, {{0, 0, 0}, {1, 1, 1}}, out.data());
                              })
                .find("torn"),
            std::string::npos);
  says.throws = true;
  EXPECT_THROW(source->read(0, 0, {{0, 0, 0}, {1, 1, 1}}, out.data()), Error);
  says.throws = false;
  says.read = GIGAWARP_OK;
  EXPECT_NO_THROW(source->read(0, 0, {{0, 0, 0}, {1, 1, 1}}, out.data()));
}

TEST_F(PluginFormats, thatTakeOneCallAtATimeGetOneAtATime) {
  for (const bool serial : {false, true}) {
    format_.turn = serial ? std::make_shared<std::mutex>() : nullptr;
    most_inside = 0;
    {
      const auto source = open();
      std::vector<std::jthread> threads;
      for (int t = 0; t < 8; ++t)
        threads.emplace_back([&] {
          std::vector<std::byte> out(2);
          for (int i = 0; i < 5; ++i) source->read(0, 0, {{0, 0, 0}, {1, 1, 1}}, out.data());
        });
    }
    EXPECT_EQ(most_inside, serial ? 0 : 2);
  }
}

TEST_F(PluginFormats, thatTakeOneCallAtATimeLoopOnTheirOwnThread) {
  std::atomic<int> strangers{0};
  says.strangers = &strangers;
  for (const bool serial : {false, true}) {
    format_.turn = serial ? std::make_shared<std::mutex>() : nullptr;
    strangers = 0;
    const auto source = open();
    std::vector<std::byte> out(2);
    source->read(0, 0, {{0, 0, 0}, {1, 1, 1}}, out.data());
    if (serial || std::thread::hardware_concurrency() < 2) {
      EXPECT_EQ(strangers, 0);
    } else {
      EXPECT_GT(strangers, 0);
    }
  }
}

TEST_F(PluginFormats, keepLengthsInAnyUnitOrAskForThem) {
  says.description.unit = "micrometer";
  EXPECT_NEAR(open()->info().levels[1].grid.spacing_mm()[0], 0.002, 1e-12);
  EXPECT_NEAR(open()->info().levels[0].grid.origin_mm()[1], 0.02, 1e-12);
  says.description.unit = "pixel";
  EXPECT_NE(refusal().find("unknown unit (pixel); pass --spacing"), std::string::npos);
  says.description.unit = "";
  EXPECT_NE(refusal().find("does not state the unit"), std::string::npos);
  says.description.unit = nullptr;
  EXPECT_NE(refusal().find("does not say its voxel size; pass --spacing"), std::string::npos);
  io::ReadOptions given;
  given.spacing_mm = Vec3{2, 4, 8};
  const auto scaled = open(given);  // the origin goes with the spacing
  EXPECT_EQ(scaled->info().levels[0].grid.spacing_mm(), (Vec3{2, 4, 8}));
  EXPECT_EQ(scaled->info().levels[0].grid.origin_mm(), (Vec3{20, 80, 240}));
  EXPECT_EQ(scaled->info().levels[1].grid.spacing_mm(), (Vec3{4, 8, 16}));
  EXPECT_EQ(scaled->info().levels[1].grid.origin_mm(), (Vec3{21, 82, 244}));
  says.description.unit = "mm";  // the origin is known and stays
  EXPECT_EQ(open(given)->info().levels[0].grid.origin_mm(), (Vec3{10, 20, 30}));
}

TEST_F(PluginFormats, areAskedForTimePointsAndChannelsThatTheyHave) {
  says.timepoints = 3;
  EXPECT_NE(refusal().find("holds 3 time points; choose one with --timepoint"), std::string::npos);
  io::ReadOptions options;
  options.selection.timepoint = 3;
  refusal(ErrorCode::usage, options);
  options.selection.timepoint = 2;
  EXPECT_NO_THROW(open(options));
  options.selection.channel = 2;
  refusal(ErrorCode::usage, options);
}

TEST_F(PluginFormats, of64BitsAreReadWhereTheyFitIn32) {
  says.description.type = GIGAWARP_I64;
  says.value = -5;
  std::int32_t out = 0;
  const auto read = [&] {
    open()->read(0, 0, {{0, 0, 0}, {1, 1, 1}}, reinterpret_cast<std::byte*>(&out));
  };
  EXPECT_EQ(open()->info().type, ScalarType::i32);
  read();
  EXPECT_EQ(out, -5);
  says.value = std::int64_t{1} << 31;
  EXPECT_NE(test::sentence_of(ErrorCode::bad_input, read).find("do not fit in 32 bits"),
            std::string::npos);
  says.description.type = GIGAWARP_U64;
  EXPECT_EQ(open()->info().type, ScalarType::u32);
  read();
  EXPECT_EQ(static_cast<std::uint32_t>(out), 1U << 31);
}

TEST(PluginHost, expandsEveryCodecAndSaysWhatIsDamaged) {
  const std::vector<std::byte> voxels(5000, std::byte{7});
  io::ByteCodec codec;
  codec.kind = io::CodecKind::gzip;
  std::vector<std::byte> storage;
  const auto packed = io::encode_chunk({codec}, voxels, storage);
  const GigawarpHost& host = io::plugin_host();
  std::vector<std::byte> out(voxels.size());
  GigawarpError error{};
  EXPECT_EQ(host.expand("gzip", packed.data(), packed.size(), out.data(), out.size(), &error),
            GIGAWARP_OK);
  EXPECT_EQ(out, voxels);
  EXPECT_EQ(host.expand("gzip", packed.data(), packed.size() / 2, out.data(), out.size(), &error),
            GIGAWARP_BAD_INPUT);
  EXPECT_NE(std::string(error.text).find("damaged"), std::string::npos);
  EXPECT_EQ(host.expand("rar", packed.data(), packed.size(), out.data(), out.size(), nullptr),
            GIGAWARP_FAILED);
  std::atomic<int> calls{0};
  host.parallel_for(
      100, [](void* context, std::int64_t) { ++*static_cast<std::atomic<int>*>(context); }, &calls);
  EXPECT_EQ(calls, 100);
}

TEST(Plugins, thatAreNoneAreSkippedWithTheReason) {
  const test::Folder folder;
  std::ofstream(folder / "text.so") << "no library";
  std::ofstream(folder / "empty.so");
  std::ofstream(folder / "notes.txt") << "ignored";
  const io::PluginList list = io::load_plugins({folder / ".", folder / "absent"});
  EXPECT_TRUE(list.loaded.empty());
  ASSERT_EQ(list.skipped.size(), 2U);  // a folder that was not wished for may be absent
  for (const io::SkippedPlugin& plugin : list.skipped) {
    EXPECT_NE(plugin.reason.find(plugin.file.string()), std::string::npos) << plugin.reason;
    EXPECT_NE(plugin.reason.find("no shared library"), std::string::npos) << plugin.reason;
    EXPECT_TRUE(plugin.reason.ends_with('.')) << plugin.reason;
  }
}

TEST(Plugins, ofTheBuildAreListedAmongTheFormats) {
  const io::PluginList& list = io::plugins();
  for (const io::SkippedPlugin& plugin : list.skipped) ADD_FAILURE() << plugin.reason;
  ASSERT_GE(list.loaded.size(), 2U);
  EXPECT_EQ(&list, io::plugins_in_use());
  for (const io::FormatInfo& format : io::known_formats()) {
    EXPECT_NE(io::readable_formats().find(format.name), std::string::npos);
    for (const std::string& ending : format.endings)
      EXPECT_TRUE(!format.plugin.empty() || io::has_builtin_ending("a" + ending)) << ending;
  }
}

}  // namespace
}  // namespace gigawarp
