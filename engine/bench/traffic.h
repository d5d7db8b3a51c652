#pragma once

/// Bytes per voxel that an operation must move, counted and not measured: each input array once,
/// each output array once, whatever caches and halos add in practice. A store counts once, although
/// a processor may fetch the line first. Counts follow the operations' header comments in ops/, for
/// u16 images on grids of equal size.
namespace gigawarp::bench {

struct Traffic {
  double moved = 0;  ///< read plus written
  double state = 0;  ///< of the arrays involved; one read and written in place counts once
};

constexpr double kImage = 2;         // u16: fixed F or moving M
constexpr double kScalar = 4;        // f32: warped image, second moment v, det J
constexpr double kField = 12;        // three f32: u, dL/du, direction d
constexpr double kFirstMoment = 6;   // three bfloat16: m
constexpr double kCoarse = 1.0 / 8;  // a grid shrunk by two has one voxel for eight

// Reads M and (with a field) u; writes the warped image. Eight corners of M are one reading of M.
constexpr Traffic kWarpAffine{kImage + kScalar, kImage + kScalar};
constexpr Traffic kWarp{kField + kImage + kScalar, kField + kImage + kScalar};
// Reads F and the warped image, samples ∇M again at T(i + u) from u and M, writes dL/du. The same
// for LNCC, MSE and the backward pass of MI: window sums and tables are scratch that stays in
// cache.
constexpr Traffic kMetricGradient{kImage + kScalar + kField + kImage + kField,
                                  kImage + kScalar + kField + kImage + kField};
// Reads F and the warped image.
constexpr Traffic kHistogram{kImage + kScalar, kImage + kScalar};
// Reads g, m, v; writes m, v, d (ops/update.h: 22 + 22).
constexpr Traffic kDirection{(kField + kFirstMoment + kScalar) + (kFirstMoment + kScalar + kField),
                             kField + kFirstMoment + kScalar + kField};
// Reads d and u; writes the new u beside the old one (ops/update.h: 24 + 12).
constexpr Traffic kCompose{3 * kField, 3 * kField};
// Reads u, where nothing folds.
constexpr Traffic kRepair{kField, kField};
// Shrink 2 on every axis, per voxel of the fine grid: reads the u16 image, writes f32.
constexpr Traffic kDownsample{kImage + kScalar * kCoarse, kImage + kScalar* kCoarse};
// Per voxel of the fine grid: reads the coarse field, writes the fine one.
constexpr Traffic kUpsample{kField * kCoarse + kField, kField* kCoarse + kField};
// Reads the field and M; writes an image of M's type.
constexpr Traffic kApply{kField + kImage + kImage, kField + kImage + kImage};
// Reads a field, writes a field.
constexpr Traffic kFieldToField{kField + kField, kField + kField};
// Reads the field; writes det J, or only figures.
constexpr Traffic kJacobian{kField + kScalar, kField + kScalar};
constexpr Traffic kJacobianSummary{kField, kField};
// Reads two fields.
constexpr Traffic kInverseError{kField + kField, kField + kField};

// A full iteration moves what its passes move. Its state is that of the solver: u, gradient and
// direction (the warped image lies in the last), m, v, and both images: 50 bytes.
constexpr double kIterationState = 3 * kField + kFirstMoment + kScalar + 2 * kImage;
constexpr double kStep = kDirection.moved + kCompose.moved + kRepair.moved;
constexpr Traffic kIteration{kWarp.moved + kMetricGradient.moved + kStep, kIterationState};
constexpr Traffic kIterationMi{kIteration.moved + kHistogram.moved, kIterationState};

static_assert(kDirection.moved == 44 && kCompose.moved == 36 && kIterationState == 50);

}  // namespace gigawarp::bench
