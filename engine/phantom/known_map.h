#pragma once
#include <array>

#include "gigawarp/grid.h"
#include "phantom/phantom.h"

namespace gigawarp::phantom {

/// One term of u: amplitude_mm * sin(wave . (x - centre) + phase).
struct PlaneWave {
  Vec3 wave_per_mm{};  ///< radians per mm
  Vec3 amplitude_mm{};
  double phase = 0;
};

/// phi(x) = A(x + u(x)), in world mm.
class KnownMap {
 public:
  static constexpr int kWaves = 6;
  KnownMap() = default;
  /// `scale` is mm per nominal mm. Throws Error{usage} when the deformation would fold.
  KnownMap(const PhantomSpec& spec, const Vec3& centre_mm, double scale);

  Vec3 operator()(const Vec3& fixed_mm) const;
  Vec3 inverse(const Vec3& moving_mm) const;
  const Affine& affine() const { return affine_; }
  const std::array<PlaneWave, kWaves>& waves() const { return waves_; }

 private:
  Vec3 displacement(const Vec3& fixed_mm) const;
  Mat3 gradient(const Vec3& fixed_mm) const;  ///< of u
  void scale_to(double deformation_mm, double scale);

  Vec3 centre_mm_{};
  Affine affine_;
  std::array<PlaneWave, kWaves> waves_;
};

/// Uniform numbers in [0, 1) from a counter: the same on every machine.
class CounterRandom {
 public:
  explicit CounterRandom(std::uint64_t seed) : state_(seed) {}
  double uniform();
  double between(double low, double high) { return low + (high - low) * uniform(); }

 private:
  std::uint64_t state_;
};

}  // namespace gigawarp::phantom
