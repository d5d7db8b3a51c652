#include "solve/linear.h"

#include <algorithm>
#include <cmath>

namespace gigawarp::solve {
namespace {

using Vector = std::vector<double>;

/// A world transform about the centre of the fixed grid, and the directions a model allows.
class Chart {
 public:
  Chart(LinearModel model, const Grid& fixed) : model_(model), centre_(fixed.centre_mm()) {
    double squares = 0;
    for (const double side_mm : fixed.sides_mm()) squares += side_mm * side_mm / 12.0;
    radius_ = std::max(std::sqrt(squares), 1e-9);
  }

  std::size_t dimension() const {
    switch (model_) {
      case LinearModel::translation: return 3;
      case LinearModel::rigid: return 6;
      case LinearModel::similarity: return 7;
      case LinearModel::affine: break;
    }
    return 12;
  }

  /// y = L (x - c) + o.
  struct Centred {
    Mat3 linear;
    Vec3 offset;
  };
  Centred centred(const Affine& t) const { return {t.linear, t(centre_)}; }
  Affine world(const Centred& m) const {
    Affine t;
    t.linear = m.linear;
    const Vec3 back = t.map_vector(centre_);
    for (int r = 0; r < 3; ++r) t.offset[r] = m.offset[r] - back[r];
    return t;
  }

  /// The point reached from `t` by the parameter step `p`.
  Affine moved(const Affine& t, const Vector& p) const {
    Centred m = centred(t);
    for (int r = 0; r < 3; ++r) m.offset[r] += p[static_cast<std::size_t>(r)];
    if (model_ == LinearModel::affine) {
      for (int r = 0; r < 3; ++r)
        for (int c = 0; c < 3; ++c) m.linear[r][c] += p[3 + 3 * r + c] / radius_;
    } else if (model_ != LinearModel::translation) {
      Affine rotation;
      rotation.linear = rotation_of({p[3] / radius_, p[4] / radius_, p[5] / radius_});
      if (model_ == LinearModel::similarity) {
        const double s = std::exp(p[6] / radius_);
        for (auto& row : rotation.linear)
          for (double& v : row) v *= s;
      }
      Affine linear;
      linear.linear = m.linear;
      m.linear = (rotation * linear).linear;
    }
    return world(m);
  }

  /// dL/dp at p = 0 from dL/d(world linear, offset).
  Vector gradient(const Affine& t, const double g[3][4]) const {
    // With y = L (x - c) + o the world offset is o - L c: dL/dL|o = G - g cᵀ.
    Mat3 d{};
    for (int r = 0; r < 3; ++r)
      for (int c = 0; c < 3; ++c) d[r][c] = g[r][c] - g[r][3] * centre_[c];
    Vector out(dimension(), 0.0);
    for (int r = 0; r < 3; ++r) out[static_cast<std::size_t>(r)] = g[r][3];
    if (model_ == LinearModel::affine) {
      for (int r = 0; r < 3; ++r)
        for (int c = 0; c < 3; ++c) out[3 + 3 * r + c] = d[r][c] / radius_;
    } else if (model_ != LinearModel::translation) {
      // d exp([w]x) L / dw_k = [e_k]x L; contraction with d is the axial vector of d Lᵀ.
      Mat3 m{};
      for (int r = 0; r < 3; ++r)
        for (int c = 0; c < 3; ++c)
          for (int k = 0; k < 3; ++k) m[r][c] += d[r][k] * t.linear[c][k];
      out[3] = (m[2][1] - m[1][2]) / radius_;
      out[4] = (m[0][2] - m[2][0]) / radius_;
      out[5] = (m[1][0] - m[0][1]) / radius_;
      if (model_ == LinearModel::similarity) out[6] = (m[0][0] + m[1][1] + m[2][2]) / radius_;
    }
    return out;
  }

  static Mat3 rotation_of(const Vec3& w) {
    const double angle = std::sqrt(w[0] * w[0] + w[1] * w[1] + w[2] * w[2]);
    const double s = angle > 1e-12 ? std::sin(angle) / angle : 1.0;
    const double c = angle > 1e-12 ? (1 - std::cos(angle)) / (angle * angle) : 0.5;
    const Mat3 k{{{0, -w[2], w[1]}, {w[2], 0, -w[0]}, {-w[1], w[0], 0}}};
    Mat3 out{};
    for (int r = 0; r < 3; ++r)
      for (int q = 0; q < 3; ++q) {
        double square = 0;
        for (int j = 0; j < 3; ++j) square += k[r][j] * k[j][q];
        out[r][q] = (r == q ? 1.0 : 0.0) + s * k[r][q] + c * square;
      }
    return out;
  }

 private:
  LinearModel model_;
  Vec3 centre_;
  double radius_ = 1;
};

double dot(const Vector& a, const Vector& b) {
  double s = 0;
  for (std::size_t i = 0; i < a.size(); ++i) s += a[i] * b[i];
  return s;
}

/// Inverse Hessian estimate of BFGS.
class InverseHessian {
 public:
  explicit InverseHessian(std::size_t n) : n_(n), h_(n * n, 0.0) { reset(1.0); }
  void reset(double scale) {
    std::fill(h_.begin(), h_.end(), 0.0);
    for (std::size_t i = 0; i < n_; ++i) h_[i * n_ + i] = scale;
  }
  Vector times(const Vector& g) const {
    Vector out(n_, 0.0);
    for (std::size_t i = 0; i < n_; ++i)
      for (std::size_t j = 0; j < n_; ++j) out[i] += h_[i * n_ + j] * g[j];
    return out;
  }
  void update(const Vector& s, const Vector& y) {
    const double sy = dot(s, y);
    if (!(sy > 1e-12 * std::sqrt(dot(s, s) * dot(y, y)))) return;
    if (first_) {
      reset(sy / dot(y, y));
      first_ = false;
    }
    const Vector hy = times(y);
    const double yhy = dot(y, hy);
    for (std::size_t i = 0; i < n_; ++i)
      for (std::size_t j = 0; j < n_; ++j)
        h_[i * n_ + j] += (1 + yhy / sy) * s[i] * s[j] / sy - (hy[i] * s[j] + s[i] * hy[j]) / sy;
  }

 private:
  std::size_t n_;
  std::vector<double> h_;
  bool first_ = true;
};

}  // namespace

LinearResult solve_linear(Objective& objective, const Affine& start, const LinearOptions& options,
                          const LinearProgress& progress) {
  const Grid& grid = objective.fixed_level().grid;
  const Chart chart(options.model, grid);
  const Vec3 spacing = grid.spacing_mm();
  const double voxel = std::max({spacing[0], spacing[1], spacing[2]});
  const double longest_step = 2.0 * voxel;  // mm, in scaled parameters

  LinearResult result;
  result.moving_from_fixed = start;
  Objective::Linear here = objective.linear(start);
  result.loss = here.loss;
  const double start_overlap = here.overlap;
  Vector gradient = chart.gradient(start, here.gradient);
  InverseHessian hessian(chart.dimension());
  bool fresh = true;
  int small_steps = 0;
  for (int i = 1; i <= options.iterations; ++i) {
    const double norm = std::sqrt(dot(gradient, gradient));
    if (!(norm > 1e-12)) {
      result.converged = true;
      break;
    }
    Vector step = hessian.times(gradient);
    for (double& v : step) v = -v;
    double slope = dot(step, gradient);
    if (fresh || !(slope < 0)) {
      for (std::size_t k = 0; k < step.size(); ++k) step[k] = -gradient[k] / norm * 0.5 * voxel;
      slope = dot(step, gradient);
    }
    const double length = std::sqrt(dot(step, step));
    double scale = std::min(1.0, longest_step / length);
    // Backtracking until the loss falls enough (Armijo) and the volumes still overlap.
    Affine next;
    Objective::Linear there;
    bool accepted = false;
    for (int attempt = 0; attempt < 12 && !accepted; ++attempt, scale *= 0.4) {
      Vector scaled = step;
      for (double& v : scaled) v *= scale;
      next = chart.moved(result.moving_from_fixed, scaled);
      there = objective.linear(next);
      accepted =
          there.loss <= result.loss + 1e-4 * scale * slope && there.overlap > 0.5 * start_overlap;
      if (accepted) {
        const Vector next_gradient = chart.gradient(next, there.gradient);
        Vector change = next_gradient;
        for (std::size_t k = 0; k < change.size(); ++k) change[k] -= gradient[k];
        hessian.update(scaled, change);
        gradient = next_gradient;
      }
    }
    if (!accepted) {
      if (fresh) {
        result.converged = true;
        break;
      }
      hessian = InverseHessian(chart.dimension());  // once more, along the gradient
      fresh = true;
      continue;
    }
    fresh = false;
    const double gain = result.loss - there.loss;
    result.moving_from_fixed = next;
    result.loss = there.loss;
    result.iterations = i;
    result.losses.push_back(there.loss);
    progress(i, there.loss, length * scale / 0.4 / voxel, result.moving_from_fixed);
    small_steps =
        gain < options.convergence * std::max(1e-3, std::abs(there.loss)) ? small_steps + 1 : 0;
    if (small_steps >= 3) {
      result.converged = true;
      break;
    }
  }
  return result;
}

}  // namespace gigawarp::solve
