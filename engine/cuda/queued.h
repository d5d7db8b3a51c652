#pragma once
#include "cuda/segment_sums.h"
#include "cuda/support.h"
#include "ops/step.h"

/// The operations of a step without their waiting: they leave their numbers on the device and take
/// from there what earlier ones left. For who wants the numbers at once there are the functions of
/// cuda_ops.h. Gradients go to fields, or in linear stages to the slots of `linear`, for which
/// SegmentSums::add_up() remains to be called.
namespace gigawarp::cuda {

/// Exact whatever the order: fixed point in steps of 2^-22.
struct LnccTotals {
  unsigned long long value = 0, count = 0;
};
constexpr float kLnccSteps = 4194304.0F;
/// The sum of the voxel losses.
inline double lncc_value(const LnccTotals& totals) {
  return -static_cast<double>(static_cast<long long>(totals.value)) /
         static_cast<double>(kLnccSteps);
}

/// −MI and the voxels that count.
struct MiNumbers {
  double loss = 0, count = 0;
};
/// Before the first sweep and after the last (ops::FoldRepair).
struct FoldCounts {
  unsigned long long found = 0, remaining = 0;
};

inline MetricKind kind_of(const ops::MetricArgs& args) {
  if (std::holds_alternative<ops::LnccArgs>(args)) return MetricKind::lncc;
  return std::holds_alternative<ops::MiArgs>(args) ? MetricKind::mi : MetricKind::mse;
}

/// How each metric's linear sums are kept.
Segments lncc_segments(const ops::LnccArgs& args);
Segments mi_segments(const ops::MiArgs& args);
Segments mse_segments(const ops::MseArgs& args);

/// `totals`, zero before.
void queue_lncc(Device& device, const ops::LnccArgs& args, LnccTotals* totals,
                const SegmentSums* linear = nullptr);
/// Histogram, table (ops::mutual_information() to the bit) and gradient.
void queue_mi(Device& device, const ops::MiArgs& args, MiNumbers* numbers,
              const SegmentSums* linear = nullptr);
/// Its two halves: adds the voxels of the range to `counts`, bins × bins; then, with those of the
/// whole volume, the table and the gradient of the range.
void queue_mi_histogram(Device& device, const ops::MiArgs& args, unsigned long long* counts);
void queue_mi_gradient(Device& device, const ops::MiArgs& args, const unsigned long long* counts,
                       MiNumbers* numbers, const SegmentSums* linear = nullptr);
/// Samples to args.warped, where there is one; adds the voxels that count to `count`.
void queue_warp(Device& device, const ops::WarpArgs& args, unsigned long long* count);
/// Adds the voxels that count in both to `count`.
void queue_keep_common(Device& device, const ops::SlabView<float>& a, const ops::SlabView<float>& b,
                       ops::ZRange range, unsigned long long* count);
/// With `counted` in place of args.count. `sums`: the squares too, whatever the target.
void queue_mse(Device& device, const ops::MseArgs& args, const unsigned long long* counted,
               SegmentSums& sums);
/// `largest`, zero before: the bits of the largest |d|², a non-negative float.
void queue_direction(Device& device, const ops::DirectionArgs& args, unsigned* largest);
/// With args.scale / max(1, |d|) in place of args.scale; `largest` as queue_direction() left it.
void queue_compose(Device& device, const ops::ComposeArgs& args, const unsigned* largest);
/// Whether volumes of this size can be repaired at all: lists name words of 32 voxels by 32 bits.
bool can_repair(const ops::Extent& extent);
/// With args.beside; `counts`, zero before.
void queue_repair(Device& device, const ops::RepairArgs& args, FoldCounts* counts);
/// Its two halves, with args.marks: adds what the range has to `found` ...
void queue_find_folds(Device& device, const ops::RepairArgs& args, unsigned long long* found);
/// ... and relaxes where `counts` says that there are any. `lists`: ops::GridStep::fold_lists.
void queue_relax_folds(Device& device, const ops::RepairArgs& args, std::uint32_t* lists,
                       FoldCounts* counts);

}  // namespace gigawarp::cuda
