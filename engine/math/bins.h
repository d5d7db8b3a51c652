#pragma once
#include "math/host_device.h"

namespace gigawarp::math {

/// Where intensities fall on one axis of the joint histogram (engine.md §2): the fixed one to its
/// nearest bin, the moving one to a position in [0, bins - 3) whose four cubic weights reach the
/// bins from its whole part on.
struct BinAxis {
  float low, per_width;
  float last;  ///< largest position

  static BinAxis fixed(float low, float high, int bins) {
    return {low, static_cast<float>(bins) / width(low, high), static_cast<float>(bins - 1)};
  }
  static BinAxis moving(float low, float high, int bins) {
    return {low, static_cast<float>(bins - 3) / width(low, high), static_cast<float>(bins - 3)};
  }
  static float width(float low, float high) { return high - low > 1e-20F ? high - low : 1e-20F; }
};

/// `first`: row of the fixed bin times the number of bins, plus the first of the four moving bins;
/// `fraction`: of the moving position.
struct BinPlace {
  int first;
  float fraction;
};

GIGAWARP_HD BinPlace bin_place(const BinAxis& fixed, const BinAxis& moving, int bins, float f,
                               float m) {
  float a = (f - fixed.low) * fixed.per_width;
  a = a > 0.0F ? a : 0.0F;
  a = a < fixed.last ? a : fixed.last;
  float b = (m - moving.low) * moving.per_width;
  b = b > 0.0F ? b : 0.0F;
  const float top = moving.last * 0.999999F;
  b = b < top ? b : top;
  const int j = static_cast<int>(b);
  return {static_cast<int>(a) * bins + j, b - static_cast<float>(j)};
}

}  // namespace gigawarp::math
