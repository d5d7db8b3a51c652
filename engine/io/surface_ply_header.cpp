#include "io/surface_ply_header.h"

#include <limits>

namespace gigawarp::io {

namespace {
struct TypeName {
  const char *old_name, *new_name, *short_name;
  PlyType type;
};
constexpr TypeName kTypes[] = {
    {"char", "int8", "i8", PlyType::i8},       {"uchar", "uint8", "u8", PlyType::u8},
    {"short", "int16", "i16", PlyType::i16},   {"ushort", "uint16", "u16", PlyType::u16},
    {"int", "int32", "i32", PlyType::i32},     {"uint", "uint32", "u32", PlyType::u32},
    {"float", "float32", "f32", PlyType::f32}, {"double", "float64", "f64", PlyType::f64}};

std::optional<PlyType> type_of(std::string_view word) {
  for (const TypeName& t : kTypes)
    if (word == t.old_name || word == t.new_name) return t.type;
  return std::nullopt;
}

using Words = std::vector<std::string_view>;

std::optional<PlyEncoding> encoding_of(const Words& words) {
  if (words.size() != 3 || words[2] != "1.0") return std::nullopt;
  if (words[1] == "ascii") return PlyEncoding::text;
  if (words[1] == "binary_little_endian") return PlyEncoding::little_endian;
  if (words[1] == "binary_big_endian") return PlyEncoding::big_endian;
  return std::nullopt;
}

std::optional<PlyElement> element_of(const Words& words) {
  const auto count = words.size() == 3 ? whole_number(words[2]) : std::nullopt;
  if (!count || *count < 0) return std::nullopt;
  return PlyElement{std::string(words[1]), static_cast<std::uint64_t>(*count), {}};
}

std::optional<PlyProperty> property_of(const Words& words) {
  PlyProperty out;
  out.is_list = words.size() == 5 && words[1] == "list";
  if (words.size() != (out.is_list ? 5U : 3U)) return std::nullopt;
  const auto type = type_of(words[words.size() - 2]);
  const auto count_type = out.is_list ? type_of(words[2]) : PlyType::u8;
  if (!type || !count_type) return std::nullopt;
  out.name = words.back();
  out.type = *type;
  out.count_type = *count_type;
  return out;
}

/// False for a line that means nothing.
bool take_line(PlyHeader& header, const Words& words, bool& has_format) {
  if (words.empty() || words[0] == "comment" || words[0] == "obj_info") return true;
  if (words[0] == "format") {
    const auto encoding = encoding_of(words);
    header.encoding = encoding.value_or(PlyEncoding::text);
    has_format = encoding.has_value();
    return has_format;
  }
  if (words[0] == "element") {
    auto element = element_of(words);
    if (element) header.elements.push_back(std::move(*element));
    return element.has_value();
  }
  if (words[0] == "property" && !header.elements.empty()) {
    auto property = property_of(words);
    if (property) header.elements.back().properties.push_back(std::move(*property));
    return property.has_value();
  }
  return false;
}

void find_points(PlyHeader& header, const std::filesystem::path& path) {
  const auto vertex = std::find_if(header.elements.begin(), header.elements.end(),
                                   [](const PlyElement& e) { return e.name == "vertex"; });
  if (vertex == header.elements.end() || vertex->count == 0) refuse(path, "holds no points.");
  header.vertex = static_cast<std::size_t>(vertex - header.elements.begin());
  constexpr std::array<const char*, 3> kNames{"x", "y", "z"};
  for (std::size_t a = 0; a < 3; ++a) {
    const auto found =
        std::find_if(vertex->properties.begin(), vertex->properties.end(),
                     [&](const PlyProperty& p) { return p.name == kNames[a] && !p.is_list; });
    if (found == vertex->properties.end())
      refuse(path, "has points without " + std::string(kNames[a]) + ".");
    header.xyz[a] = static_cast<std::size_t>(found - vertex->properties.begin());
  }
}
}  // namespace

std::size_t ply_size(PlyType type) {
  switch (type) {
    case PlyType::i8:
    case PlyType::u8: return 1;
    case PlyType::i16:
    case PlyType::u16: return 2;
    case PlyType::f64: return 8;
    default: return 4;
  }
}

bool PlyHeader::has_normals() const {
  const auto is_normal = [](const PlyProperty& p) { return p.is_normal(); };
  return std::any_of(elements.begin(), elements.end(), [&](const PlyElement& e) {
    return (e.name == "vertex" || corners_of(e)) &&
           std::any_of(e.properties.begin(), e.properties.end(), is_normal);
  });
}

std::optional<std::size_t> PlyHeader::corners_of(const PlyElement& element) const {
  if (element.name != "face") return std::nullopt;
  for (std::size_t p = 0; p < element.properties.size(); ++p)
    if (const PlyProperty& property = element.properties[p];
        property.is_list && (property.name == "vertex_indices" || property.name == "vertex_index"))
      return p;
  return std::nullopt;
}

SurfaceContents PlyHeader::contents() const {
  SurfaceContents out;
  out.format = encoding == PlyEncoding::text            ? "PLY, text"
               : encoding == PlyEncoding::little_endian ? "PLY, binary"
                                                        : "PLY, binary, big end first";
  for (std::size_t e = 0; e < elements.size(); ++e) {
    const PlyElement& element = elements[e];
    const std::optional<std::size_t> corners = corners_of(element);
    if (corners) out.faces += static_cast<std::int64_t>(element.count);
    const std::string of = e == vertex ? "points" : corners ? "faces" : element.name;
    for (std::size_t p = 0; p < element.properties.size(); ++p) {
      const bool position = e == vertex && std::find(xyz.begin(), xyz.end(), p) != xyz.end();
      if (position || corners == p) continue;
      const PlyProperty& property = element.properties[p];
      const auto type = std::find_if(std::begin(kTypes), std::end(kTypes),
                                     [&](const TypeName& t) { return t.type == property.type; });
      out.arrays.push_back({property.name, of, type->short_name, property.is_list ? 0 : 1});
    }
  }
  return out;
}

std::uint64_t PlyHeader::least_bytes(const PlyElement& element) const {
  std::uint64_t bytes = 0;
  for (const PlyProperty& p : element.properties)
    bytes += encoding == PlyEncoding::text ? 2 : ply_size(p.is_list ? p.count_type : p.type);
  return bytes;
}

std::string PlyHeader::rewritten(std::uint64_t points, std::uint64_t faces_left_out) const {
  std::string text;
  const PlyElement* element = nullptr;
  std::size_t elements_seen = 0, properties_seen = 0;
  std::vector<std::string_view> words;
  for (const std::string& line : lines) {
    split_words(line, words);
    if (!words.empty() && words[0] == "element") {
      element = &elements[elements_seen++];
      properties_seen = 0;
      std::uint64_t count = element->count;
      if (element == &elements[vertex]) count = points;
      if (corners_of(*element)) count -= faces_left_out;
      text += "element " + element->name + " " + std::to_string(count) + "\n";
      continue;
    }
    if (!words.empty() && words[0] == "property") {
      const PlyProperty& property = element->properties[properties_seen++];
      const bool of_points = element == &elements[vertex];
      if (property.is_normal() && (of_points || corners_of(*element))) continue;
      const bool is_position =
          of_points && std::find(xyz.begin(), xyz.end(), properties_seen - 1) != xyz.end();
      if (is_position && property.type != property.type_of_position()) {
        text += "property float " + property.name + "\n";
        continue;
      }
    }
    text += line + "\n";
  }
  return text;
}

PlyHeader read_ply_header(ForwardFile& file) {
  constexpr std::size_t kMostLines = 100000, kLongest = 1 << 16;
  PlyHeader header;
  std::string line;
  std::vector<std::string_view> words;
  bool has_format = false;
  while (file.line(line)) {
    const bool first = header.lines.empty();
    if (first ? line != "ply" : line.size() > kLongest || header.lines.size() > kMostLines)
      refuse(file.path(), "is no PLY file.");
    header.lines.push_back(line);
    split_words(line, words);
    if (first) continue;
    if (!words.empty() && words[0] == "end_header") {
      if (!has_format) refuse(file.path(), "is no PLY file: its header does not say its format.");
      find_points(header, file.path());
      return header;
    }
    if (!take_line(header, words, has_format))
      refuse(file.path(), "has a PLY header that cannot be understood in line " +
                              std::to_string(file.lines()) + ".");
  }
  refuse(file.path(), header.lines.empty()
                          ? "is no PLY file."
                          : "ends within its PLY header; it was probably not written completely.");
}

}  // namespace gigawarp::io
