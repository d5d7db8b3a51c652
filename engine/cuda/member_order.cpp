#include "cuda/member_order.h"

#include <array>
#include <utility>

namespace gigawarp::cuda {
namespace {

/// A step has other events than the one before, which members that are asked later than others
/// still have to wait for. Who takes part waits for the step before, and so for all steps: events
/// of members that did not take part in a step are older ones, and it does no harm to wait for
/// them.
class EventOrder final : public ops::MemberOrder {
 public:
  explicit EventOrder(std::vector<Device*> devices) : devices_(std::move(devices)) {
    for (auto& ends : ends_)
      for (const Device* device : devices_) {
        device->make_current();
        check(cudaEventCreateWithFlags(&ends.emplace_back(nullptr), cudaEventDisableTiming),
              "making an event");
      }
  }
  ~EventOrder() override {
    for (const auto& ends : ends_)
      for (cudaEvent_t event : ends) cudaEventDestroy(event);
  }
  EventOrder(const EventOrder&) = delete;
  EventOrder& operator=(const EventOrder&) = delete;

  void next_step() override { step_ = 1 - step_; }
  void begin(std::size_t member) override {
    devices_[member]->make_current();
    const std::vector<cudaEvent_t>& before = ends_[1 - step_];
    for (std::size_t other = 0; other < before.size(); ++other)
      if (other != member)
        check(cudaStreamWaitEvent(devices_[member]->stream(), before[other], 0),
              "waiting for another GPU");
  }
  void end(std::size_t member) override {
    devices_[member]->make_current();
    check(cudaEventRecord(ends_[step_][member], devices_[member]->stream()),
          "marking the end of work");
  }

 private:
  std::vector<Device*> devices_;
  std::array<std::vector<cudaEvent_t>, 2> ends_;
  std::size_t step_ = 0;
};

}  // namespace

std::unique_ptr<ops::MemberOrder> make_member_order(std::vector<Device*> devices) {
  return std::make_unique<EventOrder>(std::move(devices));
}

}  // namespace gigawarp::cuda
