#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "gigawarp/error.h"
#include "ops/taps.h"
#include "shard/rank_operations.h"

/// The operations on displacements.
namespace gigawarp::shard {
namespace {

/// What rounding may add to a displacement in one update.
constexpr float kRoundingVoxels = 2e-3F;

}  // namespace

float RankBackend::direction(const ops::DirectionArgs& args) {
  return guarded([&] {
    const int radius = ops::Taps::smoothing(args.sigma_voxels).radius;
    Work work = work_on(args.gradient.extent(), args.range, slab_multiple());
    each(work, [&](Access& access, ZRange slab) {
      read(access, args.gradient, slab.begin - radius, slab.end + radius);
      const auto update = [&](const auto& view) {
        if (!view) return;
        read(access, view, slab.begin, slab.end);
        access.writes.push_back(arrays_.planes(view, slab.begin, slab.end));
      };
      for (const auto& m : args.first_moment) update(m);
      update(args.second_moment);
      update(args.moments);
      if (args.direction) write(access, args.direction, slab);
    });
    if (args.direction) forget_shift(key_of(args.direction));
    demand(Content::gradient, args.gradient, radius);
    Announced announced;
    if (args.moments)
      announce(announced, work, Content::direction, args.moments);
    else
      announce(announced, work, Content::direction, args.direction);
    float largest = 0;
    perform(work, args, announced, [&](const ops::DirectionArgs& slab, const ops::CutRange& cut) {
      largest = parts_.cut_work->direction(slab, cut);
    });
    if (!work.by_all) {
      const std::vector<float> all = communicator_.values(largest);
      largest = *std::max_element(all.begin(), all.end());
    }
    largest_[args.moments ? static_cast<const void*>(args.moments.data) : key_of(args.direction)] =
        largest;
    return largest;
  });
}

void RankBackend::compose(const ops::ComposeArgs& args) {
  guarded([&] {
    const int radius = ops::Taps::smoothing(args.sigma_voxels).radius;
    const bool is_short = args.short_step || args.from_moments != nullptr;
    // How long the steps are: known of the optimiser's, measured of any other field.
    std::optional<ShiftRange> step;
    if (!is_short) step = shift_of(args.direction, true);
    const float scale = std::abs(args.scale);
    std::int64_t beyond = 1;
    if (step) {
      const double most = std::max(std::abs(step->low[2]), std::abs(step->high[2])) * scale;
      beyond = static_cast<std::int64_t>(std::min(most, 1e9)) + 2;
    }
    Work work = work_on(args.displacement.extent(), args.range, slab_multiple());
    each(work, [&](Access& access, ZRange slab) {
      const std::int64_t begin = slab.begin - radius, end = slab.end + radius;
      if (args.from_moments != nullptr)
        read(access, args.from_moments->moments, begin, end);
      else
        read(access, args.direction, begin, end);
      read(access, args.displacement, begin - beyond, end + beyond);
      write(access, args.out, slab);
    });
    const auto known = largest_.find(args.from_moments != nullptr
                                         ? static_cast<const void*>(args.from_moments->moments.data)
                                         : key_of(args.direction));
    const auto before = shifts_.find(key_of(args.displacement));
    std::optional<ShiftRange> after;
    if (is_short && known != largest_.end() && before != shifts_.end())
      after = before->second.range.grown(scale * known->second + kRoundingVoxels);
    Announced announced;
    if (is_short) {  // an iteration
      if (args.from_moments != nullptr)
        demand(Content::direction, args.from_moments->moments, radius);
      else
        demand(Content::direction, args.direction, radius);
      demand(Content::displacement, args.displacement, radius + beyond);
      announce(announced, work, Content::displacement, args.out);
    }
    perform(work, args, announced, [&](const ops::ComposeArgs& slab, const ops::CutRange& cut) {
      ops::in_pieces(slab, cut, [&](const ops::ComposeArgs& piece) { member().compose(piece); });
    });
    set_shift(args.out, after);
  });
}

Span RankBackend::marks_of(const ops::Extent& e, const std::uint32_t* marks, std::int64_t begin,
                           std::int64_t end) const {
  begin = std::max(begin, e.z_begin);
  end = std::min(end, e.z_end);
  if (begin >= end) return {};
  const std::int64_t plane = ops::fold_words_of_plane(e);
  return arrays_.span(marks + (begin - e.z_begin) * plane,
                      static_cast<std::size_t>((end - begin) * plane) * sizeof *marks);
}

std::int64_t RankBackend::find_folds(const ops::RepairArgs& args) {
  return guarded([&] {
    const ops::Extent& e = args.displacement.extent();
    Work work = work_on(e, args.range, slab_multiple());
    // One plane is looked at. The metric of the next iteration comes to the same u, unless folds
    // are found: its planes come along, in one exchange instead of two.
    const std::int64_t halo = std::max<std::int64_t>(1, metric_halo_);
    each(work, [&](Access& access, ZRange slab) {
      read(access, args.displacement, slab.begin - halo, slab.end + halo);
      access.writes.push_back(marks_of(e, args.marks, slab.begin, slab.end));
    });
    demand(Content::displacement, args.displacement, halo);
    std::int64_t found = 0;
    perform(work, args, [&](const ops::RepairArgs& slab) { found = member().find_folds(slab); });
    if (work.by_all) return found;
    std::int64_t all = 0;
    for (const std::int64_t n : communicator_.values(found)) all += n;
    return all;
  });
}

namespace {

/// Planes [begin, end) of a field as a field of their own. Repair does not look beyond those
/// stored.
ops::RepairArgs of_planes(const ops::RepairArgs& args, std::int64_t begin, std::int64_t end) {
  ops::RepairArgs out = args;
  const ops::Extent& e = args.displacement.extent();
  begin = std::max(begin, e.z_begin);
  end = std::min(end, e.z_end);
  out.marks += (begin - e.z_begin) * ops::fold_words_of_plane(e);
  const auto cut = [&](auto& view) {
    if (!view) return;
    view.data += (begin - view.extent.z_begin) * view.extent.stride_z;
    view.extent.z_begin = begin;
    view.extent.z_end = end;
  };
  cut(out.displacement.packed);
  for (auto& c : out.displacement.component) cut(c);
  return out;
}

}  // namespace

void RankBackend::relax_marked(const ops::RepairArgs& args, int radius) {
  guarded([&] {
    const ops::Extent& e = args.displacement.extent();
    Work work = work_on(e, args.range, slab_multiple());
    each(work, [&](Access& access, ZRange slab) {
      read(access, args.displacement, slab.begin - 1, slab.end + 1);
      access.reads.push_back(marks_of(e, args.marks, slab.begin - radius, slab.end + radius));
      write(access, args.displacement, slab);
    });
    perform(work, args, [&](const ops::RepairArgs& slab) {
      const int halo = std::max(radius, 1);
      member().relax_marked(of_planes(slab, slab.range.begin - halo, slab.range.end + halo),
                            radius);
    });
  });
}

std::int64_t RankBackend::recheck_marked(const ops::RepairArgs& args, int radius,
                                         std::uint32_t* marks_after) {
  return guarded([&] {
    const ops::Extent& e = args.displacement.extent();
    Work work = work_on(e, args.range, slab_multiple());
    each(work, [&](Access& access, ZRange slab) {
      read(access, args.displacement, slab.begin - 1, slab.end + 1);
      access.reads.push_back(
          marks_of(e, args.marks, slab.begin - radius - 1, slab.end + radius + 1));
      access.writes.push_back(marks_of(e, marks_after, slab.begin, slab.end));
    });
    std::int64_t found = 0;
    perform(work, args, [&](const ops::RepairArgs& slab) {
      const std::int64_t first = std::max(e.z_begin, slab.range.begin - radius - 1);
      found =
          member().recheck_marked(of_planes(slab, first, slab.range.end + radius + 1), radius,
                                  marks_after + (first - e.z_begin) * ops::fold_words_of_plane(e));
    });
    if (work.by_all) return found;
    std::int64_t all = 0;
    for (const std::int64_t n : communicator_.values(found)) all += n;
    return all;
  });
}

/// The sweeps of relax_folds(), each a step of every rank on its own planes.
ops::FoldRepair RankBackend::repair_folds(const ops::RepairArgs& args) {
  return guarded([&] {
    const ops::Extent& e = args.displacement.extent();
    const auto words = static_cast<std::size_t>(ops::fold_words(e));
    const std::size_t bytes = words * sizeof(std::uint32_t);
    if (marks_.bytes() < 2 * bytes) {
      marks_ = {};
      marks_ = allocate_volume(2 * bytes, e.nx * e.ny * e.nz);
    }
    ops::RepairArgs marked = args;
    marked.marks = marks_.as<std::uint32_t>();
    std::uint32_t* after = marked.marks + words;
    ops::FoldRepair report;
    report.found = report.remaining = find_folds(marked);
    for (int sweep = 0; sweep < args.sweeps && report.remaining > 0; ++sweep) {
      const int radius = ops::relaxation_radius(sweep);
      relax_marked(marked, radius);
      report.remaining = recheck_marked(marked, radius, after);
      std::swap(marked.marks, after);
    }
    return report;
  });
}

std::int64_t RankBackend::relax_folds(const ops::RepairArgs& /*args*/, std::int64_t /*found*/) {
  throw Error(ErrorCode::internal, "Ranks relax folds by sweeps.");
}

std::array<float, 6> RankBackend::displacement_range(const ops::FieldView& u, ZRange range) {
  return guarded([&] {
    struct {
      ZRange range;
    } const args{range};
    Work work = work_on(u.extent(), range, slab_multiple());
    each(work, [&](Access& access, ZRange slab) { read(access, u, slab.begin, slab.end); });
    constexpr float kMost = std::numeric_limits<float>::max();
    std::array<float, 6> mine{kMost, kMost, kMost, -kMost, -kMost, -kMost};
    perform(work, args,
            [&](const auto& slab) { mine = member().displacement_range(u, slab.range); });
    if (work.by_all) return mine;
    for (const std::array<float, 6>& other : communicator_.values(mine))
      for (std::size_t a = 0; a < 3; ++a) {
        mine[a] = std::min(mine[a], other[a]);
        mine[3 + a] = std::max(mine[3 + a], other[3 + a]);
      }
    return mine;
  });
}

void RankBackend::downsample(const ops::DownsampleArgs& args) {
  guarded([&] {
    const ops::StridedTaps taps(args.shrink[2], args.sigma[2]);
    Work work = work_on(args.out.extent, args.range, slab_multiple(), args.in.extent);
    each(work, [&](Access& access, ZRange slab) {
      const std::int64_t last = args.in.extent.nz - 1;
      const auto clamped = [&](std::int64_t z) { return std::clamp<std::int64_t>(z, 0, last); };
      read(access, args.in, clamped(slab.begin * args.shrink[2] + taps.first),
           clamped((slab.end - 1) * args.shrink[2] + taps.first +
                   static_cast<std::int64_t>(taps.weight.size()) - 1) +
               1);
      access.writes.push_back(arrays_.planes(args.out, slab.begin, slab.end));
    });
    forget_shift(args.out.data);
    perform(work, args, [&](const ops::DownsampleArgs& slab) { member().downsample(slab); });
  });
}

void RankBackend::upsample_field(const ops::UpsampleArgs& args) {
  guarded([&] {
    Work work = work_on(args.out.extent(), args.range, slab_multiple());
    each(work, [&](Access& access, ZRange slab) {
      const auto coarse = [&](std::int64_t z) {
        const auto last = static_cast<double>(args.in.extent().nz - 1);
        return static_cast<std::int64_t>(
            std::clamp(static_cast<double>(z) * args.fine_to_coarse[2] + args.shift[2], 0.0, last));
      };
      read(access, args.in, coarse(slab.begin) - 1, coarse(slab.end - 1) + 3);
      write(access, args.out, slab);
    });
    perform(work, args, [&](const ops::UpsampleArgs& slab) { member().upsample_field(slab); });
    set_shift(args.out, std::nullopt);
  });
}

void RankBackend::invert(const ops::InvertArgs& args) {
  guarded([&] {
    const std::int64_t beyond = static_cast<std::int64_t>(args.farthest[2]) + 3;
    Work work = work_on(args.out.extent(), args.range, slab_multiple());
    each(work, [&](Access& access, ZRange slab) {
      read(access, args.displacement, slab.begin - beyond, slab.end + beyond);
      write(access, args.out, slab);
    });
    perform(work, args, [&](const ops::InvertArgs& slab) { member().invert(slab); });
    set_shift(args.out, std::nullopt);
  });
}

double RankBackend::keep_common(const ops::SlabView<float>& a, const ops::SlabView<float>& b,
                                ZRange range) {
  return guarded([&] {
    struct {
      ZRange range;
    } const args{range};
    Work work = work_on(a.extent, range, slab_multiple());
    Announced announced;
    each(work, [&](Access& access, ZRange slab) {
      for (const auto* view : {&a, &b}) {
        read(access, *view, slab.begin, slab.end);
        access.writes.push_back(arrays_.planes(*view, slab.begin, slab.end));
      }
    });
    for (const auto* view : {&a, &b}) announce(announced, work, Content::warped, *view);
    double count = 0;
    perform(work, args, announced, [&](const auto& /*slab*/, const ops::CutRange& cut) {
      count = parts_.cut_work->keep_common(a, b, cut);
    });
    if (work.by_all) return count;
    double all = 0;  // whole numbers
    for (const double n : communicator_.values(count)) all += n;
    return all;
  });
}

}  // namespace gigawarp::shard
