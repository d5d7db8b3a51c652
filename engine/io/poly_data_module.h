#pragma once
#include <cstddef>
#include <cstdint>

/// Between gigawarp_io and the module that holds VTK. Plain C, so that neither needs the other's
/// symbols.
namespace gigawarp::io {

/// Numbers, or texts, of points or cells. `name` lives as long as the file is open.
struct PolyDataArray {
  const char* name;  ///< never null
  const char* type;  ///< "f32", "u8" …; "text"
  int components;
  int of_points;  ///< else of cells
};

/// Of one file that is open. One thread; a second file may be open on another.
struct PolyDataFunctions {
  /// The file, read whole; null with the reason in `why`, as the end of a sentence without its full
  /// stop.
  void* (*open)(const char* file, char* why, std::size_t why_bytes);
  std::int64_t (*point_count)(const void* poly_data);
  /// x, y, z of each point.
  void (*get_points)(const void* poly_data, double* xyz);
  /// "RAS", "LPS", or "" where the file does not say.
  const char* (*space)(const void* poly_data);
  int (*has_normals)(const void* poly_data);
  std::int64_t (*face_count)(const void* poly_data);  ///< polygons and strips of triangles
  std::int64_t (*line_count)(const void* poly_data);
  int (*array_count)(const void* poly_data);
  /// As the file has them, normals too.
  void (*get_array)(const void* poly_data, int index, PolyDataArray* array);
  /// In the kind of file that was read, as binary, without normals. Points whose x is NaN are left
  /// out with the faces that have them. Returns how many faces were, or -1 with the reason.
  std::int64_t (*write)(void* poly_data, const double* xyz, const char* file, char* why,
                        std::size_t why_bytes);
  void (*close)(void* poly_data);
};

using GetPolyDataFunctions = const PolyDataFunctions* (*)();
inline constexpr const char* kGetPolyDataFunctions = "gigawarp_poly_data";
inline constexpr const char* kPolyDataModule = "gigawarp_vtk_files.so";

}  // namespace gigawarp::io
