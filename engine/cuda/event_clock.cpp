#include "cuda/event_clock.h"

#include <vector>

namespace gigawarp::cuda {
namespace {

class EventClock final : public ops::WorkClock {
 public:
  explicit EventClock(const Device& device) : device_(device) {}
  ~EventClock() override {
    for (cudaEvent_t event : events_) cudaEventDestroy(event);
  }
  EventClock(const EventClock&) = delete;
  EventClock& operator=(const EventClock&) = delete;

  std::size_t mark() override {
    device_.make_current();
    if (used_ == events_.size())
      check(cudaEventCreate(&events_.emplace_back(nullptr)), "making an event");
    check(cudaEventRecord(events_[used_], device_.stream()), "taking the time");
    return used_++;
  }
  double seconds(std::size_t from, std::size_t to) const override {
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, events_[from], events_[to]), "taking the time");
    return static_cast<double>(milliseconds) * 1e-3;
  }
  void forget_marks() override { used_ = 0; }

 private:
  const Device& device_;
  std::vector<cudaEvent_t> events_;  ///< the first `used_` are marks, the others were
  std::size_t used_ = 0;
};

}  // namespace

std::unique_ptr<ops::WorkClock> make_event_clock(const Device& device) {
  return std::make_unique<EventClock>(device);
}

}  // namespace gigawarp::cuda
