#pragma once
#include <QObject>
#include <QTimer>
#include <memory>
#include <stop_token>

#include "render/surfaces.h"
#include "ui/models/workspace.h"

namespace gigawarp::ui {

/// The surfaces of the 3-D view, made on other threads from the layers of the workspace as they
/// change. Nothing is made until the view asks.
class SurfacesModel final : public QObject {
  Q_OBJECT
 public:
  explicit SurfacesModel(Workspace& workspace, QObject* parent = nullptr);
  ~SurfacesModel() override;

  /// Makes what the display wants and keeps it up to date from now on.
  void follow();

  std::shared_ptr<const mesh::SurfaceMesh> head() const { return head_.made; }
  std::shared_ptr<const Volume> bytes() const { return bytes_.made; }
  /// Of the fixed labels or, without those, of the moving ones as the warp brings them; null when
  /// they are not shown.
  std::shared_ptr<const render::LabelSurfaces> labels() const { return labels_.made; }
  bool labels_are_moving() const { return labels_are_moving_; }
  /// True while something is being made.
  bool is_busy() const;
  /// Why the last thing could not be made; empty when it could.
  const QString& problem() const { return problem_; }
  /// What the surface is drawn from: the fixed image or, without, the moving one.
  LayerRole head_role() const;

 Q_SIGNALS:
  void changed();

 private:
  /// Something made from `from`: made again when that is another.
  template <class T>
  struct Part {
    std::shared_ptr<const T> made;
    const void* from = nullptr;
    const void* with = nullptr;  ///< the warp it was made with
    std::stop_source stop;
    bool busy = false;
  };
  template <class T, class Make>
  void make(Part<T> SurfacesModel::*part, const void* from, const void* with, Make work);
  template <class T>
  void drop(Part<T>& part);
  void follow_labels();

  Workspace& workspace_;
  Part<mesh::SurfaceMesh> head_;
  Part<Volume> bytes_;
  Part<render::LabelSurfaces> labels_;
  bool wanted_ = false, labels_are_moving_ = false;
  QString problem_;
  QTimer rest_;  ///< so that a drag does not start a hundred
};

}  // namespace gigawarp::ui
