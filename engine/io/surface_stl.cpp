#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "io/byte_order.h"
#include "io/surface_parts.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {
// Binary: a header, a 32-bit count, then for each facet its normal, three corners (floats, little
// end first) and two bytes that some programs keep a colour in.
constexpr std::size_t kHeader = 80, kFacet = 50;
constexpr std::int64_t kLookEach = 1 << 16;

using Facet = std::array<std::byte, kFacet>;

Vec3 corner_of(const Facet& facet, std::size_t corner) {
  Vec3 out{};
  for (std::size_t a = 0; a < 3; ++a) {
    const auto bits = load_le<std::uint32_t>(facet.data() + 12 * (corner + 1) + 4 * a);
    float value = 0;
    std::memcpy(&value, &bits, sizeof value);
    out[a] = static_cast<double>(value);
  }
  return out;
}

/// `place` 0 is the normal, 1 to 3 the corners.
void put(Facet& facet, std::size_t place, const Vec3& value) {
  for (std::size_t a = 0; a < 3; ++a) {
    const auto number = static_cast<float>(value[a]);
    std::uint32_t bits = 0;
    std::memcpy(&bits, &number, sizeof bits);
    store_le(facet.data() + 12 * place + 4 * a, bits);
  }
}

/// Of length 1, by the right-hand rule; zero where the corners lie on a line.
Vec3 normal_of(const Vec3& p, const Vec3& q, const Vec3& r) {
  Vec3 a{}, b{};
  for (std::size_t i = 0; i < 3; ++i) {
    a[i] = q[i] - p[i];
    b[i] = r[i] - p[i];
  }
  Vec3 n{a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
  const double length = std::hypot(n[0], n[1], n[2]);
  for (double& c : n) c = length > 0 ? c / length : 0;
  return n;
}

class StlFile final : public SurfaceFile {
 public:
  explicit StlFile(const fs::path& path) : SurfaceFile(path) {}

 private:
  void open(const std::stop_token& stop) override {
    const std::uint64_t size = checked_file_size(path_);
    const std::vector<std::byte> head = read_head(path_, kHeader + 4);
    const std::string_view text(reinterpret_cast<const char*>(head.data()),
                                std::min(head.size(), kHeader));
    const std::uint64_t count =
        head.size() == kHeader + 4 ? load_le<std::uint32_t>(head.data() + kHeader) : 0;
    binary_ = head.size() == kHeader + 4 && size == kHeader + 4 + count * kFacet;
    contents_.format = binary_ ? "STL, binary" : "STL, text";
    if (binary_) {
      stated_ = space_in(text);
      open_binary(count, stop);
    } else if (text.starts_with("solid")) {
      open_text(stop);
    } else if (head.size() == kHeader + 4 && count > 0) {
      refuse(path_, "is no STL file, or was not written completely: it announces " +
                        std::to_string(count) + " triangles and has another length.");
    } else {
      refuse(path_, "is no STL file, or was not written completely.");
    }
    contents_.faces = static_cast<std::int64_t>(points_.size() / 3);
  }

  void open_binary(std::uint64_t count, const std::stop_token& stop) {
    check_points(path_, 3 * count, 12);
    points_.reserve(3 * count);
    ForwardFile file(path_);
    std::array<std::byte, kHeader + 4> head{};
    file.bytes(head.data(), head.size());
    for (std::uint64_t i = 0; i < count; ++i) {
      if (i % kLookEach == 0) look_at_work(stop);
      Facet facet{};
      file.bytes(facet.data(), kFacet);
      for (std::size_t c = 0; c < 3; ++c) points_.push_back(corner_of(facet, c));
    }
  }

  void open_text(const std::stop_token& stop) {
    ForwardFile file(path_);
    std::string line;
    std::vector<std::string_view> words;
    bool ended = false;
    std::size_t facets = 0;
    while (file.line(line)) {
      if (file.lines() % kLookEach == 0) look_at_work(stop);
      split_words(line, words);
      if (words.empty()) continue;
      if (words[0] == "solid") {
        ended = false;
        if (!stated_) stated_ = space_in(line);
      } else if (words[0] == "vertex") {
        take_vertex(words, file.lines());
      } else if (words[0] == "endloop" && points_.size() % 3 != 0) {
        refuse(path_, "has a facet that is no triangle, before line " +
                          std::to_string(file.lines()) + ".");
      } else if (words[0] == "endfacet") {
        ++facets;
      } else if (words[0] == "endsolid") {
        ended = true;
      } else if (words[0] != "facet" && words[0] != "outer" && words[0] != "endloop") {
        refuse(path_, "is no STL file: line " + std::to_string(file.lines()) + " is not of one.");
      }
    }
    if (!ended || points_.size() != 3 * facets)
      refuse(path_, "ends too early; it was probably not written completely.");
  }

  void take_vertex(const std::vector<std::string_view>& words, std::int64_t line) {
    Vec3 p{};
    for (std::size_t a = 0; a < 3; ++a) {
      const auto value = words.size() == 4 ? finite_number(words[a + 1]) : std::nullopt;
      if (!value) refuse(path_, "has no three coordinates in line " + std::to_string(line) + ".");
      p[a] = *value;
    }
    points_.push_back(p);
  }

  std::int64_t write_file(const fs::path& out, std::span<const std::int64_t> /*new_index*/,
                          const std::stop_token& stop) override {
    return binary_ ? write_binary(out, stop) : write_text(out, stop);
  }

  bool lacks_corner(std::size_t facet) const {
    return is_left_out(3 * facet) || is_left_out(3 * facet + 1) || is_left_out(3 * facet + 2);
  }

  std::int64_t write_binary(const fs::path& out, const std::stop_token& stop) {
    ForwardFile from(path_);
    GatheredFile to(out);
    std::array<std::byte, kHeader + 4> head{};
    from.bytes(head.data(), head.size());
    to.add({reinterpret_cast<const char*>(head.data()), head.size()});
    const std::size_t count = points_.size() / 3;
    std::uint32_t kept = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (i % kLookEach == 0) look_at_work(stop);
      Facet facet{};
      from.bytes(facet.data(), kFacet);
      if (lacks_corner(i)) continue;
      const Vec3* p = points_.data() + 3 * i;
      put(facet, 0, normal_of(p[0], p[1], p[2]));
      for (std::size_t c = 0; c < 3; ++c) put(facet, c + 1, p[c]);
      to.add({reinterpret_cast<const char*>(facet.data()), kFacet});
      ++kept;
    }
    std::array<std::byte, 4> number{};
    store_le(number.data(), kept);
    to.write_at(kHeader, number.data(), number.size());
    to.commit();
    return static_cast<std::int64_t>(count) - kept;
  }

  std::int64_t write_text(const fs::path& out, const std::stop_token& stop) {
    ForwardFile from(path_);
    GatheredFile to(out);
    std::string line, text;
    std::vector<std::string_view> words;
    std::int64_t left_out = 0;
    std::size_t facet = 0;
    const auto triple = [&](const char* before, const Vec3& v) {
      text += before;
      for (std::size_t a = 0; a < 3; ++a) {
        text += ' ';
        append_number(text, v[a]);
      }
      text += '\n';
    };
    while (from.line(line)) {
      if (from.lines() % kLookEach == 0) look_at_work(stop);
      split_words(line, words);
      if (words.empty()) continue;
      if (words[0] == "solid" || words[0] == "endsolid") to.add(line + "\n");
      if (words[0] != "endfacet") continue;
      const std::size_t i = facet++;
      if (facet > points_.size() / 3) refuse_changed(path_);
      if (lacks_corner(i)) {
        ++left_out;
        continue;
      }
      const Vec3* p = points_.data() + 3 * i;
      text.clear();
      triple(" facet normal", normal_of(p[0], p[1], p[2]));
      text += "  outer loop\n";
      for (std::size_t c = 0; c < 3; ++c) triple("   vertex", p[c]);
      text += "  endloop\n endfacet\n";
      to.add(text);
    }
    to.commit();
    return left_out;
  }

  bool binary_ = false;
};
}  // namespace

std::unique_ptr<SurfaceFile> make_stl(const fs::path& path) {
  return std::make_unique<StlFile>(path);
}

}  // namespace gigawarp::io
