#include "render/colour_map.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>

namespace gigawarp::render {
namespace {

struct Rgb {
  double r, g, b;
};

constexpr std::array<Rgb, 2> kGrey{{{0, 0, 0}, {255, 255, 255}}};
constexpr std::array<Rgb, 7> kDiverging{{{158, 202, 255},
                                         {66, 146, 222},
                                         {28, 78, 128},
                                         {24, 24, 28},
                                         {132, 62, 16},
                                         {226, 120, 30},
                                         {255, 208, 140}}};
constexpr std::array<Rgb, 6> kSequential{
    {{38, 12, 62}, {58, 58, 124}, {42, 108, 138}, {38, 158, 128}, {130, 202, 80}, {252, 230, 60}}};

std::span<const Rgb> anchors(ColourMap map) {
  switch (map) {
    case ColourMap::grey: return kGrey;
    case ColourMap::diverging: return kDiverging;
    case ColourMap::sequential: break;
  }
  return kSequential;
}

}  // namespace

QRgb colour_of(ColourMap map, double t) {
  const std::span<const Rgb> table = anchors(map);
  const double place = std::clamp(t, 0.0, 1.0) * static_cast<double>(table.size() - 1);
  const std::size_t low = std::min(static_cast<std::size_t>(place), table.size() - 2);
  const double w = place - static_cast<double>(low);
  const Rgb &a = table[low], &b = table[low + 1];
  const auto mix = [w](double p, double q) {
    return static_cast<int>(std::lround(p + w * (q - p)));
  };
  return qRgb(mix(a.r, b.r), mix(a.g, b.g), mix(a.b, b.b));
}

}  // namespace gigawarp::render
