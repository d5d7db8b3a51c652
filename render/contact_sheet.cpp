#include "render/contact_sheet.h"

#include <QFontMetrics>
#include <QPainter>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "base/replace_file.h"
#include "gigawarp/error.h"
#include "ops/jacobian.h"
#include "render/compare_modes.h"
#include "render/slice_sampler.h"

namespace gigawarp::render {
namespace {

constexpr int kColumns = 7;
constexpr int kGap = 6, kMargin = 18, kRowLabel = 92;
constexpr QRgb kText = qRgb(222, 224, 228), kFaintText = qRgb(150, 154, 162);

QFont font(int pixels, bool bold = false) {
  QFont out(QStringLiteral("DejaVu Sans"));
  out.setPixelSize(pixels);
  out.setBold(bold);
  return out;
}

/// What the rows need of the pair, worked out once.
struct Scene {
  const Volume& fixed;
  const qc::Assessment& assessment;
  const SheetOptions& options;
  Window fixed_window, warped_window;
  Volume determinant;
  VoxelBox box;
  double pixel_mm = 1;
  double grid_mm = 10;
  std::vector<SliceGeometry> rows;

  Scene(const Volume& fixed_volume, const qc::Assessment& a, const SheetOptions& o)
      : fixed(fixed_volume), assessment(a), options(o) {
    fixed_window = percentile_window(fixed);
    warped_window = percentile_window(a.warped);
    if (!a.displacement.volume().empty()) determinant = ops::jacobian_determinant(a.displacement);
    const Vec3 spacing = fixed.grid().spacing_mm();
    box = content_box(fixed, 4 * *std::max_element(spacing.begin(), spacing.end()));
    const Vec3 step = reordered(fixed.grid(), canonical_order(fixed.grid())).spacing_mm();
    double longest = 0;
    for (int axis = 0; axis < 3; ++axis)
      longest = std::max(longest, (box.high[axis] - box.low[axis] + 1) * step[axis]);
    pixel_mm = longest / options.panel_pixels;
    grid_mm = round_length(longest / 18);
    for (const Plane plane : {Plane::axial, Plane::coronal, Plane::sagittal})
      for (int i = 0; i < options.slices_per_plane; ++i) {
        const double fraction = (i + 1.0) / (options.slices_per_plane + 1.0);
        rows.push_back(slice_geometry(fixed.grid(), box, plane, 0.08 + 0.84 * fraction, pixel_mm));
      }
  }

  /// The nearest 1, 2 or 5 times a power of ten.
  static double round_length(double mm) {
    const double power = std::pow(10.0, std::floor(std::log10(mm)));
    const double lead = mm / power;
    return power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
  }
};

/// Displacement of the slice's pixels along one of its directions.
SliceImage displacement_along(const DisplacementField& field, const SliceGeometry& geometry,
                              const Vec3& direction_mm) {
  const double length = std::hypot(direction_mm[0], direction_mm[1], direction_mm[2]);
  SliceImage out;
  for (int c = 0; c < 3; ++c) {
    const SliceImage part = sample_slice(field.volume(), geometry, SliceInterpolation::linear, c);
    if (c == 0) {
      out = part;
      std::fill(out.values.begin(), out.values.end(), 0.0F);
    }
    const auto weight = static_cast<float>(direction_mm[c] / length);
    for (std::size_t i = 0; i < out.values.size(); ++i) out.values[i] += weight * part.values[i];
  }
  return out;
}

std::array<QImage, kColumns> panels(const Scene& scene, const SliceGeometry& geometry) {
  const SliceImage fixed = sample_slice(scene.fixed, geometry);
  SliceImage warped = sample_slice(scene.assessment.warped, geometry);
  const SliceImage inside =
      sample_slice(scene.assessment.inside, geometry, SliceInterpolation::nearest);
  for (std::size_t i = 0; i < warped.values.size(); ++i)
    if (!(inside.values[i] > 0)) warped.values[i] = std::numeric_limits<float>::quiet_NaN();
  const Window &f = scene.fixed_window, &w = scene.warped_window;
  const Vec3 spacing = scene.fixed.grid().spacing_mm();
  const double voxel_mm = std::cbrt(spacing[0] * spacing[1] * spacing[2]);
  const double sigma = std::max(1.0, 1.1 * voxel_mm / geometry.pixel_mm);
  std::array<QImage, kColumns> out{
      grey_picture(fixed, f), grey_picture(warped, w), blend_picture(fixed, f, warped, w),
      edges_picture(fixed, f, warped, w, sigma), difference_picture(fixed, f, warped, w)};
  if (scene.determinant.empty()) return out;
  out[5] = jacobian_picture(sample_slice(scene.determinant, geometry),
                            scene.options.jacobian_log2_range);
  draw_edges(out[5], fixed, f, sigma, qRgb(160, 164, 170), 0.4);
  const DisplacementField& field = scene.assessment.displacement;
  out[6] = grid_picture(displacement_along(field, geometry, geometry.right_mm),
                        displacement_along(field, geometry, geometry.down_mm), geometry.pixel_mm,
                        scene.grid_mm, fixed, f);
  return out;
}

/// Text with a dark rim, legible on any picture.
void rimmed_text(QPainter& painter, const QRect& where, int flags, const QString& text) {
  painter.setPen(QColor(0, 0, 0, 200));
  for (int dy = -1; dy <= 1; ++dy)
    for (int dx = -1; dx <= 1; ++dx) painter.drawText(where.translated(dx, dy), flags, text);
  painter.setPen(QColor(255, 255, 255));
  painter.drawText(where, flags, text);
}

void draw_annotations(QPainter& painter, const QRect& panel, const SliceGeometry& geometry) {
  painter.setFont(font(12, true));
  const std::string letters = geometry.edge_letters();
  const QRect inner = panel.adjusted(4, 2, -4, -2);
  const auto letter = [&](std::size_t i) { return QString(QLatin1Char(letters[i])); };
  rimmed_text(painter, inner, Qt::AlignLeft | Qt::AlignVCenter, letter(0));
  rimmed_text(painter, inner, Qt::AlignRight | Qt::AlignVCenter, letter(1));
  rimmed_text(painter, inner, Qt::AlignHCenter | Qt::AlignTop, letter(2));
  rimmed_text(painter, inner, Qt::AlignHCenter | Qt::AlignBottom, letter(3));
}

QString length_text(double mm) {
  return mm < 0.1 ? QStringLiteral("%1 µm").arg(mm * 1000) : QStringLiteral("%1 mm").arg(mm);
}

class Sheet {
 public:
  explicit Sheet(const Scene& scene) : scene_(scene) {
    for (const SliceGeometry& row : scene.rows) column_width_ = std::max(column_width_, row.width);
    column_width_ = std::max(column_width_, 150);
    const int rows_height = std::accumulate(
        scene.rows.begin(), scene.rows.end(), 0,
        [](int sum, const SliceGeometry& row) { return sum + std::max(row.height, 64) + kGap; });
    lines_ = header_lines();
    width_ = 2 * kMargin + kRowLabel + kColumns * (column_width_ + kGap) - kGap;
    header_ = kMargin + 34 + 21 * static_cast<int>(lines_.size()) + 12;
    height_ = header_ + 30 + rows_height + 62 + kMargin;
  }

  QImage draw() const {
    QImage out(width_, height_, QImage::Format_RGB32);
    out.fill(kBackground);
    QPainter painter(&out);
    painter.setRenderHint(QPainter::TextAntialiasing);
    draw_header(painter);
    draw_column_titles(painter);
    int y = header_ + 30;
    const SliceGeometry* previous = nullptr;
    for (const SliceGeometry& row : scene_.rows) {
      draw_row(painter, row, y, previous == nullptr || previous->plane != row.plane);
      y += std::max(row.height, 64) + kGap;
      previous = &row;
    }
    draw_footer(painter, y + 6);
    return out;
  }

 private:
  int column_x(int column) const { return kMargin + kRowLabel + column * (column_width_ + kGap); }

  std::vector<QString> header_lines() const {
    const qc::QcReport& r = scene_.assessment.report;
    std::vector<QString> out;
    out.push_back(QStringLiteral("fixed %1     moving %2     transform %3")
                      .arg(QString::fromStdString(r.fixed), QString::fromStdString(r.moving),
                           QString::fromStdString(r.transform)));
    QStringList figures;
    if (r.after) {
      const QString before =
          r.before ? QStringLiteral(" (before %1)").arg(r.before->ncc, 0, 'f', 3) : QString();
      figures << QStringLiteral("NCC %1%2").arg(r.after->ncc, 0, 'f', 4).arg(before)
              << QStringLiteral("NMI %1").arg(r.after->nmi, 0, 'f', 3);
    }
    if (r.local_ncc_mean)
      figures << QStringLiteral("local NCC %1").arg(*r.local_ncc_mean, 0, 'f', 3);
    if (r.overlap)
      figures << QStringLiteral("Dice %1 over %2 labels, 30th percentile %3")
                     .arg(r.overlap->dice_mean, 0, 'f', 3)
                     .arg(r.overlap->labels.size())
                     .arg(r.overlap->dice_p30, 0, 'f', 3);
    if (r.landmarks)
      figures << QStringLiteral("TRE %1 mm (before %2)")
                     .arg(r.landmarks->after.mean_mm, 0, 'f', 2)
                     .arg(r.landmarks->before.mean_mm, 0, 'f', 2);
    if (r.jacobian)
      figures << QStringLiteral("folds %1 %").arg(r.jacobian->folds_percent, 0, 'f', 4)
              << QStringLiteral("det J %1…%2, SD log %3")
                     .arg(r.jacobian->minimum, 0, 'f', 2)
                     .arg(r.jacobian->maximum, 0, 'f', 2)
                     .arg(r.jacobian->sd_log, 0, 'f', 3);
    if (r.inverse_error)
      figures << QStringLiteral("inverse error %1 mm").arg(r.inverse_error->mean_mm, 0, 'f', 3);
    out.push_back(figures.join(QStringLiteral("     ")));
    return out;
  }

  void draw_header(QPainter& painter) const {
    painter.setPen(QColor(kText));
    painter.setFont(font(20, true));
    const int width = width_ - 2 * kMargin;
    painter.drawText(QRect(kMargin, kMargin, width, 28), Qt::AlignLeft | Qt::AlignVCenter,
                     QStringLiteral("Gigawarp · quality of a registration"));
    int y = kMargin + 34;
    for (const QString& line : lines_) {
      painter.setFont(font(14));
      painter.setPen(QColor(kText));
      const QString fitted = QFontMetrics(painter.font()).elidedText(line, Qt::ElideMiddle, width);
      painter.drawText(QRect(kMargin, y, width, 20), Qt::AlignLeft | Qt::AlignVCenter, fitted);
      y += 21;
    }
  }

  void draw_column_titles(QPainter& painter) const {
    static constexpr std::array<const char*, kColumns> kTitles{
        "fixed",          "warped", "blend",           "edges of fixed on warped",
        "fixed − warped", "det J",  "deformation grid"};
    painter.setFont(font(13, true));
    painter.setPen(QColor(kText));
    for (int c = 0; c < kColumns; ++c)
      painter.drawText(QRect(column_x(c), header_, column_width_, 24),
                       Qt::AlignHCenter | Qt::AlignVCenter,
                       QString::fromUtf8(kTitles[static_cast<std::size_t>(c)]));
  }

  void draw_row(QPainter& painter, const SliceGeometry& row, int y, bool first) const {
    const auto pictures = panels(scene_, row);
    painter.setPen(QColor(kText));
    painter.setFont(font(13, true));
    const int height = std::max(row.height, 64);
    const QRect label(kMargin, y, kRowLabel - 6, height);
    painter.drawText(label.adjusted(0, 0, 0, -20), Qt::AlignLeft | Qt::AlignVCenter,
                     QString::fromStdString(name_of(row.plane)));
    painter.setFont(font(12));
    painter.setPen(QColor(kFaintText));
    painter.drawText(label.adjusted(0, 20, 0, 0), Qt::AlignLeft | Qt::AlignVCenter,
                     QString::fromStdString(row.position_text()));
    for (int c = 0; c < kColumns; ++c) {
      const QImage& picture = pictures[static_cast<std::size_t>(c)];
      const QRect cell(column_x(c), y, column_width_, height);
      if (picture.isNull()) {
        painter.drawText(cell, Qt::AlignCenter, QStringLiteral("no deformation"));
        continue;
      }
      const QPoint corner(cell.x() + (cell.width() - picture.width()) / 2,
                          cell.y() + (cell.height() - picture.height()) / 2);
      painter.drawImage(corner, picture);
      if (c == 0) draw_annotations(painter, QRect(corner, picture.size()), row);
      if (c == 0 && first) draw_scale_bar(painter, QRect(corner, picture.size()));
      painter.setPen(QColor(kFaintText));
      painter.setFont(font(12));
    }
  }

  void draw_scale_bar(QPainter& painter, const QRect& panel) const {
    const double mm = Scene::round_length(0.12 * column_width_ * scene_.pixel_mm);
    const int length = static_cast<int>(std::lround(mm / scene_.pixel_mm));
    const QPoint end(panel.x() + 6, panel.bottom() - 7);
    painter.fillRect(QRect(end.x() - 1, end.y() - 1, length + 2, 5), QColor(0, 0, 0));
    painter.fillRect(QRect(end.x(), end.y(), length, 3), QColor(255, 255, 255));
    painter.setFont(font(11, true));
    rimmed_text(painter, QRect(end.x(), end.y() - 19, 90, 16), Qt::AlignLeft | Qt::AlignBottom,
                length_text(mm));
  }

  void draw_colour_bar(QPainter& painter, int column, int y, const std::array<QString, 3>& ticks,
                       const QString& caption) const {
    const int x = column_x(column) + 10, width = column_width_ - 20;
    for (int i = 0; i < width; ++i)
      painter.fillRect(QRect(x + i, y, 1, 10),
                       QColor(colour_of(ColourMap::diverging, i / (width - 1.0))));
    painter.setFont(font(11));
    painter.setPen(QColor(kText));
    const std::array<int, 3> align{Qt::AlignLeft, Qt::AlignHCenter, Qt::AlignRight};
    for (std::size_t i = 0; i < 3; ++i)
      painter.drawText(QRect(x, y + 12, width, 16), align[i] | Qt::AlignTop, ticks[i]);
    painter.setPen(QColor(kFaintText));
    painter.drawText(QRect(x - 10, y + 28, column_width_, 16), Qt::AlignHCenter | Qt::AlignTop,
                     caption);
  }

  void draw_swatch(QPainter& painter, int x, int y, QRgb colour, const QString& text) const {
    painter.fillRect(QRect(x, y, 12, 10), QColor(colour));
    painter.setFont(font(11));
    painter.setPen(QColor(kText));
    painter.drawText(QRect(x + 17, y - 3, 120, 16), Qt::AlignLeft | Qt::AlignVCenter, text);
  }

  void draw_footer(QPainter& painter, int y) const {
    const int blend = column_x(2) + column_width_ / 2 - 78;
    draw_swatch(painter, blend, y, kFixedColour, QStringLiteral("fixed"));
    draw_swatch(painter, blend + 62, y, kMovingColour, QStringLiteral("warped"));
    painter.setFont(font(11));
    painter.setPen(QColor(kFaintText));
    painter.drawText(QRect(column_x(2), y + 12, column_width_, 16), Qt::AlignHCenter | Qt::AlignTop,
                     QStringLiteral("grey: they agree"));
    draw_swatch(painter, column_x(3) + column_width_ / 2 - 50, y, kFixedColour,
                QStringLiteral("edges of fixed"));
    draw_colour_bar(painter, 4, y,
                    {QStringLiteral("−0.5"), QStringLiteral("0"), QStringLiteral("0.5")},
                    QStringLiteral("of the display window"));
    if (scene_.determinant.empty()) return;
    const double limit = std::exp2(scene_.options.jacobian_log2_range);
    draw_colour_bar(
        painter, 5, y,
        {QString::number(1 / limit, 'g', 3), QStringLiteral("1"), QString::number(limit, 'g', 3)},
        QStringLiteral("shrinks · log scale · grows"));
    draw_swatch(painter, column_x(5) + 10, y + 46, kDefectColour, QStringLiteral("folded"));
    painter.setFont(font(11));
    painter.setPen(QColor(kFaintText));
    painter.drawText(QRect(column_x(6), y - 3, column_width_, 16), Qt::AlignHCenter | Qt::AlignTop,
                     QStringLiteral("lines %1 apart in moving").arg(length_text(scene_.grid_mm)));
  }

  const Scene& scene_;
  std::vector<QString> lines_;
  int column_width_ = 0, header_ = 0, width_ = 0, height_ = 0;
};

}  // namespace

QImage contact_sheet(const Volume& fixed, const qc::Assessment& assessment,
                     const SheetOptions& options) {
  const Scene scene(fixed, assessment, options);
  return Sheet(scene).draw();
}

QImage thumbnail(const Volume& fixed, const qc::Assessment& assessment, int height_pixels) {
  const Window fixed_window = percentile_window(fixed);
  const Window warped_window = percentile_window(assessment.warped);
  const Vec3 spacing = fixed.grid().spacing_mm();
  const VoxelBox box = content_box(fixed, 4 * *std::max_element(spacing.begin(), spacing.end()));
  std::vector<QImage> pictures;
  int width = 0;
  for (const Plane plane : {Plane::axial, Plane::coronal, Plane::sagittal}) {
    const double finest_mm = *std::min_element(spacing.begin(), spacing.end());
    const SliceGeometry fine = slice_geometry(fixed.grid(), box, plane, 0.5, finest_mm);
    const double pixel_mm = finest_mm * fine.height / height_pixels;
    const SliceGeometry g = slice_geometry(fixed.grid(), box, plane, 0.5, pixel_mm);
    const double voxel_mm = std::cbrt(spacing[0] * spacing[1] * spacing[2]);
    pictures.push_back(edges_picture(sample_slice(fixed, g), fixed_window,
                                     sample_slice(assessment.warped, g), warped_window,
                                     std::max(1.0, 1.1 * voxel_mm / g.pixel_mm)));
    width += pictures.back().width() + kGap;
  }
  QImage out(width - kGap, height_pixels, QImage::Format_RGB32);
  out.fill(kBackground);
  QPainter painter(&out);
  int x = 0;
  for (const QImage& picture : pictures) {
    painter.drawImage(x, (height_pixels - picture.height()) / 2, picture);
    x += picture.width() + kGap;
  }
  return out;
}

void write_png(const QImage& picture, const std::filesystem::path& path) {
  const auto save = [&picture](const std::filesystem::path& part) {
    return picture.save(QString::fromStdString(part.string()), "PNG");
  };
  if (replace_file(path, own_part_ending(), save)) return;
  throw Error(
      ErrorCode::output_not_written,
      "\"" + path.string() +
          "\" could not be written; check that its folder exists, is writable and has room.",
      path.string());
}

}  // namespace gigawarp::render
