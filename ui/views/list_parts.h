#pragma once
#include <QHeaderView>
#include <QLabel>
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

/// For sentences that hold names of files: wrapped, not taken for mark-up, and no name is long
/// enough to make the panel wider.
inline void hold_names(QLabel& label) {
  label.setWordWrap(true);
  label.setTextFormat(Qt::PlainText);
  label.setMinimumWidth(1);
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
