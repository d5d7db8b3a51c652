// Bricks, their cache, the codecs of chunks and the making of coarser levels.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <fstream>
#include <future>
#include <limits>
#include <mutex>
#include <random>
#include <thread>

#include "io/brick_cache.h"
#include "io/chunk_codecs.h"
#include "io/downsample.h"
#include "io/io_fixtures.h"
#include "io/row_copy.h"
#include "io/volume_sink.h"

namespace gigawarp {
namespace {

using io::BrickCache;
using io::BrickKey;

/// Values tell their place; counts what is read; one brick can be damaged or held up.
class FakeSource : public io::BrickSource {
 public:
  FakeSource() {
    info_.type = ScalarType::u16;
    info_.levels = {{Grid{{40, 40, 40}, {}}, {16, 16, 16}}};
  }
  const io::SourceInfo& info() const override { return info_; }
  void read(int, int, const Box& box, std::byte* out) const override {
    ++reads;
    {
      const std::lock_guard lock(mutex);
      order.push_back(box.begin);
    }
    if (gate.valid()) gate.wait();
    if (box.begin == damaged)
      throw Error(ErrorCode::bad_input, "The file \"chunk 7\" is damaged.", "chunk 7");
    auto* values = reinterpret_cast<std::uint16_t*>(out);
    for (std::int64_t i = 0; i < box.voxel_count(); ++i)
      values[i] = static_cast<std::uint16_t>(box.begin[0] + 41 * box.begin[1]);
  }
  mutable std::atomic<int> reads{0};
  mutable std::mutex mutex;
  mutable std::vector<Size3> order;
  std::shared_future<void> gate;
  Size3 damaged{-1, -1, -1};

 private:
  io::SourceInfo info_;
};

constexpr std::uint64_t kPlenty = 1 << 20;
constexpr std::uint64_t kTwoBricks = 2 * (16 * 16 * 16 * 2) + 1000;

BrickKey at(std::int64_t x, std::int64_t y = 0, std::int64_t z = 0) { return {0, 0, {x, y, z}}; }

TEST(BrickCache, readsABrickOnceAndClipsItAtTheEndOfTheVolume) {
  const auto source = std::make_shared<FakeSource>();
  BrickCache cache(kPlenty);
  EXPECT_EQ(cache.find(source, at(2, 1)), nullptr);
  const auto brick = cache.get(source, at(2, 1));
  EXPECT_EQ(brick->box, (Box{{32, 16, 0}, {8, 16, 16}}));
  EXPECT_EQ(reinterpret_cast<const std::uint16_t*>(brick->voxels.data())[5], 32 + 41 * 16);
  EXPECT_EQ(cache.get(source, at(2, 1)), brick);
  EXPECT_EQ(cache.find(source, at(2, 1)), brick);
  EXPECT_EQ(source->reads, 1);
  EXPECT_THROW(cache.get(source, at(3)), Error);
}

TEST(BrickCache, keepsToItsBudgetAndDropsWhatWasUsedLongestAgo) {
  const auto source = std::make_shared<FakeSource>();
  BrickCache cache(kTwoBricks);
  const auto held = cache.get(source, at(0));
  cache.get(source, at(1));
  cache.find(source, at(0));
  cache.get(source, at(0, 1));
  EXPECT_LE(cache.held_bytes(), kTwoBricks);
  EXPECT_NE(cache.find(source, at(0)), nullptr);
  EXPECT_EQ(cache.find(source, at(1)), nullptr);
  cache.set_budget(0);
  EXPECT_EQ(cache.held_bytes(), 0U);
  EXPECT_EQ(held->voxels.bytes(), 16U * 16 * 16 * 2);  // whoever holds a brick keeps it
}

TEST(BrickCache, isReadOnceForManyThreads) {
  const auto source = std::make_shared<FakeSource>();
  BrickCache cache(kPlenty);
  std::vector<std::jthread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 27; ++i) cache.get(source, at(i % 3, i / 3 % 3, i / 9));
    });
  threads.clear();
  EXPECT_EQ(source->reads, 27);
}

TEST(BrickCache, servesTheMostWantedFirstAndForgetsWhatIsCancelled) {
  std::promise<void> open;
  const auto source = std::make_shared<FakeSource>();
  source->gate = open.get_future().share();
  BrickCache cache(kPlenty, 1);
  std::promise<void> finished;
  const auto ignore = [](const BrickKey&, const BrickCache::Pointer&) {};
  cache.request(source, {at(0)}, 0, ignore);
  while (source->reads == 0) std::this_thread::yield();  // the thread is held up with this one
  const auto dropped = cache.request(source, {at(1, 1), at(1, 2)}, 3, ignore);
  cache.request(source, {at(0, 1), at(0, 2)}, 1, [&](const BrickKey& key, const auto&) {
    if (key == at(0, 2)) finished.set_value();
  });
  cache.request(source, {at(2)}, 2, ignore);
  cache.cancel(dropped);
  open.set_value();
  finished.get_future().wait();
  const std::vector<Size3> expected{{0, 0, 0}, {32, 0, 0}, {0, 16, 0}, {0, 32, 0}};
  EXPECT_EQ(source->order, expected);
}

TEST(BrickCache, namesADamagedBrickAndGoesOn) {
  const auto source = std::make_shared<FakeSource>();
  source->damaged = {16, 0, 0};
  BrickCache cache(kPlenty);
  const auto bad = cache.get(source, at(1));
  EXPECT_NE(bad->problem.find("chunk 7"), std::string::npos);
  EXPECT_EQ(bad->voxels.bytes(), 0U);
  EXPECT_TRUE(cache.get(source, at(0))->problem.empty());
  cache.forget(source.get());
  EXPECT_EQ(cache.held_bytes(), 0U);
}

TEST(BrickCache, endsWhileRequestsWait) {
  const auto source = std::make_shared<FakeSource>();
  std::atomic<int> told{0};
  {
    BrickCache cache(kPlenty, 2);
    std::vector<BrickKey> keys;
    for (int i = 0; i < 27; ++i) keys.push_back(at(i % 3, i / 3 % 3, i / 9));
    cache.request(source, keys, 0, [&](const BrickKey&, const auto&) { ++told; });
  }
  EXPECT_EQ(told, source->reads);
}

std::vector<std::byte> some_bytes(std::size_t n) {
  std::vector<std::byte> out(n);
  for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<std::byte>(i / 7 % 251);
  return out;
}

std::vector<std::byte> encoded(const io::CodecChain& chain, std::span<const std::byte> bytes) {
  std::vector<std::byte> out{std::byte{1}};  // not the size that is needed
  const std::span<const std::byte> packed = io::encode_chunk(chain, bytes, out);
  return {packed.begin(), packed.end()};
}

TEST(ChunkCodecs, undoWhatTheyDid) {
  const auto bytes = some_bytes(50000);
  for (const io::CodecKind kind : {io::CodecKind::blosc, io::CodecKind::zlib, io::CodecKind::gzip,
                                   io::CodecKind::zstd, io::CodecKind::crc32c}) {
    io::ByteCodec codec;
    codec.kind = kind;
    io::ByteCodec sum;
    sum.kind = io::CodecKind::crc32c;
    for (const io::CodecChain& chain : {io::CodecChain{codec}, io::CodecChain{codec, sum}}) {
      std::vector<std::byte> out(bytes.size());
      EXPECT_EQ(io::decode_chunk(chain, encoded(chain, bytes), out), "");
      EXPECT_EQ(out, bytes);
    }
  }
  constexpr std::string_view kDigits = "123456789";
  EXPECT_EQ(io::crc32c(std::as_bytes(std::span(kDigits))), 0xE3069283U);  // RFC 3720's check value
}

TEST(ChunkCodecs, noticeDamageOfAnyKind) {
  const auto bytes = some_bytes(20000);
  std::mt19937 random(7);
  for (const io::CodecKind kind :
       {io::CodecKind::blosc, io::CodecKind::zlib, io::CodecKind::gzip, io::CodecKind::zstd,
        io::CodecKind::lz4, io::CodecKind::crc32c}) {
    io::ByteCodec codec;
    codec.kind = kind;
    const io::CodecChain chain{codec};
    const auto good = kind == io::CodecKind::lz4 ? some_bytes(900) : encoded(chain, bytes);
    std::vector<std::byte> out(bytes.size());
    for (int i = 0; i < 300; ++i) {
      auto bad = good;
      if (i % 2 == 0)
        bad.resize(random() % good.size());
      else
        for (int k = 0; k < 4; ++k)
          bad[random() % bad.size()] ^= static_cast<std::byte>(1U << random() % 8);
      const std::string why = io::decode_chunk(chain, bad, out);
      if (i % 2 == 0) {
        EXPECT_FALSE(why.empty()) << io::codec_name(kind) << " of " << bad.size();
      }
    }
    std::vector<std::byte> short_one(bytes.size() - 1), long_one(bytes.size() + 1);
    EXPECT_FALSE(io::decode_chunk(chain, good, short_one).empty());
    EXPECT_FALSE(io::decode_chunk(chain, good, long_one).empty());
  }
}

template <class T>
std::vector<T> halved(const std::vector<T>& values, const Size3& size, io::Downsampling how) {
  const Size3 half = io::halved_size(size, {2, 2, 2});
  std::vector<T> out(static_cast<std::size_t>(half[0] * half[1] * half[2]));
  io::downsample(ScalarTypeOf<T>::value, how, reinterpret_cast<const std::byte*>(values.data()),
                 size, size, {2, 2, 2}, reinterpret_cast<std::byte*>(out.data()), half);
  return out;
}

TEST(ChunkCodecs, aPartOfABloscChunkIsThatOfTheWhole) {
  const auto bytes = some_bytes(std::size_t{1} << 20);
  io::ByteCodec codec;
  codec.type_size = 2;
  const io::CodecChain chain{codec};
  const auto packed = encoded(chain, bytes);
  std::mt19937 random(3);
  for (int i = 0; i < 50; ++i) {
    const std::size_t begin = 2 * (random() % (bytes.size() / 2));
    std::vector<std::byte> out(2 * (1 + random() % ((bytes.size() - begin) / 2)));
    const auto why = io::decode_part(chain, packed, bytes.size(), 2, begin, out);
    ASSERT_TRUE(why);
    EXPECT_EQ(*why, "");
    EXPECT_TRUE(
        std::equal(out.begin(), out.end(), bytes.begin() + static_cast<std::ptrdiff_t>(begin)));
  }
  std::vector<std::byte> out(4000);
  EXPECT_FALSE(io::decode_part(chain, packed, bytes.size(), 4, 0, out));  // another element
  EXPECT_FALSE(io::decode_part(chain, packed, bytes.size() - 2, 2, 0, out));
  io::ByteCodec zstd;
  zstd.kind = io::CodecKind::zstd;
  EXPECT_FALSE(io::decode_part({zstd}, encoded({zstd}, bytes), bytes.size(), 2, 0, out));
  for (int i = 0; i < 500; ++i) {  // damage is survived
    auto bad = packed;
    if (i % 2 == 0) bad.resize(random() % packed.size());
    for (int k = 0; k < 4 && !bad.empty(); ++k)
      bad[random() % bad.size()] ^= static_cast<std::byte>(1U << random() % 8);
    io::decode_part(chain, bad, bytes.size(), 2, 2 * (random() % (bytes.size() / 2 - 2000)), out);
  }
}

TEST(Downsample, roundsMeansAndLeavesNanOut) {
  using io::Downsampling;
  const std::vector<std::uint16_t> counts{1, 2, 65535, 2, 2, 65535};  // 3 x 2 x 1
  EXPECT_EQ(halved(counts, {3, 2, 1}, Downsampling::mean), (std::vector<std::uint16_t>{2, 65535}));
  const std::vector<std::int16_t> below{-1, -2, -2, -1};  // -1.5 goes up
  EXPECT_EQ(halved(below, {2, 2, 1}, Downsampling::mean), std::vector<std::int16_t>{-1});
  const std::vector<std::int16_t> three{-3, -3, -3, -2};  // -2.75
  EXPECT_EQ(halved(three, {2, 2, 1}, Downsampling::mean), std::vector<std::int16_t>{-3});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(halved<float>({1, nan, 2, nan}, {2, 2, 1}, Downsampling::mean)[0], 1.5F);
  EXPECT_TRUE(std::isnan(halved<float>({nan, nan}, {2, 1, 1}, Downsampling::mean)[0]));
}

/// Sums in double, divided and rounded: what the shifts have to give for any size and value.
template <class T>
void expect_means_of(const Size3& size) {
  std::mt19937 random(11);
  std::vector<T> values(static_cast<std::size_t>(size[0] * size[1] * size[2]));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = i % 3 == 0   ? std::numeric_limits<T>::max()
                : i % 5 == 0 ? std::numeric_limits<T>::min()
                             : static_cast<T>(random());
  const std::vector<T> means = halved(values, size, io::Downsampling::mean);
  const Size3 half = io::halved_size(size, {2, 2, 2});
  for (std::int64_t i = 0; i < half[0] * half[1] * half[2]; ++i) {
    const Size3 at{i % half[0], i / half[0] % half[1], i / half[0] / half[1]};
    double sum = 0, count = 0;
    for (std::int64_t k = 0; k < 8; ++k) {
      const Size3 v{2 * at[0] + k % 2, 2 * at[1] + k / 2 % 2, 2 * at[2] + k / 4};
      if (v[0] >= size[0] || v[1] >= size[1] || v[2] >= size[2]) continue;
      sum += static_cast<double>(
          values[static_cast<std::size_t>((v[2] * size[1] + v[1]) * size[0] + v[0])]);
      ++count;
    }
    ASSERT_EQ(static_cast<double>(means[static_cast<std::size_t>(i)]),
              std::floor(sum / count + 0.5))
        << i << " of " << size[0];
  }
}

TEST(Downsample, meansAreThoseOfLongSumsForEveryTypeAndSize) {
  for (const Size3& size : {Size3{64, 6, 4}, Size3{37, 5, 3}, Size3{1, 1, 1}, Size3{2, 1, 7}}) {
    expect_means_of<std::uint8_t>(size);
    expect_means_of<std::int8_t>(size);
    expect_means_of<std::uint16_t>(size);
    expect_means_of<std::int16_t>(size);
    expect_means_of<std::uint32_t>(size);
    expect_means_of<std::int32_t>(size);
  }
}

TEST(Downsample, takesTheMostFrequentLabelAndTheSmallestOfEqualOnes) {
  using io::Downsampling;
  const auto of = [](std::vector<std::int32_t> v) {
    return halved<std::int32_t>(v, {2, 2, 2}, Downsampling::majority)[0];
  };
  EXPECT_EQ(of({9, 4, 4, 9, 9, 1, 2, 3}), 9);
  EXPECT_EQ(of({9, 4, 4, 9, 9, 4, 2, 3}), 4);
  EXPECT_EQ(of({8, 7, 6, 5, 4, 3, 2, 1}), 1);
}

TEST(OmeZarr, boxesOfEveryLevelAreThoseOfTheWholeLevel) {
  const test::Folder folder;
  const Volume volume = test::textured(test::oblique_grid({150, 70, 75}), ScalarType::i16, 2);
  for (const bool sharded : {false, true}) {
    const auto path = folder / (sharded ? "a.ome.zarr" : "b.ome.zarr");
    io::write_image(volume, path, {false, sharded});
    const auto source = io::open_source(path);
    EXPECT_TRUE(source->info().levels[0].grid.same_lattice(volume.grid(), 1e-9));
    std::mt19937 random(5);
    for (int level = 0; level < 3; ++level) {
      const Volume whole = io::read_level(*source, level, path);
      if (level == 0) {
        EXPECT_TRUE(test::same_voxels(whole, volume));
      }
      const Size3 n = whole.grid().size;
      for (int i = 0; i < 20; ++i) {
        Box box;
        for (int a = 0; a < 3; ++a) {
          box.begin[a] = random() % n[a];
          box.size[a] = 1 + random() % (n[a] - box.begin[a]);
        }
        Volume part(Grid{box.size, {}}, ScalarType::i16);
        source->read(level, 1, box, part.data());
        const Size3 last{box.size[0] - 1, box.size[1] - 1, box.size[2] - 1};
        for (const Size3& v : {Size3{0, 0, 0}, last, Size3{last[0] / 2, last[1] / 3, last[2]}})
          ASSERT_EQ(part.value(v[0], v[1], v[2]),
                    whole.value(box.begin[0] + v[0], box.begin[1] + v[1], box.begin[2] + v[2], 1));
      }
    }
  }
}

/// Raw files of 16-bit voxels as other programs write them.
void write_raw(const std::filesystem::path& path, const Volume& volume, bool big_endian) {
  std::string header =
      "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 19 17 15\n"
      "space directions: (1,0,0) (0,1,0) (0,0,2)\nkinds: domain domain domain\n"
      "space units: \"mm\" \"mm\" \"mm\"\nendian: " +
      std::string(big_endian ? "big" : "little") + "\nencoding: raw\nspace origin: (1,2,3)\n\n";
  if (path.extension() == ".mha")
    header = "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = " +
             std::string(big_endian ? "True" : "False") +
             "\nCompressedData = False\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 1 2 3\n"
             "ElementSpacing = 1 1 2\nDimSize = 19 17 15\nElementType = MET_SHORT\n"
             "ElementDataFile = LOCAL\n";
  std::string voxels(reinterpret_cast<const char*>(volume.data()), volume.bytes());
  for (std::size_t i = 0; big_endian && i < voxels.size(); i += 2)
    std::swap(voxels[i], voxels[i + 1]);
  std::ofstream(path, std::ios::binary) << header << voxels;
}

TEST(PlainFiles, areReadInPlaceWhereTheyAreUncompressed) {
  const test::Folder folder;
  const Grid grid = Grid::from_itk({19, 17, 15}, {1, 1, 2}, {1, 2, 3}, Affine{}.linear);
  const Volume volume = test::textured(grid, ScalarType::i16);
  io::write_image(volume, folder / "little.nii");
  for (const char* name : {"little.nii", "little.mha", "big.mha", "little.nrrd", "big.nrrd"}) {
    if (std::string(name) != "little.nii")
      write_raw(folder / name, volume, std::string(name).starts_with("big"));
    const auto source = io::open_source(folder / name);
    ASSERT_NE(source, nullptr) << name;
    EXPECT_TRUE(source->info().levels[0].grid.same_lattice(grid)) << name;
    EXPECT_TRUE(test::same_voxels(io::read_level(*source, 0, folder / name), volume)) << name;
    EXPECT_TRUE(test::same_voxels(io::read_image(folder / name), volume)) << name;
    const Box box{{3, 4, 5}, {11, 2, 7}};
    Volume part(Grid{box.size, {}}, ScalarType::i16);
    source->read(0, 0, box, part.data());
    for (std::int64_t i = 0; i < box.voxel_count(); ++i) {
      const std::int64_t x = i % box.size[0], y = i / box.size[0] % box.size[1],
                         z = i / box.size[0] / box.size[1];
      ASSERT_EQ(part.value(x, y, z),
                volume.value(box.begin[0] + x, box.begin[1] + y, box.begin[2] + z));
    }
  }
  io::write_image(volume, folder / "a.nii.gz");
  EXPECT_EQ(io::open_source(folder / "a.nii.gz"), nullptr);
  EXPECT_EQ(io::open_source(folder / "none.nii"), nullptr);
}

TEST(Sinks, ofNiftiTakeChannelsInTurnAndWriteTheSameFile) {
  const test::Folder folder;
  const Size3 n{300, 250, 260};  // more than one slab
  Volume volume(test::oblique_grid(n), ScalarType::f32, 3);
  for (std::int64_t i = 0; i < 3 * volume.grid().voxel_count(); ++i)
    volume.channel<float>()[i] = static_cast<float>(i % 1000 * (i / 1000 % 7));
  for (const std::string ending : {".nii", ".nii.gz"}) {
    const std::filesystem::path whole = folder / ("whole" + ending),
                                turns = folder / ("in" + ending);
    io::write_image(volume, whole);
    {
      const auto sink = io::open_sink(turns, {volume.grid(), volume.type(), 3, {}});
      ASSERT_TRUE(sink->takes_channels_in_turn());
      ASSERT_LT(sink->planes_at_once(), n[2]);
      for (std::int64_t z = 0; z < n[2]; z += sink->planes_at_once())
        for (int c = 0; c < 3; ++c)
          sink->write(
              c, z, std::min(sink->planes_at_once(), n[2] - z),
              reinterpret_cast<const std::byte*>(volume.channel<float>(c) + z * n[0] * n[1]));
      sink->commit();
    }
    std::ifstream a(whole, std::ios::binary), b(turns, std::ios::binary);
    EXPECT_TRUE(
        std::equal(std::istreambuf_iterator<char>(a), {}, std::istreambuf_iterator<char>(b), {}));
    std::filesystem::remove(whole);
    std::filesystem::remove(turns);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));  // no part is left
}

TEST(Rows, areCopiedToTheirPlacesAndNothingBetweenThemWhetherPastTheCacheOrNot) {
  constexpr std::int64_t kPlanes = 3, kRows = 21, kFromRow = 311, kToRow = 389;
  std::vector<std::byte> from(kPlanes * kRows * kFromRow + 64);
  for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<std::byte>(i * 37 % 251);
  for (const bool past_cache : {false, true})
    for (const std::int64_t bytes : {1, 63, 64, 128, 300})
      for (const std::int64_t start : {0, 1, 17, 63}) {
        std::vector<std::byte> to(kPlanes * kRows * kToRow + 64, std::byte{255}), expected = to;
        for (std::int64_t row = 0; row < kPlanes * kRows; ++row)
          std::memcpy(expected.data() + start + row * kToRow,
                      from.data() + 64 - start + row * kFromRow, static_cast<std::size_t>(bytes));
        io::copy_rows(kPlanes, kRows, static_cast<std::size_t>(bytes), from.data() + 64 - start,
                      {kFromRow, kRows * kFromRow}, to.data() + start, {kToRow, kRows * kToRow},
                      past_cache);
        ASSERT_EQ(to, expected) << bytes << " bytes from " << start << " past cache " << past_cache;
      }
}

TEST(PlainFiles, thatAreCutOffAreAnErrorOfTheirReader) {
  const test::Folder folder;
  io::write_image(test::textured(test::oblique_grid({19, 17, 15}), ScalarType::i16),
                  folder / "a.nii");
  const auto source = io::open_source(folder / "a.nii");
  std::filesystem::resize_file(folder / "a.nii", 2000);
  std::vector<std::byte> out(19 * 17 * 15 * 2);
  const auto sentence = test::sentence_of(ErrorCode::bad_input, [&] {
    source->read(0, 0, {{0, 0, 0}, {19, 17, 15}}, out.data());
  });
  EXPECT_NE(sentence.find("a.nii"), std::string::npos);
  EXPECT_EQ(io::open_source(folder / "a.nii"), nullptr);
}

}  // namespace
}  // namespace gigawarp
