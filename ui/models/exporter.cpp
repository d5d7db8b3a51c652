#include "ui/models/exporter.h"

#include <QFileInfo>
#include <QJsonDocument>
#include <QJsonObject>

#include "gigawarp/error.h"
#include "io/transform_io.h"
#include "ui/models/job_model.h"
#include "ui/models/program.h"

namespace gigawarp::ui {
namespace {

constexpr int kPatienceMs = 3000;

QString stem_of(const QString& path) {
  const QString name = QFileInfo(path).fileName();
  return name.left(name.indexOf(QLatin1Char('.')));
}

}  // namespace

Exporter::Exporter(Workspace& workspace, const Results& results, QObject* parent)
    : QObject(parent), workspace_(workspace), results_(results) {}

Exporter::~Exporter() {
  if (process_ == nullptr) return;
  process_->disconnect(this);
  process_->terminate();
  if (!process_->waitForFinished(kPatienceMs)) process_->kill();
}

QString Exporter::obstacle(What what) const {
  const LayerModel& layers = workspace_.layers();
  if (!layers.is_ready(LayerRole::fixed) || !layers.is_ready(LayerRole::moving))
    return tr("Open a fixed and a moving image first.");
  if (what == What::labels && !layers.is_ready(LayerRole::moving_labels))
    return tr("There are no labels of the moving image to be warped.");
  if (workspace_.warp_source() == WarpSource::preview)
    return tr("The run has not ended; its results can be exported then.");
  if (workspace_.other_warp_shown())
    return tr("The other run is shown in turn; go back to this one (Flip between two runs).");
  return {};
}

QString Exporter::suggestion(What what) const {
  const LayerModel& layers = workspace_.layers();
  const QString moving = layers.layer(LayerRole::moving).path;
  const bool judged = workspace_.warp_source() == WarpSource::result;
  const QString folder = judged ? results_.folder() : QFileInfo(moving).absolutePath();
  const QString pair =
      stem_of(moving) + QStringLiteral("_to_") + stem_of(layers.layer(LayerRole::fixed).path);
  switch (what) {
    case What::image: return QStringLiteral("%1/%2.nii.gz").arg(folder, pair);
    case What::labels: return QStringLiteral("%1/%2_labels.nii.gz").arg(folder, pair);
    case What::transform: break;
  }
  return judged ? QStringLiteral("%1/%2_warp.h5").arg(folder, pair)
                : QStringLiteral("%1/%2.mat").arg(folder, pair);
}

QStringList Exporter::transform_files(const QString& path) const {
  if (workspace_.warp_source() == WarpSource::result) return forward_files(results_.folder());
  // Beside what it is used for, so that the command can be given again.
  const QString file = QFileInfo(path).absolutePath() + QLatin1Char('/') + stem_of(path) +
                       QStringLiteral("_alignment.mat");
  io::write_affine(shown_matrix(), file.toStdString());
  return {file};
}

/// Without a field: of the alignment by hand, or what the files say.
Affine Exporter::shown_matrix() const {
  return workspace_.warp_source() == WarpSource::alignment ? workspace_.alignment() : Affine{};
}

/// A matrix alone needs no command to be written.
bool Exporter::write_matrix(const QString& path) {
  const bool matrix = path.endsWith(QLatin1String(".mat")) ||
                      path.endsWith(QLatin1String(".txt")) || path.endsWith(QLatin1String(".tfm"));
  if (workspace_.warp_source() == WarpSource::result || !matrix) return false;
  io::write_affine(shown_matrix(), path.toStdString());
  Q_EMIT written(path, shell_command({QStringLiteral("gigawarp"), QStringLiteral("register"),
                                      QStringLiteral("--init"), path}));
  return true;
}

QStringList Exporter::words(What what, const QString& path) const {
  const LayerModel& layers = workspace_.layers();
  const Layer& fixed = layers.layer(LayerRole::fixed);
  QStringList words{what == What::transform ? QStringLiteral("compose") : QStringLiteral("apply"),
                    QStringLiteral("--transform")};
  words << transform_files(path);
  if (what != What::transform) {
    const Layer& input =
        layers.layer(what == What::labels ? LayerRole::moving_labels : LayerRole::moving);
    words << QStringLiteral("--input") << input.path;
    words << image_options(QStringLiteral("--"), selection_of(input), input.spacing_mm);
    if (what == What::labels) words << QStringLiteral("--interpolation") << QStringLiteral("label");
  }
  words << QStringLiteral("--reference") << fixed.path;
  if (what != What::transform)
    words << image_options(QStringLiteral("--reference-"), selection_of(fixed), fixed.spacing_mm);
  return words << QStringLiteral("--out") << path;
}

void Exporter::write(What what, const QString& path) {
  QString problem = obstacle(what);
  if (problem.isEmpty() && is_busy()) problem = tr("\"%1\" is still being written.").arg(path_);
  QStringList arguments;
  try {
    if (problem.isEmpty() && what == What::transform && write_matrix(path)) return;
    if (problem.isEmpty()) arguments = words(what, path);
  } catch (const Error& error) {
    problem = QString::fromStdString(error.what());
  }
  if (!problem.isEmpty()) {
    Q_EMIT failed(problem);
    return;
  }
  path_ = path;
  command_ = shell_command(QStringList{QStringLiteral("gigawarp")} + arguments);
  cancelled_ = false;
  fraction_ = eta_s_ = -1;
  process_ = std::make_unique<QProcess>();
  connect(process_.get(), &QProcess::readyReadStandardOutput, this, &Exporter::read_events);
  connect(process_.get(), &QProcess::finished, this, &Exporter::end);
  connect(process_.get(), &QProcess::errorOccurred, this, [this](QProcess::ProcessError error) {
    if (error == QProcess::FailedToStart) end(-1, QProcess::NormalExit);
  });
  arguments << QStringLiteral("--progress") << QStringLiteral("json");
  process_->start(program(), arguments, QIODevice::ReadOnly);
  Q_EMIT changed();
}

/// The newest of the lines that are there counts.
void Exporter::read_events() {
  QJsonObject event;
  while (process_->canReadLine()) {
    const QJsonObject line = QJsonDocument::fromJson(process_->readLine()).object();
    if (line.contains(QStringLiteral("fraction"))) event = line;
  }
  if (event.isEmpty()) return;
  fraction_ = event[QStringLiteral("fraction")].toDouble();
  eta_s_ = event[QStringLiteral("eta_s")].toDouble(-1);
  Q_EMIT progressed();
}

void Exporter::cancel() {
  if (process_ == nullptr) return;
  cancelled_ = true;
  process_->terminate();
}

void Exporter::end(int exit_code, QProcess::ExitStatus status) {
  QString words = without_name(QString::fromUtf8(process_->readAllStandardError()));
  if (words.isEmpty()) words = process_->errorString();
  process_.release()->deleteLater();
  Q_EMIT changed();
  if (status == QProcess::NormalExit && exit_code == 0)
    Q_EMIT written(path_, command_);
  else if (cancelled_)
    Q_EMIT failed(tr("Cancelled; \"%1\" was not written.").arg(path_));
  else
    Q_EMIT failed(tr("\"%1\" was not written: %2").arg(path_, words));
}

}  // namespace gigawarp::ui
