#pragma once
#include <QKeySequence>
#include <QMap>
#include <QString>
#include <vector>

namespace gigawarp::ui {

/// Something a person can do with a key or from a menu.
struct Command {
  QString id;    ///< "overlay", for settings and tests
  QString text;  ///< translated, for menus
  QString help;  ///< one sentence
};

/// Every command of the window, in the order of the menus.
const std::vector<Command>& all_commands();

/// Which key does what: a preset, changed by what the user chose himself. Kept in the settings.
class KeyMap {
 public:
  /// "Gigawarp", "ITK-SNAP", "3D Slicer", "BigDataViewer".
  static QStringList presets();

  KeyMap();  ///< from the settings
  QString preset() const { return preset_; }
  void set_preset(const QString& preset);
  QKeySequence key(const QString& command) const;
  /// An empty sequence takes the key away.
  void set_key(const QString& command, const QKeySequence& key);
  /// Another command with the same key; empty when there is none.
  QString conflict(const QString& command, const QKeySequence& key) const;
  void save() const;

 private:
  QString preset_;
  QMap<QString, QString> own_;
};

}  // namespace gigawarp::ui
