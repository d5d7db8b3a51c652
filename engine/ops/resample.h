#pragma once
#include <array>

#include "ops/view.h"

namespace gigawarp::ops {

/// One pyramid step, separable: out(i) = sum_k w(k) in(i·s + k), a Gaussian of `sigma` input voxels
/// per axis centred on the middle of the s input voxels that output voxel i stands for; edges are
/// clamped. Values are scaled (ImageView) on the way in. Input may be any type, output f32.
struct DownsampleArgs {
  ImageView in;
  SlabView<float> out;
  std::array<int, 3> shrink{1, 1, 1};
  std::array<double, 3> sigma{0, 0, 0};
  ZRange range;  ///< output planes
};

/// A coarse field on a finer grid: out(i)_a = ratio_a · in(coarse position of i)_a, trilinear,
/// clamped. Voxel i of the fine grid lies at coarse index i · fine_to_coarse + shift per axis.
struct UpsampleArgs {
  FieldView in;
  FieldView out;
  std::array<double, 3> fine_to_coarse{1, 1, 1};
  std::array<double, 3> shift{0, 0, 0};
  ZRange range;
};

}  // namespace gigawarp::ops
