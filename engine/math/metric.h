#pragma once
#include "math/host_device.h"
#include "math/quick.h"

/// The similarity formulas of engine.md §2 at one voxel, shared by every back end and the
/// reference.
namespace gigawarp::math {

template <class Real>
struct LnccCoefficients {
  Real cc;  ///< squared local correlation, 0…1, of windows with structure
  Real p, q, r;
};

/// From window means (sums of w·F, w·M, w·F², w·M², w·F·M divided by the window weight n), with c,
/// a, b the window covariance and variances: cc = (c²+ε)/(ab+ε) − ε/(a²+ε).
///
/// The plain c²/(ab+ε) is not largest where M equals F: in windows of little variance it still
/// grows with b, so that an identical pair would drift (affine stages by millimetres).
/// (c²+ε)/(ab+ε) is at most 1, by Cauchy and Schwarz, and reaches it exactly where M is a linear
/// function of F, whatever ε. The last term depends on F alone: flat windows give 0 and the
/// gradient does not see it.
///
/// d cc(x)/dM(y) = k(x-y)/n · (F(y)·p − M(y)·q + r) for y in the window; cpu/lncc.cpp sums over x.
template <class Real>
GIGAWARP_HD LnccCoefficients<Real> lncc_coefficients(Real mean_f, Real mean_m, Real mean_ff,
                                                     Real mean_mm, Real mean_fm, Real epsilon) {
  const Real c = mean_fm - mean_f * mean_m;
  Real a = mean_ff - mean_f * mean_f;
  Real b = mean_mm - mean_m * mean_m;
  a = a > Real(0) ? a : Real(0);  // rounding can make a flat window's variance slightly negative
  b = b > Real(0) ? b : Real(0);
  const Real d = quick_quotient(Real(1), a * b + epsilon);
  LnccCoefficients<Real> out;
  const Real matched = (c * c + epsilon) * d;
  out.cc = matched - quick_quotient(epsilon, a * a + epsilon);
  out.p = Real(2) * c * d;
  out.q = Real(2) * matched * a * d;
  out.r = out.q * mean_m - out.p * mean_f;
  return out;
}

/// Cubic B-spline weights of the four bins around a position with fractional part t in [0, 1).
template <class Real>
GIGAWARP_HD void cubic_bspline_weights(Real t, Real w[4]) {
  const Real u = Real(1) - t;
  const Real sixth = Real(1) / Real(6);
  w[0] = u * u * u * sixth;
  w[1] = (Real(3) * t * t * t - Real(6) * t * t + Real(4)) * sixth;
  w[2] = (Real(3) * u * u * u - Real(6) * u * u + Real(4)) * sixth;
  w[3] = t * t * t * sixth;
}

/// Derivatives of those weights with respect to t; they sum to zero.
template <class Real>
GIGAWARP_HD void cubic_bspline_derivatives(Real t, Real d[4]) {
  const Real u = Real(1) - t;
  d[0] = Real(-0.5) * u * u;
  d[1] = Real(1.5) * t * t - Real(2) * t;
  d[2] = Real(2) * u - Real(1.5) * u * u;
  d[3] = Real(0.5) * t * t;
}

/// Σ d_k(t) table[k] of those derivatives, as a polynomial in t.
template <class Real>
struct Quadratic {
  Real constant, linear, square;
};
template <class Real>
GIGAWARP_HD Quadratic<Real> cubic_bspline_slope(const Real table[4]) {
  return {Real(0.5) * (table[2] - table[0]), table[0] - Real(2) * table[1] + table[2],
          Real(0.5) * (table[3] - table[0]) + Real(1.5) * (table[1] - table[2])};
}

}  // namespace gigawarp::math
