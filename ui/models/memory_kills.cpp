#include "ui/models/memory_kills.h"

#include <QCoreApplication>
#include <QFile>
#include <QLocale>

namespace gigawarp::ui {
namespace {

QString tr(const char* text) { return QCoreApplication::translate("gigawarp::ui", text); }

}  // namespace

std::optional<quint64> parse_memory_kills(const QByteArray& vmstat) {
  const QByteArray name = "oom_kill ";
  for (const QByteArray& line : vmstat.split('\n')) {
    if (!line.startsWith(name)) continue;
    bool is_number = false;
    const quint64 count = line.mid(name.size()).trimmed().toULongLong(&is_number);
    if (is_number) return count;
  }
  return {};
}

std::optional<quint64> memory_kills() {
  QFile file(QStringLiteral("/proc/vmstat"));
  if (!file.open(QIODevice::ReadOnly)) return {};
  return parse_memory_kills(file.readAll());
}

QString words_of_kill(std::optional<quint64> before, std::optional<quint64> after,
                      quint64 memory_bytes) {
  if (!before || !after)
    return tr("The run was killed from outside; the system does that when memory is short.");
  if (*after <= *before)
    return tr(
        "The run was killed from outside (SIGKILL). The kernel reports no kill for want of "
        "memory, but a memory guard such as systemd-oomd may have done it.");
  const QString held =
      memory_bytes > 0
          ? tr(" It held %1.").arg(QLocale().formattedDataSize(static_cast<qint64>(memory_bytes)))
          : QString();
  return tr("The system ran out of memory and killed the run.") + held +
         tr(" Close other programs, or give the run less: a coarser level, fewer channels, "
            "another device.");
}

}  // namespace gigawarp::ui
