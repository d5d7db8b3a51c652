#include <gtest/gtest.h>

#include <QApplication>
#include <cstdlib>
#include <iostream>

#include "ui/test_home.h"
#include "ui/views/theme.h"

/// Windows without a display; settings and temporary files in a folder of their own.
int main(int argc, char** argv) {
  // A window starts runs with its own program; here that must be gigawarp, never this one, which
  // would start itself without end.
  setenv("GIGAWARP", GIGAWARP_PROGRAM, 1);
  if (argc > 1 && argv[1][0] != '-') {
    std::cerr << "This is a test program, not gigawarp; it takes options of GoogleTest alone.\n";
    return 2;
  }
  const gigawarp::test::TestHome home;
  setenv("TMPDIR", home.path().c_str(), 1);
  setenv("QT_QPA_PLATFORM", "offscreen", 1);
  setenv("XDG_CONFIG_HOME", home.path().c_str(), 1);
  setenv("XDG_CACHE_HOME", home.path().c_str(), 1);
  setenv("XDG_DATA_HOME", home.path().c_str(), 1);
  setenv("XDG_RUNTIME_DIR", home.path().c_str(), 1);
  setenv("GIGAWARP_PLUGINS", GIGAWARP_TEST_PLUGINS, 0);
  testing::InitGoogleTest(&argc, argv);
  // The offscreen platform remarks on window hints that nothing here depends on.
  qInstallMessageHandler([](QtMsgType type, const QMessageLogContext&, const QString& text) {
    if (!text.contains(QLatin1String("propagateSizeHints")))
      std::cerr << text.toStdString() << "\n";
    if (type == QtFatalMsg) std::abort();
  });
  QApplication application(argc, argv);
  gigawarp::ui::prepare_application();
  constexpr int kSkipped = 77;
  if (RUN_ALL_TESTS() != 0) return 1;
  return testing::UnitTest::GetInstance()->skipped_test_count() > 0 ? kSkipped : 0;
}
