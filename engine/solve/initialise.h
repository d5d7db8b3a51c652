#pragma once
#include <string>
#include <vector>

#include "gigawarp/job.h"
#include "solve/objective.h"

namespace gigawarp::solve {

struct InitialAlignment {
  Affine moving_from_fixed;
  std::string chosen;  ///< "centres of mass", "moments, rotation 3 of 24", …
  std::vector<std::string> warnings;
};

/// Centre of mass and principal axes of the intensities above the background.
struct Moments {
  Vec3 centre_mm;
  Mat3 axes;          ///< unit columns, largest spread first, right-handed
  Vec3 deviation_mm;  ///< standard deviation along each
};
Moments moments(const VolumeFeed& volume, const IntensityScale& scale);

/// The start of the first stage. `automatic` scores identity, centres and every proper rotation the
/// moments leave open (4 sign choices, all 24 when spreads are alike) by mutual information at
/// about 8 mm (of a human head), refines the best few rigidly and keeps the best; a rotation must
/// beat the headers' own orientation clearly. Mirrored candidates are scored too: one that beats
/// every rotation clearly means that a header lies about left and right, and throws
/// Error{bad_input}.
InitialAlignment initial_alignment(const Subject& subject, Initialisation how,
                                   ops::Backend& backend);

/// Whether initial_alignment() looks at the images, at this spacing then.
bool compares_candidates(const RegistrationInput& input, Initialisation how);
double comparison_spacing_mm(const Grid& fixed);

/// Least-squares rigid map of landmarks (Horn 1987). Throws Error{bad_input} for
/// fewer than 3 pairs or pairs on a line.
Affine fit_landmarks(const std::vector<std::pair<Vec3, Vec3>>& fixed_moving_mm);

}  // namespace gigawarp::solve
