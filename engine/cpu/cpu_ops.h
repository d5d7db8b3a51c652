#pragma once
#include <array>
#include <vector>

#include "cpu/warp_row.h"
#include "ops/backend.h"

/// The CPU definitions behind ops::Backend, and what they share.
namespace gigawarp::cpu {

void warp(const ops::WarpArgs& args, std::vector<ops::PlaneSums>& sums);
void lncc(const ops::LnccArgs& args, std::vector<ops::PlaneSums>& sums);
void mi_histogram(const ops::MiArgs& args, ops::JointHistogram& histogram);
void mi_gradient(const ops::MiArgs& args, const ops::MiTable& table,
                 std::vector<ops::PlaneSums>& sums);
void mse(const ops::MseArgs& args, std::vector<ops::PlaneSums>& sums);
float direction(const ops::DirectionArgs& args);
void compose(const ops::ComposeArgs& args);
ops::FoldRepair repair_folds(const ops::RepairArgs& args);
std::int64_t find_folds(const ops::RepairArgs& args);
std::int64_t relax_folds(const ops::RepairArgs& args, std::int64_t found);
void relax_marked(const ops::RepairArgs& args, int radius);
std::int64_t recheck_marked(const ops::RepairArgs& args, int radius, std::uint32_t* marks_after);
std::array<float, 6> displacement_range(const ops::FieldView& u, ops::ZRange range);
void downsample(const ops::DownsampleArgs& args);
void upsample_field(const ops::UpsampleArgs& args);
void invert(const ops::InvertArgs& args);
double keep_common(const ops::SlabView<float>& a, const ops::SlabView<float>& b, ops::ZRange range);

RowPlace row_place(const ops::ImagePair& pair, std::int64_t y, std::int64_t z);

/// The last step of every metric: dL/dM of one row into the target.
void emit_gradient(const ops::ImagePair& pair, const MovingGeometry& geometry,
                   const ops::GradientTarget& target, std::int64_t y, std::int64_t z,
                   const float* dl_dm, ops::PlaneSums& sums);

}  // namespace gigawarp::cpu
