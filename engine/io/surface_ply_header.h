#pragma once
#include <algorithm>
#include <array>
#include <optional>

#include "io/surface_parts.h"

namespace gigawarp::io {

enum class PlyEncoding { text, little_endian, big_endian };
enum class PlyType { i8, u8, i16, u16, i32, u32, f32, f64 };
std::size_t ply_size(PlyType type);

struct PlyProperty {
  std::string name;
  PlyType type = PlyType::f32, count_type = PlyType::u8;
  bool is_list = false;

  bool is_normal() const { return !is_list && (name == "nx" || name == "ny" || name == "nz"); }
  /// Whole numbers cannot hold where a warp leads.
  PlyType type_of_position() const { return type == PlyType::f64 ? PlyType::f64 : PlyType::f32; }
};

struct PlyElement {
  std::string name;
  std::uint64_t count = 0;
  std::vector<PlyProperty> properties;
};

struct PlyHeader {
  std::vector<std::string> lines;  ///< all, "ply" to "end_header"
  PlyEncoding encoding = PlyEncoding::text;
  std::vector<PlyElement> elements;
  std::size_t vertex = 0;            ///< of `elements`
  std::array<std::size_t, 3> xyz{};  ///< of the vertex' properties

  bool has_normals() const;
  /// Where an element "face" lists its corners; nothing for other elements.
  std::optional<std::size_t> corners_of(const PlyElement& element) const;
  SurfaceContents contents() const;
  /// The fewest bytes that a record takes.
  std::uint64_t least_bytes(const PlyElement& element) const;
  /// Without normals, for so many points, and without so many faces.
  std::string rewritten(std::uint64_t points, std::uint64_t faces_left_out) const;
};

/// Leaves the file where its body begins. Throws Error{bad_input}.
PlyHeader read_ply_header(ForwardFile& file);

}  // namespace gigawarp::io
