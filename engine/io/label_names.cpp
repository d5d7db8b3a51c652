#include "io/label_names.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <initializer_list>
#include <set>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include "io/file_support.h"
#include "io/readable_text.h"
#include "io/text_words.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kLargest = 16U << 20;
constexpr double kLargestLabel = 9007199254740992;  // 2^53: every whole number up to it is exact
constexpr char kBlanks = ' ';                       // the separator that stands for any run of them
using Cells = std::vector<std::string>;
using Colour = std::array<std::uint8_t, 3>;

struct Line {
  int number;
  std::string text;
  Cells cells;
};

/// Lines may end as on old Macintoshes, where spreadsheets still write them so.
std::vector<Line> lines_of(std::string text) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n')) text[i] = '\n';
  std::istringstream stream(text);
  std::vector<Line> out;
  int number = 0;
  for (std::string line; std::getline(stream, line);) {
    ++number;
    line = trimmed(line);
    if (!line.empty() && line.front() != '#') out.push_back({number, std::move(line), {}});
  }
  return out;
}

/// By the first line: tables say it by their ending, others where the first number ends.
char separator_of(const std::string& line, const fs::path& path) {
  const auto first_of = [&](const char* separators, std::size_t from) {
    const auto at = line.find_first_of(separators, from);
    return at == std::string::npos ? kBlanks : line[at];
  };
  if (has_extension(path, ".tsv")) return first_of("\t", 0);
  if (has_extension(path, ".csv")) return first_of(",;\t", 0);
  if (std::isdigit(static_cast<unsigned char>(line.front())) == 0 && line.front() != '-')
    return first_of(",;\t", 0);
  const auto end = line.find_first_not_of("-0123456789");
  const auto next = line.find_first_not_of(" \t", end);
  if (next == std::string::npos || (line[next] != ',' && line[next] != ';')) return kBlanks;
  return line[next];
}

/// Quotes keep separators; twice within quotes they are one of the text.
Cells split(const std::string& line, char separator) {
  Cells out;
  std::string cell;
  bool quoted = false, any = false;
  const auto end_cell = [&] {
    if (separator != kBlanks || any) out.push_back(trimmed(cell));
    cell.clear();
    any = false;
  };
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    const bool separates = separator == kBlanks ? c == ' ' || c == '\t' : c == separator;
    if (c == '"') {
      if (quoted && i + 1 < line.size() && line[i + 1] == '"')
        cell += line[++i];
      else
        quoted = !quoted;
      any = true;
    } else if (!quoted && separates) {
      end_cell();
    } else {
      cell += c;
      any = true;
    }
  }
  end_cell();
  return out;
}

/// "17" and "17.0", which tables that went through floating point say.
std::optional<std::int64_t> whole(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  const bool starts_as_number =
      !text.empty() && (std::isdigit(static_cast<unsigned char>(text.front())) != 0 ||
                        text.front() == '-' || text.front() == '+');
  if (!starts_as_number || *end != 0 || std::abs(value) > kLargestLabel ||
      value != std::floor(value))
    return std::nullopt;
  return static_cast<std::int64_t>(value);
}

[[noreturn]] void refuse_line(const fs::path& path, const Line& line, const std::string& rest) {
  refuse(path, rest + " in line " + std::to_string(line.number) + ".");
}

Colour colour_of(const std::string* cells, const fs::path& path, const Line& line) {
  Colour out{};
  for (std::size_t i = 0; i < 3; ++i) {
    const auto value = whole(cells[i]);
    if (!value || *value < 0 || *value > 255)
      refuse_line(path, line, "has a colour that is not three whole numbers from 0 to 255");
    out[i] = static_cast<std::uint8_t>(*value);
  }
  return out;
}

/// "#1f77b4", "1f77b4" or "31,119,180"; nothing for what says that there is none.
std::optional<Colour> colour_of_word(const std::string& word, const fs::path& path,
                                     const Line& line) {
  if (word.empty() || lower(word) == "n/a") return std::nullopt;
  if (word.find(',') != std::string::npos) {
    const Cells parts = split(word, ',');
    if (parts.size() >= 3) return colour_of(parts.data(), path, line);
  }
  const std::string digits = word.front() == '#' ? word.substr(1) : word;
  const bool hex = digits.size() == 6 && std::all_of(digits.begin(), digits.end(), [](char c) {
                     return std::isxdigit(static_cast<unsigned char>(c)) != 0;
                   });
  if (!hex)
    refuse_line(path, line, "has a colour that is neither like #1f77b4 nor like 31,119,180");
  const unsigned long value = std::strtoul(digits.c_str(), nullptr, 16);
  return Colour{static_cast<std::uint8_t>(value >> 16U),
                static_cast<std::uint8_t>(value >> 8U & 0xffU),
                static_cast<std::uint8_t>(value & 0xffU)};
}

/// Where a table with a line of column names holds what.
struct Columns {
  std::optional<std::size_t> index, name, word, red, green, blue;
};

Columns columns_of(const Cells& titles) {
  const auto column = [&](std::initializer_list<const char*> known,
                          std::optional<std::size_t> taken = {}) -> std::optional<std::size_t> {
    for (const char* wanted : known)
      for (std::size_t c = 0; c < titles.size(); ++c) {
        std::string title = lower(titles[c]);
        for (char& letter : title)
          if (letter == '_' || letter == '-' || letter == '.') letter = ' ';
        if (trimmed(title) == wanted && c != taken) return c;
      }
    return std::nullopt;
  };
  Columns out;
  out.index = column({"index", "idx", "id", "label id", "label index", "label number",
                      "label value", "value", "number", "no", "key", "label"});
  out.name = column({"name", "label name", "structure name", "region name", "full name",
                     "structure", "region", "description", "label", "abbreviation", "acronym"},
                    out.index);
  out.word = column({"color", "colour", "hex", "rgb", "color hex triplet"});
  out.red = column({"r", "red"});
  out.green = column({"g", "green"});
  out.blue = column({"b", "blue"});
  return out;
}

std::string joined(const Cells& cells, std::size_t first, std::size_t end) {
  std::string out;
  for (std::size_t c = first; c < end; ++c) out += (c > first ? " " : "") + cells[c];
  return out;
}

bool is_itk_snap(const Cells& cells) {
  if (cells.size() < 7) return false;
  return std::all_of(cells.begin() + 1, cells.begin() + 7, [](const std::string& cell) {
    char* end = nullptr;
    std::strtod(cell.c_str(), &end);
    return !cell.empty() && *end == 0;
  });
}

/// A line of a file without column names; its first cell is a number.
LabelName entry_of(const Line& line, char separator, const fs::path& path) {
  const Cells& cells = line.cells;
  if (is_itk_snap(cells))
    return {joined(cells, 7, cells.size()), colour_of(cells.data() + 1, path, line)};
  if (separator != kBlanks) {
    LabelName out{cells.size() > 1 ? cells[1] : std::string(), {}};
    if (cells.size() > 4 && whole(cells[2]) && whole(cells[3]) && whole(cells[4]))
      out.colour = colour_of(cells.data() + 2, path, line);
    return out;
  }
  // Names may have blanks, and end with a number: "Brodmann area 17".
  std::size_t end = cells.size();
  while (end > 1 && whole(cells[end - 1])) --end;
  const std::size_t numbers = cells.size() - end;
  if (numbers < 3) return {joined(cells, 1, cells.size()), {}};
  end = cells.size() - std::min<std::size_t>(numbers, 4);  // with an opacity, or without
  return {joined(cells, 1, end), colour_of(cells.data() + end, path, line)};
}

/// MRIcron's lists: a third column of numbers throughout, which is no part of the names.
bool has_codes(const std::vector<Line>& lines) {
  std::set<std::string> names;
  return std::all_of(lines.begin(), lines.end(), [&](const Line& line) {
    return line.cells.size() == 3 && whole(line.cells[2]) && names.insert(line.cells[1]).second;
  });
}

/// A line of a table with column names.
LabelName entry_of(const Line& line, const Columns& columns, const fs::path& path) {
  const auto cell = [&](const std::optional<std::size_t>& column) {
    return column && *column < line.cells.size() ? line.cells[*column] : std::string();
  };
  LabelName out{cell(columns.name), {}};
  if (columns.red && columns.green && columns.blue) {
    const std::string parts[3] = {cell(columns.red), cell(columns.green), cell(columns.blue)};
    if (std::any_of(std::begin(parts), std::end(parts), [](const auto& p) { return !p.empty(); }))
      out.colour = colour_of(parts, path, line);
  } else {
    out.colour = colour_of_word(cell(columns.word), path, line);
  }
  return out;
}

}  // namespace

LabelNames read_label_names(const fs::path& path) {
  std::string text = read_text(path, kLargest);
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff"))
    refuse(path, "is text in UTF-16; save it as UTF-8.");
  std::vector<Line> lines = lines_of(std::move(text));
  if (lines.empty()) refuse(path, "names no labels.");
  const char separator = separator_of(lines.front().text, path);
  for (Line& line : lines) line.cells = split(line.text, separator);
  std::optional<Columns> columns;
  if (!whole(lines.front().cells.front())) {
    columns = columns_of(lines.front().cells);
    if (!columns->index || !columns->name)
      refuse_line(path, lines.front(),
                  "has neither the number of a label nor columns called index and name");
    lines.erase(lines.begin());
  }
  const bool codes = !columns && separator == kBlanks && has_codes(lines);
  LabelNames out;
  std::map<std::int64_t, int> first_named;
  for (const Line& line : lines) {
    const std::size_t at = columns ? *columns->index : 0;
    const auto label = at < line.cells.size() ? whole(line.cells[at]) : std::nullopt;
    if (!label) refuse_line(path, line, "has no whole number for a label");
    LabelName entry = codes     ? LabelName{line.cells[1], {}}
                      : columns ? entry_of(line, *columns, path)
                                : entry_of(line, separator, path);
    entry.name = readable_text(entry.name);
    if (entry.name.empty())
      refuse_line(path, line, "gives label " + std::to_string(*label) + " no name");
    const auto [known, is_new] = out.try_emplace(*label, entry);
    if (!is_new && known->second.name != entry.name)
      refuse_line(path, line,
                  "gives label " + std::to_string(*label) + " another name than in line " +
                      std::to_string(first_named[*label]));
    first_named.try_emplace(*label, line.number);
  }
  if (out.empty()) refuse(path, "names no labels.");
  return out;
}

NamesBeside read_label_names_beside(const fs::path& volume) {
  const fs::path file = volume.has_filename() ? volume : volume.parent_path();
  std::string name = file.filename().string();
  const auto drop = [&](std::string_view ending) {
    if (name.size() > ending.size() && lower(name).ends_with(ending))
      name.resize(name.size() - ending.size());
  };
  drop(".gz");
  std::vector<std::string> candidates{name + ".txt"};
  name = fs::path(name).stem().string();
  drop(".ome");
  for (const char* ending : {".label", ".lut", ".ctab", ".ctbl", ".tsv", ".csv", ".txt"})
    candidates.push_back(name + ending);
  if (const auto res = name.find("_res-"); res != std::string::npos) {
    const auto end = std::min(name.find('_', res + 1), name.size());
    candidates.push_back(name.substr(0, res) + name.substr(end) + ".tsv");
  }
  NamesBeside out;
  for (const std::string& candidate : candidates) {
    std::error_code failure;
    const fs::path path = file.parent_path() / candidate;
    if (path == volume || !fs::is_regular_file(path, failure)) continue;
    try {
      return {path, read_label_names(path), {}};
    } catch (const Error& error) {
      // Another may hold them: a table of something else can have the volume's name too.
      if (out.path.empty()) out = {path, {}, error.what()};
    }
  }
  return out;
}

bool has_ending_of_label_names(const fs::path& path) {
  for (const char* ending : {".txt", ".label", ".lut", ".ctab", ".ctbl", ".tsv"})
    if (has_extension(path, ending)) return true;
  return false;
}

}  // namespace gigawarp::io
