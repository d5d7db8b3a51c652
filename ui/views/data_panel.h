#pragma once
#include <QComboBox>
#include <QDoubleSpinBox>
#include <QGroupBox>
#include <QLabel>
#include <QPushButton>
#include <QSlider>
#include <QTreeView>
#include <QWidget>
#include <functional>

#include "ui/models/workspace.h"
#include "ui/views/part_chooser.h"

namespace gigawarp::ui {

/// The layers, and what can be set about the one that is chosen.
class DataPanel final : public QWidget {
  Q_OBJECT
 public:
  explicit DataPanel(Workspace& workspace, QWidget* parent = nullptr);
  LayerRole chosen() const;

 Q_SIGNALS:
  void file_wanted(gigawarp::ui::LayerRole role);
  void address_wanted(std::optional<gigawarp::ui::LayerRole> role);
  void names_wanted(gigawarp::ui::LayerRole role);
  void voxel_size_wanted(gigawarp::ui::LayerRole role);

 protected:
  bool eventFilter(QObject* watched, QEvent* event) override;

 private:
  QWidget* make_details();
  void show_details();
  void apply_window();
  /// Of the chosen layer, through the undo stack.
  void change_look(const QString& text, const std::function<void(LayerLook&)>& edit);
  void show_menu(const QPoint& at);

  Workspace& workspace_;
  QTreeView* list_;
  QGroupBox* details_;
  QLabel* description_;
  PartChooser* parts_;
  QDoubleSpinBox *low_, *high_;
  QPushButton *percentile_, *names_;
  QComboBox* map_;
  QSlider* opacity_;
  QLabel* percent_;
  QWidget *window_row_, *map_row_, *opacity_row_;
  bool updating_ = false;
};

}  // namespace gigawarp::ui
