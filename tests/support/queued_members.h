#pragma once
#include <array>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <utility>
#include <vector>

#include "ops/grid_members.h"
#include "support/forwarding_backend.h"
#include "support/queued_steps.h"
#include "support/work_queue.h"

/// Members of a grid that work as GPUs do: what needs no number is queued, and done some time
/// later.
namespace gigawarp::test {

/// `late`: how long it takes to begin what it is not waited for.
class QueuedMember final : public ForwardingBackend {
 public:
  QueuedMember(std::shared_ptr<WorkQueue> queue, std::chrono::microseconds late)
      : ForwardingBackend(ops::make_cpu_backend()), queue_(std::move(queue)), late_(late) {}

  void upload(void* to, const void* host, std::size_t bytes) override {
    now([&] { ForwardingBackend::upload(to, host, bytes); });
  }
  void download(void* host, const void* from, std::size_t bytes) override {
    now([&] { ForwardingBackend::download(host, from, bytes); });
  }
  void copy(void* to, const void* from, std::size_t bytes) override {
    later([=, this] { ForwardingBackend::copy(to, from, bytes); });
  }
  void fill_words(std::uint64_t* to, std::uint64_t word, std::int64_t count) override {
    later([=, this] { ForwardingBackend::fill_words(to, word, count); });
  }
  void synchronise() override { queue_->drain(); }
  void warp(const ops::WarpArgs& args, std::vector<ops::PlaneSums>& sums) override {
    now([&] { ForwardingBackend::warp(args, sums); });
  }
  void lncc(const ops::LnccArgs& args, std::vector<ops::PlaneSums>& sums) override {
    now([&] { ForwardingBackend::lncc(args, sums); });
  }
  void mi_histogram(const ops::MiArgs& args, ops::JointHistogram& histogram) override {
    now([&] { ForwardingBackend::mi_histogram(args, histogram); });
  }
  void mi_gradient(const ops::MiArgs& args, const ops::MiTable& table,
                   std::vector<ops::PlaneSums>& sums) override {
    now([&] { ForwardingBackend::mi_gradient(args, table, sums); });
  }
  void mse(const ops::MseArgs& args, std::vector<ops::PlaneSums>& sums) override {
    now([&] { ForwardingBackend::mse(args, sums); });
  }
  float direction(const ops::DirectionArgs& args) override {
    float largest = 0;
    now([&] { largest = ForwardingBackend::direction(args); });
    return largest;
  }
  void compose(const ops::ComposeArgs& args) override {
    later([=, this] { ForwardingBackend::compose(args); });
  }
  std::int64_t find_folds(const ops::RepairArgs& args) override {
    std::int64_t found = 0;
    now([&] { found = ForwardingBackend::find_folds(args); });
    return found;
  }
  std::int64_t relax_folds(const ops::RepairArgs& args, std::int64_t found) override {
    std::int64_t left = 0;
    now([&] { left = ForwardingBackend::relax_folds(args, found); });
    return left;
  }
  ops::FoldRepair repair_folds(const ops::RepairArgs& args) override {
    ops::FoldRepair repair;
    now([&] { repair = ForwardingBackend::repair_folds(args); });
    return repair;
  }
  std::array<float, 6> displacement_range(const ops::FieldView& u, ops::ZRange range) override {
    std::array<float, 6> found{};
    now([&] { found = ForwardingBackend::displacement_range(u, range); });
    return found;
  }
  /// Coarse masks, which the host makes and reads: it cannot know that these devices are late.
  void downsample(const ops::DownsampleArgs& args) override {
    now([&] { ForwardingBackend::downsample(args); });
  }
  void upsample_field(const ops::UpsampleArgs& args) override {
    later([=, this] { ForwardingBackend::upsample_field(args); });
  }
  void invert(const ops::InvertArgs& args) override {
    later([=, this] { ForwardingBackend::invert(args); });
  }
  double keep_common(const ops::SlabView<float>& a, const ops::SlabView<float>& b,
                     ops::ZRange range) override {
    double count = 0;
    now([&] { count = ForwardingBackend::keep_common(a, b, range); });
    return count;
  }

 private:
  template <class Work>
  void now(const Work& work) {
    queue_->add(work);
    queue_->drain();
  }
  void later(std::function<void()> work) {
    queue_->add([late = late_, work = std::move(work)] {
      std::this_thread::sleep_for(late);
      work();
    });
  }

  std::shared_ptr<WorkQueue> queue_;
  std::chrono::microseconds late_;
};

/// As cuda/member_order.cpp.
class QueueOrder final : public ops::MemberOrder {
 public:
  explicit QueueOrder(std::vector<std::shared_ptr<WorkQueue>> queues) : queues_(std::move(queues)) {
    for (auto& ends : ends_)
      for (const auto& queue : queues_) ends.push_back(queue->mark());
  }
  void next_step() override { step_ = 1 - step_; }
  void begin(std::size_t member) override {
    queues_[member]->add([before = ends_[1 - step_]] {
      for (const std::shared_future<void>& end : before) end.wait();
    });
  }
  void end(std::size_t member) override { ends_[step_][member] = queues_[member]->mark(); }

 private:
  std::vector<std::shared_ptr<WorkQueue>> queues_;
  std::array<std::vector<std::shared_future<void>>, 2> ends_;
  std::size_t step_ = 0;
};

/// An array ends when what was queued before is done.
class QueuedMemory final : public ops::GlobalMemory {
 public:
  QueuedMemory(std::unique_ptr<ops::GlobalMemory> memory,
               std::vector<std::shared_ptr<WorkQueue>> queues)
      : memory_(std::move(memory)), queues_(std::move(queues)) {}
  std::size_t granularity() const override { return memory_->granularity(); }
  ops::Array allocate(const std::vector<std::size_t>& borders) override {
    auto array = std::make_shared<ops::Array>(memory_->allocate(borders));
    return {array->data(), array->bytes(), [array, queues = queues_](std::byte*) mutable {
              for (const auto& queue : queues) queue->drain();
              array.reset();
            }};
  }

 private:
  std::unique_ptr<ops::GlobalMemory> memory_;
  std::vector<std::shared_ptr<WorkQueue>> queues_;
};

/// The later members begin later. `whole_steps`: iterations are queued as a whole.
inline ops::GridMembers make_queued_members(int count, bool whole_steps = false) {
  ops::GridMembers members = ops::make_host_members(count);
  std::vector<std::shared_ptr<WorkQueue>> queues;
  std::vector<std::chrono::microseconds> late;
  for (int i = 0; i < count; ++i) {
    queues.push_back(std::make_shared<WorkQueue>());
    late.emplace_back(1500 * i);
    members.backends[static_cast<std::size_t>(i)] =
        std::make_unique<QueuedMember>(queues.back(), late.back());
  }
  if (whole_steps) members.steps = std::make_unique<QueuedSteps>(queues, std::move(late));
  members.memory = std::make_unique<QueuedMemory>(std::move(members.memory), queues);
  members.order = std::make_unique<QueueOrder>(queues);
  return members;
}

}  // namespace gigawarp::test
