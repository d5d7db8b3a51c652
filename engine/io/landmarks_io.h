#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "gigawarp/grid.h"

namespace gigawarp::io {

struct Landmark {
  std::string name;  ///< UTF-8 without control characters where it was read
  Vec3 position_mm;  ///< LPS
  /// Kept out of every fit, so that it can tell how good the fit is elsewhere.
  bool held_out = false;
};

/// Slicer .fcsv (RAS or LPS by its CoordinateSystem line), Slicer .mrk.json, or CSV with columns
/// name,x,y,z in LPS mm, separated by commas or semicolons. A first line of words names the columns
/// in any order (name or label, x, y, z; others are ignored), as in x,y,z,t,label of ANTs; without
/// names landmarks are numbered. Held-out landmarks are marked by the description "held out", in
/// CSV by a 1 in a column named held_out. Throws Error{bad_input}.
std::vector<Landmark> read_landmarks(const std::filesystem::path& path);
/// The same, to be paired with those of another file by their names: refuses a name that two have.
std::vector<Landmark> read_named_landmarks(const std::filesystem::path& path);
void write_landmarks(const std::vector<Landmark>& landmarks, const std::filesystem::path& path);

}  // namespace gigawarp::io
