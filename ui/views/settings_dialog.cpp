#include "ui/views/settings_dialog.h"

#include <QDialogButtonBox>
#include <QFormLayout>
#include <QHeaderView>
#include <QSettings>
#include <QVBoxLayout>

#include "ui/models/workspace.h"
#include "ui/views/theme.h"

namespace gigawarp::ui {

SettingsDialog::SettingsDialog(QWidget* parent) : QDialog(parent) {
  setObjectName(QStringLiteral("settings_dialog"));
  setWindowTitle(tr("Settings"));
  resize(560, 620);
  theme_ = new QComboBox(this);
  theme_->setObjectName(QStringLiteral("theme"));
  theme_->addItem(tr("As the system"), QStringLiteral("system"));
  theme_->addItem(tr("Light"), QStringLiteral("light"));
  theme_->addItem(tr("Dark"), QStringLiteral("dark"));
  theme_->setCurrentIndex(
      std::max(0, theme_->findData(QSettings().value(QStringLiteral("theme"), "system"))));
  cache_ = new QSpinBox(this);
  cache_->setObjectName(QStringLiteral("cache_mib"));
  cache_->setRange(64, 1 << 20);
  cache_->setSingleStep(256);
  cache_->setSuffix(tr(" MiB"));
  cache_->setValue(Workspace::cache_mib());
  cache_->setAccessibleName(tr("Memory for streamed volumes"));
  auto* help =
      new QLabel(tr("What volumes that stay in their files may take, all together; a larger "
                    "one is shown as finely, but read more often. Default: %1 MiB.")
                     .arg(Workspace::kDefaultCacheMib),
                 this);
  help->setWordWrap(true);
  help->setForegroundRole(QPalette::PlaceholderText);
  preset_ = new QComboBox(this);
  preset_->setObjectName(QStringLiteral("key_preset"));
  preset_->addItems(KeyMap::presets());
  preset_->setCurrentText(keys_.preset());
  table_ = new QTableWidget(static_cast<int>(all_commands().size()), 2, this);
  table_->setObjectName(QStringLiteral("keys"));
  table_->setAccessibleName(tr("Keys"));
  table_->setHorizontalHeaderLabels({tr("Command"), tr("Key")});
  table_->horizontalHeader()->setSectionResizeMode(0, QHeaderView::Stretch);
  table_->horizontalHeader()->resizeSection(1, 170);
  table_->verticalHeader()->hide();
  table_->setTabKeyNavigation(false);
  for (int row = 0; row < table_->rowCount(); ++row) {
    const Command& command = all_commands()[static_cast<std::size_t>(row)];
    QString text = command.text;
    auto* item = new QTableWidgetItem(text.remove(QLatin1Char('&')));
    item->setFlags(Qt::ItemIsEnabled);
    item->setToolTip(command.help);
    table_->setItem(row, 0, item);
    auto* edit = new QKeySequenceEdit(table_);
    edit->setAccessibleName(text);
    table_->setCellWidget(row, 1, edit);
    connect(edit, &QKeySequenceEdit::keySequenceChanged, this,
            [this, row](const QKeySequence& key) { change_key(row, key); });
  }
  conflict_ = new QLabel(this);
  conflict_->setObjectName(QStringLiteral("key_conflict"));
  conflict_->setWordWrap(true);
  auto* form = new QFormLayout;
  form->addRow(tr("Appearance"), theme_);
  form->addRow(tr("Memory for streamed volumes"), cache_);
  form->addRow(QString(), help);
  form->addRow(tr("Keys of"), preset_);
  auto* buttons = new QDialogButtonBox(QDialogButtonBox::Ok | QDialogButtonBox::Cancel, this);
  auto* column = new QVBoxLayout(this);
  column->addLayout(form);
  column->addWidget(table_, 1);
  column->addWidget(conflict_);
  column->addWidget(buttons);
  connect(preset_, &QComboBox::activated, this, [this] {
    keys_.set_preset(preset_->currentText());
    show_keys();
  });
  connect(buttons, &QDialogButtonBox::accepted, this, [this] {
    apply();
    accept();
  });
  connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
  show_keys();
}

void SettingsDialog::show_keys() {
  for (int row = 0; row < table_->rowCount(); ++row) {
    auto* edit = static_cast<QKeySequenceEdit*>(table_->cellWidget(row, 1));
    const QSignalBlocker quiet(edit);
    edit->setKeySequence(keys_.key(all_commands()[static_cast<std::size_t>(row)].id));
  }
}

void SettingsDialog::change_key(int row, const QKeySequence& key) {
  const QString id = all_commands()[static_cast<std::size_t>(row)].id;
  const QString other = keys_.conflict(id, key);
  conflict_->setText(other.isEmpty() ? QString()
                                     : tr("%1 is also the key of \"%2\"; neither would work.")
                                           .arg(key.toString(QKeySequence::NativeText), other));
  keys_.set_key(id, key);
}

void SettingsDialog::apply() {
  keys_.save();
  QSettings().setValue(QStringLiteral("theme"), theme_->currentData());
  QSettings().setValue(QStringLiteral("cache_mib"), cache_->value());
  apply_theme();
  Q_EMIT applied();
}

}  // namespace gigawarp::ui
