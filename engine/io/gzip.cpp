#include "io/gzip.h"

#include <libdeflate.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <vector>

#include "base/parallel.h"
#include "io/byte_order.h"

namespace gigawarp::io {

namespace {
constexpr std::size_t kInputBlock = 256U << 10;
constexpr std::size_t kMember = 1U << 20;      // bytes before compression
constexpr std::size_t kOwnHeader = 20;         // gzip header with the extra field below
constexpr std::size_t kTrailer = 8;            // CRC32, length
constexpr std::uint64_t kDeflateBound = 1032;  // largest expansion of deflate

struct CloseFile {
  void operator()(std::FILE* f) const noexcept { std::fclose(f); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;
}  // namespace

struct ByteReader::State {
  std::filesystem::path path;
  File file;
  std::uint64_t file_size = 0;
  bool gzip = false, ended = false;
  z_stream stream{};
  std::vector<std::byte> input;

  bool refill() {
    const std::size_t n = std::fread(input.data(), 1, input.size(), file.get());
    stream.next_in = reinterpret_cast<Bytef*>(input.data());
    stream.avail_in = static_cast<uInt>(n);
    return n > 0;
  }
  [[noreturn]] void damaged(const std::string& how) {
    refuse(path, how + "; copy or export it again.");
  }
  /// Starts the next member if there is one; false at the end of the file.
  bool next_member() {
    if (stream.avail_in == 0 && !refill()) return false;
    if (*stream.next_in != 0x1f) return false;  // padding after the last member, as gzip ignores it
    return inflateReset2(&stream, 15 + 16) == Z_OK;
  }
  /// Up to `bytes` bytes; fewer only at the end of the stream.
  std::size_t inflate_some(std::byte* out, std::size_t bytes) {
    std::size_t done = 0;
    while (done < bytes && !ended) {
      if (stream.avail_in == 0 && !refill()) damaged("is truncated (its gzip stream breaks off)");
      const std::size_t want = std::min<std::size_t>(bytes - done, 1U << 30);
      stream.next_out = reinterpret_cast<Bytef*>(out + done);
      stream.avail_out = static_cast<uInt>(want);
      const int code = inflate(&stream, Z_NO_FLUSH);
      done += want - stream.avail_out;
      if (code == Z_STREAM_END)
        ended = !next_member();
      else if (code != Z_OK && code != Z_BUF_ERROR)
        damaged("is damaged (its gzip checksum or structure is wrong)");
    }
    return done;
  }
};

ByteReader::ByteReader(const std::filesystem::path& path) : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.path = path;
  s.file_size = checked_file_size(path);
  s.file.reset(std::fopen(path.c_str(), "rb"));
  if (!s.file) refuse(path, "cannot be opened; check its permissions.");
  std::array<unsigned char, 2> magic{};
  const std::size_t n = std::fread(magic.data(), 1, magic.size(), s.file.get());
  std::rewind(s.file.get());
  s.gzip = n == 2 && magic[0] == 0x1f && magic[1] == 0x8b;
  if (!s.gzip) return;
  s.input.resize(kInputBlock);
  if (inflateInit2(&s.stream, 15 + 16) != Z_OK)
    throw Error(ErrorCode::does_not_fit, "There is not enough memory to decompress a file.",
                path.string());
}

ByteReader::~ByteReader() {
  if (state_->gzip) inflateEnd(&state_->stream);
}

bool ByteReader::compressed() const { return state_->gzip; }

std::uint64_t ByteReader::upper_bound() const {
  return state_->gzip ? state_->file_size * kDeflateBound : state_->file_size;
}

void ByteReader::read(std::byte* out, std::size_t bytes) {
  State& s = *state_;
  const std::size_t n =
      s.gzip ? s.inflate_some(out, bytes) : std::fread(out, 1, bytes, s.file.get());
  if (n != bytes) s.damaged("is truncated (" + std::to_string(bytes - n) + " bytes are missing)");
}

void ByteReader::skip(std::uint64_t bytes) {
  std::vector<std::byte> scratch(std::min<std::uint64_t>(bytes, 64U << 10));
  while (bytes > 0) {
    const std::size_t n = std::min<std::uint64_t>(bytes, scratch.size());
    read(scratch.data(), n);
    bytes -= n;
  }
}

void ByteReader::finish() {
  State& s = *state_;
  if (!s.gzip) return;
  std::vector<std::byte> scratch(64U << 10);
  while (!s.ended) s.inflate_some(scratch.data(), scratch.size());
}

namespace {
/// One gzip member with the extra field "GW": total length of the member, u32.
std::vector<std::byte> compress_member(std::span<const std::byte> bytes, int level) {
  libdeflate_compressor* compressor = libdeflate_alloc_compressor(level);
  if (compressor == nullptr)
    throw Error(ErrorCode::does_not_fit, "There is not enough memory to compress the output.");
  std::vector<std::byte> out(
      kOwnHeader + libdeflate_deflate_compress_bound(compressor, bytes.size()) + kTrailer);
  const std::size_t n =
      libdeflate_deflate_compress(compressor, bytes.data(), bytes.size(), out.data() + kOwnHeader,
                                  out.size() - kOwnHeader - kTrailer);
  libdeflate_free_compressor(compressor);
  if (n == 0) throw Error(ErrorCode::internal, "A block of output could not be compressed.");
  constexpr std::array<unsigned char, 16> kHeader{0x1f, 0x8b, 8, 4, 0,   0,   0, 0,
                                                  0,    255,  8, 0, 'G', 'W', 4, 0};
  std::memcpy(out.data(), kHeader.data(), kHeader.size());
  const std::size_t total = kOwnHeader + n + kTrailer;
  store_le(out.data() + 16, static_cast<std::uint32_t>(total));
  store_le(out.data() + kOwnHeader + n, libdeflate_crc32(0, bytes.data(), bytes.size()));
  store_le(out.data() + kOwnHeader + n + 4, static_cast<std::uint32_t>(bytes.size()));
  out.resize(total);
  return out;
}

bool is_own_member(const std::byte* p, std::size_t available) {
  return available >= kOwnHeader + kTrailer && p[0] == std::byte{0x1f} && p[1] == std::byte{0x8b} &&
         p[3] == std::byte{4} && p[10] == std::byte{8} && p[12] == std::byte{'G'} &&
         p[13] == std::byte{'W'};
}

struct Member {
  std::size_t begin, bytes, out_begin, out_bytes;
};

/// The members: the first one (the image header) and those that fill `out_bytes`; empty when the
/// file is not of our making.
std::vector<Member> own_members(std::span<const std::byte> file, std::size_t out_bytes) {
  std::vector<Member> members;
  std::size_t begin = 0, out = 0;
  bool first = true;
  while (begin < file.size()) {
    const std::byte* p = file.data() + begin;
    if (!is_own_member(p, file.size() - begin)) return {};
    const std::size_t bytes = load_le<std::uint32_t>(p + 16);
    if (bytes < kOwnHeader + kTrailer || bytes > file.size() - begin) return {};
    const std::size_t expanded = load_le<std::uint32_t>(p + bytes - 4);
    if (expanded > (first ? kMember : out_bytes - out)) return {};
    members.push_back({begin, bytes, out, expanded});
    if (!first) out += expanded;
    first = false;
    begin += bytes;
  }
  if (out != out_bytes) return {};
  return members;
}
}  // namespace

void write_gzip(AtomicFile& file, std::span<const std::byte> bytes, int level) {
  constexpr std::size_t kBatch = 64;
  const std::size_t members = (bytes.size() + kMember - 1) / kMember;
  std::vector<std::vector<std::byte>> packed(std::min(kBatch, members));
  for (std::size_t first = 0; first < members; first += kBatch) {
    const std::size_t n = std::min(kBatch, members - first);
    parallel_for(static_cast<std::int64_t>(n), [&](std::int64_t i) {
      const std::size_t begin = (first + static_cast<std::size_t>(i)) * kMember;
      packed[static_cast<std::size_t>(i)] =
          compress_member(bytes.subspan(begin, std::min(kMember, bytes.size() - begin)), level);
    });
    for (std::size_t i = 0; i < n; ++i) file.write(packed[i].data(), packed[i].size());
  }
}

bool read_own_gzip_members(const std::filesystem::path& path, std::span<std::byte> out) {
  const std::vector<std::byte> head = read_head(path, kOwnHeader + kTrailer);
  if (!is_own_member(head.data(), head.size())) return false;
  const std::vector<std::byte> file =
      read_head(path, static_cast<std::size_t>(checked_file_size(path)));
  const std::vector<Member> members = own_members(file, out.size());
  if (members.empty()) return false;
  std::vector<std::byte> header(
      members.front().out_bytes);  // only its checksum is of interest here
  std::atomic<bool> good{true};
  parallel_for(static_cast<std::int64_t>(members.size()), [&](std::int64_t i) {
    const Member& m = members[static_cast<std::size_t>(i)];
    std::byte* target = i == 0 ? header.data() : out.data() + m.out_begin;
    libdeflate_decompressor* decompressor = libdeflate_alloc_decompressor();
    if (decompressor == nullptr ||
        libdeflate_gzip_decompress(decompressor, file.data() + m.begin, m.bytes, target,
                                   m.out_bytes, nullptr) != LIBDEFLATE_SUCCESS)
      good = false;
    libdeflate_free_decompressor(decompressor);
  });
  return good;
}

}  // namespace gigawarp::io
