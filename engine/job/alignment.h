#pragma once
#include <utility>
#include <vector>

#include "gigawarp/transform.h"
#include "gigawarp/volume.h"

namespace gigawarp::job {

/// Alignments that a person begins with or goes on from; moving from fixed, LPS mm.

/// Rigid, by least squares over pairs of points of the fixed and the moving image. Throws
/// Error{bad_input} for fewer than 3 pairs or pairs on a line.
Affine align_landmarks(const std::vector<std::pair<Vec3, Vec3>>& fixed_moving_mm);

/// Rigid: centres of mass together and principal axes upon one another. Of the four rotations that
/// the axes' signs leave open it is the one nearest to the orientation that the files state.
Affine align_moments(const Volume& fixed, const Volume& moving);

}  // namespace gigawarp::job
