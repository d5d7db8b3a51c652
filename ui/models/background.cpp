#include "ui/models/background.h"

namespace gigawarp::ui {

QThreadPool& background_pool() {
  static QThreadPool pool;
  return pool;
}

}  // namespace gigawarp::ui
