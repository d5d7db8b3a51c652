#include "ui/models/program.h"

#include <QCoreApplication>

namespace gigawarp::ui {

QString program() {
  const QString named = qEnvironmentVariable("GIGAWARP");
  return named.isEmpty() ? QCoreApplication::applicationFilePath() : named;
}

}  // namespace gigawarp::ui
