#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "gigawarp/box.h"
#include "gigawarp/transform.h"
#include "ops/apply.h"

/// Where the rows of a reference lattice lie in a moving volume.
namespace gigawarp::cpu {

/// One step of the compiled transform. Affines between fields are already multiplied.
struct ProgramStep {
  const Volume* field = nullptr;  ///< displacement, mm
  const BSplineField* spline = nullptr;
  Affine affine;            ///< applied when both pointers are null
  Affine voxel_from_world;  ///< of the field
};

/// A transform prepared for one reference lattice and one moving grid.
struct RowProgram {
  /// A displacement that lives on the reference lattice and is applied first: the voxels of
  /// `first_box`, mm; null where there is none.
  std::array<const float*, 3> first_field{};
  Box first_box;
  std::vector<ProgramStep> steps;  ///< what follows, up to the last affine
  Affine moving_from_world;        ///< the last affine and the moving grid, in one
  Affine moving_from_reference;    ///< the same from reference voxels; for programs without steps
};

/// The transform as a program; its fields must outlive it. `at_start`: no displacement goes before
/// the transform that is not part of it.
RowProgram compile(const Transform& transform, const Grid& reference, const Grid& moving,
                   bool at_start = true);

/// The same of a borrowed displacement with what goes before it.
RowProgram compile(const BorrowedMap& map, const Grid& reference, const Grid& moving);

/// Voxels of the reference lattice that `volume` holds: `box` of it.
void set_first_field(RowProgram& program, const Volume& displacement_mm, const Box& box);

/// Moving voxel positions of one row of the reference; NaN where the transform is undefined.
struct MappedRow {
  std::array<std::vector<double>, 3> position;
  explicit MappedRow(std::int64_t n) {
    for (auto& p : position) p.resize(static_cast<std::size_t>(n));
  }
  std::int64_t size() const { return static_cast<std::int64_t>(position[0].size()); }
};

/// Positions of the voxels from `at` (x, y, z of the reference) on, as many as the row has.
void find_positions(const RowProgram& program, const Grid& reference, const Size3& at,
                    MappedRow& row);

}  // namespace gigawarp::cpu
