#pragma once
#include <QImage>
#include <stop_token>

#include "gigawarp/transform.h"
#include "render/slice_sampler.h"

namespace gigawarp::render {

/// Arrows along the part of the deformation that lies in the slice, one every `spacing_pixels`,
/// from x towards x + u(x); affine stages are left out. Short deformations are drawn longer by a
/// round factor: an arrow of a whole number of millimetres stands for scale, lower left.
void draw_glyphs(QImage& picture, const Transform& warp, const SliceGeometry& geometry,
                 int spacing_pixels, const std::stop_token& stop = {});

}  // namespace gigawarp::render
