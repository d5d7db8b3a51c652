#pragma once
#include <QComboBox>
#include <QSpinBox>
#include <QWidget>

#include "ui/models/layer.h"

namespace gigawarp::ui {

/// Channel, time point and level of an image whose file holds several; rows of what there is no
/// choice of are hidden.
class PartChooser final : public QWidget {
  Q_OBJECT
 public:
  explicit PartChooser(QWidget* parent = nullptr);
  void show_parts_of(const Layer& layer);
  /// There is something to choose.
  bool has_choice() const { return has_choice_; }

 Q_SIGNALS:
  void chosen(const gigawarp::ImageSelection& selection);

 private:
  void tell();

  QComboBox *channel_, *level_;
  QSpinBox* timepoint_;
  bool updating_ = false, has_choice_ = false;
};

}  // namespace gigawarp::ui
