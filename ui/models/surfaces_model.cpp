#include "ui/models/surfaces_model.h"

#include <QCoreApplication>
#include <QPointer>
#include <tuple>
#include <utility>

#include "render/surface_cast.h"
#include "ui/models/background.h"

namespace gigawarp::ui {
namespace {
constexpr int kRestMs = 120;
}

SurfacesModel::SurfacesModel(Workspace& workspace, QObject* parent)
    : QObject(parent), workspace_(workspace) {
  rest_.setSingleShot(true);
  rest_.setInterval(kRestMs);
  connect(&rest_, &QTimer::timeout, this, &SurfacesModel::follow);
  // A preview lasts too short a time for surfaces: they follow when the run has ended.
  const auto later = [this] {
    if (wanted_ && workspace_.warp_source() != WarpSource::preview) rest_.start();
  };
  connect(&workspace_, &Workspace::scene_changed, this, later);
}

SurfacesModel::~SurfacesModel() {
  drop(head_);
  drop(bytes_);
  drop(labels_);
}

bool SurfacesModel::is_busy() const {
  return rest_.isActive() || head_.busy || bytes_.busy || labels_.busy;
}

LayerRole SurfacesModel::head_role() const {
  return workspace_.layers().is_ready(LayerRole::fixed) ? LayerRole::fixed : LayerRole::moving;
}

template <class T>
void SurfacesModel::drop(Part<T>& part) {
  part.stop.request_stop();
  part = {};
}

/// Runs `work(stop)` on another thread and keeps what it returns, unless something else has been
/// asked for since.
template <class T, class Make>
void SurfacesModel::make(Part<T> SurfacesModel::*which, const void* from, const void* with,
                         Make work) {
  Part<T>& part = this->*which;
  if (part.from == from && part.with == with) return;
  part.stop.request_stop();
  part.stop = {};
  part.from = from;
  part.with = with;
  part.busy = true;
  background_pool().start([guard = QPointer<SurfacesModel>(this), which,
                           stop = part.stop.get_token(), work = std::move(work)] {
    std::shared_ptr<const T> made;
    QString problem;
    try {
      made = work(stop);
    } catch (const std::exception& error) {
      problem = QString::fromStdString(error.what());
    }
    QMetaObject::invokeMethod(
        qApp,
        [guard, which, stop, problem, made = std::move(made)] {
          if (guard == nullptr || stop.stop_requested()) return;
          Part<T>& kept = (*guard).*which;
          kept.made = made;
          kept.busy = false;
          guard->problem_ = problem;
          Q_EMIT guard->changed();
        },
        Qt::QueuedConnection);
  });
}

void SurfacesModel::follow() {
  wanted_ = true;
  const auto state = [this] {
    return std::tuple{head_.made,  bytes_.made,  labels_.made,      head_.busy,
                      bytes_.busy, labels_.busy, labels_are_moving_};
  };
  const auto before = state();
  const Layer& layer = workspace_.layers().layer(head_role());
  const render::HeadStyle style = workspace_.display().head;
  if (layer.volume == nullptr) {
    drop(head_);
    drop(bytes_);
  } else if (style == render::HeadStyle::volume) {
    make(&SurfacesModel::bytes_, layer.volume.get(), nullptr,
         [volume = layer.volume, window = layer.percentiles](const std::stop_token& stop) {
           return render::head_bytes(*volume, window, stop);
         });
  } else if (style != render::HeadStyle::none) {
    make(&SurfacesModel::head_, layer.volume.get(), nullptr,
         [volume = layer.volume,
          threshold = render::surface_threshold(layer.percentiles)](const std::stop_token& stop) {
           return render::head_surface(*volume, threshold, stop);
         });
  }
  follow_labels();
  if (state() != before) Q_EMIT changed();
}

void SurfacesModel::follow_labels() {
  const auto shown = [this](LayerRole role) {
    const Layer& layer = workspace_.layers().layer(role);
    return layer.state == Layer::State::ready && layer.visible ? layer.volume : nullptr;
  };
  const std::shared_ptr<const Volume> fixed = shown(LayerRole::fixed_labels),
                                      moving = shown(LayerRole::moving_labels);
  labels_are_moving_ = fixed == nullptr && moving != nullptr;
  if (fixed != nullptr) {
    make(&SurfacesModel::labels_, fixed.get(), nullptr,
         [fixed](const std::stop_token& stop) { return render::surfaces_of_labels(*fixed, stop); });
    return;
  }
  if (moving == nullptr || workspace_.reference() == nullptr) return drop(labels_);
  const std::shared_ptr<const Transform> warp = workspace_.warp();
  make(&SurfacesModel::labels_, moving.get(), warp.get(),
       [moving, warp, grid = *workspace_.reference()](const std::stop_token& stop) {
         const Volume labels = render::labels_on_grid(*moving, warp.get(), grid, stop);
         return stop.stop_requested() ? nullptr : render::surfaces_of_labels(labels, stop);
       });
}

}  // namespace gigawarp::ui
