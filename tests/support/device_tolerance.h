#pragma once

/// How far a GPU may be from the CPU back end, operation by operation, and why. Intensities have
/// unit deviation, as the solvers always give them; displacements are multiples of 1/2048 voxel, so
/// that both sides start from the same numbers. tests/bench/RESULTS.md shows the same as a table.
namespace gigawarp::test {

/// T is evaluated in fp32 about the middle of the volume: points differ by up to 1e-5 voxel in the
/// volumes of these tests (1e-4 in large ones), values by that times the gradient. Times the range.
constexpr double kWarpOfRange = 1e-4;

/// Gradients: ‖device − host‖₂ over ‖host‖₂. Kept as 13 significant bits per component.
constexpr double kGradient = 2e-3;
/// LNCC also rounds intensities to 1/186 deviation or less, and the windows' coefficients to 13
/// bits.
constexpr double kLnccGradient = 1e-2;
/// A point within rounding of a border between moving cells takes the neighbour's gradient, and at
/// the edge of the grid the clamped one, zero. Such voxels stay out of the norm; they differ by
/// more than this share of the largest component ...
constexpr double kKinkOfLargest = 2e-2;
/// ... and are at most this share of all, or kKinkVoxels.
constexpr double kKinkShare = 1e-3;
constexpr long kKinkVoxels = 2;

/// Values of the loss, relative: fp32 sums per row on both sides, and (LNCC) rounded intensities.
constexpr double kValue = 1e-4, kLnccValue = 2e-3;
/// Joint histograms: the sum of all |differences| over the voxels that count. Totals are equal.
constexpr double kHistogram = 2e-3;
/// MI, relative: a few voxels in other cells, of a problem that shares little information.
constexpr double kMiValue = 2e-3;

/// Sums for affine parameters, of the largest: single kinks weigh more the fewer voxels there are.
constexpr double kLinearSums = 1e-3, kLnccLinearSums = 5e-3;

/// Whole registrations: rounding sends BFGS and Adam along paths a little apart that end beside one
/// another. Mean distance of the two maps over the head, voxels of the finest level ...
constexpr double kMapVoxels = 0.25;
/// ... and the losses where they end: correlation, nats, or variances, and no more than this share
/// of the loss at the start (differences of variances get small).
constexpr double kFinalLoss = 0.015, kLossShare = 0.05;

}  // namespace gigawarp::test
