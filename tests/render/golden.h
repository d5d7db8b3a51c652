#pragma once
#include <gtest/gtest.h>

#include <QImage>
#include <cstdlib>
#include <filesystem>

#include "render/contact_sheet.h"
#include "support/pictures.h"

namespace gigawarp::render {

/// Compares with tests/render/golden/<name>.png; GIGAWARP_WRITE_GOLDEN=1 writes it instead and
/// fails, so that nobody passes a test by setting it.
inline void expect_golden(const QImage& picture, const std::string& name) {
  const std::filesystem::path path =
      std::filesystem::path(GIGAWARP_GOLDEN_FOLDER) / (name + ".png");
  if (std::getenv("GIGAWARP_WRITE_GOLDEN") != nullptr) {
    write_png(picture, path);
    FAIL() << "wrote " << path << "; look at it, then run again";
  }
  const QImage golden(QString::fromStdString(path.string()));
  ASSERT_EQ(golden.size(), picture.size()) << name;
  const test::PictureDistance distance = test::picture_distance(picture, golden);
  EXPECT_LT(distance.mean, 1.0) << name;
  EXPECT_LT(distance.far_part, 0.002) << name;
}

}  // namespace gigawarp::render
