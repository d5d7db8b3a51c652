#pragma once
#include <QByteArray>
#include <QString>
#include <optional>

namespace gigawarp::ui {

/// How often this system has killed a process because memory ran out, since it was started: the
/// "oom_kill" line of /proc/vmstat. Empty where the kernel does not say (before Linux 4.13).
std::optional<quint64> memory_kills();
std::optional<quint64> parse_memory_kills(const QByteArray& vmstat);

/// What a SIGKILL of a run means, in words: `before` and `after` are memory_kills() at the run's
/// start and at its end; `memory_bytes` is what it held at last, 0 when that is not known.
QString words_of_kill(std::optional<quint64> before, std::optional<quint64> after,
                      quint64 memory_bytes);

}  // namespace gigawarp::ui
