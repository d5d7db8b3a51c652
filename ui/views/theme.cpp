#include "ui/views/theme.h"

#include <QApplication>
#include <QIcon>
#include <QPalette>
#include <QSettings>
#include <QString>
#include <QStyle>

#include "job/version.h"
#include "ui/models/background.h"
#include "ui/views/style.h"

namespace gigawarp::ui {
namespace {

QPalette dark_palette() {
  QPalette p;
  const QColor window(37, 39, 43), base(28, 30, 33), text(226, 228, 232), dim(146, 150, 158);
  p.setColor(QPalette::Window, window);
  p.setColor(QPalette::WindowText, text);
  p.setColor(QPalette::Base, base);
  p.setColor(QPalette::AlternateBase, QColor(33, 35, 39));
  p.setColor(QPalette::ToolTipBase, QColor(52, 55, 60));
  p.setColor(QPalette::ToolTipText, text);
  p.setColor(QPalette::Text, text);
  p.setColor(QPalette::PlaceholderText, dim);
  p.setColor(QPalette::Button, QColor(50, 53, 58));
  p.setColor(QPalette::ButtonText, text);
  p.setColor(QPalette::BrightText, QColor(255, 120, 120));
  p.setColor(QPalette::Link, QColor(110, 190, 255));
  p.setColor(QPalette::Highlight, QColor(36, 110, 150));
  p.setColor(QPalette::HighlightedText, Qt::white);
  p.setColor(QPalette::Light, QColor(66, 70, 76));
  p.setColor(QPalette::Midlight, QColor(58, 61, 66));
  p.setColor(QPalette::Mid, QColor(46, 49, 53));
  p.setColor(QPalette::Dark, QColor(22, 23, 26));
  p.setColor(QPalette::Shadow, QColor(12, 12, 14));
  for (const QPalette::ColorRole role :
       {QPalette::WindowText, QPalette::Text, QPalette::ButtonText})
    p.setColor(QPalette::Disabled, role, dim);
  return p;
}

/// Fusion's own, with words in empty fields that can be read.
QPalette light_palette() {
  QPalette p = QApplication::style()->standardPalette();
  p.setColor(QPalette::PlaceholderText, QColor(98, 98, 98));
  p.setColor(QPalette::Link, QColor(0, 92, 175));
  p.setColor(QPalette::Highlight, QColor(24, 104, 160));
  return p;
}

bool system_is_dark() {
  const QPalette system = QApplication::style()->standardPalette();
  const QPalette now = QGuiApplication::palette();
  const QPalette& p = now.resolveMask() != 0 ? now : system;
  return p.color(QPalette::Window).lightness() < p.color(QPalette::WindowText).lightness();
}

}  // namespace

void apply_theme() {
  const QString wanted =
      QSettings().value(QStringLiteral("theme"), QStringLiteral("system")).toString();
  static const bool dark_system = system_is_dark();
  const bool dark =
      wanted == QLatin1String("dark") || (wanted == QLatin1String("system") && dark_system);
  QApplication::setStyle(new Style);
  QApplication::setPalette(dark ? dark_palette() : light_palette());
}

void prepare_application() {
  QCoreApplication::setOrganizationName(QStringLiteral("Gigawarp"));
  QCoreApplication::setApplicationName(QStringLiteral("Gigawarp"));
  QCoreApplication::setApplicationVersion(QString::fromUtf8(job::version()));
  QGuiApplication::setDesktopFileName(QStringLiteral("gigawarp"));
  // Of an installed program; a build folder has none.
  QGuiApplication::setWindowIcon(
      QIcon(QCoreApplication::applicationDirPath() +
            QStringLiteral("/../share/icons/hicolor/256x256/apps/gigawarp.png")));
  apply_theme();
  make_threads(*QThreadPool::globalInstance());
  make_threads(background_pool());
}

}  // namespace gigawarp::ui
