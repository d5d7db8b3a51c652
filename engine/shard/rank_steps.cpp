#include <memory>
#include <utility>
#include <variant>

#include "shard/rank_operations.h"

/// Work in one piece (ops::Backend::begin_step(), linear_evaluation()), of the small levels that
/// every rank computes whole: there is nothing to exchange in it, and operations would take longer
/// to start one by one than to compute. Larger levels go operation by operation, since ranks add up
/// numbers on the host.
namespace gigawarp::shard {
namespace {

/// A moving volume is brought here whole, however little of it the fixed one reaches: at most so
/// many times as large as what is small.
constexpr std::int64_t kLargestMoving = 4;

std::int64_t voxels_of(const ops::Extent& e) { return e.nx * e.ny * e.nz; }

template <class View>
void add(const RankArrays& arrays, const View& view, std::vector<Span>& spans) {
  if (view) spans.push_back(arrays.planes(view, 0, view.extent.nz));
}
void add(const RankArrays& arrays, const ops::FieldView& field, std::vector<Span>& spans) {
  add(arrays, field.packed, spans);
  for (const auto& c : field.component) add(arrays, c, spans);
}

/// body(pair, warped, target) of every evaluation of a metric.
template <class Body>
void each_metric(const ops::StepArgs& args, const Body& body) {
  const auto visit = [&](const ops::MetricArgs& metric) {
    std::visit([&](const auto& m) { body(m.pair, m.warped, m.target); }, metric);
  };
  for (const ops::ChannelArgs& channel : args.channels) {
    visit(channel.metric);
    if (channel.meeting) visit(channel.meeting->back);
  }
}

struct Touched {
  const RankArrays& arrays;
  Access access{};

  void read(const auto& view) { add(arrays, view, access.reads); }
  /// What is only written counts as read too: then it has memory.
  void update(const auto& view) {
    add(arrays, view, access.reads);
    add(arrays, view, access.writes);
  }
  void read_pair(const ops::ImagePair& pair) {
    read(pair.fixed);
    read(pair.fixed_mask);
    read(pair.moving);
    read(pair.moving_mask);
    read(pair.displacement);
  }
};

/// All that a step touches, whole.
Access touched(const RankArrays& arrays, const ops::StepArgs& args) {
  Touched all{arrays};
  each_metric(args, [&](const auto& pair, const auto& warped, const auto& target) {
    all.read_pair(pair);
    all.read(warped);
    all.update(target.field);
  });
  for (const ops::ChannelArgs& channel : args.channels) {
    if (!channel.meeting) continue;
    all.read_pair(channel.meeting->to_moving);
    all.read_pair(channel.meeting->to_fixed);
    all.update(channel.meeting->moving);
    all.update(channel.meeting->fixed);
  }
  for (const ops::SideArgs& side : args.sides) {
    all.read(side.direction.gradient);
    all.update(side.direction.moments);
    for (const auto& m : side.direction.first_moment) all.update(m);
    all.update(side.direction.second_moment);
    all.update(side.direction.direction);
    all.update(side.displacement);
    all.update(side.beside);
  }
  return all.access;
}

}  // namespace

bool RankBackend::is_small(const ops::ImagePair& pair) const {
  return voxels_of(pair.fixed.extent) < parts_.small_voxels &&
         voxels_of(pair.moving.extent) < kLargestMoving * parts_.small_voxels;
}

void RankBackend::wait_for_messages() {
  if (arrays_.take_has_exchanged()) member().synchronise();
}

bool RankBackend::begin_step(const ops::StepArgs& args, int slot) {
  return guarded([&] {
    bool small = true;
    each_metric(
        args, [&](const auto& pair, const auto&, const auto&) { small = small && is_small(pair); });
    if (!small) return false;
    const std::vector<Access> access(ranks(), touched(arrays_, args));
    arrays_.prepare(access);
    wait_for_messages();
    if (!member().begin_step(args, slot)) return false;
    arrays_.note_writes(access, true);
    for (const Span& written : access.front().writes) forget_shift(written.array->base);
    return true;
  });
}

ops::StepNumbers RankBackend::finish_step(int slot) {
  return guarded([&] { return member().finish_step(slot); });
}

class RankBackend::WholeEvaluation final : public ops::LinearEvaluation {
 public:
  WholeEvaluation(RankBackend& rank, std::unique_ptr<ops::LinearEvaluation> of_member)
      : rank_(rank), of_member_(std::move(of_member)) {}
  ops::StepNumbers::Channel run(const Affine& moving_from_fixed,
                                std::vector<ops::PlaneSums>& sums) override {
    return rank_.guarded([&] { return of_member_->run(moving_from_fixed, sums); });
  }

 private:
  RankBackend& rank_;
  std::unique_ptr<ops::LinearEvaluation> of_member_;
};

std::unique_ptr<ops::LinearEvaluation> RankBackend::linear_evaluation(const ops::MetricArgs& args) {
  return guarded([&]() -> std::unique_ptr<ops::LinearEvaluation> {
    Touched all{arrays_};
    const bool small = std::visit(
        [&](const auto& metric) {
          all.read_pair(metric.pair);
          return is_small(metric.pair);
        },
        args);
    if (!small) return nullptr;
    auto of_member = member().linear_evaluation(args);
    if (of_member == nullptr) return nullptr;
    // The volumes stay as they are as long as it lives.
    arrays_.prepare(std::vector<Access>(ranks(), all.access));
    wait_for_messages();
    return std::make_unique<WholeEvaluation>(*this, std::move(of_member));
  });
}

}  // namespace gigawarp::shard
