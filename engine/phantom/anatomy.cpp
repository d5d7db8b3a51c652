#include "phantom/anatomy.h"

#include <cmath>

#include "cpu/multiversion.h"
#include "phantom/anatomy_shape.h"

namespace gigawarp::phantom {
namespace {

/// The point of the moving head that voxel i of the row shows.
GIGAWARP_ALWAYS_INLINE void map_point(const Row& row, const MapView& map, int i, float& x, float& y,
                                      float& z) {
  const auto t = static_cast<float>(i);
  float px = row.start[0] + t * row.step[0];
  float py = row.start[1] + t * row.step[1];
  float pz = row.start[2] + t * row.step[2];
  float ux = 0, uy = 0, uz = 0;
  for (int k = 0; k < 6; ++k) {
    const float s =
        sin_turns(map.wave[k][0] * px + map.wave[k][1] * py + map.wave[k][2] * pz + map.phase[k]);
    ux += map.amplitude[k][0] * s;
    uy += map.amplitude[k][1] * s;
    uz += map.amplitude[k][2] * s;
  }
  px += ux;
  py += uy;
  pz += uz;
  x = map.linear[0][0] * px + map.linear[0][1] * py + map.linear[0][2] * pz + map.offset[0];
  y = map.linear[1][0] * px + map.linear[1][1] * py + map.linear[1][2] * pz + map.offset[1];
  z = map.linear[2][0] * px + map.linear[2][1] * py + map.linear[2][2] * pz + map.offset[2];
}

/// Paints `brightness` where `distance` is negative, with an edge of width 1 / sharpness.
GIGAWARP_ALWAYS_INLINE float paint(float under, float brightness, float distance, float sharpness) {
  const float cover = clamp01(0.5F - distance * sharpness);
  return under + cover * (brightness - under);
}

/// Texture that varies along every direction, its threads bent by `bend` so that they repeat
/// nowhere; of root mean square 0.7.
GIGAWARP_ALWAYS_INLINE float weave(float x, float y, float z, float wavelength, float bend) {
  const float f = 1.0F / wavelength;
  const float a = f * (0.96F * x + 0.21F * y - 0.17F * z) + 0.7F * bend,
              b = f * (-0.19F * x + 0.95F * y + 0.24F * z) + 0.5F * bend,
              c = f * (0.15F * x - 0.25F * y + 0.96F * z) - 0.6F * bend;
  return sin_turns(a) * sin_turns(b + 0.3F) + sin_turns(c) * sin_turns(0.7F * (a + b) + 0.1F);
}

GIGAWARP_ALWAYS_INLINE float brightness_at(float x, float y, float z, const Look& look,
                                           float sharpness) {
  const Shape s = shape_at(x, y, z);
  const float* b = look.brightness.data();
  const float k = sharpness;
  float v = b[kAir];
  // Fat lobules and muscle, marrow that comes and goes, vessels in the fluid round the brain: at 8
  // to 16 mm, so that what lies between smooth surfaces can be matched along them too.
  const float lobule = sin_turns(0.075F * x + 0.031F * z + 0.15F) *
                       sin_turns(0.069F * y - 0.027F * x + 0.4F) *
                       sin_turns(0.071F * z + 0.023F * y + 0.7F);
  const float vessel = sin_turns(0.083F * x - 0.049F * y + 0.3F * lobule) *
                       sin_turns(0.087F * z + 0.053F * y - 0.031F * x + 0.6F);
  v = paint(v, b[kSkin] * (1.0F + look.scalp * lobule), s.skin, k);
  v = paint(v, b[kSkull], s.skull, k);
  v = paint(v, b[kMarrow] * (1.0F + look.scalp * vessel), s.marrow, k);
  v = paint(v, b[kFluid] + look.vessels * vessel * vessel, s.cavity, k);
  v = paint(v, b[kCerebellarCortex], s.cerebellar_grey, k);
  v = paint(v, b[kCerebellarWhite], s.cerebellar_white, k);
  const float layer = sin_turns(s.depth_in_cortex * (0.85F / kCortexThickness));
  v = paint(v, b[kCortex] + look.layers * layer, s.grey, k);
  v = paint(v, b[kWhite], s.white, k);
  v = paint(v, b[kBrainstem], s.brainstem, k);
  v = paint(v, b[kCallosum], s.callosum, k);
  v = paint(v, b[kCaudate], s.caudate, k);
  v = paint(v, b[kPutamen], s.putamen, k);
  v = paint(v, b[kPallidum], s.pallidum, k);
  v = paint(v, b[kThalamus], s.thalamus, k);
  v = paint(v, b[kAccumbens], s.accumbens, k);
  v = paint(v, b[kHippocampus], s.hippocampus, k);
  v = paint(v, b[kAmygdala], s.amygdala, k);
  v = paint(v, b[kFluid], s.ventricle, k);
  v = paint(v, b[kFluid], s.third_ventricle, k);
  v = paint(v, b[kFluid], s.fourth_ventricle, k);
  // Texture at 15 and 7 mm, so that the inside of white matter can be matched too.
  const float coarse = sin_turns(0.061F * x + 0.023F * y - 0.017F * z + 0.3F) *
                       sin_turns(0.019F * x - 0.043F * y + 0.055F * z + 0.8F);
  const float fine = sin_turns(0.11F * x - 0.05F * y + 0.09F * z + 0.5F * coarse) *
                     sin_turns(-0.07F * x + 0.12F * y + 0.04F * z + 0.2F);
  v *= 1.0F + look.texture * (coarse + 0.8F * fine);
  for (int i = 0; i < kFineTextures; ++i)
    if (look.fine[i] != 0) v *= 1.0F + look.fine[i] * weave(x, y, z, kFineWavelength[i], coarse);
  return v * (1.0F - look.absorption * clamp01(0.5F + x * (1.0F / 150.0F)));
}

GIGAWARP_ALWAYS_INLINE float label(float under, int left, int right, float distance, bool on_left) {
  const float number = on_left ? static_cast<float>(left) : static_cast<float>(right);
  return distance < 0 ? number : under;
}

GIGAWARP_ALWAYS_INLINE float label_at(float x, float y, float z, float fluid) {
  const Shape s = shape_at(x, y, z);
  float v = s.cavity < 0 ? fluid : 0;
  v = label(v, 8, 47, s.cerebellar_grey, s.left);
  v = label(v, 7, 46, s.cerebellar_white, s.left);
  v = label(v, 3, 42, s.grey, s.left);
  v = label(v, 2, 41, s.white, s.left);
  v = label(v, 16, 16, s.brainstem, s.left);
  v = label(v, 255, 255, s.callosum, s.left);
  v = label(v, 11, 50, s.caudate, s.left);
  v = label(v, 12, 51, s.putamen, s.left);
  v = label(v, 13, 52, s.pallidum, s.left);
  v = label(v, 10, 49, s.thalamus, s.left);
  v = label(v, 26, 58, s.accumbens, s.left);
  v = label(v, 17, 53, s.hippocampus, s.left);
  v = label(v, 18, 54, s.amygdala, s.left);
  v = label(v, 4, 43, s.ventricle, s.left);
  v = label(v, 14, 14, s.third_ventricle, s.left);
  return label(v, 15, 15, s.fourth_ventricle, s.left);
}

/// fmix32 of MurmurHash3 (public domain, A. Appleby).
GIGAWARP_ALWAYS_INLINE std::uint32_t mix(std::uint32_t h) {
  h ^= h >> 16;
  h *= 0x85EBCA6BU;
  h ^= h >> 13;
  h *= 0xC2B2AE35U;
  return h ^ (h >> 16);
}

}  // namespace

Look look_of(Contrast contrast, float voxel_mm) {
  Look look;
  auto& b = look.brightness;
  switch (contrast) {
    case Contrast::t1:
      b = {0.01F, 0.70F, 0.08F, 0.45F, 0.16F, 0.55F, 0.86F, 0.92F, 0.60F,
           0.64F, 0.76F, 0.70F, 0.56F, 0.53F, 0.58F, 0.52F, 0.84F, 0.80F};
      look.texture = 0.06F;
      look.vessels = 0.25F;
      look.scalp = 0.5F;
      break;
    case Contrast::t2:
      b = {0.01F, 0.42F, 0.05F, 0.33F, 1.00F, 0.60F, 0.38F, 0.34F, 0.56F,
           0.52F, 0.30F, 0.50F, 0.63F, 0.62F, 0.58F, 0.62F, 0.40F, 0.42F};
      look.texture = -0.07F;
      look.vessels = -0.6F;
      look.scalp = 0.5F;
      break;
    case Contrast::lightsheet:
      b = {0.02F, 0.02F, 0.02F, 0.02F, 0.03F, 0.62F, 0.34F, 0.26F, 0.50F,
           0.55F, 0.42F, 0.48F, 0.72F, 0.66F, 0.56F, 0.75F, 0.30F, 0.40F};
      look.texture = 0.09F;
      look.layers = 0.14F;
      look.absorption = 0.35F;
      break;
  }
  for (int k = 0; k < kFineTextures; ++k)
    if (kFineWavelength[k] >= kFineVoxels * voxel_mm) look.fine[k] = look.texture;
  return look;
}

GIGAWARP_MULTIVERSION
void anatomy_row(const Row& row, const MapView& map, const Look& look, float edge_mm, float* out) {
  const float sharpness = 1.0F / edge_mm;
  if (map.identity) {
#pragma omp simd
    for (int i = 0; i < row.count; ++i) {
      const auto t = static_cast<float>(i);
      out[i] = brightness_at(row.start[0] + t * row.step[0], row.start[1] + t * row.step[1],
                             row.start[2] + t * row.step[2], look, sharpness);
    }
    return;
  }
  float x[kRowChunk], y[kRowChunk], z[kRowChunk];
#pragma omp simd
  for (int i = 0; i < row.count; ++i) map_point(row, map, i, x[i], y[i], z[i]);
#pragma omp simd
  for (int i = 0; i < row.count; ++i) out[i] = brightness_at(x[i], y[i], z[i], look, sharpness);
}

GIGAWARP_MULTIVERSION
void label_row(const Row& row, const MapView& map, bool fluid, float* out) {
  const float outside = fluid ? 24 : 0;
  float x[kRowChunk], y[kRowChunk], z[kRowChunk];
  if (map.identity) {
    for (int i = 0; i < row.count; ++i) {
      const auto t = static_cast<float>(i);
      x[i] = row.start[0] + t * row.step[0];
      y[i] = row.start[1] + t * row.step[1];
      z[i] = row.start[2] + t * row.step[2];
    }
  } else {
#pragma omp simd
    for (int i = 0; i < row.count; ++i) map_point(row, map, i, x[i], y[i], z[i]);
  }
#pragma omp simd
  for (int i = 0; i < row.count; ++i) out[i] = label_at(x[i], y[i], z[i], outside);
}

GIGAWARP_MULTIVERSION
void degrade_row(const Row& row, const Degrade& d, float* values) {
#pragma omp simd
  for (int i = 0; i < row.count; ++i) {
    const auto t = static_cast<float>(i);
    const float x = 0.01F * (row.start[0] + t * row.step[0]);
    const float y = 0.01F * (row.start[1] + t * row.step[1]);
    const float z = 0.01F * (row.start[2] + t * row.step[2]);
    const float shade =
        1.0F + d.bias[0] * x + d.bias[1] * y + d.bias[2] * z + d.bias[3] * (x * y - z * z);
    const std::uint32_t h = mix(d.key ^ mix(d.first + static_cast<std::uint32_t>(i)));
    // Four uniform bytes: mean 510, standard deviation 147.8; close enough to Gaussian for noise.
    const auto sum =
        static_cast<std::int32_t>((h & 255U) + ((h >> 8) & 255U) + ((h >> 16) & 255U) + (h >> 24));
    const auto noise = static_cast<float>(sum - 510) * (1.0F / 147.8F);
    values[i] = values[i] * shade + d.sigma * noise;
  }
}

}  // namespace gigawarp::phantom
