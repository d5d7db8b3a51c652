#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "support/scene.h"

namespace gigawarp::test {

inline constexpr Size3 kSize{45, 52, 37};

/// A volume of any type.
inline Volume scene(ScalarType type) {
  const Volume smooth = volume_of(kSize, 2.0, [](const Vec3& p) { return p; });
  Volume out(smooth.grid(), type);
  dispatch(type, [&]<class T>() {
    for (std::int64_t i = 0; i < out.grid().voxel_count(); ++i)
      out.channel<T>()[i] = static_cast<T>(std::clamp(
          0.3F * static_cast<float>(smooth.channel<std::uint16_t>()[i]) + static_cast<float>(i % 7),
          0.0F, 127.0F));
  });
  return out;
}

inline bool same_bytes(const Volume& a, const Volume& b) {
  return a.bytes() == b.bytes() && std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

}  // namespace gigawarp::test
