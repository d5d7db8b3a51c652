#pragma once
#include <gtest/gtest.h>

#include <QImage>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "render/contact_sheet.h"

namespace gigawarp::render {

/// Mean difference of two pictures, summed over the channels; large when their sizes differ.
inline double picture_difference(const QImage& a, const QImage& b) {
  if (a.size() != b.size()) return 765;
  double sum = 0;
  for (int r = 0; r < a.height(); ++r)
    for (int c = 0; c < a.width(); ++c) {
      const QRgb p = a.pixel(c, r), q = b.pixel(c, r);
      sum += std::abs(qRed(p) - qRed(q)) + std::abs(qGreen(p) - qGreen(q)) +
             std::abs(qBlue(p) - qBlue(q));
    }
  return sum / (a.width() * a.height());
}

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
  double sum = 0;
  int far = 0;
  for (int r = 0; r < picture.height(); ++r)
    for (int c = 0; c < picture.width(); ++c) {
      const QRgb a = picture.pixel(c, r), b = golden.pixel(c, r);
      const int d = std::abs(qRed(a) - qRed(b)) + std::abs(qGreen(a) - qGreen(b)) +
                    std::abs(qBlue(a) - qBlue(b));
      sum += d;
      far += d > 30;
    }
  const double pixels = picture.width() * picture.height();
  EXPECT_LT(sum / pixels, 1.0) << name;
  EXPECT_LT(far / pixels, 0.002) << name;
}

}  // namespace gigawarp::render
