#include <QFileDialog>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QProgressBar>
#include <QStatusBar>

#include "io/image_io.h"
#include "ui/models/landmark_pairs.h"
#include "ui/views/main_window.h"

// What is written on request: images, labels, transforms, pictures, reports.
namespace gigawarp::ui {
namespace {

QString image_filter() {
  return MainWindow::tr(
      "NIfTI (*.nii.gz *.nii);;OME-Zarr (*.ome.zarr);;NRRD (*.nrrd);;MetaImage (*.mha);;"
      "All files (*)");
}

QString transform_filter() {
  return MainWindow::tr(
      "All stages, for ITK (*.h5);;Displacements in LPS mm, as ANTs writes them (*.nii.gz);;"
      "Matrix, for ITK and ANTs (*.mat *.txt *.tfm);;All files (*)");
}

constexpr std::pair<const char*, Exporter::What> kExports[] = {
    {"export_image", Exporter::What::image},
    {"export_labels", Exporter::What::labels},
    {"export_transform", Exporter::What::transform}};

}  // namespace

void MainWindow::connect_exports() {
  Actions& a = *actions_;
  for (const auto& [id, what] : kExports)
    a.on(id, this, [this, chosen = what] { ask_to_export(chosen); });
  a.on("export_view", this, [this] { export_view(); });
  a.on("export_report", this, [this] { results_panel_->export_report(); });
  a.on("export_landmarks", this, [this] { landmark_panel_->ask_to_save(); });
  a.on("export_rejects", this, [this] { review_.write_rejects(); });
  a.on("export_batch_page", this, [this] { review_.write_page(); });
  const auto follow = [this] {
    for (const auto& [id, what] : kExports)
      (*actions_)[id]->setEnabled(!exporter_.is_busy() && exporter_.obstacle(what).isEmpty());
    (*actions_)["export_view"]->setEnabled(workspace_.reference() != nullptr);
    (*actions_)["export_report"]->setEnabled(results_.judgement() != nullptr);
    (*actions_)["export_landmarks"]->setEnabled(workspace_.pairs().rowCount() > 0);
    for (const char* id : {"export_rejects", "export_batch_page"})
      (*actions_)[id]->setEnabled(review_.is_open());
  };
  connect(&workspace_, &Workspace::scene_changed, this, follow);
  connect(&workspace_, &Workspace::warp_changed, this, follow);
  connect(&results_, &Results::changed, this, follow);
  connect(&review_, &ReviewModel::changed, this, follow);
  connect(&exporter_, &Exporter::changed, this, follow);
  connect(&exporter_, &Exporter::changed, this, &MainWindow::show_export);
  connect(&exporter_, &Exporter::progressed, this, &MainWindow::show_export);
  connect(&exporter_, &Exporter::failed, &workspace_, &Workspace::message);
  connect(
      &exporter_, &Exporter::written, this, [this](const QString& path, const QString& command) {
        hand_log_.say(command);
        const Grid* grid = workspace_.reference();
        const std::string lost =
            grid == nullptr ? std::string() : io::lost_geometry(*grid, path.toStdString());
        const QString written = tr("Written to %1").arg(path);
        Q_EMIT workspace_.message(
            lost.empty() ? written : written + QStringLiteral(". ") + QString::fromStdString(lost));
      });
  follow();
}

/// What is being written, with a way to end it, at the right of the bottom line.
void MainWindow::make_export_row() {
  export_row_ = new QWidget(this);
  auto* row = new QHBoxLayout(export_row_);
  row->setContentsMargins(0, 0, 0, 0);
  export_text_ = new QLabel(export_row_);
  export_bar_ = new QProgressBar(export_row_);
  export_bar_->setObjectName(QStringLiteral("export_bar"));
  export_bar_->setAccessibleName(tr("How much of the export is written"));
  export_bar_->setMaximumSize(140, 16);
  auto* cancel = new QPushButton(tr("Cancel"), export_row_);
  cancel->setObjectName(QStringLiteral("cancel_export"));
  cancel->setToolTip(tr("Nothing half-written stays"));
  row->addWidget(export_text_);
  row->addWidget(export_bar_);
  row->addWidget(cancel);
  connect(cancel, &QPushButton::clicked, &exporter_, &Exporter::cancel);
  statusBar()->addPermanentWidget(export_row_);
  export_row_->hide();
}

void MainWindow::show_export() {
  constexpr double kWorthTelling = 2;
  QString text = tr("Writing %1 …").arg(QFileInfo(exporter_.path()).fileName());
  if (exporter_.eta_s() >= kWorthTelling)
    text += QStringLiteral(" ") + tr("about %1 to go").arg(duration_text(exporter_.eta_s()));
  export_text_->setText(text);
  const bool known = exporter_.fraction() >= 0;
  export_bar_->setRange(0, known ? 100 : 0);  // without an end it says that something goes on
  export_bar_->setValue(known ? static_cast<int>(100 * exporter_.fraction()) : -1);
  export_row_->setVisible(exporter_.is_busy());
}

void MainWindow::ask_to_export(Exporter::What what) {
  const QString obstacle = exporter_.obstacle(what);
  if (!obstacle.isEmpty()) return Q_EMIT workspace_.message(obstacle);
  const bool transform = what == Exporter::What::transform;
  const QString title =
      transform ? tr("Export the transform: it maps points of the fixed image to the moving one")
      : what == Exporter::What::labels
          ? tr("Export the labels of the moving image, warped to the fixed one")
          : tr("Export the moving image, warped to the fixed one");
  const QString suggested = exporter_.suggestion(what);
  auto* dialog = new QFileDialog(this, title, QFileInfo(suggested).absolutePath(),
                                 transform ? transform_filter() : image_filter());
  dialog->setObjectName(QStringLiteral("export_dialog"));
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  dialog->setAcceptMode(QFileDialog::AcceptSave);
  dialog->selectFile(QFileInfo(suggested).fileName());
  connect(dialog, &QFileDialog::fileSelected, this,
          [this, what](const QString& path) { exporter_.write(what, path); });
  dialog->open();
}

void MainWindow::export_view() {
  if (workspace_.reference() == nullptr) return;
  auto* dialog = new QFileDialog(this, tr("Export the picture of the view"),
                                 QStringLiteral("view.png"), tr("PNG pictures (*.png)"));
  dialog->setObjectName(QStringLiteral("export_view_dialog"));
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  dialog->setAcceptMode(QFileDialog::AcceptSave);
  // As it is on screen, letters and scale bar included.
  const auto* slice = qobject_cast<SliceView*>(views_->focus_view());
  const bool coarse = slice != nullptr && !slice->is_refined();
  const QPixmap picture = views_->focus_view()->grab();
  connect(dialog, &QFileDialog::fileSelected, this, [this, picture, coarse](const QString& path) {
    const bool written = picture.save(path, "PNG");
    if (written) hand_log_.say(tr("picture of the view %1").arg(path));
    const QString done =
        coarse ? tr("Picture written to %1; parts of it were still coarse when it was taken")
               : tr("Picture written to %1");
    Q_EMIT workspace_.message(written ? done.arg(path)
                                      : tr("\"%1\" could not be written.").arg(path));
  });
  dialog->open();
}

}  // namespace gigawarp::ui
