#pragma once
#include <array>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "gigawarp/error.h"
#include "ops/grid_steps.h"
#include "support/work_queue.h"

namespace gigawarp::test {

/// Steps of a grid as GPUs queue them (cuda/grid_steps.cpp), by the CPU's operations in each
/// member's queue: what a part reads before others have written it shows. Metrics sample for
/// themselves, each member the whole volume into memory of its own.
class QueuedSteps final : public ops::GridSteps {
 public:
  static constexpr int kSlots = 3;

  /// `late`: how long each member takes to begin a part.
  QueuedSteps(std::vector<std::shared_ptr<WorkQueue>> queues,
              std::vector<std::chrono::microseconds> late)
      : queues_(std::move(queues)),
        late_(std::move(late)),
        cpu_(ops::make_cpu_backend()),
        records_(queues_.size()),
        scratch_(queues_.size()) {
    for (auto& slot : landed_) slot.resize(queues_.size());
  }

  ~QueuedSteps() override {
    for (const auto& queue : queues_) queue->drain();
  }
  QueuedSteps(const QueuedSteps&) = delete;
  QueuedSteps& operator=(const QueuedSteps&) = delete;

  int steps_queued = 0;
  std::int64_t folds_found = 0;
  std::optional<std::size_t> fails;  ///< the member that does not come to the end of a step

  int steps_ahead() const override { return kSlots; }
  bool can_queue(const ops::StepArgs& args) const override {
    return args.channels.size() <= kMostChannels;
  }
  std::size_t area_bytes(const ops::StepArgs& /*args*/) const override { return 100; }

  void begin(std::size_t member, const ops::GridStep& step) override {
    later(member, step, [this, member](const Step&) { records_[member] = {}; });
  }
  void queue(std::size_t member, const ops::GridStep& step, const ops::StepPart& part) override {
    later(member, step, [this, member, part](const Step& s) { work(member, s, part); });
  }
  void queue_numbers(std::size_t member, const ops::GridStep& step) override {
    if (member == 0) ++steps_queued;
    Landed& landed = landed_[static_cast<std::size_t>(step.slot)][member];
    later(member, step, [this, member, &landed](const Step& s) {
      landed.step = s;
      landed.record = records_[member];
    });
    landed.done = queues_[member]->mark();
  }
  void wait(std::size_t member, int slot) override {
    if (fails == member) throw Error(ErrorCode::device_fault, "It fell off the bus.", "bus");
    landed_[static_cast<std::size_t>(slot)][member].done.wait();
  }
  ops::StepNumbers numbers(int slot) override;

 private:
  static constexpr std::size_t kMostChannels = 3;

  /// GridStep as it was when it was asked for.
  struct Step {
    ops::StepArgs args;
    std::vector<ops::ZRange> slabs;
    std::array<std::uint32_t*, 2> marks{};
  };
  struct Record {
    std::array<std::vector<ops::PlaneSums>, kMostChannels> sums;
    std::array<double, kMostChannels> counts{};  ///< reached, or in common
    std::array<std::array<ops::JointHistogram, 2>, kMostChannels> histograms;
    std::array<double, kMostChannels> losses{};  ///< of MI
    std::array<float, 2> largest{};
    std::array<std::int64_t, 2> found{};
    std::array<ops::FoldRepair, 2> folds{};
  };
  struct Landed {
    Step step;
    Record record;
    std::shared_future<void> done;
  };

  template <class Work>
  void later(std::size_t member, const ops::GridStep& step, const Work& work) {
    queues_[member]->add([late = late_[member], work, s = Step{step.args, step.slabs, step.marks}] {
      std::this_thread::sleep_for(late);
      work(s);
    });
  }
  double counted(std::size_t channel) const {
    double all = 0;
    for (const Record& record : records_) all += record.counts[channel];
    return all;
  }
  static std::vector<ops::PlaneSums> no_sums(const Step& s) {
    return std::vector<ops::PlaneSums>(
        static_cast<std::size_t>(s.args.sides.front().displacement.extent().nz));
  }

  void work(std::size_t member, const Step& s, const ops::StepPart& part);
  void meet(std::size_t member, const Step& s, std::size_t c);
  void measure(std::size_t member, const Step& s, std::size_t c);
  void differentiate(std::size_t member, const Step& s, std::size_t c);
  void differentiate(std::size_t member, std::size_t c, ops::MetricArgs metric, bool back,
                     std::vector<ops::PlaneSums>& sums);
  void compose(std::size_t member, const Step& s, std::size_t side, int part);
  static ops::RepairArgs repair(const Step& s, std::size_t side, ops::ZRange range) {
    ops::FieldView u = s.args.sides[side].displacement, beside = s.args.sides[side].beside;
    if (s.args.parts % 2 != 0) std::swap(u, beside);
    return {u, range, s.args.minimum, s.args.sweeps, s.marks[side], beside};
  }
  /// With what it samples, where it comes without.
  ops::MetricArgs sampled(std::size_t member, ops::MetricArgs metric, ops::ZRange slab,
                          double* count);

  std::vector<std::shared_ptr<WorkQueue>> queues_;
  std::vector<std::chrono::microseconds> late_;
  std::unique_ptr<ops::Backend> cpu_;
  std::vector<Record> records_;              ///< of each member, for all to read
  std::vector<std::vector<float>> scratch_;  ///< of each member
  std::array<std::vector<Landed>, kSlots> landed_;
};

inline void QueuedSteps::work(std::size_t member, const Step& s, const ops::StepPart& part) {
  using Kind = ops::StepPart::Kind;
  const ops::ZRange slab = s.slabs[member];
  Record& own = records_[member];
  for (std::size_t c = part.first_channel; c < part.end_channel; ++c) {
    if (part.kind == Kind::meet) meet(member, s, c);
    if (part.kind == Kind::measure) measure(member, s, c);
    if (part.kind == Kind::differentiate) differentiate(member, s, c);
  }
  for (std::size_t i = 0; i < s.args.sides.size(); ++i) {
    if (part.kind == Kind::direct) {
      ops::DirectionArgs args = s.args.sides[i].direction;
      args.range = slab;
      own.largest[i] = cpu_->direction(args);
    }
    if (part.kind == Kind::compose) compose(member, s, i, part.part);
    if (part.kind == Kind::find_folds) own.found[i] = cpu_->find_folds(repair(s, i, slab));
    if (part.kind == Kind::relax_folds) {
      ops::FoldRepair& folds = own.folds[i];
      for (const Record& record : records_) folds.found += record.found[i];
      const ops::ZRange all = s.args.sides[i].direction.range;
      if (folds.found > 0) folds.remaining = cpu_->relax_folds(repair(s, i, all), folds.found);
    }
  }
}

inline void QueuedSteps::meet(std::size_t member, const Step& s, std::size_t c) {
  const ops::MeetingArgs& meeting = *s.args.channels[c].meeting;
  const ops::ZRange slab = s.slabs[member];
  std::vector<ops::PlaneSums> sums = no_sums(s);
  cpu_->warp({meeting.to_moving, meeting.moving, slab}, sums);
  cpu_->warp({meeting.to_fixed, meeting.fixed, slab}, sums);
  records_[member].counts[c] = cpu_->keep_common(meeting.fixed, meeting.moving, slab);
}

inline ops::MetricArgs QueuedSteps::sampled(std::size_t member, ops::MetricArgs metric,
                                            ops::ZRange slab, double* count) {
  std::visit(
      [&](auto& args) {
        args.range = slab;
        if (args.warped) return;
        const ops::Extent& e = args.pair.fixed.extent;
        scratch_[member].resize(static_cast<std::size_t>(e.nx * e.ny * e.nz));
        args.warped = {scratch_[member].data(), e};
        std::vector<ops::PlaneSums> sums(static_cast<std::size_t>(e.nz));
        cpu_->warp({args.pair, args.warped, {0, e.nz}}, sums);
        if (count == nullptr) return;
        *count = 0;
        for (std::int64_t z = slab.begin; z < slab.end; ++z)
          *count += sums[static_cast<std::size_t>(z)].count;
      },
      metric);
  return metric;
}

inline void QueuedSteps::measure(std::size_t member, const Step& s, std::size_t c) {
  const ops::ChannelArgs& channel = s.args.channels[c];
  Record& own = records_[member];
  const ops::MetricArgs metric = sampled(member, channel.metric, s.slabs[member], &own.counts[c]);
  if (const auto* mi = std::get_if<ops::MiArgs>(&metric))
    cpu_->mi_histogram(*mi, own.histograms[c][0]);
  if (!channel.meeting) return;
  const ops::MetricArgs back = sampled(member, channel.meeting->back, s.slabs[member], nullptr);
  if (const auto* mi = std::get_if<ops::MiArgs>(&back))
    cpu_->mi_histogram(*mi, own.histograms[c][1]);
}

inline void QueuedSteps::differentiate(std::size_t member, const Step& s, std::size_t c) {
  const ops::ChannelArgs& channel = s.args.channels[c];
  Record& own = records_[member];
  const bool is_lncc = std::holds_alternative<ops::LnccArgs>(channel.metric);
  own.sums[c] = no_sums(s);
  differentiate(member, c,
                sampled(member, channel.metric, s.slabs[member],
                        is_lncc && !channel.meeting ? &own.counts[c] : nullptr),
                false, own.sums[c]);
  if (!channel.meeting) return;
  std::vector<ops::PlaneSums> sums = no_sums(s);
  differentiate(member, c, sampled(member, channel.meeting->back, s.slabs[member], nullptr), true,
                sums);
}

inline void QueuedSteps::differentiate(std::size_t member, std::size_t c, ops::MetricArgs metric,
                                       bool back, std::vector<ops::PlaneSums>& sums) {
  if (const auto* lncc = std::get_if<ops::LnccArgs>(&metric)) {
    cpu_->lncc(*lncc, sums);
  } else if (auto* mse = std::get_if<ops::MseArgs>(&metric)) {
    mse->count = counted(c);
    cpu_->mse(*mse, sums);
  } else {
    const auto& mi = std::get<ops::MiArgs>(metric);
    ops::JointHistogram all;
    all.bins = mi.bins;
    all.counts.resize(static_cast<std::size_t>(mi.bins) * static_cast<std::size_t>(mi.bins), 0);
    for (const Record& record : records_) {
      const std::vector<std::int64_t>& counts = record.histograms[c][back ? 1 : 0].counts;
      for (std::size_t i = 0; i < counts.size(); ++i) all.counts[i] += counts[i];
    }
    const ops::MiTable table = ops::mutual_information(all);
    if (!back) records_[member].losses[c] = table.loss;
    cpu_->mi_gradient(mi, table, sums);
  }
}

inline void QueuedSteps::compose(std::size_t member, const Step& s, std::size_t side, int part) {
  const ops::SideArgs& args = s.args.sides[side];
  float largest = 1.0F;
  for (const Record& record : records_) largest = std::max(largest, record.largest[side]);
  ops::ComposeArgs compose;
  compose.direction = args.direction.direction;
  compose.displacement = part % 2 != 0 ? args.displacement : args.beside;
  compose.out = part % 2 != 0 ? args.beside : args.displacement;
  compose.range = s.slabs[member];
  compose.scale = -s.args.step_voxels / largest;
  compose.sigma_voxels = part < s.args.parts ? 0 : s.args.sigma_voxels;
  compose.short_step = true;
  cpu_->compose(compose);
}

inline ops::StepNumbers QueuedSteps::numbers(int slot) {
  const std::vector<Landed>& landed = landed_[static_cast<std::size_t>(slot)];
  const Step& s = landed.front().step;
  ops::StepNumbers out;
  for (std::size_t c = 0; c < s.args.channels.size(); ++c) {
    ops::StepNumbers::Channel channel;
    for (const Landed& member : landed) {
      channel.count += member.record.counts[c];
      for (const ops::PlaneSums& sums : member.record.sums[c]) channel.value += sums.value;
    }
    if (std::holds_alternative<ops::MiArgs>(s.args.channels[c].metric))
      channel.value = landed.front().record.losses[c];
    out.channels.push_back(channel);
  }
  for (std::size_t i = 0; i < s.args.sides.size(); ++i) {
    ops::StepNumbers::Side side{0, landed.front().record.folds[i]};
    for (const Landed& member : landed)
      side.largest = std::max(side.largest, member.record.largest[i]);
    folds_found += side.folds.found;
    out.sides.push_back(side);
  }
  return out;
}

}  // namespace gigawarp::test
