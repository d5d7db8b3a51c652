#include "render/scene.h"

#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "render/glyphs.h"
#include "render/slice_rows.h"
#include "render/warped_slice.h"

namespace gigawarp::render {
namespace {

constexpr int kGlyphPixels = 26;

QRgb mix(QRgb under, QRgb over, double cover) {
  const int w = static_cast<int>(std::lround(256 * std::clamp(cover, 0.0, 1.0)));
  const auto one = [w](int a, int b) { return a + (w * (b - a)) / 256; };
  return qRgb(one(qRed(under), qRed(over)), one(qGreen(under), qGreen(over)),
              one(qBlue(under), qBlue(over)));
}

/// Changes a picture row by row, in parallel.
template <class Change>
void repaint_rows(QImage& picture, const Change& change) {
  auto* bits = picture.bits();  // detaches here, not in the threads
  const auto stride = picture.bytesPerLine();
  parallel_for(picture.height(), [&](std::int64_t row) {
    change(reinterpret_cast<QRgb*>(bits + row * stride), row);
  });
}

/// The same pixel by pixel.
template <class Change>
void repaint(QImage& picture, const Change& change) {
  const int width = picture.width();
  repaint_rows(picture, [&](QRgb* line, std::int64_t row) {
    for (int c = 0; c < width; ++c) change(line[c], c, static_cast<int>(row));
  });
}

/// 0 where the window has no width: all is black then.
float scale_of(const Window& window) {
  return window.high > window.low ? static_cast<float>(1 / (window.high - window.low)) : 0.0F;
}

QImage empty_picture(const SliceGeometry& g) {
  QImage out(g.width, g.height, QImage::Format_RGB32);
  out.fill(kBackground);
  return out;
}

QImage picture_of(const SliceImage& slice, const ShownVolume& shown) {
  QImage out(slice.width, slice.height, QImage::Format_RGB32);
  if (shown.map == ColourMap::grey) {
    const Window& window = shown.window;
    repaint_rows(out, [&](QRgb* line, std::int64_t row) {
      grey_row(slice.values.data() + row * slice.width, static_cast<float>(window.low),
               scale_of(window), kBackground, line, slice.width);
    });
    return out;
  }
  repaint(out, [&](QRgb& pixel, int c, int r) {
    const float v = slice.at(c, r);
    pixel = std::isnan(v) ? kBackground : colour_of(shown.map, shown.window(v));
  });
  return out;
}

/// An image over the background.
QImage alone(const SliceImage& slice, const ShownVolume& shown) {
  QImage out = picture_of(slice, shown);
  if (shown.opacity < 1)
    repaint(out, [&](QRgb& pixel, int, int) { pixel = mix(kBackground, pixel, shown.opacity); });
  return out;
}

/// Both at full strength where they are opaque, so that equal images add up to grey.
QImage blended(const Scene& s, const SliceImage& fixed, const SliceImage& moving) {
  const auto wf = static_cast<float>(s.fixed.opacity), wm = static_cast<float>(s.moving.opacity);
  // Alone each of the two is shown in plain grey: colour says "two images".
  const float tint = std::min(wf, wm);
  const auto side = [tint](const Window& window, float weight, QRgb colour) {
    const auto channel = [&](int level) {
      return weight * (255 + tint * static_cast<float>(level - 255));
    };
    return BlendSide{static_cast<float>(window.low), scale_of(window), channel(qRed(colour)),
                     channel(qGreen(colour)), channel(qBlue(colour))};
  };
  const BlendSide f = side(s.fixed.window, wf, kFixedColour),
                  m = side(s.moving.window, wm, kMovingColour);
  QImage out(fixed.width, fixed.height, QImage::Format_RGB32);
  repaint_rows(out, [&](QRgb* line, std::int64_t row) {
    const std::int64_t first = row * fixed.width;
    blend_row(fixed.values.data() + first, f, moving.values.data() + first, m, kBackground, line,
              fixed.width);
  });
  return out;
}

/// Each image where it is on top; what it lets through is the other one, then the background.
template <class IsFixedOnTop>
QImage one_over_other(const Scene& s, const SliceImage& fixed, const SliceImage& moving,
                      const IsFixedOnTop& is_fixed_on_top) {
  QImage out = picture_of(fixed, s.fixed);
  const QImage other = picture_of(moving, s.moving);
  const double cover_f = s.fixed.opacity, cover_m = s.moving.opacity;
  const bool opaque = cover_f >= 1 && cover_m >= 1;
  repaint(out, [&](QRgb& pixel, int c, int r) {
    const QRgb f = pixel, m = reinterpret_cast<const QRgb*>(other.constScanLine(r))[c];
    const bool fixed_on_top = is_fixed_on_top(c, r);
    if (opaque)
      pixel = fixed_on_top ? f : m;
    else
      pixel = fixed_on_top ? mix(mix(kBackground, m, cover_m), f, cover_f)
                           : mix(mix(kBackground, f, cover_f), m, cover_m);
  });
  return out;
}

QImage compared(const Scene& s, const SliceImage& fixed, const SliceImage& moving,
                const SliceGeometry& g) {
  const Window &wf = s.fixed.window, &wm = s.moving.window;
  switch (s.mode) {
    case CompareMode::blend: return blended(s, fixed, moving);
    case CompareMode::checkerboard: {
      const int side = std::max(1, s.checker_pixels);
      return one_over_other(s, fixed, moving,
                            [side](int c, int r) { return ((c / side + r / side) & 1) == 0; });
    }
    case CompareMode::swipe: {
      const int edge = static_cast<int>(std::lround(s.swipe * fixed.width));
      return one_over_other(s, fixed, moving, [edge](int c, int) { return c < edge; });
    }
    case CompareMode::flicker:
      return one_over_other(s, fixed, moving, [&s](int, int) { return !s.flicker_moving; });
    case CompareMode::edges: {
      // About the width of a voxel of a human brain scan, whatever the zoom.
      const double sigma = std::clamp(1.2 / g.pixel_mm, 1.5, 3.0);
      return edges_picture(fixed, wf, moving, wm, sigma, s.fixed.opacity, s.moving.opacity);
    }
    case CompareMode::difference: break;
  }
  return difference_picture(fixed, wf, moving, wm);
}

/// A slice of an image or of labels, from its bricks where it is streamed.
template <class Shown>
SliceImage slice_of(const Shown& shown, const Transform* warp, const SliceGeometry& g,
                    SliceInterpolation interpolation, Streaming& streaming,
                    const std::stop_token& stop) {
  if (shown.stream != nullptr)
    return sample_streamed(shown.stream, warp, g, interpolation, streaming, stop);
  return sample_warped(*shown.volume, warp, g, interpolation, stop);
}

/// What cannot be read is neither dark nor bright tissue: neutral, with slanted lines.
void hatch(QImage& picture, const std::vector<std::uint8_t>& where) {
  if (where.empty()) return;
  const auto width = static_cast<std::size_t>(picture.width());
  repaint(picture, [&](QRgb& pixel, int c, int r) {
    if (where[static_cast<std::size_t>(r) * width + static_cast<std::size_t>(c)] == 0) return;
    pixel = (c + r) % 8 < 2 ? kDefectColour : qRgb(70, 70, 74);
  });
}

void draw_labels(QImage& picture, const ShownLabels& shown, const Transform* warp,
                 const SliceGeometry& g, Streaming& streaming, const std::stop_token& stop) {
  const SliceImage slice = slice_of(shown, shown.on_moving ? warp : nullptr, g,
                                    SliceInterpolation::label, streaming, stop);
  const auto label_at = [&](int c, int r) {
    return label_of(slice.at(std::min(c, slice.width - 1), std::min(r, slice.height - 1)));
  };
  const double outline = shown.is_mask ? shown.opacity : std::min(1.0, shown.opacity + 0.5);
  repaint_rows(picture, [&](QRgb* line, std::int64_t row) {
    const int r = static_cast<int>(row);
    int coloured = 0;  // neighbours mostly have one label
    QRgb colour = qRgb(245, 220, 70);
    for (int c = 0; c < slice.width; ++c) {
      const int here = label_at(c, r), right = label_at(c + 1, r), down = label_at(c, r + 1);
      const int shown_label = here != 0 ? here : right != 0 ? right : down;
      if (shown_label == 0) continue;
      const bool edge = here != right || here != down;
      if (!edge && (here == 0 || shown.is_mask)) continue;
      if (!shown.is_mask && shown_label != coloured) {
        colour = label_colour(shown_label, shown.names.get());
        coloured = shown_label;
      }
      line[c] = mix(line[c], colour, edge ? outline : shown.opacity);
    }
  });
}

void draw_map(QImage& picture, const ShownMap& map, const SliceGeometry& g,
              const std::stop_token& stop) {
  const SliceImage slice = sample_warped(*map.volume, nullptr, g, SliceInterpolation::linear, stop);
  repaint(picture, [&](QRgb& pixel, int c, int r) {
    const float v = slice.at(c, r);
    if (std::isnan(v)) return;
    if (map.kind == MapKind::jacobian) {
      const QRgb colour =
          v <= 0 ? kDefectColour
                 : colour_of(ColourMap::diverging, 0.5 + 0.5 * std::log2(v) / map.window.high);
      // Where nothing changes the image stays as it is.
      const double change = std::min(1.0, 1.6 * std::abs(std::log2(v)) / map.window.high);
      pixel = mix(pixel, colour, v <= 0 ? 1 : map.opacity * change);
      return;
    }
    const double t = map.window(v);
    const double shown = map.kind == MapKind::local_ncc ? 1 - t : t;
    pixel = mix(pixel, colour_of(ColourMap::sequential, shown), map.opacity);
  });
}

void draw_grid(QImage& picture, const Scene& s, const SliceGeometry& g,
               const std::stop_token& stop) {
  Vec3 right{}, down{};
  for (int a = 0; a < 3; ++a) {
    right[a] = g.right_mm[a] / g.pixel_mm;
    down[a] = g.down_mm[a] / g.pixel_mm;
  }
  const SliceImage u = sample_displacement_component(*s.warp, g, right, true, stop);
  const SliceImage v = sample_displacement_component(*s.warp, g, down, true, stop);
  SliceImage nothing{g.width, g.height, {}};
  nothing.values.assign(u.values.size(), 0.0F);
  const QImage lines = grid_picture(u, v, g.pixel_mm, s.grid_mm, nothing, {0, 1});
  repaint(picture, [&](QRgb& pixel, int c, int r) {
    const QRgb line = reinterpret_cast<const QRgb*>(lines.constScanLine(r))[c];
    const double cover = qGreen(line) / 214.0;  // of the lines' colour
    pixel = mix(pixel, qRgb(120, 214, 200), cover);
  });
}

bool wants_fixed(const Scene& s, Content content) {
  return (content == Content::fixed || content == Content::compare) && s.fixed;
}
bool wants_moving(const Scene& s, Content content) {
  const bool wants = content == Content::moving || content == Content::warped ||
                     (content == Content::compare && (s.overlay || !s.fixed));
  return wants && s.moving;
}
bool wants_labels(const ShownLabels& labels, Content content) {
  return labels.on_moving ? content != Content::fixed : content != Content::moving;
}

}  // namespace

QRgb label_colour(int label) {
  constexpr double kGolden = 0.61803398875;
  const double hue = label * kGolden - std::floor(label * kGolden);
  const double lightness = 0.52 + 0.16 * ((label % 3) - 1);
  return QColor::fromHslF(static_cast<float>(hue), 0.75F, static_cast<float>(lightness)).rgb();
}

QRgb label_colour(std::int64_t label, const io::LabelNames* names) {
  if (names != nullptr)
    if (const auto found = names->find(label); found != names->end() && found->second.colour) {
      const auto& [red, green, blue] = *found->second.colour;
      return qRgb(red, green, blue);
    }
  return label_colour(static_cast<int>(label));
}

int streamed_images(const Scene& s, Content content) {
  int count = 0;
  if (wants_fixed(s, content) && s.fixed.stream != nullptr) ++count;
  if (wants_moving(s, content) && s.moving.stream != nullptr) ++count;
  for (const ShownLabels& labels : s.labels)
    if (wants_labels(labels, content) && labels.stream != nullptr) ++count;
  return count;
}

std::vector<MissingBricks> bricks_ahead(const Scene& s, Content content, const SliceGeometry& g,
                                        int side, std::uint64_t share_bytes) {
  constexpr std::uint64_t kPartOfShare = 4;  // what is looked at now must not make room for it
  const Vec3 &r = g.right_mm, &d = g.down_mm;
  const Vec3 across{r[1] * d[2] - r[2] * d[1], r[2] * d[0] - r[0] * d[2],
                    r[0] * d[1] - r[1] * d[0]};
  const double length = std::hypot(across[0], across[1], across[2]);
  std::vector<MissingBricks> out;
  const auto add = [&](const std::shared_ptr<const StreamedVolume>& volume, const Transform* warp) {
    if (volume == nullptr || !(length > 0)) return;
    const LevelChoice choice = volume->level_for(warp, g, share_bytes);
    if (choice.level >= volume->overview_level()) return;
    SliceGeometry next = g;
    for (std::size_t a = 0; a < 3; ++a)
      next.origin_mm[a] += side * volume->brick_mm(choice.level) * across[a] / length;
    MissingBricks missing{volume, volume->bricks_of(warp, next, choice.level)};
    const Size3& brick = volume->level(choice.level).brick;
    const auto bytes = static_cast<std::uint64_t>(brick[0] * brick[1] * brick[2]) *
                       size_of(volume->type()) * missing.keys.size();
    std::erase_if(missing.keys,
                  [&](const io::BrickKey& key) { return volume->find(key) != nullptr; });
    if (!missing.keys.empty() && bytes <= share_bytes / kPartOfShare)
      out.push_back(std::move(missing));
  };
  if (wants_fixed(s, content)) add(s.fixed.stream, nullptr);
  if (wants_moving(s, content))
    add(s.moving.stream, content == Content::moving ? nullptr : s.warp.get());
  return out;
}

Scene with_overviews(Scene scene) {
  scene.fixed.stream = nullptr;
  scene.moving.stream = nullptr;
  for (ShownLabels& labels : scene.labels) labels.stream = nullptr;
  return scene;
}

QImage compose(const Scene& s, Content content, const SliceGeometry& g, const std::stop_token& stop,
               Streaming* told) {
  Streaming unasked;
  Streaming& streaming = told != nullptr ? *told : unasked;
  const Transform* warp = content == Content::moving ? nullptr : s.warp.get();
  SliceImage fixed, moving;
  if (wants_fixed(s, content))
    fixed = slice_of(s.fixed, nullptr, g, SliceInterpolation::linear, streaming, stop);
  if (wants_moving(s, content))
    moving = slice_of(s.moving, warp, g, SliceInterpolation::linear, streaming, stop);
  if (stop.stop_requested()) return {};
  QImage out;
  if (!fixed.values.empty() && !moving.values.empty())
    out = compared(s, fixed, moving, g);
  else if (!fixed.values.empty())
    out = alone(fixed, s.fixed);
  else if (!moving.values.empty())
    out = alone(moving, s.moving);
  else
    out = empty_picture(g);
  if (stop.stop_requested()) return {};
  if (s.map.volume != nullptr && content != Content::moving) draw_map(out, s.map, g, stop);
  for (const ShownLabels& labels : s.labels) {
    if (wants_labels(labels, content)) draw_labels(out, labels, warp, g, streaming, stop);
  }
  hatch(out, streaming.damaged);
  if (s.grid_mm > 0 && warp != nullptr) draw_grid(out, s, g, stop);
  if (s.glyphs && warp != nullptr) draw_glyphs(out, *warp, g, kGlyphPixels, stop);
  return stop.stop_requested() ? QImage() : out;
}

}  // namespace gigawarp::render
