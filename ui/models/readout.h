#pragma once
#include <QString>
#include <vector>

#include "ui/models/workspace.h"

namespace gigawarp::ui {

/// What the volumes hold at a point.
struct Readout {
  QString voxel;  ///< of the fixed image: "64, 64, 32"
  QString world;  ///< "R 12.00  A 3.50  S 40.00 mm"; in µm where voxels are that small
  struct Value {
    QString name, value;
  };
  std::vector<Value> values;  ///< of every layer that has one, displacement and det J
  QString line() const;       ///< all of it, for one line of text
};
Readout read_out(const Workspace& workspace, const Vec3& world_mm);

/// A point typed by a person: "x, y, z" in mm (LPS), or with anatomical letters ("R 12 A 3.5 S
/// 40"), in µm where it says so, or "v 64 64 32" for a voxel of `grid`. Nothing when it is not one.
std::optional<Vec3> parse_point(const QString& text, const Grid& grid);
/// "R 12.00  A 3.50  S 40.00 mm", or in µm.
QString world_text(const Vec3& world_mm, bool micrometres = false);

}  // namespace gigawarp::ui
