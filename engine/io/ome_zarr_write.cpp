#include "io/ome_zarr_write.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "base/parallel.h"
#include "io/byte_order.h"
#include "io/chunk_codecs.h"
#include "io/downsample.h"
#include "io/file_support.h"
#include "io/row_copy.h"
#include "io/zarr_array.h"

namespace gigawarp::io {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {
constexpr std::int64_t kChunk = 64;       // voxels along each axis
constexpr std::int64_t kShardChunks = 8;  // along x and y
constexpr std::int64_t kMostSlabBytes = std::int64_t{256} << 20;
constexpr std::size_t kMostLevels = 16;

/// Axes are halved while their voxels are not much longer than the shortest ones.
Size3 halving(const Grid& grid) {
  const Vec3 spacing = grid.spacing_mm();
  const double shortest = std::min({spacing[0], spacing[1], spacing[2]});
  Size3 factor{1, 1, 1};
  for (std::size_t a = 0; a < 3; ++a)
    if (grid.size[a] > 1 && spacing[a] < 1.42 * shortest) factor[a] = 2;
  if (factor == Size3{1, 1, 1})  // the short axes have been used up
    for (std::size_t a = 0; a < 3; ++a) factor[a] = grid.size[a] > 1 ? 2 : 1;
  return factor;
}

Grid coarser(const Grid& grid, const Size3& factor) {
  Grid out = grid;
  out.size = halved_size(grid.size, factor);
  Vec3 first{};
  for (std::size_t a = 0; a < 3; ++a) {
    first[a] = static_cast<double>(factor[a] - 1) / 2;
    for (std::size_t r = 0; r < 3; ++r)
      out.world_from_voxel.linear[r][a] *= static_cast<double>(factor[a]);
  }
  out.world_from_voxel.offset = grid.world_from_voxel(first);
  return out;
}

struct Level {
  Grid grid;
  Size3 factor{1, 1, 1};  ///< from the level below
  Buffer slab;            ///< planes waiting to be written; none for the finest
  std::int64_t first = 0, filled = 0;
};

/// Planes that are written together, and where the means of them go.
struct Slab {
  Size3 size{};
  const std::byte* voxels = nullptr;
  Size3 chunk{}, shard{};
  Size3 factor{1, 1, 1}, coarse_size{};  ///< of the level above
  std::byte* coarse = nullptr;           ///< its planes; null: there is no such level
};

bool all_zero(std::span<const std::byte> bytes) {
  return bytes.front() == std::byte{0} &&
         std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

std::string anatomical_name(const Vec3& direction) {
  constexpr const char* kNames[3][2] = {{"left-to-right", "right-to-left"},
                                        {"posterior-to-anterior", "anterior-to-posterior"},
                                        {"superior-to-inferior", "inferior-to-superior"}};
  std::size_t axis = 0;
  for (std::size_t r = 1; r < 3; ++r)
    if (std::abs(direction[r]) > std::abs(direction[axis])) axis = r;
  return kNames[axis][direction[axis] > 0 ? 1 : 0];
}

/// An array, or what else is no level of a pyramid: 2 for "2".
bool is_level(const fs::path& path) {
  const std::string name = path.filename().string();
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return std::ranges::all_of(name, is_digit) && fs::is_directory(path) && is_zarr_array(path);
}

/// Only what this writes is replaced: labels and tables of other programs may be the only ones.
std::string obstacle_to_replacing(const fs::path& folder) {
  if (!is_zarr_folder(folder)) return "something else of that name exists; choose another name.";
  std::error_code code;
  for (fs::directory_iterator entry(folder, code), end; !code && entry != end;
       entry.increment(code)) {
    const std::string name = entry->path().filename().string();
    const bool own = name == ".zattrs" || name == ".zgroup" || name == "zarr.json";
    if (!own && !is_level(entry->path()))
      return "the folder of that name holds \"" + name +
             "\", which would be lost; move that away or choose another name.";
  }
  if (code) return code.message() + "; choose another name.";
  return {};
}

class OmeZarrSink : public VolumeSink {
 public:
  OmeZarrSink(const fs::path& path, const SinkSpec& spec);
  std::int64_t planes_at_once() const override { return depth_; }
  void write(int channel, std::int64_t z, std::int64_t planes, const std::byte* voxels) override;
  void commit() override;

 private:
  bool v3() const { return spec().options.ome_zarr_0_5; }
  std::size_t width() const { return size_of(spec().type); }
  Size3 chunk_size(const Grid& grid) const;
  Size3 shard_size(const Grid& grid) const;
  void emit(std::size_t level, int channel, std::int64_t z, std::int64_t planes,
            const std::byte* voxels);
  void write_chunks(const Slab& slab, std::size_t level, int channel, std::int64_t z);
  std::span<const std::byte> encoded(const Slab& slab, const Size3& at) const;
  std::vector<std::byte> encoded_shard(const Slab& slab, const Size3& at) const;
  Json array_json(const Level& level) const;
  Json image_json() const;
  void put_json(const fs::path& relative, const Json& json) const;

  AtomicFolder folder_;
  std::int64_t depth_ = kChunk;
  CodecChain codecs_;
  std::vector<Level> levels_;
};

OmeZarrSink::OmeZarrSink(const fs::path& path, const SinkSpec& spec)
    : VolumeSink(spec), folder_(path, obstacle_to_replacing) {
  const Size3& n = spec.grid.size;
  const std::int64_t plane = n[0] * n[1] * static_cast<std::int64_t>(width());
  while (depth_ > 2 && depth_ * plane > kMostSlabBytes) depth_ /= 2;
  ByteCodec blosc;
  blosc.type_size = static_cast<int>(width());
  codecs_ = {blosc};
  levels_.emplace_back();
  levels_[0].grid = spec.grid;
  while (levels_.size() < kMostLevels &&
         std::ranges::any_of(levels_.back().grid.size, [](auto s) { return s > kChunk; })) {
    Level next;
    next.factor = halving(levels_.back().grid);
    next.grid = coarser(levels_.back().grid, next.factor);
    const Size3& m = next.grid.size;
    next.slab = Buffer(static_cast<std::size_t>(m[0] * m[1] * depth_) * width());
    levels_.push_back(std::move(next));
  }
}

Size3 OmeZarrSink::chunk_size(const Grid& grid) const {
  return {std::min(kChunk, grid.size[0]), std::min(kChunk, grid.size[1]),
          std::min(depth_, grid.size[2])};
}

Size3 OmeZarrSink::shard_size(const Grid& grid) const {
  const Size3 chunk = chunk_size(grid);
  if (!v3()) return chunk;
  Size3 out = chunk;
  for (std::size_t a = 0; a < 2; ++a)
    out[a] *= std::min(kShardChunks, (grid.size[a] + chunk[a] - 1) / chunk[a]);
  return out;
}

/// One chunk of the slab, beyond whose end lie zeros; empty when all of it is zero. Its means go to
/// the level above while its voxels are still in the processor's cache. The result is this thread's
/// until its next call.
std::span<const std::byte> OmeZarrSink::encoded(const Slab& slab, const Size3& at) const {
  thread_local std::vector<std::byte> raw, packed;
  const auto bytes = static_cast<std::int64_t>(width());
  const Size3& chunk = slab.chunk;
  raw.resize(static_cast<std::size_t>(chunk[0] * chunk[1] * chunk[2] * bytes));
  Size3 part{};
  for (std::size_t a = 0; a < 3; ++a) part[a] = std::min(chunk[a], slab.size[a] - at[a]);
  if (part != chunk) std::memset(raw.data(), 0, raw.size());
  const Size3 &n = slab.size, &m = slab.coarse_size, &factor = slab.factor;
  const std::int64_t row = chunk[0] * bytes, plane = chunk[1] * row;
  for (std::int64_t z = 0; z < part[2]; z += factor[2]) {
    const std::int64_t planes = std::min(factor[2], part[2] - z);
    std::byte* some = raw.data() + z * plane;
    copy_rows(planes, part[1], static_cast<std::size_t>(part[0] * bytes),
              slab.voxels + (((at[2] + z) * n[1] + at[1]) * n[0] + at[0]) * bytes,
              {n[0] * bytes, n[0] * n[1] * bytes}, some, {row, plane}, false);
    if (slab.coarse == nullptr) continue;
    const std::int64_t first =
        ((at[2] + z) / factor[2] * m[1] + at[1] / factor[1]) * m[0] + at[0] / factor[0];
    downsample(spec().type, spec().options.labels ? Downsampling::majority : Downsampling::mean,
               some, {part[0], part[1], planes}, chunk, factor, slab.coarse + first * bytes, m);
  }
  if (all_zero(raw)) return {};
  return encode_chunk(codecs_, raw, packed);
}

/// Inner chunks one after another, then their index; empty when all of it is zero.
std::vector<std::byte> OmeZarrSink::encoded_shard(const Slab& slab, const Size3& at) const {
  constexpr std::uint64_t kMissing = std::numeric_limits<std::uint64_t>::max();
  const std::int64_t columns = slab.shard[0] / slab.chunk[0], rows = slab.shard[1] / slab.chunk[1];
  std::vector<std::vector<std::byte>> chunks(static_cast<std::size_t>(rows * columns));
  parallel_for(rows * columns, [&](std::int64_t i) {
    const Size3 corner{at[0] + i % columns * slab.chunk[0], at[1] + i / columns * slab.chunk[1],
                       at[2]};
    if (corner[0] >= slab.size[0] || corner[1] >= slab.size[1]) return;
    const std::span<const std::byte> one = encoded(slab, corner);
    chunks[static_cast<std::size_t>(i)].assign(one.begin(), one.end());
  });
  std::vector<std::byte> out, index;
  const auto put = [&index](std::uint64_t v) {
    index.resize(index.size() + 8);
    store_le(index.data() + index.size() - 8, v);
  };
  for (std::vector<std::byte>& one : chunks) {
    put(one.empty() ? kMissing : out.size());
    put(one.empty() ? kMissing : one.size());
    out.insert(out.end(), one.begin(), one.end());
    one = {};
  }
  if (out.empty()) return {};
  out.insert(out.end(), index.begin(), index.end());
  std::array<std::byte, 4> sum{};
  store_le(sum.data(), crc32c(index));
  out.insert(out.end(), sum.begin(), sum.end());
  return out;
}

void OmeZarrSink::write_chunks(const Slab& slab, std::size_t level, int channel, std::int64_t z) {
  const std::int64_t columns = (slab.size[0] + slab.shard[0] - 1) / slab.shard[0],
                     rows = (slab.size[1] + slab.shard[1] - 1) / slab.shard[1];
  fs::path row = std::to_string(level);
  if (v3()) row /= "c";
  if (spec().channels > 1) row /= std::to_string(channel);
  row /= std::to_string(z / slab.chunk[2]);
  for (std::int64_t y = 0; y < rows; ++y) folder_.make_folders(row / std::to_string(y));
  parallel_for(rows * columns, [&](std::int64_t i) {
    const std::int64_t x = i % columns, y = i / columns;
    const Size3 at{x * slab.shard[0], y * slab.shard[1], 0};
    const fs::path file = row / std::to_string(y) / std::to_string(x);
    if (v3()) {
      const std::vector<std::byte> bytes = encoded_shard(slab, at);
      if (!bytes.empty()) folder_.write(file, bytes);
    } else if (const auto bytes = encoded(slab, at); !bytes.empty()) {
      folder_.write(file, bytes);
    }
  });
}

void OmeZarrSink::emit(std::size_t level, int channel, std::int64_t z, std::int64_t planes,
                       const std::byte* voxels) {
  const Grid& grid = levels_[level].grid;
  Slab slab{{grid.size[0], grid.size[1], planes}, voxels, chunk_size(grid), shard_size(grid)};
  if (level + 1 == levels_.size()) return write_chunks(slab, level, channel, z);
  Level& next = levels_[level + 1];
  const Size3& m = next.grid.size;
  if (z == 0) next.first = next.filled = 0;
  slab.factor = next.factor;
  slab.coarse_size = m;
  slab.coarse = next.slab.data() + static_cast<std::size_t>(next.filled * m[0] * m[1]) * width();
  write_chunks(slab, level, channel, z);
  next.filled += halved_size(slab.size, next.factor)[2];
  if (next.filled < std::min(depth_, m[2] - next.first)) return;
  const std::int64_t ready = next.filled, first = next.first;
  next.first += ready;
  next.filled = 0;
  emit(level + 1, channel, first, ready, next.slab.data());
}

void OmeZarrSink::write(int channel, std::int64_t z, std::int64_t planes, const std::byte* voxels) {
  if (z % depth_ != 0 || (planes != depth_ && z + planes != spec().grid.size[2]) || planes > depth_)
    throw Error(ErrorCode::internal, "Planes of an OME-Zarr were written out of step.",
                folder_.target().string());
  emit(0, channel, z, planes, voxels);
}

Json OmeZarrSink::array_json(const Level& level) const {
  const auto zyx = [&](const Size3& s, std::int64_t channels) {
    Json list = Json::array();
    if (spec().channels > 1) list.push_back(channels);
    for (const std::size_t a : {2, 1, 0}) list.push_back(s[a]);
    return list;
  };
  const bool is_float = spec().type == ScalarType::f32 || spec().type == ScalarType::f64;
  const bool is_signed = spec().type == ScalarType::i8 || spec().type == ScalarType::i16 ||
                         spec().type == ScalarType::i32;
  const Json fill = is_float ? Json(0.0) : Json(0);
  const Json shape = zyx(level.grid.size, spec().channels);
  const Json chunk = zyx(chunk_size(level.grid), 1);
  if (!v3()) {
    const std::string letter = is_float ? "f" : is_signed ? "i" : "u";
    const std::string dtype = (width() == 1 ? "|" : "<") + letter + std::to_string(width());
    return {{"zarr_format", 2},
            {"shape", shape},
            {"chunks", chunk},
            {"dtype", dtype},
            {"compressor",
             {{"id", "blosc"},
              {"cname", "lz4"},
              {"clevel", codecs_[0].level},
              {"shuffle", width() > 1 ? 1 : 0},
              {"blocksize", 0}}},
            {"fill_value", fill},
            {"order", "C"},
            {"filters", nullptr},
            {"dimension_separator", "/"}};
  }
  const std::string word = is_float ? "float" : is_signed ? "int" : "uint";
  const Json little{{"name", "bytes"}, {"configuration", {{"endian", "little"}}}};
  const Json blosc{{"name", "blosc"},
                   {"configuration",
                    {{"cname", "lz4"},
                     {"clevel", codecs_[0].level},
                     {"typesize", width()},
                     {"shuffle", width() > 1 ? "shuffle" : "noshuffle"},
                     {"blocksize", 0}}}};
  const Json sharding{{"name", "sharding_indexed"},
                      {"configuration",
                       {{"chunk_shape", chunk},
                        {"codecs", Json::array({little, blosc})},
                        {"index_codecs", Json::array({little, Json{{"name", "crc32c"}}})},
                        {"index_location", "end"}}}};
  Json names = spec().channels > 1 ? Json{"c", "z", "y", "x"} : Json{"z", "y", "x"};
  return {
      {"zarr_format", 3},
      {"node_type", "array"},
      {"shape", shape},
      {"data_type", word + std::to_string(8 * width())},
      {"chunk_grid",
       {{"name", "regular"}, {"configuration", {{"chunk_shape", zyx(shard_size(level.grid), 1)}}}}},
      {"chunk_key_encoding", {{"name", "default"}, {"configuration", {{"separator", "/"}}}}},
      {"fill_value", fill},
      {"codecs", Json::array({sharding})},
      {"dimension_names", names},
      {"attributes", Json::object()}};
}

/// "multiscales" and what goes with it.
Json OmeZarrSink::image_json() const {
  const Mat3 direction = spec().grid.direction();
  const Affine frame_from_world = Affine{direction, {}}.inverse();
  const bool channels = spec().channels > 1;
  Json axes = Json::array();
  if (channels) axes.push_back({{"name", "c"}, {"type", "channel"}});
  for (const std::size_t a : {2, 1, 0}) {
    const Vec3 column{direction[0][a], direction[1][a], direction[2][a]};
    axes.push_back({{"name", std::string(1, "xyz"[a])},
                    {"type", "space"},
                    {"unit", "millimeter"},
                    {"orientation", {{"type", "anatomical"}, {"value", anatomical_name(column)}}}});
  }
  Json datasets = Json::array();
  for (std::size_t l = 0; l < levels_.size(); ++l) {
    const Vec3 spacing = levels_[l].grid.spacing_mm();
    const Vec3 origin = frame_from_world(levels_[l].grid.origin_mm());
    Json scale = Json::array(), translation = Json::array();
    if (channels) scale.push_back(1.0), translation.push_back(0.0);
    for (const std::size_t a : {2, 1, 0})
      scale.push_back(spacing[a]), translation.push_back(origin[a]);
    datasets.push_back(
        {{"path", std::to_string(l)},
         {"coordinateTransformations",
          Json::array({Json{{"type", "scale"}, {"scale", scale}},
                       Json{{"type", "translation"}, {"translation", translation}}})}});
  }
  Json multiscale;
  if (!v3()) multiscale["version"] = "0.4";
  multiscale["name"] = folder_.target().stem().stem().string();
  multiscale["type"] = spec().options.labels ? "majority" : "mean";
  multiscale["axes"] = axes;
  multiscale["datasets"] = datasets;
  Json out;
  if (v3()) out["version"] = "0.5";
  out["multiscales"] = Json::array({multiscale});
  if (spec().options.labels) out["image-label"] = v3() ? Json::object() : Json{{"version", "0.4"}};
  return out;
}

void OmeZarrSink::put_json(const fs::path& relative, const Json& json) const {
  const std::string text = json.dump(2) + "\n";
  folder_.write(relative, std::as_bytes(std::span(text)));
}

void OmeZarrSink::commit() {
  for (std::size_t l = 0; l < levels_.size(); ++l) {
    folder_.make_folders(std::to_string(l));
    put_json(fs::path(std::to_string(l)) / (v3() ? "zarr.json" : ".zarray"),
             array_json(levels_[l]));
  }
  const Json own{{"frame", "LPS mm = direction * (scale * index + translation)"},
                 {"direction", spec().grid.direction()}};
  if (v3()) {
    put_json("zarr.json", {{"zarr_format", 3},
                           {"node_type", "group"},
                           {"attributes", {{"ome", image_json()}, {"gigawarp", own}}}});
  } else {
    Json attributes = image_json();
    attributes["gigawarp"] = own;
    put_json(".zgroup", {{"zarr_format", 2}});
    put_json(".zattrs", attributes);
  }
  folder_.commit();
}
}  // namespace

std::unique_ptr<VolumeSink> create_ome_zarr(const fs::path& path, const SinkSpec& spec) {
  return std::make_unique<OmeZarrSink>(path, spec);
}

bool is_ome_zarr_name(const fs::path& path) {
  const fs::path name = path.has_filename() ? path : path.parent_path();
  return has_extension(name, ".zarr");
}

}  // namespace gigawarp::io
