#include "n5/n5_metadata.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace n5 {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using plugin::refuse;

namespace {
constexpr std::size_t kMostLevels = 64;
constexpr std::int64_t kLongest = std::int64_t{1} << 40;
constexpr std::int64_t kMostBytesPerBlock = std::int64_t{2} << 30;
constexpr std::uintmax_t kMostMetadata = 64U << 20;

Json attributes_of(const fs::path& folder) {
  const fs::path file = folder / "attributes.json";
  std::error_code failure;
  if (fs::file_size(file, failure) > kMostMetadata || failure)
    refuse(file.string(), "cannot be read; it should describe the volume.");
  std::ifstream stream(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) refuse(file.string(), "is damaged: it is not the JSON it should be.");
  return json;
}

void read_sizes(const fs::path& file, const Json& json, const char* key, std::size_t rank,
                std::array<std::int64_t, 3>& out) {
  const auto sizes = json.at(key).get<std::vector<std::int64_t>>();
  if (sizes.size() != rank || std::any_of(sizes.begin(), sizes.end(),
                                          [](std::int64_t n) { return n <= 0 || n > kLongest; }))
    refuse(file.string(), std::string("has damaged metadata: its ") + key + " is impossible.");
  std::copy(sizes.begin(), sizes.end(), out.begin());
}

GigawarpType type_of(const fs::path& file, const std::string& name) {
  static const std::map<std::string, GigawarpType> kTypes{
      {"uint8", GIGAWARP_U8},   {"int8", GIGAWARP_I8},    {"uint16", GIGAWARP_U16},
      {"int16", GIGAWARP_I16},  {"uint32", GIGAWARP_U32}, {"int32", GIGAWARP_I32},
      {"uint64", GIGAWARP_U64}, {"int64", GIGAWARP_I64},  {"float32", GIGAWARP_F32},
      {"float64", GIGAWARP_F64}};
  const auto found = kTypes.find(name);
  if (found == kTypes.end())
    refuse(file.string(), "holds elements of type \"" + name + "\", which are no voxel values.");
  return found->second;
}

/// "compression", or "compressionType" of the first version.
std::string codec_of(const fs::path& file, const Json& json) {
  const bool old = !json.contains("compression");
  const auto type = old ? json.value("compressionType", std::string("raw"))
                        : json.at("compression").at("type").get<std::string>();
  if (type == "raw") return {};
  if (type == "gzip")
    return !old && json.at("compression").value("useZlib", false) ? "zlib" : "gzip";
  if (type == "blosc") return "blosc";
  if (type == "zstd" || type == "zstandard") return "zstd";
  refuse(file.string(), "describes blocks compressed with \"" + type +
                            "\", which are not read; store them with gzip, blosc or zstd.");
}

/// A level with its factors; the corner of every level is that of the finest.
GigawarpLevel level_of(const Dataset& dataset, const std::vector<double>& factors) {
  GigawarpLevel out{};
  for (std::size_t a = 0; a < 3; ++a) {
    const double factor = a < factors.size() ? factors[a] : 1;
    out.size[a] = dataset.size[a];
    out.brick[a] = dataset.block[a];
    out.world_from_voxel[a][a] = factor;
    out.world_from_voxel[a][3] = (factor - 1) / 2;
  }
  return out;
}

/// Size and unit of the finest voxel, applied to every level.
void read_resolution(const Json& json, std::size_t rank, plugin::Description& out) {
  if (!json.contains("pixelResolution")) return;
  const Json& resolution = json.at("pixelResolution");
  const Json& numbers = resolution.is_object() ? resolution.at("dimensions") : resolution;
  const auto size = numbers.get<std::vector<double>>();
  if (size.size() != rank) return;
  out.has_unit = true;
  out.unit = resolution.is_object() ? resolution.value("unit", std::string()) : std::string();
  for (GigawarpLevel& level : out.levels)
    for (std::size_t a = 0; a < rank; ++a)
      for (double& v : level.world_from_voxel[a]) v *= size[a];
}

void read_levels(const fs::path& folder, Pyramid& out) {
  for (std::size_t i = 0; i < kMostLevels && is_dataset(folder / ("s" + std::to_string(i))); ++i) {
    const Dataset dataset = read_dataset(folder / ("s" + std::to_string(i)));
    const Json json = attributes_of(dataset.folder);
    std::vector<double> factors;
    if (json.contains("downsamplingFactors")) {
      factors = json.at("downsamplingFactors").get<std::vector<double>>();
    } else if (i > 0) {
      out.description.notes.emplace_back("Levels without downsamplingFactors were left out.");
      return;
    }
    if (i > 0 && (dataset.rank != out.levels[0].rank || dataset.type != out.levels[0].type))
      refuse(folder.string(), "has levels of different voxel types or dimensions.");
    out.levels.push_back(dataset);
    out.description.levels.push_back(level_of(dataset, factors));
  }
}

std::string datasets_inside(const fs::path& folder) {
  std::set<std::string> names;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored))
    if (is_group(entry.path())) names.insert(entry.path().filename().string());
  std::string text;
  for (const std::string& name : names) {
    if (text.size() > 100) return text + ", …";
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}
}  // namespace

bool is_group(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_regular_file(folder / "attributes.json", ignored);
}

bool is_dataset(const fs::path& folder) {
  return is_group(folder) && attributes_of(folder).contains("blockSize");
}

Dataset read_dataset(const fs::path& folder) {
  const fs::path file = folder / "attributes.json";
  const Json json = attributes_of(folder);
  Dataset out;
  out.folder = folder;
  try {
    out.rank = json.at("dimensions").size();
    if (out.rank < 1 || out.rank > 3)
      refuse(folder.string(), "is an N5 dataset of " + std::to_string(out.rank) +
                                  " dimensions; volumes have three.");
    read_sizes(file, json, "dimensions", out.rank, out.size);
    read_sizes(file, json, "blockSize", out.rank, out.block);
    out.type = type_of(file, json.at("dataType").get<std::string>());
    out.codec = codec_of(file, json);
  } catch (const Json::exception&) {
    refuse(file.string(), "has damaged metadata: a value is missing or of the wrong kind.");
  }
  std::int64_t bytes = plugin::width_of(out.type);
  for (const std::int64_t n : out.block)
    if (__builtin_mul_overflow(bytes, n, &bytes) || bytes > kMostBytesPerBlock)
      refuse(file.string(),
             "has blocks of more than 2 GiB, which are not read; store it in smaller ones.");
  return out;
}

Pyramid read_pyramid(const fs::path& folder) {
  const bool dataset = is_dataset(folder);
  if (!dataset && !is_dataset(folder / "s0")) {
    const std::string inside = datasets_inside(folder);
    refuse(folder.string(),
           inside.empty() ? "is an N5 group without a dataset."
                          : "is an N5 group; name one of the datasets inside it (" + inside + ").");
  }
  Pyramid out;
  plugin::Description& said = out.description;
  said.notes = {"N5 says nothing about its axes; the first was taken as x.",
                "The file states no anatomical orientation; x, y, z were taken as L, P, S."};
  try {
    if (dataset) {
      out.levels.push_back(read_dataset(folder));
      said.levels.push_back(level_of(out.levels[0], {}));
    } else {
      read_levels(folder, out);
    }
    const std::size_t rank = out.levels[0].rank;
    read_resolution(attributes_of(folder), rank, said);
    if (!dataset && !said.has_unit)
      read_resolution(attributes_of(out.levels[0].folder), rank, said);
  } catch (const Json::exception&) {
    refuse(folder.string(), "has damaged N5 metadata: a value is of the wrong kind.");
  }
  if (out.levels[0].rank < 3)  // a picture: as thick as it is fine
    for (GigawarpLevel& level : said.levels)
      level.world_from_voxel[2][2] = std::abs(level.world_from_voxel[0][0]);
  said.type = out.levels[0].type;
  said.format = "N5 (" + (out.levels[0].codec.empty() ? "uncompressed" : out.levels[0].codec) + ")";
  return out;
}

}  // namespace n5
