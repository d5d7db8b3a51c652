#pragma once
#include <array>
#include <span>
#include <vector>

#include "cuda/support.h"
#include "ops/backend.h"
#include "ops/lncc_chunks.h"

/// The CUDA definitions behind ops::Backend: launchers, one file per operation. Views hold device
/// addresses; fields are compact. Work is queued on the device's stream; functions that return
/// numbers wait for them.
namespace gigawarp::cuda {

/// Where slabs may be cut: sums over rows are taken by segments of this many planes (rows.cuh) ...
constexpr std::int64_t kSlabPlanes = 4;
/// ... and those of LNCC's linear stages by the longest segment of its marches.
constexpr std::int64_t kLinearSlabPlanes = ops::LnccChunks::kSegment;

void warp(Device& device, const ops::WarpArgs& args, std::vector<ops::PlaneSums>& sums);
void lncc(Device& device, const ops::LnccArgs& args, std::vector<ops::PlaneSums>& sums);
/// Box windows up to radius 5 march; others are summed tap by tap.
inline bool lncc_marches(WindowKind window, int radius) {
  return window == WindowKind::box && radius >= 1 && radius <= 5;
}
void mi_histogram(Device& device, const ops::MiArgs& args, ops::JointHistogram& histogram);
void mi_gradient(Device& device, const ops::MiArgs& args, const ops::MiTable& table,
                 std::vector<ops::PlaneSums>& sums);
void mse(Device& device, const ops::MseArgs& args, std::vector<ops::PlaneSums>& sums);
float direction(Device& device, const ops::DirectionArgs& args);
void compose(Device& device, const ops::ComposeArgs& args);
ops::FoldRepair repair_folds(Device& device, const ops::RepairArgs& args);
std::int64_t find_folds(Device& device, const ops::RepairArgs& args);
std::int64_t relax_folds(Device& device, const ops::RepairArgs& args, std::int64_t found);
void relax_marked(Device& device, const ops::RepairArgs& args, int radius);
std::int64_t recheck_marked(Device& device, const ops::RepairArgs& args, int radius,
                            std::uint32_t* marks_after);
std::array<float, 6> displacement_range(Device& device, const ops::FieldView& u, ops::ZRange range);
void downsample(Device& device, const ops::DownsampleArgs& args);
void upsample_field(Device& device, const ops::UpsampleArgs& args);
void invert(Device& device, const ops::InvertArgs& args);
double keep_common(Device& device, const ops::SlabView<float>& a, const ops::SlabView<float>& b,
                   ops::ZRange range);
void fill_words(Device& device, std::uint64_t* to, std::uint64_t word, std::int64_t count);
/// `there`: the same pieces in the device's memory.
void copy_pieces(Device& device, void* to, const void* from,
                 std::span<const ops::Backend::Piece> pieces, const ops::Backend::Piece* there);

}  // namespace gigawarp::cuda
