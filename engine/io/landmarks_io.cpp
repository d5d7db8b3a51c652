#include "io/landmarks_io.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>

#include "io/file_support.h"
#include "io/readable_text.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {
constexpr std::size_t kLargest = 64U << 20;
constexpr const char *kHeldOut = "held out", *kHeldOutColumn = "held_out";

std::string trimmed(const std::string& text) {
  const auto begin = text.find_first_not_of(" \t\r\"");
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\"") - begin + 1);
}

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> out;
  std::istringstream stream(line);
  for (std::string cell; std::getline(stream, cell, ',');) out.push_back(trimmed(cell));
  return out;
}

std::optional<double> number(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != 0 || !std::isfinite(value)) return std::nullopt;
  return value;
}

/// Three neighbouring cells as a position; refuses the line otherwise.
Vec3 position(const std::vector<std::string>& cells, std::size_t first, const fs::path& path,
              int line) {
  Vec3 out{};
  for (std::size_t a = 0; a < 3; ++a) {
    const auto value = first + a < cells.size() ? number(cells[first + a]) : std::nullopt;
    if (!value) refuse(path, "has no three coordinates in line " + std::to_string(line) + ".");
    out[a] = *value;
  }
  return out;
}

void to_lps(Vec3& p) {
  p[0] = -p[0];
  p[1] = -p[1];
}

/// RAS unless the file says LPS: "0" is RAS, "1" is LPS in files of Slicer before 4.11.
bool says_lps(const std::string& system) { return system == "LPS" || system == "1"; }

std::vector<Landmark> read_fcsv(const std::string& text, const fs::path& path) {
  std::vector<Landmark> out;
  std::istringstream lines(text);
  bool lps = false;
  int line_number = 0;
  std::vector<std::string> columns{"id", "x",   "y",   "z",    "ow",    "ox",  "oy",
                                   "oz", "vis", "sel", "lock", "label", "desc"};
  for (std::string line; std::getline(lines, line);) {
    ++line_number;
    if (line.starts_with("# CoordinateSystem"))
      lps = says_lps(trimmed(line.substr(line.find('=') + 1)));
    if (line.starts_with("# columns")) columns = split(line.substr(line.find('=') + 1));
    if (line.empty() || line[0] == '#' || trimmed(line).empty()) continue;
    const std::vector<std::string> cells = split(line);
    Landmark landmark;
    for (std::size_t c = 0; c < columns.size(); ++c) {
      if (columns[c] == "x") landmark.position_mm = position(cells, c, path, line_number);
      if (columns[c] == "label" && c < cells.size()) landmark.name = cells[c];
      if (columns[c] == "desc" && c < cells.size()) landmark.held_out = cells[c] == kHeldOut;
    }
    if (landmark.name.empty()) landmark.name = cells.front();
    if (!lps) to_lps(landmark.position_mm);
    out.push_back(std::move(landmark));
  }
  return out;
}

std::vector<Landmark> read_markups(const std::string& text, const fs::path& path) {
  std::vector<Landmark> out;
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    for (const auto& markup : json.at("markups")) {
      const bool lps = says_lps(markup.value("coordinateSystem", std::string("LPS")));
      const double mm = markup.value("coordinateUnits", std::string("mm")) == "um" ? 1e-3 : 1;
      for (const auto& point : markup.at("controlPoints")) {
        if (point.value("positionStatus", std::string("defined")) != "defined") continue;
        Landmark landmark;
        landmark.name = point.value("label", point.value("id", std::string()));
        for (std::size_t a = 0; a < 3; ++a)
          landmark.position_mm[a] = mm * point.at("position").at(a).get<double>();
        if (!lps) to_lps(landmark.position_mm);
        landmark.held_out = point.value("description", std::string()) == kHeldOut;
        out.push_back(std::move(landmark));
      }
    }
  } catch (const nlohmann::json::exception&) {
    refuse(path, "is not a Slicer markups file (.mrk.json) or is damaged.");
  }
  return out;
}

bool is_bigwarp(const std::vector<std::string>& cells) {
  return cells.size() == 8 && cells[0].starts_with("Pt-");
}

std::vector<Landmark> read_csv(const std::string& text, const fs::path& path) {
  std::vector<Landmark> out;
  std::istringstream lines(text);
  int line_number = 0;
  bool says_held_out = false;
  for (std::string line; std::getline(lines, line);) {
    ++line_number;
    if (line.empty() || line[0] == '#' || trimmed(line).empty()) continue;
    const std::vector<std::string> cells = split(line);
    if (is_bigwarp(cells))
      refuse(path,
             "is a BigWarp landmark table, which holds pairs in its own units; save each side as "
             "CSV with "
             "the columns name,x,y,z in LPS mm.");
    if (line_number == 1 && cells.size() >= 4 && !number(cells[1])) {  // column names
      says_held_out = cells.size() >= 5 && cells[4] == kHeldOutColumn;
      continue;
    }
    if (cells.size() < 4) refuse(path, "has fewer than four columns (name,x,y,z).");
    out.push_back({cells[0], position(cells, 1, path, line_number),
                   says_held_out && cells.size() >= 5 && cells[4] == "1"});
  }
  return out;
}
}  // namespace

std::vector<Landmark> read_landmarks(const fs::path& path) {
  const std::string text = read_text(path, kLargest);
  std::vector<Landmark> out;
  if (has_extension(path, ".fcsv"))
    out = read_fcsv(text, path);
  else if (has_extension(path, ".json"))
    out = read_markups(text, path);
  else
    out = read_csv(text, path);
  if (out.empty()) refuse(path, "holds no landmarks.");
  for (Landmark& l : out) {
    l.name = readable_text(l.name);
    for (const double v : l.position_mm)
      if (!std::isfinite(v)) refuse(path, "holds a landmark whose position is not a number.");
  }
  return out;
}

std::vector<Landmark> read_named_landmarks(const fs::path& path) {
  std::vector<Landmark> out = read_landmarks(path);
  std::set<std::string> names;
  for (const Landmark& landmark : out)
    if (!names.insert(landmark.name).second)
      refuse(path, "has several landmarks named \"" + landmark.name +
                       "\"; give each point a name of its own.");
  return out;
}

namespace {
std::string csv_text(const std::vector<Landmark>& landmarks) {
  std::ostringstream out;
  const bool any_held_out =
      std::any_of(landmarks.begin(), landmarks.end(), [](const Landmark& l) { return l.held_out; });
  out << "name,x,y,z" << (any_held_out ? std::string(",") + kHeldOutColumn : "") << "\n"
      << std::setprecision(12);
  for (const Landmark& l : landmarks)
    out << l.name << ',' << l.position_mm[0] << ',' << l.position_mm[1] << ',' << l.position_mm[2]
        << (!any_held_out ? ""
            : l.held_out  ? ",1"
                          : ",0")
        << '\n';
  return out.str();
}

std::string fcsv_text(const std::vector<Landmark>& landmarks) {
  std::ostringstream out;
  out << "# Markups fiducial file version = 4.11\n# CoordinateSystem = LPS\n"
         "# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\n"
      << std::setprecision(12);
  int id = 1;
  for (const Landmark& l : landmarks)
    out << id++ << ',' << l.position_mm[0] << ',' << l.position_mm[1] << ',' << l.position_mm[2]
        << ",0,0,0,1,1,1,0," << l.name << ',' << (l.held_out ? kHeldOut : "") << ",\n";
  return out.str();
}

std::string markups_text(const std::vector<Landmark>& landmarks) {
  nlohmann::json points = nlohmann::json::array();
  for (const Landmark& l : landmarks)
    points.push_back({{"id", std::to_string(points.size() + 1)},
                      {"label", l.name},
                      {"description", l.held_out ? kHeldOut : ""},
                      {"position", l.position_mm},
                      {"positionStatus", "defined"}});
  const nlohmann::json json = {
      {"@schema",
       "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/"
       "Schema/markups-schema-v1.0.3.json#"},
      {"markups",
       {{{"type", "Fiducial"},
         {"coordinateSystem", "LPS"},
         {"coordinateUnits", "mm"},
         {"controlPoints", points}}}}};
  return json.dump(1) + "\n";
}
}  // namespace

void write_landmarks(const std::vector<Landmark>& landmarks, const fs::path& path) {
  std::string text;
  if (has_extension(path, ".fcsv"))
    text = fcsv_text(landmarks);
  else if (has_extension(path, ".json"))
    text = markups_text(landmarks);
  else if (has_extension(path, ".csv"))
    text = csv_text(landmarks);
  else
    throw Error(
        ErrorCode::usage,
        "Landmarks are written as .csv, .fcsv or .mrk.json, not as \"" + path.string() + "\".",
        path.string());
  AtomicFile file(path);
  file.write(text.data(), text.size());
  file.commit();
}

}  // namespace gigawarp::io
