#pragma once
#include <QProcess>

#include "ui/window_fixture.h"

namespace gigawarp::test {

/// Starts the program as a terminal would.
inline void start_program(QProcess& process, const QStringList& arguments) {
  process.start(qEnvironmentVariable("GIGAWARP"), arguments);
}

/// The arguments of a quick run of the small pair.
inline QStringList register_arguments(const QString& out) {
  return {"register",
          "--fixed",
          small_pair().path("fixed.nii.gz"),
          "--moving",
          small_pair().path("moving.nii.gz"),
          "--preset",
          "fast",
          "--out",
          out,
          "--progress",
          "none"};
}

/// One registration with labels and landmarks, made by the program once for all cases.
inline const QString& finished_run() {
  static const TemporaryFolder folder;
  static const QString out = [] {
    const QString path = path_in(folder.path(), "out");
    QProcess process;
    start_program(process, register_arguments(path)
                               << "--fixed-labels" << small_pair().path("fixed_labels.nii.gz")
                               << "--labels" << small_pair().path("moving_labels.nii.gz")
                               << "--landmarks" << small_pair().path("landmarks_fixed.csv")
                               << small_pair().path("landmarks_moving.csv"));
    EXPECT_TRUE(process.waitForFinished(120000));
    EXPECT_EQ(process.exitCode(), 0) << process.readAllStandardError().toStdString();
    return path;
  }();
  return out;
}

}  // namespace gigawarp::test
