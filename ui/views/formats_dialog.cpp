#include "ui/views/formats_dialog.h"

#include <QCoreApplication>
#include <QDialogButtonBox>
#include <QHeaderView>
#include <QPointer>
#include <QVBoxLayout>

#include "io/plugins.h"
#include "ui/models/background.h"

namespace gigawarp::ui {

struct FormatsDialog::Known {
  std::vector<io::FormatInfo> formats;
  QStringList skipped, places;
};

FormatsDialog::FormatsDialog(QWidget* parent) : QDialog(parent) {
  setObjectName(QStringLiteral("formats_dialog"));
  setWindowTitle(tr("Formats and plugins"));
  resize(760, 560);
  list_ = new QTreeWidget(this);
  list_->setObjectName(QStringLiteral("formats"));
  list_->setAccessibleName(tr("Formats of images"));
  list_->setHeaderLabels({tr("Format"), tr("Names"), tr("Can"), tr("From")});
  list_->setRootIsDecorated(false);
  list_->setAlternatingRowColors(true);
  list_->header()->setSectionResizeMode(QHeaderView::ResizeToContents);
  notes_ = new QLabel(tr("Looking for plugins …"), this);
  notes_->setObjectName(QStringLiteral("format_notes"));
  notes_->setWordWrap(true);
  notes_->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
  notes_->setAccessibleName(tr("Plugins that were skipped"));
  auto* buttons = new QDialogButtonBox(QDialogButtonBox::Close, this);
  connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
  auto* column = new QVBoxLayout(this);
  column->addWidget(list_, 1);
  column->addWidget(notes_);
  column->addWidget(buttons);
  background_pool().start([guard = QPointer<FormatsDialog>(this)] {
    Known known;
    known.formats = io::known_formats();
    for (const io::SkippedPlugin& plugin : io::plugins().skipped)
      known.skipped << QString::fromStdString(plugin.reason);
    for (const auto& place : io::plugin_places())
      known.places << QString::fromStdString(place.string());
    QMetaObject::invokeMethod(
        qApp,
        [guard, known = std::move(known)] {
          if (guard != nullptr) guard->show_known(known);
        },
        Qt::QueuedConnection);
  });
}

void FormatsDialog::show_known(const Known& known) {
  for (const io::FormatInfo& format : known.formats) {
    QStringList names;
    if (format.folders) names << tr("folders");
    for (const std::string& ending : format.endings) names << QString::fromStdString(ending);
    QStringList can{tr("read")};
    if (format.streams) can << tr("in part");
    if (format.written) can << tr("write");
    const QString from = format.plugin.empty() ? tr("built in")
                                               : tr("plugin %1 %2")
                                                     .arg(QString::fromStdString(format.plugin),
                                                          QString::fromStdString(format.version));
    auto* row = new QTreeWidgetItem(list_, {QString::fromStdString(format.name), names.join(' '),
                                            can.join(QStringLiteral(", ")), from});
    row->setToolTip(3, QString::fromStdString(format.file));
  }
  const QString places = tr("Plugins are looked for in: %1").arg(known.places.join(", "));
  notes_->setText((known.skipped + QStringList{places}).join(QLatin1Char('\n')));
}

}  // namespace gigawarp::ui
