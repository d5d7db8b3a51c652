#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "gigawarp/transform.h"
#include "gigawarp/volume.h"

namespace gigawarp::qc {

/// How log2 det J is distributed over the inside of a volume.
struct JacobianHistogram {
  double log2_range = 2;              ///< bins run from -log2_range to log2_range
  std::vector<std::int64_t> bins;     ///< equal widths in log2 det J
  std::int64_t folds = 0;             ///< det J <= 0, in no bin
  std::int64_t below = 0, above = 0;  ///< positive and outside the range of the bins
  std::int64_t voxels = 0;            ///< all of these together
};

/// `jacobian`: det J, f32; counted as ops::summarise_jacobian counts, two voxels inside the faces,
/// NaN left out. The same numbers for any number of threads.
JacobianHistogram jacobian_histogram(const Volume& jacobian, int bins = 96, double log2_range = 2);

/// What intensities meet in two images. Rows are bins of the moving image, low to high; columns
/// those of the fixed one.
struct JointHistogram {
  int bins = 0;
  std::vector<std::uint32_t> counts;
  std::int64_t samples = 0;
  double mutual_information = 0;  ///< nats, of these bins
};

/// At about `samples` evenly spaced voxels of the fixed image whose point lies inside the moving
/// one; `moving_from_fixed` null: the identity. Intensities outside a range count in its outer bin.
JointHistogram joint_histogram(const Volume& fixed, const Volume& moving,
                               const Transform* moving_from_fixed,
                               const std::pair<double, double>& fixed_range,
                               const std::pair<double, double>& moving_range, int bins = 64,
                               std::int64_t samples = 150'000);

}  // namespace gigawarp::qc
