#pragma once
#include <QString>
#include <QStringList>
#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "gigawarp/selection.h"
#include "gigawarp/volume.h"
#include "io/image_io.h"
#include "io/label_names.h"
#include "io/landmarks_io.h"
#include "render/scene.h"

namespace gigawarp::ui {

/// What a file is to a registration; the workspace holds at most one of each.
enum class LayerRole {
  fixed,
  moving,
  fixed_mask,
  moving_mask,
  fixed_labels,
  moving_labels,
  fixed_landmarks,
  moving_landmarks,
};
inline constexpr int kLayerRoles = 8;
inline constexpr std::array<LayerRole, kLayerRoles> kAllLayerRoles{
    LayerRole::fixed,           LayerRole::moving,          LayerRole::fixed_mask,
    LayerRole::moving_mask,     LayerRole::fixed_labels,    LayerRole::moving_labels,
    LayerRole::fixed_landmarks, LayerRole::moving_landmarks};

QString title_of(LayerRole role);    ///< translated, for people
const char* key_of(LayerRole role);  ///< in session files: "fixed_mask"
bool is_landmarks(LayerRole role);
bool is_labels(LayerRole role);     ///< labels and masks
bool is_label_map(LayerRole role);  ///< labels, which may have names, and no masks
bool is_image(LayerRole role);
bool is_of_moving(LayerRole role);
/// With which a layer is opened: images hide what is below, labels and masks let it through.
double first_opacity(LayerRole role);

/// What the labels of a label map are called.
struct NamesOfLabels {
  QString path;                                ///< of their file; empty: none
  std::shared_ptr<const io::LabelNames> list;  ///< null: none, or they could not be read
  bool chosen = false;  ///< by a person, also that there are none; else what lies beside the volume
};

/// One file and how it is shown. A streamed one stays in its file: `volume` is then a coarse level
/// of it, which stands for the image wherever a whole one is needed, and who uses it says so.
struct Layer {
  enum class State { empty, loading, ready, failed };
  State state = State::empty;
  QString path;
  QString problem;                 ///< one sentence when it failed
  std::optional<Vec3> spacing_mm;  ///< said by a person; wins over the file's
  bool wants_spacing = false;      ///< it failed for lack of one
  ImageSelection selection;        ///< asked for; what it leaves open is the first of its kind
  io::FileParts parts;             ///< what could be asked for
  std::vector<Grid> levels;        ///< of the file, finest first; empty where it has no levels
  std::shared_ptr<const Volume> volume;
  std::shared_ptr<const render::StreamedVolume> stream;  ///< null: `volume` is all there is
  std::vector<io::Landmark> landmarks;
  NamesOfLabels names;
  QString format;
  QStringList notes;           ///< what the reader had to assume
  render::Window window;       ///< now
  render::Window percentiles;  ///< 1st to 99th
  render::Window range;        ///< smallest to largest
  bool visible = true;
  double opacity = 1;  ///< 0…1; see render::ShownVolume for what it means in each compare mode
  render::ColourMap map = render::ColourMap::grey;
  /// Of the image; `volume` must not be null.
  const Grid& grid() const { return stream != nullptr ? stream->grid() : volume->grid(); }
};
/// How a layer is shown, as far as a person changes it. `path` tells whether it is still the same.
struct LayerLook {
  LayerRole role;
  QString path;
  render::Window window;
  render::ColourMap map;
  double opacity;
  bool visible;
};
/// True when both mean the same volume of a file.
bool is_same_part(const ImageSelection& a, const ImageSelection& b);
/// What labels and masks share with their image.
ImageSelection level_of(const ImageSelection& image);
/// As a job says it: what was asked for, and the first where the file has several.
ImageSelection selection_of(const Layer& layer);
/// What a channel is called: its name in the file, or "channel 2".
QString channel_text(const Layer& layer, int channel);
/// "DAPI, time point 3": what is shown of a file that holds several volumes; else empty.
QString part_text(const Layer& layer);
/// "level 3 (133 × 133 × 133)" where `volume` is a coarse level of the image; else empty.
QString coarse_level_text(const Layer& layer);

/// Size, voxel size, orientation letters, type and format of a volume, one line each.
QStringList description_of(const Layer& layer);
/// "0.5 × 0.5 × 2 mm" or, below a tenth of a millimetre, in µm.
QString spacing_text(const Vec3& spacing_mm);

}  // namespace gigawarp::ui
