#include "ui/views/brain_decorations.h"

#include <QCoreApplication>
#include <QFontMetrics>
#include <algorithm>
#include <cmath>

#include "ui/views/slice_decorations.h"

namespace gigawarp::ui {
namespace {

constexpr QColor kText(235, 235, 235), kAxis(255, 214, 102), kPlate(20, 21, 24, 205);
constexpr int kMargin = 8, kTop = 5, kLine = 17;
constexpr int kRow = 16, kSwatch = 10, kSwatchGap = 5;
constexpr int kAxesWidth = 84;                          ///< of the letters in the lower left corner
constexpr int kLongestName = 240, kShortestName = 140;  ///< with its swatch
constexpr int kLeastHead = 100;  ///< a narrower one is worth more than a legend

QString separator() { return QStringLiteral(" · "); }
QString tr(const char* text) { return QCoreApplication::translate("gigawarp::ui", text); }

QFont sized(QFont font, int pixels) {
  font.setPixelSize(pixels);
  return font;
}
QFont title_font(const QFont& font) { return sized(font, 12); }
QFont legend_font(const QFont& font) { return sized(font, 11); }

QString others_text(int count, bool in_words) {
  return in_words ? tr("+ %1 more").arg(count) : QStringLiteral("+ %1").arg(count);
}

/// The number always: cut short, names may look alike.
QString entry_text(const LegendEntry& entry, bool with_name) {
  return with_name && !entry.name.isEmpty() ? entry.number + QLatin1Char(' ') + entry.name
                                            : entry.number;
}

/// Lines of whole parts where they fit, else of whole words.
QStringList wrapped(const QString& text, int width, const QFontMetrics& metrics) {
  QStringList lines;
  const auto fits = [&](const QString& line) { return metrics.horizontalAdvance(line) <= width; };
  for (const QString& part : text.split(separator())) {
    if (!lines.isEmpty() && fits(lines.back() + separator() + part)) {
      lines.back() += separator() + part;
      continue;
    }
    bool begun = false;
    for (const QString& word : part.split(QLatin1Char(' '))) {
      if (begun && fits(lines.back() + QLatin1Char(' ') + word))
        lines.back() += QLatin1Char(' ') + word;
      else
        lines << word;
      begun = true;
    }
  }
  return lines;
}

/// As much of the heading as may take a third of the height.
void lay_out_heading(const BrainDecorations& d, const QSize& view, int width, const QFont& font,
                     BrainLayout& out) {
  const QFontMetrics metrics(title_font(font));
  out.heading = wrapped(d.heading, width, metrics);
  const int most = std::max(1, view.height() / 3 / kLine);
  if (out.heading.size() > most) {
    out.heading = out.heading.mid(0, most);
    out.heading.back() += QStringLiteral(" …");
    out.heading_cut = true;
  }
  int widest = 0;
  for (QString& line : out.heading) {
    // An advance is rounded.
    const QString shown = metrics.elidedText(line, Qt::ElideRight, width + 1);
    out.heading_cut = out.heading_cut || shown != line;
    line = shown;
    widest = std::max(widest, metrics.horizontalAdvance(line));
  }
  out.heading_box = QRect(kMargin, kTop, widest, kLine * static_cast<int>(out.heading.size()));
}

/// Names where the head keeps two thirds of the width, else numbers, else nothing.
void lay_out_legend(const BrainDecorations& d, const QSize& view, int top, const QFont& font,
                    BrainLayout& out) {
  const int count = static_cast<int>(d.legend.size());
  const int room = (view.height() - top - 30) / kRow;
  if (count == 0 || room < std::min(count, 2)) return;
  out.rows = count <= room ? count : room - 1;
  const QFontMetrics metrics(legend_font(font));
  const auto widest = [&](bool with_names) {
    int width = 0;
    for (int i = 0; i < out.rows; ++i)
      width = std::max(width, metrics.horizontalAdvance(
                                  entry_text(d.legend[static_cast<std::size_t>(i)], with_names)));
    return kSwatch + kSwatchGap + width + 1;
  };
  const auto leaves_head = [&](int width) {
    return view.width() - width - 2 * kMargin >= kLeastHead;
  };
  const int numbers = widest(false), names = std::min(widest(true), kLongestName);
  const int third = view.width() / 3;
  out.with_names = names > numbers && third >= std::min(names, kShortestName);
  int width = out.with_names ? std::min(names, third) : numbers;
  if (out.rows < count) {
    out.others = others_text(count - out.rows, true);
    const auto with_others = [&] {
      return std::max(width, metrics.horizontalAdvance(out.others) + 1);
    };
    if (!leaves_head(with_others())) out.others = others_text(count - out.rows, false);
    width = with_others();
  }
  if (!leaves_head(width)) {
    out.rows = 0;
    return;
  }
  const int lines = out.rows + (out.rows < count ? 1 : 0);
  out.legend = QRect(view.width() - width - kMargin - kSwatchGap, top, width + 2 * kSwatchGap,
                     lines * kRow + 4);
}

/// Beside the letters of the axes, or over them where that is too narrow.
void lay_out_words(const BrainDecorations& d, const QSize& view, const QFont& font,
                   BrainLayout& out) {
  if (d.words.isEmpty()) return;
  const int left = view.width() - kAxesWidth - kMargin < 240 ? kMargin : kAxesWidth;
  const QRect below(left, view.height() / 2, view.width() - left - kMargin,
                    view.height() / 2 - kMargin);
  out.words = QFontMetrics(title_font(font))
                  .boundingRect(below, Qt::AlignRight | Qt::AlignBottom | Qt::TextWordWrap, d.words)
                  .intersected(below);
}

/// Legible over a bright head too.
void plate(QPainter& painter, const QRect& box) {
  painter.fillRect(box.adjusted(-3, -1, 3, 1), kPlate);
}

/// Three short axes with their letters, lower left; shorter where the head has little room.
void draw_letters(QPainter& painter, const BrainDecorations& d, const BrainLayout& layout,
                  const QSize& view, const QFont& font) {
  const double length =
      std::clamp(0.1 * std::min(layout.free.width(), layout.free.height()), 12.0, 26.0);
  const double corner = 1.45 * length + 9;
  const QPointF middle(corner, view.height() - corner);
  painter.setRenderHint(QPainter::Antialiasing);
  QFont bold = sized(font, length < 20 ? 11 : 13);
  bold.setBold(true);
  painter.setFont(bold);
  constexpr char kLetters[] = "LPS";
  for (std::size_t a = 0; a < 3; ++a) {
    const QPointF tip(length * d.axes.right[a], length * d.axes.down[a]);
    for (const QPen& pen : {QPen(QColor(0, 0, 0, 150), 3.6), QPen(kAxis, 1.6)}) {
      painter.setPen(pen);
      painter.drawLine(middle, middle + tip);
    }
    const QPointF at = middle + 1.45 * tip;
    outlined(painter, QRectF(at - QPointF(9, 9), QSizeF(18, 18)), Qt::AlignCenter,
             QString(QLatin1Char(kLetters[a])), kAxis);
  }
}

void draw_legend(QPainter& painter, const BrainDecorations& d, const BrainLayout& layout,
                 const QFont& font) {
  if (layout.legend.isEmpty()) return;
  painter.fillRect(layout.legend, kPlate);
  painter.setFont(legend_font(font));
  painter.setPen(kText);
  const int x = layout.legend.left() + kSwatchGap, right = layout.legend.right() - kSwatchGap;
  int y = layout.legend.top() + 2;
  for (int i = 0; i < layout.rows; ++i, y += kRow) {
    const LegendEntry& entry = d.legend[static_cast<std::size_t>(i)];
    painter.fillRect(QRect(x, y + 3, kSwatch, kSwatch), entry.colour);
    const QRect line(x + kSwatch + kSwatchGap, y, right - x - kSwatch - kSwatchGap + 1, kRow);
    painter.drawText(line, Qt::AlignLeft | Qt::AlignVCenter,
                     painter.fontMetrics().elidedText(entry_text(entry, layout.with_names),
                                                      Qt::ElideMiddle, line.width()));
  }
  painter.drawText(QRect(x, y, right - x + 1, kRow), Qt::AlignLeft | Qt::AlignVCenter,
                   layout.others);
}

}  // namespace

int BrainLayout::row_at(const QPoint& place) const {
  const int last = others.isEmpty() ? rows - 1 : rows;
  return legend.contains(place) ? std::clamp((place.y() - legend.top() - 2) / kRow, 0, last) : -1;
}

BrainLayout lay_out(const BrainDecorations& decorations, const QSize& view, const QSize& button,
                    const QFont& font) {
  BrainLayout out;
  const int under_button = button.height() + 10;
  lay_out_legend(decorations, view, under_button, font, out);
  const int beside = std::max(button.width() + 4, out.legend.isEmpty() ? 0 : out.legend.width());
  lay_out_heading(decorations, view, view.width() - beside - 2 * kMargin, font, out);
  lay_out_words(decorations, view, font, out);
  // A head leaves the corners alone, and with them the heading's first line.
  const int top = kLine * static_cast<int>(out.heading.size() - 1);
  const int right = out.legend.isEmpty() ? view.width() : out.legend.left();
  out.free = QRect(0, top, right, view.height() - top);
  return out;
}

void draw(QPainter& painter, const BrainDecorations& decorations, const BrainLayout& layout,
          const QSize& view, const QFont& font) {
  draw_letters(painter, decorations, layout, view, font);
  draw_legend(painter, decorations, layout, font);
  painter.setFont(title_font(font));
  plate(painter, layout.heading_box);
  painter.setPen(kText);
  for (int i = 0; i < layout.heading.size(); ++i)
    painter.drawText(QRect(kMargin, kTop + i * kLine, view.width(), kLine),
                     Qt::AlignLeft | Qt::AlignVCenter, layout.heading[i]);
  if (layout.words.isEmpty()) return;
  plate(painter, layout.words);
  painter.setPen(kAxis);
  painter.drawText(layout.words, Qt::AlignRight | Qt::AlignTop | Qt::TextWordWrap,
                   decorations.words);
}

QString legend_html(const std::vector<LegendEntry>& legend, int first) {
  constexpr int kMost = 40;
  QString rows;
  const int count = static_cast<int>(legend.size()), end = std::min(count, first + kMost);
  for (int i = first; i < end; ++i) {
    const LegendEntry& entry = legend[static_cast<std::size_t>(i)];
    rows +=
        QStringLiteral("<tr><td style=\"background:%1\">&nbsp;&nbsp;&nbsp;</td><td>%2</td></tr>")
            .arg(entry.colour.name(), entry_text(entry, true).toHtmlEscaped());
  }
  if (end < count)
    rows += QStringLiteral("<tr><td></td><td>%1</td></tr>").arg(others_text(count - end, true));
  return QStringLiteral("<table cellspacing=\"2\">%1</table>").arg(rows);
}

}  // namespace gigawarp::ui
