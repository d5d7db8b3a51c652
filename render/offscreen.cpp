#include "render/offscreen.h"

#include <cstdlib>

namespace gigawarp::render {

OffscreenPainting::OffscreenPainting() {
  if (QCoreApplication::instance() != nullptr) return;
  setenv("QT_QPA_PLATFORM", "offscreen", 1);
  application_ = std::make_unique<QGuiApplication>(argument_count_, arguments_);
}

OffscreenPainting::~OffscreenPainting() = default;

}  // namespace gigawarp::render
