#pragma once
#include <gtest/gtest.h>

#include <QImage>
#include <cstdlib>
#include <filesystem>

#include "render/contact_sheet.h"
#include "support/pictures.h"

namespace gigawarp::render {

/// True when the picture is tests/render/golden/<name>.png but for what compilers and drivers
/// differ in; says how far it is from that.
inline testing::AssertionResult is_golden(const QImage& picture, const std::string& name) {
  constexpr double kMean = 1.0, kFarPart = 0.002;
  const std::filesystem::path path =
      std::filesystem::path(GIGAWARP_GOLDEN_FOLDER) / (name + ".png");
  const QImage golden(QString::fromStdString(path.string()));
  if (golden.isNull() || golden.size() != picture.size())
    return testing::AssertionFailure() << path << " is absent or of another size";
  const test::PictureDistance distance = test::picture_distance(picture, golden);
  const bool same = distance.mean < kMean && distance.far_part < kFarPart;
  return (same ? testing::AssertionSuccess() : testing::AssertionFailure())
         << name << ": mean distance " << distance.mean << " (below " << kMean << "), far off in "
         << distance.far_part << " of the pixels (below " << kFarPart << ")";
}

/// Compares with tests/render/golden/<name>.png; GIGAWARP_WRITE_GOLDEN=1 writes it instead and
/// fails, so that nobody passes a test by setting it.
inline void expect_golden(const QImage& picture, const std::string& name) {
  if (std::getenv("GIGAWARP_WRITE_GOLDEN") != nullptr) {
    const std::filesystem::path path =
        std::filesystem::path(GIGAWARP_GOLDEN_FOLDER) / (name + ".png");
    write_png(picture, path);
    FAIL() << "wrote " << path << "; look at it, then run again";
  }
  EXPECT_TRUE(is_golden(picture, name));
}

}  // namespace gigawarp::render
