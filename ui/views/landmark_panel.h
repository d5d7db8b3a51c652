#pragma once
#include <QLabel>
#include <QPushButton>
#include <QTableView>
#include <QWidget>

#include "ui/models/workspace.h"

namespace gigawarp::ui {

/// Landmark pairs: the table with residuals, their mean apart for those used and those held out,
/// and what can be done with them. Choosing a row moves the crosshair there.
class LandmarkPanel final : public QWidget {
  Q_OBJECT
 public:
  explicit LandmarkPanel(Workspace& workspace, QWidget* parent = nullptr);
  void drop();
  /// The moving point of the chosen pair becomes what the warped image shows at the crosshair.
  void correct();
  void toggle_held_out();
  void remove();
  void ask_to_load();
  void ask_to_save();
  /// Writes both sides on another thread: the moving one beside, "fixed" in its name replaced.
  void save(const QString& fixed_path);

 Q_SIGNALS:
  void saved(const QString& fixed_path, const QString& moving_path);

 private:
  void follow();
  void choose(const std::string& name);
  /// Of the chosen pair; empty when there is none.
  std::string chosen() const;

  Workspace& workspace_;
  QLabel *help_, *summary_;
  QTableView* table_;
  QPushButton *correct_, *remove_, *save_;
  std::string chosen_;
};

}  // namespace gigawarp::ui
