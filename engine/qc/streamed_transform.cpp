#include "qc/streamed_transform.h"

#include <algorithm>
#include <utility>

namespace gigawarp::qc {
namespace {

/// Points that are mapped at once: files are read by slabs, each about once.
constexpr std::int64_t kPoints = std::int64_t{1} << 20;

/// What `map` adds to the voxels of a grid, mm; NaN where it leads nowhere.
DisplacementField sampled(const PointMap& map, const Grid& grid) {
  DisplacementField out(grid);
  const Size3& n = grid.size;
  const std::int64_t plane = n[0] * n[1];
  const std::int64_t at_once = std::max<std::int64_t>(1, kPoints / plane);
  for (std::int64_t first = 0; first < n[2]; first += at_once) {
    const std::int64_t planes = std::min(at_once, n[2] - first);
    std::vector<Vec3> points(static_cast<std::size_t>(planes * plane));
    const auto voxel = [&](std::int64_t i) {
      const std::int64_t z = first + i / plane;
      return grid.world_from_voxel({static_cast<double>(i % n[0]),
                                    static_cast<double>(i / n[0] % n[1]), static_cast<double>(z)});
    };
    for (std::int64_t i = 0; i < planes * plane; ++i)
      points[static_cast<std::size_t>(i)] = voxel(i);
    map(points);
    for (std::int64_t i = 0; i < planes * plane; ++i) {
      const Vec3 from = voxel(i), &to = points[static_cast<std::size_t>(i)];
      for (int c = 0; c < 3; ++c)
        out.component_mm(c)[first * plane + i] =
            static_cast<float>(to[static_cast<std::size_t>(c)] - from[static_cast<std::size_t>(c)]);
    }
  }
  return out;
}

bool is_deformation(const TransformStage& stage) { return !std::holds_alternative<Affine>(stage); }

}  // namespace

void StreamedTransform::add(Transform&& held) { parts_.emplace_back(std::move(held)); }
void StreamedTransform::add(Feed displacement_mm) {
  parts_.emplace_back(std::move(displacement_mm));
}

bool StreamedTransform::streams() const {
  return std::any_of(parts_.begin(), parts_.end(),
                     [](const auto& part) { return std::holds_alternative<Feed>(part); });
}

PointMap StreamedTransform::map() const {
  return [this](std::span<Vec3> points) {
    for (const auto& part : parts_)
      if (const Feed* feed = std::get_if<Feed>(&part))
        displace(**feed, points);
      else
        point_map(std::get<Transform>(part))(points);
  };
}

Transform StreamedTransform::at_voxels_of(const Grid& grid) const {
  Transform out;
  const bool affine_after = !parts_.empty() && std::holds_alternative<Feed>(parts_.front()) &&
                            std::all_of(parts_.begin() + 1, parts_.end(), [](const auto& part) {
                              const Transform* held = std::get_if<Transform>(&part);
                              return held != nullptr && held->is_affine();
                            });
  if (!affine_after) {
    out.stages.emplace_back(sampled(map(), grid));
    return out;
  }
  // The deformation apart, as pictures show it.
  const Feed& first = std::get<Feed>(parts_.front());
  out.stages.emplace_back(sampled([&](std::span<Vec3> points) { displace(*first, points); }, grid));
  for (auto part = parts_.begin() + 1; part != parts_.end(); ++part)
    out.stages.emplace_back(std::get<Transform>(*part).as_affine());
  return out;
}

Transform StreamedTransform::take_held() {
  Transform out;
  for (auto& part : parts_) {
    auto& held = std::get<Transform>(part);
    held.sources.resize(held.stages.size());
    std::move(held.stages.begin(), held.stages.end(), std::back_inserter(out.stages));
    std::move(held.sources.begin(), held.sources.end(), std::back_inserter(out.sources));
  }
  parts_.clear();
  return out;
}

std::optional<StreamedTransform::Deformation> StreamedTransform::deformation() const {
  std::optional<Deformation> found;
  Affine before;
  for (const auto& part : parts_) {
    if (const Feed* feed = std::get_if<Feed>(&part)) {
      if (found) return std::nullopt;
      found = {*feed, before};
      continue;
    }
    for (const TransformStage& stage : std::get<Transform>(part).stages)
      if (is_deformation(stage))
        return std::nullopt;
      else
        before = std::get<Affine>(stage) * before;
  }
  return found;
}

}  // namespace gigawarp::qc
