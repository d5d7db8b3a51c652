#include "render/offscreen.h"

#include <cstdlib>

#include "render/fonts.h"

namespace gigawarp::render {

OffscreenPainting::OffscreenPainting() {
  if (QCoreApplication::instance() != nullptr) return;
  use_bundled_fonts();
  setenv("QT_QPA_PLATFORM", "offscreen", 1);
  // Qt remarks on a missing XDG_RUNTIME_DIR, which nothing here uses.
  const QtMessageHandler previous =
      qInstallMessageHandler([](QtMsgType, const QMessageLogContext&, const QString&) {});
  application_ = std::make_unique<QGuiApplication>(argument_count_, arguments_);
  qInstallMessageHandler(previous);
}

OffscreenPainting::~OffscreenPainting() = default;

}  // namespace gigawarp::render
