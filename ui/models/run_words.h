#pragma once
#include <QString>

class QJsonObject;

namespace gigawarp::ui {

/// A part of a run by its name in events ("greedy", "load") as people read it; an unknown name
/// stays as it is.
QString stage_words(const QString& stage);

/// What an event of a run (a line of events.jsonl) says, as a sentence for the log.
QString event_words(const QJsonObject& event);

}  // namespace gigawarp::ui
