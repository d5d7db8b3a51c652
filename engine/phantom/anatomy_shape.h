#pragma once
#include "phantom/anatomy_math.h"

/// The head as implicit functions of a point in nominal millimetres: x to the left, y to the back,
/// z up.
namespace gigawarp::phantom {

/// Distances to the structures, in mm, negative inside; in the order in which they are painted.
struct Shape {
  float skin, skull, marrow, cavity;
  float grey, white;  ///< cerebrum: within its pial surface, its grey-white surface
  float cerebellar_grey, cerebellar_white;
  float brainstem, callosum;
  float caudate, putamen, pallidum, thalamus, hippocampus, amygdala, accumbens;
  float ventricle, third_ventricle, fourth_ventricle;
  float depth_in_cortex;  ///< mm from the pial surface, for cortical layers
  bool left;
};

constexpr float kCortexThickness = 3.4F;

/// Distance to the nearest sulcus of a folding pattern on the unit sphere, in mm, at radius
/// `radius_mm`. The sheets are radial: a gyroid sampled on the sphere, over its tangential
/// gradient.
GIGAWARP_ALWAYS_INLINE float sulcus_sheet(float nx, float ny, float nz, float radius_mm) {
  constexpr float kSphere = 66.0F, kTurnsPerMm = 1.0F / 33.0F;
  float tx = nx * kSphere * kTurnsPerMm, ty = ny * kSphere * kTurnsPerMm,
        tz = nz * kSphere * kTurnsPerMm;
  const float wx = tx + 0.16F * sin_turns(0.61F * ty + 0.37F * tz + 0.1F);
  const float wy = ty + 0.16F * sin_turns(0.53F * tz - 0.41F * tx + 0.7F);
  const float wz = tz + 0.16F * sin_turns(0.57F * tx + 0.33F * ty + 0.4F);
  const float sx = sin_turns(wx), sy = sin_turns(wy), sz = sin_turns(wz);
  const float cx = sin_turns(wx + 0.25F), cy = sin_turns(wy + 0.25F), cz = sin_turns(wz + 0.25F);
  const float f = sx * cy + sy * cz + sz * cx;
  const float gx = cx * cy - sz * sx, gy = cy * cz - sx * sy, gz = cz * cx - sy * sz;
  const float radial = gx * nx + gy * ny + gz * nz;
  const float tangential =
      std::sqrt(larger(gx * gx + gy * gy + gz * gz - radial * radial, 0.0F) + 0.2F);
  return std::fabs(f) / (6.2831853F * kTurnsPerMm * tangential) * (radius_mm * (1.0F / kSphere));
}

/// Hull of the cerebrum: an ovoid, wider behind, flat below, with temporal lobes.
GIGAWARP_ALWAYS_INLINE float cerebrum_hull(float x, float y, float z) {
  const float narrow = x * (1.0F - 0.0016F * y);
  float hull = ellipsoid(narrow, y + 3.0F, z - 6.0F, 62.0F, 77.0F, 60.0F);
  hull = smooth_intersection(hull, -19.0F - z + 0.12F * y, 10.0F);
  const float ax = std::fabs(x);
  const float lobe = ellipsoid(ax - 39.0F, y + 6.0F - 0.2F * ax, z + 22.0F, 18.0F, 36.0F, 19.0F);
  return smooth_union(hull, lobe, 5.0F);
}

/// Distance from the fluid outside the cortex: the hull, the sulci, both great fissures.
GIGAWARP_ALWAYS_INLINE float cortex_depth(float x, float y, float z, float hull) {
  const float qx = x * (1.0F / 62.0F), qy = (y + 3.0F) * (1.0F / 77.0F),
              qz = (z - 6.0F) * (1.0F / 60.0F);
  const float k0 = larger(std::sqrt(qx * qx + qy * qy + qz * qz), 0.3F);
  const float inverse = 1.0F / k0;
  const float nx = qx * inverse, ny = qy * inverse, nz = qz * inverse;
  const float depth = -hull;
  const float inward =
      larger(depth, 60.0F * (1.0F - k0));  // sulci do not reach the flat base's middle
  const float sheet = sulcus_sheet(nx, ny, nz, 66.0F * k0);
  const float bottom = 13.0F + 4.0F * sin_turns(1.3F * nx + 1.7F * ny + 0.2F) *
                                   sin_turns(1.1F * nz - 0.9F * ny + 0.6F);
  const float sulcus = std::sqrt(sheet * sheet + square(larger(inward - bottom, 0.0F)));
  // Between the hemispheres, down to the callosum.
  const float ey = (y - 1.0F) * (1.0F / 42.0F), ez = (z - 4.0F) * (1.0F / 27.0F);
  const float below = larger(1.0F - std::sqrt(ey * ey + ez * ez), 0.0F) * 27.0F;
  const float wavy = x + 1.3F * sin_turns(0.011F * y + 0.017F * z);
  const float fissure = std::sqrt(wavy * wavy + below * below);
  // Sylvian: a slanted sheet from the side inwards.
  const float ax = std::fabs(x);
  const float plane = z + 7.0F + 0.28F * y + 2.5F * sin_turns(0.021F * y + 0.02F * ax + 0.01F * x);
  const float sylvian = std::sqrt(plane * plane + square(larger(31.0F - ax, 0.0F)) +
                                  square(larger(std::fabs(y + 6.0F) - 34.0F, 0.0F)));
  return smaller(smaller(depth, sulcus), smaller(fissure, sylvian));
}

GIGAWARP_ALWAYS_INLINE void add_hindbrain(float x, float y, float z, Shape& s) {
  const float cerebellum = ellipsoid(x, y - 44.0F, z + 41.0F, 47.0F, 27.0F, 20.0F);
  // Folia are concentric about the fourth ventricle, wavy along x.
  const float around = std::sqrt(square(y - 24.0F) + square(z + 38.0F)) * 0.02F;
  const float angle = (y - 24.0F) * 0.055F - (z + 38.0F) * 0.115F;
  const float folia = sin_turns(angle + 0.1F * sin_turns(0.018F * x + around));
  s.cerebellar_grey = cerebellum + 2.6F * square(larger(-folia, 0.0F));
  s.cerebellar_white = cerebellum + 5.0F + 4.5F * (0.5F - 0.5F * folia);
  const float pons = ellipsoid(x, y - 16.0F, z + 36.0F, 16.0F, 13.0F, 15.0F);
  const float t = clamp01((z + 96.0F) * (1.0F / 84.0F));
  const float axis_y = 34.0F - 18.0F * t;
  const float stem = std::sqrt(x * x + square(y - axis_y)) - (8.0F + 4.0F * t);
  const float tube = larger(stem, larger(z + 11.0F, -110.0F - z));
  s.brainstem = smooth_union(pons, tube, 6.0F);
}

GIGAWARP_ALWAYS_INLINE void add_nuclei(float x, float y, float z, Shape& s) {
  // The two sides differ by 4 % in size.
  const float ax = std::fabs(x) * (x > 0 ? 1.02F : 0.98F);
  const float arch = z + 0.0075F * square(y - 2.0F);
  s.callosum = blob(x, y - 1.0F, arch - 25.0F, 17.0F, 38.0F, 4.6F);
  s.ventricle =
      smaller(blob(ax - 9.5F - 0.0022F * square(y), y - 2.0F, arch - 16.0F, 5.0F, 33.0F, 6.5F),
              blob(ax - 26.0F, y - 27.0F, z + 6.0F, 4.0F, 12.0F, 3.6F));
  s.caudate = blob(ax - 16.5F, y + 10.0F, arch - 14.0F, 5.0F, 21.0F, 8.0F);
  s.putamen = blob(ax - 28.0F + 0.12F * y, y + 3.0F, z - 2.0F, 5.2F, 18.0F, 11.0F);
  s.pallidum = blob(ax - 20.5F + 0.18F * y, y + 1.0F, z - 0.5F, 4.2F, 11.0F, 7.5F);
  s.thalamus = blob(ax - 11.0F - 0.12F * y, y - 14.0F, z - 5.0F, 8.5F, 14.5F, 9.0F);
  s.hippocampus = blob(ax - 27.0F + 0.012F * square(y - 8.0F), y - 16.0F, z + 16.0F - 0.16F * y,
                       5.5F, 20.0F, 5.5F);
  s.amygdala = blob(ax - 23.0F, y + 9.0F, z + 19.0F, 7.2F, 7.2F, 6.6F);
  s.accumbens = blob(ax - 10.0F, y + 22.0F, z + 5.0F, 5.5F, 5.5F, 4.4F);
  s.third_ventricle = blob(x, y - 8.0F, z - 1.0F, 2.1F, 15.0F, 10.0F);
  s.fourth_ventricle = blob(x, y - 29.5F, z + 37.0F, 7.0F, 4.5F, 9.0F);
}

GIGAWARP_ALWAYS_INLINE Shape shape_at(float x, float y, float z) {
  Shape s;
  s.left = x > 0;
  const float hull = cerebrum_hull(x, y, z);
  const float depth = cortex_depth(x, y, z, hull);
  constexpr float kFluidHalfWidth = 0.9F;
  s.grey = kFluidHalfWidth - depth;
  s.white = s.grey + kCortexThickness;
  s.depth_in_cortex = -s.grey;
  add_hindbrain(x, y, z, s);
  add_nuclei(x, y, z, s);
  const float hind = ellipsoid(x, y - 44.0F, z + 41.0F, 47.0F, 27.0F, 20.0F);
  s.cavity = smooth_union(smooth_union(hull, hind, 8.0F), s.brainstem, 6.0F) - 3.2F;
  s.skull = s.cavity - 6.5F;
  s.marrow = std::fabs(s.cavity - 3.4F) - 1.5F;
  const float scalp = ellipsoid(x, y + 3.0F, z - 4.0F, 74.0F, 91.0F, 76.0F);
  const float neck = larger(std::sqrt(x * x + square(y - 6.0F) * 0.8F) - 50.0F, z);
  s.skin = smooth_union(smooth_union(scalp, neck, 16.0F), s.skull - 4.0F, 6.0F);
  return s;
}

}  // namespace gigawarp::phantom
