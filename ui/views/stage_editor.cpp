#include "ui/views/stage_editor.h"

#include <QHeaderView>
#include <QLabel>
#include <QVBoxLayout>
#include <algorithm>

#include "job/names.h"

namespace gigawarp::ui {

StageEditor::StageEditor(JobModel& jobs, QWidget* parent)
    : QWidget(parent), jobs_(jobs), table_(new QTableView(this)), form_(new QFormLayout) {
  table_->setObjectName(QStringLiteral("stages"));
  table_->setAccessibleName(tr("Stages"));
  table_->setModel(&jobs_);
  table_->verticalHeader()->hide();
  table_->verticalHeader()->setDefaultSectionSize(fontMetrics().height() + 10);
  table_->horizontalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
  table_->horizontalHeader()->setStretchLastSection(true);
  table_->setSelectionBehavior(QAbstractItemView::SelectRows);
  table_->setSelectionMode(QAbstractItemView::SingleSelection);
  table_->setTextElideMode(Qt::ElideRight);
  table_->setTabKeyNavigation(false);  // arrows go through it, Tab leaves it
  table_->setFixedHeight(5 * (fontMetrics().height() + 10));
  kind_ = new QComboBox(this);
  kind_->setAccessibleName(tr("Kind of stage"));
  kind_->setToolTip(tr("What the stage may change"));
  for (const std::string& name : job::names_of<StageKind>())
    kind_->addItem(QString::fromStdString(name));
  metric_ = new QComboBox(this);
  metric_->setObjectName(QStringLiteral("metric"));
  metric_->setAccessibleName(tr("Metric"));
  metric_->setToolTip(
      tr("LNCC: same or similar contrast; MI: different contrast; MSE: same scanner"));
  for (const std::string& name : job::names_of<MetricKind>())
    metric_->addItem(QString::fromStdString(name).toUpper());
  radius_ = new QSpinBox(this);
  radius_->setRange(1, 10);
  radius_->setSuffix(tr(" voxels"));
  radius_->setToolTip(tr("Half the window of local correlation"));
  bins_ = new QSpinBox(this);
  bins_->setRange(16, 128);
  bins_->setToolTip(tr("Of the joint histogram, per axis"));
  form_->addRow(tr("Kind"), kind_);
  form_->addRow(tr("Metric"), metric_);
  form_->addRow(tr("Radius"), radius_);
  form_->addRow(tr("Bins"), bins_);
  rate_ =
      number(tr("Step"), tr("Largest displacement of an iteration"), 0.01, 1, 0.05, tr(" voxels"));
  sigma_gradient_ =
      number(tr("Fluid smoothing"), tr("Smoothing of the gradient: larger is stiffer"), 0, 10, 0.1,
             tr(" voxels"));
  sigma_warp_ = number(tr("Elastic smoothing"), tr("Smoothing of the field: larger is stiffer"), 0,
                       10, 0.1, tr(" voxels"));
  minimum_jacobian_ =
      number(tr("Least det J"), tr("The warp is kept from shrinking below this"), 0, 0.9, 0.05, {});
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 0);
  column->addWidget(table_);
  column->addLayout(form_);
  setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
  for (QSpinBox* box : {radius_, bins_})
    connect(box, &QSpinBox::valueChanged, this, &StageEditor::store);
  connect(kind_, &QComboBox::activated, this, &StageEditor::store);
  connect(metric_, &QComboBox::activated, this, &StageEditor::store);
  connect(table_->selectionModel(), &QItemSelectionModel::currentRowChanged, this,
          &StageEditor::show_stage);
  connect(&jobs_, &JobModel::modelReset, this,
          [this] { table_->selectRow(jobs_.stage_count() - 1); });
  connect(&jobs_, &JobModel::changed, this, &StageEditor::show_stage);
  table_->selectRow(jobs_.stage_count() - 1);
  show_stage();
}

QDoubleSpinBox* StageEditor::number(const QString& title, const QString& help, double low,
                                    double high, double step, const QString& unit) {
  auto* box = new QDoubleSpinBox(this);
  box->setRange(low, high);
  box->setSingleStep(step);
  box->setSuffix(unit);
  box->setToolTip(help);
  box->setAccessibleName(title);
  form_->addRow(title, box);
  connect(box, &QDoubleSpinBox::valueChanged, this, &StageEditor::store);
  return box;
}

void StageEditor::show_stage() {
  const int row = table_->currentIndex().row();
  if (row < 0 || row >= jobs_.stage_count()) return;
  updating_ = true;
  const StageSpec& spec = jobs_.stage(row);
  const bool deformable = is_deformable(spec.kind);
  kind_->setCurrentIndex(static_cast<int>(spec.kind));
  metric_->setCurrentIndex(static_cast<int>(spec.metric.kind));
  radius_->setValue(spec.metric.radius);
  bins_->setValue(spec.metric.bins);
  rate_->setValue(spec.learning_rate);
  sigma_gradient_->setValue(spec.sigma_gradient_voxels);
  sigma_warp_->setValue(spec.sigma_warp_voxels);
  minimum_jacobian_->setValue(spec.minimum_jacobian);
  form_->setRowVisible(radius_, spec.metric.kind == MetricKind::lncc);
  form_->setRowVisible(bins_, spec.metric.kind == MetricKind::mi);
  for (QDoubleSpinBox* box : {rate_, sigma_gradient_, sigma_warp_, minimum_jacobian_})
    form_->setRowVisible(box, deformable);
  updating_ = false;
}

void StageEditor::store() {
  const int row = table_->currentIndex().row();
  if (updating_ || row < 0 || row >= jobs_.stage_count()) return;
  StageSpec spec = jobs_.stage(row);
  spec.kind = static_cast<StageKind>(kind_->currentIndex());
  spec.metric.kind = static_cast<MetricKind>(metric_->currentIndex());
  spec.metric.radius = radius_->value();
  spec.metric.bins = bins_->value();
  if (is_deformable(jobs_.stage(row).kind)) {
    spec.learning_rate = rate_->value();
    spec.sigma_gradient_voxels = sigma_gradient_->value();
    spec.sigma_warp_voxels = sigma_warp_->value();
    spec.minimum_jacobian = minimum_jacobian_->value();
  }
  jobs_.set_stage(row, spec);
}

}  // namespace gigawarp::ui
