#pragma once
#include <vector>

#include "gigawarp/transform.h"
#include "render/slice_rows.h"
#include "render/slice_sampler.h"

namespace gigawarp::render {

/// World positions of rows of pixels, changed stage by stage.
class RowPositions {
 public:
  explicit RowPositions(int width, int rows = 1)
      : width_(width), rows_(rows), values_(3 * static_cast<std::size_t>(width) * rows) {}
  /// One of the rows.
  RowPoints points(int row = 0) {
    float* x = values_.data() + static_cast<std::ptrdiff_t>(row) * width_;
    const std::ptrdiff_t plane = static_cast<std::ptrdiff_t>(rows_) * width_;
    return {x, x + plane, x + 2 * plane, width_};
  }
  void start(const SliceGeometry& g, std::int64_t slice_row, int row = 0) {
    start_row(points(row), g.at(0, static_cast<double>(slice_row)), g.right_mm);
  }

 private:
  std::int64_t width_;
  int rows_;
  std::vector<float> values_;
};

/// The stages of a transform, ready to be applied to rows. `warp` null: none; it must outlive this.
class RowStages {
 public:
  RowStages(const Transform* warp, bool deformable_only);
  void apply(const RowPoints& points) const;

 private:
  struct Step {
    RowMap map;
    RowLattice lattice;
    const DisplacementField* field = nullptr;
    const BSplineField* spline = nullptr;
  };
  std::vector<Step> steps_;
};

/// Values nearest to the positions (in voxels of `data`); NaN more than half a voxel outside.
void nearest_row(ScalarType type, const Size3& size, const void* data, const RowPoints& voxels,
                 float* out);
/// The same as SliceInterpolation::label.
void label_row(ScalarType type, const Size3& size, const void* data, const RowPoints& voxels,
               float* out);

}  // namespace gigawarp::render
