#pragma once
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "gigawarp/transform.h"
#include "gigawarp/volume_feed.h"

namespace gigawarp::qc {

/// A transform of which displacements that are too large for memory stay in their files and are
/// read as points need them. Stages are applied first to last, as those of Transform.
class StreamedTransform {
 public:
  using Feed = std::shared_ptr<const VolumeFeed>;

  void add(Transform&& held);
  void add(Feed displacement_mm);  ///< 3 channels of f32, mm

  bool empty() const { return parts_.empty(); }
  /// Some displacement is not in memory.
  bool streams() const;
  /// Exact at any point. Valid while this lives.
  PointMap map() const;
  /// A transform in memory that leads the voxels of `grid` where this leads them: 12 bytes for each
  /// of them. What lies between is interpolated.
  Transform at_voxels_of(const Grid& grid) const;
  /// Everything, when nothing streams; call once.
  Transform take_held();

  /// The only deformation, and the affine map that goes before it.
  struct Deformation {
    Feed displacement_mm;
    Affine before;
  };
  /// Nothing where there is none in a file, or another beside it.
  std::optional<Deformation> deformation() const;

 private:
  std::vector<std::variant<Transform, Feed>> parts_;
};

}  // namespace gigawarp::qc
