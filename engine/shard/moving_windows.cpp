#include "shard/moving_windows.h"

#include <algorithm>

#include "gigawarp/volume.h"
#include "shard/partition.h"

namespace gigawarp::shard {
namespace {

/// Packed for other ranks at once, at most about this many bytes.
constexpr std::int64_t kPackedBytes = std::int64_t{64} << 20U;
/// A copy must be worth its memory and the packing.
constexpr double kWorthACopy = 0.75;

std::int64_t row_bytes(const ops::ImageView& view, const VoxelBox& box) {
  return (box.end[0] - box.begin[0]) * static_cast<std::int64_t>(size_of(view.type));
}
std::int64_t plane_bytes(const ops::ImageView& view, const VoxelBox& box) {
  return row_bytes(view, box) * (box.end[1] - box.begin[1]);
}

/// Planes of a box that one rank keeps.
struct BoxPart {
  int from = 0, to = 0;
  std::int64_t z = 0, end = 0;
};

}  // namespace

const MovingWindows::Window* MovingWindows::current(const ops::ImageView& view) const {
  const auto found = windows_.find(view.data);
  if (found == windows_.end()) return nullptr;
  const Window& window = found->second;
  const Span all = arrays_.planes(view, 0, view.extent.nz);
  return window.array == all.array->id && window.version == all.array->version ? &window : nullptr;
}

bool MovingWindows::covers(const ops::ImageView& view, const std::vector<VoxelBox>& boxes) const {
  const Window* const window = current(view);
  if (window == nullptr) return false;
  for (std::size_t r = 0; r < boxes.size(); ++r)
    if (!window->boxes[r].contains(boxes[r])) return false;
  return true;
}

bool MovingWindows::is_copied(const ops::ImageView& view, const VoxelBox& box) const {
  const auto planes =
      static_cast<double>((box.end[2] - box.begin[2]) * view.extent.nx * view.extent.ny);
  return static_cast<double>(box.voxels()) < kWorthACopy * planes;
}

void MovingWindows::fetch(const ops::ImageView& view, const std::vector<VoxelBox>& boxes) {
  const Span all = arrays_.planes(view, 0, view.extent.nz);
  // Windows of arrays that are no more go when another takes their place.
  std::erase_if(windows_, [&](const auto& entry) {
    return entry.first == view.data || !arrays_.is_alive(entry.second.array);
  });
  Window& window = windows_[view.data];
  window.array = all.array->id;
  window.version = all.array->version;
  window.boxes = boxes;
  std::vector<Access> access(boxes.size());
  for (std::size_t r = 0; r < boxes.size(); ++r)
    if (!boxes[r].empty() && !is_copied(view, boxes[r])) {
      access[r].reads.push_back(arrays_.planes(view, boxes[r].begin[2], boxes[r].end[2]));
      access[r].loads.push_back(arrays_.planes(view, boxes[r].begin[2] - parts_.planes_ahead,
                                               boxes[r].end[2] + parts_.planes_ahead));
    }
  arrays_.prepare(access);
  copy_boxes(view, window);
}

ops::Array MovingWindows::allocate(std::size_t bytes) const {
  ops::Array array = parts_.memory->reserve(bytes);
  parts_.memory->commit(array.data(), bytes);
  return array;
}

void MovingWindows::copy_boxes(const ops::ImageView& view, Window& window) {
  const int ranks = communicator_.size(), own = communicator_.rank();
  const std::vector<std::int64_t> borders = slab_borders(view.extent.nz, shares_, multiple_);
  std::vector<BoxPart> parts;
  std::vector<Access> homes(static_cast<std::size_t>(ranks));
  for (int to = 0; to < ranks; ++to) {
    const VoxelBox& box = window.boxes[static_cast<std::size_t>(to)];
    if (box.empty() || !is_copied(view, box)) continue;
    const std::int64_t most = std::max<std::int64_t>(1, kPackedBytes / plane_bytes(view, box));
    for (int from = 0; from < ranks; ++from) {
      const ops::ZRange planes =
          slab_of(borders, static_cast<std::size_t>(from), {box.begin[2], box.end[2]});
      for (std::int64_t z = planes.begin; z < planes.end; z += most)
        parts.push_back({from, to, z, std::min(planes.end, z + most)});
    }
  }
  if (parts.empty()) return;
  for (int r = 0; r < ranks; ++r)
    homes[static_cast<std::size_t>(r)].reads.push_back(arrays_.planes(
        view, borders[static_cast<std::size_t>(r)], borders[static_cast<std::size_t>(r) + 1]));
  arrays_.prepare(homes);
  const VoxelBox& box = window.boxes[static_cast<std::size_t>(own)];
  const bool copies = !box.empty() && is_copied(view, box);
  constexpr std::size_t kOverrun = 64;
  if (copies)
    window.copy = allocate(
        static_cast<std::size_t>(plane_bytes(view, box) * (box.end[2] - box.begin[2])) + kOverrun);
  const auto pack = [&](const BoxPart& part, std::byte* to) {
    const VoxelBox& wanted = window.boxes[static_cast<std::size_t>(part.to)];
    const auto element = static_cast<std::int64_t>(size_of(view.type));
    const auto* const volume = static_cast<const std::byte*>(view.data);
    for (std::int64_t z = part.z; z < part.end; ++z, to += plane_bytes(view, wanted))
      parts_.backend->copy_rows(
          to, static_cast<std::size_t>(row_bytes(view, wanted)),
          volume + (view.extent.offset(wanted.begin[1], z) + wanted.begin[0]) * element,
          static_cast<std::size_t>(view.extent.stride_y * element),
          static_cast<std::size_t>(row_bytes(view, wanted)), wanted.end[1] - wanted.begin[1]);
  };
  // A round: one part from every rank to every other, the same on all.
  std::vector<std::size_t> order(parts.size());
  std::map<std::pair<int, int>, std::size_t> rounds;
  std::size_t last = 0;
  for (std::size_t i = 0; i < parts.size(); ++i)
    last = std::max(last, order[i] = rounds[{parts[i].from, parts[i].to}]++);
  for (std::size_t round = 0; round <= last; ++round) {
    std::vector<ops::Array> packed;
    std::vector<Message> sends, receives;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const BoxPart& part = parts[i];
      if (order[i] != round) continue;
      const VoxelBox& wanted = window.boxes[static_cast<std::size_t>(part.to)];
      const auto bytes = static_cast<std::size_t>(plane_bytes(view, wanted) * (part.end - part.z));
      std::byte* const place =
          part.to == own ? window.copy.data() + (part.z - box.begin[2]) * plane_bytes(view, box)
                         : nullptr;
      if (part.from == own && part.to == own) {
        pack(part, place);
      } else if (part.from == own) {
        packed.push_back(allocate(bytes));
        pack(part, packed.back().data());
        sends.push_back({part.to, packed.back().data(), bytes});
      } else if (part.to == own) {
        receives.push_back({part.from, place, bytes});
      }
    }
    exchange_(sends, receives);
    parts_.backend->synchronise();  // what was packed goes
  }
}

ops::ImageView MovingWindows::local(const ops::ImageView& view) const {
  const Window* const window = current(view);
  if (window == nullptr || !window->copy) return view;
  const VoxelBox& box = window->boxes[static_cast<std::size_t>(communicator_.rank())];
  ops::ImageView out = view;
  out.extent.stride_y = box.end[0] - box.begin[0];
  out.extent.stride_z = out.extent.stride_y * (box.end[1] - box.begin[1]);
  out.extent.z_begin = 0;
  out.extent.z_end = view.extent.nz;
  const std::int64_t first =
      box.begin[2] * out.extent.stride_z + box.begin[1] * out.extent.stride_y + box.begin[0];
  out.data = window->copy.data() - first * static_cast<std::int64_t>(size_of(view.type));
  return out;
}

}  // namespace gigawarp::shard
