#pragma once
#include "solve/registration.h"
#include "support/scene.h"

namespace gigawarp::test {

/// All but `border` voxels on every side.
inline Volume mask_of(const Volume& volume, std::int64_t border) {
  const Size3 n = volume.grid().size;
  Volume mask(volume.grid(), ScalarType::u8);
  for (std::int64_t z = border; z < n[2] - border; ++z)
    for (std::int64_t y = border; y < n[1] - border; ++y)
      for (std::int64_t x = border; x < n[0] - border; ++x)
        mask.channel<std::uint8_t>()[(z * n[1] + y) * n[0] + x] = 1;
  return mask;
}

/// Odd sizes, 41 and 21 planes: slabs of eight devices are thinner than any halo.
class SlabPair {
 public:
  SlabPair()
      : fixed_(volume_of({27, 33, 41}, 2.0, bend)),
        moving_(volume_of({29, 31, 38}, 2.0, [](const Vec3& p) { return p; })),
        fixed_mask_(mask_of(fixed_, 3)),
        moving_mask_(mask_of(moving_, 2)) {}

  solve::RegistrationInput input(bool masked) const {
    solve::RegistrationInput in;
    in.fixed = {&fixed_};
    in.moving = {&moving_};
    if (masked) {
      in.fixed_mask = &fixed_mask_;
      in.moving_mask = &moving_mask_;
    }
    return in;
  }

 private:
  Volume fixed_, moving_, fixed_mask_, moving_mask_;
};

}  // namespace gigawarp::test
