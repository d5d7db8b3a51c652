#pragma once
#include <array>
#include <cstdint>

#include "phantom/phantom.h"

namespace gigawarp::phantom {

/// Tissues that differ in brightness.
enum Tissue {
  kAir,
  kSkin,
  kSkull,
  kMarrow,
  kFluid,
  kCortex,
  kWhite,
  kCallosum,
  kCaudate,
  kPutamen,
  kPallidum,
  kThalamus,
  kHippocampus,
  kAmygdala,
  kAccumbens,
  kCerebellarCortex,
  kCerebellarWhite,
  kBrainstem,
  kTissues
};

/// Of them: wavelengths in nominal mm, shown from so many voxels on.
inline constexpr int kFineTextures = 2;
inline constexpr float kFineWavelength[kFineTextures] = {3.4F, 1.7F}, kFineVoxels = 7.5F;

/// How one contrast shows the anatomy. Brightness of white matter in T1 is about 0.85.
struct Look {
  std::array<float, kTissues> brightness{};
  float texture = 0;     ///< relative amplitude of the texture inside tissue, signed
  float vessels = 0;     ///< brightness that vessels and their walls add to the fluid, signed
  float scalp = 0;       ///< relative amplitude of fat and muscle in the scalp, signed
  float layers = 0;      ///< brightness of cortical layers
  float absorption = 0;  ///< light-sheet: relative loss of light across the head
  /// Relative amplitudes of the texture's finest parts, which only fine voxels show, signed.
  float fine[kFineTextures]{};
};
/// `voxel_mm`: nominal. Tissue under a stronger lens has more to see: a head of 0.15 mm voxels
/// without anything finer than 7 mm could be registered to a voxel nowhere but at edges.
Look look_of(Contrast contrast, float voxel_mm);

/// The known map in nominal millimetres relative to the head's centre, in single precision for the
/// images.
struct MapView {
  bool identity = true;
  int waves = 0;
  float wave[6][3]{}, amplitude[6][3]{}, phase[6]{};
  float linear[3][3]{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
  float offset[3]{};
};

/// Points start + i * step, i in [0, count), in nominal mm relative to the head's centre.
struct Row {
  float start[3];
  float step[3];
  int count;  ///< at most kRowChunk
};
inline constexpr int kRowChunk = 256;

/// Brightness of the row's points; `edge_mm` is the width of partial-volume edges in nominal mm.
void anatomy_row(const Row& row, const MapView& map, const Look& look, float edge_mm, float* out);
/// Label numbers, as floats; `fluid`: the fluid round the brain is part of the specimen.
void label_row(const Row& row, const MapView& map, bool fluid, float* out);

/// Adds noise of standard deviation `sigma` that depends on (key, first + i) alone, and the shading
/// 1 + bias . (point, second-order terms), to `values`.
struct Degrade {
  float sigma = 0;
  float bias[4]{};          ///< x, y, z, and a product term; per nominal mm / 100
  std::uint32_t key = 0;    ///< hash of seed, side, y and z
  std::uint32_t first = 0;  ///< x index of the chunk's first voxel
};
void degrade_row(const Row& row, const Degrade& degrade, float* values);

}  // namespace gigawarp::phantom
