#pragma once
#include <QColor>
#include <QPainter>
#include <QString>

#include "qc/histograms.h"
#include "render/colour_map.h"

namespace gigawarp::render {

/// Of the surface a chart is drawn on, so that it reads in light and in dark.
struct ChartColours {
  QColor ground, text, dim;
};
inline const ChartColours kPaper{QColor(255, 255, 255), QColor(29, 31, 35), QColor(110, 114, 122)};

/// Bars over log2 det J, shrinking voxels in blue and growing ones in orange, 1 marked; the counts
/// on a logarithmic scale, named by `counts_label`. Folds are a bar of their own in the defect
/// colour, left of the axis.
void draw_jacobian_histogram(QPainter& painter, const QRectF& box,
                             const qc::JacobianHistogram& histogram, const QString& counts_label,
                             const ChartColours& colours);

/// The fixed image's intensities to the right, the moving one's upwards; more counts are brighter,
/// on a logarithmic scale.
void draw_joint_histogram(QPainter& painter, const QRectF& box, const qc::JointHistogram& histogram,
                          const QString& fixed_label, const QString& moving_label,
                          const ChartColours& colours);

/// A scale with ticks: colours of a map from left to right, the first and last tick at its ends.
void draw_colour_bar(QPainter& painter, const QRectF& bar, ColourMap map, bool reversed);

}  // namespace gigawarp::render
