#include "ui/views/run_panel.h"

#include <QFontDatabase>
#include <QHBoxLayout>
#include <QLocale>
#include <QScrollBar>
#include <QSplitter>
#include <QTextOption>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>

#include "ui/models/run_words.h"
#include "ui/views/list_parts.h"

namespace gigawarp::ui {
namespace {

constexpr int kBarSteps = 1000, kLogLines = 5000;

}  // namespace

QString duration_text(double seconds) {
  const auto s = static_cast<qint64>(std::llround(std::max(0.0, seconds)));
  const QString rest = QStringLiteral("%1:%2")
                           .arg(s / 60 % 60, s >= 3600 ? 2 : 1, 10, QLatin1Char('0'))
                           .arg(s % 60, 2, 10, QLatin1Char('0'));
  return s >= 3600 ? QStringLiteral("%1:%2").arg(s / 3600).arg(rest) : rest;
}

RunPanel::RunPanel(RunController& run, JointModel& joint, QWidget* parent)
    : QWidget(parent), run_(run) {
  setObjectName(QStringLiteral("run_panel"));
  state_ = new QLabel(this);
  state_->setObjectName(QStringLiteral("run_state"));
  hold_names(*state_);
  bar_ = new QProgressBar(this);
  bar_->setObjectName(QStringLiteral("run_bar"));
  bar_->setRange(0, kBarSteps);
  bar_->setAccessibleName(tr("Progress of the run"));
  numbers_ = new QLabel(this);
  numbers_->setObjectName(QStringLiteral("run_numbers"));
  numbers_->setWordWrap(true);
  const auto button = [this](const QString& text, const QString& help, const char* name) {
    auto* b = new QPushButton(text, this);
    b->setObjectName(QLatin1String(name));
    b->setToolTip(help);
    b->setMinimumWidth(60);
    return b;
  };
  pause_ =
      button(tr("Pause"), tr("Stops computing and keeps everything in memory"), "pause_button");
  cancel_ = button(tr("Cancel"), tr("Ends the run; a checkpoint stays"), "cancel_button");
  resume_ = button(tr("Go on from the checkpoint"),
                   tr("The result is the same as without the stop"), "resume_button");
  auto* buttons = new QHBoxLayout;
  buttons->addWidget(pause_);
  buttons->addWidget(cancel_);
  buttons->addWidget(resume_);
  buttons->addStretch(1);
  auto* status = new QWidget(this);
  auto* column = new QVBoxLayout(status);
  column->setContentsMargins(0, 0, 0, 0);
  column->addWidget(state_);
  column->addWidget(bar_);
  column->addWidget(numbers_);
  column->addLayout(buttons);
  column->addStretch(1);
  curve_ = new LossCurveView(this);
  log_ = new QPlainTextEdit(this);
  log_->setObjectName(QStringLiteral("run_log"));
  log_->setAccessibleName(tr("Log of the run"));
  log_->setReadOnly(true);
  log_->setTabChangesFocus(true);
  log_->setMaximumBlockCount(kLogLines);
  log_->setLineWrapMode(QPlainTextEdit::WidgetWidth);  // commands are long; all of them is read
  log_->setWordWrapMode(QTextOption::WrapAtWordBoundaryOrAnywhere);
  QFont fixed = QFontDatabase::systemFont(QFontDatabase::FixedFont);
  fixed.setPixelSize(11);
  log_->setFont(fixed);
  log_->setPlaceholderText(tr("What a run says appears here."));
  auto* splitter = new QSplitter(Qt::Horizontal, this);
  splitter->addWidget(status);
  splitter->addWidget(curve_);
  splitter->addWidget(new JointHistogramView(joint, this));
  splitter->addWidget(log_);
  int pane = 0;
  for (const int stretch : {2, 3, 1, 3}) splitter->setStretchFactor(pane++, stretch);
  splitter->setChildrenCollapsible(false);
  splitter->setSizes({190, 300, 125, 285});  // curve and log share what is left
  auto* all = new QVBoxLayout(this);
  all->setContentsMargins(6, 4, 6, 6);
  all->addWidget(splitter);
  connect(pause_, &QPushButton::clicked, this,
          [this] { run_.state() == RunController::State::paused ? run_.go_on() : run_.pause(); });
  connect(cancel_, &QPushButton::clicked, &run_, &RunController::cancel);
  connect(resume_, &QPushButton::clicked, this, [this] { run_.resume_folder(run_.folder()); });
  connect(&run_, &RunController::state_changed, this, &RunPanel::show_state);
  connect(&run_, &RunController::progressed, this, &RunPanel::show_progress);
  connect(&run_, &RunController::logged, log_, &QPlainTextEdit::appendPlainText);
  // The newest line is seen, unless somebody is reading.
  const auto to_end = [this] {
    if (!log_->hasFocus())
      log_->verticalScrollBar()->setValue(log_->verticalScrollBar()->maximum());
  };
  connect(log_, &QPlainTextEdit::blockCountChanged, this, to_end, Qt::QueuedConnection);
  connect(log_->verticalScrollBar(), &QScrollBar::rangeChanged, this, to_end,
          Qt::QueuedConnection);  // lines that are wrapped anew
  show_state();
  show_progress();
}

void RunPanel::show_state() {
  using State = RunController::State;
  const State state = run_.state();
  QString text;
  switch (state) {
    case State::idle: text = tr("Nothing runs. Set up the job on the right, then start it."); break;
    case State::starting: text = tr("Starting …"); break;
    case State::running:
      text = run_.is_watching()
                 ? tr("Watching a run of another program; it is steered where it was started")
                 : tr("Running");
      break;
    case State::paused: text = tr("Paused"); break;
    case State::cancelling: text = tr("Stopping after a checkpoint …"); break;
    case State::finished:
    case State::cancelled:
    case State::failed:
    case State::crashed: text = run_.verdict(); break;
  }
  state_->setText(text);
  const bool steerable = state == State::running || state == State::paused;
  pause_->setEnabled(steerable && !run_.is_watching());
  cancel_->setText(run_.is_watching() ? tr("Stop watching") : tr("Cancel"));
  pause_->setText(state == State::paused ? tr("Go on") : tr("Pause"));
  cancel_->setEnabled(steerable || state == State::starting);
  resume_->setVisible(run_.can_resume());
  pause_->setVisible(!run_.can_resume());
  cancel_->setVisible(!run_.can_resume());
  show_progress();
}

void RunPanel::show_progress() {
  const RunProgress& p = run_.progress();
  const bool finished = run_.state() == RunController::State::finished;
  bar_->setValue(finished ? kBarSteps : static_cast<int>(std::lround(kBarSteps * p.fraction)));
  QStringList parts;
  if (!p.stage.isEmpty() && !finished) {
    if (!p.doing.isEmpty())
      parts << p.doing;
    else
      parts << (p.levels > 0 ? tr("%1, level %2/%3, iteration %4/%5")
                                   .arg(stage_words(p.stage))
                                   .arg(p.level + 1)
                                   .arg(p.levels)
                                   .arg(p.iteration)
                                   .arg(p.iterations)
                             : stage_words(p.stage));
  }
  if (run_.is_active() && p.eta_s >= 0) parts << tr("about %1 to go").arg(duration_text(p.eta_s));
  if (p.elapsed_s > 0) parts << tr("%1 elapsed").arg(duration_text(p.elapsed_s));
  if (p.memory_bytes > 0)
    parts << tr("%1 in memory")
                 .arg(QLocale().formattedDataSize(static_cast<qint64>(p.memory_bytes), 0));
  if (const auto& gpus = p.device_peak_bytes; !gpus.empty()) {
    QStringList each;
    for (const quint64 bytes : gpus)
      each << QLocale().formattedDataSize(static_cast<qint64>(bytes), 1);
    parts << (gpus.size() == 1 ? tr("%1 on the GPU") : tr("%1 on the GPUs"))
                 .arg(each.join(QStringLiteral(", ")));
  }
  if (p.ns_per_voxel > 0 && run_.is_active())
    parts << tr("%1 ns/voxel").arg(p.ns_per_voxel, 0, 'f', 1);
  numbers_->setText(parts.join(QStringLiteral(" · ")));
  curve_->show_curves(run_.curves());
}

}  // namespace gigawarp::ui
