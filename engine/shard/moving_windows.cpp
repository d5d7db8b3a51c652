#include "shard/moving_windows.h"

#include <algorithm>

#include "base/parallel.h"
#include "gigawarp/volume.h"
#include "shard/partition.h"

namespace gigawarp::shard {
namespace {

/// Packed for other ranks at once, at most about this many bytes.
constexpr std::int64_t kPackedBytes = std::int64_t{64} << 20U;
/// What is brought is larger than needed by so much, so that a growing displacement does not ask
/// for another at every iteration. Tables of rows take longer to make.
constexpr double kMarginVoxels = 1.5, kRowMarginVoxels = 3;
/// A form that costs more (a box the packing, rows a table that samplers look into) must save so
/// much: it holds at most this share of the simpler one.
constexpr double kWorthABox = 0.75, kWorthRows = 0.67;
/// Samplers load both corners at once, and may go so far beyond the last voxel.
constexpr std::size_t kOverrunBytes = 64;

std::int64_t bytes_of(const ops::ImageView& view) {
  return static_cast<std::int64_t>(size_of(view.type));
}

}  // namespace

RowReach::Columns MovingWindows::Kept::columns(std::int64_t y, std::int64_t z) const {
  if (y < box.begin[1] || y >= box.end[1] || z < box.begin[2] || z >= box.end[2]) return {};
  return form == Form::rows ? rows->columns(y, z) : RowReach::Columns{box.begin[0], box.end[0]};
}

std::int64_t MovingWindows::Kept::voxels_of_plane(std::int64_t z) const {
  std::int64_t voxels = 0;
  for (std::int64_t y = box.begin[1]; y < box.end[1]; ++y) voxels += columns(y, z).count();
  return voxels;
}

const MovingWindows::Window* MovingWindows::current(const ops::ImageView& view) const {
  const auto found = windows_.find(view.data);
  if (found == windows_.end()) return nullptr;
  const Window& window = found->second;
  const Span all = arrays_.planes(view, 0, view.extent.nz);
  return window.array == all.array->id && window.version == all.array->version ? &window : nullptr;
}

bool MovingWindows::covers(const ops::ImageView& view,
                           const std::vector<Sampling>& samplings) const {
  const Window* const window = current(view);
  if (window == nullptr) return false;
  for (std::size_t r = 0; r < samplings.size(); ++r) {
    const Kept& kept = window->kept[r];
    const bool has = kept.form == Form::rows
                         ? reads_within(samplings[r], kept.sampling, kRowMarginVoxels)
                         : kept.box.contains(reach(samplings[r], 0));
    if (!has) return false;
  }
  return true;
}

std::vector<MovingWindows::Kept> MovingWindows::choose(
    const ops::ImageView& view, const std::vector<Sampling>& samplings) const {
  const ops::Extent& e = view.extent;
  const auto element = static_cast<double>(size_of(view.type)),
             plane = static_cast<double>(e.nx * e.ny);
  std::vector<Kept> all(samplings.size());
  std::vector<double> simpler(samplings.size());  // bytes of planes or a box
  bool any_by_rows = false;
  for (std::size_t r = 0; r < samplings.size(); ++r) {
    const Sampling& s = samplings[r];
    all[r].sampling = s;
    all[r].box = reach(s, kMarginVoxels);
    if (all[r].box.empty()) continue;
    const auto box = static_cast<double>(all[r].box.voxels()),
               planes = plane * static_cast<double>(all[r].box.end[2] - all[r].box.begin[2]);
    if (box < kWorthABox * planes) all[r].form = Form::box;
    simpler[r] = element * (all[r].form == Form::box ? box : planes);
    // Rows are not worth counting where the slab's share is not so much less.
    const double share = element * plane * static_cast<double>(e.nz) *
                         static_cast<double>(s.planes.end - s.planes.begin) /
                         static_cast<double>(s.fixed.nz);
    if (share > kWorthRows * simpler[r]) continue;
    auto rows = std::make_unique<RowReach>(s, kRowMarginVoxels);
    if (!rows->is_known()) continue;
    any_by_rows = true;
    all[r].rows = std::move(rows);
  }
  if (!any_by_rows) return all;
  // Each counts its own.
  const auto rank = static_cast<std::size_t>(communicator_.rank());
  double bytes = 0;
  if (all[rank].rows != nullptr) {
    Kept mine;
    mine.form = Form::rows;
    mine.box = reach(samplings[rank], kRowMarginVoxels);
    mine.rows = std::make_unique<RowReach>(*all[rank].rows);
    std::vector<std::int64_t> voxels(static_cast<std::size_t>(e.nz));
    parallel_for(e.nz, [&](std::int64_t z) {
      voxels[static_cast<std::size_t>(z)] = mine.voxels_of_plane(z);
    });
    for (const std::int64_t v : voxels) bytes += element * static_cast<double>(v);
    bytes += static_cast<double>(sizeof(std::int64_t)) * static_cast<double>(e.ny * e.nz);
  }
  const std::vector<double> bytes_by_rows = communicator_.values(bytes);
  for (std::size_t r = 0; r < all.size(); ++r) {
    if (all[r].rows == nullptr) continue;
    if (bytes_by_rows[r] < kWorthRows * simpler[r]) {
      all[r].form = Form::rows;
      all[r].box = reach(samplings[r], kRowMarginVoxels);
    } else {
      all[r].rows.reset();
    }
  }
  return all;
}

void MovingWindows::fetch(const ops::ImageView& view, const std::vector<Sampling>& samplings) {
  const Span all = arrays_.planes(view, 0, view.extent.nz);
  // Windows of arrays that are no more go when another takes their place.
  std::erase_if(windows_, [&](const auto& entry) {
    return entry.first == view.data || !arrays_.is_alive(entry.second.array);
  });
  Window& window = windows_[view.data];
  window.array = all.array->id;
  window.version = all.array->version;
  window.kept = choose(view, samplings);
  std::vector<Access> access(samplings.size());
  for (std::size_t r = 0; r < samplings.size(); ++r)
    if (const Kept& kept = window.kept[r]; !kept.box.empty() && !kept.is_copied()) {
      access[r].reads.push_back(arrays_.planes(view, kept.box.begin[2], kept.box.end[2]));
      access[r].loads.push_back(arrays_.planes(view, kept.box.begin[2] - parts_.planes_ahead,
                                               kept.box.end[2] + parts_.planes_ahead));
    }
  arrays_.prepare(access);
  copy_parts(view, window);
}

ops::Array MovingWindows::allocate(std::size_t bytes) const {
  ops::Array array = parts_.memory->reserve(bytes);
  parts_.memory->commit(array.data(), bytes);
  return array;
}

std::vector<MovingWindows::Part> MovingWindows::parts_of(const ops::ImageView& view,
                                                         const Window& window) const {
  const std::vector<std::int64_t> borders = slab_borders(view.extent.nz, shares_, multiple_);
  std::vector<Part> parts;
  for (int to = 0; to < communicator_.size(); ++to) {
    const Kept& kept = window.kept[static_cast<std::size_t>(to)];
    if (!kept.is_copied()) continue;
    const VoxelBox& box = kept.box;
    const std::int64_t plane_bytes =
        bytes_of(view) * (box.end[0] - box.begin[0]) * (box.end[1] - box.begin[1]);
    const std::int64_t most = std::max<std::int64_t>(1, kPackedBytes / plane_bytes);
    for (int from = 0; from < communicator_.size(); ++from) {
      const ops::ZRange planes =
          slab_of(borders, static_cast<std::size_t>(from), {box.begin[2], box.end[2]});
      for (std::int64_t z = planes.begin; z < planes.end; z += most)
        parts.push_back({from, to, {z, std::min(planes.end, z + most)}});
    }
  }
  return parts;
}

void MovingWindows::reserve_copy(const ops::ImageView& view, Window& window) const {
  const Kept& kept = own(window);
  if (!kept.is_copied()) return;
  const std::int64_t z_begin = kept.box.begin[2], planes = kept.box.end[2] - z_begin;
  std::vector<std::int64_t>& first = window.first_voxel;
  first.assign(static_cast<std::size_t>(planes) + 1, 0);
  parallel_for(planes, [&](std::int64_t i) {
    first[static_cast<std::size_t>(i) + 1] = kept.voxels_of_plane(z_begin + i);
  });
  for (std::size_t i = 1; i < first.size(); ++i) first[i] += first[i - 1];
  // Where nothing is reached a table says zero: a whole row may be read there.
  const std::int64_t voxels = std::max(first.back(), view.extent.nx);
  window.copy = allocate(static_cast<std::size_t>(voxels * bytes_of(view)) + kOverrunBytes);
  if (kept.form != Form::rows) return;
  const std::int64_t rows = view.extent.ny;
  std::vector<std::int64_t> table(static_cast<std::size_t>(rows * view.extent.nz), 0);
  parallel_for(planes, [&](std::int64_t i) {
    std::int64_t at = first[static_cast<std::size_t>(i)];
    for (std::int64_t y = 0; y < rows; ++y) {
      const RowReach::Columns columns = kept.columns(y, z_begin + i);
      if (columns.count() == 0) continue;
      table[static_cast<std::size_t>((z_begin + i) * rows + y)] = at - columns.begin;
      at += columns.count();
    }
  });
  const std::size_t bytes = table.size() * sizeof table[0];
  window.table = allocate(bytes);
  parts_.backend->upload(window.table.data(), table.data(), bytes);
}

void MovingWindows::copy_parts(const ops::ImageView& view, Window& window) {
  const std::vector<Part> parts = parts_of(view, window);
  if (parts.empty()) return;
  const int ranks = communicator_.size();
  const std::vector<std::int64_t> borders = slab_borders(view.extent.nz, shares_, multiple_);
  std::vector<Access> homes(static_cast<std::size_t>(ranks));
  for (int r = 0; r < ranks; ++r)
    homes[static_cast<std::size_t>(r)].reads.push_back(arrays_.planes(
        view, borders[static_cast<std::size_t>(r)], borders[static_cast<std::size_t>(r) + 1]));
  arrays_.prepare(homes);
  reserve_copy(view, window);
  // A round: one part from every rank to every other, the same on all.
  std::vector<std::vector<Part>> rounds;
  std::map<std::pair<int, int>, std::size_t> seen;
  for (const Part& part : parts) {
    const std::size_t round = seen[{part.from, part.to}]++;
    rounds.resize(std::max(rounds.size(), round + 1));
    rounds[round].push_back(part);
  }
  for (const std::vector<Part>& round : rounds) copy_round(view, window, round);
}

std::vector<ops::Backend::Piece> MovingWindows::pieces_of(const ops::ImageView& view,
                                                          const Window& window,
                                                          const Part& part) const {
  const Kept& kept = window.kept[static_cast<std::size_t>(part.to)];
  const std::int64_t element = bytes_of(view);
  std::vector<ops::Backend::Piece> pieces;
  std::int64_t packed = 0;
  for (std::int64_t z = part.planes.begin; z < part.planes.end; ++z)
    for (std::int64_t y = kept.box.begin[1]; y < kept.box.end[1]; ++y) {
      const RowReach::Columns columns = kept.columns(y, z);
      if (columns.count() == 0) continue;
      const std::int64_t bytes = columns.count() * element;
      pieces.push_back({(view.extent.offset(y, z) + columns.begin) * element, packed, bytes});
      packed += bytes;
    }
  return pieces;
}

void MovingWindows::copy_round(const ops::ImageView& view, Window& window,
                               const std::vector<Part>& parts) {
  const int rank = communicator_.rank();
  const auto place_of = [&](std::int64_t z) {
    const std::int64_t plane = z - own(window).box.begin[2];
    return window.first_voxel[static_cast<std::size_t>(plane)] * bytes_of(view);
  };
  std::vector<ops::Array> packed;
  std::vector<Message> sends, receives;
  for (const Part& part : parts) {
    if (part.from == rank) {
      const std::vector<ops::Backend::Piece> pieces = pieces_of(view, window, part);
      if (pieces.empty()) continue;
      const auto bytes = static_cast<std::size_t>(pieces.back().to + pieces.back().bytes);
      if (part.to == rank) {
        parts_.backend->copy_pieces(window.copy.data() + place_of(part.planes.begin), view.data,
                                    pieces);
        continue;
      }
      packed.push_back(allocate(bytes));
      parts_.backend->copy_pieces(packed.back().data(), view.data, pieces);
      sends.push_back({part.to, packed.back().data(), bytes});
    } else if (part.to == rank) {
      const std::int64_t begin = place_of(part.planes.begin), end = place_of(part.planes.end);
      if (end == begin) continue;
      const auto bytes = static_cast<std::size_t>(end - begin);
      receives.push_back({part.from, window.copy.data() + begin, bytes});
      arrays_.count_received(bytes);
    }
  }
  exchange_(sends, receives);
  parts_.backend->synchronise();  // what was packed goes
}

ops::ImageView MovingWindows::local(const ops::ImageView& view) const {
  const Window* const window = current(view);
  if (window == nullptr || !window->copy) return view;
  const Kept& kept = own(*window);
  ops::ImageView out = view;
  out.extent.z_begin = 0;
  out.extent.z_end = view.extent.nz;
  out.data = window->copy.data();
  if (kept.form == Form::rows) {
    out.rows = window->table.as<std::int64_t>();
    return out;
  }
  const VoxelBox& box = kept.box;
  out.extent.stride_y = box.end[0] - box.begin[0];
  out.extent.stride_z = out.extent.stride_y * (box.end[1] - box.begin[1]);
  out.data = window->copy.data() - (box.begin[2] * out.extent.stride_z +
                                    box.begin[1] * out.extent.stride_y + box.begin[0]) *
                                       bytes_of(view);
  return out;
}

}  // namespace gigawarp::shard
