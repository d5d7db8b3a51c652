#include "cuda/step_queue.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "cuda/cuda_ops.h"
#include "cuda/queued.h"

namespace gigawarp::cuda {
// What one iteration leaves behind. All zero at first.
struct StepQueue::MetricRecord {
  LnccTotals lncc;  ///< of MSE the count alone
  MiNumbers mi;
  double squares = 0;
};
struct StepQueue::SideRecord {
  FoldCounts folds;
  unsigned largest = 0;  ///< queue_direction()
};
struct StepQueue::Record {
  MetricRecord metrics[kMostChannels], back;
  unsigned long long common[kMostChannels] = {};  ///< voxels that both volumes reach
  unsigned long long sampled = 0;                 ///< of no interest
  SideRecord sides[kMostSides];
};

StepQueue::~StepQueue() {
  if (landed_ == nullptr) return;
  cudaStreamSynchronize(device_.stream());  // a record may still be on its way
  cudaFreeHost(landed_);
  for (cudaEvent_t event : done_) cudaEventDestroy(event);
}

void StepQueue::prepare() {
  if (landed_ != nullptr) return;
  records_ = device_.allocate(kSlots * sizeof(Record));
  for (cudaEvent_t& event : done_)
    check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "making an event");
  check(cudaMallocHost(&landed_, kSlots * sizeof(Record)), "asking for page-locked memory");
}

StepQueue::Record* StepQueue::on_device(int slot) const { return records_.as<Record>() + slot; }
StepQueue::Record* StepQueue::on_host(int slot) const {
  return static_cast<Record*>(landed_) + slot;
}

/// `record` and `common` are addresses of the device; MSE counts for itself where there is no
/// `common`.
void StepQueue::queue_metric(const ops::MetricArgs& args, MetricRecord* record,
                             const unsigned long long* common) {
  if (const auto* lncc = std::get_if<ops::LnccArgs>(&args)) {
    queue_lncc(device_, *lncc, &record->lncc);
  } else if (const auto* mse = std::get_if<ops::MseArgs>(&args)) {
    if (common == nullptr) queue_warp(device_, {mse->pair, {}, mse->range}, &record->lncc.count);
    SegmentSums sums(device_, mse_segments(*mse));
    queue_mse(device_, *mse, common != nullptr ? common : &record->lncc.count, sums);
    sums.queue_value(&record->squares);
  } else {
    queue_mi(device_, std::get<ops::MiArgs>(args), &record->mi);
  }
}

void StepQueue::queue_channel(const ops::ChannelArgs& args, Record* record, std::size_t channel) {
  unsigned long long* common = nullptr;
  if (args.meeting) {
    const ops::MeetingArgs& meeting = *args.meeting;
    const ops::Extent& e = meeting.moving.extent;
    const ops::ZRange all{0, e.nz};
    common = &record->common[channel];
    queue_warp(device_, {meeting.to_moving, meeting.moving, all}, &record->sampled);
    queue_warp(device_, {meeting.to_fixed, meeting.fixed, all}, &record->sampled);
    queue_keep_common(device_, meeting.fixed, meeting.moving, all, common);
  }
  queue_metric(args.metric, &record->metrics[channel], common);
  if (args.meeting) queue_metric(args.meeting->back, &record->back, common);
}

void StepQueue::queue_side(const ops::StepArgs& args, const ops::SideArgs& side,
                           SideRecord* record) {
  queue_direction(device_, side.direction, &record->largest);
  ops::FieldView u = side.displacement, beside = side.beside;
  for (int part = 1; part <= args.parts; ++part) {
    ops::ComposeArgs compose;
    compose.from_moments = &side.direction;
    compose.displacement = u;
    compose.out = beside;
    compose.range = side.direction.range;
    compose.scale = -args.step_voxels;
    compose.sigma_voxels = part < args.parts ? 0 : args.sigma_voxels;
    compose.short_step = true;
    queue_compose(device_, compose, &record->largest);
    std::swap(u, beside);
  }
  if (args.minimum > 0)
    queue_repair(device_, {u, side.direction.range, args.minimum, args.sweeps, nullptr, beside},
                 &record->folds);
}

bool StepQueue::begin(const ops::StepArgs& args, int slot) {
  const bool repairs = std::all_of(args.sides.begin(), args.sides.end(), [](const auto& side) {
    return can_repair(side.displacement.packed.extent);
  });
  if (args.channels.size() > kMostChannels || args.sides.size() > kMostSides || !repairs)
    return false;
  prepare();
  Record* const record = on_device(slot);
  check(cudaMemsetAsync(record, 0, sizeof(Record), device_.stream()), "clearing a record");
  const auto number = static_cast<std::size_t>(slot);
  Shape& shape = shapes_[number];
  shape = {{}, {}, args.sides.size()};
  for (std::size_t c = 0; c < args.channels.size(); ++c) {
    queue_channel(args.channels[c], record, c);
    shape.metrics.push_back(kind_of(args.channels[c].metric));
    shape.meets.push_back(args.channels[c].meeting.has_value());
  }
  for (std::size_t s = 0; s < args.sides.size(); ++s)
    queue_side(args, args.sides[s], &record->sides[s]);
  check(cudaMemcpyAsync(on_host(slot), record, sizeof(Record), cudaMemcpyDeviceToHost,
                        device_.stream()),
        "reading a record");
  check(cudaEventRecord(done_[number], device_.stream()), "marking the end of a step");
  return true;
}

ops::StepNumbers StepQueue::finish(int slot) {
  const auto number = static_cast<std::size_t>(slot);
  check(cudaEventSynchronize(done_[number]), "waiting for a step");
  const Record& record = *on_host(slot);
  const Shape& shape = shapes_[number];
  ops::StepNumbers out;
  for (std::size_t c = 0; c < shape.metrics.size(); ++c) {
    const MetricRecord& from = record.metrics[c];
    ops::StepNumbers::Channel channel{lncc_value(from.lncc), static_cast<double>(from.lncc.count)};
    if (shape.metrics[c] == MetricKind::mi)
      channel = {from.mi.loss, from.mi.count};
    else if (shape.metrics[c] == MetricKind::mse)
      channel.value = from.squares;
    if (shape.meets[c]) channel.count = static_cast<double>(record.common[c]);
    out.channels.push_back(channel);
  }
  for (std::size_t s = 0; s < shape.sides; ++s) {
    const SideRecord& from = record.sides[s];
    float square = 0;
    std::memcpy(&square, &from.largest, sizeof square);
    out.sides.push_back({std::sqrt(square),
                         {static_cast<std::int64_t>(from.folds.found),
                          static_cast<std::int64_t>(from.folds.remaining)}});
  }
  return out;
}

}  // namespace gigawarp::cuda
