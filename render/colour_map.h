#pragma once
#include <QColor>
#include <QImage>

namespace gigawarp::render {

/// Colours that people with any common colour-vision deficiency can tell apart.
enum class ColourMap {
  grey,        ///< black to white
  diverging,   ///< blue, dark neutral in the middle, orange: lightness alone shows the size
  sequential,  ///< dark violet over green-blue to yellow
};

/// The colour of t in 0…1 (clamped).
QRgb colour_of(ColourMap map, double t);

/// Signals a defect (fold, outside): not on any of the maps.
inline constexpr QRgb kDefectColour = qRgb(255, 64, 220);
/// The pair of a blend, fixed and moving: their sum is a neutral grey.
inline constexpr QRgb kFixedColour = qRgb(255, 140, 26);
inline constexpr QRgb kMovingColour = qRgb(0, 115, 229);

}  // namespace gigawarp::render
