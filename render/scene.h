#pragma once
#include <QImage>
#include <memory>
#include <stop_token>
#include <vector>

#include "gigawarp/transform.h"
#include "gigawarp/volume.h"
#include "io/label_names.h"
#include "render/colour_map.h"
#include "render/compare_modes.h"
#include "render/slice_sampler.h"
#include "render/streamed_volume.h"

namespace gigawarp::render {

/// How two images are shown at one spot.
enum class CompareMode { blend, checkerboard, swipe, flicker, edges, difference };

/// What a view shows: both images compared, or one alone. `moving` ignores the warp.
enum class Content { compare, fixed, moving, warped };

/// An image with the way it is looked at. Volumes are shared and never change once shown. With a
/// `stream`, `volume` is its overview.
///
/// Opacity, by what is shown:
/// - one image alone: over the background;
/// - checkerboard, swipe, flicker: the image that the mode shows at a place lies over the other one
///   there, and both over the background, each with its own opacity. So half a moving image lets
///   the fixed one through, and one of 0 shows the other one alone, as if it were hidden;
/// - blend: light is added, so opacity is the share of an image's light. Both at 1 add up to grey
///   where they agree;
/// - edges: of the fixed image's contours over the ground, and of the moving image, their ground;
/// - difference: none. It shows figures, and half an image would pass for half a difference.
struct ShownVolume {
  std::shared_ptr<const Volume> volume;
  Window window;
  ColourMap map = ColourMap::grey;
  bool visible = true;
  std::shared_ptr<const StreamedVolume> stream = {};
  double opacity = 1;  ///< 0…1
  explicit operator bool() const { return visible && volume != nullptr; }
};

/// Labels or a mask, drawn as tinted areas with an outline.
struct ShownLabels {
  std::shared_ptr<const Volume> volume;
  bool on_moving = false;  ///< seen through the warp
  bool is_mask = false;    ///< one colour, outline only
  double opacity = 0.35;   ///< of areas, whose outlines have 0.5 more; of a mask's outline
  std::shared_ptr<const StreamedVolume> stream = {};
  std::shared_ptr<const io::LabelNames> names = {};  ///< for their colours; may be null
};

enum class MapKind {
  jacobian,        ///< det J, 1 is neutral, folds in the defect colour
  local_ncc,       ///< low correlation is bright
  millimetres,     ///< inverse error, sequential over the window
  run_difference,  ///< of two warps, mm, the same
};

/// A map of figures on the fixed grid, laid over the images.
struct ShownMap {
  std::shared_ptr<const Volume> volume;
  MapKind kind = MapKind::jacobian;
  Window window{0, 1};  ///< of the shown figure; det J: log2 range is `window.high`
  double opacity = 0.7;
};

/// Everything that decides the pixels of a slice view except where it looks.
struct Scene {
  ShownVolume fixed, moving;
  std::shared_ptr<const Transform> warp;  ///< fixed points to moving points; null: identity
  CompareMode mode = CompareMode::blend;
  bool overlay = true;          ///< false: the fixed image alone
  double swipe = 0.5;           ///< place of the edge, 0…1 of the picture's width
  bool flicker_moving = false;  ///< which of the two flicker shows now
  int checker_pixels = 48;
  std::vector<ShownLabels> labels;
  ShownMap map;
  double grid_mm = 0;   ///< spacing of the deformation grid; 0: none
  bool glyphs = false;  ///< arrows of the deformation
};

/// Draws a slice, warped on the fly at the resolution of the picture. Threaded; runs on any thread
/// that is not the interface's. Streamed images are drawn from what is in memory, hatched where
/// bricks are damaged; `streaming` tells what was missing. A null picture when `stop` was
/// requested.
QImage compose(const Scene& scene, Content content, const SliceGeometry& geometry,
               const std::stop_token& stop = {}, Streaming* streaming = nullptr);

/// Bricks that a picture a brick further along its normal (`side` +1: as right x down points, or
/// -1) would lack, as far as they take little of `share_bytes`.
std::vector<MissingBricks> bricks_ahead(const Scene& scene, Content content,
                                        const SliceGeometry& geometry, int side,
                                        std::uint64_t share_bytes);

/// Streamed images that compose() would sample.
int streamed_images(const Scene& scene, Content content);
/// The scene without streaming: of each streamed image the overview.
Scene with_overviews(Scene scene);

/// The colour of a label, the same in every view and table: neighbours in number differ in hue and
/// lightness.
QRgb label_colour(int label);
/// The colour that its name comes with, else the same. `names` may be null.
QRgb label_colour(std::int64_t label, const io::LabelNames* names);

}  // namespace gigawarp::render
