#pragma once
#include <array>

#include "gigawarp/job.h"
#include "math/bfloat16.h"
#include "solve/objective.h"
#include "solve/registration.h"

namespace gigawarp::solve {

/// The dense state of the greedy solver at one level, in the memory and form of its back end.
///
/// Planar, 46 bytes per voxel: three field buffers that swap roles (u, gradient,
/// scratch/direction), the first moment in bfloat16 and one second moment per voxel. Compact, 24
/// bytes: u, the gradient and both moments, a word each; the next u is written where the gradient
/// was.
class GreedyState {
 public:
  GreedyState(const Size3& size, ops::Backend& backend);

  ops::FieldView displacement() const { return field(0); }
  ops::FieldView gradient() const { return field(1); }
  ops::FieldView direction() const;          ///< planar only
  ops::SlabView<float> scratch() const;      ///< absent where the back end samples itself
  ops::SlabView<float> symmetric_scratch();  ///< always there; allocated when first asked for
  ops::SlabView<math::Bfloat16> first_moment(int axis) const;  ///< planar only
  ops::SlabView<float> second_moment() const;                  ///< planar only
  ops::SlabView<std::uint64_t> moments() const;                ///< compact only
  /// After compose wrote the new displacement into gradient().
  void accept() { std::swap(fields_[0], fields_[1]); }
  /// For checkpoints, as long as this lives; `suffix` tells two states apart.
  std::vector<ArrayRef> arrays(const std::string& suffix = {}) const;
  void load(CheckpointStore& store, const std::string& suffix = {});
  const Size3& size() const { return size_; }
  ops::Backend& backend() const { return *backend_; }
  /// Frees all but the displacement; only displacement() may be used afterwards.
  void keep_displacement_only();

 private:
  ops::FieldView field(int i) const;
  std::vector<std::pair<std::string, const ops::Array*>> kept() const;
  std::int64_t voxels() const { return size_[0] * size_[1] * size_[2]; }

  Size3 size_;
  ops::Backend* backend_;
  std::array<ops::Array, 3> fields_;
  ops::Array first_, second_, symmetric_scratch_;
};

/// A displacement alone, zero at first, in the memory and form of its back end.
class Displacement {
 public:
  Displacement(const Size3& size, ops::Backend& backend);
  const ops::FieldView& view() const { return view_; }

 private:
  ops::Array array_;
  ops::FieldView view_;
};

/// Planes [begin, end) of a displacement as planar floats in host memory, whatever its form:
/// `component[c]` receives (end - begin) · nx · ny values; where the back end does not collect
/// results, none, and may be null.
void download_planes(const ops::FieldView& u, ops::ZRange planes, ops::Backend& backend,
                     float* const component[3]);
/// The other way: planes of `u` from planar floats in host memory.
void upload_planes(const float* const component[3], ops::ZRange planes, const ops::FieldView& u,
                   ops::Backend& backend);

}  // namespace gigawarp::solve
