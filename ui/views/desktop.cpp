#include "ui/views/desktop.h"

#include <QApplication>
#include <cstdlib>

#include "job/version.h"
#include "ui/views/main_window.h"
#include "ui/views/theme.h"
#include "ui/views/translation.h"

namespace gigawarp::ui {

bool has_display() {
  for (const char* name : {"DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"})
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return true;
  return false;
}

int run_desktop(int& argc, char** argv, const std::vector<std::string>& files) {
  QApplication application(argc, argv);
  prepare_application();
  load_translation();
  MainWindow window;
  window.show();
  QStringList paths;
  for (const std::string& file : files) paths << QString::fromStdString(file);
  if (!paths.isEmpty()) window.workspace().open(paths);
  return QApplication::exec();
}

}  // namespace gigawarp::ui
