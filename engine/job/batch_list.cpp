#include "job/batch_list.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "gigawarp/error.h"
#include "io/http.h"

namespace gigawarp::job {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const fs::path& path, const std::string& what) {
  throw Error(ErrorCode::bad_input, "\"" + path.string() + "\" " + what, path.string());
}

/// What stands between the fields: a comma, or what spreadsheets write where the comma is the
/// decimal point, or when told to.
char separator_of(std::string_view text) {
  const std::string_view head = text.substr(0, text.find('\n'));
  for (const char c : {',', ';', '\t'})
    if (head.find(c) != std::string_view::npos) return c;
  return ',';
}

/// One record of CSV from `text`, which it moves on; quoted fields may hold separators, quotes
/// (doubled) and line breaks. Counts the lines it took.
std::vector<std::string> next_record(std::string_view& text, char separator, int& line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c == '\n') ++line;
    if (quoted) {
      if (c != '"')
        fields.back() += c;
      else if (!text.empty() && text.front() == '"') {
        fields.back() += c;
        text.remove_prefix(1);
      } else {
        quoted = false;
      }
    } else if (c == '"') {
      quoted = true;
    } else if (c == separator) {
      fields.emplace_back();
    } else if (c == '\n') {
      break;
    } else if (c != '\r') {
      fields.back() += c;
    }
  }
  for (std::string& field : fields) {
    const auto first = field.find_first_not_of(" \t");
    field = first == std::string::npos
                ? std::string()
                : field.substr(first, field.find_last_not_of(" \t") - first + 1);
  }
  return fields;
}

/// "scan.nii.gz" -> "scan".
std::string stem_of(const std::string& file) {
  std::string name = fs::path(file).filename().string();
  for (const char* ending : {".gz", ".nii", ".ome.zarr"})
    if (name.ends_with(ending)) name.resize(name.size() - std::string(ending).size());
  const std::size_t dot = name.rfind('.');
  if (dot != std::string::npos && dot > 0 && name.size() - dot <= 6) name.resize(dot);
  for (char& c : name)
    if (std::string_view("/\\ \t\"'<>|:*?").find(c) != std::string_view::npos) c = '_';
  return name.empty() ? "pair" : name;
}

bool is_plain_name(const std::string& name) {
  if (name.empty() || name.front() == '/' || name.front() == '.') return false;
  for (const fs::path& part : fs::path(name))
    if (part.empty() || part == ".." || part == ".") return false;
  return name.find_first_of("\\\n\r\"<>|*?") == std::string::npos;
}

/// What the folder of a batch holds besides the pairs'.
bool is_of_the_batch(const std::string& name) {
  const std::string first = fs::path(name).begin()->string();
  for (const char* own :
       {"jobs", "logs", "batch.json", "summary.csv", "summary.json", "index.html"})
    if (first == own) return true;
  return false;
}

using Row = std::map<std::string, std::string>;

/// A file of a row against the list's folder; words that mean no file stay.
std::string file_of(const Row& row, const char* column, const fs::path& folder,
                    const std::string& otherwise = {}) {
  const auto found = row.find(column);
  if (found == row.end() || found->second.empty()) return otherwise;
  if (found->second == kNonZeroMask || found->second == kNoMask) return found->second;
  if (io::is_address(found->second)) return found->second;
  return fs::absolute(folder / found->second).lexically_normal().string();
}

BatchPair pair_of(const Row& row, const fs::path& folder, const BatchDefaults& defaults) {
  const auto text = [&](const char* column) {
    const auto found = row.find(column);
    return found == row.end() ? std::string() : found->second;
  };
  BatchPair pair;
  pair.job = defaults.job(text("preset"), file_of(row, "job", folder));
  JobSpec& job = pair.job;
  const auto take = [](std::string& to, const std::string& from) {
    if (!from.empty()) to = from;
  };
  if (const std::string fixed = file_of(row, "fixed", folder, defaults.fixed); !fixed.empty())
    job.fixed = {fixed};
  if (const std::string moving = file_of(row, "moving", folder); !moving.empty())
    job.moving = {moving};
  take(job.fixed_labels, file_of(row, "fixed_labels", folder, defaults.fixed_labels));
  take(job.moving_labels, file_of(row, "labels", folder));
  take(job.fixed_mask, file_of(row, "fixed_mask", folder, defaults.fixed_mask));
  take(job.moving_mask, file_of(row, "moving_mask", folder));
  take(job.fixed_landmarks, file_of(row, "fixed_landmarks", folder, defaults.fixed_landmarks));
  take(job.moving_landmarks, file_of(row, "moving_landmarks", folder));
  // Landmarks are scored in pairs; an atlas' own alone say nothing about a row without.
  if (job.moving_landmarks.empty()) job.fixed_landmarks.clear();
  take(job.device, text("device"));
  pair.name = text("name");
  if (pair.name.empty() && !job.moving.empty()) pair.name = stem_of(job.moving.front());
  return pair;
}

/// What a row must have, said with its place.
void check(const BatchPair& pair, const fs::path& list, const std::string& where,
           const std::set<std::string>& taken) {
  if (pair.job.fixed.empty())
    refuse(list, where + "names no fixed image; fill the column \"fixed\" or give --fixed.");
  if (pair.job.moving.empty())
    refuse(list, where + "names no moving image; fill the column \"moving\".");
  if (!is_plain_name(pair.name))
    refuse(list, where + "has the name \"" + pair.name + "\", which cannot be a folder's.");
  if (is_of_the_batch(pair.name))
    refuse(list, where + "has the name \"" + pair.name +
                     "\", which the batch itself uses in --out; give it another.");
  if (taken.contains(pair.name))
    refuse(list, where + "has the name \"" + pair.name +
                     "\" a second time; give every row a \"name\" of its own.");
}

std::optional<fs::path> image_named(const fs::path& folder, const std::string& stem) {
  for (const char* ending : {".nii.gz", ".nii", ".nrrd", ".mha", ".mhd", ".mnc", ".tif", ".tiff",
                             ".h5", ".mrc", ".ome.zarr", ".zarr"})
    if (fs::exists(folder / (stem + ending))) return folder / (stem + ending);
  return std::nullopt;
}

bool looks_like_image(const fs::path& path) {
  const std::string name = path.filename().string();
  return image_named(path.parent_path(), stem_of(name)) == path && name.front() != '.';
}

std::vector<fs::path> sorted_entries(const fs::path& folder) {
  std::error_code failure;
  std::vector<fs::path> entries;
  for (const auto& entry : fs::directory_iterator(folder, failure)) entries.push_back(entry.path());
  if (failure) refuse(folder, "cannot be read; check that it exists.");
  std::sort(entries.begin(), entries.end());
  return entries;
}

Row row_of_folder(const fs::path& folder) {
  Row row{{"name", folder.filename().string()}};
  for (const auto& [column, stem] :
       {std::pair{"fixed", "fixed"}, std::pair{"moving", "moving"}, std::pair{"labels", "labels"},
        std::pair{"fixed_labels", "fixed_labels"}, std::pair{"fixed_mask", "fixed_mask"},
        std::pair{"moving_mask", "moving_mask"}})
    if (const auto image = image_named(folder, stem)) row[column] = image->string();
  for (const char* marks : {"fixed_landmarks", "moving_landmarks"})
    for (const char* ending : {".csv", ".fcsv", ".mrk.json"})
      if (fs::exists(folder / (std::string(marks) + ending)))
        row[marks] = (folder / (std::string(marks) + ending)).string();
  if (fs::exists(folder / "job.json")) row["job"] = (folder / "job.json").string();
  return row;
}

}  // namespace

const std::vector<std::string>& batch_columns() {
  static const std::vector<std::string> columns{
      "name",        "fixed",           "moving",           "fixed_labels", "labels", "fixed_mask",
      "moving_mask", "fixed_landmarks", "moving_landmarks", "preset",       "job",    "device"};
  return columns;
}

std::vector<BatchPair> read_batch_list(const fs::path& list, const BatchDefaults& defaults) {
  std::ifstream stream(list, std::ios::binary);
  std::ostringstream all;
  all << stream.rdbuf();
  if (!stream) refuse(list, "cannot be read; check that it exists.");
  const std::string content = all.str();
  std::string_view text = content;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // spreadsheets' byte order mark
  int line = 1;
  char separator = ',';
  std::vector<std::string> header;
  std::vector<BatchPair> pairs;
  std::set<std::string> taken;
  const fs::path folder = fs::absolute(list).parent_path();
  while (!text.empty()) {
    const std::string where = "line " + std::to_string(line) + " ";
    if (text.front() == '#') {
      const std::size_t end = text.find('\n');
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
      ++line;
      continue;
    }
    if (header.empty()) separator = separator_of(text);
    const std::vector<std::string> fields = next_record(text, separator, line);
    if (fields.size() == 1 && fields[0].empty()) continue;
    if (header.empty()) {
      header = fields;
      for (std::string& column : header) {
        if (column == "out") column = "name";
        if (column == "moving_labels") column = "labels";
        const auto& known = batch_columns();
        if (std::find(known.begin(), known.end(), column) != known.end()) continue;
        std::string names;
        for (const std::string& name : known) names += (names.empty() ? "" : ", ") + name;
        refuse(list, "has a column \"" + column + "\"; columns are " + names + ".");
      }
      continue;
    }
    if (fields.size() > header.size())
      refuse(list, where + "has more fields than there are columns; quote those with commas.");
    Row row;
    for (std::size_t i = 0; i < fields.size(); ++i) row[header[i]] = fields[i];
    pairs.push_back(pair_of(row, folder, defaults));
    check(pairs.back(), list, where, taken);
    taken.insert(pairs.back().name);
  }
  if (pairs.empty()) refuse(list, "lists no pair; write one row for each below the column names.");
  return pairs;
}

std::vector<BatchPair> pairs_of_folder(const fs::path& folder, const BatchDefaults& defaults) {
  if (fs::exists(folder / "batch.csv")) return read_batch_list(folder / "batch.csv", defaults);
  std::vector<BatchPair> pairs;
  std::set<std::string> taken;
  const std::vector<fs::path> entries = sorted_entries(folder);
  const auto add = [&](const Row& row, const fs::path& from) {
    pairs.push_back(pair_of(row, folder, defaults));
    check(pairs.back(), from, "", taken);
    taken.insert(pairs.back().name);
  };
  for (const fs::path& entry : entries) {
    if (!fs::is_directory(entry) || !image_named(entry, "moving")) continue;
    if (image_named(entry, "fixed") || !defaults.fixed.empty()) add(row_of_folder(entry), entry);
  }
  if (pairs.empty() && !defaults.fixed.empty())
    for (const fs::path& entry : entries)
      if (looks_like_image(entry) && !fs::equivalent(entry, defaults.fixed))
        add({{"moving", entry.string()}}, entry);
  if (pairs.empty())
    refuse(folder,
           "holds no batch: give a list (CSV), a folder whose sub-folders hold fixed.nii.gz and "
           "moving.nii.gz, or a folder of images with --fixed.");
  return pairs;
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n\r #") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string batch_list_text(const std::vector<BatchPair>& pairs,
                            const std::function<fs::path(const BatchPair&)>& job_file) {
  std::string text =
      "name,fixed,moving,fixed_labels,labels,fixed_landmarks,moving_landmarks,fixed_mask,"
      "moving_mask,job\n";
  for (const BatchPair& pair : pairs) {
    const JobSpec& job = pair.job;
    const std::string fixed = job.fixed.empty() ? "" : job.fixed.front();
    const std::string moving = job.moving.empty() ? "" : job.moving.front();
    std::string row;
    for (const std::string& field :
         {pair.name, fixed, moving, job.fixed_labels, job.moving_labels, job.fixed_landmarks,
          job.moving_landmarks, job.fixed_mask, job.moving_mask, job_file(pair).string()})
      row += csv_field(field) + ",";
    row.back() = '\n';
    text += row;
  }
  return text;
}

}  // namespace gigawarp::job
