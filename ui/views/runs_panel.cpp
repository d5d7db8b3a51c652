#include "ui/views/runs_panel.h"

#include <QFileInfo>
#include <QHBoxLayout>
#include <QVBoxLayout>

#include "ui/views/list_parts.h"

namespace gigawarp::ui {

RunsPanel::RunsPanel(Workspace& workspace, RunList& runs, QWidget* parent)
    : QWidget(parent), workspace_(workspace), runs_(runs) {
  setObjectName(QStringLiteral("runs_panel"));
  help_ = new QLabel(this);
  help_->setWordWrap(true);
  difference_ = new QLabel(this);
  difference_->setObjectName(QStringLiteral("run_difference"));
  difference_->setWordWrap(true);
  difference_->setTextInteractionFlags(Qt::TextSelectableByMouse);
  table_ = new QTableView(this);
  table_->setObjectName(QStringLiteral("runs_table"));
  table_->setAccessibleName(tr("Runs of this session"));
  table_->setModel(&runs_);
  set_up_rows(*table_, RunList::run_column);
  table_->horizontalHeader()->setMinimumSectionSize(30);
  const auto button = [this](const QString& text, const QString& help, const char* name,
                             auto slot) { return named_button(this, text, help, name, slot); };
  const auto show = [this] { Q_EMIT show_wanted(chosen()); };
  show_ = button(tr("Show"), tr("Its results in the window"), "show_run", show);
  compare_ = button(tr("Compare"), tr("Its warp with the one of the run that is shown"),
                    "compare_run", &RunsPanel::compare);
  flip_ = button(tr("Flip"), tr("Looks at both warps in turn, at the same spot"), "flip_runs",
                 &RunsPanel::flip);
  flip_->setCheckable(true);
  auto* row = new QHBoxLayout;
  for (QPushButton* b : {show_, compare_, flip_}) row->addWidget(b);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(6, 6, 6, 6);
  column->addWidget(help_);
  column->addWidget(table_, 1);
  column->addLayout(row);
  column->addWidget(difference_);
  connect(table_, &QTableView::activated, this, show);
  connect(table_->selectionModel(), &QItemSelectionModel::currentRowChanged, this,
          &RunsPanel::follow);
  connect(&runs_, &QAbstractItemModel::dataChanged, this, &RunsPanel::follow);
  connect(&runs_, &QAbstractItemModel::rowsInserted, this, &RunsPanel::follow);
  connect(&runs_, &RunList::comparison_changed, this, &RunsPanel::follow);
  connect(&workspace_, &Workspace::warp_changed, this, &RunsPanel::follow);
  follow();
}

QString RunsPanel::chosen() const {
  const int row = table_->currentIndex().row();
  return row < 0 ? QString() : runs_.runs()[static_cast<std::size_t>(row)].folder;
}

void RunsPanel::follow() {
  const bool any = runs_.rowCount() > 0;
  help_->setText(any ? tr("The run that is shown is bold. Choose another of the same pair to "
                          "compare it.")
                     : tr("Runs are listed here when they begin, or when you open the folder of "
                          "an earlier one."));
  table_->setVisible(any);
  const QString folder = chosen();
  show_->setEnabled(!folder.isEmpty());
  compare_->setEnabled(!folder.isEmpty() && !runs_.shown().isEmpty() && folder != runs_.shown());
  flip_->setEnabled(workspace_.has_other_warp());
  flip_->setChecked(workspace_.other_warp_shown());
  const auto& comparison = runs_.comparison();
  difference_->setVisible(comparison.has_value());
  if (!comparison) return;
  const QString now =
      QFileInfo(workspace_.other_warp_shown() ? comparison->other : comparison->shown).fileName();
  difference_->setText(
      tr("%1 and %2 lie %3 mm apart on average, 95 % within %4 mm, at most %5 mm. "
         "The views warp by %6.")
          .arg(QFileInfo(comparison->shown).fileName(), QFileInfo(comparison->other).fileName())
          .arg(comparison->difference.mean_mm, 0, 'f', 3)
          .arg(comparison->difference.p95_mm, 0, 'f', 3)
          .arg(comparison->difference.max_mm, 0, 'f', 2)
          .arg(now));
}

void RunsPanel::compare() {
  if (!chosen().isEmpty()) runs_.compare(chosen());
}

void RunsPanel::flip() { workspace_.show_other_warp(!workspace_.other_warp_shown()); }

}  // namespace gigawarp::ui
