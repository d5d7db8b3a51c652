#include <QClipboard>
#include <QCoreApplication>
#include <QFileDialog>
#include <QGuiApplication>
#include <QMenuBar>
#include <QMessageBox>
#include <QMimeData>
#include <QPointer>
#include <QTimer>
#include <algorithm>
#include <array>
#include <numbers>

#include "gigawarp/error.h"
#include "job/alignment.h"
#include "job/output_folder.h"
#include "ui/models/address.h"
#include "ui/models/background.h"
#include "ui/models/landmark_pairs.h"
#include "ui/models/opacity.h"
#include "ui/models/readout.h"
#include "ui/views/main_window.h"

// What the menus hold and what the commands do.
namespace gigawarp::ui {
namespace {

constexpr const char* kModes[6] = {"mode_blend",   "mode_checkerboard", "mode_swipe",
                                   "mode_flicker", "mode_edges",        "mode_difference"};
constexpr const char* kLayouts[4] = {"layout_four", "layout_one", "layout_three", "layout_columns"};
constexpr double kOpacityStep = 0.1, kZoomStep = 1.25, kTurn = 5 * std::numbers::pi / 180;
constexpr const char* kHeads[4] = {"head_solid", "head_glass", "head_volume", "head_none"};

void fill(QMenu* menu, const Actions& actions, std::initializer_list<const char*> ids) {
  for (const char* id : ids) {
    if (*id == '-')
      menu->addSeparator();
    else
      menu->addAction(actions[id]);
  }
}

}  // namespace

void MainWindow::make_menus() {
  const Actions& a = *actions_;
  QMenu* file = menuBar()->addMenu(tr("&File"));
  fill(file, a,
       {"open_fixed", "open_moving", "open_address", "paste", "open_result", "open_batch", "-",
        "open_session", "save_session", "save_session_as", "-", "demo"});
  QMenu* recent = file->addMenu(tr("Re&cent"));
  recent->setObjectName(QStringLiteral("recent_menu"));
  connect(recent, &QMenu::aboutToShow, this, [this, recent] { fill_recent(recent); });
  QMenu* exports = file->addMenu(tr("&Export"));
  exports->setObjectName(QStringLiteral("export_menu"));
  fill(exports, a,
       {"export_image", "export_labels", "export_transform", "export_landmarks", "-", "export_view",
        "export_report", "-", "export_rejects", "export_batch_page"});
  fill(file, a, {"-", "quit"});
  QMenu* edit = menuBar()->addMenu(tr("&Edit"));
  fill(edit, a, {"undo", "redo", "-", "settings"});
  QMenu* view = menuBar()->addMenu(tr("&View"));
  fill(view, a,
       {"layout_four", "layout_one", "layout_three", "layout_columns", "-", "reset_view", "zoom_in",
        "zoom_out", "previous_slice", "next_slice", "view_back", "view_forward", "-", "turn_planes",
        "turn_left", "turn_right", "straighten", "-", "name_view"});
  QMenu* views = view->addMenu(tr("K&ept views"));
  views->setObjectName(QStringLiteral("kept_views_menu"));
  connect(views, &QMenu::aboutToShow, this, [this, views] { fill_kept_views(views); });
  QMenu* panels = view->addMenu(tr("&Panels"));
  fill(panels, a,
       {"panel_data", "panel_register", "panel_results", "panel_landmarks", "panel_runs",
        "panel_run"});
  fill(view, a,
       {"-", "neurological", "-", "head_solid", "head_glass", "head_volume", "head_none",
        "cut_planes"});
  QMenu* compare = menuBar()->addMenu(tr("&Compare"));
  fill(compare, a,
       {"mode_blend", "mode_checkerboard", "mode_swipe", "mode_flicker", "mode_edges",
        "mode_difference", "-", "overlay", "less_opaque", "more_opaque"});
  QMenu* align = menuBar()->addMenu(tr("&Align"));
  fill(align, a,
       {"align", "align_centres", "align_moments", "align_landmarks", "align_reset", "-",
        "drop_landmark", "correct_landmark", "hold_out_landmark", "remove_landmark"});
  QMenu* judge = menuBar()->addMenu(tr("&Judge"));
  fill(judge, a,
       {"next_worst", "-", "grid", "glyphs", "jacobian", "local_ncc", "inverse_error", "-",
        "flip_runs", "run_difference"});
  QMenu* run = menuBar()->addMenu(tr("&Run"));
  fill(run, a, {"start", "pause", "cancel"});
  fill(menuBar()->addMenu(tr("&Help")), a, {"formats"});
}

void MainWindow::connect_files() {
  Actions& a = *actions_;
  a.on("open_fixed", this, [this] { ask_for_file(LayerRole::fixed); });
  a.on("open_moving", this, [this] { ask_for_file(LayerRole::moving); });
  a.on("open_address", this, [this] { ask_for_address(std::nullopt); });
  a.on("paste", this, [this] {
    const QStringList paths = copied_paths();
    if (paths.isEmpty()) Q_EMIT workspace_.message(tr("No file and no address was copied."));
    workspace_.open(paths);
  });
  a.on("demo", this, [this] {
    message_->say(tr("Making a pair of heads …"));
    demo_.make();
  });
  connect(&demo_, &DemoPair::failed, &workspace_, &Workspace::message);
  connect(&demo_, &DemoPair::ready, this, [this](const QStringList& files) {
    message_->say({});
    for (int i = 0; i < files.size(); ++i) {
      constexpr std::array kRoles{LayerRole::fixed,           LayerRole::moving,
                                  LayerRole::fixed_labels,    LayerRole::moving_labels,
                                  LayerRole::fixed_landmarks, LayerRole::moving_landmarks};
      workspace_.open_as(kRoles.at(static_cast<std::size_t>(i)), files[i]);
    }
  });
  a.on("quit", this, [this] { close(); });
  connect(data_, &DataPanel::file_wanted, this, &MainWindow::ask_for_file);
  connect(data_, &DataPanel::names_wanted, this, &MainWindow::ask_for_names);
  connect(data_, &DataPanel::address_wanted, this, &MainWindow::ask_for_address);
  a.on("undo", this, [this] { workspace_.undo_stack().undo(); });
  a.on("redo", this, [this] { workspace_.undo_stack().redo(); });
  connect(&workspace_.undo_stack(), &QUndoStack::canUndoChanged, a["undo"], &QAction::setEnabled);
  connect(&workspace_.undo_stack(), &QUndoStack::canRedoChanged, a["redo"], &QAction::setEnabled);
  a["undo"]->setEnabled(false);
  a["redo"]->setEnabled(false);
}

void MainWindow::change(const QString& text, const std::function<void(DisplayState&)>& edit) {
  DisplayState display = workspace_.display();
  edit(display);
  workspace_.begin_gesture();
  workspace_.change_display(display, text);
}

/// Of what is chosen in the Data panel.
void MainWindow::change_opacity(double step) {
  const std::vector<LayerLook> looks = fade(workspace_, data_->chosen(), step);
  if (looks.empty()) return;
  if (is_image(looks.front().role) && shows_both_images(workspace_) &&
      workspace_.display().mode == render::CompareMode::difference) {
    Q_EMIT workspace_.message(
        tr("The difference shows figures, which opacity does not change; choose another compare "
           "mode, say 1, the blend."));
    return;
  }
  workspace_.begin_gesture();
  workspace_.change_looks(looks, tr("Opacity"));
  Q_EMIT workspace_.message(opacity_text(workspace_, looks));
}

void MainWindow::connect_display() {
  Actions& a = *actions_;
  QStringList modes;
  for (int i = 0; i < 6; ++i) {
    modes << QLatin1String(kModes[i]);
    a.on(kModes[i], this, [this, i] {
      change(tr("Compare mode"), [i](DisplayState& d) {
        d.mode = static_cast<render::CompareMode>(i);
        d.overlay = true;
      });
    });
  }
  a.group(modes);
  a.on_toggled("overlay", this, [this](bool on) {
    change(tr("Overlay"), [on](DisplayState& d) { d.overlay = on; });
  });
  a.on("less_opaque", this, [this] { change_opacity(-kOpacityStep); });
  a.on("more_opaque", this, [this] { change_opacity(kOpacityStep); });
  a.on_toggled("grid", this,
               [this](bool on) { change(tr("Grid"), [on](DisplayState& d) { d.grid = on; }); });
  const auto map = [this](MapChoice choice) {
    return [this, choice](bool on) {
      change(tr("Map"), [on, choice](DisplayState& d) { d.map = on ? choice : MapChoice::none; });
    };
  };
  a.on_toggled("jacobian", this, map(MapChoice::jacobian));
  a.on_toggled("local_ncc", this, map(MapChoice::local_ncc));
  a.on_toggled("inverse_error", this, map(MapChoice::inverse_error));
  a.on_toggled("run_difference", this, map(MapChoice::run_difference));
  a.on_toggled("glyphs", this,
               [this](bool on) { change(tr("Arrows"), [on](DisplayState& d) { d.glyphs = on; }); });
  QStringList heads;
  for (int i = 0; i < 4; ++i) {
    heads << QLatin1String(kHeads[i]);
    a.on(kHeads[i], this, [this, i] {
      change(tr("Head in 3-D"),
             [i](DisplayState& d) { d.head = static_cast<render::HeadStyle>(i); });
    });
  }
  a.group(heads);
  a.on_toggled("cut_planes", this, [this](bool on) {
    change(tr("Cut planes"), [on](DisplayState& d) { d.cut_planes = on; });
  });
  const auto follow = [this] {
    const DisplayState& d = workspace_.display();
    (*actions_)[kHeads[static_cast<int>(d.head)]]->setChecked(true);
    (*actions_)["cut_planes"]->setChecked(d.cut_planes);
    (*actions_)[kModes[static_cast<int>(d.mode)]]->setChecked(true);
    (*actions_)["overlay"]->setChecked(d.overlay);
    (*actions_)["grid"]->setChecked(d.grid);
    (*actions_)["glyphs"]->setChecked(d.glyphs);
    constexpr std::pair<const char*, MapChoice> kMaps[] = {
        {"jacobian", MapChoice::jacobian},
        {"local_ncc", MapChoice::local_ncc},
        {"inverse_error", MapChoice::inverse_error},
        {"run_difference", MapChoice::run_difference}};
    for (const auto& [id, choice] : kMaps) {
      (*actions_)[id]->setChecked(d.map == choice);
      (*actions_)[id]->setEnabled(workspace_.has_map(choice));
    }
    for (const char* id : {"grid", "glyphs"})
      (*actions_)[id]->setEnabled(workspace_.warp() != nullptr);
  };
  connect(&workspace_, &Workspace::scene_changed, this, follow);
  follow();
}

void MainWindow::connect_views() {
  Actions& a = *actions_;
  QStringList layouts;
  for (int i = 0; i < 4; ++i) {
    layouts << QLatin1String(kLayouts[i]);
    a.on(kLayouts[i], this, [this, i] { views_->set_layout(static_cast<ViewLayout>(i)); });
  }
  a.group(layouts);
  a[kLayouts[0]]->setChecked(true);
  a.on("reset_view", this, [this] { workspace_.reset_view(); });
  a.on("zoom_in", this, [this] { workspace_.set_zoom(workspace_.view().zoom * kZoomStep); });
  a.on("zoom_out", this, [this] { workspace_.set_zoom(workspace_.view().zoom / kZoomStep); });
  a.on("previous_slice", this, [this] { workspace_.step(views_->active()->plane(), -1); });
  a.on("next_slice", this, [this] { workspace_.step(views_->active()->plane(), 1); });
  a.on_toggled("turn_planes", this, [this](bool on) {
    change(tr("Turn the planes"), [on](DisplayState& d) { d.turning = on; });
  });
  a.on("turn_left", this, [this] { workspace_.turn_planes(views_->active()->plane(), -kTurn); });
  a.on("turn_right", this, [this] { workspace_.turn_planes(views_->active()->plane(), kTurn); });
  a.on("straighten", this, [this] { workspace_.straighten_planes(); });
  a.on("name_view", this, [this] { ask_for_view_name(); });
  connect(&workspace_, &Workspace::display_changed, this,
          [this] { (*actions_)["turn_planes"]->setChecked(workspace_.display().turning); });
  a.on_toggled("neurological", this, [this](bool on) { workspace_.set_neurological(on); });
  connect(views_, &ViewGrid::hovered, this, [this](const Vec3& world_mm) {
    hovered_mm_ = world_mm;
    show_readout();
  });
  // Moved by hand or key, the crosshair is what counts; what comes by itself (bricks, the preview
  // of a run) changes values and not the place.
  const auto at_cursor = [this] {
    hovered_mm_.reset();
    show_readout();
  };
  connect(views_, &ViewGrid::left, this, at_cursor);
  connect(&workspace_, &Workspace::view_changed, this, at_cursor);
  connect(&workspace_, &Workspace::scene_changed, this, &MainWindow::show_readout);
  connect(&workspace_, &Workspace::bricks_arrived, this, &MainWindow::show_readout);
}

void MainWindow::connect_alignment() {
  Actions& a = *actions_;
  a.on_toggled("align", this, [this](bool on) {
    if (on) workspace_.set_warp(WarpSource::alignment, nullptr);
    views_->set_aligning(on);
  });
  a.on("align_centres", this, [this] {
    const Layer& fixed = workspace_.layers().layer(LayerRole::fixed);
    const Layer& moving = workspace_.layers().layer(LayerRole::moving);
    if (fixed.volume == nullptr || moving.volume == nullptr) return;
    Affine shift;
    const Vec3 from = fixed.grid().centre_mm(), to = moving.grid().centre_mm();
    for (int i = 0; i < 3; ++i) shift.offset[i] = to[i] - from[i];
    workspace_.begin_gesture();
    workspace_.change_alignment(shift, tr("Align the centres"));
  });
  a.on("align_moments", this, [this] { align_moments(); });
  a.on("align_landmarks", this, [this] { align_landmarks(); });
  a.on("drop_landmark", this, [this] { landmark_panel_->drop(); });
  a.on("correct_landmark", this, [this] { landmark_panel_->correct(); });
  a.on("hold_out_landmark", this, [this] { landmark_panel_->toggle_held_out(); });
  a.on("remove_landmark", this, [this] { landmark_panel_->remove(); });
  a.on("align_reset", this, [this] {
    workspace_.begin_gesture();
    workspace_.change_alignment({}, tr("Forget the alignment"));
  });
}

/// Of the volumes in memory: of a streamed image a coarse level, which is fine enough for this.
void MainWindow::align_moments() {
  const auto volume = [this](LayerRole role) { return workspace_.layers().layer(role).volume; };
  const auto fixed = volume(LayerRole::fixed), moving = volume(LayerRole::moving);
  if (fixed == nullptr || moving == nullptr) return;
  Q_EMIT workspace_.message(tr("Measuring centres of mass and axes …"));
  background_pool().start([guard = QPointer<MainWindow>(this), fixed, moving] {
    Affine found;
    QString problem;
    try {
      found = job::align_moments(*fixed, *moving);
    } catch (const std::exception& error) {
      problem = QString::fromStdString(error.what());
    }
    QMetaObject::invokeMethod(
        qApp,
        [guard, fixed, moving, found, problem] {
          if (guard == nullptr) return;
          Workspace& workspace = guard->workspace_;
          const LayerModel& layers = workspace.layers();
          if (layers.layer(LayerRole::fixed).volume != fixed ||
              layers.layer(LayerRole::moving).volume != moving)
            return;  // another pair by now
          Q_EMIT workspace.message(problem.isEmpty() ? tr("Aligned by moments.") : problem);
          if (!problem.isEmpty()) return;
          workspace.begin_gesture();
          workspace.change_alignment(found, tr("Align the moments"));
        },
        Qt::QueuedConnection);
  });
}

/// By the pairs that are used; those held out tell how good it is.
void MainWindow::align_landmarks() {
  std::vector<std::pair<Vec3, Vec3>> pairs;
  for (const LandmarkPairs::Pair& pair : workspace_.pairs().pairs())
    if (!pair.held_out) pairs.emplace_back(pair.fixed_mm, pair.moving_mm);
  try {
    const Affine found = job::align_landmarks(pairs);
    workspace_.begin_gesture();
    workspace_.change_alignment(found, tr("Align the landmarks"));
  } catch (const Error& error) {
    Q_EMIT workspace_.message(QString::fromStdString(error.what()));
  }
}

void MainWindow::connect_run() {
  Actions& a = *actions_;
  a.on("start", this, [this] { register_->start(); });
  a.on("pause", this,
       [this] { run_.state() == RunController::State::paused ? run_.go_on() : run_.pause(); });
  a.on("cancel", this, [this] { run_.cancel(); });
  // Of the pair it belongs to: somebody may look at another one, or at an earlier run, meanwhile.
  connect(&run_, &RunController::preview, &workspace_, [this](const auto& warp) {
    const bool looks_back = looks_at_results_ && results_.state() != Results::State::none;
    if (shows_pair_of_run() && !looks_back) workspace_.set_warp(WarpSource::preview, warp);
  });
  connect(&run_, &RunController::state_changed, this, [this] {
    const bool active = run_.is_active();
    (*actions_)["pause"]->setEnabled(active);
    (*actions_)["cancel"]->setEnabled(active);
    if (run_.state() == RunController::State::starting) looks_at_results_ = false;
    setWindowTitle(active ? tr("Gigawarp – registering") : QStringLiteral("Gigawarp"));
    has_started_ = has_started_ || active;
    show_next_step();
  });
  connect(&run_, &RunController::job_found, this, [this](const JobSpec& job) {
    looks_at_results_ = false;
    workspace_.open_files_of(job, true);
  });
  a["pause"]->setEnabled(false);
  a["cancel"]->setEnabled(false);
  a["start"]->setEnabled(false);
  connect(register_, &RegisterPanel::can_start, a["start"], &QAction::setEnabled);
  connect(a["start"], &QAction::changed, this, &MainWindow::show_next_step);
}

bool MainWindow::shows_pair_of_run() const {
  const LayerModel& layers = workspace_.layers();
  const bool nothing = layers.layer(LayerRole::fixed).path.isEmpty() &&
                       layers.layer(LayerRole::moving).path.isEmpty();
  return nothing || run_.job() == nullptr || workspace_.has_pair_of(*run_.job());
}

void MainWindow::connect_results() {
  Actions& a = *actions_;
  const auto open = [this](const QString& folder) {
    if (!run_.is_active() && job::OutputFolder::is_in_use(folder.toStdString()))
      return run_.watch(folder);
    if (RunController::is_unfinished(folder)) return ask_about_unfinished(folder);
    looks_at_results_ = run_.is_active();
    results_.open(folder);
    findChild<QDockWidget*>(QStringLiteral("dock_results"))->raise();
  };
  connect(&workspace_, &Workspace::result_opened, this, open);
  connect(&run_, &RunController::finished, this, [this, open](const QString& folder) {
    if (shows_pair_of_run()) return open(folder);
    runs_.note_results(folder);
    Q_EMIT workspace_.message(
        tr("The run in \"%1\" has finished; the panel Runs shows its results.").arg(folder));
  });
  a.on("open_result", this, [this, open] {
    auto* dialog = new QFileDialog(this, tr("Open the folder of a run"));
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setFileMode(QFileDialog::Directory);
    connect(dialog, &QFileDialog::fileSelected, this, open);
    dialog->open();
  });
  connect_runs(open);
  a.on("next_worst", this, [this] { results_panel_->next_worst(); });
  const auto follow = [this] {
    (*actions_)["next_worst"]->setEnabled(results_.judgement() != nullptr);
  };
  connect(&results_, &Results::changed, this, follow);
  follow();
}

void MainWindow::connect_runs(const std::function<void(const QString&)>& open) {
  connect(runs_panel_, &RunsPanel::show_wanted, this, open);
  connect(&run_, &RunController::state_changed, this, [this] {
    using State = RunController::State;
    const State state = run_.state();
    if (state == State::idle || state == State::finished) return;
    runs_.note(run_.folder(), run_.is_watching() ? QString() : jobs_.preset(),
               run_.is_active() ? tr("running") : tr("no results"));
  });
  connect(&results_, &Results::changed, this, [this] {
    if (results_.state() != Results::State::ready) return;
    runs_.note_results(results_.folder());
    runs_.set_shown(results_.folder());
  });
  actions_->on("flip_runs", this, [this] { runs_panel_->flip(); });
  const auto follow = [this] { (*actions_)["flip_runs"]->setEnabled(workspace_.has_other_warp()); };
  connect(&workspace_, &Workspace::warp_changed, this, follow);
  follow();
}

/// A folder with a checkpoint and no results: a run that was stopped, here or in a terminal.
void MainWindow::ask_about_unfinished(const QString& folder) {
  auto* question = new QMessageBox(
      QMessageBox::Question, tr("Unfinished run"),
      tr("The run in \"%1\" was stopped before its end. Go on from its checkpoint?").arg(folder),
      QMessageBox::Cancel, this);
  QPushButton* resume = question->addButton(tr("Go on"), QMessageBox::AcceptRole);
  question->setObjectName(QStringLiteral("unfinished_question"));
  question->setAttribute(Qt::WA_DeleteOnClose);
  connect(resume, &QPushButton::clicked, this, [this, folder] {
    if (!run_.is_active()) run_.resume_folder(folder);
  });
  question->open();
}

}  // namespace gigawarp::ui
