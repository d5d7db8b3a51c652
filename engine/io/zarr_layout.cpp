#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <numeric>

#include "io/json_text.h"
#include "io/zarr_array.h"

namespace gigawarp::io {

namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {
constexpr std::size_t kMostDimensions = 16;
constexpr std::int64_t kMostBytesPerChunk = std::int64_t{2} << 30;
constexpr std::int64_t kLongest = std::int64_t{1} << 40;

/// Metadata of one array, with refusals that name its file.
struct Metadata {
  fs::path file;
  Json json;
  const Json& at(const char* key) const {
    if (!json.contains(key))
      refuse(file, std::string("has damaged metadata: \"") + key + "\" is missing.");
    return json.at(key);
  }
  [[noreturn]] void unread(const std::string& what) const {
    refuse(file, "describes an array with " + what +
                     ", which is not read; store it again with blosc, zstd or gzip alone.");
  }
  [[noreturn]] void damaged(const std::string& what) const {
    refuse(file, "has damaged metadata: " + what + ".");
  }
};

std::vector<std::int64_t> sizes(const Metadata& meta, const Json& list, const char* what) {
  if (!list.is_array() || list.empty() || list.size() > kMostDimensions)
    meta.damaged(std::string("its ") + what + " is no list of sizes");
  std::vector<std::int64_t> out;
  for (const Json& n : list) {
    if (!n.is_number_integer() || n.get<std::int64_t>() <= 0 || n.get<std::int64_t>() > kLongest)
      meta.damaged(std::string("its ") + what + " has an impossible size");
    out.push_back(n.get<std::int64_t>());
  }
  return out;
}

std::string v3_name(const Metadata& meta, const std::string& dtype) {
  static const std::map<char, std::string> kKinds{
      {'b', "bool"}, {'u', "uint"}, {'i', "int"}, {'f', "float"}};
  const auto kind = dtype.size() >= 3 ? kKinds.find(dtype[1]) : kKinds.end();
  if (kind == kKinds.end() || (dtype[0] != '<' && dtype[0] != '>' && dtype[0] != '|'))
    refuse(meta.file, "holds elements of type \"" + dtype + "\", which are no voxel values.");
  if (kind->first == 'b') return dtype == "|b1" ? "bool" : dtype;
  const std::string bytes = dtype.substr(2);
  if (bytes != "1" && bytes != "2" && bytes != "4" && bytes != "8") return dtype;
  return kind->second + std::to_string(8 * (bytes[0] - '0'));
}

template <class T>
void put_fill(ZarrLayout& out, T value) {
  std::memcpy(out.fill.data(), &value, sizeof value);
}

void set_number_fill(const Metadata& meta, double value, ZarrLayout& out) {
  const auto whole = [&]<class T>(T) {
    if (!(value >= static_cast<double>(std::numeric_limits<T>::min()) &&
          value <= static_cast<double>(std::numeric_limits<T>::max())))
      meta.damaged("its fill value does not fit its type");
    put_fill(out, static_cast<T>(value));
  };
  switch (out.scalar) {
    case ZarrScalar::boolean:
    case ZarrScalar::u8: return whole(std::uint8_t{});
    case ZarrScalar::i8: return whole(std::int8_t{});
    case ZarrScalar::u16: return whole(std::uint16_t{});
    case ZarrScalar::i16: return whole(std::int16_t{});
    case ZarrScalar::u32:
    case ZarrScalar::u64: return whole(std::uint32_t{});
    case ZarrScalar::i32:
    case ZarrScalar::i64: return whole(std::int32_t{});
    case ZarrScalar::f16:
    case ZarrScalar::f32: return put_fill(out, static_cast<float>(value));
    case ZarrScalar::f64: return put_fill(out, value);
  }
}

/// The fill value as the delivered type.
void set_fill(const Metadata& meta, const Json& value, ZarrLayout& out) {
  if (value.is_null()) return;
  if (value.is_boolean()) return set_number_fill(meta, value.get<bool>() ? 1 : 0, out);
  if (value.is_number()) return set_number_fill(meta, value.get<double>(), out);
  const bool is_float = out.scalar >= ZarrScalar::f16;
  const std::string text = value.is_string() ? value.get<std::string>() : "";
  if (is_float && text == "NaN") return set_number_fill(meta, std::nan(""), out);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (is_float && text == "Infinity") return set_number_fill(meta, kInfinity, out);
  if (is_float && text == "-Infinity") return set_number_fill(meta, -kInfinity, out);
  meta.damaged("its fill value is no number");
}

int level_of(const Json& settings, const char* key, int otherwise) {
  return settings.contains(key) && settings.at(key).is_number_integer()
             ? settings.at(key).get<int>()
             : otherwise;
}

/// A compressor by its name in either version.
bool add_codec(const std::string& name, const Json& settings, CodecChain& chain) {
  static const std::map<std::string, CodecKind> kKinds{
      {"blosc", CodecKind::blosc}, {"zlib", CodecKind::zlib}, {"gzip", CodecKind::gzip},
      {"zstd", CodecKind::zstd},   {"lz4", CodecKind::lz4},   {"crc32c", CodecKind::crc32c}};
  const auto found = kKinds.find(name);
  if (found == kKinds.end()) return false;
  ByteCodec codec;
  codec.kind = found->second;
  codec.level = level_of(settings, codec.kind == CodecKind::blosc ? "clevel" : "level", 5);
  chain.push_back(codec);
  return true;
}

ZarrLayout parse_v2(const Metadata& meta) {
  ZarrLayout out;
  out.format = 2;
  if (meta.at("zarr_format") != 2) meta.damaged("it is not of Zarr format 2");
  out.shape = sizes(meta, meta.at("shape"), "shape");
  out.chunk = sizes(meta, meta.at("chunks"), "chunk shape");
  if (!meta.at("dtype").is_string()) meta.unread("structured elements");
  const auto dtype = meta.at("dtype").get<std::string>();
  out.scalar = zarr_scalar(v3_name(meta, dtype), meta.file);
  out.big_endian = dtype[0] == '>';
  out.order.resize(out.shape.size());
  std::iota(out.order.begin(), out.order.end(), std::size_t{0});
  if (meta.json.value("order", std::string("C")) == "F")
    std::reverse(out.order.begin(), out.order.end());
  if (meta.json.contains("filters") && meta.json.at("filters").is_array() &&
      !meta.json.at("filters").empty())
    meta.unread("filters");
  const Json compressor = meta.json.contains("compressor") ? meta.json.at("compressor") : Json();
  if (!compressor.is_null()) {
    const auto id = compressor.at("id").get<std::string>();
    if (!add_codec(id, compressor, out.codecs)) meta.unread("the compressor \"" + id + "\"");
  }
  out.separator = meta.json.value("dimension_separator", std::string("."));
  if (meta.json.contains("fill_value")) set_fill(meta, meta.json.at("fill_value"), out);
  return out;
}

/// "name" and "configuration" of a codec, chunk grid or key encoding of version 3.
struct Named {
  std::string name;
  Json settings;
  explicit Named(const Json& json)
      : name(json.is_string() ? json.get<std::string>() : json.at("name").get<std::string>()),
        settings(json.is_object() && json.contains("configuration") ? json.at("configuration")
                                                                    : Json::object()) {}
};

void read_transpose(const Metadata& meta, const Json& settings, ZarrLayout& out) {
  const Json& order = settings.at("order");
  if (order == "C") return;
  if (order == "F") {
    std::reverse(out.order.begin(), out.order.end());
    return;
  }
  const auto axes = order.get<std::vector<std::size_t>>();
  std::vector<std::size_t> sorted = axes;
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::size_t> identity(out.shape.size());
  std::iota(identity.begin(), identity.end(), std::size_t{0});
  if (sorted != identity) meta.damaged("its transpose codec is no permutation");
  out.order = axes;
}

/// Codecs inside a chunk: transpose, bytes, then compressors.
void read_chunk_codecs(const Metadata& meta, const Json& codecs, ZarrLayout& out) {
  bool bytes_seen = false;
  for (const Json& json : codecs) {
    const Named codec(json);
    if (codec.name == "transpose" && !bytes_seen) {
      read_transpose(meta, codec.settings, out);
    } else if (codec.name == "bytes" && !bytes_seen) {
      out.big_endian = codec.settings.value("endian", std::string("little")) == "big";
      bytes_seen = true;
    } else if (!bytes_seen || !add_codec(codec.name, codec.settings, out.codecs)) {
      meta.unread("the codec \"" + codec.name + "\"");
    }
  }
  if (!bytes_seen) meta.damaged("its codecs never make bytes");
}

void read_sharding(const Metadata& meta, const Json& settings, ZarrLayout& out) {
  out.sharded = true;
  out.chunk = sizes(meta, settings.at("chunk_shape"), "inner chunk shape");
  read_chunk_codecs(meta, settings.at("codecs"), out);
  out.index_at_start = settings.value("index_location", std::string("end")) == "start";
  out.index_checked = false;
  bool bytes_seen = false;
  for (const Json& json : settings.at("index_codecs")) {
    const Named codec(json);
    if (codec.name == "bytes" && !bytes_seen &&
        codec.settings.value("endian", std::string("little")) == "little")
      bytes_seen = true;
    else if (codec.name == "crc32c" && bytes_seen && !out.index_checked)
      out.index_checked = true;
    else
      meta.unread("the shard index codec \"" + codec.name + "\"");
  }
  if (out.chunk.size() != out.shard.size()) meta.damaged("its shards and chunks differ in rank");
  for (std::size_t d = 0; d < out.chunk.size(); ++d)
    if (out.shard[d] % out.chunk[d] != 0) meta.damaged("its shards are no multiple of its chunks");
}

/// Keys that this reader does not know may only be ignored when they say so (v3 core).
void check_extensions(const Metadata& meta) {
  constexpr std::string_view kKnown[] = {
      "zarr_format", "node_type",           "shape",  "data_type",       "chunk_grid",
      "fill_value",  "chunk_key_encoding",  "codecs", "dimension_names", "attributes",
      "name",        "storage_transformers"};
  for (const auto& [key, value] : meta.json.items()) {
    if (std::find(std::begin(kKnown), std::end(kKnown), key) != std::end(kKnown)) continue;
    const bool optional = value.is_object() && value.contains("must_understand") &&
                          value.at("must_understand") == false;
    if (!optional) meta.unread("the extension \"" + key + "\"");
  }
  if (meta.json.contains("storage_transformers") && !meta.json.at("storage_transformers").empty())
    meta.unread("storage transformers");
}

ZarrLayout parse_v3(const Metadata& meta) {
  ZarrLayout out;
  out.format = 3;
  if (meta.at("zarr_format") != 3 || meta.at("node_type") != "array")
    refuse(meta.file, "describes a Zarr group where an array is expected.");
  check_extensions(meta);
  out.shape = sizes(meta, meta.at("shape"), "shape");
  if (!meta.at("data_type").is_string()) meta.unread("elements of an extension type");
  out.scalar = zarr_scalar(meta.at("data_type").get<std::string>(), meta.file);
  const Named grid(meta.at("chunk_grid"));
  if (grid.name != "regular") meta.unread("a chunk grid that is not regular");
  out.shard = out.chunk = sizes(meta, grid.settings.at("chunk_shape"), "chunk shape");
  out.order.resize(out.shape.size());
  std::iota(out.order.begin(), out.order.end(), std::size_t{0});
  const Named keys(meta.at("chunk_key_encoding"));
  if (keys.name != "default" && keys.name != "v2") meta.unread("keys of an unknown kind");
  out.prefixed = keys.name == "default";
  out.separator = keys.settings.value("separator", std::string(out.prefixed ? "/" : "."));
  const Json& codecs = meta.at("codecs");
  if (codecs.is_array() && !codecs.empty() && Named(codecs[0]).name == "sharding_indexed") {
    if (codecs.size() != 1) meta.unread("codecs around its shards");
    read_sharding(meta, Named(codecs[0]).settings, out);
  } else {
    read_chunk_codecs(meta, codecs, out);
  }
  if (meta.json.contains("fill_value")) set_fill(meta, meta.json.at("fill_value"), out);
  return out;
}

void check_layout(const Metadata& meta, ZarrLayout& out) {
  if (out.shard.empty()) out.shard = out.chunk;
  if (out.chunk.size() != out.shape.size()) meta.damaged("its chunks and its shape differ in rank");
  if (out.separator != "." && out.separator != "/") meta.damaged("its key separator is unknown");
  std::int64_t bytes = static_cast<std::int64_t>(width_of(out.scalar)), chunks = 1;
  for (std::size_t d = 0; d < out.chunk.size(); ++d) {
    if (__builtin_mul_overflow(bytes, out.chunk[d], &bytes) || bytes > kMostBytesPerChunk)
      refuse(meta.file,
             "has chunks of more than 2 GiB, which are not read; store it in smaller ones.");
    if (__builtin_mul_overflow(chunks, out.shard[d] / out.chunk[d], &chunks) || chunks > (1 << 24))
      meta.damaged("a shard holds too many chunks");
  }
}
}  // namespace

ZarrScalar zarr_scalar(const std::string& name, const fs::path& file) {
  static const std::map<std::string, ZarrScalar> kNames{
      {"bool", ZarrScalar::boolean}, {"uint8", ZarrScalar::u8},    {"int8", ZarrScalar::i8},
      {"uint16", ZarrScalar::u16},   {"int16", ZarrScalar::i16},   {"uint32", ZarrScalar::u32},
      {"int32", ZarrScalar::i32},    {"uint64", ZarrScalar::u64},  {"int64", ZarrScalar::i64},
      {"float16", ZarrScalar::f16},  {"float32", ZarrScalar::f32}, {"float64", ZarrScalar::f64}};
  const auto found = kNames.find(name);
  if (found == kNames.end())
    refuse(file, "holds elements of type \"" + name + "\", which are no voxel values.");
  return found->second;
}

std::size_t width_of(ZarrScalar scalar) {
  constexpr std::size_t kWidths[] = {1, 1, 1, 2, 2, 4, 4, 8, 8, 2, 4, 8};
  return kWidths[static_cast<std::size_t>(scalar)];
}

ScalarType delivered_type(ZarrScalar scalar) {
  switch (scalar) {
    case ZarrScalar::boolean:
    case ZarrScalar::u8: return ScalarType::u8;
    case ZarrScalar::i8: return ScalarType::i8;
    case ZarrScalar::u16: return ScalarType::u16;
    case ZarrScalar::i16: return ScalarType::i16;
    case ZarrScalar::u32:
    case ZarrScalar::u64: return ScalarType::u32;
    case ZarrScalar::i32:
    case ZarrScalar::i64: return ScalarType::i32;
    case ZarrScalar::f16:
    case ZarrScalar::f32: return ScalarType::f32;
    case ZarrScalar::f64: break;
  }
  return ScalarType::f64;
}

std::string ZarrLayout::codec_text() const {
  std::string text;
  for (const ByteCodec& codec : codecs)
    text += (text.empty() ? "" : ", ") + std::string(codec_name(codec.kind));
  if (text.empty()) text = "uncompressed";
  return sharded ? text + ", sharded" : text;
}

bool is_zarr_folder(const fs::path& folder, const std::stop_token& stop) {
  for (const char* name : {"zarr.json", ".zattrs", ".zarray", ".zgroup"})
    if (is_stored(folder / name, stop)) return true;
  return false;
}

bool is_zarr_array(const fs::path& folder, const std::stop_token& stop) {
  if (is_stored(folder / ".zarray", stop)) return true;
  const fs::path v3 = folder / "zarr.json";
  return is_stored(v3, stop) && read_json(v3, stop).value("node_type", Json()) == "array";
}

ZarrLayout read_zarr_layout(const fs::path& folder, const std::stop_token& stop) {
  Metadata meta;
  const bool v2 = is_stored(folder / ".zarray", stop);
  meta.file = folder / (v2 ? ".zarray" : "zarr.json");
  meta.json = read_json(meta.file, stop);
  try {
    ZarrLayout layout = v2 ? parse_v2(meta) : parse_v3(meta);
    check_layout(meta, layout);
    return layout;
  } catch (const Json::exception&) {
    meta.damaged("a value is missing or of the wrong kind");
  }
}

}  // namespace gigawarp::io
