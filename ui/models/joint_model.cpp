#include "ui/models/joint_model.h"

#include <QCoreApplication>
#include <QPointer>

#include "ui/models/background.h"

namespace gigawarp::ui {
namespace {
constexpr int kDelayMs = 120;
}

JointModel::JointModel(Workspace& workspace, QObject* parent)
    : QObject(parent), workspace_(workspace) {
  delay_.setSingleShot(true);
  delay_.setInterval(kDelayMs);
  connect(&delay_, &QTimer::timeout, this, &JointModel::count);
  connect(&workspace_, &Workspace::warp_changed, this, &JointModel::ask);
  connect(&workspace_.layers(), &LayerModel::layer_changed, this, [this](LayerRole role) {
    const LayerModel& layers = workspace_.layers();
    if (is_image(role) && (layers.layer(LayerRole::fixed).volume.get() != fixed_ ||
                           layers.layer(LayerRole::moving).volume.get() != moving_))
      ask();
  });
}

namespace {
/// Of a streamed image the level that is counted; 0: all of it.
int coarse_level(const Layer& layer) {
  if (layer.stream == nullptr || layer.stream->overview_level() == 0) return 0;
  return layer.stream->number_of(layer.stream->overview_level());
}
}  // namespace

QString JointModel::fixed_name() const {
  const int level = coarse_level(workspace_.layers().layer(LayerRole::fixed));
  return level == 0 ? tr("fixed") : tr("fixed, level %1").arg(level);
}

/// Short: it stands along a low axis.
QString JointModel::moving_name() const {
  const int level = coarse_level(workspace_.layers().layer(LayerRole::moving));
  return level == 0 ? tr("warped") : tr("warped, level %1").arg(level);
}

void JointModel::set_watched(bool watched) {
  watched_ = watched;
  if (watched_ && stale_) ask();
}

void JointModel::ask() {
  stale_ = true;
  if (watched_ && !counting_ && !delay_.isActive()) delay_.start();
}

void JointModel::count() {
  const Layer& fixed = workspace_.layers().layer(LayerRole::fixed);
  const Layer& moving = workspace_.layers().layer(LayerRole::moving);
  fixed_ = fixed.volume.get();
  moving_ = moving.volume.get();
  stale_ = false;
  if (fixed_ == nullptr || moving_ == nullptr) {
    histogram_.reset();
    Q_EMIT changed();
    return;
  }
  counting_ = true;
  background_pool().start(
      [guard = QPointer<JointModel>(this), f = fixed.volume, m = moving.volume,
       warp = workspace_.warp(),
       ranges = std::pair{std::pair{fixed.percentiles.low, fixed.percentiles.high},
                          std::pair{moving.percentiles.low, moving.percentiles.high}}] {
        auto counted = std::make_shared<const qc::JointHistogram>(
            qc::joint_histogram(*f, *m, warp.get(), ranges.first, ranges.second));
        QMetaObject::invokeMethod(
            qApp,
            [guard, counted = std::move(counted)] {
              if (guard == nullptr) return;
              guard->counting_ = false;
              guard->histogram_ = counted;
              Q_EMIT guard->changed();
              if (guard->stale_) guard->ask();
            },
            Qt::QueuedConnection);
      });
}

}  // namespace gigawarp::ui
