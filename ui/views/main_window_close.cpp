#include <QCloseEvent>
#include <QMessageBox>
#include <QPushButton>
#include <algorithm>

#include "ui/views/main_window.h"

// What is asked before the window closes: nothing made by hand is lost, and a run is nobody's by
// accident.
namespace gigawarp::ui {

/// What a person made and no file holds: landmarks set here, an alignment by hand.
QString MainWindow::unsaved_work() const {
  if (workspace_.undo_stack().isClean()) return {};
  const LayerModel& layers = workspace_.layers();
  const LandmarkSides marks = workspace_.landmarks();
  const auto in_no_file = [&](LayerRole role, int side) {
    return layers.layer(role).path.isEmpty() ? marks.at(side).size() : 0;
  };
  const std::size_t points = std::max(in_no_file(LayerRole::fixed_landmarks, 0),
                                      in_no_file(LayerRole::moving_landmarks, 1));
  if (points > 0 && workspace_.is_aligned())
    return tr("%n pair(s) of landmarks and the alignment by hand are in no file.", nullptr,
              static_cast<int>(points));
  if (points > 0)
    return tr("%n pair(s) of landmarks are in no file.", nullptr, static_cast<int>(points));
  return workspace_.is_aligned() ? tr("The alignment by hand is in no file.") : QString();
}

void MainWindow::closeEvent(QCloseEvent* event) {
  const bool runs = run_.is_active() && !run_.is_watching();
  const QString work = leaves_work_ ? QString() : unsaved_work();
  if (!runs && work.isEmpty() && !exporter_.is_busy()) return event->accept();
  event->ignore();
  if (!work.isEmpty())
    ask_about_work(work, tr("Close without it"), [this] {
      leaves_work_ = true;
      close();
      leaves_work_ = false;
    });
  else if (exporter_.is_busy())
    ask_about_export();
  else
    ask_about_run();
}

/// Before `go_on`, which forgets it. Saving goes on elsewhere: `go_on` comes once the session is in
/// its file.
void MainWindow::ask_about_work(const QString& work, const QString& without,
                                const std::function<void()>& go_on) {
  auto* question = new QMessageBox(QMessageBox::Question, tr("Keep what was done by hand?"),
                                   work + QLatin1Char('\n') + tr("A session keeps all of it."),
                                   QMessageBox::Cancel, this);
  question->setObjectName(QStringLiteral("work_question"));
  question->setAttribute(Qt::WA_DeleteOnClose);
  QPushButton* save = question->addButton(tr("Save the session…"), QMessageBox::AcceptRole);
  QPushButton* leave = question->addButton(without, QMessageBox::DestructiveRole);
  leave->setObjectName(QStringLiteral("leave_work_button"));
  question->setDefaultButton(save);
  connect(save, &QPushButton::clicked, this, [this, go_on] {
    when_saved_ = go_on;
    (*actions_)["save_session"]->trigger();
  });
  connect(leave, &QPushButton::clicked, this, go_on);
  question->open();
}

/// Closing would end it, and with it what may have taken half an hour.
void MainWindow::ask_about_export() {
  auto* question =
      new QMessageBox(QMessageBox::Question, tr("A file is being written"),
                      tr("\"%1\" is not whole yet. Close when it is, or give it up? Nothing "
                         "half-written stays.")
                          .arg(exporter_.path()),
                      QMessageBox::Cancel, this);
  question->setObjectName(QStringLiteral("export_question"));
  question->setAttribute(Qt::WA_DeleteOnClose);
  question->setTextFormat(Qt::PlainText);
  QPushButton* wait = question->addButton(tr("Close when it is"), QMessageBox::AcceptRole);
  QPushButton* give_up = question->addButton(tr("Give it up"), QMessageBox::DestructiveRole);
  give_up->setObjectName(QStringLiteral("give_up_button"));
  question->setDefaultButton(wait);
  connect(wait, &QPushButton::clicked, this, [this] {
    if (exporter_.is_busy())  // where it fails, the window stays and says why
      connect(&exporter_, &Exporter::written, this, &QWidget::close, Qt::SingleShotConnection);
    else
      close();
  });
  connect(give_up, &QPushButton::clicked, this, [this] {
    connect(&exporter_, &Exporter::changed, this, [this] {
      if (!exporter_.is_busy()) close();
    });
    exporter_.is_busy() ? exporter_.cancel() : static_cast<void>(close());
  });
  question->open();
}

/// It can go on by itself, or be stopped where it can go on later.
void MainWindow::ask_about_run() {
  auto* question =
      new QMessageBox(QMessageBox::Question, tr("A registration is running"),
                      tr("Let it go on without the window, or stop it after a checkpoint? "
                         "Opening its folder here watches it again, or goes on from "
                         "the checkpoint."),
                      QMessageBox::Cancel, this);
  QPushButton* stop = question->addButton(tr("Stop and close"), QMessageBox::AcceptRole);
  QPushButton* go_on = question->addButton(tr("Let it go on"), QMessageBox::ActionRole);
  go_on->setObjectName(QStringLiteral("let_go_button"));
  // Before it has begun nobody could watch it.
  go_on->setEnabled(run_.state() == RunController::State::running ||
                    run_.state() == RunController::State::paused);
  connect(go_on, &QPushButton::clicked, this, [this] {
    if (run_.is_active()) run_.let_go();
    leaves_work_ = true;  // that was asked first
    close();
  });
  question->setObjectName(QStringLiteral("close_question"));
  question->setAttribute(Qt::WA_DeleteOnClose);
  connect(stop, &QPushButton::clicked, this, [this] {
    leaves_work_ = true;      // that was asked first
    if (!run_.is_active()) {  // it has ended while the question stood
      close();
      return;
    }
    connect(&run_, &RunController::state_changed, this, [this] {
      if (!run_.is_active()) close();
    });
    run_.cancel();
  });
  question->open();
}

}  // namespace gigawarp::ui
