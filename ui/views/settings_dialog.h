#pragma once
#include <QComboBox>
#include <QDialog>
#include <QKeySequenceEdit>
#include <QLabel>
#include <QSpinBox>
#include <QTableWidget>

#include "ui/models/key_map.h"

namespace gigawarp::ui {

/// Appearance, memory of streamed volumes and keys. Nothing is kept before OK.
class SettingsDialog final : public QDialog {
  Q_OBJECT
 public:
  explicit SettingsDialog(QWidget* parent = nullptr);

 Q_SIGNALS:
  void applied();

 private:
  void show_keys();
  void change_key(int row, const QKeySequence& key);
  void apply();

  KeyMap keys_;
  QComboBox *theme_, *preset_;
  QSpinBox* cache_;
  QTableWidget* table_;
  QLabel* conflict_;
};

}  // namespace gigawarp::ui
