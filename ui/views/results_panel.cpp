#include "ui/views/results_panel.h"

#include <QCoreApplication>
#include <QFileDialog>
#include <QFileInfo>
#include <QHeaderView>
#include <QPointer>
#include <QSaveFile>
#include <QVBoxLayout>
#include <algorithm>
#include <utility>

#include "ui/models/background.h"
#include "ui/views/list_parts.h"

namespace gigawarp::ui {

ResultsPanel::ResultsPanel(Workspace& workspace, Results& results, QWidget* parent)
    : QWidget(parent), workspace_(workspace), results_(results) {
  setObjectName(QStringLiteral("results_panel"));
  state_ = new QLabel(this);
  state_->setObjectName(QStringLiteral("results_state"));
  hold_names(*state_);
  figures_ = new QWidget(this);
  figure_rows_ = new QFormLayout(figures_);
  figure_rows_->setContentsMargins(0, 0, 0, 0);
  figure_rows_->setVerticalSpacing(3);
  worst_ = new QPushButton(tr("Next worst place"), this);
  worst_->setObjectName(QStringLiteral("next_worst_button"));
  worst_->setToolTip(
      tr("Folds, landmarks, low local correlation, strong compression and growth in "
         "turn, worst first"));
  worst_text_ = new QLabel(this);
  worst_text_->setObjectName(QStringLiteral("worst_text"));
  hold_names(*worst_text_);
  tables_ = new QTabWidget(this);
  tables_->setDocumentMode(true);
  jacobian_ = new JacobianHistogramView(this);
  tables_->addTab(jacobian_, tr("det J"));
  overlap_table_ = make_table(&overlap_, "overlap_table", tr("Labels"));
  overlap_table_->setTextElideMode(Qt::ElideMiddle);  // "Left-Cerebral-…": which part is at the end
  overlap_table_->setWordWrap(false);
  make_table(&landmarks_, "landmark_table", tr("Landmarks"));
  report_ = new QPushButton(tr("Export report…"), this);
  report_->setObjectName(QStringLiteral("report_button"));
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(6, 6, 6, 6);
  column->addWidget(state_);
  column->addWidget(figures_);
  column->addWidget(worst_);
  column->addWidget(worst_text_);
  column->addWidget(tables_, 1);
  column->addStretch();
  column->addWidget(report_);
  connect(worst_, &QPushButton::clicked, this, &ResultsPanel::next_worst);
  connect(report_, &QPushButton::clicked, this, &ResultsPanel::export_report);
  connect(&results_, &Results::changed, this, &ResultsPanel::show_results);
  // Not with every step of a label map's opacity: the table would begin at its top again.
  connect(&workspace_.layers(), &LayerModel::layer_changed, this, [this](LayerRole role) {
    if (!is_label_map(role)) return;
    const auto& now = workspace_.layers().layer(role).names.list;
    if (std::exchange(named_by_.at(is_of_moving(role) ? 1 : 0), now) != now) show_overlap();
  });
  connect(this, &ResultsPanel::report_written, this, [this](const QString& path) {
    Q_EMIT workspace_.message(tr("Report written to %1").arg(path));
  });
  show_results();
}

QTableView* ResultsPanel::make_table(QAbstractItemModel* model, const char* name,
                                     const QString& title) {
  auto* table = new QTableView(this);
  table->setObjectName(QLatin1String(name));
  table->setAccessibleName(title);
  table->setModel(model);
  table->verticalHeader()->hide();
  table->verticalHeader()->setDefaultSectionSize(fontMetrics().height() + 6);
  table->horizontalHeader()->setSectionResizeMode(QHeaderView::Stretch);
  table->setSelectionBehavior(QAbstractItemView::SelectRows);
  table->setTabKeyNavigation(false);
  tables_->addTab(table, title);
  return table;
}

void ResultsPanel::next_worst() {
  const QString text = results_.next_worst();
  worst_text_->setText(text);
  Q_EMIT workspace_.message(text);
}

void ResultsPanel::show_results() {
  using State = Results::State;
  const std::shared_ptr<const Judgement> judgement = results_.judgement();
  switch (results_.state()) {
    case State::none:
      state_->setText(
          tr("Figures appear here when a run has finished, or when you open the folder "
             "of an earlier one."));
      break;
    case State::reading: state_->setText(tr("Reading %1 …").arg(results_.folder())); break;
    case State::measuring: state_->setText(tr("Measuring …")); break;
    case State::failed: state_->setText(results_.problem()); break;
    case State::ready:
      state_->setText(QFileInfo(results_.folder()).fileName());
      state_->setToolTip(results_.folder());
      if (judgement != nullptr && !judgement->coarse.isEmpty())
        state_->setText(state_->text() + QLatin1Char('\n') + judgement->coarse);
      break;
  }
  state_->setToolTip(results_.folder());
  while (figure_rows_->rowCount() > 0) figure_rows_->removeRow(0);
  const bool ready = judgement != nullptr;
  if (ready)
    for (const auto& [name, value] : figures_of(judgement->assessment.report)) {
      auto* label = new QLabel(value, figures_);
      label->setWordWrap(true);
      label->setTextInteractionFlags(Qt::TextSelectableByMouse);
      figure_rows_->addRow(name, label);
    }
  figures_->setVisible(ready);
  worst_->setVisible(ready);
  worst_text_->setVisible(ready);
  worst_text_->clear();
  report_->setVisible(ready);
  show_overlap();
  landmarks_.set(ready ? judgement->assessment.report.landmarks : std::nullopt);
  jacobian_->show_histogram(ready ? std::optional(judgement->jacobian_histogram) : std::nullopt);
  tables_->setTabVisible(1, overlap_.rowCount() > 0);
  tables_->setTabVisible(2, landmarks_.rowCount() > 0);
  tables_->setVisible(ready);
}

void ResultsPanel::show_overlap() {
  const std::shared_ptr<const Judgement> judgement = results_.judgement();
  overlap_.set(judgement != nullptr ? judgement->assessment.report.overlap : std::nullopt,
               workspace_.label_names());
  // Names are wide: they take the room that the numbers leave, and are whole in a tooltip.
  QHeaderView* header = overlap_table_->horizontalHeader();
  header->setSectionResizeMode(overlap_.has_names() ? QHeaderView::ResizeToContents
                                                    : QHeaderView::Stretch);
  if (overlap_.has_names()) header->setSectionResizeMode(1, QHeaderView::Stretch);
}

void ResultsPanel::export_report() {
  if (results_.judgement() == nullptr) return;
  auto* dialog = new QFileDialog(this, tr("Export the report"),
                                 results_.folder() + QStringLiteral("/report.html"),
                                 tr("Web pages (*.html);;PDF, to print (*.pdf)"));
  dialog->setObjectName(QStringLiteral("report_dialog"));
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  dialog->setAcceptMode(QFileDialog::AcceptSave);
  connect(dialog, &QFileDialog::fileSelected, this, &ResultsPanel::write_report);
  dialog->open();
}

void ResultsPanel::write_report(const QString& path) {
  const QString title = tr("Registration %1").arg(QFileInfo(results_.folder()).fileName());
  background_pool().start([guard = QPointer<ResultsPanel>(this), judgement = results_.judgement(),
                           names = workspace_.label_names(), path, title] {
    const bool paper = path.endsWith(QLatin1String(".pdf"), Qt::CaseInsensitive);
    const QByteArray report =
        paper ? pdf_report(*judgement, title, names) : html_report(*judgement, title, names);
    QSaveFile file(path);
    const bool written =
        file.open(QIODevice::WriteOnly) && file.write(report) == report.size() && file.commit();
    QMetaObject::invokeMethod(
        qApp,
        [guard, path, written] {
          if (guard == nullptr) return;
          if (written)
            Q_EMIT guard->report_written(path);
          else
            Q_EMIT guard->workspace_.message(tr("\"%1\" could not be written.").arg(path));
        },
        Qt::QueuedConnection);
  });
}

}  // namespace gigawarp::ui
