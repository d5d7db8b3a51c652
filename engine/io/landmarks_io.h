#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "gigawarp/grid.h"

namespace gigawarp::io {

struct Landmark {
  std::string name;
  Vec3 position_mm;  ///< LPS
};

/// Slicer .fcsv (RAS or LPS by its CoordinateSystem line), Slicer .mrk.json, or CSV with columns
/// name,x,y,z in LPS mm. Throws Error{bad_input}.
std::vector<Landmark> read_landmarks(const std::filesystem::path& path);
void write_landmarks(const std::vector<Landmark>& landmarks, const std::filesystem::path& path);

}  // namespace gigawarp::io
