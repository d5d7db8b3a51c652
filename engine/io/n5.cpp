#include "io/n5.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "io/json_text.h"

namespace gigawarp::io {

namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {
constexpr std::size_t kMostDimensions = 5;

std::vector<std::int64_t> reversed_sizes(const fs::path& file, const Json& json, const char* key) {
  auto out = json.at(key).get<std::vector<std::int64_t>>();
  if (out.empty() || out.size() > kMostDimensions ||
      std::any_of(out.begin(), out.end(),
                  [](std::int64_t n) { return n <= 0 || n > (std::int64_t{1} << 40); }))
    refuse(file, std::string("has damaged metadata: its ") + key + " is impossible.");
  std::reverse(out.begin(), out.end());
  return out;
}

/// "compression", or "compressionType" of the first version.
void read_compression(const fs::path& file, const Json& json, ZarrLayout& out) {
  const bool old = !json.contains("compression");
  const auto type = old ? json.value("compressionType", std::string("raw"))
                        : json.at("compression").at("type").get<std::string>();
  if (type == "raw") return;
  ByteCodec codec;
  const bool zlib = !old && json.at("compression").value("useZlib", false);
  if (type == "gzip")
    codec.kind = zlib ? CodecKind::zlib : CodecKind::gzip;
  else if (type == "blosc")
    codec.kind = CodecKind::blosc;
  else if (type == "zstd" || type == "zstandard")
    codec.kind = CodecKind::zstd;
  else
    refuse(file, "describes blocks compressed with \"" + type +
                     "\", which are not read; store them with gzip, blosc or zstd.");
  out.codecs.push_back(codec);
}

/// Millimetres are left to the reader of units: resolution and unit of the finest level.
void read_resolution(const Json& json, OmeMultiscale& out) {
  if (!json.contains("pixelResolution")) return;
  const Json& resolution = json.at("pixelResolution");
  const Json& numbers = resolution.is_object() ? resolution.at("dimensions") : resolution;
  const auto size = numbers.get<std::vector<double>>();
  if (size.size() != out.rank) return;
  const std::string unit =
      resolution.is_object() ? resolution.value("unit", std::string()) : std::string();
  for (std::size_t a = 0; a < std::min<std::size_t>(3, size.size()); ++a) {
    out.unit[a] = unit;
    for (OmeMultiscale::Level& level : out.levels) {
      level.scale[a] *= size[a];
      level.translation[a] *= size[a];
      level.placed = true;
    }
  }
}

/// Levels s0, s1 … with their factors; the corner of every level is that of the finest.
void read_levels(const fs::path& folder, OmeMultiscale& out) {
  for (int i = 0; is_n5_dataset(folder / ("s" + std::to_string(i))); ++i) {
    OmeMultiscale::Level level;
    level.path = "s" + std::to_string(i);
    const Json json = read_json(folder / level.path / "attributes.json");
    if (json.contains("downsamplingFactors")) {
      const auto factors = json.at("downsamplingFactors").get<std::vector<double>>();
      for (std::size_t a = 0; a < std::min<std::size_t>(3, factors.size()); ++a) {
        level.scale[a] = factors[a];
        level.translation[a] = (factors[a] - 1) / 2;
      }
    } else if (i > 0) {
      out.notes.emplace_back("Levels without downsamplingFactors were left out.");
      return;
    }
    out.levels.push_back(level);
  }
}

std::string datasets_inside(const fs::path& folder) {
  std::string text;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored))
    if (is_n5_folder(entry.path()) && text.size() < 100)
      text += (text.empty() ? "" : ", ") + entry.path().filename().string();
  return text;
}
}  // namespace

bool is_n5_folder(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_regular_file(folder / "attributes.json", ignored);
}

bool is_n5_dataset(const fs::path& folder) {
  return is_n5_folder(folder) && read_json(folder / "attributes.json").contains("blockSize");
}

ZarrLayout read_n5_layout(const fs::path& folder) {
  const fs::path file = folder / "attributes.json";
  const Json json = read_json(file);
  ZarrLayout out;
  try {
    out.format = ZarrLayout::kN5;
    out.shape = reversed_sizes(file, json, "dimensions");
    out.shard = out.chunk = reversed_sizes(file, json, "blockSize");
    out.scalar = zarr_scalar(json.at("dataType").get<std::string>(), file);
    read_compression(file, json, out);
  } catch (const Json::exception&) {
    refuse(file, "has damaged metadata: a value is missing or of the wrong kind.");
  }
  out.big_endian = true;
  out.separator = "/";
  out.order.resize(out.shape.size());
  std::iota(out.order.begin(), out.order.end(), std::size_t{0});
  return out;
}

OmeMultiscale read_n5_metadata(const fs::path& folder) {
  const bool dataset = is_n5_dataset(folder);
  if (!dataset && !is_n5_dataset(folder / "s0")) {
    const std::string inside = datasets_inside(folder);
    refuse(folder, inside.empty()
                       ? "is an N5 group without a dataset."
                       : "is an N5 group; name one of the datasets inside it (" + inside + ").");
  }
  try {
    const std::size_t rank = read_n5_layout(dataset ? folder : folder / "s0").shape.size();
    OmeMultiscale out = plain_array(rank, folder);
    out.notes = {"N5 says nothing about its axes; the first was taken as x."};
    if (!dataset) {
      out.levels.clear();
      read_levels(folder, out);
    }
    const Json json = read_json(folder / "attributes.json");
    read_resolution(json, out);
    if (!dataset && !out.levels[0].placed)
      read_resolution(read_json(folder / "s0" / "attributes.json"), out);
    return out;
  } catch (const Json::exception&) {
    refuse(folder, "has damaged N5 metadata: a value is of the wrong kind.");
  }
}

}  // namespace gigawarp::io
