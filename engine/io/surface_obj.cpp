#include <algorithm>
#include <array>

#include "io/surface_parts.h"

// Layout: Wavefront's Advanced Visualizer manual, appendix B1; vertex colours after x, y, z as
// MeshLab and others write them.
namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {
constexpr std::int64_t kLookEach = 1 << 16;
using Words = std::vector<std::string_view>;

/// Lines, with those joined that end in a backslash.
class Lines {
 public:
  explicit Lines(const fs::path& path) : file_(path) {}
  bool next(std::string& line) {
    if (!file_.line(line)) return false;
    while (line.ends_with('\\')) {
      line.back() = ' ';
      if (!file_.line(more_)) break;
      line += more_;
    }
    return true;
  }
  std::int64_t number() const { return file_.lines(); }

 private:
  ForwardFile file_;
  std::string more_;
};

/// A corner "point/texture/normal", of which the last two may be missing.
struct Corner {
  std::int64_t point = 0;    ///< counted from 0
  std::string_view texture;  ///< empty: none
};

bool is_element(std::string_view word) { return word == "f" || word == "l" || word == "p"; }

class ObjFile final : public SurfaceFile {
 public:
  explicit ObjFile(const fs::path& path) : SurfaceFile(path) {}

 private:
  void open(const std::stop_token& stop) override {
    const std::vector<std::byte> head = read_head(path_, std::size_t{1} << 16);
    if (std::find(head.begin(), head.end(), std::byte{0}) != head.end())
      refuse(path_, "is no OBJ file.");
    Lines lines(path_);
    std::string line;
    Words words;
    std::int64_t highest = -1;
    bool has_normals = false, has_materials = false;
    std::size_t texture_numbers = 0, colour_numbers = 0;
    while (lines.next(line)) {
      if (lines.number() % kLookEach == 0) look_at_work(stop);
      if (line.find('\r') < line.size() - 1)  // all of them would be one line, its first
        refuse(path_,
               "has lines that end in a carriage return alone, as on old Macintoshes; save it with "
               "the line ends of Unix or Windows.");
      split_words(line, words);
      if (words.empty()) continue;
      if (words[0].starts_with('#')) {
        if (!stated_) stated_ = space_in(line);
      } else if (words[0] == "v") {
        take_point(words, lines.number());
        colour_numbers = std::max(colour_numbers, words.size() - 4);
      } else if (is_element(words[0])) {
        for (std::size_t w = 1; w < words.size(); ++w)
          highest = std::max(highest, corner_of(words[w], points_.size(), lines.number()).point);
        if (words.size() < 2) refuse_line("has a face without corners", lines.number());
        contents_.faces += words[0] == "f";
        contents_.lines += words[0] == "l";
      } else if (words[0] == "cstype" || words[0] == "curv" || words[0] == "surf") {
        refuse(path_, "holds curved patches, not a surface of points and faces; export it as one.");
      } else if (!is_known(words[0])) {
        refuse_line("is no OBJ file, as it shows", lines.number());
      }
      if (words[0] == "vt") texture_numbers = std::max(texture_numbers, words.size() - 1);
      has_normals = has_normals || words[0] == "vn";
      has_materials = has_materials || words[0] == "mtllib";
    }
    if (highest >= static_cast<std::int64_t>(points_.size()))
      refuse(path_,
             "has a face with a point that is not there; it was probably not written "
             "completely.");
    if (has_normals) losses_.emplace_back(kNormalsAreLeftOut);
    if (has_materials)
      losses_.emplace_back("It names a file of materials, which has to lie beside the result too.");
    contents_.format = "OBJ";
    const auto add = [&](const char* name, const char* of, std::size_t numbers) {
      if (numbers > 0) contents_.arrays.push_back({name, of, "text", static_cast<int>(numbers)});
    };
    add("colour", "points", colour_numbers >= 3 ? colour_numbers : 0);  // one alone is a weight
    add("texture", "corners of faces", texture_numbers);
    add("normals", "corners of faces", has_normals ? 3 : 0);
  }

  static bool is_known(std::string_view word) {
    constexpr std::array kKnown{"vn",    "vt",       "vp",       "g",          "o",        "s",
                                "mg",    "usemtl",   "mtllib",   "usemap",     "maplib",   "lod",
                                "bevel", "c_interp", "d_interp", "shadow_obj", "trace_obj"};
    return std::find(kKnown.begin(), kKnown.end(), word) != kKnown.end();
  }

  [[noreturn]] void refuse_line(const std::string& what, std::int64_t line) const {
    refuse(path_, what + " in line " + std::to_string(line) + ".");
  }

  void take_point(const Words& words, std::int64_t line) {
    Vec3 p{};
    for (std::size_t a = 0; a < 3; ++a) {
      const auto value = a + 1 < words.size() ? finite_number(words[a + 1]) : std::nullopt;
      if (!value) refuse_line("has no three coordinates", line);
      p[a] = *value;
    }
    points_.push_back(p);
  }

  /// `so_far`: points before this line; numbers below zero count back from there.
  Corner corner_of(std::string_view word, std::size_t so_far, std::int64_t line) const {
    Corner out;
    const std::size_t slash = std::min(word.find('/'), word.size());
    const auto number = whole_number(word.substr(0, slash));
    out.point = !number       ? -1
                : *number > 0 ? *number - 1
                              : static_cast<std::int64_t>(so_far) + *number;
    if (!number || *number == 0 || out.point < 0)
      refuse_line("has a face with a point that is not there", line);
    if (slash < word.size()) {
      const std::string_view rest = word.substr(slash + 1);
      out.texture = rest.substr(0, std::min(rest.find('/'), rest.size()));
    }
    return out;
  }

  std::int64_t write_file(const fs::path& out, std::span<const std::int64_t> new_index,
                          const std::stop_token& stop) override {
    Lines lines(path_);
    GatheredFile to(out);
    std::string line, text;
    Words words;
    std::size_t points = 0;
    std::int64_t left_out = 0;
    while (lines.next(line)) {
      if (lines.number() % kLookEach == 0) look_at_work(stop);
      split_words(line, words);
      if (!words.empty() && words[0] == "vn") continue;
      text.clear();
      if (!words.empty() && words[0] == "v") {
        if (points >= points_.size()) refuse_changed(path_);
        if (is_left_out(points++)) continue;
        put_point(words, points_[points - 1], text);
      } else if (!words.empty() && is_element(words[0])) {
        if (!put_element(words, points, new_index, lines.number(), text)) {
          ++left_out;
          continue;
        }
      } else {
        text = line;
      }
      text += '\n';
      to.add(text);
    }
    to.commit();
    return left_out;
  }

  /// With the colour that may follow.
  static void put_point(const Words& words, const Vec3& point, std::string& text) {
    text += 'v';
    for (const double value : point) {
      text += ' ';
      append_number(text, value);
    }
    for (std::size_t w = 4; w < words.size(); ++w) text.append(" ").append(words[w]);
  }

  /// Without normals. False where a corner is left out.
  bool put_element(const Words& words, std::size_t so_far, std::span<const std::int64_t> new_index,
                   std::int64_t line, std::string& text) const {
    text.append(words[0]);
    for (std::size_t w = 1; w < words.size(); ++w) {
      const Corner corner = corner_of(words[w], so_far, line);
      const auto point = static_cast<std::size_t>(corner.point);
      if (point >= points_.size()) refuse_changed(path_);
      if (is_left_out(point)) return false;
      const std::int64_t index = new_index.empty() ? corner.point : new_index[point];
      text.append(" ").append(std::to_string(index + 1));
      if (!corner.texture.empty()) text.append("/").append(corner.texture);
    }
    return true;
  }
};
}  // namespace

std::unique_ptr<SurfaceFile> make_obj(const fs::path& path) {
  return std::make_unique<ObjFile>(path);
}

}  // namespace gigawarp::io
