#pragma once
#include <QHeaderView>
#include <QPushButton>
#include <QString>
#include <QTableView>

/// What the panels with a list and buttons below it share.
namespace gigawarp::ui {

/// Whole rows are chosen, one at a time; `wide` takes the room that is left.
inline void set_up_rows(QTableView& table, int wide) {
  table.verticalHeader()->hide();
  table.verticalHeader()->setDefaultSectionSize(table.fontMetrics().height() + 8);
  table.horizontalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
  table.horizontalHeader()->setSectionResizeMode(wide, QHeaderView::Stretch);
  table.setSelectionBehavior(QAbstractItemView::SelectRows);
  table.setSelectionMode(QAbstractItemView::SingleSelection);
  table.setTabKeyNavigation(false);
}

/// A button that does `slot` in its parent.
template <class Panel, class Slot>
QPushButton* named_button(Panel* parent, const QString& text, const QString& help, const char* name,
                          const Slot& slot) {
  auto* button = new QPushButton(text, parent);
  button->setObjectName(QLatin1String(name));
  button->setToolTip(help);
  QObject::connect(button, &QPushButton::clicked, parent, slot);
  return button;
}

}  // namespace gigawarp::ui
