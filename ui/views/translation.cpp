#include "ui/views/translation.h"

#include <QCoreApplication>
#include <QLibraryInfo>
#include <QLocale>
#include <QSettings>
#include <QStringList>
#include <QTranslator>

namespace gigawarp::ui {

QString load_translation() {
  const QString chosen = QSettings().value(QStringLiteral("language")).toString();
  const QLocale locale = chosen.isEmpty() ? QLocale() : QLocale(chosen);
  QStringList folders;
  if (const QString named = qEnvironmentVariable("GIGAWARP_TRANSLATIONS"); !named.isEmpty())
    folders << named;
  folders << QCoreApplication::applicationDirPath() +
                 QStringLiteral("/../share/gigawarp/translations");
  auto* own = new QTranslator(qApp);
  for (const QString& folder : folders) {
    if (!own->load(locale, QStringLiteral("gigawarp"), QStringLiteral("_"), folder)) continue;
    QCoreApplication::installTranslator(own);
    // Of Qt's own buttons and dialogs, where Qt's translations are installed.
    auto* of_qt = new QTranslator(qApp);
    if (of_qt->load(locale, QStringLiteral("qtbase"), QStringLiteral("_"),
                    QLibraryInfo::path(QLibraryInfo::TranslationsPath)))
      QCoreApplication::installTranslator(of_qt);
    return own->filePath();
  }
  delete own;
  return {};
}

}  // namespace gigawarp::ui
