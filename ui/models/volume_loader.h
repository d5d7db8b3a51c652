#pragma once
#include <QObject>
#include <QThreadPool>
#include <array>
#include <stop_token>

#include "ui/models/layer.h"

namespace gigawarp::ui {

/// Reads files on threads of its own and hands over complete layers on the interface thread. What
/// is large or has levels is not read but streamed.
class VolumeLoader : public QObject {
  Q_OBJECT
 public:
  explicit VolumeLoader(std::shared_ptr<io::BrickCache> cache, QObject* parent = nullptr);
  ~VolumeLoader()
      override;  ///< waits for the file being read, not for servers; results are dropped

  /// Begins to read; a later call for the same role makes an earlier one's result be dropped.
  void load(LayerRole role, const QString& path,
            const std::optional<Vec3>& spacing_mm = std::nullopt,
            const ImageSelection& selection = {});
  void forget(LayerRole role);
  bool busy() const { return pending_ > 0; }

 Q_SIGNALS:
  /// With state ready or failed.
  void loaded(gigawarp::ui::LayerRole role, gigawarp::ui::Layer layer);

 private:
  std::shared_ptr<io::BrickCache> cache_;
  QThreadPool pool_;
  std::array<quint64, kLayerRoles> newest_{};
  std::array<std::stop_source, kLayerRoles> reading_;  ///< of what has not arrived yet
  int pending_ = 0;
};

/// The work of the loader, callable from any thread: never throws, failures are in the layer. With
/// a cache, pyramids and files of more than a quarter of its budget are streamed, as far as they
/// can be read out of order; without, everything is read. Of images that hold several volumes the
/// one that is selected, else the first; of labels and masks the level of their image.
Layer read_layer(LayerRole role, const QString& path,
                 const std::shared_ptr<io::BrickCache>& cache = nullptr,
                 const std::optional<Vec3>& spacing_mm = std::nullopt,
                 const ImageSelection& selection = {},
                 const std::stop_source& reading = std::stop_source());

/// A best guess from name and header: landmarks files by their ending, labels and masks by words in
/// their name.
bool looks_like_landmarks(const QString& path);
bool looks_like_labels(const QString& path);

}  // namespace gigawarp::ui
