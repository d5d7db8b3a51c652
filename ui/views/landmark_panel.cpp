#include "ui/views/landmark_panel.h"

#include <QCoreApplication>
#include <QFileDialog>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QPointer>
#include <QVBoxLayout>
#include <algorithm>

#include "gigawarp/error.h"
#include "ui/models/background.h"
#include "ui/models/landmark_pairs.h"
#include "ui/views/list_parts.h"

namespace gigawarp::ui {
namespace {

QString filter() {
  return LandmarkPanel::tr("Landmarks (*.csv *.fcsv *.mrk.json *.json);;All files (*)");
}

/// "landmarks_fixed.csv" gives "landmarks_moving.csv", "points.csv" "points_moving.csv".
QString moving_name(const QString& fixed_path) {
  const QFileInfo info(fixed_path);
  QString name = info.fileName();
  if (name.contains(QLatin1String("fixed")))
    name.replace(QLatin1String("fixed"), QLatin1String("moving"));
  else
    name.insert(name.indexOf(QLatin1Char('.')) >= 0 ? name.indexOf(QLatin1Char('.')) : name.size(),
                QStringLiteral("_moving"));
  return info.absolutePath() + QLatin1Char('/') + name;
}

}  // namespace

LandmarkPanel::LandmarkPanel(Workspace& workspace, QWidget* parent)
    : QWidget(parent), workspace_(workspace) {
  setObjectName(QStringLiteral("landmark_panel"));
  help_ = new QLabel(this);
  help_->setWordWrap(true);
  summary_ = new QLabel(this);
  summary_->setObjectName(QStringLiteral("landmark_summary"));
  summary_->setWordWrap(true);
  table_ = new QTableView(this);
  table_->setObjectName(QStringLiteral("pairs_table"));
  table_->setAccessibleName(tr("Landmark pairs"));
  table_->setModel(&workspace_.pairs());
  set_up_rows(*table_, LandmarkPairs::name_column);
  const auto button = [this](const QString& text, const QString& help, const char* name,
                             auto slot) { return named_button(this, text, help, name, slot); };
  auto* edit = new QHBoxLayout;
  edit->addWidget(button(tr("Drop pair"),
                         tr("At the crosshair in the fixed image, and where the warp leads in the "
                            "moving one"),
                         "drop_pair", &LandmarkPanel::drop));
  correct_ = button(tr("Correct"),
                    tr("Its place in the moving image is what the warped image shows at the "
                       "crosshair"),
                    "correct_pair", &LandmarkPanel::correct);
  remove_ = button(tr("Remove"), tr("The chosen pair"), "remove_pair", &LandmarkPanel::remove);
  edit->addWidget(correct_);
  edit->addWidget(remove_);
  auto* files = new QHBoxLayout;
  files->addWidget(button(tr("Load…"), tr("Two files: of the fixed and of the moving image"),
                          "load_pairs", &LandmarkPanel::ask_to_load));
  save_ = button(tr("Save…"), tr("Two files, for gigawarp register --landmarks"), "save_pairs",
                 &LandmarkPanel::ask_to_save);
  files->addWidget(save_);
  files->addStretch(1);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(6, 6, 6, 6);
  column->addWidget(help_);
  column->addWidget(summary_);
  column->addWidget(table_, 1);
  column->addLayout(edit);
  column->addLayout(files);
  connect(&workspace_.pairs(), &QAbstractItemModel::modelReset, this, [this] { choose(chosen_); });
  connect(&workspace_.pairs(), &QAbstractItemModel::modelReset, this, &LandmarkPanel::follow);
  connect(&workspace_.pairs(), &QAbstractItemModel::dataChanged, this, &LandmarkPanel::follow);
  connect(&workspace_.pairs(), &LandmarkPairs::renamed, this,
          [this](const std::string& from, const std::string& to) {
            if (chosen_ == from) choose(to);
          });
  connect(table_->selectionModel(), &QItemSelectionModel::currentRowChanged, this,
          [this](const QModelIndex& now) {
            if (!now.isValid()) return;
            chosen_ = workspace_.pairs().pairs()[static_cast<std::size_t>(now.row())].name;
            follow();
          });
  // By a person, not when a pair has just been dropped under the crosshair.
  const auto go = [this](const QModelIndex& index) {
    if (index.column() == LandmarkPairs::held_out_column) return;
    workspace_.set_cursor(
        workspace_.pairs().pairs()[static_cast<std::size_t>(index.row())].fixed_mm);
  };
  connect(table_, &QTableView::clicked, this, go);
  connect(table_, &QTableView::activated, this, go);
  follow();
}

void LandmarkPanel::follow() {
  const LandmarkPairs::Summary s = workspace_.pairs().summary();
  const bool any = workspace_.pairs().rowCount() > 0;
  help_->setText(
      any ? tr("○ used, □ held out, × where the warp shows the moving point")
          : tr("No pairs yet. Put the crosshair on a structure and drop a pair (L); then put it "
               "where the moving image shows the same structure and correct the pair (Shift+L)."));
  QStringList lines;
  if (s.used > 0)
    lines << tr("Used: %1, mean residual %2 mm (of the fit)").arg(s.used).arg(s.used_mm, 0, 'f', 2);
  if (s.held_out > 0)
    lines
        << tr("Held out: %1, mean error %2 mm (TRE)").arg(s.held_out).arg(s.held_out_mm, 0, 'f', 2);
  summary_->setText(lines.join(QLatin1Char('\n')));
  summary_->setVisible(!lines.isEmpty());
  table_->setVisible(any);
  correct_->setEnabled(!chosen().empty());
  remove_->setEnabled(!chosen().empty());
  save_->setEnabled(any);
  workspace_.choose_landmark(chosen());
}

std::string LandmarkPanel::chosen() const {
  return workspace_.pairs().row_of(chosen_) >= 0 ? chosen_ : std::string();
}

void LandmarkPanel::choose(const std::string& name) {
  chosen_ = name;
  const int row = workspace_.pairs().row_of(name);
  if (row >= 0) table_->setCurrentIndex(workspace_.pairs().index(row, 0));
}

void LandmarkPanel::drop() {
  if (const std::string name = workspace_.drop_landmark(); !name.empty()) choose(name);
}

void LandmarkPanel::correct() {
  if (chosen().empty()) {
    Q_EMIT workspace_.message(tr("Drop or choose a landmark pair first."));
    return;
  }
  workspace_.correct_landmark(chosen());
}

void LandmarkPanel::toggle_held_out() {
  const int row = workspace_.pairs().row_of(chosen());
  if (row < 0) return;
  const bool held_out = workspace_.pairs().pairs()[static_cast<std::size_t>(row)].held_out;
  workspace_.pairs().setData(workspace_.pairs().index(row, LandmarkPairs::held_out_column),
                             held_out ? Qt::Unchecked : Qt::Checked, Qt::CheckStateRole);
}

void LandmarkPanel::remove() {
  const std::string name = chosen();
  if (name.empty()) return;
  LandmarkSides sides = workspace_.landmarks();
  for (auto& side : sides)
    std::erase_if(side, [&](const io::Landmark& mark) { return mark.name == name; });
  workspace_.change_landmarks(sides, tr("Remove landmark"));
}

void LandmarkPanel::ask_to_load() {
  auto* dialog = new QFileDialog(this, tr("Choose two files: of the fixed and the moving image"),
                                 {}, filter());
  dialog->setObjectName(QStringLiteral("load_pairs_dialog"));
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  dialog->setFileMode(QFileDialog::ExistingFiles);
  connect(dialog, &QFileDialog::filesSelected, this, [this](QStringList files) {
    if (files.size() != 2) {
      Q_EMIT workspace_.message(tr("Landmarks come in two files, one of each image."));
      return;
    }
    if (QFileInfo(files[0]).fileName().contains(QLatin1String("moving"))) files.swapItemsAt(0, 1);
    workspace_.open_as(LayerRole::fixed_landmarks, files[0]);
    workspace_.open_as(LayerRole::moving_landmarks, files[1]);
  });
  dialog->open();
}

void LandmarkPanel::ask_to_save() {
  auto* dialog = new QFileDialog(this, tr("Save the landmarks of the fixed image"),
                                 QStringLiteral("landmarks_fixed.csv"), filter());
  dialog->setObjectName(QStringLiteral("save_pairs_dialog"));
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  dialog->setAcceptMode(QFileDialog::AcceptSave);
  dialog->setDefaultSuffix(QStringLiteral("csv"));
  connect(dialog, &QFileDialog::fileSelected, this, &LandmarkPanel::save);
  dialog->open();
}

void LandmarkPanel::save(const QString& fixed_path) {
  // Whoever replaces the one replaces both; but of the other alone nobody was asked.
  if (const QString other = moving_name(fixed_path);
      QFileInfo::exists(other) && !QFileInfo::exists(fixed_path)) {
    Q_EMIT workspace_.message(
        tr("Not written: the points of the moving image would replace \"%1\"; choose another name.")
            .arg(other));
    return;
  }
  background_pool().start([guard = QPointer<LandmarkPanel>(this), sides = workspace_.landmarks(),
                           fixed_path, moving_path = moving_name(fixed_path),
                           at = workspace_.undo_stack().index()] {
    QString problem;
    try {
      io::write_landmarks(sides[0], fixed_path.toStdString());
      io::write_landmarks(sides[1], moving_path.toStdString());
    } catch (const Error& error) {
      problem = QString::fromStdString(error.what());
    }
    QMetaObject::invokeMethod(
        qApp,
        [guard, problem, fixed_path, moving_path, at] {
          if (guard == nullptr) return;
          Q_EMIT guard->workspace_.message(
              problem.isEmpty() ? tr("Landmarks written to %1 and %2").arg(fixed_path, moving_path)
                                : problem);
          if (!problem.isEmpty()) return;
          if (guard->workspace_.undo_stack().index() == at)  // else they are others by now
            guard->workspace_.landmarks_are_in(fixed_path, moving_path);
          Q_EMIT guard->saved(fixed_path, moving_path);
        },
        Qt::QueuedConnection);
  });
}

}  // namespace gigawarp::ui
