#include "render/offscreen.h"

#include <cstdlib>

namespace gigawarp::render {

OffscreenPainting::OffscreenPainting() {
  if (QCoreApplication::instance() != nullptr) return;
  setenv("QT_QPA_PLATFORM", "offscreen", 1);
  // Qt remarks on a missing XDG_RUNTIME_DIR, which nothing here uses.
  const QtMessageHandler previous =
      qInstallMessageHandler([](QtMsgType, const QMessageLogContext&, const QString&) {});
  application_ = std::make_unique<QGuiApplication>(argument_count_, arguments_);
  qInstallMessageHandler(previous);
}

OffscreenPainting::~OffscreenPainting() = default;

}  // namespace gigawarp::render
