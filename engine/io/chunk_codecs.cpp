#include "io/chunk_codecs.h"

#include <blosc.h>
#include <libdeflate.h>
#include <lz4.h>
#include <zstd.h>

#include <boost/crc.hpp>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>

#include "gigawarp/error.h"
#include "io/byte_order.h"

namespace gigawarp::io {

namespace {
constexpr std::size_t kLz4Header = 4;  // numcodecs puts the expanded length first, little-endian
constexpr std::size_t kChecksum = 4;

struct FreeDecompressor {
  void operator()(libdeflate_decompressor* d) const noexcept { libdeflate_free_decompressor(d); }
};
struct FreeCompressor {
  void operator()(libdeflate_compressor* c) const noexcept { libdeflate_free_compressor(c); }
};

/// Bytes expanded, or nothing when the input is damaged or too long for `out`.
using Expanded = std::optional<std::size_t>;

Expanded expand_blosc(std::span<const std::byte> in, std::span<std::byte> out) {
  std::size_t expanded = 0;
  if (in.size() < BLOSC_MIN_HEADER_LENGTH ||
      blosc_cbuffer_validate(in.data(), in.size(), &expanded) != 0 || expanded > out.size())
    return std::nullopt;
  const int n = blosc_decompress_ctx(in.data(), out.data(), out.size(), 1);
  if (n < 0 || static_cast<std::size_t>(n) != expanded) return std::nullopt;
  return expanded;
}

/// One zlib stream, or gzip members one after another.
Expanded expand_deflate(CodecKind kind, std::span<const std::byte> in, std::span<std::byte> out) {
  const std::unique_ptr<libdeflate_decompressor, FreeDecompressor> state(
      libdeflate_alloc_decompressor());
  if (!state) return std::nullopt;
  std::size_t done = 0, used = 0;
  do {
    std::size_t took = 0, gave = 0;
    const auto expand =
        kind == CodecKind::gzip ? libdeflate_gzip_decompress_ex : libdeflate_zlib_decompress_ex;
    if (expand(state.get(), in.data() + used, in.size() - used, out.data() + done,
               out.size() - done, &took, &gave) != LIBDEFLATE_SUCCESS)
      return std::nullopt;
    used += took;
    done += gave;
  } while (kind == CodecKind::gzip && used < in.size() && in[used] == std::byte{0x1f});
  return done;
}

Expanded expand_zstd(std::span<const std::byte> in, std::span<std::byte> out) {
  const std::size_t n = ZSTD_decompress(out.data(), out.size(), in.data(), in.size());
  if (ZSTD_isError(n) != 0) return std::nullopt;
  return n;
}

Expanded expand_lz4(std::span<const std::byte> in, std::span<std::byte> out) {
  constexpr std::size_t kLimit = std::numeric_limits<int>::max();
  if (in.size() <= kLz4Header || in.size() > kLimit || out.size() > kLimit) return std::nullopt;
  const int n = LZ4_decompress_safe(
      reinterpret_cast<const char*>(in.data()) + kLz4Header, reinterpret_cast<char*>(out.data()),
      static_cast<int>(in.size() - kLz4Header), static_cast<int>(out.size()));
  if (n < 0 || load_le<std::uint32_t>(in.data()) != static_cast<std::uint32_t>(n))
    return std::nullopt;
  return static_cast<std::size_t>(n);
}

Expanded check_crc32c(std::span<const std::byte> in, std::span<std::byte> out) {
  if (in.size() < kChecksum || in.size() - kChecksum > out.size()) return std::nullopt;
  const std::span<const std::byte> body = in.first(in.size() - kChecksum);
  if (load_le<std::uint32_t>(in.data() + body.size()) != crc32c(body)) return std::nullopt;
  std::memcpy(out.data(), body.data(), body.size());
  return body.size();
}

Expanded expand(CodecKind kind, std::span<const std::byte> in, std::span<std::byte> out) {
  switch (kind) {
    case CodecKind::blosc: return expand_blosc(in, out);
    case CodecKind::zlib:
    case CodecKind::gzip: return expand_deflate(kind, in, out);
    case CodecKind::zstd: return expand_zstd(in, out);
    case CodecKind::lz4: return expand_lz4(in, out);
    case CodecKind::crc32c: break;
  }
  return check_crc32c(in, out);
}

/// Room for `bytes` at the beginning of `out`, which never shrinks.
std::byte* room(std::vector<std::byte>& out, std::size_t bytes) {
  if (out.size() < bytes) out.resize(bytes);
  return out.data();
}

std::size_t compress_blosc(const ByteCodec& codec, std::span<const std::byte> in,
                           std::vector<std::byte>& out) {
  std::byte* to = room(out, in.size() + BLOSC_MAX_OVERHEAD);
  const int n = blosc_compress_ctx(codec.level, codec.type_size > 1 ? BLOSC_SHUFFLE : 0,
                                   static_cast<std::size_t>(codec.type_size), in.size(), in.data(),
                                   to, out.size(), codec.blosc.c_str(), 0, 1);
  return n > 0 ? static_cast<std::size_t>(n) : 0;
}

std::size_t compress_deflate(const ByteCodec& codec, std::span<const std::byte> in,
                             std::vector<std::byte>& out) {
  const std::unique_ptr<libdeflate_compressor, FreeCompressor> state(
      libdeflate_alloc_compressor(codec.level));
  if (!state) return 0;
  const bool gzip = codec.kind == CodecKind::gzip;
  std::byte* to = room(out, gzip ? libdeflate_gzip_compress_bound(state.get(), in.size())
                                 : libdeflate_zlib_compress_bound(state.get(), in.size()));
  const auto compress = gzip ? libdeflate_gzip_compress : libdeflate_zlib_compress;
  return compress(state.get(), in.data(), in.size(), to, out.size());
}

std::size_t compress_zstd(const ByteCodec& codec, std::span<const std::byte> in,
                          std::vector<std::byte>& out) {
  std::byte* to = room(out, ZSTD_compressBound(in.size()));
  const std::size_t n = ZSTD_compress(to, out.size(), in.data(), in.size(), codec.level);
  return ZSTD_isError(n) == 0 ? n : 0;
}

std::size_t add_crc32c(std::span<const std::byte> in, std::vector<std::byte>& out) {
  std::byte* to = room(out, in.size() + kChecksum);
  std::memcpy(to, in.data(), in.size());
  store_le(to + in.size(), crc32c(in));
  return in.size() + kChecksum;
}

/// Bytes written to `out`; 0 when the library refuses.
std::size_t compress(const ByteCodec& codec, std::span<const std::byte> in,
                     std::vector<std::byte>& out) {
  switch (codec.kind) {
    case CodecKind::blosc: return compress_blosc(codec, in, out);
    case CodecKind::zlib:
    case CodecKind::gzip: return compress_deflate(codec, in, out);
    case CodecKind::zstd: return compress_zstd(codec, in, out);
    case CodecKind::crc32c: return add_crc32c(in, out);
    case CodecKind::lz4: break;  // is read only
  }
  return 0;
}
}  // namespace

std::string_view codec_name(CodecKind kind) {
  constexpr std::string_view kNames[] = {"blosc", "zlib", "gzip", "zstd", "lz4", "crc32c"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::string decode_chunk(const CodecChain& chain, std::span<const std::byte> in,
                         std::span<std::byte> out) {
  std::vector<std::byte> held, next;
  for (std::size_t i = chain.size(); i-- > 0;) {
    const bool last = i == 0;
    // What lies between two compressors is about as long as the chunk itself.
    if (!last) next.resize(out.size() + out.size() / 8 + (1U << 16));
    const std::span<std::byte> target = last ? out : std::span(next);
    const Expanded n = expand(chain[i].kind, in, target);
    if (!n)
      return "is truncated or damaged (its " + std::string(codec_name(chain[i].kind)) +
             " data make no sense)";
    if (last && *n != out.size())
      return "is damaged (it holds " + std::to_string(*n) + " bytes instead of " +
             std::to_string(out.size()) + ")";
    next.resize(last ? next.size() : *n);
    std::swap(held, next);
    in = held;
  }
  if (!chain.empty()) return {};
  if (in.size() != out.size())
    return "is truncated or damaged (it holds " + std::to_string(in.size()) + " bytes instead of " +
           std::to_string(out.size()) + ")";
  std::memcpy(out.data(), in.data(), in.size());
  return {};
}

std::optional<std::string> decode_part(const CodecChain& chain, std::span<const std::byte> in,
                                       std::size_t chunk_bytes, std::size_t width,
                                       std::size_t begin, std::span<std::byte> out) {
  if (chain.size() != 1 || chain.front().kind != CodecKind::blosc ||
      in.size() < BLOSC_MIN_HEADER_LENGTH)
    return std::nullopt;
  std::size_t expanded = 0, compressed = 0, block = 0;
  if (blosc_cbuffer_validate(in.data(), in.size(), &expanded) != 0 || expanded != chunk_bytes)
    return std::nullopt;  // the whole is looked at and the damage named
  blosc_cbuffer_sizes(in.data(), &expanded, &compressed, &block);
  std::size_t type_size = 0;
  int flags = 0;
  blosc_cbuffer_metainfo(in.data(), &type_size, &flags);
  if (type_size != width || block >= chunk_bytes) return std::nullopt;
  const int n = blosc_getitem(in.data(), static_cast<int>(begin / width),
                              static_cast<int>(out.size() / width), out.data());
  if (n < 0 || static_cast<std::size_t>(n) != out.size())
    return "is truncated or damaged (its blosc data make no sense)";
  return std::string();
}

std::span<const std::byte> encode_chunk(const CodecChain& chain, std::span<const std::byte> in,
                                        std::vector<std::byte>& out) {
  if (chain.empty()) {
    std::memcpy(room(out, in.size()), in.data(), in.size());
    return {out.data(), in.size()};
  }
  std::vector<std::byte> before;
  for (const ByteCodec& codec : chain) {
    if (in.data() == out.data()) {  // what the last step gave
      std::swap(before, out);
      in = {before.data(), in.size()};
    }
    const std::size_t n = compress(codec, in, out);
    if (n == 0)
      throw Error(ErrorCode::internal, "A block of output could not be compressed with " +
                                           std::string(codec_name(codec.kind)) + ".");
    in = {out.data(), n};
  }
  return in;
}

std::uint32_t crc32c(std::span<const std::byte> bytes) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> sum;
  sum.process_bytes(bytes.data(), bytes.size());
  return sum.checksum();
}

}  // namespace gigawarp::io
