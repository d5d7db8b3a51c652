#pragma once
#include <QImage>
#include <cstdlib>

namespace gigawarp::test {

/// How far two colours are apart, summed over the channels: 0…765.
inline int colour_distance(QRgb a, QRgb b) {
  return std::abs(qRed(a) - qRed(b)) + std::abs(qGreen(a) - qGreen(b)) +
         std::abs(qBlue(a) - qBlue(b));
}

/// How far two pictures of one size are apart.
struct PictureDistance {
  double mean = 0;      ///< colour_distance over all pixels
  double far_part = 0;  ///< share of the pixels that are more than 30 apart
};
inline PictureDistance picture_distance(const QImage& a, const QImage& b) {
  double sum = 0;
  int far = 0;
  for (int r = 0; r < a.height(); ++r)
    for (int c = 0; c < a.width(); ++c) {
      const int distance = colour_distance(a.pixel(c, r), b.pixel(c, r));
      sum += distance;
      far += distance > 30 ? 1 : 0;
    }
  const double pixels = static_cast<double>(a.width()) * a.height();
  return {sum / pixels, far / pixels};
}

/// Mean absolute difference of two pictures per channel, 0…255; 255 when their sizes differ.
inline double difference(const QImage& a, const QImage& b) {
  return a.size() != b.size() || a.isNull() ? 255 : picture_distance(a, b).mean / 3;
}

}  // namespace gigawarp::test
