#pragma once

/// Bytes per voxel that an operation must move, counted and not measured: each input array once,
/// each output array once, whatever caches and halos add in practice. A store counts once, although
/// a processor may fetch the line first; what an operation keeps in rings of planes between its own
/// passes does not count. Counts follow the operations' header comments in ops/, for u16 images on
/// grids of equal size.
namespace gigawarp::bench {

struct Traffic {
  double moved = 0;  ///< read plus written
  double state = 0;  ///< of the arrays involved; one read and written in place counts once
};
constexpr Traffic fresh(double bytes) { return {bytes, bytes}; }  ///< nothing is done in place

constexpr double kImage = 2;         // u16: fixed F or moving M
constexpr double kScalar = 4;        // f32: warped image, second moment v, det J
constexpr double kField = 12;        // three f32: u, dL/du, direction d
constexpr double kFirstMoment = 6;   // three bfloat16: m
constexpr double kWord = 8;          // compact: u, dL/du, or both moments, of one voxel
constexpr double kCoarse = 1.0 / 8;  // a grid shrunk by two has one voxel for eight

/// What the solver's operations move in one of the two forms of a back end's fields.
struct SolverTraffic {
  Traffic warp_affine, warp, metric_gradient, metric_value, histogram, direction, compose, repair,
      upsample, linear, linear_mi, alone, alone_mi, iteration_lncc, iteration_mi, iteration_mse;
};

/// Planar floats, sampled once into a warped image that the metrics read (the CPU).
constexpr SolverTraffic planar_traffic() {
  SolverTraffic t;
  // Reads M and (with a field) u; writes the warped image. Eight corners of M are one reading of M.
  t.warp_affine = fresh(kImage + kScalar);
  t.warp = fresh(kField + kImage + kScalar);
  // Reads F and the warped image, samples ∇M again at T(i + u) from u and M, writes dL/du. The same
  // for LNCC, MSE and the backward pass of MI.
  t.metric_gradient = fresh(kImage + kScalar + kField + kImage + kField);
  t.metric_value = t.histogram = fresh(kImage + kScalar);
  // Reads F and the warped image, writes dL/dM; MI reads both once more.
  t.alone = fresh(kImage + 2 * kScalar);
  t.alone_mi = {t.alone.moved + t.histogram.moved, t.alone.state};
  // Samples, then reads F and the warped image and samples ∇M; MI reads F and the image once more.
  t.linear = fresh(t.warp_affine.moved + kImage + kScalar + kImage);
  t.linear_mi = {t.linear.moved + t.histogram.moved, t.linear.state};
  // Reads g, m, v; writes m, v, d (ops/update.h: 22 + 22).
  constexpr double kMoments = kFirstMoment + kScalar;
  t.direction = {2 * kField + 2 * kMoments, 2 * kField + kMoments};
  // Reads d and u; writes the new u beside the old one (ops/update.h: 24 + 12).
  t.compose = fresh(3 * kField);
  // Reads u, where nothing folds.
  t.repair = fresh(kField);
  // Per voxel of the fine grid: reads the coarse field, writes the fine one.
  t.upsample = fresh(kField * kCoarse + kField);
  // A full iteration moves what its passes move. Its state: u, gradient and direction (the warped
  // image lies in the last), moments, and both images: 50 bytes.
  const double step = t.direction.moved + t.compose.moved + t.repair.moved;
  constexpr double kState = 3 * kField + kMoments + 2 * kImage;
  t.iteration_lncc = t.iteration_mse = {t.warp.moved + t.metric_gradient.moved + step, kState};
  t.iteration_mi = {t.iteration_lncc.moved + t.histogram.moved, kState};
  return t;
}

/// Words per voxel, sampled inside the metrics (GPUs).
constexpr SolverTraffic compact_traffic() {
  SolverTraffic t;
  t.warp_affine = fresh(kImage + kScalar);
  t.warp = fresh(kWord + kImage + kScalar);
  // Reads u, F, M; with a gradient writes dL/du.
  t.metric_value = t.histogram = fresh(kWord + 2 * kImage);
  t.metric_gradient = fresh(2 * kWord + 2 * kImage);
  // Reads F and M, writes dL/dM; MI reads both twice.
  t.alone = fresh(2 * kImage + kScalar);
  t.alone_mi = {t.alone.moved + 2 * kImage, t.alone.state};
  // Reads F and M; MI twice.
  t.linear = fresh(2 * kImage);
  t.linear_mi = {4 * kImage, 2 * kImage};
  // Reads g and both moments, writes the moments.
  t.direction = {3 * kWord, 2 * kWord};
  // Reads the moments and u; writes the new u beside the old one.
  t.compose = fresh(3 * kWord);
  t.repair = fresh(kWord);
  t.upsample = fresh(kWord * kCoarse + kWord);
  // MSE counts the voxels reached first, from u alone.
  const double step = t.direction.moved + t.compose.moved + t.repair.moved;
  constexpr double kState = 3 * kWord + 2 * kImage;
  t.iteration_lncc = {t.metric_gradient.moved + step, kState};
  t.iteration_mi = {t.iteration_lncc.moved + t.histogram.moved, kState};
  t.iteration_mse = {t.iteration_lncc.moved + kWord, kState};
  return t;
}

// Shrink 2 on every axis, per voxel of the fine grid: reads the u16 image, writes f32.
constexpr Traffic kDownsample = fresh(kImage + kScalar * kCoarse);
// Compact: reads u, writes its inverse, however many steps that takes.
constexpr Traffic kInvertWords = fresh(2 * kWord);
// Reads the field and M; writes an image of M's type.
constexpr Traffic kApply = fresh(kField + kImage + kImage);
// Reads a field, writes a field.
constexpr Traffic kFieldToField = fresh(kField + kField);
// Reads the field; writes det J, or only figures.
constexpr Traffic kJacobian = fresh(kField + kScalar);
constexpr Traffic kJacobianSummary = fresh(kField);
// Reads two fields.
constexpr Traffic kInverseError = fresh(kField + kField);

static_assert(planar_traffic().direction.moved == 44 && planar_traffic().compose.moved == 36);
static_assert(planar_traffic().iteration_lncc.state == 50);
static_assert(compact_traffic().metric_gradient.moved == 20);
static_assert(compact_traffic().iteration_lncc.moved == 76 &&
              compact_traffic().iteration_lncc.state == 28);

}  // namespace gigawarp::bench
