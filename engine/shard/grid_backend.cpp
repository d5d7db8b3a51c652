#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <type_traits>
#include <utility>

#include "gigawarp/error.h"
#include "ops/grid_members.h"
#include "shard/lanes.h"
#include "shard/member_times.h"
#include "shard/partition.h"
#include "shard/step_parts.h"

/// Grid Parallel in one address space. Every member sees all arrays, so that a slab reads its halo,
/// and the moving volume wherever the transform leads, from whoever holds it; nothing is exchanged,
/// and no member's memory grows with their number. Between operations all wait for all: GPUs for
/// marks in one another's streams, so that the host only waits for numbers, and in whole iterations
/// (begin_step()) for none.
///
/// Results are those of one device to the bit: what a voxel gets depends on its neighbourhood
/// alone; maxima and integer sums are exact; floating-point sums stay apart by planes or by
/// segments of planes that no border cuts, and are added in the order of the planes.
namespace gigawarp::ops {
namespace {

using shard::slab_borders;

class GridBackend final : public Backend {
 public:
  explicit GridBackend(GridMembers members)
      : members_(std::move(members)),
        times_(members_.backends.size(), std::move(members_.clocks)),
        lanes_(members_.backends.size(), !first().on_host()) {}
  ~GridBackend() override {
    marks_ = {};
    fold_lists_ = {};
  }
  GridBackend(const GridBackend&) = delete;
  GridBackend& operator=(const GridBackend&) = delete;

  bool on_host() const override { return first().on_host(); }
  bool compact() const override { return first().compact(); }
  bool samples_itself() const override { return first().samples_itself(); }
  std::int64_t slab_multiple() const override { return first().slab_multiple(); }
  std::int64_t lncc_slab_multiple(const LnccArgs& args) const override {
    return first().lncc_slab_multiple(args);
  }
  GridTimes take_grid_times() override {
    synchronise();
    return times_.take();
  }
  std::vector<std::uint64_t> peak_bytes_of_each() const override {
    std::vector<std::uint64_t> peaks;
    for (const auto& member : members_.backends) peaks.push_back(member->peak_bytes());
    return peaks;
  }
  std::uint64_t peak_bytes() const override {
    const std::vector<std::uint64_t> peaks = peak_bytes_of_each();
    return *std::max_element(peaks.begin(), peaks.end());
  }
  void forget_peak() override {
    for (const auto& member : members_.backends) member->forget_peak();
  }

  Array allocate(std::size_t bytes) override { return allocate_volume(bytes, 0); }
  Array allocate_volume(std::size_t bytes, std::int64_t voxels) override;
  void upload(void* to, const void* host, std::size_t bytes) override {
    const auto* from = static_cast<const std::byte*>(host);
    each_piece(to, bytes, [&](Backend& member, std::byte* piece, std::size_t done, std::size_t n) {
      member.upload(piece, from + done, n);
    });
  }
  void download(void* host, const void* from, std::size_t bytes) override {
    auto* to = static_cast<std::byte*>(host);
    each_piece(from, bytes,
               [&](Backend& member, std::byte* piece, std::size_t done, std::size_t n) {
                 member.download(to + done, piece, n);
               });
  }
  void copy(void* to, const void* from, std::size_t bytes) override;
  void fill_words(std::uint64_t* to, std::uint64_t word, std::int64_t count) override {
    each_piece(to, static_cast<std::size_t>(count) * sizeof(std::uint64_t),
               [&](Backend& member, std::byte* piece, std::size_t, std::size_t n) {
                 member.fill_words(reinterpret_cast<std::uint64_t*>(piece), word,
                                   static_cast<std::int64_t>(n / sizeof(std::uint64_t)));
               });
  }
  void synchronise() override {
    for (std::size_t i = 0; i < lanes_.count(); ++i)
      named(i, [&] { members_.backends[i]->synchronise(); });
  }

  void warp(const WarpArgs& args, std::vector<PlaneSums>& sums) override {
    slabs(args, args.pair.fixed.extent, args.range, slab_multiple(),
          [&](Backend& member, const WarpArgs& slab, std::size_t) { member.warp(slab, sums); });
  }
  void lncc(const LnccArgs& args, std::vector<PlaneSums>& sums) override {
    slabs(args, args.pair.fixed.extent, args.range, lncc_slab_multiple(args),
          [&](Backend& member, const LnccArgs& slab, std::size_t) { member.lncc(slab, sums); });
  }
  void mi_histogram(const MiArgs& args, JointHistogram& histogram) override;
  void mi_gradient(const MiArgs& args, const MiTable& table,
                   std::vector<PlaneSums>& sums) override {
    slabs(args, args.pair.fixed.extent, args.range, slab_multiple(),
          [&](Backend& member, const MiArgs& slab, std::size_t) {
            member.mi_gradient(slab, table, sums);
          });
  }
  void mse(const MseArgs& args, std::vector<PlaneSums>& sums) override {
    slabs(args, args.pair.fixed.extent, args.range, slab_multiple(),
          [&](Backend& member, const MseArgs& slab, std::size_t) { member.mse(slab, sums); });
  }
  float direction(const DirectionArgs& args) override {
    std::vector<float> largest(lanes_.count(), 0.0F);
    slabs(args, args.gradient.extent(), args.range, slab_multiple(),
          [&](Backend& member, const DirectionArgs& slab, std::size_t i) {
            largest[i] = member.direction(slab);
          });
    return *std::max_element(largest.begin(), largest.end());
  }
  void compose(const ComposeArgs& args) override {
    slabs(args, args.displacement.extent(), args.range, slab_multiple(),
          [](Backend& member, const ComposeArgs& slab, std::size_t) { member.compose(slab); });
  }
  FoldRepair repair_folds(const RepairArgs& args) override;
  std::int64_t find_folds(const RepairArgs& args) override {
    std::vector<std::int64_t> found(lanes_.count(), 0);
    slabs(args, args.displacement.extent(), args.range, slab_multiple(),
          [&](Backend& member, const RepairArgs& slab, std::size_t i) {
            found[i] = member.find_folds(slab);
          });
    std::int64_t all = 0;
    for (const std::int64_t n : found) all += n;
    return all;
  }
  /// A few voxels, and each sweep needs the one before everywhere: work for one.
  std::int64_t relax_folds(const RepairArgs& args, std::int64_t found) override {
    return alone([&] { return first().relax_folds(args, found); });
  }
  std::array<float, 6> displacement_range(const FieldView& u, ZRange range) override {
    struct {
      ZRange range;
    } const args{range};
    std::vector<std::array<float, 6>> parts(lanes_.count());
    std::vector<char> has_part(lanes_.count(), 0);
    slabs(args, u.extent(), range, slab_multiple(),
          [&](Backend& member, const auto& slab, std::size_t i) {
            parts[i] = member.displacement_range(u, slab.range);
            has_part[i] = 1;
          });
    constexpr float kMost = std::numeric_limits<float>::max();
    std::array<float, 6> all{kMost, kMost, kMost, -kMost, -kMost, -kMost};
    for (std::size_t i = 0; i < parts.size(); ++i)
      for (std::size_t c = 0; has_part[i] != 0 && c < 3; ++c) {
        all[c] = std::min(all[c], parts[i][c]);
        all[3 + c] = std::max(all[3 + c], parts[i][3 + c]);
      }
    return all;
  }
  int steps_ahead() const override {
    return members_.steps != nullptr ? members_.steps->steps_ahead() : first().steps_ahead();
  }
  bool begin_step(const StepArgs& args, int slot) override {
    // What one member does alone it does as if it were alone in all.
    together_.erase(slot);
    if (is_small(args.sides.front().direction.gradient.extent()))
      return alone([&] { return first().begin_step(args, slot); });
    if (members_.steps == nullptr || !members_.steps->can_queue(args)) return false;
    queue_step(args, slot);
    together_.insert(slot);
    return true;
  }
  StepNumbers finish_step(int slot) override {
    if (together_.erase(slot) == 0) return alone([&] { return first().finish_step(slot); });
    for (std::size_t i = 0; i < lanes_.count(); ++i)
      named(i, [&] { members_.steps->wait(i, slot); });
    return members_.steps->numbers(slot);
  }
  std::unique_ptr<LinearEvaluation> linear_evaluation(const MetricArgs& args) override;
  void downsample(const DownsampleArgs& args) override {
    slabs(
        args, args.out.extent, args.range, slab_multiple(),
        [](Backend& member, const DownsampleArgs& slab, std::size_t) { member.downsample(slab); },
        args.in.extent);
  }
  void upsample_field(const UpsampleArgs& args) override {
    slabs(args, args.out.extent(), args.range, slab_multiple(),
          [](Backend& member, const UpsampleArgs& slab, std::size_t) {
            member.upsample_field(slab);
          });
  }
  void invert(const InvertArgs& args) override {
    slabs(args, args.out.extent(), args.range, slab_multiple(),
          [](Backend& member, const InvertArgs& slab, std::size_t) { member.invert(slab); });
  }
  double keep_common(const SlabView<float>& a, const SlabView<float>& b, ZRange range) override {
    struct {
      ZRange range;
    } const args{range};
    std::vector<double> counts(lanes_.count(), 0.0);
    slabs(args, a.extent, range, slab_multiple(),
          [&](Backend& member, const auto& slab, std::size_t i) {
            counts[i] = member.keep_common(a, b, slab.range);
          });
    double all = 0;  // whole numbers
    for (const double n : counts) all += n;
    return all;
  }

 private:
  class AloneEvaluation;

  Backend& first() { return *members_.backends.front(); }
  const Backend& first() const { return *members_.backends.front(); }
  bool is_small(const Extent& e) const { return e.nx * e.ny * e.nz < members_.small_voxels; }

  /// Errors name the device; `lane` is looked at when there is one.
  template <class Work>
  std::invoke_result_t<const Work&> named(const std::size_t& lane, const Work& work) {
    try {
      return work();
    } catch (const Error& error) {
      throw Error(error.code(), "Device " + members_.names[lane] + ": " + error.what(),
                  members_.names[lane]);
    }
  }
  void run(const std::function<void(std::size_t)>& work) {
    times_.next_operation();
    run_part(work);
  }
  /// Of an operation that consists of several.
  void run_part(const std::function<void(std::size_t)>& work) {
    if (std::exchange(alone_, false)) named(0, [&] { end(0); });
    next_step();
    std::size_t failed = 0;
    const std::function<void(std::size_t)> part = [&](std::size_t i) {
      begin(i);
      times_.time(i, [&] { work(i); });
      end(i);
    };
    named(failed, [&] { lanes_.run(part, failed); });
    times_.add(lanes_.whole_seconds(), lanes_.seconds());
  }
  /// The first member's work, in the caller's thread; the others wait for it when they are next
  /// needed.
  template <class Work>
  std::invoke_result_t<const Work&> alone(const Work& work) {
    return named(0, [&] {
      if (!std::exchange(alone_, true)) {
        next_step();
        begin(0);
      }
      return work();
    });
  }
  void queue_step(const StepArgs& args, int slot);
  void make_room(GridStep& step);
  void grow(Array& array, std::size_t words, const Extent& e);
  std::uint32_t* marks_of(std::size_t side, const Extent& e);
  void next_step() {
    if (members_.order != nullptr) members_.order->next_step();
  }
  /// A member's part of an operation, which begins when all members have ended the one before.
  void begin(std::size_t i) {
    if (members_.order != nullptr) members_.order->begin(i);
  }
  void end(std::size_t i) {
    if (members_.order != nullptr)
      members_.order->end(i);
    else
      members_.backends[i]->synchronise();
  }
  /// body(member, args with its slab as range, number) for every member that has one, and waits.
  /// The size of `by` decides whether that is worth while.
  template <class Args, class Body>
  void slabs(const Args& args, const Extent& e, ZRange range, std::int64_t multiple,
             const Body& body, const Extent& by) {
    if (is_small(by)) {
      alone([&] { body(first(), args, std::size_t{0}); });
      return;
    }
    const std::vector<std::int64_t> borders = slab_borders(e.nz, members_.shares, multiple);
    run([&](std::size_t i) {
      Args slab = args;
      slab.range = shard::slab_of(borders, i, range);
      if (slab.range.begin >= slab.range.end) return;
      body(*members_.backends[i], slab, i);
    });
  }
  template <class Args, class Body>
  void slabs(const Args& args, const Extent& e, ZRange range, std::int64_t multiple,
             const Body& body) {
    slabs(args, e, range, multiple, body, e);
  }

  struct Holding {
    const std::byte* base = nullptr;
    const std::vector<std::size_t>* borders = nullptr;
  };
  /// Where the array around `address` begins and who holds what of it.
  Holding holding(const void* address) const {
    const auto* at = static_cast<const std::byte*>(address);
    auto next = borders_.upper_bound(at);
    if (next == borders_.begin())
      throw Error(ErrorCode::internal, "An address is of no array of this grid of devices.");
    --next;
    return {next->first, &next->second};
  }
  /// body(member, where its piece begins, bytes before it, bytes) for each that holds a part.
  template <class Body>
  void each_piece(const void* address, std::size_t bytes, const Body& body) {
    const Holding held = holding(address);
    auto* const from = const_cast<std::byte*>(static_cast<const std::byte*>(address));
    const auto offset = static_cast<std::size_t>(from - held.base);
    run([&](std::size_t i) {
      const std::size_t begin = std::clamp((*held.borders)[i], offset, offset + bytes);
      const std::size_t end = std::clamp((*held.borders)[i + 1], offset, offset + bytes);
      if (begin == end) return;
      body(*members_.backends[i], from + (begin - offset), begin - offset, end - begin);
    });
  }

  GridMembers members_;
  std::map<const std::byte*, std::vector<std::size_t>> borders_;  ///< of every array, by address
  std::array<Array, 2> marks_;  ///< of folds, of each side of a step
  Array fold_lists_;
  Array areas_;             ///< GridStep::areas
  std::set<int> together_;  ///< slots of steps that all members take part in
  bool alone_ = false;      ///< the first member may still be at work
  shard::MemberTimes times_;
  shard::Lanes lanes_;
};

class GridBackend::AloneEvaluation final : public LinearEvaluation {
 public:
  AloneEvaluation(GridBackend& grid, std::unique_ptr<LinearEvaluation> of_first)
      : grid_(grid), of_first_(std::move(of_first)) {}
  StepNumbers::Channel run(const Affine& moving_from_fixed, std::vector<PlaneSums>& sums) override {
    return grid_.alone([&] { return of_first_->run(moving_from_fixed, sums); });
  }

 private:
  GridBackend& grid_;
  std::unique_ptr<LinearEvaluation> of_first_;
};

std::unique_ptr<LinearEvaluation> GridBackend::linear_evaluation(const MetricArgs& args) {
  if (!is_small(std::visit([](const auto& of) { return of.pair.fixed.extent; }, args)))
    return nullptr;
  auto of_first = alone([&] { return first().linear_evaluation(args); });
  if (of_first == nullptr) return nullptr;
  return std::make_unique<AloneEvaluation>(*this, std::move(of_first));
}

Array GridBackend::allocate_volume(std::size_t bytes, std::int64_t voxels) {
  std::vector<std::size_t> borders(lanes_.count() + 1, bytes);
  borders.front() = 0;
  if (voxels > 0 && voxels >= members_.small_voxels)
    borders = shard::byte_borders(bytes, members_.shares, members_.memory->granularity());
  auto memory = std::make_shared<Array>(members_.memory->allocate(borders));
  std::byte* const data = memory->data();
  borders_[data] = std::move(borders);
  return {data, bytes, [this, memory](std::byte* p) mutable {
            borders_.erase(p);
            memory.reset();
          }};
}

void GridBackend::copy(void* to, const void* from, std::size_t bytes) {
  const Holding source = holding(from);
  const auto* const start = static_cast<const std::byte*>(from);
  const auto offset = static_cast<std::size_t>(start - source.base);
  each_piece(to, bytes, [&](Backend& member, std::byte* piece, std::size_t done, std::size_t n) {
    for (std::size_t i = 0; i + 1 < source.borders->size(); ++i) {  // one holder at a time
      const std::size_t first_byte = offset + done, end = first_byte + n;
      const std::size_t a = std::clamp((*source.borders)[i], first_byte, end),
                        b = std::clamp((*source.borders)[i + 1], first_byte, end);
      if (a < b) member.copy(piece + (a - first_byte), start + (a - offset), b - a);
    }
  });
}

void GridBackend::mi_histogram(const MiArgs& args, JointHistogram& histogram) {
  std::vector<JointHistogram> parts(lanes_.count());
  slabs(args, args.pair.fixed.extent, args.range, slab_multiple(),
        [&](Backend& member, const MiArgs& slab, std::size_t i) {
          member.mi_histogram(slab, parts[i]);
        });
  const auto bins = static_cast<std::size_t>(args.bins);
  histogram.bins = args.bins;
  histogram.counts.resize(bins * bins, 0);
  for (const JointHistogram& part : parts)
    for (std::size_t i = 0; i < part.counts.size(); ++i) histogram.counts[i] += part.counts[i];
}

/// At least so many words of the volume.
void GridBackend::grow(Array& array, std::size_t words, const Extent& e) {
  if (array.bytes() >= words * sizeof(std::uint32_t)) return;
  array = {};  // the memory may be needed
  array = allocate_volume(words * sizeof(std::uint32_t), e.nx * e.ny * e.nz);
}

std::uint32_t* GridBackend::marks_of(std::size_t side, const Extent& e) {
  grow(marks_[side], static_cast<std::size_t>(fold_words(e)), e);
  return marks_[side].as<std::uint32_t>();
}

/// What the step needs beside its arguments. Arrays that become too small go when all work is done.
void GridBackend::make_room(GridStep& step) {
  const std::size_t page = members_.memory->granularity();
  step.area_step = (members_.steps->area_bytes(step.args) + page - 1) / page * page;
  if (areas_.bytes() < step.area_step * lanes_.count()) {
    areas_ = {};
    std::vector<std::size_t> borders;
    for (std::size_t i = 0; i <= lanes_.count(); ++i) borders.push_back(i * step.area_step);
    areas_ = members_.memory->allocate(borders);
  }
  step.area_step = areas_.bytes() / lanes_.count();
  step.areas = areas_.data();
  if (step.args.minimum <= 0) return;
  const Extent& e = step.args.sides.front().displacement.extent();
  for (std::size_t s = 0; s < step.args.sides.size(); ++s) step.marks[s] = marks_of(s, e);
  grow(fold_lists_, GridStep::kFoldLists * static_cast<std::size_t>(fold_words(e)), e);
  step.fold_lists = fold_lists_.as<std::uint32_t>();
}

void GridBackend::queue_step(const StepArgs& args, int slot) {
  const Extent& e = args.sides.front().direction.gradient.extent();
  const std::vector<std::int64_t> borders = slab_borders(e.nz, members_.shares, slab_multiple());
  GridStep step{args, {}, slot};
  for (std::size_t i = 0; i < lanes_.count(); ++i)
    step.slabs.push_back(shard::slab_of(borders, i, {0, e.nz}));
  make_room(step);
  std::vector<StepPart> parts = shard::step_parts(args);
  const bool relaxes = parts.back().kind == StepPart::Kind::relax_folds;
  const StepPart last = parts.back();
  if (relaxes) parts.pop_back();
  GridSteps& steps = *members_.steps;
  times_.next_operation();
  for (std::size_t p = 0; p < parts.size(); ++p)
    run_part([&](std::size_t i) {
      if (p == 0) steps.begin(i, step);
      steps.queue(i, step, parts[p]);
      if (p + 1 == parts.size() && !(relaxes && i == 0)) steps.queue_numbers(i, step);
    });
  if (relaxes)
    alone([&] {
      times_.time(0, [&] { steps.queue(0, step, last); });
      steps.queue_numbers(0, step);
    });
}

FoldRepair GridBackend::repair_folds(const RepairArgs& args) {
  const Extent& e = args.displacement.extent();
  if (is_small(e)) return alone([&] { return first().repair_folds(args); });
  RepairArgs marked = args;
  marked.marks = marks_of(0, e);
  FoldRepair report;
  report.found = find_folds(marked);
  report.remaining = report.found > 0 ? relax_folds(marked, report.found) : 0;
  return report;
}

}  // namespace

std::unique_ptr<Backend> make_grid_backend(GridMembers members) {
  return std::make_unique<GridBackend>(std::move(members));
}

}  // namespace gigawarp::ops
