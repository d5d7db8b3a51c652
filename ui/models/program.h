#pragma once
#include <QString>

namespace gigawarp::ui {

/// The program that children are started from: this one. Programs that hold the window but are not
/// gigawarp (tests) name it in the environment as GIGAWARP.
QString program();

}  // namespace gigawarp::ui
