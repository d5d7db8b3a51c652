#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <string>

#include "gigawarp/error.h"
#include "gigawarp/volume.h"

namespace gigawarp::test {

/// A folder of its own, removed at the end.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gigawarp-XXXXXX").string();
    if (mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Rotated by 0.3 about z and by 0.2 about x, anisotropic, away from the origin.
inline Grid oblique_grid(const Size3& size, const Vec3& spacing_mm = {0.9, 1.1, 2.0}) {
  const double a = std::cos(0.3), b = std::sin(0.3), c = std::cos(0.2), d = std::sin(0.2);
  return Grid::from_itk(size, spacing_mm, {-12.5, 30.25, 7},
                        {{{a, -b * c, b * d}, {b, a * c, -a * d}, {0, d, c}}});
}

/// Smooth values between about 20 and 220 that differ everywhere.
inline Volume textured(const Grid& grid, ScalarType type, int channels = 1) {
  Volume volume(grid, type, channels);
  dispatch(type, [&]<class T>() {
    for (int c = 0; c < channels; ++c)
      for (std::int64_t z = 0; z < grid.size[2]; ++z)
        for (std::int64_t y = 0; y < grid.size[1]; ++y)
          for (std::int64_t x = 0; x < grid.size[0]; ++x) {
            const double v = 60 + 20 * std::sin(0.7 * static_cast<double>(x)) +
                             15 * std::cos(0.5 * static_cast<double>(y)) +
                             2 * static_cast<double>(z) + c;
            volume.channel<T>(c)[(z * grid.size[1] + y) * grid.size[0] + x] = static_cast<T>(v);
          }
  });
  return volume;
}

inline bool same_voxels(const Volume& a, const Volume& b) {
  return a.type() == b.type() && a.channels() == b.channels() && a.bytes() == b.bytes() &&
         std::equal(a.data(), a.data() + a.bytes(), b.data());
}

/// The sentence of the Error that `work` throws with `code`, or a failure.
inline std::string sentence_of(ErrorCode code, const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), static_cast<int>(code)) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error was thrown";
  return {};
}

}  // namespace gigawarp::test
