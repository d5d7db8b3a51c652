#pragma once
#include <stop_token>

#include "gigawarp/transform.h"
#include "render/slice_sampler.h"

namespace gigawarp::render {

/// The values of `volume` seen through a transform on the pixels of a slice: volume(warp(x)) at the
/// world point x of each pixel, at the resolution of the picture. `warp` null: the identity. NaN
/// outside the volume or the domain of the transform, and in rows not reached when `stop` is
/// requested. Threaded; positions are single precision, good to 1e-6 of their size.
SliceImage sample_warped(const Volume& volume, const Transform* warp, const SliceGeometry& geometry,
                         SliceInterpolation interpolation, const std::stop_token& stop = {});

/// The part of warp(x) - x that points along a unit vector, mm, on the pixels of a slice: the
/// deformation that a grid or arrows show. Affine stages are left out when `deformable_only`.
SliceImage sample_displacement_component(const Transform& warp, const SliceGeometry& geometry,
                                         const Vec3& along, bool deformable_only,
                                         const std::stop_token& stop = {});

}  // namespace gigawarp::render
