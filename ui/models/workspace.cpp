#include "ui/models/workspace.h"

#include <QSettings>
#include <algorithm>
#include <cmath>
#include <utility>

#include "render/view_geometry.h"
#include "ui/models/landmark_pairs.h"
#include "ui/models/value_change.h"

namespace gigawarp::ui {
namespace {

constexpr int kFlickerMs = 450;
constexpr double kSmallestZoom = 0.2, kLargestZoom = 200;
/// The deformation grid has about this many cells across the volume.
constexpr double kGridCells = 24;
enum ChangeKind { display_change, alignment_change, landmark_change, look_change, change_kinds };

double dot(const Vec3& a, const Vec3& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

bool is_inside(const Grid& grid, const Vec3& world) {
  const Vec3 voxel = grid.voxel_from_world()(world);
  for (int a = 0; a < 3; ++a)
    if (!(voxel[a] >= -0.5 && voxel[a] <= static_cast<double>(grid.size[a]) - 0.5)) return false;
  return true;
}

Vec3 nearest_voxel_centre(const Grid& grid, const Vec3& world) {
  Vec3 voxel = grid.voxel_from_world()(world);
  for (int a = 0; a < 3; ++a)
    voxel[a] = std::clamp(std::round(voxel[a]), 0.0, static_cast<double>(grid.size[a] - 1));
  return grid.world_from_voxel(voxel);
}

}  // namespace

Workspace::Workspace(QObject* parent)
    : QObject(parent),
      bricks_(std::make_shared<io::BrickCache>(static_cast<std::uint64_t>(cache_mib()) << 20)),
      fetcher_(bricks_),
      loader_(bricks_),
      pairs_(std::make_unique<LandmarkPairs>(*this)) {
  connect(&loader_, &VolumeLoader::loaded, this, &Workspace::take);
  connect(&layers_, &LayerModel::visibility_toggled, this, [this](LayerRole role) {
    // It is so already: the change is there to be undone.
    LayerLook before = look_of(role), after = before;
    before.visible = !after.visible;
    begin_gesture();
    undo_.push(new ValueChange<std::vector<LayerLook>>(
        tr("Show a layer"), {before}, {after}, gesture_ * change_kinds + look_change,
        [this](const std::vector<LayerLook>& l) { set_looks(l); }));
  });
  connect(&layers_, &LayerModel::layer_changed, this, [this] {
    follow_reference();
    Q_EMIT scene_changed();
  });
  flicker_.setInterval(kFlickerMs);
  connect(&flicker_, &QTimer::timeout, this, [this] {
    flicker_moving_ = !flicker_moving_;
    Q_EMIT scene_changed();
  });
}

Workspace::~Workspace() = default;

int Workspace::cache_mib() {
  const int mib = QSettings().value(QStringLiteral("cache_mib"), kDefaultCacheMib).toInt();
  return mib > 0 ? mib : kDefaultCacheMib;
}

void Workspace::use_cache_mib(int mib) {
  bricks_->set_budget(static_cast<std::uint64_t>(mib) << 20);
  Q_EMIT scene_changed();  // more may be shown now, or less
}

void Workspace::tell_damage() {
  for (const LayerRole role : kAllLayerRoles) {
    const Layer& layer = layers_.layer(role);
    if (layer.stream == nullptr) continue;
    const std::vector<std::string> problems = layer.stream->problems();
    std::size_t& told = damage_told_.at(static_cast<std::size_t>(role));
    if (problems.size() <= told) continue;
    told = problems.size();
    layers_.announce(role);
    Q_EMIT message(tr("%1: %2").arg(title_of(role), QString::fromStdString(problems.back())));
  }
}

const Grid* Workspace::reference() const { return reference_ ? &*reference_ : nullptr; }

void Workspace::follow_reference() {
  std::optional<Grid> grid;
  for (const LayerRole role : {LayerRole::fixed, LayerRole::moving})
    if (!grid && layers_.is_ready(role)) grid = layers_.layer(role).grid();
  if (grid == reference_) return;
  reference_ = grid;
  Q_EMIT reference_changed();
  reset_view();
}

void Workspace::set_view(const ViewState& view) {
  if (view == view_) return;
  view_ = view;
  Q_EMIT view_changed();
}

void Workspace::set_cursor(const Vec3& world_mm) {
  ViewState view = view_;
  view.cursor_mm = world_mm;
  set_view(view);
}

void Workspace::step(render::Plane plane, int steps) {
  if (!reference_) return;
  const render::PlaneDirections directions = this->directions(plane);
  if (view_.is_oblique()) {  // slanted slices meet no voxel centres
    Vec3 cursor = view_.cursor_mm;
    for (std::size_t a = 0; a < 3; ++a)
      cursor[a] += steps * directions.normal_spacing_mm * directions.normal[a];
    if (is_inside(*reference_, cursor)) set_cursor(cursor);
    return;
  }
  Vec3 target = view_.cursor_mm;
  for (int a = 0; a < 3; ++a)
    target[a] += steps * directions.normal_spacing_mm * directions.normal[a];
  // Onto the slice, and not out of the volume; along the normal only.
  const Vec3 snapped = nearest_voxel_centre(*reference_, target);
  Vec3 offset{};
  for (int a = 0; a < 3; ++a) offset[a] = snapped[a] - view_.cursor_mm[a];
  const double along = dot(offset, directions.normal);
  Vec3 cursor = view_.cursor_mm;
  for (int a = 0; a < 3; ++a) cursor[a] += along * directions.normal[a];
  set_cursor(cursor);
}

void Workspace::set_centre(const Vec3& world_mm) {
  ViewState view = view_;
  view.centre_mm = world_mm;
  set_view(view);
}

void Workspace::set_zoom(double zoom) {
  ViewState view = view_;
  view.zoom = std::clamp(zoom, kSmallestZoom, kLargestZoom);
  set_view(view);
}

void Workspace::set_neurological(bool neurological) {
  ViewState view = view_;
  view.neurological = neurological;
  set_view(view);
}

render::PlaneDirections Workspace::directions(render::Plane plane) const {
  if (!reference_) return {};
  return render::plane_directions(*reference_, plane, view_.neurological, view_.turn);
}

void Workspace::turn_planes(render::Plane about, double angle) {
  if (!reference_) return;
  ViewState view = view_;
  view.turn =
      render::turned_further(view.turn, render::turn_about(directions(about).normal, angle));
  set_view(view);
}

void Workspace::straighten_planes() {
  ViewState view = view_;
  view.turn = render::kStraight;
  set_view(view);
}

void Workspace::name_view(const std::string& name) {
  std::erase_if(named_views_, [&](const NamedView& view) { return view.name == name; });
  named_views_.push_back({name, view_});
}

void Workspace::set_other_warp(std::shared_ptr<const Transform> warp) {
  other_warp_ = std::move(warp);
  other_shown_ = false;
  Q_EMIT warp_changed();
  Q_EMIT scene_changed();
}

void Workspace::show_other_warp(bool other) {
  if (other_warp_ == nullptr || other == other_shown_) return;
  other_shown_ = other;
  Q_EMIT warp_changed();
  Q_EMIT scene_changed();
}

void Workspace::reset_view() {
  if (!reference_) return;
  ViewState view = view_;
  view.centre_mm = reference_->centre_mm();
  view.cursor_mm = nearest_voxel_centre(*reference_, reference_->centre_mm());
  view.zoom = 1;
  view.turn = render::kStraight;
  view_ = view;
  Q_EMIT view_changed();
}

void Workspace::set_display(const DisplayState& display) {
  if (display == display_) return;
  display_ = display;
  const bool flickers = display_.mode == render::CompareMode::flicker && display_.overlay;
  if (flickers != flicker_.isActive()) flickers ? flicker_.start() : flicker_.stop();
  Q_EMIT display_changed();
  Q_EMIT scene_changed();
}

void Workspace::change_display(const DisplayState& display, const QString& text) {
  if (display == display_) return;
  undo_.push(new ValueChange<DisplayState>(text, display_, display,
                                           gesture_ * change_kinds + display_change,
                                           [this](const DisplayState& d) { set_display(d); }));
}

void Workspace::set_window(LayerRole role, const render::Window& window) {
  if (!layers_.is_ready(role)) return;
  Layer layer = layers_.layer(role);
  layer.window = window;
  layers_.set_layer(role, std::move(layer));
}

LayerLook Workspace::look_of(LayerRole role) const {
  const Layer& layer = layers_.layer(role);
  return {role, layer.path, layer.window, layer.map, layer.opacity, layer.visible};
}

void Workspace::set_looks(const std::vector<LayerLook>& looks) {
  for (const LayerLook& look : looks) {
    Layer layer = layers_.layer(look.role);
    if (layer.state != Layer::State::ready || layer.path != look.path) continue;
    layer.window = look.window;
    layer.map = look.map;
    layer.opacity = look.opacity;
    layer.visible = look.visible;
    layers_.set_layer(look.role, std::move(layer));
  }
}

void Workspace::change_looks(const std::vector<LayerLook>& looks, const QString& text) {
  std::vector<LayerLook> before;
  for (const LayerLook& look : looks) before.push_back(look_of(look.role));
  undo_.push(new ValueChange<std::vector<LayerLook>>(
      text, before, looks, gesture_ * change_kinds + look_change,
      [this](const std::vector<LayerLook>& l) { set_looks(l); }));
}

void Workspace::set_alignment(const Affine& moving_from_fixed) {
  alignment_ = moving_from_fixed;
  auto transform = std::make_shared<Transform>();
  transform->stages.emplace_back(alignment_);
  aligned_ = is_aligned() ? std::move(transform) : nullptr;
  other_warp_.reset();
  other_shown_ = false;
  warp_ = nullptr;
  source_ = is_aligned() ? WarpSource::alignment : WarpSource::header;
  Q_EMIT warp_changed();
  Q_EMIT scene_changed();
}

void Workspace::change_alignment(const Affine& moving_from_fixed, const QString& text) {
  undo_.push(new ValueChange<Affine>(text, alignment_, moving_from_fixed,
                                     gesture_ * change_kinds + alignment_change,
                                     [this](const Affine& a) { set_alignment(a); }));
}

LandmarkSides Workspace::landmarks() const {
  return {layers_.layer(LayerRole::fixed_landmarks).landmarks,
          layers_.layer(LayerRole::moving_landmarks).landmarks};
}

void Workspace::change_landmarks(const LandmarkSides& after, const QString& text) {
  begin_gesture();
  undo_.push(new ValueChange<LandmarkSides>(text, landmarks(), after,
                                            gesture_ * change_kinds + landmark_change,
                                            [this](const LandmarkSides& l) { set_landmarks(l); }));
}

void Workspace::landmarks_are_in(const QString& fixed_path, const QString& moving_path) {
  for (const auto& [role, path] : {std::pair{LayerRole::fixed_landmarks, &fixed_path},
                                   std::pair{LayerRole::moving_landmarks, &moving_path}}) {
    Layer layer = layers_.layer(role);
    if (layer.state != Layer::State::ready) continue;
    layer.path = *path;
    layers_.set_layer(role, std::move(layer));
  }
}

std::string Workspace::drop_landmark() {
  const std::shared_ptr<const Transform> map = warp();
  const std::optional<Vec3> moving = map != nullptr ? (*map)(view_.cursor_mm) : view_.cursor_mm;
  if (!reference_ || !moving) return {};
  LandmarkSides after = landmarks();
  const auto is_taken = [&](const std::string& name) {
    for (const auto& side : after)
      for (const io::Landmark& mark : side)
        if (mark.name == name) return true;
    return false;
  };
  std::string name;
  for (int i = 1; name.empty() || is_taken(name); ++i) name = "P" + std::to_string(i);
  after[0].push_back({name, view_.cursor_mm});
  after[1].push_back({name, *moving});
  change_landmarks(after, tr("Drop landmark"));
  return name;
}

void Workspace::correct_landmark(const std::string& name) {
  const std::shared_ptr<const Transform> map = warp();
  const std::optional<Vec3> moving = map != nullptr ? (*map)(view_.cursor_mm) : view_.cursor_mm;
  if (!reference_ || !moving) return;
  LandmarkSides after = landmarks();
  for (io::Landmark& mark : after[1])
    if (mark.name == name) mark.position_mm = *moving;
  change_landmarks(after, tr("Correct landmark"));
}

void Workspace::choose_landmark(const std::string& name) {
  if (name == chosen_landmark_) return;
  chosen_landmark_ = name;
  Q_EMIT view_changed();
}

/// No file holds them any more: the next run, or an export, writes them.
void Workspace::set_landmarks(const LandmarkSides& landmarks) {
  for (std::size_t side = 0; side < 2; ++side) {
    Layer layer;
    layer.landmarks = landmarks[side];
    layer.state = layer.landmarks.empty() ? Layer::State::empty : Layer::State::ready;
    layers_.set_layer(side == 0 ? LayerRole::fixed_landmarks : LayerRole::moving_landmarks,
                      std::move(layer));
  }
}

std::shared_ptr<const Transform> Workspace::warp() const {
  if (other_shown_) return other_warp_;
  switch (source_) {
    case WarpSource::header: return nullptr;
    case WarpSource::alignment: return aligned_;
    case WarpSource::preview:
    case WarpSource::result: break;
  }
  return warp_;
}

void Workspace::set_warp(WarpSource source, std::shared_ptr<const Transform> warp) {
  other_warp_.reset();  // it was another run's of the same pair
  other_shown_ = false;
  source_ = source == WarpSource::alignment && !is_aligned() ? WarpSource::header : source;
  warp_ = std::move(warp);
  Q_EMIT warp_changed();
  Q_EMIT scene_changed();
}

void Workspace::set_map(MapChoice choice, std::shared_ptr<const Volume> volume,
                        const render::Window& window, const QString& level) {
  maps_.at(static_cast<std::size_t>(choice)) = {std::move(volume), window, level};
  Q_EMIT scene_changed();
}

bool Workspace::has_map(MapChoice choice) const {
  return maps_.at(static_cast<std::size_t>(choice)).volume != nullptr;
}

void Workspace::add_labels(LayerRole role, render::Scene& scene) const {
  const Layer& layer = layers_.layer(role);
  if (layer.state != Layer::State::ready || !layer.visible || layer.volume == nullptr) return;
  const bool mask = role == LayerRole::fixed_mask || role == LayerRole::moving_mask;
  scene.labels.push_back(
      {layer.volume, is_of_moving(role), mask, layer.opacity, layer.stream, layer.names.list});
}

render::Scene Workspace::scene() const {
  render::Scene scene;
  const auto shown = [this](LayerRole role) {
    const Layer& layer = layers_.layer(role);
    return render::ShownVolume{layer.volume,  layer.window, layer.map,
                               layer.visible, layer.stream, layer.opacity};
  };
  scene.fixed = shown(LayerRole::fixed);
  scene.moving = shown(LayerRole::moving);
  scene.warp = warp();
  scene.mode = display_.mode;
  scene.overlay = display_.overlay;
  scene.swipe = display_.swipe;
  scene.flicker_moving = flicker_moving_;
  scene.checker_pixels = display_.checker_pixels;
  for (const LayerRole role : kAllLayerRoles)
    if (is_labels(role)) add_labels(role, scene);
  const Map& map = maps_.at(static_cast<std::size_t>(display_.map));
  if (display_.map != MapChoice::none && map.volume != nullptr) {
    const render::MapKind kind = display_.map == MapChoice::jacobian    ? render::MapKind::jacobian
                                 : display_.map == MapChoice::local_ncc ? render::MapKind::local_ncc
                                 : display_.map == MapChoice::run_difference
                                     ? render::MapKind::run_difference
                                     : render::MapKind::millimetres;
    scene.map = {map.volume, kind, map.window, display_.map_opacity};
  }
  scene.glyphs = display_.glyphs;
  if (display_.grid && reference_) scene.grid_mm = reference_->longest_side_mm() / kGridCells;
  return scene;
}

}  // namespace gigawarp::ui
