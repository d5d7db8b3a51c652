#include "shard/rank_backend.h"

#include <algorithm>
#include <span>
#include <utility>

#include "ops/grid_members.h"
#include "ops/taps.h"
#include "shard/partition.h"
#include "shard/plain_cut_work.h"
#include "shard/rank_operations.h"

namespace gigawarp::shard {
namespace {

std::vector<double> shares_of(std::vector<double> memory) {
  ops::even_out(memory);
  return memory;
}

}  // namespace

RankBackend::RankBackend(ops::RankParts parts, Communicator& communicator, Exchange& exchange)
    : parts_(std::move(parts)),
      communicator_(communicator),
      shares_(shares_of(communicator.values(parts_.memory_bytes))),
      times_(*parts_.clock),
      arrays_(parts_, communicator, exchange, shares_),
      exchange_(exchange),
      windows_(parts_, communicator, arrays_, exchange, shares_, member().slab_multiple()) {
  if (!parts_.cut_work) parts_.cut_work = std::make_unique<PlainCutWork>(member());
}

RankBackend::Work RankBackend::work_on(const ops::Extent& e, ZRange range, std::int64_t multiple,
                                       const ops::Extent& by) const {
  Work work;
  work.access.resize(ranks());
  work.by_all = by.nx * by.ny * by.nz < parts_.small_voxels;
  const std::vector<std::int64_t> borders = slab_borders(e.nz, shares_, multiple);
  for (std::size_t r = 0; r < ranks(); ++r)
    work.slabs.push_back(work.by_all ? range : slab_of(borders, r, range));
  return work;
}

ops::CutRange RankBackend::cut_of(const Work& work, std::int64_t halo) const {
  return cut_slab(work.slabs[own()], {work.slabs.front().begin, work.slabs.back().end}, halo,
                  {slab_multiple(), parts_.least_piece});
}

void RankBackend::read(Access& access, const ops::FieldView& f, std::int64_t begin,
                       std::int64_t end) const {
  read(access, f.packed, begin, end);
  for (const auto& c : f.component) read(access, c, begin, end);
}

void RankBackend::write(Access& access, const ops::FieldView& f, ZRange slab) const {
  if (f.packed) access.writes.push_back(arrays_.planes(f.packed, slab.begin, slab.end));
  for (const auto& c : f.component)
    if (c) access.writes.push_back(arrays_.planes(c, slab.begin, slab.end));
}

ShiftRange RankBackend::shift_of(const ops::FieldView& u, bool measured) {
  if (!u) return {};
  const void* const key = key_of(u);
  const std::uint64_t array = arrays_.span(key, 1).array->id;
  KnownShift& known = shifts_[key];
  const bool is_known = known.array == array + 1;  // zero: unknown
  if (is_known && (known.measured || !measured)) return known.range;
  const std::array<float, 6> r = displacement_range(u, {0, u.extent().nz});
  known = {array + 1, {{r[0], r[1], r[2]}, {r[3], r[4], r[5]}}, true};
  return known.range;
}

void RankBackend::set_shift(const ops::FieldView& u, const std::optional<ShiftRange>& shift) {
  const void* const key = key_of(u);
  if (shift)
    shifts_[key] = {arrays_.span(key, 1).array->id + 1, *shift, false};
  else
    shifts_.erase(key);
}

void RankBackend::forget_shift(const void* address) {
  if (shifts_.empty()) return;
  const RankArray* const array = arrays_.span(address, 1).array;
  std::erase_if(shifts_, [&](const auto& known) { return known.second.array == array->id + 1; });
}

ops::ImagePair RankBackend::prepare_pair(Work& work, const ops::ImagePair& pair,
                                         const ops::SlabView<float>& warped, int halo,
                                         int sample_halo) {
  each(work, [&](Access& access, ZRange slab) {
    read(access, pair.fixed, slab.begin - halo, slab.end + halo);
    read(access, pair.fixed_mask, slab.begin - halo, slab.end + halo);
    read(access, warped, slab.begin - halo, slab.end + halo);
    if (pair.displacement)
      read(access, pair.displacement, slab.begin - sample_halo, slab.end + sample_halo);
  });
  if (pair.displacement) metric_halo_ = sample_halo;
  demand(Content::displacement, pair.displacement, sample_halo);
  demand(Content::warped, warped, halo);
  const ops::Extent& fixed = pair.fixed.extent;
  const auto samplings = [&](const ShiftRange& shift) {
    std::vector<Sampling> all;
    for (const ZRange& slab : work.slabs)
      all.push_back({fixed,
                     slab.begin < slab.end
                         ? ZRange{std::max<std::int64_t>(0, slab.begin - sample_halo),
                                  std::min(fixed.nz, slab.end + sample_halo)}
                         : ZRange{},
                     pair.moving_from_fixed, shift, pair.moving.extent});
    return all;
  };
  const auto covered = [&](const std::vector<Sampling>& wanted) {
    return windows_.covers(pair.moving, wanted) &&
           (!pair.moving_mask || windows_.covers(pair.moving_mask, wanted));
  };
  // The bound on u that iterations add up is wide; it is measured before more is fetched for it.
  if (!covered(samplings(shift_of(pair.displacement, false)))) {
    const std::vector<Sampling> wanted = samplings(shift_of(pair.displacement, true));
    if (!covered(wanted)) {
      windows_.fetch(pair.moving, wanted);
      if (pair.moving_mask) windows_.fetch(pair.moving_mask, wanted);
    }
  }
  ops::ImagePair local = pair;
  local.moving = windows_.local(pair.moving);
  if (pair.moving_mask) local.moving_mask = windows_.local(pair.moving_mask);
  return local;
}

namespace {
constexpr std::uint64_t kNoMore = ~std::uint64_t{0};
}

void RankBackend::serve_downloads() {
  guarded([&] {
    if (collects()) {
      is_served_ = true;
      return;
    }
    for (Request request;;) {
      ask(request);  // here: hears what rank 0 asks
      if (request.array == kNoMore) return;
      const RankArray* const array = arrays_.find(request.array);
      if (array == nullptr)
        throw Error(ErrorCode::internal, "Rank 0 asks for an array that is gone.");
      arrays_.download(nullptr, array->base + request.begin, request.bytes);
    }
  });
}

void RankBackend::end_service() {
  if (!std::exchange(is_served_, false)) return;
  Request request{kNoMore, 0, 0};
  guarded([&] { ask(request); });
}

void RankBackend::hold_planes(const ops::FieldView& u, std::int64_t halo) {
  guarded([&] {
    const std::int64_t planes = u.extent().nz;
    std::vector<Access> access(ranks());
    for (std::size_t r = 0; r < ranks(); ++r) {
      const ZRange slab = slab_of(borders_of(planes), r, {0, planes});
      if (slab.begin < slab.end) read(access[r], u, slab.begin - halo, slab.end + halo);
    }
    arrays_.prepare(access);
    member().synchronise();  // the host reads
  });
}

RankBackend::Announced RankBackend::write_target(Work& work, const ops::GradientTarget& target,
                                                 const ops::ImageView& fixed) {
  Announced announced;
  if (target.intensity) {
    each(work, [&](Access& access, ZRange slab) {
      access.writes.push_back(arrays_.planes(target.intensity, slab.begin, slab.end));
    });
    forget_shift(target.intensity.data);
  }
  if (!target.field) return announced;
  each(work, [&](Access& access, ZRange slab) {
    if (target.accumulate) read(access, target.field, slab.begin, slab.end);
    if (target.symmetric) read(access, fixed, slab.begin - 1, slab.end + 1);
    write(access, target.field, slab);
  });
  forget_shift(key_of(target.field));
  announce(announced, work, Content::gradient, target.field);
  return announced;
}

void RankBackend::share_sums(const Work& work, std::vector<ops::PlaneSums>& sums, bool linear) {
  if (work.by_all || ranks() == 1) return;
  // Without linear sums there are but the first two numbers: the GPUs stand still meanwhile.
  struct Numbers {
    double value, count;
  };
  const std::size_t of_plane = linear ? sizeof(ops::PlaneSums) : sizeof(Numbers);
  std::vector<std::size_t> bytes;
  std::int64_t begin = -1, end = 0;
  for (const ZRange& slab : work.slabs) {
    const std::int64_t planes = std::max<std::int64_t>(0, slab.end - slab.begin);
    bytes.push_back(static_cast<std::size_t>(planes) * of_plane);
    if (planes == 0) continue;
    if (begin < 0) begin = slab.begin;
    end = slab.end;
  }
  if (begin < 0) return;
  const ZRange& mine = work.slabs[own()];
  const std::span<const ops::PlaneSums> computed(sums.begin() + mine.begin,
                                                 sums.begin() + std::max(mine.begin, mine.end));
  const std::span<ops::PlaneSums> shared(sums.begin() + begin, sums.begin() + end);
  if (linear) {
    std::vector<ops::PlaneSums> all(shared.size());
    communicator_.gather(computed.data(), bytes, all.data());
    std::copy(all.begin(), all.end(), shared.begin());
    return;
  }
  std::vector<Numbers> own_numbers, all(shared.size());
  for (const ops::PlaneSums& plane : computed) own_numbers.push_back({plane.value, plane.count});
  communicator_.gather(own_numbers.data(), bytes, all.data());
  for (std::size_t i = 0; i < all.size(); ++i) {
    shared[i] = {};
    shared[i].value = all[i].value;
    shared[i].count = all[i].count;
  }
}

void RankBackend::warp(const ops::WarpArgs& args, std::vector<ops::PlaneSums>& sums) {
  guarded([&] {
    Work work = work_on(args.pair.fixed.extent, args.range, slab_multiple());
    ops::WarpArgs local = args;
    local.pair = prepare_pair(work, args.pair, {}, 0, 0);
    Announced announced;
    if (args.warped) {
      each(work, [&](Access& access, ZRange slab) {
        access.writes.push_back(arrays_.planes(args.warped, slab.begin, slab.end));
      });
      forget_shift(args.warped.data);
      announce(announced, work, Content::warped, args.warped);
    }
    perform(work, local, announced, [&](const ops::WarpArgs& slab, const ops::CutRange& cut) {
      parts_.cut_work->warp(slab, cut, sums);
    });
    share_sums(work, sums, false);
  });
}

void RankBackend::lncc(const ops::LnccArgs& args, std::vector<ops::PlaneSums>& sums) {
  guarded([&] {
    const int radius = args.window == WindowKind::box
                           ? args.radius
                           : ops::Taps::gaussian_window(args.radius).radius;
    Work work = work_on(args.pair.fixed.extent, args.range, lncc_slab_multiple(args));
    ops::LnccArgs local = args;
    local.pair =
        prepare_pair(work, args.pair, args.warped, 2 * radius, args.warped ? 0 : 2 * radius);
    const Announced announced = write_target(work, args.target, args.pair.fixed);
    perform(work, local, announced, [&](const ops::LnccArgs& slab, const ops::CutRange& cut) {
      parts_.cut_work->lncc(slab, cut, sums);
    });
    share_sums(work, sums, ops::takes_linear_sums(args.target));
  });
}

void RankBackend::mi_histogram(const ops::MiArgs& args, ops::JointHistogram& histogram) {
  guarded([&] {
    Work work = work_on(args.pair.fixed.extent, args.range, slab_multiple());
    ops::MiArgs local = args;
    local.pair = prepare_pair(work, args.pair, args.warped, 0, 0);
    ops::JointHistogram part;
    perform(work, local, [&](const ops::MiArgs& slab) { member().mi_histogram(slab, part); });
    const std::size_t cells =
        static_cast<std::size_t>(args.bins) * static_cast<std::size_t>(args.bins);
    part.counts.resize(cells, 0);
    histogram.bins = args.bins;
    histogram.counts.resize(cells, 0);
    std::vector<std::int64_t> all = part.counts;
    if (!work.by_all && ranks() > 1) {
      all.resize(cells * ranks());
      const std::vector<std::size_t> bytes(ranks(), cells * sizeof(std::int64_t));
      communicator_.gather(part.counts.data(), bytes, all.data());
    }
    for (std::size_t i = 0; i < all.size(); ++i) histogram.counts[i % cells] += all[i];
  });
}

void RankBackend::mi_gradient(const ops::MiArgs& args, const ops::MiTable& table,
                              std::vector<ops::PlaneSums>& sums) {
  guarded([&] {
    Work work = work_on(args.pair.fixed.extent, args.range, slab_multiple());
    ops::MiArgs local = args;
    local.pair = prepare_pair(work, args.pair, args.warped, 0, 0);
    const Announced announced = write_target(work, args.target, args.pair.fixed);
    perform(work, local, announced, [&](const ops::MiArgs& slab, const ops::CutRange& cut) {
      ops::in_pieces(slab, cut,
                     [&](const ops::MiArgs& piece) { member().mi_gradient(piece, table, sums); });
    });
    share_sums(work, sums, ops::takes_linear_sums(args.target));
  });
}

void RankBackend::mse(const ops::MseArgs& args, std::vector<ops::PlaneSums>& sums) {
  guarded([&] {
    Work work = work_on(args.pair.fixed.extent, args.range, slab_multiple());
    ops::MseArgs local = args;
    local.pair = prepare_pair(work, args.pair, args.warped, 0, 0);
    const Announced announced = write_target(work, args.target, args.pair.fixed);
    perform(work, local, announced, [&](const ops::MseArgs& slab, const ops::CutRange& cut) {
      parts_.cut_work->mse(slab, cut, sums);
    });
    share_sums(work, sums, ops::takes_linear_sums(args.target));
  });
}

ops::GridTimes RankBackend::take_grid_times() {
  arrays_.settle();
  member().synchronise();
  const auto taken = times_.take();
  ops::GridTimes times;
  const std::vector<double> each = communicator_.values(taken[PartTimes::operation]);
  times.seconds = *std::max_element(each.begin(), each.end());
  times.busy_seconds = communicator_.values(taken[PartTimes::computation]);
  times.exchange_seconds = communicator_.values(exchange_.take_seconds());
  times.received_bytes = communicator_.values(arrays_.take_received_bytes());
  return times;
}

std::unique_ptr<ops::Backend> make_rank_backend(ops::RankParts parts, Communicator& communicator,
                                                Exchange& exchange) {
  return std::make_unique<RankBackend>(std::move(parts), communicator, exchange);
}

}  // namespace gigawarp::shard
