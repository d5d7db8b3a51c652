#pragma once
#include "gigawarp/transform.h"
#include "ops/view.h"

namespace gigawarp::solve {

/// Changes exact samples of a smooth field into samples whose linear interpolation is close to it
/// between the grid points too. Interpolated exact samples of a curved field lie on the inner side
/// of every curve, by 1/12 of its second difference on average; a steep inverse is then wrong
/// nearly everywhere but at the grid points, while points are mapped anywhere. Per axis
/// v ← v − δ²v/10, at most a tenth of a voxel: up to a quarter of the sampling frequency this
/// follows the prefilter of the least-squares linear spline, sinc²(ω/2)·3/(2 + cos ω), to 2 %
/// (Unser, Aldroubi & Eden, IEEE Trans. Inf. Theory 38(1), 1992). In place; the edges and the
/// neighbours of NaN ("outside") keep their value along that axis.
void fit_between_samples(DisplacementField& field);
/// The same of planes `wanted`, into `out` (planar, 3 channels). `exact_mm` holds planes of the
/// grid from `first` on, 3 channels of f32, those beside `wanted` too, and is used up.
void fit_planes(const Grid& grid, Volume& exact_mm, std::int64_t first, ops::ZRange wanted,
                float* out);

}  // namespace gigawarp::solve
