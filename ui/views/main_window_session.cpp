#include <QFileDialog>
#include <QFileInfo>
#include <QInputDialog>
#include <QMenu>
#include <QMessageBox>
#include <QPushButton>
#include <QRegularExpression>
#include <utility>

#include "io/plugins.h"
#include "ui/views/formats_dialog.h"
#include "ui/views/main_window.h"
#include "ui/views/settings_dialog.h"

// Sessions, recent files, settings, history of the views.
namespace gigawarp::ui {
namespace {

constexpr int kRestMs = 600;

QString filter() { return MainWindow::tr("Sessions (*.gigawarp)"); }

}  // namespace

void MainWindow::connect_session() {
  Actions& a = *actions_;
  const auto open = [this](const QString& path) {
    const QString work = unsaved_work();
    if (work.isEmpty()) return session_.open(path);
    ask_about_work(work, tr("Open without it"), [this, path] { session_.open(path); });
  };
  connect(&workspace_, &Workspace::session_opened, this, open);
  connect(&session_, &Session::saved, this, [this] {
    if (const auto go_on = std::exchange(when_saved_, nullptr)) go_on();
  });
  connect(&session_, &Session::not_saved, this, [this] { when_saved_ = nullptr; });
  a.on("open_session", this, [this, open] {
    auto* dialog = new QFileDialog(this, tr("Open a session"), {}, filter());
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    connect(dialog, &QFileDialog::fileSelected, this, open);
    dialog->open();
  });
  a.on("save_session", this,
       [this] { session_.path().isEmpty() ? save_session_as() : session_.save(session_.path()); });
  a.on("save_session_as", this, [this] { save_session_as(); });
  a.on("settings", this, [this] {
    auto* dialog = new SettingsDialog(this);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    connect(dialog, &SettingsDialog::applied, this, [this] {
      actions_->use(KeyMap());
      workspace_.use_cache_mib(Workspace::cache_mib());
    });
    dialog->open();
  });
  a.on("formats", this, [this] {
    auto* dialog = new FormatsDialog(this);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->open();
  });
  connect(&workspace_.layers(), &LayerModel::layer_changed, this, [this](LayerRole role) {
    const Layer& layer = workspace_.layers().layer(role);
    if (is_image(role) && layer.state == Layer::State::ready &&
        Session::recent().value(0) != layer.path)
      Session::remember(layer.path);
  });
  connect(&workspace_, &Workspace::voxel_size_wanted, this, &MainWindow::ask_for_voxel_size);
  connect(data_, &DataPanel::voxel_size_wanted, this, &MainWindow::ask_for_voxel_size);
  const QStringList lost = Session::left_behind();
  if (lost.isEmpty()) return;
  auto* question =
      new QMessageBox(QMessageBox::Question, tr("Recover"),
                      tr("Gigawarp did not end in order last time. Bring back what was "
                         "open?"),
                      QMessageBox::NoButton, this);
  question->setObjectName(QStringLiteral("recover_question"));
  question->setAttribute(Qt::WA_DeleteOnClose);
  QPushButton* recover = question->addButton(tr("Bring back"), QMessageBox::AcceptRole);
  QPushButton* forget = question->addButton(tr("Forget it"), QMessageBox::DestructiveRole);
  connect(recover, &QPushButton::clicked, this, [this, lost] { session_.recover(lost.front()); });
  connect(forget, &QPushButton::clicked, this, [lost] {
    for (const QString& file : lost) QFile::remove(file);
  });
  QTimer::singleShot(0, question, [question] { question->open(); });
}

void MainWindow::connect_review() {
  const auto open = [this](const QString& folder) {
    review_.open(folder);
    findChild<QDockWidget*>(QStringLiteral("dock_review"))->raise();
  };
  connect(&workspace_, &Workspace::batch_opened, this, open);
  actions_->on("open_batch", this, [this, open] {
    auto* dialog = new QFileDialog(this, tr("Open the folder of a batch"));
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setFileMode(QFileDialog::Directory);
    connect(dialog, &QFileDialog::fileSelected, this, open);
    dialog->open();
  });
  connect(review_panel_, &ReviewPanel::message, &workspace_, &Workspace::message);
  connect(review_panel_, &ReviewPanel::pair_wanted, &workspace_, &Workspace::result_opened);
  connect(review_panel_, &ReviewPanel::fix_wanted, this, [this](const JobSpec& job) {
    jobs_.take(job);
    workspace_.open_files_of(job, true);
    findChild<QDockWidget*>(QStringLiteral("dock_register"))->raise();
    Q_EMIT workspace_.message(tr(
        "Change the job, the masks or the alignment and start: the result replaces the pair's."));
  });
}

/// What is done by hand stands in the log beside what runs say.
void MainWindow::connect_hand_log() {
  // Plugins are loaded with the first file; what was skipped is told then, once.
  connect(&workspace_.layers(), &LayerModel::layer_changed, this, [this] {
    const io::PluginList* plugins = plugins_told_ ? nullptr : io::plugins_in_use();
    if (plugins == nullptr) return;
    plugins_told_ = true;
    for (const io::SkippedPlugin& skipped : plugins->skipped)
      run_panel_->log(tr("plugin skipped: %1").arg(QString::fromStdString(skipped.reason)));
    if (!plugins->skipped.empty())
      Q_EMIT workspace_.message(tr("Plugins were skipped; the log and Help, Formats say why."));
  });
  connect(&hand_log_, &HandLog::logged, run_panel_, &RunPanel::log);
  connect(register_, &RegisterPanel::said, &hand_log_, &HandLog::say);
  connect(&session_, &Session::saved, this, [this](const QString& path) {
    hand_log_.say(tr("session saved  (gigawarp %1)").arg(shell_command({path})));
  });
  connect(landmark_panel_, &LandmarkPanel::saved, this,
          [this](const QString& fixed, const QString& moving) {
            hand_log_.say(tr("landmarks written  (register --landmarks %1 %2)").arg(fixed, moving));
          });
  connect(results_panel_, &ResultsPanel::report_written, this, [this](const QString& path) {
    hand_log_.say(tr("report %1  (figures: gigawarp qc --result %2)").arg(path, results_.folder()));
  });
  connect(&review_, &ReviewModel::judged, this, [this](const QString& pair, const QString& word) {
    hand_log_.say(tr("review of %1: %2  (verdict.json in its folder)").arg(pair, word));
  });
  connect(&review_, &ReviewModel::written, this,
          [this](const QString& file) { hand_log_.say(tr("review: %1 written").arg(file)); });
}

void MainWindow::save_session_as() {
  auto* dialog =
      new QFileDialog(this, tr("Save the session"), QStringLiteral("session.gigawarp"), filter());
  dialog->setObjectName(QStringLiteral("save_session_dialog"));
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  dialog->setAcceptMode(QFileDialog::AcceptSave);
  dialog->setDefaultSuffix(QStringLiteral("gigawarp"));
  connect(dialog, &QFileDialog::fileSelected, &session_, &Session::save);
  connect(dialog, &QDialog::rejected, this, [this] { when_saved_ = nullptr; });
  dialog->open();
}

void MainWindow::fill_recent(QMenu* menu) {
  menu->clear();
  for (const QString& path : Session::recent())
    menu->addAction(
        QFileInfo(path).fileName() + QStringLiteral("   ") + QFileInfo(path).absolutePath(), this,
        [this, path] { workspace_.open({path}); });
  if (menu->isEmpty()) menu->addAction(tr("Nothing yet"))->setEnabled(false);
}

void MainWindow::ask_for_view_name() {
  if (workspace_.reference() == nullptr) return;
  auto* dialog = new QInputDialog(this);
  dialog->setObjectName(QStringLiteral("view_name_dialog"));
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  dialog->setWindowTitle(tr("Keep this view"));
  dialog->setLabelText(tr("Name"));
  dialog->setTextValue(tr("View %1").arg(workspace_.named_views().size() + 1));
  connect(dialog, &QInputDialog::textValueSelected, this, [this](const QString& name) {
    if (!name.trimmed().isEmpty()) workspace_.name_view(name.trimmed().toStdString());
  });
  dialog->open();
}

void MainWindow::ask_for_voxel_size(LayerRole role) {
  const Layer& layer = workspace_.layers().layer(role);
  if (layer.path.isEmpty()) return;
  auto* dialog = new QInputDialog(this);
  dialog->setObjectName(QStringLiteral("voxel_size_dialog"));
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  dialog->setWindowTitle(tr("Voxel size"));
  dialog->setLabelText(
      tr("How large are the voxels of \"%1\"? Three numbers along x, y, z of the file, in mm:")
          .arg(QFileInfo(layer.path).fileName()));
  connect(dialog, &QInputDialog::textValueSelected, this,
          [this, role, path = layer.path, part = layer.selection](const QString& text) {
            const QStringList parts =
                text.split(QRegularExpression(QStringLiteral("[\\s,;×x]+")), Qt::SkipEmptyParts);
            Vec3 mm{};
            bool good = parts.size() == 3;
            for (int a = 0; good && a < 3; ++a) {
              mm.at(static_cast<std::size_t>(a)) = parts[a].toDouble(&good);
              good = good && mm.at(static_cast<std::size_t>(a)) > 0;
            }
            if (good)
              workspace_.open_as(role, path, mm, part);
            else
              Q_EMIT workspace_.message(
                  tr("\"%1\" is no voxel size: three numbers above 0, as 0.5, 0.5, 2.").arg(text));
          });
  dialog->open();
}

void MainWindow::fill_kept_views(QMenu* menu) {
  menu->clear();
  for (const NamedView& named : workspace_.named_views())
    menu->addAction(QString::fromStdString(named.name), this,
                    [this, view = named.view] { workspace_.set_view(view); });
  if (menu->isEmpty()) menu->addAction(tr("Nothing kept yet"))->setEnabled(false);
}

/// A place counts as visited when the views have rested there for a moment.
void MainWindow::connect_history() {
  rest_.setSingleShot(true);
  rest_.setInterval(kRestMs);
  connect(&workspace_, &Workspace::view_changed, &rest_, qOverload<>(&QTimer::start));
  const auto follow = [this] {
    (*actions_)["view_back"]->setEnabled(history_.can_go_back());
    (*actions_)["view_forward"]->setEnabled(history_.can_go_forward());
  };
  connect(&rest_, &QTimer::timeout, this, [this, follow] {
    history_.visit(workspace_.view());
    follow();
  });
  actions_->on("view_back", this, [this, follow] {
    workspace_.set_view(history_.back());
    follow();
  });
  actions_->on("view_forward", this, [this, follow] {
    workspace_.set_view(history_.forward());
    follow();
  });
  follow();
}

}  // namespace gigawarp::ui
