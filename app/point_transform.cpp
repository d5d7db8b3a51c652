#include "app/point_transform.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "app/transform_list.h"
#include "io/stopping.h"
#include "io/transform_io.h"
#include "job/source_feed.h"

namespace gigawarp::app {
namespace {

constexpr std::int64_t kMostHeld = std::int64_t{512} << 20;

/// Nothing for one that is held.
std::shared_ptr<const VolumeFeed> large_displacement(const TransformWord& word) {
  std::error_code code;  // the reader says what is wrong with the name
  if (word.inverse || !std::filesystem::is_regular_file(word.file, code)) return nullptr;
  std::shared_ptr<const VolumeFeed> feed = io::open_displacement(word.file);
  constexpr std::int64_t kVoxel = 3 * sizeof(float);
  return feed != nullptr && feed->grid().voxel_count() > kMostHeld / kVoxel ? feed : nullptr;
}

}  // namespace

void PointTransform::add(Transform&& held) {
  for (const TransformStage& stage : held.stages)
    if (const auto* affine = std::get_if<Affine>(&stage))
      mirrors_ = mirrors_ != (affine->determinant() < 0);
  if (!any_ && !held.stages.empty())
    if (const auto* field = std::get_if<DisplacementField>(&held.stages.front()))
      first_ = field->grid();
  any_ = true;
  stages_.add(std::move(held));
}

PointTransform::PointTransform(const std::vector<std::string>& words, bool inverse,
                               const std::stop_token& stop)
    : stop_(stop) {
  if (inverse) {
    add(read_transform_list(words, true));
    return;
  }
  for (const TransformWord& word : transform_list(words)) {
    std::shared_ptr<const VolumeFeed> feed = large_displacement(word);
    if (feed == nullptr) {
      add(read_transform_list(transform_words(word), false));
      continue;
    }
    if (!any_) first_ = feed->grid();
    any_ = true;
    stages_.add(job::stoppable(std::move(feed), stop));
  }
}

std::int64_t PointTransform::beyond_first(std::span<const Vec3> points_mm) const {
  if (!first_) return 0;
  const Affine voxel_from_world = first_->voxel_from_world();
  return std::count_if(points_mm.begin(), points_mm.end(), [&](const Vec3& point) {
    const Vec3 voxel = voxel_from_world(point);
    for (std::size_t a = 0; a < 3; ++a)
      if (voxel[a] < -0.5 || voxel[a] > static_cast<double>(first_->size[a]) - 0.5) return true;
    return false;
  });
}

void PointTransform::move(std::span<Vec3> points_mm,
                          const std::function<void(double done)>& tell) const {
  // Each piece reads the slabs that its points lie in again: where files are read, it is larger.
  const std::size_t at_once = std::size_t{1} << (stages_.streams() ? 23 : 18);
  const PointMap map = stages_.map();
  for (std::size_t at = 0; at < points_mm.size(); at += at_once) {
    io::look_at_work(stop_);
    map(points_mm.subspan(at, std::min(at_once, points_mm.size() - at)));
    tell(static_cast<double>(std::min(at + at_once, points_mm.size())) /
         static_cast<double>(points_mm.size()));
  }
}

}  // namespace gigawarp::app
