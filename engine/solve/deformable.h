#pragma once
#include <array>

#include "gigawarp/job.h"
#include "math/bfloat16.h"
#include "solve/objective.h"
#include "solve/registration.h"

namespace gigawarp::solve {

/// The dense state of the greedy solver at one level, 46 bytes per voxel: three field buffers that
/// swap roles (u, gradient, scratch/direction), the first moment in bfloat16 and one second moment
/// per voxel.
class GreedyState {
 public:
  explicit GreedyState(const Size3& size);

  ops::FieldView displacement() const { return field(0); }
  ops::FieldView gradient() const { return field(1); }
  ops::FieldView direction() const { return field(2); }
  ops::SlabView<float> scratch() const { return field(2).component[0]; }
  ops::SlabView<math::Bfloat16> first_moment(int axis) const;
  ops::SlabView<float> second_moment() const;
  /// After compose wrote the new displacement into gradient().
  void accept() { std::swap(fields_[0], fields_[1]); }
  /// For checkpoints; `suffix` tells two states apart.
  std::vector<ArrayRef> arrays(const std::string& suffix = {}) const;
  void load(CheckpointStore& store, const std::string& suffix = {});
  const Size3& size() const { return size_; }
  /// Frees all but the displacement; only displacement() may be used afterwards.
  void keep_displacement_only();

 private:
  ops::FieldView field(int i) const;
  Size3 size_;
  std::array<Buffer, 3> fields_;
  Buffer first_, second_;
};

}  // namespace gigawarp::solve
