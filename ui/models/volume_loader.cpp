#include "ui/models/volume_loader.h"

#include <QFileInfo>
#include <cmath>
#include <filesystem>
#include <new>

#include "gigawarp/error.h"
#include "io/image_io.h"
#include "ui/models/address.h"

namespace gigawarp::ui {

// Plain comparisons: a regular expression is compiled where it is first used, which would be the
// interface thread, between a click and the first picture.
bool looks_like_landmarks(const QString& path) {
  for (const char* ending : {".fcsv", ".csv", ".mrk.json"})
    if (path.endsWith(QLatin1String(ending), Qt::CaseInsensitive)) return true;
  return false;
}

bool looks_like_labels(const QString& path) {
  const QString name = QFileInfo(path).fileName();
  for (const char* word : {"label", "seg", "parc", "annotation"})
    if (name.contains(QLatin1String(word), Qt::CaseInsensitive)) return true;
  return false;
}

namespace {

/// Of the cache: what is smaller is read whole.
constexpr std::uint64_t kStreamedPart = 4;

/// Nothing for what is better read as a whole.
std::shared_ptr<const render::StreamedVolume> streamed(const std::filesystem::path& file,
                                                       const io::ReadOptions& options,
                                                       const std::shared_ptr<io::BrickCache>& cache,
                                                       const std::stop_source& reading,
                                                       Layer& layer) {
  if (cache == nullptr) return nullptr;
  std::shared_ptr<const io::BrickSource> source = io::open_source(file, options);
  if (source == nullptr) return nullptr;
  layer.parts = source->info().parts;
  for (const io::SourceLevel& level : source->info().levels) layer.levels.push_back(level.grid);
  source = io::from_level(std::move(source), options.selection.level.value_or(0), file);
  const io::SourceInfo& info = source->info();
  const std::uint64_t bytes =
      static_cast<std::uint64_t>(info.levels.front().grid.voxel_count()) * size_of(info.type);
  if (layer.levels.size() == 1 && bytes <= cache->budget_bytes() / kStreamedPart) return nullptr;
  return std::make_shared<render::StreamedVolume>(source, cache, reading);
}

/// The first channel and time point of an image that has several, unless others are asked for.
io::ReadOptions options_for(LayerRole role, const std::filesystem::path& file,
                            const std::optional<Vec3>& spacing_mm,
                            const ImageSelection& selection) {
  const io::ReadOptions asked{spacing_mm, false, selection};
  if (is_labels(role)) return io::companion_options(asked, file);
  io::ReadOptions options = asked;
  options.selection.channel = selection.channel.value_or(0);
  options.selection.timepoint = selection.timepoint.value_or(0);
  return options;
}

/// As reading a whole label map does it, for what of it is in memory.
void check_labels(const Volume& volume, const QString& path) {
  if (volume.type() != ScalarType::f32 && volume.type() != ScalarType::f64) return;
  for (std::int64_t i = 0; i < volume.grid().voxel_count(); ++i) {
    const double v = volume.type() == ScalarType::f32
                         ? static_cast<double>(volume.channel<float>()[i])
                         : volume.channel<double>()[i];
    if (v != std::floor(v))
      throw Error(ErrorCode::bad_input,
                  "\"" + path.toStdString() +
                      "\" holds values that are no whole numbers, so it is no label map or mask.",
                  path.toStdString());
  }
}

/// A file that only seems to hold the names does not keep the labels from being shown.
void read_names(const std::filesystem::path& file, Layer& layer) {
  io::NamesBeside beside = io::read_label_names_beside(file);
  if (!beside.problem.empty())
    layer.notes << VolumeLoader::tr("Without names of the labels: %1")
                       .arg(QString::fromStdString(beside.problem));
  else if (!beside.path.empty())
    layer.names = {QString::fromStdString(beside.path.string()),
                   std::make_shared<const io::LabelNames>(std::move(beside.names)), false};
}

}  // namespace

Layer read_layer(LayerRole role, const QString& path, const std::shared_ptr<io::BrickCache>& cache,
                 const std::optional<Vec3>& spacing_mm, const ImageSelection& selection,
                 const std::stop_source& reading) {
  Layer layer;
  layer.path = path;
  layer.spacing_mm = spacing_mm;
  layer.selection = selection;
  layer.opacity = first_opacity(role);
  try {
    const std::filesystem::path file = path.toStdString();
    if (is_landmarks(role)) {
      layer.landmarks = io::read_landmarks(file);
      layer.state = Layer::State::ready;
      return layer;
    }
    io::ReadOptions options = options_for(role, file, spacing_mm, selection);
    options.stop = reading.get_token();
    layer.stream = streamed(file, options, cache, reading, layer);
    std::shared_ptr<const Volume> volume;
    if (layer.stream != nullptr) {
      layer.format = QString::fromStdString(layer.stream->info().format);
      volume = layer.stream->overview();
      if (is_labels(role)) check_labels(*volume, path);
      if (layer.stream->info().channels > 1)
        layer.notes << VolumeLoader::tr("The first of %1 channels is shown.")
                           .arg(layer.stream->info().channels);
    } else {
      const io::ImageHeader header = io::read_header(file, options);
      layer.format = QString::fromStdString(header.format);
      layer.parts = header.parts;
      layer.levels = header.levels;
      volume = std::make_shared<Volume>(io::read_image(file, options));
    }
    for (const std::string& note : volume->notes()) layer.notes << QString::fromStdString(note);
    const IntensityStatistics statistics = intensity_statistics(*volume);
    layer.range = {statistics.minimum, statistics.maximum};
    layer.percentiles = render::percentile_window(*volume);
    layer.window = layer.percentiles;
    layer.volume = std::move(volume);
    if (is_label_map(role) && !is_address(path)) read_names(file, layer);
    layer.state = Layer::State::ready;
  } catch (const std::bad_alloc&) {
    layer.problem = VolumeLoader::tr("There is not enough memory to read \"%1\".").arg(path);
  } catch (const std::exception& error) {
    layer.problem = QString::fromStdString(error.what());
    // The readers speak to who types commands.
    static const QString option = QStringLiteral("pass --spacing x,y,z in mm");
    layer.wants_spacing = layer.problem.contains(option);
    layer.problem.replace(option, VolumeLoader::tr("say it (Voxel size… in the menu of its row)"));
  }
  if (layer.state != Layer::State::ready) layer.state = Layer::State::failed;
  return layer;
}

VolumeLoader::VolumeLoader(std::shared_ptr<io::BrickCache> cache, QObject* parent)
    : QObject(parent), cache_(std::move(cache)) {
  pool_.setMaxThreadCount(2);
}

VolumeLoader::~VolumeLoader() {
  for (std::stop_source& reading : reading_) reading.request_stop();
  pool_.clear();
  pool_.waitForDone();
}

void VolumeLoader::load(LayerRole role, const QString& path, const std::optional<Vec3>& spacing_mm,
                        const ImageSelection& selection) {
  const quint64 serial = ++newest_.at(static_cast<std::size_t>(role));
  std::stop_source& reading = reading_.at(static_cast<std::size_t>(role));
  reading.request_stop();
  reading = std::stop_source();
  ++pending_;
  pool_.start([this, role, path, spacing_mm, selection, serial, reading] {
    Layer layer = read_layer(role, path, cache_, spacing_mm, selection, reading);
    QMetaObject::invokeMethod(
        this,
        [this, role, serial, layer = std::move(layer)] {
          --pending_;
          const auto index = static_cast<std::size_t>(role);
          if (newest_.at(index) != serial) return;
          reading_.at(index) = std::stop_source(std::nostopstate);  // the layer's own from now on
          Q_EMIT loaded(role, layer);
        },
        Qt::QueuedConnection);
  });
}

void VolumeLoader::forget(LayerRole role) {
  ++newest_.at(static_cast<std::size_t>(role));
  reading_.at(static_cast<std::size_t>(role)).request_stop();
}

}  // namespace gigawarp::ui
