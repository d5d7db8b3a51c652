#include "io/gzip.h"

#include <libdeflate.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <vector>

#include "base/parallel.h"
#include "io/byte_order.h"
#include "io/random_file.h"
#include "io/stopping.h"

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
  explicit State(const std::filesystem::path& where);
  ~State() {
    if (gzip) inflateEnd(&stream);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  /// What follows is gzip, or with `or_zlib` a zlib stream.
  void start_inflating(bool or_zlib);

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
      if (stream.avail_in == 0 && !refill())
        damaged("is truncated (its compressed data break off)");
      const std::size_t want = std::min<std::size_t>(bytes - done, 1U << 30);
      stream.next_out = reinterpret_cast<Bytef*>(out + done);
      stream.avail_out = static_cast<uInt>(want);
      const int code = inflate(&stream, Z_NO_FLUSH);
      done += want - stream.avail_out;
      if (code == Z_STREAM_END)
        ended = !next_member();
      else if (code != Z_OK && code != Z_BUF_ERROR)
        damaged("is damaged (the checksum or structure of its compressed data is wrong)");
    }
    return done;
  }
};

ByteReader::State::State(const std::filesystem::path& where)
    : path(where), file_size(checked_file_size(where)) {
  file.reset(std::fopen(path.c_str(), "rb"));
  if (!file) refuse(path, "cannot be opened; check its permissions.");
}

void ByteReader::State::start_inflating(bool or_zlib) {
  constexpr int kWindow = 15, kGzip = 16, kEither = 32;
  gzip = true;
  input.resize(kInputBlock);
  if (inflateInit2(&stream, kWindow + (or_zlib ? kEither : kGzip)) == Z_OK) return;
  gzip = false;  // there is nothing to end
  throw Error(ErrorCode::does_not_fit, "There is not enough memory to decompress a file.",
              path.string());
}

ByteReader::ByteReader(const std::filesystem::path& path) : state_(std::make_unique<State>(path)) {
  State& s = *state_;
  std::array<unsigned char, 2> magic{};
  const std::size_t n = std::fread(magic.data(), 1, magic.size(), s.file.get());
  if (std::fseek(s.file.get(), 0, SEEK_SET) != 0) refuse(path, "cannot be read from its start.");
  if (n == 2 && magic[0] == 0x1f && magic[1] == 0x8b) s.start_inflating(false);
}

ByteReader::ByteReader(std::unique_ptr<State> state) : state_(std::move(state)) {}

ByteReader ByteReader::deflated(const std::filesystem::path& path, std::uint64_t offset) {
  auto state = std::make_unique<State>(path);
  if (offset > state->file_size ||
      ::fseeko(state->file.get(), static_cast<off_t>(offset), SEEK_SET) != 0)
    state->damaged("is truncated");
  state->start_inflating(true);
  return ByteReader(std::move(state));
}

ByteReader::~ByteReader() = default;

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

struct GzipMembers::State {
  struct Place {
    std::uint64_t begin, out_begin;  ///< in the file, in what it expands to
    std::uint32_t bytes, out_bytes;
  };
  explicit State(const std::filesystem::path& where) : path(where), file(where) {}
  /// False when something else than our members is in the file.
  bool find_members();
  void expand(const Place& member, std::span<std::byte> out) const;

  std::filesystem::path path;
  RandomFile file;
  std::vector<Place> members;
  std::uint64_t size = 0;
};

bool GzipMembers::State::find_members() {
  constexpr std::uint64_t kLeast = kOwnHeader + kTrailer;
  std::array<std::byte, kLeast> head{};
  std::array<std::byte, 4> length{};
  for (std::uint64_t begin = 0; begin < file.size();) {
    if (file.size() - begin < kLeast) return false;
    file.read(begin, head);
    if (!is_own_member(head.data(), head.size())) return false;
    const auto bytes = load_le<std::uint32_t>(head.data() + 16);
    if (bytes < kLeast || bytes > file.size() - begin) return false;
    file.read(begin + bytes - length.size(), length);
    const auto expanded = load_le<std::uint32_t>(length.data());
    if (expanded > kMember) return false;
    members.push_back({begin, size, bytes, expanded});
    size += expanded;
    begin += bytes;
  }
  return !members.empty();
}

void GzipMembers::State::expand(const Place& member, std::span<std::byte> out) const {
  thread_local std::vector<std::byte> packed;
  packed.resize(member.bytes);
  file.read(member.begin, packed);
  const std::unique_ptr<libdeflate_decompressor, decltype(&libdeflate_free_decompressor)> state(
      libdeflate_alloc_decompressor(), libdeflate_free_decompressor);
  if (!state || libdeflate_gzip_decompress(state.get(), packed.data(), packed.size(), out.data(),
                                           out.size(), nullptr) != LIBDEFLATE_SUCCESS)
    refuse(path, "is damaged (its gzip checksum or structure is wrong); copy or export it again.");
}

GzipMembers::GzipMembers(std::unique_ptr<State> state) : state_(std::move(state)) {}
GzipMembers::~GzipMembers() = default;

std::unique_ptr<GzipMembers> GzipMembers::open(const std::filesystem::path& path) {
  try {
    auto state = std::make_unique<State>(path);
    if (state->file.is_missing() || !state->find_members()) return nullptr;
    return std::unique_ptr<GzipMembers>(new GzipMembers(std::move(state)));
  } catch (const Error&) {
    return nullptr;
  }
}

std::uint64_t GzipMembers::size() const { return state_->size; }

void GzipMembers::read(std::uint64_t offset, std::span<std::byte> out) const {
  const State& s = *state_;
  if (out.empty()) return;
  const std::uint64_t end = offset + out.size();
  if (end > s.size) refuse(s.path, "is truncated; copy or export it again.");
  const auto first = std::partition_point(
      s.members.begin(), s.members.end(),
      [&](const State::Place& m) { return m.out_begin + m.out_bytes <= offset; });
  const auto last = std::partition_point(first, s.members.end(),
                                         [&](const State::Place& m) { return m.out_begin < end; });
  parallel_for(last - first, [&](std::int64_t i) {
    const State::Place& m = *(first + i);
    if (m.out_begin >= offset && m.out_begin + m.out_bytes <= end)
      return s.expand(m, out.subspan(m.out_begin - offset, m.out_bytes));
    thread_local std::vector<std::byte> whole;
    whole.resize(m.out_bytes);
    s.expand(m, whole);
    const std::uint64_t from = std::max(m.out_begin, offset);
    const std::uint64_t to = std::min(m.out_begin + m.out_bytes, end);
    std::memcpy(out.data() + (from - offset), whole.data() + (from - m.out_begin), to - from);
  });
}

bool read_own_gzip_members(const std::filesystem::path& path, std::uint64_t offset,
                           std::span<std::byte> out, const std::stop_token& stop) {
  const std::unique_ptr<GzipMembers> file = GzipMembers::open(path);
  if (file == nullptr || file->size() != offset + out.size() || offset > kMember) return false;
  constexpr std::size_t kPart = std::size_t{64} << 20;
  try {
    std::vector<std::byte> header(offset);  // only its checksum is of interest here
    file->read(0, header);
    for (std::size_t begin = 0; begin < out.size(); begin += kPart) {
      look_at(stop);
      file->read(offset + begin, out.subspan(begin, std::min(kPart, out.size() - begin)));
    }
  } catch (const Error& error) {
    if (error.code() == ErrorCode::cancelled) throw;
    return false;
  }
  return true;
}

}  // namespace gigawarp::io
