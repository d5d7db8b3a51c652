#include <array>
#include <cstring>

#include "io/byte_order.h"
#include "io/surface_ply_header.h"

// Layout: G. Turk, The PLY Polygon File Format (1994), with the names of types that others added.
namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {
constexpr std::uint64_t kLookEach = 1 << 16;

/// One record of an element, as it lies in the file, and where its properties begin.
struct Record {
  const PlyElement* element = nullptr;   ///< whose properties begin there
  std::optional<std::size_t> corners;    ///< the property that lists a face's corners
  std::string bytes;                     ///< binary; one line of text otherwise
  std::vector<std::size_t> begins;       ///< of each property in `bytes`, and its end
  std::vector<std::string_view> words;   ///< of text
  std::vector<std::size_t> first_words;  ///< of each property, and their number
};

/// A PLY file's body, record by record.
class Body {
 public:
  Body(ForwardFile& file, const PlyHeader& header) : file_(file), header_(header) {}

  void read(const PlyElement& element, Record& record) {
    header_.encoding == PlyEncoding::text ? read_text(element, record)
                                          : read_binary(element, record);
  }

  double value(const PlyElement& element, const Record& record, std::size_t property) const {
    if (header_.encoding == PlyEncoding::text) {
      const auto number = finite_number(record.words[record.first_words[property]]);
      if (!number) refuse_line("holds something that is no number");
      return *number;
    }
    return load(element.properties[property].type, record.bytes.data() + record.begins[property]);
  }

  void list(const PlyElement& element, const Record& record, std::size_t property,
            std::vector<std::int64_t>& out) const {
    const PlyProperty& p = element.properties[property];
    out.clear();
    if (header_.encoding == PlyEncoding::text) {
      for (std::size_t w = record.first_words[property] + 1; w < record.first_words[property + 1];
           ++w) {
        const auto number = whole_number(record.words[w]);
        if (!number) refuse_line("holds something that is no index");
        out.push_back(*number);
      }
      return;
    }
    const char* at = record.bytes.data() + record.begins[property] + ply_size(p.count_type);
    for (; at < record.bytes.data() + record.begins[property + 1]; at += ply_size(p.type))
      out.push_back(static_cast<std::int64_t>(load(p.type, at)));
  }

  /// Appends a number as the file has them.
  void append(std::string& text, PlyType type, double number) const {
    if (header_.encoding == PlyEncoding::text) {
      if (!text.empty() && text.back() != '\n') text += ' ';
      return append_number(text, number, type == PlyType::f64 ? 17 : 9);
    }
    std::array<std::byte, 8> bytes{};
    const auto keep = [&]<class T>(T value) { std::memcpy(bytes.data(), &value, sizeof value); };
    switch (type) {
      case PlyType::i8: keep(static_cast<std::int8_t>(number)); break;
      case PlyType::u8: keep(static_cast<std::uint8_t>(number)); break;
      case PlyType::i16: keep(static_cast<std::int16_t>(number)); break;
      case PlyType::u16: keep(static_cast<std::uint16_t>(number)); break;
      case PlyType::i32: keep(static_cast<std::int32_t>(number)); break;
      case PlyType::u32: keep(static_cast<std::uint32_t>(number)); break;
      case PlyType::f32: keep(static_cast<float>(number)); break;
      case PlyType::f64: keep(number); break;
    }
    const std::size_t size = ply_size(type);
    if (header_.encoding == PlyEncoding::big_endian) reverse_bytes(bytes.data(), 1, size);
    text.append(reinterpret_cast<const char*>(bytes.data()), size);
  }

  /// Appends a property as it was.
  void copy(std::string& text, const Record& record, std::size_t property) const {
    if (header_.encoding != PlyEncoding::text) {
      text.append(record.bytes, record.begins[property],
                  record.begins[property + 1] - record.begins[property]);
      return;
    }
    for (std::size_t w = record.first_words[property]; w < record.first_words[property + 1]; ++w) {
      if (!text.empty() && text.back() != '\n') text += ' ';
      text.append(record.words[w]);
    }
  }

 private:
  [[noreturn]] void refuse_line(const std::string& what) const {
    refuse(file_.path(), what + " in line " + std::to_string(file_.lines()) + "; it is damaged.");
  }

  double load(PlyType type, const char* from) const {
    std::array<std::byte, 8> bytes{};
    const std::size_t size = ply_size(type);
    std::memcpy(bytes.data(), from, size);
    if (header_.encoding == PlyEncoding::big_endian) reverse_bytes(bytes.data(), 1, size);
    const auto as = [&]<class T>(T value) {
      std::memcpy(&value, bytes.data(), sizeof value);
      return static_cast<double>(value);
    };
    switch (type) {
      case PlyType::i8: return as(std::int8_t{});
      case PlyType::u8: return as(std::uint8_t{});
      case PlyType::i16: return as(std::int16_t{});
      case PlyType::u16: return as(std::uint16_t{});
      case PlyType::i32: return as(std::int32_t{});
      case PlyType::u32: return as(std::uint32_t{});
      case PlyType::f32: return as(float{});
      default: return as(double{});
    }
  }

  void read_binary(const PlyElement& element, Record& record) {
    const auto& properties = element.properties;
    const bool fixed = std::none_of(properties.begin(), properties.end(),
                                    [](const PlyProperty& p) { return p.is_list; });
    if (fixed && record.element == &element)  // as long as the last one
      return file_.bytes(record.bytes.data(), record.bytes.size());
    record.element = &element;
    record.bytes.clear();
    record.begins.clear();
    const auto take = [&](std::uint64_t bytes) {
      const std::size_t at = record.bytes.size();
      record.bytes.resize(at + bytes);
      file_.bytes(record.bytes.data() + at, bytes);
      return record.bytes.data() + at;
    };
    for (const PlyProperty& p : properties) {
      record.begins.push_back(record.bytes.size());
      if (!p.is_list) {
        take(ply_size(p.type));
        continue;
      }
      const double count = load(p.count_type, take(ply_size(p.count_type)));
      if (!(count >= 0) ||
          count * static_cast<double>(ply_size(p.type)) > static_cast<double>(kLongestList))
        refuse(file_.path(), "has a list of impossible length; it is damaged.");
      take(static_cast<std::uint64_t>(count) * ply_size(p.type));
    }
    record.begins.push_back(record.bytes.size());
  }

  void read_text(const PlyElement& element, Record& record) {
    do {
      if (!file_.line(record.bytes))
        refuse(file_.path(), "ends too early; it was probably not written completely.");
      split_words(record.bytes, record.words);
    } while (record.words.empty());
    record.first_words.clear();
    std::size_t at = 0;
    for (const PlyProperty& p : element.properties) {
      record.first_words.push_back(at);
      std::uint64_t length = 1;
      if (p.is_list) {
        const auto count = at < record.words.size() ? whole_number(record.words[at]) : std::nullopt;
        if (!count || *count < 0) refuse_line("has a list without its length");
        length += static_cast<std::uint64_t>(*count);
      }
      if (length > record.words.size() - at) refuse_line("has too few numbers");
      at += length;
    }
    if (at != record.words.size()) refuse_line("has too many numbers");
    record.first_words.push_back(at);
  }

  static constexpr std::uint64_t kLongestList = std::uint64_t{1} << 30;
  ForwardFile& file_;
  const PlyHeader& header_;
};

class PlyFile final : public SurfaceFile {
 public:
  explicit PlyFile(const fs::path& path) : SurfaceFile(path) {}

 private:
  /// Reads all of it, so that what is missing is found before the work is done.
  void open(const std::stop_token& stop) override {
    ForwardFile file(path_);
    header_ = read_ply_header(file);
    for (const std::string& line : header_.lines)
      if (const auto space = space_in(line)) stated_ = space;
    const PlyElement& vertex = header_.elements[header_.vertex];
    check_points(path_, vertex.count, header_.least_bytes(vertex));
    points_.reserve(vertex.count);
    Body body(file, header_);
    each_record(body, stop, [&](const PlyElement& element, const Record& record) {
      if (&element == &vertex) {
        Vec3 p{};
        for (std::size_t a = 0; a < 3; ++a) p[a] = body.value(element, record, header_.xyz[a]);
        points_.push_back(p);
      } else if (record.corners) {
        body.list(element, record, *record.corners, indices_);
        for (const std::int64_t i : indices_)
          if (i < 0 || static_cast<std::uint64_t>(i) >= vertex.count)
            refuse(path_, "has a face with a point that is not there; it is damaged.");
      }
    });
    if (header_.has_normals()) losses_.emplace_back(kNormalsAreLeftOut);
    contents_ = header_.contents();
  }

  template <class Work>
  void each_record(Body& body, const std::stop_token& stop, const Work& work) {
    Record record;
    for (const PlyElement& element : header_.elements) {
      record.corners = header_.corners_of(element);
      for (std::uint64_t i = 0; i < element.count; ++i) {
        if (i % kLookEach == 0) look_at_work(stop);
        body.read(element, record);
        work(element, record);
      }
    }
  }

  /// The indices of a face's corners are in `indices_`.
  bool lacks_corner() const {
    for (const std::int64_t i : indices_)
      if (is_left_out(static_cast<std::size_t>(i))) return true;
    return false;
  }

  /// A face's corners, if something is left out; else nothing is looked at.
  bool is_left_out_face(const Body& body, const PlyElement& element, const Record& record) {
    if (!record.corners) return false;
    body.list(element, record, *record.corners, indices_);
    for (const std::int64_t i : indices_)
      if (i < 0 || static_cast<std::size_t>(i) >= points_.size()) refuse_changed(path_);
    return lacks_corner();
  }

  std::uint64_t faces_left_out(const std::stop_token& stop) {
    ForwardFile file(path_);
    header_ = read_ply_header(file);
    for (std::size_t e = 0; e < header_.elements.size(); ++e)
      if (e != header_.vertex && !header_.corners_of(header_.elements[e]))
        refuse(path_,
               "has points where the transform is undefined, which cannot be left out: its "
               "element \"" +
                   header_.elements[e].name + "\" may speak of them.");
    std::uint64_t count = 0;
    Body body(file, header_);
    each_record(body, stop, [&](const PlyElement& element, const Record& record) {
      if (is_left_out_face(body, element, record)) ++count;
    });
    return count;
  }

  std::int64_t write_file(const fs::path& out, std::span<const std::int64_t> new_index,
                          const std::stop_token& stop) override {
    const bool all_stay = new_index.empty();
    const std::uint64_t left_out = all_stay ? 0 : faces_left_out(stop);
    ForwardFile from(path_);
    header_ = read_ply_header(from);
    const PlyElement& vertex = header_.elements[header_.vertex];
    if (vertex.count != points_.size()) refuse_changed(path_);
    const auto kept =
        static_cast<std::uint64_t>(all_stay ? static_cast<std::ptrdiff_t>(points_.size())
                                            : std::count_if(new_index.begin(), new_index.end(),
                                                            [](auto i) { return i >= 0; }));
    GatheredFile to(out);
    to.add(header_.rewritten(kept, left_out));
    Body body(from, header_);
    std::size_t point = 0;
    std::string text;
    each_record(body, stop, [&](const PlyElement& element, const Record& record) {
      text.clear();
      if (&element == &vertex) {
        if (is_left_out(point++)) return;
        put_vertex(body, record, points_[point - 1], text);
      } else if (!all_stay && is_left_out_face(body, element, record)) {
        return;
      } else {
        put_other(body, element, record, new_index, text);
      }
      if (header_.encoding == PlyEncoding::text) text += '\n';
      to.add(text);
    });
    to.commit();
    return static_cast<std::int64_t>(left_out);
  }

  void put_vertex(const Body& body, const Record& record, const Vec3& point,
                  std::string& text) const {
    const PlyElement& vertex = header_.elements[header_.vertex];
    for (std::size_t p = 0; p < vertex.properties.size(); ++p) {
      const PlyProperty& property = vertex.properties[p];
      if (property.is_normal()) continue;
      const auto axis = std::find(header_.xyz.begin(), header_.xyz.end(), p);
      if (axis == header_.xyz.end())
        body.copy(text, record, p);
      else
        body.append(text, property.type_of_position(),
                    point[static_cast<std::size_t>(axis - header_.xyz.begin())]);
    }
  }

  /// A face keeps its other properties but for normals.
  void put_other(const Body& body, const PlyElement& element, const Record& record,
                 std::span<const std::int64_t> new_index, std::string& text) const {
    for (std::size_t p = 0; p < element.properties.size(); ++p) {
      const PlyProperty& property = element.properties[p];
      if (record.corners && property.is_normal()) continue;
      if (new_index.empty() || record.corners != p) {
        body.copy(text, record, p);
        continue;
      }
      body.append(text, property.count_type, static_cast<double>(indices_.size()));
      for (const std::int64_t i : indices_)
        body.append(text, property.type,
                    static_cast<double>(new_index[static_cast<std::size_t>(i)]));
    }
  }

  PlyHeader header_;
  std::vector<std::int64_t> indices_;  ///< of the face that is looked at
};
}  // namespace

std::unique_ptr<SurfaceFile> make_ply(const fs::path& path) {
  return std::make_unique<PlyFile>(path);
}

}  // namespace gigawarp::io
