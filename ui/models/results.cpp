#include "ui/models/results.h"

#include <QCoreApplication>
#include <QFile>
#include <QFileInfo>
#include <QPointer>
#include <algorithm>
#include <utility>

#include "gigawarp/error.h"
#include "io/transform_io.h"
#include "ui/models/background.h"

namespace gigawarp::ui {
namespace {

constexpr std::size_t kWorstPlaces = 12;
constexpr double kSmallestScaleMm = 1e-3;

/// "1Warp.nii.gz" or "1Warp.nii" of a folder; empty when there is none.
std::string found(const QString& folder, const char* name) {
  for (const char* ending : {".nii.gz", ".nii", ".mat"}) {
    const QString path = folder + QLatin1Char('/') + QLatin1String(name) + QLatin1String(ending);
    if (QFileInfo::exists(path)) return path.toStdString();
  }
  return {};
}

QString held_text(int step) {
  const QString nth = step == 2   ? Results::tr("2nd")
                      : step == 3 ? Results::tr("3rd")
                                  : Results::tr("%1th").arg(step);
  return Results::tr(
             "The warp is larger than half the memory set for volumes: it is held, shown and "
             "measured at every %1 voxel, which may miss small folds. Set more memory in the "
             "settings, or see result.json, where the whole warp was measured.")
      .arg(nth);
}

std::vector<qc::NamedPoint> named(const std::vector<io::Landmark>& landmarks) {
  std::vector<qc::NamedPoint> points;
  for (const io::Landmark& mark : landmarks)
    points.push_back({mark.name, mark.position_mm, mark.held_out});
  return points;
}

}  // namespace

QStringList forward_files(const QString& folder) {
  QStringList files;
  for (const char* name : {"1Warp", "0GenericAffine"})
    if (const std::string file = found(folder, name); !file.empty())
      files << QString::fromStdString(file);
  return files;
}

ReadMap read_forward(const QString& folder, std::uint64_t most_bytes) {
  const std::string affine = found(folder, "0GenericAffine"), warp = found(folder, "1Warp");
  if (affine.empty())
    throw Error(
        ErrorCode::bad_input,
        "\"" + folder.toStdString() + "\" holds no finished run: 0GenericAffine.mat is missing.");
  ReadMap out{std::make_shared<Transform>()};
  if (!warp.empty()) {
    io::HeldTransform held = io::read_transform_within(warp, most_bytes);
    out.step = held.step;
    io::append(*out.map, std::move(held.transform));
  }
  io::append(*out.map, io::read_transform(affine));
  return out;
}

struct Results::Files {
  JobSpec job;
  std::shared_ptr<Transform> forward, inverse;
  int step = 1;  ///< every which voxel of the warps is held
  QString problem;
};

namespace {

template <class Files>
std::shared_ptr<Files> read_files(const QString& folder, std::uint64_t most_bytes) {
  auto files = std::make_shared<Files>();
  try {
    QFile file(folder + QStringLiteral("/job.json"));
    if (!file.open(QIODevice::ReadOnly))
      throw Error(ErrorCode::bad_input, "\"" + folder.toStdString() +
                                            "\" holds no job.json; choose the folder of a run.");
    files->job = parse_job(file.readAll().toStdString());
    const ReadMap forward = read_forward(folder, most_bytes);
    files->forward = forward.map;
    files->step = forward.step;
    const std::string affine = found(folder, "0GenericAffine"), warp = found(folder, "1Warp"),
                      back = found(folder, "1InverseWarp");
    if (warp.empty() || !back.empty()) {
      files->inverse = std::make_shared<Transform>(io::read_transform(affine, true));
      if (!back.empty()) {
        io::HeldTransform held = io::read_transform_within(back, most_bytes);
        files->step = std::max(files->step, held.step);
        io::append(*files->inverse, std::move(held.transform));
      }
    }
  } catch (const std::exception& error) {
    files->problem = QString::fromStdString(error.what());
  }
  return files;
}

}  // namespace

Results::Results(Workspace& workspace, QObject* parent) : QObject(parent), workspace_(workspace) {
  connect(&workspace_.layers(), &LayerModel::layer_changed, this, &Results::measure_when_loaded);
  connect(&workspace_, &Workspace::pair_left, this, [this] {
    const bool opens_its_own = state_ == State::reading && files_ == nullptr && opens_pair_;
    if (opens_its_own) return;
    if (state_ != State::none) forget();
  });
}

const JobSpec* Results::job() const { return files_ != nullptr ? &files_->job : nullptr; }

void Results::fail(const QString& sentence) {
  problem_ = sentence;
  state_ = State::failed;
  Q_EMIT workspace_.message(sentence);
  Q_EMIT changed();
}

/// What is still being read or measured is dropped when it comes.
void Results::forget() {
  ++serial_;
  folder_.clear();
  problem_.clear();
  judgement_.reset();
  files_.reset();
  worst_ = 0;
  state_ = State::none;
  Q_EMIT changed();
}

void Results::open(const QString& folder) { open(folder, true); }

void Results::open_for_open_pair(const QString& folder) { open(folder, false); }

void Results::open(const QString& folder, bool with_pair) {
  opens_pair_ = with_pair;
  folder_ = folder;
  problem_.clear();
  judgement_.reset();
  files_.reset();
  worst_ = 0;
  state_ = State::reading;
  const quint64 serial = ++serial_;
  Q_EMIT changed();
  background_pool().start(
      [guard = QPointer<Results>(this), folder, serial, most_bytes = workspace_.warp_bytes()] {
        auto files = read_files<Files>(folder, most_bytes);
        QMetaObject::invokeMethod(
            qApp,
            [guard, serial, files = std::move(files)] {
              if (guard != nullptr && serial == guard->serial_) guard->take_files(files);
            },
            Qt::QueuedConnection);
      });
}

void Results::take_files(const std::shared_ptr<Files>& files) {
  if (!files->problem.isEmpty()) return fail(files->problem);
  // Before files_ is there: no change of a layer may have the pair that is left measured.
  if (opens_pair_) workspace_.open_files_of(files->job, false);
  files_ = files;
  measure_when_loaded();
}

void Results::measure_when_loaded() {
  if (state_ != State::reading || files_ == nullptr) return;
  const LayerModel& layers = workspace_.layers();
  for (const LayerRole role : kAllLayerRoles) {
    if (layers.layer(role).state == Layer::State::loading) return;
    if (is_image(role) && layers.layer(role).state != Layer::State::ready)
      return fail(
          tr("The images of this run could not be read: %1").arg(layers.layer(role).problem));
  }
  state_ = State::measuring;
  Q_EMIT changed();
  workspace_.set_warp(WarpSource::result, files_->forward);
  const auto labels = [&](LayerRole role) { return layers.layer(role).volume; };
  QStringList coarse;
  for (const LayerRole role : kAllLayerRoles)
    if (const QString level = coarse_level_text(layers.layer(role)); !level.isEmpty())
      coarse << tr("%1: %2").arg(title_of(role), level);
  background_pool().start([guard = QPointer<Results>(this), serial = serial_, files = files_,
                           fixed = layers.layer(LayerRole::fixed).volume,
                           moving = layers.layer(LayerRole::moving).volume,
                           fixed_labels = labels(LayerRole::fixed_labels),
                           moving_labels = labels(LayerRole::moving_labels),
                           fixed_marks = named(layers.layer(LayerRole::fixed_landmarks).landmarks),
                           moving_marks =
                               named(layers.layer(LayerRole::moving_landmarks).landmarks),
                           folder = folder_, coarse] {
    auto result = std::make_shared<Judgement>();
    QString problem;
    try {
      qc::QcInput in;
      in.fixed = fixed.get();
      in.moving = moving.get();
      in.transform = files->forward.get();
      in.inverse = files->inverse.get();
      if (fixed_labels != nullptr && moving_labels != nullptr) {
        in.fixed_labels = fixed_labels.get();
        in.moving_labels = moving_labels.get();
      }
      if (!fixed_marks.empty() && !moving_marks.empty()) {
        in.fixed_landmarks = fixed_marks;
        in.moving_landmarks = moving_marks;
      }
      if (!coarse.isEmpty())
        result->coarse = tr("Measured on coarse levels, as these images are streamed: %1. "
                            "\"gigawarp qc\" measures at the level that you name.")
                             .arg(coarse.join(QStringLiteral("; ")));
      if (files->step > 1)
        result->coarse +=
            (result->coarse.isEmpty() ? QString() : QStringLiteral(" ")) + held_text(files->step);
      result->fixed = fixed;
      result->moving = moving;
      result->assessment = qc::assess(in);
      qc::QcReport& report = result->assessment.report;
      report.fixed = files->job.fixed.front();
      report.moving = files->job.moving.front();
      report.transform = folder.toStdString();
      result->jacobian =
          std::make_shared<Volume>(ops::jacobian_determinant(result->assessment.displacement));
      result->jacobian_histogram = qc::jacobian_histogram(*result->jacobian);
      if (files->inverse != nullptr)
        result->inverse_error = std::make_shared<Volume>(
            qc::inverse_error_map(*files->forward, *files->inverse, fixed->grid(), moving->grid()));
      result->worst = qc::worst_places(*fixed, result->assessment, *result->jacobian,
                                       in.fixed_landmarks, kWorstPlaces);
      result->local_ncc = std::make_shared<Volume>(std::move(result->assessment.local_ncc));
    } catch (const std::exception& error) {
      problem = QString::fromStdString(error.what());
    }
    QMetaObject::invokeMethod(
        qApp,
        [guard, serial, result = std::move(result), problem] {
          if (guard == nullptr || serial != guard->serial_) return;
          if (!problem.isEmpty()) return guard->fail(problem);
          guard->take_judgement(result);
        },
        Qt::QueuedConnection);
  });
}

void Results::take_judgement(std::shared_ptr<Judgement> judgement) {
  const QString level = coarse_level_text(workspace_.layers().layer(LayerRole::fixed));
  workspace_.set_map(MapChoice::jacobian, judgement->jacobian, {0, 1}, level);
  workspace_.set_map(MapChoice::local_ncc, judgement->local_ncc, {0, 1}, level);
  const auto& inverse_error = judgement->assessment.report.inverse_error;
  workspace_.set_map(MapChoice::inverse_error, judgement->inverse_error,
                     {0, inverse_error ? std::max(inverse_error->p95_mm, kSmallestScaleMm) : 1},
                     level);
  judgement_ = std::move(judgement);
  state_ = State::ready;
  Q_EMIT changed();
}

QString Results::next_worst() {
  if (judgement_ == nullptr || judgement_->worst.empty()) return {};
  const std::size_t index = worst_++ % judgement_->worst.size();
  const qc::WorstPlace& place = judgement_->worst[index];
  workspace_.set_cursor(place.position_mm);
  return tr("%1 of %2: %3")
      .arg(index + 1)
      .arg(judgement_->worst.size())
      .arg(QString::fromStdString(place.reason));
}

}  // namespace gigawarp::ui
