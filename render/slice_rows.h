#pragma once
#include <QRgb>
#include <cstdint>

#include "gigawarp/grid.h"
#include "gigawarp/volume.h"

/// What every pixel of every frame goes through: loops over one row of a slice without branches,
/// compiled for several instruction sets.
namespace gigawarp::render {

/// A 3x4 map in single precision.
struct RowMap {
  explicit RowMap(const Affine& affine);
  float m[3][4]{};
};

/// The lattice that rows are sampled from.
struct RowLattice {
  explicit RowLattice(const Size3& size);
  float last[3]{};                      ///< index of the last voxel
  std::int32_t last_low[3]{};           ///< of the last cell
  std::int64_t step_y = 0, step_z = 0;  ///< to the next voxel of the cell; 0 on a single one
  std::int64_t stride_y = 0, stride_z = 0;
  float thick_x = 1;   ///< 0: one voxel along x, whose neighbour belongs to the next row
  bool small = false;  ///< element offsets fit 32 bits
};

/// World positions of a row of pixels.
struct RowPoints {
  float *x, *y, *z;
  std::int64_t n = 0;
};

void start_row(const RowPoints& points, const Vec3& first, const Vec3& step);
void map_row(const RowPoints& points, const RowMap& map);
/// Moves every point by the field (three planes, mm) at it; beyond the field's extent by nothing.
void displace_row(const RowPoints& points, const RowMap& voxel_from_world, const RowLattice& field,
                  const float* const planes[3]);
/// The values at positions in voxels; NaN more than half a voxel outside. `data` must be readable
/// eight bytes beyond its end, as a Volume's is.
void linear_row(ScalarType type, const RowLattice& lattice, const void* data,
                const RowPoints& voxels, float* out);

/// One image of a blend: (value - low) * scale, 0…1, times a colour.
struct BlendSide {
  float low = 0, scale = 1;
  float red = 0, green = 0, blue = 0;
};
/// Sums of both sides' colours; `background` where both are NaN.
void blend_row(const float* fixed, const BlendSide& fixed_side, const float* moving,
               const BlendSide& moving_side, QRgb background, QRgb* out, std::int64_t n);
/// 0…255 of each value; `background` for NaN.
void grey_row(const float* values, float low, float scale, QRgb background, QRgb* out,
              std::int64_t n);

}  // namespace gigawarp::render
