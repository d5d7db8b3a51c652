#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gigawarp::io {

/// Compressors and checksums that chunks of Zarr, and of plugins' formats, go through.
enum class CodecKind { blosc, zlib, gzip, zstd, lz4, crc32c };

std::string_view codec_name(CodecKind kind);

/// One step from bytes to bytes. The settings matter for writing only.
struct ByteCodec {
  CodecKind kind = CodecKind::blosc;
  int level = 5;
  int type_size = 1;          ///< blosc: bytes per element, for its shuffle
  std::string blosc = "lz4";  ///< blosc: the compressor inside
};

/// Steps in the order of writing.
using CodecChain = std::vector<ByteCodec>;

/// Undoes the chain. Fills `out` exactly and returns an empty string, or says what is wrong in
/// words that follow "the chunk …" ("is truncated or damaged (blosc)"), `out` then being
/// unspecified. Never throws on damage, never writes beyond `out`.
std::string decode_chunk(const CodecChain& chain, std::span<const std::byte> in,
                         std::span<std::byte> out);

/// decode_chunk() of bytes [begin, begin + out.size()) of a chunk of `chunk_bytes` alone, where the
/// chain is one blosc buffer, which is made of blocks; nothing otherwise. `begin` and the size are
/// multiples of `width`, the bytes of an element.
std::optional<std::string> decode_part(const CodecChain& chain, std::span<const std::byte> in,
                                       std::size_t chunk_bytes, std::size_t width,
                                       std::size_t begin, std::span<std::byte> out);

/// Applies the chain and returns the result, which lies at the beginning of `out`: that grows where
/// it must and never shrinks, so that it serves many chunks. Throws Error{internal} when a library
/// refuses.
std::span<const std::byte> encode_chunk(const CodecChain& chain, std::span<const std::byte> in,
                                        std::vector<std::byte>& out);

/// CRC-32C (Castagnoli; RFC 3720).
std::uint32_t crc32c(std::span<const std::byte> bytes);

}  // namespace gigawarp::io
