#include "solve/symmetric_eigen.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace gigawarp::solve {

SymmetricEigen symmetric_eigen(Mat3 a) {
  Mat3 v{{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
  constexpr std::array<std::pair<int, int>, 3> kPairs{{{0, 1}, {0, 2}, {1, 2}}};
  for (int sweep = 0; sweep < 50; ++sweep) {
    const double off = a[0][1] * a[0][1] + a[0][2] * a[0][2] + a[1][2] * a[1][2];
    const double diagonal = a[0][0] * a[0][0] + a[1][1] * a[1][1] + a[2][2] * a[2][2];
    if (off <= 1e-30 * diagonal || off == 0) break;
    for (const auto& [p, q] : kPairs) {
      if (a[p][q] == 0) continue;
      const double theta = 0.5 * (a[q][q] - a[p][p]) / a[p][q];
      const double t =
          (theta >= 0 ? 1.0 : -1.0) / (std::abs(theta) + std::sqrt(theta * theta + 1.0));
      const double c = 1.0 / std::sqrt(t * t + 1.0), s = t * c;
      for (int k = 0; k < 3; ++k) {
        const double akp = a[k][p], akq = a[k][q];
        a[k][p] = c * akp - s * akq;
        a[k][q] = s * akp + c * akq;
      }
      for (int k = 0; k < 3; ++k) {
        const double apk = a[p][k], aqk = a[q][k];
        a[p][k] = c * apk - s * aqk;
        a[q][k] = s * apk + c * aqk;
        const double vkp = v[k][p], vkq = v[k][q];
        v[k][p] = c * vkp - s * vkq;
        v[k][q] = s * vkp + c * vkq;
      }
    }
  }
  std::array<int, 3> order{0, 1, 2};
  std::sort(order.begin(), order.end(), [&](int i, int j) { return a[i][i] > a[j][j]; });
  SymmetricEigen out{};
  for (int k = 0; k < 3; ++k) {
    out.values[k] = a[order[k]][order[k]];
    for (int r = 0; r < 3; ++r) out.vectors[r][k] = v[r][order[k]];
  }
  Affine m;
  m.linear = out.vectors;
  if (m.determinant() < 0)
    for (int r = 0; r < 3; ++r) out.vectors[r][2] = -out.vectors[r][2];
  return out;
}

}  // namespace gigawarp::solve
