#include "ui/views/actions.h"

#include <QActionGroup>
#include <QWidget>
#include <utility>

namespace gigawarp::ui {

Actions::Actions(QWidget* window) : QObject(window) {
  for (const Command& command : all_commands()) {
    auto* action = new QAction(command.text, window);
    action->setObjectName(command.id);
    action->setStatusTip(command.help);
    window->addAction(action);
    actions_[command.id] = action;
  }
  use(KeyMap());
}

void Actions::on(const char* id, QObject* context, std::function<void()> work) {
  connect((*this)[id], &QAction::triggered, context, [work = std::move(work)] { work(); });
}

void Actions::on_toggled(const char* id, QObject* context, std::function<void(bool)> work) {
  (*this)[id]->setCheckable(true);
  connect((*this)[id], &QAction::triggered, context,
          [work = std::move(work)](bool checked) { work(checked); });
}

void Actions::group(const QStringList& ids) {
  auto* group = new QActionGroup(this);
  for (const QString& id : ids) {
    actions_.value(id)->setCheckable(true);
    group->addAction(actions_.value(id));
  }
}

void Actions::use(const KeyMap& keys) {
  for (auto it = actions_.begin(); it != actions_.end(); ++it) {
    const QKeySequence key = keys.key(it.key());
    it.value()->setShortcut(key);
    const QString help = it.value()->statusTip();
    it.value()->setToolTip(key.isEmpty() ? help
                                         : QStringLiteral("%1 (%2)").arg(
                                               help, key.toString(QKeySequence::NativeText)));
  }
}

}  // namespace gigawarp::ui
