#pragma once
#include <QImage>

#include "render/colour_map.h"
#include "render/slice_sampler.h"

namespace gigawarp::render {

/// Brightness shown black and white.
struct Window {
  double low = 0, high = 1;
  double operator()(double value) const {  ///< 0…1, clamped
    if (!(high > low)) return 0;
    const double t = (value - low) / (high - low);
    return t < 0 ? 0 : t > 1 ? 1 : t;
  }
};

/// From the 1st to the 99th percentile of the finite values that are not 0 (padding says nothing);
/// a range when they coincide.
Window percentile_window(const Volume& volume, double low_percent = 1, double high_percent = 99);

// Every picture has the size of its slices; pixels outside the volume are the background.
inline constexpr QRgb kBackground = qRgb(20, 21, 24);

QImage grey_picture(const SliceImage& slice, const Window& window);
/// Fixed in orange, moving in blue; where they agree the sum is grey.
QImage blend_picture(const SliceImage& fixed, const Window& fixed_window, const SliceImage& moving,
                     const Window& moving_window);
/// Windowed fixed minus windowed moving, -0.5…0.5 on the diverging map.
QImage difference_picture(const SliceImage& fixed, const Window& fixed_window,
                          const SliceImage& moving, const Window& moving_window);
/// Draws the edges of a slice into a picture of the same size.
void draw_edges(QImage& picture, const SliceImage& slice, const Window& window, double sigma_pixels,
                QRgb colour, double opacity);
/// Edges of `fixed` (Canny's: ridge of the smoothed gradient, two thresholds) drawn over `moving`.
/// `sigma_pixels` is the smoothing before the gradient; the opacities are of the edges and of
/// `moving` over the background.
QImage edges_picture(const SliceImage& fixed, const Window& fixed_window, const SliceImage& moving,
                     const Window& moving_window, double sigma_pixels, double edge_opacity = 1,
                     double moving_opacity = 1);
/// log2 det J from -`log2_range` to `log2_range` on the diverging map, folds in the defect colour.
QImage jacobian_picture(const SliceImage& determinant, double log2_range);
/// Lines that are straight, `spacing_mm` apart, in x + u(x), seen at x, over the dimmed image. The
/// two displacements are along the slice's right and down directions, mm.
QImage grid_picture(const SliceImage& right_mm, const SliceImage& down_mm, double pixel_mm,
                    double spacing_mm, const SliceImage& under, const Window& window);

}  // namespace gigawarp::render
