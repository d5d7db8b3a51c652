#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "qc/report.h"

namespace gigawarp::qc {

/// A place that deserves a look before the rest.
struct WorstPlace {
  Vec3 position_mm{};  ///< world, in the fixed image
  std::string reason;  ///< "fold, det J -0.2", "local correlation 0.12", "landmark 5.1 mm off"
};

/// The places least to be trusted, worst first: folds, landmarks by their residual, regions of the
/// fixed foreground (brighter than its mean) with the lowest local correlation, and the strongest
/// compression and growth, in turn. Regions are cubes of about 1/20 of the volume's longest side,
/// one place each. `jacobian`: of assessment.displacement; `count` of each kind at most.
std::vector<WorstPlace> worst_places(const Volume& fixed, const Assessment& assessment,
                                     const Volume& jacobian,
                                     const std::vector<NamedPoint>& fixed_landmarks,
                                     std::size_t count);

}  // namespace gigawarp::qc
