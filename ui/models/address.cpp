#include "ui/models/address.h"

#include <QClipboard>
#include <QGuiApplication>
#include <QRegularExpression>
#include <QUrl>

#include "io/http.h"

namespace gigawarp::ui {

bool is_address(const QString& text) { return io::is_address(text.toStdString()); }

QStringList paths_of(const QMimeData& data) {
  QStringList paths;
  for (const QUrl& url : data.urls())
    if (url.isLocalFile())
      paths << url.toLocalFile();
    else if (const QString text = url.toString(); is_address(text))
      paths << text;
  if (!paths.isEmpty()) return paths;
  static const QRegularExpression space(QStringLiteral("\\s+"));
  for (const QString& word : data.text().split(space, Qt::SkipEmptyParts))
    if (is_address(word)) paths << word;
  return paths;
}

QStringList copied_paths() {
  const QMimeData* data = QGuiApplication::clipboard()->mimeData();
  return data == nullptr ? QStringList() : paths_of(*data);
}

}  // namespace gigawarp::ui
