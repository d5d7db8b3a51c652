#include "ui/models/run_words.h"

#include <QJsonObject>
#include <array>

#include "ui/models/run_controller.h"

namespace gigawarp::ui {
namespace {

struct StageWords {
  const char *name, *title, *begins, *done;
};

/// Of the parts of a run that are no stages of the job.
constexpr std::array kParts{
    StageWords{"load", QT_TRANSLATE_NOOP("gigawarp::ui::RunController", "Reading"),
               QT_TRANSLATE_NOOP("gigawarp::ui::RunController", "Reading the images"),
               QT_TRANSLATE_NOOP("gigawarp::ui::RunController", "The images are read")},
    StageWords{"initialise", QT_TRANSLATE_NOOP("gigawarp::ui::RunController", "First alignment"),
               QT_TRANSLATE_NOOP("gigawarp::ui::RunController", "Looking for a first alignment"),
               QT_TRANSLATE_NOOP("gigawarp::ui::RunController", "The first alignment is found")},
    StageWords{"invert", QT_TRANSLATE_NOOP("gigawarp::ui::RunController", "Inverse"),
               QT_TRANSLATE_NOOP("gigawarp::ui::RunController", "Computing the inverse"),
               QT_TRANSLATE_NOOP("gigawarp::ui::RunController", "The inverse is computed")},
    StageWords{"write", QT_TRANSLATE_NOOP("gigawarp::ui::RunController", "Writing"),
               QT_TRANSLATE_NOOP("gigawarp::ui::RunController", "Writing the results"),
               QT_TRANSLATE_NOOP("gigawarp::ui::RunController", "The results are written")}};

const StageWords* part_of(const QString& stage) {
  for (const StageWords& part : kParts)
    if (stage == QLatin1String(part.name)) return &part;
  return nullptr;
}

QString level_words(const QJsonObject& event) {
  const int shrink = event[QStringLiteral("shrink")].toInt(1);
  const QString resolution = shrink > 1 ? RunController::tr("shrunk %1 times").arg(shrink)
                                        : RunController::tr("full resolution");
  return RunController::tr("%1, level %2 of %3 (%4)")
      .arg(stage_words(event[QStringLiteral("stage")].toString()))
      .arg(event[QStringLiteral("level")].toInt() + 1)
      .arg(event[QStringLiteral("levels")].toInt())
      .arg(resolution);
}

QString level_end(const QJsonObject& event) {
  return RunController::tr(
             "%1 is done after %2 iterations: loss %3, folds %4 %, %5 ns per voxel and iteration")
      .arg(level_words(event))
      .arg(event[QStringLiteral("iteration")].toInt())
      .arg(event[QStringLiteral("loss")].toDouble(), 0, 'g', 6)
      .arg(event[QStringLiteral("folds_percent")].toDouble(), 0, 'g', 3)
      .arg(event[QStringLiteral("ns_per_voxel")].toDouble(), 0, 'f', 2);
}

QString stage_change(const QString& stage, bool begins) {
  if (const StageWords* part = part_of(stage))
    return RunController::tr(begins ? part->begins : part->done);
  return begins ? RunController::tr("%1 begins").arg(stage_words(stage))
                : RunController::tr("%1 is done").arg(stage_words(stage));
}

/// Without the event's own text; empty for what is nothing but its text.
QString what_happened(const QString& what, const QJsonObject& event) {
  const QString stage = event[QStringLiteral("stage")].toString();
  if (what == QLatin1String("run_started")) return RunController::tr("The run begins");
  if (what == QLatin1String("stage_started")) return stage_change(stage, true);
  if (what == QLatin1String("stage_finished")) return stage_change(stage, false);
  if (what == QLatin1String("level_started"))
    return RunController::tr("%1 begins").arg(level_words(event));
  if (what == QLatin1String("level_finished")) return level_end(event);
  if (what == QLatin1String("checkpoint_written"))
    return RunController::tr("A checkpoint is written");
  if (what == QLatin1String("warning")) return RunController::tr("Warning");
  if (what == QLatin1String("paused")) return RunController::tr("The run pauses");
  if (what == QLatin1String("resumed")) return RunController::tr("The run goes on");
  if (what == QLatin1String("run_finished")) return RunController::tr("The run is done");
  if (what == QLatin1String("run_failed")) return RunController::tr("The run has ended early");
  return what == QLatin1String("message") ? QString() : what;
}

}  // namespace

QString stage_words(const QString& stage) {
  if (const StageWords* part = part_of(stage)) return RunController::tr(part->title);
  if (stage == QLatin1String("rigid")) return RunController::tr("Rigid");
  if (stage == QLatin1String("similarity")) return RunController::tr("Similarity");
  if (stage == QLatin1String("affine")) return RunController::tr("Affine");
  if (stage == QLatin1String("greedy")) return RunController::tr("Greedy");
  if (stage == QLatin1String("syn")) return RunController::tr("SyN");
  return stage;
}

QString event_words(const QJsonObject& event) {
  const QString words = what_happened(event[QStringLiteral("event")].toString(), event);
  const QString text = event[QStringLiteral("text")].toString();
  if (words.isEmpty() || text.isEmpty()) return words + text;
  return RunController::tr("%1: %2", "what happened: the program's own words").arg(words, text);
}

}  // namespace gigawarp::ui
