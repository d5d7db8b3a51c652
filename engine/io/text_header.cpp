#include "io/text_header.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <sstream>
#include <string>

#include "io/file_support.h"
#include "io/text_words.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {
using Fields = std::map<std::string, std::string>;

/// "key: value" or "key = value" lines up to the end of a header, keys in small letters. Comments
/// ("# …") and NRRD's keys of the user's own ("key:=value") are none.
Fields fields(const std::string& text, char separator) {
  Fields out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto at = line.find(separator);
    if (at == std::string::npos || line.starts_with('#') || line.compare(at, 2, ":=") == 0)
      continue;
    out[lower(trimmed(line.substr(0, at)))] = trimmed(line.substr(at + 1));
  }
  return out;
}

std::string head_text(const fs::path& path) {
  const std::vector<std::byte> head = read_head(path, 64U << 10);
  return {reinterpret_cast<const char*>(head.data()), head.size()};
}

std::string value_of(const Fields& keys, const char* key) {
  const auto found = keys.find(key);
  return found != keys.end() ? lower(found->second) : std::string();
}

/// The file beside `header` that it names; nothing where that is no name of one file.
std::optional<fs::path> beside(const fs::path& header, const std::string& name) {
  fs::path file = header.parent_path() / name;  // or the name alone when it is absolute
  std::error_code ignored;
  if (name.find('%') != std::string::npos || !fs::is_regular_file(file, ignored))
    return std::nullopt;
  return file;
}

std::optional<TextHeader> read_nrrd_text(const fs::path& path) {
  const std::string text = head_text(path);
  if (!text.starts_with("NRRD")) return std::nullopt;
  std::size_t end = text.find("\n\n"), blank = 2;
  if (const auto other = text.find("\n\r\n"); other < end) end = other, blank = 3;
  const bool attached = end != std::string::npos;
  if (!attached && text.size() >= (64U << 10)) return std::nullopt;
  const Fields keys = fields(text.substr(0, end), ':');
  for (const char* other : {"line skip", "lineskip", "byte skip", "byteskip"})
    if (keys.contains(other)) return std::nullopt;
  TextHeader out{path, end + blank, value_of(keys, "endian") == "big", false};
  for (const char* key : {"data file", "datafile"}) {
    if (!keys.contains(key)) continue;
    const auto file = beside(path, keys.at(key));
    if (!file) return std::nullopt;
    out.voxels = *file;
    out.offset = 0;
  }
  if (!attached && out.voxels == path) return std::nullopt;
  const std::string encoding = value_of(keys, "encoding");
  out.deflated = encoding == "gzip" || encoding == "gz";
  if (!out.deflated && encoding != "raw") return std::nullopt;
  return out;
}

std::optional<TextHeader> read_meta_text(const fs::path& path) {
  const std::string text = head_text(path);
  const auto last = text.find("ElementDataFile");
  const auto end = text.find('\n', last);
  if (last == std::string::npos || end == std::string::npos) return std::nullopt;
  const Fields keys = fields(text.substr(0, end), '=');
  const auto is_true = [&](const char* key, bool otherwise) {
    const std::string value = value_of(keys, key);
    return value.empty() ? otherwise : value.front() == 't' || value.front() == '1';
  };
  if (!is_true("binarydata", true) || keys.contains("headersize")) return std::nullopt;
  TextHeader out{path, end + 1,
                 is_true("binarydatabyteordermsb", false) || is_true("elementbyteordermsb", false),
                 is_true("compresseddata", false)};
  if (value_of(keys, "elementdatafile") == "local") return out;
  const auto file = beside(path, keys.at("elementdatafile"));
  if (!file) return std::nullopt;
  out.voxels = *file;
  out.offset = 0;
  return out;
}
}  // namespace

std::optional<TextHeader> read_text_header(ItkFormat format, const fs::path& path) {
  return format == ItkFormat::nrrd ? read_nrrd_text(path) : read_meta_text(path);
}

}  // namespace gigawarp::io
