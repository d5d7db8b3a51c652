#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "gigawarp/volume.h"
#include "io/chunk_codecs.h"

namespace gigawarp::io {

/// Elements of Zarr arrays. Booleans are read as u8, half floats as f32, 64-bit integers as
/// 32-bit ones where they fit.
enum class ZarrScalar { boolean, u8, i8, u16, i16, u32, i32, u64, i64, f16, f32, f64 };

std::size_t width_of(ZarrScalar scalar);
/// What a reader delivers.
ScalarType delivered_type(ZarrScalar scalar);

/// What the metadata of one array say (Zarr v2: .zarray; v3: zarr.json).
/// Sources: zarr-specs v2 (2019) and v3 core with sharding_indexed (ZEP 2).
struct ZarrLayout {
  int format = 2;  ///< of Zarr: 2 or 3
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> chunk;  ///< what is compressed as one
  std::vector<std::int64_t> shard;  ///< what is one file; the chunk itself without sharding
  ZarrScalar scalar = ZarrScalar::u8;
  bool big_endian = false;
  std::vector<std::size_t> order;  ///< dimensions from slowest to fastest inside a chunk
  CodecChain codecs;
  bool sharded = false;
  bool index_at_start = false, index_checked = true;  ///< of a shard
  bool prefixed = false;                              ///< keys begin with "c"
  std::string separator = ".";
  std::array<std::byte, 8> fill{};  ///< one element of the delivered type
  std::string codec_text() const;   ///< "blosc", "zstd, sharded", "uncompressed"
};

/// An array that is read box by box. Thread-safe.
class ZarrArray {
 public:
  /// Reads the metadata alone, of a folder or an address (io/http.h); `stop` ends what is read over
  /// the network, also later, with Error{cancelled}. Throws Error{bad_input}: no array, damaged, or
  /// of a kind that is not read (text, structures, filters …).
  explicit ZarrArray(const std::filesystem::path& folder, const std::stop_token& stop = {});
  ~ZarrArray();
  ZarrArray(ZarrArray&&) noexcept;
  ZarrArray& operator=(ZarrArray&&) noexcept;

  const ZarrLayout& layout() const;
  ScalarType type() const { return delivered_type(layout().scalar); }

  /// Elements begin … begin + count of every dimension, as type(), to out[sum of i * stride],
  /// strides in elements. Missing chunks are the fill value. Chunks are decoded in parallel, and
  /// fetched many at a time. Throws Error{bad_input} naming the damaged chunk's file.
  void read(std::span<const std::int64_t> begin, std::span<const std::int64_t> count,
            std::byte* out, std::span<const std::int64_t> stride) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Zarr files lie in this folder: an array or a group of format 2 or 3.
bool is_zarr_folder(const std::filesystem::path& folder, const std::stop_token& stop = {});
bool is_zarr_array(const std::filesystem::path& folder, const std::stop_token& stop = {});

/// "uint16" and its like, as Zarr v3 names them. Throws Error{bad_input} naming `file`.
ZarrScalar zarr_scalar(const std::string& name, const std::filesystem::path& file);

/// The metadata of an array; see ZarrArray.
ZarrLayout read_zarr_layout(const std::filesystem::path& folder, const std::stop_token& stop = {});

}  // namespace gigawarp::io
