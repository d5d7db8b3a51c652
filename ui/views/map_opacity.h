#pragma once
#include <QGroupBox>
#include <QLabel>
#include <QSlider>

#include "ui/models/workspace.h"

namespace gigawarp::ui {

/// How much of the map of results is seen over the images; there while one is shown.
class MapOpacity final : public QGroupBox {
  Q_OBJECT
 public:
  explicit MapOpacity(Workspace& workspace, QWidget* parent = nullptr);

 private:
  void follow();
  void apply(int percent);

  Workspace& workspace_;
  QSlider* slider_;
  QLabel* percent_;
};

}  // namespace gigawarp::ui
