#include "cuda/step_queue.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "cuda/cuda_ops.h"
#include "cuda/queued.h"

namespace gigawarp::cuda {

/// What one iteration leaves behind. All zero at first.
struct StepQueue::Record {
  unsigned largest = 0;  ///< queue_direction()
  FoldCounts folds;
  struct Channel {
    LnccTotals lncc;  ///< of MSE the count alone
    MiNumbers mi;
    double squares = 0;
  };
  Channel channels[kMostChannels];
};

StepQueue::~StepQueue() {
  if (landed_ != nullptr) cudaFreeHost(landed_);
  for (cudaEvent_t event : done_)
    if (event != nullptr) cudaEventDestroy(event);
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

void StepQueue::queue_channel(const ops::ChannelArgs& args, Record* record, std::size_t channel) {
  Record::Channel& numbers = record->channels[channel];  // an address of the device
  if (const auto* lncc = std::get_if<ops::LnccArgs>(&args)) {
    queue_lncc(device_, *lncc, &numbers.lncc);
  } else if (const auto* mse = std::get_if<ops::MseArgs>(&args)) {
    queue_count(device_, mse->pair, mse->range, &numbers.lncc.count);
    queue_mse(device_, *mse, &numbers.lncc.count, &numbers.squares);
  } else {
    const auto& mi = std::get<ops::MiArgs>(args);
    const auto cells = static_cast<std::size_t>(mi.bins) * static_cast<std::size_t>(mi.bins);
    const ops::Array counts = device_.allocate(cells * sizeof(unsigned long long)),
                     derivative = device_.allocate(cells * sizeof(float));
    check(cudaMemsetAsync(counts.data(), 0, counts.bytes(), device_.stream()),
          "clearing a histogram");
    queue_mi_histogram(device_, mi, counts.as<unsigned long long>());
    queue_mi_table(device_, mi.bins, counts.as<unsigned long long>(), derivative.as<float>(),
                   &numbers.mi);
    queue_mi_gradient(device_, mi, derivative.as<float>());
  }
}

bool StepQueue::begin(const ops::StepArgs& args, int slot) {
  if (args.channels.size() > kMostChannels || !can_repair(args.displacement.packed.extent))
    return false;
  prepare();
  Record* const record = on_device(slot);
  check(cudaMemsetAsync(record, 0, sizeof(Record), device_.stream()), "clearing a record");
  for (std::size_t c = 0; c < args.channels.size(); ++c) queue_channel(args.channels[c], record, c);
  queue_direction(device_, args.direction, &record->largest);
  ops::FieldView u = args.displacement, beside = args.beside;
  for (int part = 1; part <= args.parts; ++part) {
    ops::ComposeArgs compose;
    compose.from_moments = &args.direction;
    compose.displacement = u;
    compose.out = beside;
    compose.range = args.direction.range;
    compose.scale = -args.step_voxels;
    compose.sigma_voxels = part < args.parts ? 0 : args.sigma_voxels;
    compose.short_step = true;
    queue_compose(device_, compose, &record->largest);
    std::swap(u, beside);
  }
  if (args.minimum > 0)
    queue_repair(device_, {u, args.direction.range, args.minimum, args.sweeps, nullptr, beside},
                 &record->folds);
  check(cudaMemcpyAsync(on_host(slot), record, sizeof(Record), cudaMemcpyDeviceToHost,
                        device_.stream()),
        "reading a record");
  const auto number = static_cast<std::size_t>(slot);
  check(cudaEventRecord(done_[number], device_.stream()), "marking the end of a step");
  channels_[number] = args.channels;
  return true;
}

ops::StepNumbers StepQueue::finish(int slot) {
  const auto number = static_cast<std::size_t>(slot);
  check(cudaEventSynchronize(done_[number]), "waiting for a step");
  const Record& record = *on_host(slot);
  ops::StepNumbers out;
  for (std::size_t c = 0; c < channels_[number].size(); ++c) {
    const Record::Channel& from = record.channels[c];
    const auto count = static_cast<double>(from.lncc.count);
    if (std::holds_alternative<ops::LnccArgs>(channels_[number][c]))
      out.channels.push_back({lncc_value(from.lncc), count});
    else if (std::holds_alternative<ops::MseArgs>(channels_[number][c]))
      out.channels.push_back({from.squares, count});
    else
      out.channels.push_back({from.mi.loss, from.mi.count});
  }
  float square = 0;
  std::memcpy(&square, &record.largest, sizeof square);
  out.largest = std::sqrt(square);
  out.folds = {static_cast<std::int64_t>(record.folds.found),
               static_cast<std::int64_t>(record.folds.remaining)};
  return out;
}

}  // namespace gigawarp::cuda
