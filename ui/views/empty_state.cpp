#include "ui/views/empty_state.h"

#include <QCoreApplication>
#include <QLabel>
#include <QPushButton>
#include <QVBoxLayout>

#include "ui/views/actions.h"

namespace gigawarp::ui {
namespace {

QString tr(const char* text) { return QCoreApplication::translate("gigawarp::ui", text); }

}  // namespace

QWidget* make_empty_state(const Actions& actions, QWidget* parent) {
  auto* page = new QWidget(parent);
  page->setObjectName(QStringLiteral("empty_state"));
  auto* column = new QVBoxLayout(page);
  column->addStretch(2);
  auto* title = new QLabel(tr("Align two volumes"), page);
  QFont large = title->font();
  large.setPointSizeF(1.9 * large.pointSizeF());
  title->setFont(large);
  title->setAlignment(Qt::AlignHCenter);
  column->addWidget(title);
  auto* text = new QLabel(
      tr("Drop two image files anywhere in this window: first the fixed image, the one that stays\n"
         "where it is (an atlas, say), then the moving one. Or choose them here."),
      page);
  text->setAlignment(Qt::AlignHCenter);
  text->setWordWrap(true);
  column->addSpacing(8);
  column->addWidget(text);
  column->addSpacing(16);
  for (const char* id : {"open_fixed", "open_moving", "open_result", "open_session", "demo"}) {
    QAction* action = actions[id];
    auto* button = new QPushButton(action->text(), page);
    button->setObjectName(QStringLiteral("empty_") + QLatin1String(id));
    button->setToolTip(action->toolTip());
    button->setMinimumWidth(260);
    QObject::connect(button, &QPushButton::clicked, action, &QAction::trigger);
    column->addWidget(button, 0, Qt::AlignHCenter);
  }
  column->addSpacing(16);
  auto* formats =
      new QLabel(tr("NIfTI, OME-Zarr, N5, Imaris, BigDataViewer, NRRD, MetaImage, MINC, MRC, TIFF, "
                    "HDF5, DICOM folders"),
                 page);
  formats->setAlignment(Qt::AlignHCenter);
  formats->setWordWrap(true);
  formats->setForegroundRole(QPalette::PlaceholderText);
  column->addWidget(formats);
  column->addStretch(3);
  return page;
}

}  // namespace gigawarp::ui
