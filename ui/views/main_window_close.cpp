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

void MainWindow::connect_closing() {
  connect(&workspace_.undo_stack(), &QUndoStack::indexChanged, this,
          [this] { leaves_work_ = false; });
  connect(&exporter_, &Exporter::written, this, [this] {
    if (closes_after_ == ClosesAfter::file || closes_after_ == ClosesAfter::attempt) close();
  });
  connect(&exporter_, &Exporter::failed, this, [this] {
    if (exporter_.is_busy()) return;  // another file, refused meanwhile
    if (closes_after_ == ClosesAfter::attempt) return static_cast<void>(close());
    if (closes_after_ == ClosesAfter::file) closes_after_ = ClosesAfter::nothing;
  });
  connect(&run_, &RunController::state_changed, this, [this] {
    if (closes_after_ == ClosesAfter::run && !run_.is_active()) close();
  });
}

void MainWindow::closeEvent(QCloseEvent* event) {
  closes_after_ = ClosesAfter::nothing;
  const bool runs = run_.is_active() && !run_.is_watching();
  const QString work = leaves_work_ ? QString() : unsaved_work();
  if (!runs && work.isEmpty() && !exporter_.is_busy()) {
    leaves_work_ = false;
    return event->accept();
  }
  event->ignore();
  if (!work.isEmpty())
    ask_about_work(work, tr("Close without it"), [this] {
      leaves_work_ = true;
      close();
    });
  else if (exporter_.is_busy())
    ask_about_export();
  else
    ask_about_run();
}

/// Whoever cancels one of the questions is asked all of them the next time.
QMessageBox* MainWindow::closing_question(const char* name, const QString& title,
                                          const QString& text) {
  auto* question = new QMessageBox(QMessageBox::Question, title, text, QMessageBox::Cancel, this);
  question->setObjectName(QLatin1String(name));
  question->setAttribute(Qt::WA_DeleteOnClose);
  question->setTextFormat(Qt::PlainText);
  connect(question, &QMessageBox::finished, this, [this, question] {
    if (question->clickedButton() == question->button(QMessageBox::Cancel)) leaves_work_ = false;
  });
  return question;
}

/// Before `go_on`, which forgets it. Saving goes on elsewhere: `go_on` comes once the session is in
/// its file.
void MainWindow::ask_about_work(const QString& work, const QString& without,
                                const std::function<void()>& go_on) {
  QMessageBox* question =
      closing_question("work_question", tr("Keep what was done by hand?"),
                       work + QLatin1Char('\n') + tr("A session keeps all of it."));
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
  QMessageBox* question =
      closing_question("export_question", tr("A file is being written"),
                       tr("\"%1\" is not whole yet. Close when it is, or give it up? Nothing "
                          "half-written stays.")
                           .arg(exporter_.path()));
  QPushButton* wait = question->addButton(tr("Close when it is"), QMessageBox::AcceptRole);
  QPushButton* give_up = question->addButton(tr("Give it up"), QMessageBox::DestructiveRole);
  give_up->setObjectName(QStringLiteral("give_up_button"));
  question->setDefaultButton(wait);
  connect(wait, &QPushButton::clicked, this, [this] {
    if (!exporter_.is_busy()) return static_cast<void>(close());
    closes_after_ = ClosesAfter::file;  // where it fails, the window stays and says why
  });
  connect(give_up, &QPushButton::clicked, this, [this] {
    if (!exporter_.is_busy()) return static_cast<void>(close());
    closes_after_ = ClosesAfter::attempt;
    exporter_.cancel();
  });
  question->open();
}

/// It can go on by itself, or be stopped where it can go on later.
void MainWindow::ask_about_run() {
  QMessageBox* question =
      closing_question("close_question", tr("A registration is running"),
                       tr("Let it go on without the window, or stop it after a checkpoint? "
                          "Opening its folder here watches it again, or goes on from "
                          "the checkpoint."));
  QPushButton* stop = question->addButton(tr("Stop and close"), QMessageBox::AcceptRole);
  QPushButton* go_on = question->addButton(tr("Let it go on"), QMessageBox::ActionRole);
  go_on->setObjectName(QStringLiteral("let_go_button"));
  // Before it has begun nobody could watch it.
  go_on->setEnabled(run_.state() == RunController::State::running ||
                    run_.state() == RunController::State::paused);
  connect(go_on, &QPushButton::clicked, this, [this] {
    if (run_.is_active()) run_.let_go();
    close();
  });
  connect(stop, &QPushButton::clicked, this, [this] {
    // It may have ended while the question stood.
    if (!run_.is_active()) return static_cast<void>(close());
    closes_after_ = ClosesAfter::run;
    run_.cancel();
  });
  question->open();
}

}  // namespace gigawarp::ui
