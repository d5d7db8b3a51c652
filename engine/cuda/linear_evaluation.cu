#include "cuda/linear_evaluation.h"

#include <optional>
#include <utility>

#include "cuda/queued.h"
#include "cuda/sampler.cuh"

namespace gigawarp::cuda {

// What a run leaves behind, in front of the segments' totals. All zero at first.
struct LinearEvaluation::Record {
  LnccTotals lncc;  ///< of MSE the count alone
  MiNumbers mi;
};

namespace {

/// None where dL/dM is stored and the value has a place of its own.
Segments segments_of(const ops::MetricArgs& args) {
  const bool stores = std::visit([](const auto& a) { return bool{a.target.intensity}; }, args);
  if (stores && !std::holds_alternative<ops::MseArgs>(args)) return {{0, 0}, 1, 1};
  if (const auto* lncc = std::get_if<ops::LnccArgs>(&args)) return lncc_segments(*lncc);
  if (const auto* mi = std::get_if<ops::MiArgs>(&args)) return mi_segments(*mi);
  return mse_segments(std::get<ops::MseArgs>(args));
}

}  // namespace

LinearEvaluation::LinearEvaluation(Device& device, ops::MetricArgs args)
    : device_(device), args_(std::move(args)), blocks_(device) {
  const ops::Extent& e = pair().fixed.extent;
  small_ = e.nx * e.ny * e.nz <= kGraphVoxels && bytes() <= Device::kLandingBytes;
}

ops::ImagePair& LinearEvaluation::pair() {
  return std::visit([](auto& args) -> ops::ImagePair& { return args.pair; }, args_);
}

std::size_t LinearEvaluation::bytes() const {
  return sizeof(Record) + segments_of(args_).total_bytes();
}

/// `landing`: where record and totals are to go.
void LinearEvaluation::queue(void* landing) {
  const ops::Array left = device_.allocate(bytes());
  auto* const record = left.as<Record>();
  check(cudaMemsetAsync(record, 0, sizeof(Record), device_.stream()), "clearing a record");
  const Segments segments = segments_of(args_);
  std::optional<SegmentSums> sums;
  if (segments.count > 0) sums.emplace(device_, segments, reinterpret_cast<double*>(record + 1));
  SegmentSums* const linear = sums ? &*sums : nullptr;
  if (const auto* lncc = std::get_if<ops::LnccArgs>(&args_)) {
    queue_lncc(device_, *lncc, &record->lncc, linear);
  } else if (const auto* mse = std::get_if<ops::MseArgs>(&args_)) {
    queue_warp(device_, {mse->pair, {}, mse->range}, &record->lncc.count);
    if (linear != nullptr) queue_mse(device_, *mse, &record->lncc.count, *linear);
  } else {
    queue_mi(device_, std::get<ops::MiArgs>(args_), &record->mi, linear);
  }
  if (linear != nullptr) linear->add_up();
  check(cudaMemcpyAsync(landing, record, bytes(), cudaMemcpyDeviceToHost, device_.stream()),
        "reading sums");
}

void LinearEvaluation::run_graph() {
  if (graph_ != nullptr) {
    const DevicePair changed(pair());
    graph_->set_pair(&changed, sizeof changed);
  } else {
    const KeptBlocks::Use use(blocks_);
    const auto work = [this] { queue(device_.landing()); };
    if (!std::exchange(found_, true)) {
      work();
      return;
    }
    graph_ = std::make_unique<RecordedGraph>(device_, work);
  }
  graph_->launch();
}

ops::StepNumbers::Channel LinearEvaluation::run(const Affine& moving_from_fixed,
                                                std::vector<ops::PlaneSums>& sums) {
  const Range range("linear evaluation");
  device_.make_current();
  pair().moving_from_fixed = moving_from_fixed;
  std::vector<double> large;  // Record and totals alike are whole words
  void* landing = device_.landing();
  if (small_) {
    run_graph();
  } else {
    large.resize(bytes() / sizeof(double));
    landing = large.data();
    queue(landing);
  }
  device_.synchronise();
  const auto* const record = static_cast<const Record*>(landing);
  const Segments segments = segments_of(args_);
  const auto* const totals = reinterpret_cast<const double*>(record + 1);
  segments.spread(totals, sums);
  if (std::holds_alternative<ops::LnccArgs>(args_))
    return {lncc_value(record->lncc), static_cast<double>(record->lncc.count)};
  if (std::holds_alternative<ops::MiArgs>(args_)) return {record->mi.loss, record->mi.count};
  double squares = 0;
  for (int s = 0; s < segments.count; ++s) squares += totals[std::int64_t{s} * kSums];
  return {squares, static_cast<double>(record->lncc.count)};
}

}  // namespace gigawarp::cuda
