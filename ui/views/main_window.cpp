#include "ui/views/main_window.h"

#include <QClipboard>
#include <QDragEnterEvent>
#include <QFileDialog>
#include <QGuiApplication>
#include <QHBoxLayout>
#include <QInputDialog>
#include <QKeyEvent>
#include <QMimeData>
#include <QSettings>
#include <QStatusBar>
#include <QVBoxLayout>
#include <string>

#include "io/zarr_array.h"
#include "ui/models/address.h"
#include "ui/models/readout.h"
#include "ui/views/empty_state.h"
#include "ui/views/list_parts.h"

namespace gigawarp::ui {

MainWindow::MainWindow() : actions_(new Actions(this)), centre_(new QStackedWidget(this)) {
  setWindowTitle(QStringLiteral("Gigawarp"));
  setAcceptDrops(true);
  setDockOptions(AnimatedDocks | AllowTabbedDocks);
  setCorner(Qt::BottomLeftCorner, Qt::LeftDockWidgetArea);
  setCorner(Qt::BottomRightCorner, Qt::RightDockWidgetArea);
  resize(1440, 900);

  auto* page = new QWidget(this);
  auto* column = new QVBoxLayout(page);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(0);
  next_row_ = new QWidget(page);
  auto* row = new QHBoxLayout(next_row_);
  row->setContentsMargins(8, 5, 8, 5);
  next_step_ = new QLabel(next_row_);
  next_step_->setObjectName(QStringLiteral("next_step"));
  hold_names(*next_step_);
  next_button_ = new QPushButton(next_row_);
  next_button_->setObjectName(QStringLiteral("next_button"));
  row->addWidget(next_step_, 1);
  row->addWidget(next_button_);
  connect(next_button_, &QPushButton::clicked, this, [this] {
    if (next_action_ != nullptr) next_action_->trigger();
  });
  views_ = new ViewGrid(workspace_, queue_, page);
  brain_ = new BrainView(workspace_, *actions_, views_);
  views_->set_companion(brain_);
  column->addWidget(next_row_);
  column->addWidget(views_, 1);
  empty_ = make_empty_state(*actions_, this);
  centre_->addWidget(empty_);
  centre_->addWidget(page);
  setCentralWidget(centre_);

  make_docks();
  make_menus();
  make_status_bar();
  connect_files();
  connect_display();
  connect_views();
  connect_panels();
  connect_alignment();
  connect_run();
  connect_results();
  connect_review();
  connect_session();
  connect_closing();
  connect_history();
  connect_exports();
  connect_hand_log();
  connect(&workspace_, &Workspace::reference_changed, this, &MainWindow::show_next_step);
  connect(&workspace_, &Workspace::scene_changed, this, &MainWindow::show_next_step);
  connect(&results_, &Results::changed, this, &MainWindow::show_next_step);
  show_next_step();
}

/// The views use the workspace and the queue, so they go first.
MainWindow::~MainWindow() {
  const QList<QWidget*> parts = findChildren<QWidget*>(QString(), Qt::FindDirectChildrenOnly);
  qDeleteAll(parts);
}

bool MainWindow::is_drawn() const {
  if (!queue_.idle()) return false;
  if (brain_->isVisible() && !brain_->is_current()) return false;
  for (const SliceView* view : views_->shown())
    if (!view->is_refined()) return false;
  return true;
}

QDockWidget* MainWindow::add_dock(Qt::DockWidgetArea area, const QString& title, const char* name,
                                  QWidget* content) {
  auto* dock = new QDockWidget(title, this);
  dock->setObjectName(QLatin1String(name));
  dock->setWidget(content);
  addDockWidget(area, dock);
  return dock;
}

void MainWindow::make_docks() {
  data_ = new DataPanel(workspace_, this);
  QDockWidget* dock = add_dock(Qt::LeftDockWidgetArea, tr("Data"), "dock_data", data_);
  review_panel_ = new ReviewPanel(review_, this);
  QDockWidget* review =
      add_dock(Qt::LeftDockWidgetArea, tr("Review"), "dock_review", review_panel_);
  tabifyDockWidget(dock, review);
  setTabPosition(Qt::LeftDockWidgetArea, QTabWidget::North);
  dock->raise();
  register_ = new RegisterPanel(workspace_, jobs_, run_, this);
  QDockWidget* job = add_dock(Qt::RightDockWidgetArea, tr("Register"), "dock_register", register_);
  results_panel_ = new ResultsPanel(workspace_, results_, this);
  QDockWidget* results =
      add_dock(Qt::RightDockWidgetArea, tr("Results"), "dock_results", results_panel_);
  landmark_panel_ = new LandmarkPanel(workspace_, this);
  QDockWidget* landmarks =
      add_dock(Qt::RightDockWidgetArea, tr("Landmarks"), "dock_landmarks", landmark_panel_);
  tabifyDockWidget(job, results);
  tabifyDockWidget(results, landmarks);
  runs_panel_ = new RunsPanel(workspace_, runs_, this);
  tabifyDockWidget(landmarks,
                   add_dock(Qt::RightDockWidgetArea, tr("Runs"), "dock_runs", runs_panel_));
  setTabPosition(Qt::RightDockWidgetArea, QTabWidget::North);
  job->raise();
  run_panel_ = new RunPanel(run_, joint_, this);
  QDockWidget* run = add_dock(Qt::BottomDockWidgetArea, tr("Run"), "dock_run", run_panel_);
  resizeDocks({dock, job}, {310, 330}, Qt::Horizontal);
  resizeDocks({run}, {190}, Qt::Vertical);
}

void MainWindow::make_status_bar() {
  readout_ = new QLineEdit(this);
  readout_->setObjectName(QStringLiteral("readout"));
  readout_->setAccessibleName(tr("Place of the crosshair; type a point to go there"));
  readout_->setToolTip(
      tr("Type a point and press Return: \"R 12 A 3.5 S 40\", \"x, y, z\" in mm (LPS; add µm "
         "for micrometres), or \"v 64 64 32\" for a voxel"));
  readout_->setFrame(false);
  // Not QStatusBar::showMessage(): it writes where the readout is, and nobody would see it.
  message_ = new MessageLine(this);
  auto* lines = new QWidget(this);
  auto* column = new QVBoxLayout(lines);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(0);
  column->addWidget(message_);
  column->addWidget(readout_);
  statusBar()->addPermanentWidget(lines, 1);
  make_export_row();
  connect(readout_, &QLineEdit::returnPressed, this, [this] {
    if (const Grid* grid = workspace_.reference())
      if (const auto point = parse_point(readout_->text(), *grid)) workspace_.set_cursor(*point);
    views_->active()->setFocus();
  });
  connect(&workspace_, &Workspace::message, message_, &MessageLine::say);
}

void MainWindow::show_readout() {
  if (readout_->hasFocus()) return;
  if (workspace_.reference() == nullptr) return readout_->clear();
  readout_->setText(read_out(workspace_, hovered_mm_.value_or(workspace_.view().cursor_mm)).line());
  readout_->setCursorPosition(0);
}

void MainWindow::show_next_step() {
  const LayerModel& layers = workspace_.layers();
  const auto state = [&](LayerRole role) { return layers.layer(role).state; };
  using State = Layer::State;
  const State fixed = state(LayerRole::fixed), moving = state(LayerRole::moving);
  const bool empty = fixed == State::empty && moving == State::empty;
  centre_->setCurrentIndex(empty ? 0 : 1);
  QString text;
  const char* command = nullptr;
  for (const LayerRole role : kAllLayerRoles)
    if (state(role) == State::failed) text = layers.layer(role).problem;
  if (!text.isEmpty()) {
    command = fixed == State::failed    ? "open_fixed"
              : moving == State::failed ? "open_moving"
                                        : nullptr;
  } else if (fixed == State::loading || moving == State::loading) {
    text = tr("Reading …");
  } else if (fixed == State::empty) {
    text = tr("Next: the fixed image, the one that stays where it is. Drop it here or open it.");
    command = "open_fixed";
  } else if (moving == State::empty) {
    text = tr("Next: the moving image. Drop it here or open it.");
    command = "open_moving";
  } else if (!has_started_ && results_.state() == Results::State::none) {
    text =
        tr("Next: see that both show the same side of the same head (keys 1 to 6 compare), then "
           "start.");
    command = "start";
  }
  next_action_ = command != nullptr ? (*actions_)[command] : nullptr;
  if (next_step_->text() != text) next_step_->setText(text);
  if (next_action_ != nullptr) {
    next_button_->setText(next_action_->text());
    next_button_->setToolTip(next_action_->toolTip());
    next_button_->setEnabled(next_action_->isEnabled());
  }
  next_button_->setVisible(next_action_ != nullptr);
  next_row_->setVisible(!text.isEmpty());
}

void MainWindow::ask_for_file(LayerRole role) {
  QSettings settings;
  auto* dialog = new QFileDialog(this, tr("Open: %1").arg(title_of(role)));
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  dialog->setFileMode(QFileDialog::ExistingFile);
  dialog->setDirectory(settings.value(QStringLiteral("folder")).toString());
  connect(dialog, &QFileDialog::fileSelected, this, [this, role](const QString& path) {
    QSettings().setValue(QStringLiteral("folder"), QFileInfo(path).absolutePath());
    workspace_.open_as(role, path);
  });
  // A volume that is a folder is chosen by going into it.
  connect(dialog, &QFileDialog::directoryEntered, this, [this, role, dialog](const QString& path) {
    if (!io::is_zarr_folder(path.toStdString()) && !path.endsWith(QLatin1String(".n5"))) return;
    QSettings().setValue(QStringLiteral("folder"), QFileInfo(path).absolutePath());
    dialog->close();
    workspace_.open_as(role, path);
  });
  dialog->open();
}

void MainWindow::ask_for_names(LayerRole role) {
  auto* dialog =
      new QFileDialog(this, tr("Names of the labels: %1").arg(title_of(role)), {},
                      tr("Names of labels (*.txt *.label *.lut *.ctab *.ctbl *.csv *.tsv);;"
                         "All files (*)"));
  dialog->setObjectName(QStringLiteral("names_dialog"));
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  dialog->setFileMode(QFileDialog::ExistingFile);
  dialog->setDirectory(QFileInfo(workspace_.layers().layer(role).path).absolutePath());
  connect(dialog, &QFileDialog::fileSelected, this,
          [this, role](const QString& path) { workspace_.name_labels({role}, path); });
  dialog->open();
}

void MainWindow::ask_for_address(std::optional<LayerRole> role) {
  auto* dialog = new QInputDialog(this);
  dialog->setObjectName(QStringLiteral("address_dialog"));
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  dialog->setWindowTitle(role ? tr("Open: %1").arg(title_of(*role)) : tr("Open by address"));
  dialog->setLabelText(
      tr("The address of an OME-Zarr: https://…, http://… or s3://BUCKET/…\nOnly what is looked at "
         "is read."));
  dialog->resize(560, dialog->height());
  const QStringList copied = copied_paths();
  if (!copied.isEmpty() && is_address(copied.front())) dialog->setTextValue(copied.front());
  connect(dialog, &QInputDialog::textValueSelected, this, [this, role](const QString& text) {
    QString address = text.trimmed();
    while (address.endsWith(QLatin1Char('/'))) address.chop(1);
    if (!is_address(address))
      Q_EMIT workspace_.message(
          tr("\"%1\" is no address; it begins with https://, http:// or s3://.").arg(text));
    else if (role)
      workspace_.open_as(*role, address);
    else
      workspace_.open({address});
  });
  dialog->open();
}

namespace {

/// Keys that the widget with the focus works with are no shortcuts there.
bool works_with(const QWidget* widget, const QKeyEvent& key) {
  if (widget == nullptr || (key.modifiers() & ~Qt::KeypadModifier) != Qt::NoModifier) return false;
  const bool list = widget->inherits("QAbstractItemView") || widget->inherits("QComboBox");
  switch (key.key()) {
    case Qt::Key_Space: return list || widget->inherits("QAbstractButton");
    case Qt::Key_Left:
    case Qt::Key_Right:
    case Qt::Key_Up:
    case Qt::Key_Down:
      return list || widget->inherits("QAbstractSlider") || widget->inherits("QTabBar") ||
             widget->inherits("QAbstractSpinBox");
    default: return false;
  }
}

}  // namespace

bool MainWindow::event(QEvent* event) {
  if (event->type() == QEvent::ShortcutOverride &&
      works_with(focusWidget(), *static_cast<QKeyEvent*>(event))) {
    event->accept();
    return true;
  }
  return QMainWindow::event(event);
}

/// Each panel comes to the front and takes the focus by its key.
void MainWindow::connect_panels() {
  for (const char* name : {"data", "register", "results", "landmarks", "runs", "run"})
    actions_->on(("panel_" + std::string(name)).c_str(), this, [this, name] {
      auto* dock = findChild<QDockWidget*>(QStringLiteral("dock_") + QLatin1String(name));
      dock->show();
      dock->raise();
      for (QWidget* widget : dock->widget()->findChildren<QWidget*>())
        if (widget->isEnabled() && (widget->focusPolicy() & Qt::TabFocus) &&
            !widget->inherits("QScrollArea")) {
          widget->setFocus(Qt::ShortcutFocusReason);
          return;
        }
    });
}

void MainWindow::dragEnterEvent(QDragEnterEvent* event) {
  if (!paths_of(*event->mimeData()).isEmpty()) event->acceptProposedAction();
}

void MainWindow::dropEvent(QDropEvent* event) {
  event->acceptProposedAction();
  workspace_.open(paths_of(*event->mimeData()));
}

}  // namespace gigawarp::ui
