#include "ui/views/desktop.h"

#include <QApplication>
#include <QTemporaryDir>
#include <QTimer>
#include <cstdlib>

#include "gigawarp/error.h"
#include "io/plugins.h"
#include "render/fonts.h"
#include "ui/views/main_window.h"
#include "ui/views/theme.h"
#include "ui/views/translation.h"

namespace gigawarp::ui {

bool has_display() {
  for (const char* name : {"DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"})
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return true;
  return false;
}

namespace {

void open_files(MainWindow& window, const std::vector<std::string>& files) {
  QStringList paths;
  for (const std::string& file : files) paths << QString::fromStdString(file);
  if (!paths.isEmpty()) window.workspace().open(paths);
}

/// The sentence of the first layer that failed, else of results that did.
QString problem_of(MainWindow& window) {
  const LayerModel& layers = window.workspace().layers();
  for (const LayerRole role : kAllLayerRoles)
    if (layers.layer(role).state == Layer::State::failed) return layers.layer(role).problem;
  const Results& results = window.results();
  return results.state() == Results::State::failed ? results.problem() : QString();
}

bool is_settled(MainWindow& window) {
  const Results::State results = window.results().state();
  if (results == Results::State::reading || results == Results::State::measuring) return false;
  if (window.workspace().loader().busy() || !window.is_drawn()) return false;
  for (const LayerRole role : kAllLayerRoles)
    if (window.workspace().layers().layer(role).state == Layer::State::loading) return false;
  return true;
}

}  // namespace

int run_desktop(int& argc, char** argv, const std::vector<std::string>& files) {
  render::use_bundled_fonts();
  QApplication application(argc, argv);
  prepare_application();
  load_translation();
  MainWindow window;
  window.show();
  open_files(window, files);
  return QApplication::exec();
}

int take_picture(int& argc, char** argv, const std::vector<std::string>& files,
                 const std::string& picture) {
  render::use_bundled_fonts();
  io::plugins();  // loaded now: a person's own lie in the data folder that is replaced below
  setenv("QT_QPA_PLATFORM", "offscreen", 1);
  // No settings or sessions of a person: none is offered for recovery, none is changed.
  const QTemporaryDir home;
  for (const char* name : {"XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"})
    setenv(name, home.path().toLocal8Bit().constData(), 1);
  // The offscreen platform remarks on window hints that nothing here depends on.
  qInstallMessageHandler([](QtMsgType, const QMessageLogContext&, const QString&) {});
  QApplication application(argc, argv);
  prepare_application();
  load_translation();
  MainWindow window;
  window.show();
  open_files(window, files);
  // Results follow images, maps follow results: it counts when nothing has moved for a while.
  constexpr int kLookMs = 50, kCalmLooks = 12;
  int calm = 0;
  QTimer look;
  QObject::connect(&look, &QTimer::timeout, &window, [&] {
    calm = is_settled(window) ? calm + 1 : 0;
    if (calm >= kCalmLooks) QApplication::quit();
  });
  look.start(kLookMs);
  QApplication::exec();
  const QString problem = problem_of(window);
  if (!problem.isEmpty()) throw Error(ErrorCode::bad_input, problem.toStdString(), files.front());
  if (!window.grab().save(QString::fromStdString(picture)))
    throw Error(ErrorCode::output_not_written,
                "The picture \"" + picture +
                    "\" could not be written; its folder must exist and its name end in .png.",
                picture);
  return 0;
}

}  // namespace gigawarp::ui
