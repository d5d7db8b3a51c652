#pragma once
#include <QDialog>
#include <QLabel>
#include <QTreeWidget>

#include "io/format_list.h"

namespace gigawarp::ui {

/// The formats of images that are read here, the plugins they come from, and plugins that were
/// skipped with the reason: what "gigawarp formats" tells.
class FormatsDialog final : public QDialog {
  Q_OBJECT
 public:
  /// Asks on another thread, as plugins may have to be loaded.
  explicit FormatsDialog(QWidget* parent = nullptr);

 private:
  struct Known;
  void show_known(const Known& known);

  QTreeWidget* list_;
  QLabel* notes_;
};

}  // namespace gigawarp::ui
