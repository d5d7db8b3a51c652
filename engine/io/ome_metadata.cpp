#include "io/ome_metadata.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "io/json_text.h"
#include "io/zarr_array.h"

namespace gigawarp::io {

namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {
constexpr std::size_t kMostLevels = 64;

/// Attributes of the group, with "ome" of version 0.5 unfolded.
Json attributes_of(const fs::path& folder, const std::stop_token& stop) {
  if (is_stored(folder / "zarr.json", stop)) {
    const Json json = read_json(folder / "zarr.json", stop);
    Json attributes = json.value("attributes", Json::object());
    if (!attributes.is_object() || !attributes.contains("ome")) return attributes;
    Json ome = attributes.at("ome");
    if (ome.is_object() && attributes.contains("gigawarp"))
      ome["gigawarp"] = attributes["gigawarp"];
    return ome;
  }
  const fs::path attributes = folder / ".zattrs";
  return is_stored(attributes, stop) ? read_json(attributes, stop) : Json::object();
}

/// Names of the arrays or groups in a folder, for a sentence.
std::string members(const fs::path& folder) {
  std::set<std::string> names;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored))
    if (is_zarr_folder(entry.path())) names.insert(entry.path().filename().string());
  std::string text;
  std::size_t shown = 0;
  for (const std::string& name : names) {
    if (++shown > 5) return text + ", …";
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

[[noreturn]] void refuse_collection(const fs::path& folder, const std::string& what) {
  if (is_address(folder))  // nobody lists what lies below it
    refuse(folder, "is " + what + "; name one of the images below it.");
  const std::string inside = members(folder);
  refuse(folder, "is " + what +
                     (inside.empty() ? std::string(", and empty.")
                                     : "; name one of the images inside it (" + inside + ")."));
}

struct Axis {
  std::string name, type, unit, orientation;
};

std::vector<Axis> axes_of(const Json& multiscale) {
  std::vector<Axis> axes;
  if (!multiscale.contains("axes"))  // versions 0.1 and 0.2
    return {{"t", "time", "", ""},
            {"c", "channel", "", ""},
            {"z", "space", "", ""},
            {"y", "space", "", ""},
            {"x", "space", "", ""}};
  for (const Json& json : multiscale.at("axes")) {
    Axis axis;
    if (json.is_string()) {  // version 0.3
      axis.name = json.get<std::string>();
    } else {
      axis.name = json.at("name").get<std::string>();
      axis.type = json.value("type", std::string());
      axis.unit = json.value("unit", std::string());
      if (json.contains("orientation") && json.at("orientation").is_object())
        axis.orientation = json.at("orientation").value("value", std::string());
    }
    if (axis.type.empty())
      axis.type = axis.name == "t" ? "time" : axis.name == "c" ? "channel" : "space";
    axes.push_back(axis);
  }
  return axes;
}

/// Dimension numbers of x, y, z, channel and time.
void assign_axes(const std::vector<Axis>& axes, const fs::path& folder, OmeMultiscale& out) {
  out.rank = axes.size();
  std::vector<std::size_t> space;
  for (std::size_t d = 0; d < axes.size(); ++d) {
    if (axes[d].type == "space") {
      space.push_back(d);
    } else if (axes[d].type == "time" && !out.time) {
      out.time = d;
    } else if (axes[d].type == "channel" && !out.channel) {
      out.channel = d;
    } else {
      refuse(folder, "has an axis \"" + axes[d].name + "\" of type \"" + axes[d].type +
                         "\", which has no place in a volume.");
    }
  }
  if (space.size() < 2 || space.size() > 3)
    refuse(folder, "has " + std::to_string(space.size()) +
                       " axes in space; volumes have three, pictures two.");
  for (const std::size_t d : space) {
    const auto at = std::string("xyz").find(axes[d].name);
    if (axes[d].name.size() == 1 && at != std::string::npos && !out.space[at]) out.space[at] = d;
  }
  const auto named = std::count_if(out.space.begin(), out.space.end(),
                                   [](const auto& d) { return d.has_value(); });
  if (static_cast<std::size_t>(named) != space.size() || !out.space[0] || !out.space[1]) {
    out.space = {};  // other names: the last is the fastest
    for (std::size_t i = 0; i < space.size(); ++i) out.space[i] = space[space.size() - 1 - i];
    out.notes.emplace_back("The axes are not called x, y, z; the last one was taken as x.");
  }
  for (std::size_t a = 0; a < 3; ++a)
    if (out.space[a]) out.unit[a] = axes[*out.space[a]].unit;
}

/// Directions in which the axes grow, if all three say so (RFC-4), as LPS columns.
std::optional<Mat3> anatomical(const std::vector<Axis>& axes, const OmeMultiscale& ome) {
  struct Way {
    const char* text;
    int axis;
    double sign;
  };
  constexpr Way kWays[] = {{"right-to-left", 0, 1},         {"left-to-right", 0, -1},
                           {"anterior-to-posterior", 1, 1}, {"posterior-to-anterior", 1, -1},
                           {"inferior-to-superior", 2, 1},  {"superior-to-inferior", 2, -1}};
  Mat3 out{};
  std::array<bool, 3> used{};
  for (std::size_t a = 0; a < 3; ++a) {
    if (!ome.space[a]) return std::nullopt;
    const auto* way = std::find_if(std::begin(kWays), std::end(kWays), [&](const Way& w) {
      return axes[*ome.space[a]].orientation == w.text;
    });
    if (way == std::end(kWays) || used[static_cast<std::size_t>(way->axis)]) return std::nullopt;
    used[static_cast<std::size_t>(way->axis)] = true;
    out[static_cast<std::size_t>(way->axis)][a] = way->sign;
  }
  return out;
}

/// Applies a list of scale and translation, one after the other.
void place(const Json& transforms, const OmeMultiscale& ome, const fs::path& folder,
           OmeMultiscale::Level& level) {
  for (const Json& transform : transforms) {
    const auto type = transform.at("type").get<std::string>();
    if (type == "identity") continue;
    if ((type != "scale" && type != "translation") || !transform.contains(type))
      refuse(folder, "places its levels by a transform of type \"" + type +
                         "\", which is not read; only scale and translation are.");
    const auto numbers = transform.at(type).get<std::vector<double>>();
    if (numbers.size() != ome.rank)
      refuse(folder, "has damaged metadata: a " + type + " has the wrong number of values.");
    for (std::size_t a = 0; a < 3; ++a) {
      if (!ome.space[a]) continue;
      const double v = numbers[*ome.space[a]];
      level.translation[a] = type == "scale" ? level.translation[a] * v : level.translation[a] + v;
      if (type == "scale") level.scale[a] *= v;
    }
    level.placed = level.placed || type == "scale";
  }
}

/// A path that stays inside the group.
std::string checked_path(const std::string& path, const fs::path& folder) {
  const fs::path relative(path);
  if (path.empty() || relative.is_absolute() ||
      std::find(relative.begin(), relative.end(), "..") != relative.end())
    refuse(folder, "has damaged metadata: the path \"" + path + "\" of a level leads outside it.");
  return path;
}

/// The direction that Gigawarp wrote, if it is one.
std::optional<Mat3> own_direction(const Json& attributes) {
  if (!attributes.contains("gigawarp") || !attributes.at("gigawarp").contains("direction"))
    return std::nullopt;
  const auto rows = attributes.at("gigawarp").at("direction").get<Mat3>();
  for (const auto& row : rows)
    for (const double v : row)
      if (!std::isfinite(v)) return std::nullopt;
  return rows;
}

/// What the file calls its channels, for viewers ("omero"); nothing where that is damaged.
std::vector<std::string> channel_names(const Json& attributes) {
  std::vector<std::string> names;
  const Json omero = attributes.value("omero", Json());
  if (!omero.is_object() || !omero.contains("channels") || !omero.at("channels").is_array())
    return names;
  for (const Json& channel : omero.at("channels")) {
    const bool named =
        channel.is_object() && channel.contains("label") && channel.at("label").is_string();
    names.push_back(named ? channel.at("label").get<std::string>() : std::string());
  }
  return names;
}

OmeMultiscale parse(const Json& attributes, const fs::path& folder) {
  const Json& all = attributes.at("multiscales");
  const Json& multiscale = all.at(0);
  OmeMultiscale out;
  if (all.size() > 1)
    out.notes.emplace_back("The group describes " + std::to_string(all.size()) +
                           " images; the first was read.");
  out.version = attributes.value("version", multiscale.value("version", std::string("0.4")));
  if (multiscale.contains("coordinateSystems"))
    refuse(folder, "is OME-Zarr " + out.version +
                       ", whose coordinate systems are not read; export it as 0.5.");
  const std::vector<Axis> axes = axes_of(multiscale);
  assign_axes(axes, folder, out);
  const Json& datasets = multiscale.at("datasets");
  if (!datasets.is_array() || datasets.empty() || datasets.size() > kMostLevels)
    refuse(folder, "has damaged metadata: it has no list of levels.");
  for (const Json& dataset : datasets) {
    OmeMultiscale::Level level;
    level.path = checked_path(dataset.at("path").get<std::string>(), folder);
    for (const Json* owner : {&dataset, &multiscale})
      if (owner->contains("coordinateTransformations"))
        place(owner->at("coordinateTransformations"), out, folder, level);
    out.levels.push_back(level);
  }
  out.direction = own_direction(attributes);
  if (!out.direction) out.direction = anatomical(axes, out);
  out.labels = attributes.contains("image-label");
  out.channel_names = channel_names(attributes);
  return out;
}
}  // namespace

OmeMultiscale read_ome_metadata(const fs::path& folder, const std::stop_token& stop) {
  const Json attributes = attributes_of(folder, stop);
  if (!attributes.is_object()) refuse(folder, "has damaged metadata.");
  if (attributes.contains("plate") || attributes.contains("well"))
    refuse_collection(folder, "a plate of many images");
  if (attributes.contains("bioformats2raw.layout"))
    refuse_collection(folder, "a collection of images");
  if (!attributes.contains("multiscales"))
    refuse_collection(folder, "a Zarr group without OME metadata");
  try {
    return parse(attributes, folder);
  } catch (const Json::exception&) {
    refuse(folder, "has damaged OME metadata: a value is missing or of the wrong kind.");
  }
}

OmeMultiscale plain_array(std::size_t rank, const fs::path& folder) {
  if (rank > 3)
    refuse(folder, "is a Zarr array of " + std::to_string(rank) +
                       " dimensions without OME metadata; volumes have three.");
  OmeMultiscale out;
  out.rank = rank;
  for (std::size_t a = 0; a < rank; ++a) out.space[a] = rank - 1 - a;
  out.levels.emplace_back();
  out.levels[0].path = ".";
  out.notes.emplace_back(
      "A plain Zarr array says nothing about its axes; the last was taken as x.");
  return out;
}

}  // namespace gigawarp::io
