#pragma once
#include <QObject>
#include <QTimer>
#include <QUndoStack>
#include <memory>
#include <optional>

#include "gigawarp/transform.h"
#include "render/brick_fetcher.h"
#include "ui/models/layer_model.h"
#include "ui/models/view_state.h"
#include "ui/models/volume_loader.h"

namespace gigawarp {
struct JobSpec;
}

namespace gigawarp::ui {

class LandmarkPairs;

/// Of the fixed and of the moving image.
using LandmarkSides = std::array<std::vector<io::Landmark>, 2>;

/// Where the map that warps the moving image comes from.
enum class WarpSource { header, alignment, preview, result };

/// Everything the window shows: layers, where the views look, how images are compared, and the
/// warp. Views read it and follow its signals; changes that a person can regret go through the undo
/// stack.
class Workspace : public QObject {
  Q_OBJECT
 public:
  explicit Workspace(QObject* parent = nullptr);
  ~Workspace() override;

  LayerModel& layers() { return layers_; }
  const LayerModel& layers() const { return layers_; }
  VolumeLoader& loader() { return loader_; }
  /// What streamed layers are read through, for all views together.
  io::BrickCache& bricks() { return *bricks_; }
  render::BrickFetcher& fetcher() { return fetcher_; }
  /// The memory that bricks of streamed layers may take, from the settings.
  static constexpr int kDefaultCacheMib = 1024;
  static int cache_mib();
  void use_cache_mib(int mib);
  /// Of the same memory, what one dense warp may take.
  std::uint64_t warp_bytes() const { return bricks_->budget_bytes() / 2; }
  /// Says what reading has found damaged since it was last asked.
  void tell_damage();
  QUndoStack& undo_stack() { return undo_; }
  const QUndoStack& undo_stack() const { return undo_; }
  /// Changes of one gesture (a drag) are undone together.
  void begin_gesture() { ++gesture_; }

  /// Gives a role to each file by what is there already and by its name, and reads it; names of
  /// labels are for all label maps. Folders of results and sessions are announced by signals.
  void open(const QStringList& paths);
  /// With a voxel size where the file states none, and the volume of a file that holds several;
  /// masks and labels follow their image's voxel size and level. A file of names for a label map
  /// names its labels.
  void open_as(LayerRole role, const QString& path, std::optional<Vec3> spacing_mm = std::nullopt,
               ImageSelection selection = {});
  /// Another channel, time point or level of an image that is open: the old one stays until the new
  /// one has been read, and so do the view, its looks and, within one time point, the warp.
  void choose_part(LayerRole role, const ImageSelection& selection);
  void close_layer(LayerRole role);
  /// True when a layer is this part of this file with this voxel size, read or being read; an empty
  /// path is no layer.
  bool holds(LayerRole role, const QString& path, const std::optional<Vec3>& spacing_mm,
             const ImageSelection& selection) const;
  /// True when the layers of the two images name the job's, whether they could be read or not.
  bool has_pair_of(const JobSpec& job) const;
  /// Opens what a job names. Another pair's labels, masks, landmarks and alignment go first; of
  /// the same pair what is open stays, but with `exactly` not labels and masks that the job does
  /// not name.
  void open_files_of(const JobSpec& job, bool exactly);

  /// The grid the views are laid out on: of the fixed image, else of the moving one.
  const Grid* reference() const;

  const ViewState& view() const { return view_; }
  void set_cursor(const Vec3& world_mm);
  /// Moves the cursor to the nearest slice `steps` slices along the normal of a plane.
  void step(render::Plane plane, int steps);
  void set_centre(const Vec3& world_mm);
  void set_zoom(double zoom);
  void set_neurological(bool neurological);
  /// Turns the cut planes about the normal of one of them, through the cursor.
  void turn_planes(render::Plane about, double angle);
  void straighten_planes();
  render::PlaneDirections directions(render::Plane plane) const;
  const std::vector<NamedView>& named_views() const { return named_views_; }
  /// Replaces one of the same name.
  void name_view(const std::string& name);
  void set_named_views(std::vector<NamedView> views) { named_views_ = std::move(views); }
  void set_view(const ViewState& view);
  void reset_view();

  const DisplayState& display() const { return display_; }
  void set_display(const DisplayState& display);
  /// The same through the undo stack.
  void change_display(const DisplayState& display, const QString& text);

  void set_window(LayerRole role, const render::Window& window);
  LayerLook look_of(LayerRole role) const;
  /// Through the undo stack; layers that show something else by then are left alone.
  void change_looks(const std::vector<LayerLook>& looks, const QString& text);

  /// Reads names of labels from a file for those of `roles` that are open, and keeps them until a
  /// person says otherwise; what is wrong with the file is a message.
  void name_labels(const std::vector<LayerRole>& roles, const QString& path);
  void forget_names(LayerRole role);
  /// The names that a session says a person chose, none where `path` is empty. Where the file
  /// cannot be read the layer goes on to name it, so that another session does not lose it.
  void promise_names(LayerRole role, const QString& path);
  /// Of both label maps; where they differ the fixed one's count.
  io::LabelNames label_names() const;

  const Affine& alignment() const { return alignment_; }
  void set_alignment(const Affine& moving_from_fixed);
  void change_alignment(const Affine& moving_from_fixed, const QString& text);
  LandmarkSides landmarks() const;
  void change_landmarks(const LandmarkSides& landmarks, const QString& text);
  /// Files that hold them as they are.
  void landmarks_are_in(const QString& fixed_path, const QString& moving_path);
  /// Adds a pair: at the cursor in the fixed image and where the warp leads in the moving one.
  /// Returns its name; empty where the warp leads nowhere.
  std::string drop_landmark();
  /// The moving point of a pair becomes what the warped image shows at the cursor.
  void correct_landmark(const std::string& name);
  LandmarkPairs& pairs() const { return *pairs_; }
  /// The pair that stands out in the views.
  const std::string& chosen_landmark() const { return chosen_landmark_; }
  void choose_landmark(const std::string& name);
  bool is_aligned() const { return alignment_ != Affine{}; }

  WarpSource warp_source() const { return source_; }
  /// What the views warp with; null: header geometry.
  std::shared_ptr<const Transform> warp() const;
  void set_warp(WarpSource source, std::shared_ptr<const Transform> warp);
  /// A map for MapChoice, on the fixed grid; null takes it away.
  /// `level`: where the map was measured, for its name in the views; empty: on the full images.
  void set_map(MapChoice choice, std::shared_ptr<const Volume> volume, const render::Window& window,
               const QString& level = {});
  bool has_map(MapChoice choice) const;
  /// The level at which the map that is shown was measured, or nothing.
  QString map_level() const { return maps_.at(static_cast<std::size_t>(display_.map)).level; }

  /// A second warp of the same pair, to be looked at in turn with the first; null takes it away.
  void set_other_warp(std::shared_ptr<const Transform> warp);
  bool has_other_warp() const { return other_warp_ != nullptr; }
  bool other_warp_shown() const { return other_shown_; }
  void show_other_warp(bool other);

  render::Scene scene() const;

 Q_SIGNALS:
  void scene_changed();      ///< pixels look different
  void view_changed();       ///< the views look elsewhere
  void reference_changed();  ///< another grid
  void display_changed();
  void warp_changed();
  void result_opened(const QString& folder);
  void session_opened(const QString& path);
  void batch_opened(const QString& folder);
  void message(const QString& text);
  /// A file could not be read because nobody says how large its voxels are.
  void voxel_size_wanted(gigawarp::ui::LayerRole role);
  void bricks_arrived();  ///< streamed layers are known more finely somewhere
  void pair_left();       ///< an image makes way for another; what was found of the pair is past

 private:
  void set_landmarks(const LandmarkSides& landmarks);
  void set_looks(const std::vector<LayerLook>& looks);
  void leave_image(LayerRole image);
  std::vector<LayerRole> open_label_maps() const;
  bool holds_label_names(const QString& path) const;
  void set_names(LayerRole role, const QString& path, std::shared_ptr<const io::LabelNames> names);
  void take(LayerRole role, Layer layer);
  bool take_other_part(LayerRole role, Layer& layer);
  void follow_reference();
  void add_labels(LayerRole role, render::Scene& scene) const;

  struct Map {
    std::shared_ptr<const Volume> volume;
    render::Window window;
    QString level;
  };

  // Bricks go last: layers and loader use them.
  std::shared_ptr<io::BrickCache> bricks_;
  render::BrickFetcher fetcher_;
  LayerModel layers_;
  VolumeLoader loader_;
  std::array<std::size_t, kLayerRoles> damage_told_{};
  QUndoStack undo_;
  int gesture_ = 0;
  QTimer flicker_;
  bool flicker_moving_ = false;
  ViewState view_;
  DisplayState display_;
  Affine alignment_;
  WarpSource source_ = WarpSource::header;
  std::shared_ptr<const Transform> warp_, aligned_;
  std::array<Map, 5> maps_;
  std::vector<NamedView> named_views_;
  std::shared_ptr<const Transform> other_warp_;
  bool other_shown_ = false;
  std::optional<Grid> reference_;
  std::unique_ptr<LandmarkPairs> pairs_;
  std::string chosen_landmark_;
};

}  // namespace gigawarp::ui
