#include "ui/models/volume_loader.h"

#include <QFileInfo>
#include <QRegularExpression>
#include <filesystem>
#include <new>

#include "gigawarp/error.h"
#include "io/image_io.h"

namespace gigawarp::ui {

bool looks_like_landmarks(const QString& path) {
  static const QRegularExpression ending(QStringLiteral("\\.(fcsv|csv|mrk\\.json)$"),
                                         QRegularExpression::CaseInsensitiveOption);
  return ending.match(path).hasMatch();
}

bool looks_like_labels(const QString& path) {
  static const QRegularExpression words(QStringLiteral("label|seg|aseg|parc|annotation"),
                                        QRegularExpression::CaseInsensitiveOption);
  return words.match(QFileInfo(path).fileName()).hasMatch();
}

Layer read_layer(LayerRole role, const QString& path) {
  Layer layer;
  layer.path = path;
  try {
    const std::filesystem::path file = path.toStdString();
    if (is_landmarks(role)) {
      layer.landmarks = io::read_landmarks(file);
      layer.state = Layer::State::ready;
      return layer;
    }
    const io::ReadOptions options{.spacing_mm = std::nullopt, .label_map = is_labels(role)};
    layer.format = QString::fromStdString(io::read_header(file, options).format);
    auto volume = std::make_shared<Volume>(io::read_image(file, options));
    for (const std::string& note : volume->notes()) layer.notes << QString::fromStdString(note);
    const IntensityStatistics statistics = intensity_statistics(*volume);
    layer.range = {statistics.minimum, statistics.maximum};
    layer.percentiles = render::percentile_window(*volume);
    layer.window = layer.percentiles;
    layer.volume = std::move(volume);
    layer.state = Layer::State::ready;
  } catch (const std::bad_alloc&) {
    layer.problem = VolumeLoader::tr("There is not enough memory to read \"%1\".").arg(path);
  } catch (const std::exception& error) {
    layer.problem = QString::fromStdString(error.what());
  }
  if (layer.state != Layer::State::ready) layer.state = Layer::State::failed;
  return layer;
}

VolumeLoader::VolumeLoader(QObject* parent) : QObject(parent) { pool_.setMaxThreadCount(2); }

VolumeLoader::~VolumeLoader() {
  pool_.clear();
  pool_.waitForDone();
}

void VolumeLoader::load(LayerRole role, const QString& path) {
  const quint64 serial = ++newest_.at(static_cast<std::size_t>(role));
  ++pending_;
  pool_.start([this, role, path, serial] {
    Layer layer = read_layer(role, path);
    QMetaObject::invokeMethod(
        this,
        [this, role, serial, layer = std::move(layer)] {
          --pending_;
          if (newest_.at(static_cast<std::size_t>(role)) == serial) Q_EMIT loaded(role, layer);
        },
        Qt::QueuedConnection);
  });
}

void VolumeLoader::forget(LayerRole role) { ++newest_.at(static_cast<std::size_t>(role)); }

}  // namespace gigawarp::ui
