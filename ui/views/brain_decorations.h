#pragma once
#include <QColor>
#include <QFont>
#include <QPainter>
#include <QRect>
#include <QStringList>
#include <vector>

#include "render/surface_cast.h"

namespace gigawarp::ui {

/// A label's line of the legend.
struct LegendEntry {
  QColor colour;
  QString number, name;  ///< the name is empty where it is unknown
};

/// What is written over the 3-D view.
struct BrainDecorations {
  QString heading;  ///< parts with " · " between them
  std::vector<LegendEntry> legend;
  QString words;  ///< what goes on, or why something is not shown
  render::CastAxes axes;
};

/// Where that stands, so that nothing covers the head as long as it is not zoomed. Logical pixels.
struct BrainLayout {
  QStringList heading;       ///< lines
  bool heading_cut = false;  ///< some of its words have no room
  QRect heading_box;
  QRect legend;             ///< with its ground; empty: none, or no room for one
  bool with_names = false;  ///< else the legend has numbers alone
  int rows = 0;             ///< labels of the legend
  QString others;           ///< the line after them that counts those without room, if any
  QRect words;              ///< empty: none
  QRect free;               ///< where the head is to be

  /// The label at a place; `rows`: the line that counts the others; -1: none.
  int row_at(const QPoint& place) const;
};

/// `button` is in the upper right corner.
BrainLayout lay_out(const BrainDecorations& decorations, const QSize& view, const QSize& button,
                    const QFont& font);
void draw(QPainter& painter, const BrainDecorations& decorations, const BrainLayout& layout,
          const QSize& view, const QFont& font);

/// Entries from `first` on, in colour: what a legend leaves out is told by a tooltip.
QString legend_html(const std::vector<LegendEntry>& legend, int first);

}  // namespace gigawarp::ui
