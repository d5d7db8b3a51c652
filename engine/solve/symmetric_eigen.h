#pragma once
#include "gigawarp/grid.h"

namespace gigawarp::solve {

/// Eigenvalues (descending) and eigenvectors (columns, right-handed) of a symmetric 3×3 matrix, by
/// cyclic Jacobi rotations.
struct SymmetricEigen {
  Vec3 values;
  Mat3 vectors;
};
SymmetricEigen symmetric_eigen(Mat3 a);

}  // namespace gigawarp::solve
