#include "cuda/grid_steps.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "cuda/combine.h"
#include "cuda/queued.h"
#include "cuda/step_queue.h"

namespace gigawarp::cuda {
namespace {

constexpr int kSlots = StepQueue::kSlots;
constexpr std::size_t kMostChannels = StepQueue::kMostChannels, kMostSides = StepQueue::kMostSides;

/// In front of a member's area; all zero at first.
struct Record {
  // Of its slab.
  LnccTotals lncc[kMostChannels], back;  ///< of MSE the count alone
  unsigned long long common[kMostChannels];
  unsigned long long sampled;  ///< of no interest
  unsigned long long found[kMostSides];
  unsigned largest[kMostSides];  ///< queue_direction()
  // Of all slabs.
  unsigned long long counted[kMostChannels];
  MiNumbers mi[kMostChannels], mi_back;
  unsigned all_largest[kMostSides];
  FoldCounts folds[kMostSides];  ///< the first member's alone
};

ops::MetricArgs over(const ops::MetricArgs& metric, ops::ZRange slab) {
  return std::visit(
      [&](auto args) -> ops::MetricArgs {
        args.range = slab;
        return args;
      },
      metric);
}

/// Of one channel, or the most of any.
std::size_t cells_of(const ops::ChannelArgs& channel) {
  const auto* mi = std::get_if<ops::MiArgs>(&channel.metric);
  return mi == nullptr ? 0
                       : static_cast<std::size_t>(mi->bins) * static_cast<std::size_t>(mi->bins);
}
std::size_t totals_bytes(const ops::ChannelArgs& channel, ops::ZRange slab) {
  const auto* mse = std::get_if<ops::MseArgs>(&channel.metric);
  if (mse == nullptr || slab.begin >= slab.end) return 0;
  ops::MseArgs cut = *mse;
  cut.range = slab;
  return mse_segments(cut).total_bytes();
}

/// A member's area: the record, two histograms of each channel (a metric's and its way back's),
/// and the totals of the segments of MSE.
struct Layout {
  std::size_t cells = 0, channels = 0, totals = 0;  ///< totals: bytes of a channel

  explicit Layout(const ops::StepArgs& args) : channels(args.channels.size()) {
    for (const ops::ChannelArgs& channel : args.channels) {
      cells = std::max(cells, cells_of(channel));
      const auto range =
          std::visit([](const auto& metric) { return metric.range; }, channel.metric);
      totals = std::max(totals, totals_bytes(channel, range));
    }
  }
  static constexpr std::size_t kHistograms = sizeof(Record);
  std::size_t histogram_bytes() const { return cells * sizeof(unsigned long long); }
  std::size_t histogram(std::size_t channel, bool back) const {
    return kHistograms + (2 * channel + (back ? 1 : 0)) * histogram_bytes();
  }
  std::size_t totals_of(std::size_t channel) const {
    return histogram(channels, false) + channel * totals;
  }
  std::size_t bytes() const { return totals_of(channels); }
};
static_assert(sizeof(Record) % sizeof(unsigned long long) == 0);

/// A member while it queues a part.
class MemberPart {
 public:
  MemberPart(Device& device, std::size_t member, const ops::GridStep& step)
      : device_(device),
        step_(step),
        layout_(step.args),
        slab_(step.slabs[member]),
        own_(step.areas + member * step.area_step) {}

  void clear() {
    check(cudaMemsetAsync(own_, 0, layout_.totals_of(0), device_.stream()), "clearing a record");
  }

  void queue(const ops::StepPart& part) {
    using Kind = ops::StepPart::Kind;
    switch (part.kind) {
      case Kind::meet: each_channel(part, [&](auto c) { meet(c); }); break;
      case Kind::measure: each_channel(part, [&](auto c) { measure(c); }); break;
      case Kind::differentiate: each_channel(part, [&](auto c) { differentiate(c); }); break;
      case Kind::direct: each_side([&](auto s) { direct(s); }); break;
      case Kind::compose: each_side([&](auto s) { compose(s, part.part); }); break;
      case Kind::find_folds: each_side([&](auto s) { find_folds(s); }); break;
      case Kind::relax_folds: each_side([&](auto s) { relax_folds(s); }); break;
    }
  }

 private:
  template <class Body>
  void each_channel(const ops::StepPart& part, const Body& body) {
    for (std::size_t c = part.first_channel; c < part.end_channel; ++c) body(c);
  }
  template <class Body>
  void each_side(const Body& body) {
    for (std::size_t s = 0; s < step_.args.sides.size(); ++s) body(s);
  }
  bool is_empty() const { return slab_.begin >= slab_.end; }

  Record* own() const { return reinterpret_cast<Record*>(own_); }
  /// What all members have at the place of `mine`.
  template <class T>
  OfMembers<T> of_all(const T* mine) const {
    const auto* const at = reinterpret_cast<const std::byte*>(mine);
    return {reinterpret_cast<const T*>(step_.areas + (at - own_)), step_.area_step,
            static_cast<int>(step_.slabs.size())};
  }
  unsigned long long* histogram(std::size_t channel, bool back) const {
    return reinterpret_cast<unsigned long long*>(own_ + layout_.histogram(channel, back));
  }

  void meet(std::size_t c) {
    if (is_empty()) return;
    const ops::MeetingArgs& meeting = *step_.args.channels[c].meeting;
    queue_warp(device_, {meeting.to_moving, meeting.moving, slab_}, &own()->sampled);
    queue_warp(device_, {meeting.to_fixed, meeting.fixed, slab_}, &own()->sampled);
    queue_keep_common(device_, meeting.fixed, meeting.moving, slab_, &own()->common[c]);
  }

  void measure(std::size_t c) {
    if (is_empty()) return;
    const ops::ChannelArgs& channel = step_.args.channels[c];
    const ops::MetricArgs metric = over(channel.metric, slab_);
    if (const auto* mse = std::get_if<ops::MseArgs>(&metric))
      queue_warp(device_, {mse->pair, {}, slab_}, &own()->lncc[c].count);
    if (const auto* mi = std::get_if<ops::MiArgs>(&metric))
      queue_mi_histogram(device_, *mi, histogram(c, false));
    if (!channel.meeting) return;
    const ops::MetricArgs back = over(channel.meeting->back, slab_);
    if (const auto* mi = std::get_if<ops::MiArgs>(&back))
      queue_mi_histogram(device_, *mi, histogram(c, true));
  }

  void differentiate(std::size_t c) {
    const ops::ChannelArgs& channel = step_.args.channels[c];
    Record* const record = own();
    if (std::holds_alternative<ops::MseArgs>(channel.metric))
      queue_sums(device_, of_all(channel.meeting ? &record->common[c] : &record->lncc[c].count), 1,
                 &record->counted[c]);
    auto* const totals = reinterpret_cast<double*>(own_ + layout_.totals_of(c));
    differentiate(channel.metric, c, false, &record->lncc[c], &record->mi[c], totals);
    if (channel.meeting)
      differentiate(channel.meeting->back, c, true, &record->back, &record->mi_back, nullptr);
  }

  /// `totals`: where those of the squares are wanted.
  void differentiate(const ops::MetricArgs& whole, std::size_t c, bool back,
                     LnccTotals* lncc_totals, MiNumbers* numbers, double* totals) {
    const ops::MetricArgs metric = over(whole, slab_);
    if (const auto* mi = std::get_if<ops::MiArgs>(&metric)) {
      const ops::Array counts = device_.allocate(layout_.histogram_bytes());
      auto* const all = counts.as<unsigned long long>();
      queue_sums(device_, of_all(histogram(c, back)), mi->bins * mi->bins, all);
      queue_mi_gradient(device_, *mi, all, numbers);
    } else if (is_empty()) {
      return;
    } else if (const auto* lncc = std::get_if<ops::LnccArgs>(&metric)) {
      queue_lncc(device_, *lncc, lncc_totals);
    } else {
      const auto& mse = std::get<ops::MseArgs>(metric);
      SegmentSums sums(device_, mse_segments(mse), totals);
      queue_mse(device_, mse, &own()->counted[c], sums);
      if (totals != nullptr) sums.add_up();
    }
  }

  void direct(std::size_t s) {
    if (is_empty()) return;
    ops::DirectionArgs args = step_.args.sides[s].direction;
    args.range = slab_;
    queue_direction(device_, args, &own()->largest[s]);
  }

  /// u and the field beside it after so many parts.
  std::pair<ops::FieldView, ops::FieldView> fields(std::size_t s, int parts) const {
    const ops::SideArgs& side = step_.args.sides[s];
    if (parts % 2 == 0) return {side.displacement, side.beside};
    return {side.beside, side.displacement};
  }

  void compose(std::size_t s, int part) {
    if (is_empty()) return;
    Record* const record = own();
    if (part == 1) queue_maximum(device_, of_all(&record->largest[s]), &record->all_largest[s]);
    ops::ComposeArgs args;
    args.from_moments = &step_.args.sides[s].direction;
    std::tie(args.displacement, args.out) = fields(s, part - 1);
    args.range = slab_;
    args.scale = -step_.args.step_voxels;
    args.sigma_voxels = part < step_.args.parts ? 0 : step_.args.sigma_voxels;
    args.short_step = true;
    queue_compose(device_, args, &record->all_largest[s]);
  }

  ops::RepairArgs repair(std::size_t s, ops::ZRange range) const {
    const auto [u, beside] = fields(s, step_.args.parts);
    return {u, range, step_.args.minimum, step_.args.sweeps, step_.marks[s], beside};
  }
  void find_folds(std::size_t s) { queue_find_folds(device_, repair(s, slab_), &own()->found[s]); }
  void relax_folds(std::size_t s) {
    FoldCounts* const folds = &own()->folds[s];
    queue_sums(device_, of_all(&own()->found[s]), 1, &folds->found);
    queue_relax_folds(device_, repair(s, step_.args.sides[s].direction.range), step_.fold_lists,
                      folds);
  }

  Device& device_;
  const ops::GridStep& step_;
  const Layout layout_;
  const ops::ZRange slab_;
  std::byte* const own_;
};

/// What a member has left of a step, on the host.
class Landing {
 public:
  ~Landing() {
    if (done_ == nullptr) return;
    release();
    cudaEventDestroy(done_);
  }
  Landing() = default;
  Landing(const Landing&) = delete;
  Landing& operator=(const Landing&) = delete;

  void queue(const Device& device, const ops::GridStep& step, std::size_t member) {
    const Layout layout(step.args);
    prepare(sizeof(Record) + layout.channels * layout.totals);
    totals_.clear();
    std::byte* const area = step.areas + member * step.area_step;
    copy(device, data_, area, sizeof(Record));
    std::byte* to = data_ + sizeof(Record);
    for (std::size_t c = 0; c < layout.channels; ++c) {
      const std::size_t bytes = totals_bytes(step.args.channels[c], step.slabs[member]);
      totals_.push_back({reinterpret_cast<double*>(to), bytes / (kSums * sizeof(double))});
      copy(device, to, area + layout.totals_of(c), bytes);
      to += bytes;
    }
    check(cudaEventRecord(done_, device.stream()), "marking the end of a step");
  }
  void wait() const { check(cudaEventSynchronize(done_), "waiting for a step"); }
  const Record& record() const { return *reinterpret_cast<const Record*>(data_); }
  /// Adds a channel's squares to `sum`, in the order of the planes.
  void add_squares(std::size_t channel, double& sum) const {
    const Totals& totals = totals_[channel];
    for (std::size_t i = 0; i < totals.segments; ++i) sum += totals.first[i * kSums];
  }

 private:
  struct Totals {
    const double* first;
    std::size_t segments;
  };

  void prepare(std::size_t bytes) {
    if (bytes <= bytes_) return;
    if (done_ == nullptr)
      check(cudaEventCreateWithFlags(&done_, cudaEventDisableTiming), "making an event");
    release();
    void* data = nullptr;
    check(cudaMallocHost(&data, bytes), "asking for page-locked memory");
    data_ = static_cast<std::byte*>(data);
    bytes_ = bytes;
  }
  void release() {
    if (data_ == nullptr) return;
    cudaEventSynchronize(done_);  // it may still be on its way
    cudaFreeHost(std::exchange(data_, nullptr));
    bytes_ = 0;
  }
  static void copy(const Device& device, std::byte* to, const std::byte* from, std::size_t bytes) {
    if (bytes == 0) return;
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, device.stream()),
          "reading a record");
  }

  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
  cudaEvent_t done_ = nullptr;
  std::vector<Totals> totals_;  ///< of the channels
};

class DeviceSteps final : public ops::GridSteps {
 public:
  explicit DeviceSteps(std::vector<Device*> devices) : devices_(std::move(devices)) {
    for (auto& landings : landings_)
      for (std::size_t i = 0; i < devices_.size(); ++i)
        landings.push_back(std::make_unique<Landing>());
  }

  int steps_ahead() const override { return kSlots; }
  bool can_queue(const ops::StepArgs& args) const override {
    return args.channels.size() <= kMostChannels && args.sides.size() <= kMostSides &&
           std::all_of(args.sides.begin(), args.sides.end(), [](const ops::SideArgs& side) {
             return can_repair(side.displacement.packed.extent);
           });
  }
  std::size_t area_bytes(const ops::StepArgs& args) const override { return Layout(args).bytes(); }

  void begin(std::size_t member, const ops::GridStep& step) override {
    MemberPart(here(member), member, step).clear();
  }
  void queue(std::size_t member, const ops::GridStep& step, const ops::StepPart& part) override {
    MemberPart(here(member), member, step).queue(part);
  }
  void queue_numbers(std::size_t member, const ops::GridStep& step) override {
    landing(member, step.slot).queue(here(member), step, member);
    if (member == 0) shapes_[static_cast<std::size_t>(step.slot)] = Shape(step.args);
  }
  void wait(std::size_t member, int slot) override {
    here(member);
    landing(member, slot).wait();
  }
  ops::StepNumbers numbers(int slot) override;

 private:
  struct Shape {
    std::vector<MetricKind> metrics;  ///< of the channels
    std::vector<bool> meets;
    std::size_t sides = 0;

    Shape() = default;
    explicit Shape(const ops::StepArgs& args) : sides(args.sides.size()) {
      for (const ops::ChannelArgs& channel : args.channels) {
        metrics.push_back(kind_of(channel.metric));
        meets.push_back(channel.meeting.has_value());
      }
    }
  };

  Device& here(std::size_t member) const {
    devices_[member]->make_current();
    return *devices_[member];
  }
  Landing& landing(std::size_t member, int slot) const {
    return *landings_[static_cast<std::size_t>(slot)][member];
  }

  std::vector<Device*> devices_;
  std::array<std::vector<std::unique_ptr<Landing>>, kSlots> landings_;
  std::array<Shape, kSlots> shapes_;
};

ops::StepNumbers DeviceSteps::numbers(int slot) {
  const Shape& shape = shapes_[static_cast<std::size_t>(slot)];
  const Record& first = landing(0, slot).record();
  ops::StepNumbers out;
  for (std::size_t c = 0; c < shape.metrics.size(); ++c) {
    LnccTotals totals;
    unsigned long long common = 0;
    double squares = 0;
    for (std::size_t i = 0; i < devices_.size(); ++i) {
      const Record& record = landing(i, slot).record();
      totals.value += record.lncc[c].value;
      totals.count += record.lncc[c].count;
      common += record.common[c];
      landing(i, slot).add_squares(c, squares);
    }
    ops::StepNumbers::Channel channel{lncc_value(totals), static_cast<double>(totals.count)};
    if (shape.metrics[c] == MetricKind::mi)
      channel = {first.mi[c].loss, first.mi[c].count};
    else if (shape.metrics[c] == MetricKind::mse)
      channel.value = squares;
    if (shape.meets[c]) channel.count = static_cast<double>(common);
    out.channels.push_back(channel);
  }
  for (std::size_t s = 0; s < shape.sides; ++s) {
    unsigned bits = 0;
    for (std::size_t i = 0; i < devices_.size(); ++i)
      bits = std::max(bits, landing(i, slot).record().largest[s]);
    float square = 0;
    std::memcpy(&square, &bits, sizeof square);
    const FoldCounts& folds = first.folds[s];
    out.sides.push_back(
        {std::sqrt(square),
         {static_cast<std::int64_t>(folds.found), static_cast<std::int64_t>(folds.remaining)}});
  }
  return out;
}

}  // namespace

std::unique_ptr<ops::GridSteps> make_grid_steps(std::vector<Device*> devices) {
  return std::make_unique<DeviceSteps>(std::move(devices));
}

}  // namespace gigawarp::cuda
