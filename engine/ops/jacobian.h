#pragma once
#include <cstdint>
#include <memory>

#include "gigawarp/transform.h"
#include "gigawarp/volume_feed.h"

namespace gigawarp::ops {

/// det J of x + u(x) over the inside of a grid: at least two voxels from every face (fewer where an
/// axis is shorter than five voxels), since one-sided differences at a face say little.
struct JacobianSummary {
  std::int64_t voxels = 0;  ///< counted: inside the border, in the mask, defined
  std::int64_t folds = 0;   ///< of these, det J <= 0
  std::int64_t undefined =
      0;  ///< inside border and mask, but the field says "outside" there or beside
  double folds_percent = 0;  ///< 100 folds / voxels
  double minimum = 0, maximum = 0, mean = 0;
  double sd_log = 0;  ///< standard deviation of ln det J over the voxels with det J > 0
};

/// det J per voxel, f32, on the field's grid: central differences inside, one-sided at the faces,
/// NaN where a neighbour is outside the domain of the field. An axis of one voxel has no
/// derivative.
Volume jacobian_determinant(const DisplacementField& displacement_mm);

/// Figures without storing the determinants. `mask`: on the field's grid, any type, non-zero
/// counts. The same bits for any number of threads. Throws Error{bad_input} when the mask is on
/// another grid.
JacobianSummary summarise_jacobian(const DisplacementField& displacement_mm,
                                   const Volume* mask = nullptr);
/// The same of displacements of which planes are read: 3 channels of f32, mm. The same bits.
JacobianSummary summarise_jacobian(const VolumeFeed& displacement_mm,
                                   const VolumeFeed* mask = nullptr);

/// summarise_jacobian() of displacements that come by, slab by slab along z, such as while they are
/// written: the same bits. `grid` has at least three planes.
class JacobianOfSlabs {
 public:
  explicit JacobianOfSlabs(const Grid& grid);
  ~JacobianOfSlabs();
  JacobianOfSlabs(const JacobianOfSlabs&) = delete;
  JacobianOfSlabs& operator=(const JacobianOfSlabs&) = delete;
  /// The next planes, from the first on: 3 channels of f32, mm.
  void add(const Volume& slab);
  JacobianSummary summary() const;  ///< once all have come

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// jacobian_determinant() of displacements of which planes are read, as it is asked for by planes.
std::shared_ptr<const VolumeFeed> jacobian_feed(std::shared_ptr<const VolumeFeed> displacement_mm);

}  // namespace gigawarp::ops
