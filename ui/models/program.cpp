#include "ui/models/program.h"

#include <QCoreApplication>
#include <QProcess>

namespace gigawarp::ui {
namespace {
constexpr int kLongestMs = 60000;
}

QString program() {
  const QString named = qEnvironmentVariable("GIGAWARP");
  return named.isEmpty() ? QCoreApplication::applicationFilePath() : named;
}

QString without_name(const QString& words) {
  const QString name = QStringLiteral("gigawarp: "), text = words.trimmed();
  return text.startsWith(name) ? text.mid(name.size()) : text;
}

ProgramAnswer ask_program(const QStringList& arguments) {
  QProcess process;
  process.start(program(), arguments, QIODevice::ReadOnly);
  ProgramAnswer answer;
  const bool ended = process.waitForFinished(kLongestMs);
  if (ended && process.exitStatus() == QProcess::NormalExit) answer.exit_code = process.exitCode();
  if (!ended) process.kill();
  answer.out = process.readAllStandardOutput();
  answer.words = without_name(QString::fromUtf8(process.readAllStandardError()));
  if (answer.exit_code < 0 && answer.words.isEmpty())
    answer.words = QCoreApplication::translate("Program", "\"%1\" did not answer: %2.")
                       .arg(program(), process.errorString());
  return answer;
}

}  // namespace gigawarp::ui
