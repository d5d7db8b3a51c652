#pragma once
#include <QAction>
#include <QMap>
#include <QObject>
#include <functional>

#include "ui/models/key_map.h"

namespace gigawarp::ui {

/// One QAction per command, with text, help and the key of the key map.
class Actions final : public QObject {
  Q_OBJECT
 public:
  explicit Actions(QWidget* window);

  QAction* operator[](const char* id) const { return actions_.value(QLatin1String(id)); }
  /// What the command does; the context object ends the connection.
  void on(const char* id, QObject* context, std::function<void()> work);
  void on_toggled(const char* id, QObject* context, std::function<void(bool)> work);
  /// Exclusive choices.
  void group(const QStringList& ids);
  void use(const KeyMap& keys);

 private:
  QMap<QString, QAction*> actions_;
};

}  // namespace gigawarp::ui
