#include "io/zarr_array.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <optional>

#include "base/parallel.h"
#include "io/byte_order.h"
#include "io/file_support.h"
#include "io/http.h"
#include "io/random_file.h"
#include "io/row_copy.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {
constexpr std::uint64_t kMissing = std::numeric_limits<std::uint64_t>::max();
constexpr std::size_t kIndexEntry = 16;  // offset, bytes
constexpr std::size_t kShardsRemembered = 256;
constexpr std::int64_t kCache = std::int64_t{8} << 20;  // bytes; more would not stay in it anyway

using Sizes = std::vector<std::int64_t>;

std::int64_t product(const Sizes& sizes) {
  std::int64_t n = 1;
  for (const std::int64_t s : sizes) n *= s;
  return n;
}

/// Place of `index` in a C-order list of the shape `shape`.
std::int64_t linear_index(const Sizes& index, const Sizes& shape) {
  std::int64_t i = 0;
  for (std::size_t d = 0; d < shape.size(); ++d) i = i * shape[d] + index[d];
  return i;
}

/// IEEE 754 binary16 to binary32.
float from_half(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000U) << 16U;
  const std::uint32_t exponent = half >> 10U & 0x1FU, mantissa = half & 0x3FFU;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000U | mantissa << 13U);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23U | mantissa << 13U);
  const float value = static_cast<float>(mantissa) * 0x1p-24F;
  return sign != 0 ? -value : value;
}

/// 64-bit elements as 32-bit ones; false when one does not fit.
template <class To, class From>
bool narrow(const std::byte* from, std::byte* to, std::size_t n) {
  bool fits = true;
  for (std::size_t i = 0; i < n; ++i) {
    From value;
    std::memcpy(&value, from + i * sizeof value, sizeof value);
    const To small = static_cast<To>(value);
    fits = fits && std::cmp_equal(small, value);
    std::memcpy(to + i * sizeof small, &small, sizeof small);
  }
  return fits;
}

/// One dimension that is stepped along; bytes.
struct Steps {
  std::int64_t count = 1, from = 0, to = 0;
};

/// Elements one by one, along three dimensions; the innermost one last.
void copy_elements(const Steps& planes, const Steps& rows, const Steps& row, const std::byte* from,
                   std::byte* to, std::size_t width) {
  for (std::int64_t p = 0; p < planes.count; ++p)
    for (std::int64_t r = 0; r < rows.count; ++r)
      for (std::int64_t i = 0; i < row.count; ++i)
        std::memcpy(to + p * planes.to + r * rows.to + i * row.to,
                    from + p * planes.from + r * rows.from + i * row.from, width);
}

/// Copies a box between two strided arrays of `width`-byte elements; strides in elements. Rows lie
/// along what is contiguous in `to`.
void copy_box(const Sizes& count, const std::byte* from, const Sizes& from_stride, std::byte* to,
              const Sizes& to_stride, std::size_t width, bool past_cache) {
  std::size_t inner = 0;
  for (std::size_t d = 0; d < count.size(); ++d)
    if (count[d] > 1 && (count[inner] == 1 || to_stride[d] < to_stride[inner])) inner = d;
  const auto bytes = static_cast<std::int64_t>(width);
  const Steps row{count[inner], from_stride[inner] * bytes, to_stride[inner] * bytes};
  const bool solid = row.from == bytes && row.to == bytes;
  std::vector<Steps> outer;  // the rest, the one that is nearest in `to` last
  for (std::size_t d = 0; d < count.size(); ++d)
    if (d != inner && count[d] > 1)
      outer.push_back({count[d], from_stride[d] * bytes, to_stride[d] * bytes});
  std::sort(outer.begin(), outer.end(), [](const Steps& a, const Steps& b) { return a.to > b.to; });
  while (outer.size() < 2) outer.insert(outer.begin(), Steps{});
  const Steps rows = outer.back(), planes = outer[outer.size() - 2];
  outer.resize(outer.size() - 2);
  Sizes at(outer.size(), 0);
  for (;;) {
    if (solid)
      copy_rows(planes.count, rows.count, static_cast<std::size_t>(row.count) * width, from,
                {rows.from, planes.from}, to, {rows.to, planes.to}, past_cache);
    else
      copy_elements(planes, rows, row, from, to, width);
    std::size_t d = outer.size();
    while (d-- > 0) {
      from += outer[d].from;
      to += outer[d].to;
      if (++at[d] < outer[d].count) break;
      from -= outer[d].count * outer[d].from;
      to -= outer[d].count * outer[d].to;
      at[d] = 0;
    }
    if (d >= outer.size()) return;
  }
}
}  // namespace

struct ZarrArray::State {
  using Index = std::vector<std::byte>;  ///< 16 bytes a chunk; empty: the shard is missing

  fs::path folder;
  bool remote;
  std::stop_token stop;
  ZarrLayout layout;
  Sizes chunks_per_shard;
  std::int64_t chunk_elements = 1;
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<const Index>> shards;

  State(const fs::path& where, std::stop_token stop_reading);
  fs::path file_of(const Sizes& shard) const;
  std::shared_ptr<const Index> index_of(const RandomFile& file, const fs::path& path);
  std::shared_ptr<const Index> fetch_index(const fs::path& path);
  std::size_t index_bytes() const {
    return static_cast<std::size_t>(product(chunks_per_shard)) * kIndexEntry +
           (layout.index_checked ? 4 : 0);
  }
  std::shared_ptr<const Index> checked_index(Index&& bytes, const fs::path& path);
  /// Where a chunk lies in its shard; nothing when it is missing.
  std::optional<ByteRange> place_in(const Index& index, const Sizes& chunk) const;
  std::uint64_t most_bytes() const {
    return 2 * static_cast<std::uint64_t>(chunk_elements) * width_of(layout.scalar) + (1U << 20);
  }
  bool fetch_encoded(const Sizes& chunk, const fs::path& path, std::vector<std::byte>& out);
  /// False when the chunk is missing.
  bool read_encoded(const Sizes& chunk, const fs::path& path, std::vector<std::byte>& out);
  /// Elements [begin, end) of a chunk at their places in it, in the delivered type; nothing when it
  /// is missing. They lie at `place`, where the whole chunk has room, if that is given and they
  /// need no conversion; else they are valid until this thread's next call.
  std::optional<std::span<const std::byte>> decoded(const Sizes& chunk, std::int64_t begin,
                                                    std::int64_t end, std::byte* place);
  /// Strides of the dimensions inside a decoded chunk.
  Sizes chunk_stride() const;
  void read_part(const Sizes& chunk, std::span<const std::int64_t> begin,
                 std::span<const std::int64_t> count, std::byte* out,
                 std::span<const std::int64_t> stride, bool past_cache);
};

ZarrArray::State::State(const fs::path& where, std::stop_token stop_reading)
    : folder(where),
      remote(is_address(where)),
      stop(std::move(stop_reading)),
      layout(read_zarr_layout(where, stop)) {
  for (std::size_t d = 0; d < layout.shape.size(); ++d)
    chunks_per_shard.push_back(layout.shard[d] / layout.chunk[d]);
  chunk_elements = product(layout.chunk);
}

Sizes ZarrArray::State::chunk_stride() const {
  Sizes out(layout.chunk.size());
  std::int64_t stride = 1;
  for (auto d = layout.order.rbegin(); d != layout.order.rend(); ++d) {
    out[*d] = stride;
    stride *= layout.chunk[*d];
  }
  return out;
}

fs::path ZarrArray::State::file_of(const Sizes& shard) const {
  std::string key = layout.prefixed ? "c" : "";
  for (const std::int64_t i : shard)
    key += (key.empty() ? "" : layout.separator) + std::to_string(i);
  return folder / key;
}

std::shared_ptr<const ZarrArray::State::Index> ZarrArray::State::index_of(const RandomFile& file,
                                                                          const fs::path& path) {
  {
    const std::lock_guard lock(mutex);
    if (const auto found = shards.find(path.string()); found != shards.end()) return found->second;
  }
  const std::size_t bytes = index_bytes();
  if (file.size() < bytes)
    refuse(path, "is a truncated shard of the volume; copy or export it again.");
  Index index(bytes);
  file.read(layout.index_at_start ? 0 : file.size() - bytes, index);
  return checked_index(std::move(index), path);
}

std::shared_ptr<const ZarrArray::State::Index> ZarrArray::State::checked_index(
    Index&& bytes, const fs::path& path) {
  auto index = std::make_shared<Index>(std::move(bytes));
  const std::size_t entries = index->size() - (layout.index_checked ? 4 : 0);
  if (!index->empty() && layout.index_checked &&
      load_le<std::uint32_t>(index->data() + entries) != crc32c({index->data(), entries}))
    refuse(path,
           "is a damaged shard of the volume (the checksum of its index is wrong); copy or "
           "export it again.");
  const std::lock_guard lock(mutex);
  if (shards.size() >= kShardsRemembered) shards.clear();
  shards[path.string()] = index;
  return index;
}

/// Empty when the server has no such shard.
std::shared_ptr<const ZarrArray::State::Index> ZarrArray::State::fetch_index(const fs::path& path) {
  {
    const std::lock_guard lock(mutex);
    if (const auto found = shards.find(path.string()); found != shards.end()) return found->second;
  }
  FetchOptions options;
  options.range = ByteRange{0, index_bytes(), !layout.index_at_start};
  const std::optional<Fetched> fetched = fetch(path, options, stop);
  if (!fetched) return checked_index({}, path);
  if (fetched->bytes.size() < index_bytes())
    refuse(path, "is a truncated shard of the volume; copy or export it again.");
  return checked_index(Index(fetched->bytes), path);
}

std::optional<ByteRange> ZarrArray::State::place_in(const Index& index, const Sizes& chunk) const {
  Sizes within(chunk.size());
  for (std::size_t d = 0; d < chunk.size(); ++d) within[d] = chunk[d] % chunks_per_shard[d];
  const std::byte* entry =
      index.data() + static_cast<std::size_t>(linear_index(within, chunks_per_shard)) * kIndexEntry;
  const ByteRange place{load_le<std::uint64_t>(entry), load_le<std::uint64_t>(entry + 8)};
  if (place.offset == kMissing && place.bytes == kMissing) return std::nullopt;
  return place;
}

bool ZarrArray::State::fetch_encoded(const Sizes& chunk, const fs::path& path,
                                     std::vector<std::byte>& out) {
  FetchOptions options;
  options.most_bytes = most_bytes();
  if (layout.sharded) {
    const std::shared_ptr<const Index> index = fetch_index(path);
    if (index->empty()) return false;
    options.range = place_in(*index, chunk);
    if (!options.range) return false;
    if (options.range->bytes > most_bytes())
      refuse(path, "is damaged: it is larger than a chunk of the volume can be.");
  }
  std::optional<Fetched> fetched = fetch(path, options, stop);
  if (!fetched) return false;
  if (options.range && fetched->bytes.size() < options.range->bytes)
    refuse(path,
           "is a damaged shard of the volume (a chunk lies beyond its end); copy or export "
           "it again.");
  out = std::move(fetched->bytes);
  return true;
}

bool ZarrArray::State::read_encoded(const Sizes& chunk, const fs::path& path,
                                    std::vector<std::byte>& out) {
  if (remote) return fetch_encoded(chunk, path, out);
  const RandomFile file(path);
  if (file.is_missing()) return false;
  std::uint64_t offset = 0, bytes = file.size();
  if (layout.sharded) {
    const std::optional<ByteRange> place = place_in(*index_of(file, path), chunk);
    if (!place) return false;
    offset = place->offset;
    bytes = place->bytes;
    if (offset > file.size() || bytes > file.size() - offset)
      refuse(path,
             "is a damaged shard of the volume (a chunk lies beyond its end); copy or export "
             "it again.");
  }
  if (bytes > most_bytes())
    refuse(path, "is damaged: it is larger than a chunk of the volume can be.");
  out.resize(static_cast<std::size_t>(bytes));
  file.read(offset, out);
  return true;
}

std::optional<std::span<const std::byte>> ZarrArray::State::decoded(const Sizes& chunk,
                                                                    std::int64_t begin,
                                                                    std::int64_t end,
                                                                    std::byte* place) {
  thread_local std::vector<std::byte> encoded, held, converted;
  Sizes shard(chunk.size());
  for (std::size_t d = 0; d < chunk.size(); ++d) shard[d] = chunk[d] / chunks_per_shard[d];
  const fs::path path = file_of(shard);
  if (!read_encoded(chunk, path, encoded)) return std::nullopt;
  const auto n = static_cast<std::size_t>(chunk_elements);
  const std::size_t width = width_of(layout.scalar);
  const bool as_it_is =
      layout.scalar != ZarrScalar::f16 && size_of(delivered_type(layout.scalar)) == width;
  if (!as_it_is) place = nullptr;
  if (place == nullptr) held.resize(n * width);
  const std::span<std::byte> raw(place != nullptr ? place : held.data(), n * width);
  const bool partly = as_it_is && end - begin < chunk_elements;
  std::optional<std::string> problem;
  if (partly)
    problem = decode_part(layout.codecs, encoded, raw.size(), width,
                          static_cast<std::size_t>(begin) * width,
                          raw.subspan(static_cast<std::size_t>(begin) * width,
                                      static_cast<std::size_t>(end - begin) * width));
  if (!problem) problem = decode_chunk(layout.codecs, encoded, raw);
  if (const std::string& why = *problem; !why.empty())
    refuse(path, "is a chunk of the volume that " + why + "; copy or export it again.");
  if (layout.big_endian) reverse_bytes(raw.data(), n, width);
  if (as_it_is) return raw;
  converted.resize(n * size_of(delivered_type(layout.scalar)));
  bool fits = true;
  if (layout.scalar == ZarrScalar::f16) {
    for (std::size_t i = 0; i < n; ++i) {
      const float value = from_half(load_le<std::uint16_t>(raw.data() + 2 * i));
      std::memcpy(converted.data() + 4 * i, &value, sizeof value);
    }
  } else if (layout.scalar == ZarrScalar::u64) {
    fits = narrow<std::uint32_t, std::uint64_t>(raw.data(), converted.data(), n);
  } else {
    fits = narrow<std::int32_t, std::int64_t>(raw.data(), converted.data(), n);
  }
  if (!fits)
    refuse(path, "holds 64-bit integers that do not fit in 32 bits; renumber its labels first.");
  return converted;
}

void ZarrArray::State::read_part(const Sizes& chunk, std::span<const std::int64_t> begin,
                                 std::span<const std::int64_t> count, std::byte* out,
                                 std::span<const std::int64_t> stride, bool past_cache) {
  const std::size_t width = size_of(delivered_type(layout.scalar));
  Sizes part(chunk.size()), inside(chunk.size()), to_stride(stride.begin(), stride.end());
  std::int64_t to = 0;
  for (std::size_t d = 0; d < chunk.size(); ++d) {
    const std::int64_t first = chunk[d] * layout.chunk[d];
    const std::int64_t low = std::max(first, begin[d]);
    const std::int64_t high = std::min(first + layout.chunk[d], begin[d] + count[d]);
    part[d] = high - low;
    inside[d] = low - first;
    to += (low - begin[d]) * stride[d];
  }
  std::byte* target = out + to * static_cast<std::int64_t>(width);
  const Sizes from_stride = chunk_stride();
  std::int64_t from = 0, last = 0;
  for (std::size_t d = 0; d < chunk.size(); ++d) {
    from += inside[d] * from_stride[d];
    last += (inside[d] + part[d] - 1) * from_stride[d];
  }
  bool whole = part == layout.chunk;
  for (std::size_t d = 0; d < chunk.size(); ++d)
    whole = whole && (part[d] == 1 || to_stride[d] == from_stride[d]);
  const auto block = decoded(chunk, from, last + 1, whole ? target : nullptr);
  if (!block)
    return copy_box(part, layout.fill.data(), Sizes(chunk.size(), 0), target, to_stride, width,
                    past_cache);
  if (block->data() == target) return;
  copy_box(part, block->data() + from * static_cast<std::int64_t>(width), from_stride, target,
           to_stride, width, past_cache);
}

ZarrArray::ZarrArray(const fs::path& folder, const std::stop_token& stop)
    : state_(std::make_unique<State>(folder, stop)) {}
ZarrArray::~ZarrArray() = default;
ZarrArray::ZarrArray(ZarrArray&&) noexcept = default;
ZarrArray& ZarrArray::operator=(ZarrArray&&) noexcept = default;

const ZarrLayout& ZarrArray::layout() const { return state_->layout; }

void ZarrArray::read(std::span<const std::int64_t> begin, std::span<const std::int64_t> count,
                     std::byte* out, std::span<const std::int64_t> stride) const {
  const ZarrLayout& layout = state_->layout;
  const std::size_t rank = layout.shape.size();
  Sizes first(rank), chunks(rank);
  for (std::size_t d = 0; d < rank; ++d) {
    if (begin[d] < 0 || count[d] <= 0 || begin[d] + count[d] > layout.shape[d])
      throw Error(ErrorCode::internal, "A box outside a volume was to be read.",
                  state_->folder.string());
    first[d] = begin[d] / layout.chunk[d];
    chunks[d] = (begin[d] + count[d] - 1) / layout.chunk[d] - first[d] + 1;
  }
  const auto bytes = product({count.begin(), count.end()}) *
                     static_cast<std::int64_t>(size_of(delivered_type(layout.scalar)));
  const bool past_cache = bytes > kCache;
  const auto read_chunk = [&](std::int64_t i) {
    Sizes chunk(rank);
    for (std::size_t d = rank; d-- > 0; i /= chunks[d]) chunk[d] = first[d] + i % chunks[d];
    state_->read_part(chunk, begin, count, out, stride, past_cache);
  };
  state_->remote ? many_at_once(product(chunks), read_chunk)
                 : parallel_for(product(chunks), read_chunk);
}

}  // namespace gigawarp::io
