#pragma once
#include <array>
#include <vector>

#include "cuda/support.h"
#include "ops/step.h"

namespace gigawarp::cuda {

/// Iterations on their way (ops::Backend::begin_step()): each leaves its numbers in a record on the
/// device, which follows to page-locked memory, and an event says when it is there.
class StepQueue {
 public:
  static constexpr int kSlots = 8;
  static constexpr std::size_t kMostChannels = 8, kMostSides = 2;

  explicit StepQueue(Device& device) : device_(device) {}
  ~StepQueue();
  StepQueue(const StepQueue&) = delete;
  StepQueue& operator=(const StepQueue&) = delete;

  bool begin(const ops::StepArgs& args, int slot);
  ops::StepNumbers finish(int slot);

 private:
  struct MetricRecord;
  struct SideRecord;
  struct Record;

  void prepare();
  void queue_metric(const ops::MetricArgs& args, MetricRecord* record,
                    const unsigned long long* common);
  void queue_channel(const ops::ChannelArgs& args, Record* record, std::size_t channel);
  void queue_side(const ops::StepArgs& args, const ops::SideArgs& side, SideRecord* record);
  Record* on_device(int slot) const;
  Record* on_host(int slot) const;

  Device& device_;
  ops::Array records_;
  void* landed_ = nullptr;
  std::array<cudaEvent_t, kSlots> done_{};
  struct Shape {
    std::vector<MetricKind> metrics;  ///< of the channels
    std::vector<bool> meets;
    std::size_t sides = 0;
  };
  std::array<Shape, kSlots> shapes_;
};

}  // namespace gigawarp::cuda
