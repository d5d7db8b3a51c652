#pragma once
#include <QWidget>

namespace gigawarp::ui {

class Actions;

/// What the window shows before anything is open: what to do, with a button for each way.
QWidget* make_empty_state(const Actions& actions, QWidget* parent);

}  // namespace gigawarp::ui
