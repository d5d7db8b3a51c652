#include "ui/views/histogram_views.h"

#include <QLocale>
#include <QPainter>

#include "render/charts.h"

namespace gigawarp::ui {
namespace {

render::ChartColours colours_of(const QWidget& widget) {
  render::ChartColours colours{
      widget.palette().color(QPalette::Base), widget.palette().color(QPalette::Text), {}};
  colours.dim = colours.text;
  colours.dim.setAlphaF(0.6F);
  return colours;
}

void draw_nothing(QWidget& widget, const QString& words) {
  QPainter painter(&widget);
  const render::ChartColours colours = colours_of(widget);
  painter.fillRect(widget.rect(), colours.ground);
  painter.setPen(colours.dim);
  QFont small = widget.font();
  small.setPixelSize(11);
  painter.setFont(small);
  painter.drawText(widget.rect().adjusted(8, 8, -8, -8), Qt::AlignCenter | Qt::TextWordWrap, words);
}

}  // namespace

JacobianHistogramView::JacobianHistogramView(QWidget* parent) : QWidget(parent) {
  setObjectName(QStringLiteral("jacobian_histogram"));
  setAccessibleName(tr("Histogram of det J"));
  setMinimumSize(200, 130);
  setToolTip(
      tr("How many voxels shrink (blue) or grow (orange) by how much; a fold is a voxel "
         "where det J is not positive"));
}

void JacobianHistogramView::show_histogram(const std::optional<qc::JacobianHistogram>& histogram) {
  histogram_ = histogram;
  setAccessibleDescription(histogram_ ? tr("%1 folds").arg(histogram_->folds) : QString());
  update();
}

void JacobianHistogramView::paintEvent(QPaintEvent*) {
  if (!histogram_) return draw_nothing(*this, tr("No deformation has been measured."));
  QPainter painter(this);
  const QLocale locale;
  const QString folds =
      histogram_->folds == 0
          ? tr("no folds in %1 voxels").arg(locale.toString(qlonglong{histogram_->voxels}))
          : tr("folds: %1 of %2 voxels")
                .arg(locale.toString(qlonglong{histogram_->folds}),
                     locale.toString(qlonglong{histogram_->voxels}));
  render::draw_jacobian_histogram(painter, rect(), *histogram_,
                                  tr("Voxels (log scale), %1").arg(folds), colours_of(*this));
}

JointHistogramView::JointHistogramView(JointModel& model, QWidget* parent)
    : QWidget(parent), model_(model) {
  setObjectName(QStringLiteral("joint_histogram"));
  setAccessibleName(tr("Joint histogram of the fixed and the warped moving image"));
  setToolTip(
      tr("What intensities meet where the images overlap; the sharper the pattern, the better "
         "they agree. MI is the mutual information of these counts."));
  setMinimumSize(100, 110);
  connect(&model_, &JointModel::changed, this, [this] {
    if (const auto histogram = model_.histogram())
      setAccessibleDescription(
          tr("Mutual information %1").arg(histogram->mutual_information, 0, 'f', 3));
    update();
  });
}

void JointHistogramView::showEvent(QShowEvent*) { model_.set_watched(true); }
void JointHistogramView::hideEvent(QHideEvent*) { model_.set_watched(false); }

void JointHistogramView::paintEvent(QPaintEvent*) {
  const auto histogram = model_.histogram();
  if (histogram == nullptr)
    return draw_nothing(*this, tr("The joint histogram of a pair appears here."));
  QPainter painter(this);
  render::draw_joint_histogram(painter, rect(), *histogram, model_.fixed_name(),
                               model_.moving_name(), colours_of(*this));
}

}  // namespace gigawarp::ui
