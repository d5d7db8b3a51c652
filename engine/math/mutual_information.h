#pragma once
#include <cstdint>

#include "math/logarithm.h"

/// One cell of the joint histogram of Mattes mutual information (Mattes et al., IEEE TMI 22, 2003);
/// counts are whole numbers of any unit. The same bits wherever it is evaluated.
namespace gigawarp::math {

/// p(f, m) log(p(f, m) / (p(f) p(m))) of a cell of `n` of `total`; `fixed` and `moving` are the
/// sums of its row and column. MI adds these up along the rows first, then the rows.
GIGAWARP_HD double mi_term(std::int64_t n, std::int64_t total, std::int64_t fixed,
                           std::int64_t moving) {
  if (n <= 0) return 0.0;
  const auto joint = static_cast<double>(n), sum = static_cast<double>(total);
  const double ratio =
      logarithm(joint * sum / (static_cast<double>(fixed) * static_cast<double>(moving)));
  return std::fma(joint / sum, ratio, 0.0);  // rounded here, not fused with what it is added to
}

/// dL/dp(f, m) = −log p(f, m)/p(m) + const(f), L = −MI; the constant drops out because the
/// derivatives of the four B-spline weights of a voxel add up to zero. A cell touched with weights
/// below the fixed-point step counts as if it held half a step; one that no voxel touches is never
/// looked up.
GIGAWARP_HD float mi_derivative(std::int64_t n, std::int64_t moving) {
  const double in_column = moving > 1 ? static_cast<double>(moving) : 1.0;
  const double held = n > 0 ? static_cast<double>(n) : 0.5;
  return static_cast<float>(-logarithm(held / in_column));
}

}  // namespace gigawarp::math
