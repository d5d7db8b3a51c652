#include "ui/models/demo_pair.h"

#include <QDir>
#include <QFileInfo>
#include <QStandardPaths>

#include "ui/models/program.h"

namespace gigawarp::ui {
namespace {

QString demo_folder() {
  return QStandardPaths::writableLocation(QStandardPaths::CacheLocation) + QStringLiteral("/demo");
}

QStringList files() {
  QStringList list;
  for (const char* name : {"fixed.nii.gz", "moving.nii.gz", "fixed_labels.nii.gz",
                           "moving_labels.nii.gz", "landmarks_fixed.csv", "landmarks_moving.csv"})
    list << demo_folder() + QLatin1Char('/') + QLatin1String(name);
  return list;
}

bool all_there() {
  for (const QString& file : files())
    if (!QFileInfo::exists(file)) return false;
  return true;
}

}  // namespace

DemoPair::~DemoPair() {
  if (process_ == nullptr) return;
  process_->disconnect(this);
  process_->kill();
  process_->waitForFinished(1000);
}

void DemoPair::make() {
  if (process_ != nullptr) return;
  if (all_there()) {
    Q_EMIT ready(files());
    return;
  }
  QDir().mkpath(demo_folder());
  process_ = std::make_unique<QProcess>();
  connect(process_.get(), &QProcess::finished, this, [this](int code) {
    const QString words = QString::fromUtf8(process_->readAllStandardError()).trimmed();
    process_.release()->deleteLater();
    if (code == 0 && all_there())
      Q_EMIT ready(files());
    else
      Q_EMIT failed(
          tr("The made-up pair could not be written to \"%1\": %2").arg(demo_folder(), words));
  });
  process_->start(program(), {QStringLiteral("phantom"), QStringLiteral("--out"), demo_folder(),
                              QStringLiteral("--size"), QStringLiteral("112")});
}

}  // namespace gigawarp::ui
