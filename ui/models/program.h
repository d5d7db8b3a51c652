#pragma once
#include <QByteArray>
#include <QString>
#include <QStringList>

namespace gigawarp::ui {

/// The program that children are started from: this one. Programs that hold the window but are not
/// gigawarp (tests) name it in the environment as GIGAWARP.
QString program();

/// What a short run of the program said.
struct ProgramAnswer {
  int exit_code = -1;  ///< -1: it could not be started, crashed or took too long
  QByteArray out;
  QString words;  ///< its sentence of failure, without the program's name
};
/// Runs the program and waits: not for the interface's thread. What asks the GPUs goes this way: a
/// CUDA context in the window's process would keep their memory, and a fault of the driver end it.
ProgramAnswer ask_program(const QStringList& arguments);
/// "gigawarp: Sentence." without the name.
QString without_name(const QString& words);

}  // namespace gigawarp::ui
