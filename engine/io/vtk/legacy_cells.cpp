#include "io/vtk/legacy_cells.h"

#include <array>
#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <map>
#include <string>

// Layout: VTK File Formats 4.2, "Simple Legacy Formats". Binary numbers have their great end first.
namespace gigawarp::io {

namespace {
struct Damaged {};
/// Something that this walk does not know: the rest is VTK's affair.
struct Unknown {};

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

class Walk {
 public:
  explicit Walk(const char* file) : stream_(file, std::ios::binary) {
    stream_.seekg(0, std::ios::end);
    end_ = stream_.tellg();
    stream_.seekg(0);
  }

  void go() {
    if (version() >= 5) return;  // lists of another kind, which are looked at when they are read
    line();                      // a title
    binary_ = lower(word()) == "binary";
    if (lower(word()) != "dataset" || lower(word()) != "polydata") throw Unknown{};
    for (std::string name; stream_ >> name;) {
      name = lower(name);
      if (name == "points") {
        const std::int64_t points = number();
        skip(points, 3, word());
      } else if (name == "field") {
        field();
      } else if (name == "metadata") {
        metadata();
      } else if (name == "vertices" || name == "lines" || name == "polygons" ||
                 name == "triangle_strips") {
        const std::int64_t cells = number();
        check_cells(cells, number());
      } else {
        return;  // what belongs to points and cells
      }
    }
  }

 private:
  double version() {
    const std::string first = line();
    const std::size_t at = first.rfind(' ');
    if (!first.starts_with("# vtk") || at == std::string::npos) throw Unknown{};
    return std::strtod(first.c_str() + at, nullptr);
  }

  std::string line() {
    std::string text;
    if (!std::getline(stream_, text)) throw Damaged{};
    return text;
  }

  std::string word() {
    std::string text;
    if (!(stream_ >> text)) throw Damaged{};
    return text;
  }

  std::int64_t number() {
    std::int64_t value = 0;
    if (!(stream_ >> value) || value < 0) throw Damaged{};
    return value;
  }

  /// Everything has a blank line behind it.
  void metadata() {
    line();
    while (line().find_first_not_of(" \t\r") != std::string::npos) {
    }
  }

  void field() {
    word();  // its name
    const std::int64_t arrays = number();
    for (std::int64_t i = 0; i < arrays; ++i) {
      while (lower(word()) == "metadata") metadata();
      const std::int64_t components = number(), tuples = number();
      skip(tuples, components, word());
    }
  }

  void skip(std::int64_t tuples, std::int64_t components, const std::string& type) {
    static const std::map<std::string, std::int64_t> kSizes{
        {"unsigned_char", 1}, {"char", 1},        {"unsigned_short", 2}, {"short", 2},
        {"unsigned_int", 4},  {"int", 4},         {"float", 4},          {"vtkidtype", 4},
        {"double", 8},        {"vtktypeint64", 8}};
    const auto size = kSizes.find(lower(type));
    if (size == kSizes.end()) throw Unknown{};
    // Every number takes at least so much.
    if (tuples > end_ || components > end_ || (components > 0 && tuples > end_ / components))
      throw Damaged{};
    const std::int64_t values = tuples * components;
    if (binary_) {
      line();
      const std::int64_t to = std::int64_t{stream_.tellg()} + values * size->second;
      if (to > end_) throw Damaged{};
      stream_.seekg(to);
      return;
    }
    for (std::int64_t i = 0; i < values; ++i) word();
  }

  std::int32_t index() {
    if (!binary_) {
      std::int64_t value = 0;
      if (!(stream_ >> value) || value < std::numeric_limits<std::int32_t>::min() ||
          value > std::numeric_limits<std::int32_t>::max())
        throw Damaged{};
      return static_cast<std::int32_t>(value);
    }
    std::array<unsigned char, 4> b{};
    if (!stream_.read(reinterpret_cast<char*>(b.data()), b.size())) throw Damaged{};
    return static_cast<std::int32_t>(std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 |
                                     std::uint32_t{b[2]} << 8 | std::uint32_t{b[3]});
  }

  void check_cells(std::int64_t cells, std::int64_t numbers) {
    if (binary_) line();
    for (; cells > 0; --cells) {
      const std::int64_t corners = numbers > 0 ? index() : -1;
      if (corners < 0 || corners > --numbers) throw Damaged{};
      for (std::int64_t i = 0; i < corners; ++i) index();
      numbers -= corners;
    }
    if (numbers != 0) throw Damaged{};
  }

  std::ifstream stream_;
  std::int64_t end_ = 0;
  bool binary_ = false;
};
}  // namespace

const char* reason_against_cells(const char* file) {
  try {
    Walk(file).go();
  } catch (const Damaged&) {
    return "is damaged, or was not written completely";
  } catch (const Unknown&) {
    return nullptr;
  }
  return nullptr;
}

}  // namespace gigawarp::io
