#include "io/landmarks_io.h"

#include <algorithm>
#include <array>
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

std::vector<std::string> split(const std::string& line, char separator = ',') {
  std::vector<std::string> out;
  std::istringstream stream(line);
  for (std::string cell; std::getline(stream, cell, separator);) out.push_back(trimmed(cell));
  return out;
}

std::optional<double> number(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != 0 || !std::isfinite(value)) return std::nullopt;
  return value;
}

bool is_number(const std::string& text) { return number(text).has_value(); }

/// Three cells as a position; refuses the line otherwise.
Vec3 position(const std::vector<std::string>& cells, const std::array<std::size_t, 3>& columns,
              const fs::path& path, int line) {
  Vec3 out{};
  for (std::size_t a = 0; a < 3; ++a) {
    const auto value = columns[a] < cells.size() ? number(cells[columns[a]]) : std::nullopt;
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
      if (columns[c] == "x")
        landmark.position_mm = position(cells, {c, c + 1, c + 2}, path, line_number);
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

/// What the columns of a CSV hold: name,x,y,z unless its first line names them.
struct CsvColumns {
  std::array<std::size_t, 3> position{1, 2, 3};
  std::optional<std::size_t> name = 0, held_out;
};

std::string lower_case(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

/// Columns in any order and others between them, as ANTs has them: x,y,z,t,label.
CsvColumns named_columns(const std::vector<std::string>& cells, const fs::path& path) {
  const auto find = [&](const char* name) -> std::optional<std::size_t> {
    for (std::size_t c = 0; c < cells.size(); ++c)
      if (lower_case(cells[c]) == name) return c;
    return std::nullopt;
  };
  CsvColumns out;
  constexpr const char* kAxes[3] = {"x", "y", "z"};
  for (std::size_t a = 0; a < 3; ++a) {
    const auto column = find(kAxes[a]);
    if (!column)
      refuse(path,
             "has no columns named x, y and z in its first line; name those that hold the LPS "
             "position in mm so.");
    out.position[a] = *column;
  }
  out.name = find("name");
  if (!out.name) out.name = find("label");
  out.held_out = find(kHeldOutColumn);
  return out;
}

std::vector<Landmark> read_csv(const std::string& text, const fs::path& path) {
  std::vector<Landmark> out;
  std::istringstream lines(text.starts_with("\xEF\xBB\xBF") ? text.substr(3) : text);
  int line_number = 0;
  std::optional<char> separator;
  CsvColumns columns;
  bool named = false;
  for (std::string line; std::getline(lines, line);) {
    ++line_number;
    if (line.empty() || line[0] == '#' || trimmed(line).empty()) continue;
    const bool first = !separator;
    if (first)
      separator = std::ranges::count(line, ';') > std::ranges::count(line, ',') ? ';' : ',';
    const std::vector<std::string> cells = split(line, *separator);
    if (is_bigwarp(cells))
      refuse(path,
             "is a BigWarp landmark table, which holds pairs in its own units; save each side as "
             "CSV with "
             "the columns name,x,y,z in LPS mm.");
    if (first && cells.size() >= 3 && std::ranges::none_of(cells, is_number)) {
      columns = named_columns(cells, path);
      named = true;
      continue;
    }
    if (!named && cells.size() < 4) refuse(path, "has fewer than four columns (name,x,y,z).");
    Landmark landmark;
    landmark.position_mm = position(cells, columns.position, path, line_number);
    landmark.name = columns.name && *columns.name < cells.size() ? cells[*columns.name]
                                                                 : std::to_string(out.size() + 1);
    landmark.held_out =
        columns.held_out && *columns.held_out < cells.size() && cells[*columns.held_out] == "1";
    out.push_back(std::move(landmark));
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
