#include "ui/models/key_map.h"

#include <QCoreApplication>
#include <QSettings>
#include <array>

namespace gigawarp::ui {
namespace {

/// One row of the table: keys are of Gigawarp, ITK-SNAP, 3D Slicer, BigDataViewer; null: as
/// Gigawarp's.
struct Row {
  const char* id;
  const char* text;
  const char* help;
  std::array<const char*, 4> keys;
};

constexpr const char* kSame = nullptr;

// clang-format off
constexpr Row kRows[] = {
    {"open_fixed", QT_TRANSLATE_NOOP("Command", "Open &fixed image…"), QT_TRANSLATE_NOOP("Command", "The image that stays where it is"), {"Ctrl+O", "Ctrl+G", kSame, kSame}},
    {"open_moving", QT_TRANSLATE_NOOP("Command", "Open &moving image…"), QT_TRANSLATE_NOOP("Command", "The image that is aligned to the fixed one"), {"Ctrl+M", kSame, kSame, kSame}},
    {"open_address", QT_TRANSLATE_NOOP("Command", "Open by &address…"), QT_TRANSLATE_NOOP("Command", "An OME-Zarr behind https:// or s3://, read as it is looked at"), {"Ctrl+U", kSame, kSame, kSame}},
    {"paste", QT_TRANSLATE_NOOP("Command", "Open what was &copied"), QT_TRANSLATE_NOOP("Command", "Files and addresses from the clipboard"), {"Ctrl+V", kSame, kSame, kSame}},
    {"open_result", QT_TRANSLATE_NOOP("Command", "Open &results…"), QT_TRANSLATE_NOOP("Command", "The folder a run has written"), {"Ctrl+R", kSame, kSame, kSame}},
    {"open_batch", QT_TRANSLATE_NOOP("Command", "Open a &batch…"), QT_TRANSLATE_NOOP("Command", "The folder that gigawarp batch has filled, to go through its pairs"), {"Ctrl+B", kSame, kSame, kSame}},
    {"open_session", QT_TRANSLATE_NOOP("Command", "Open &session…"), QT_TRANSLATE_NOOP("Command", "Files, views, alignment and job saved together"), {"Ctrl+Shift+O", kSame, kSame, kSame}},
    {"demo", QT_TRANSLATE_NOOP("Command", "Try with a made-up &pair"), QT_TRANSLATE_NOOP("Command", "Two heads that a known warp relates, with labels and landmarks"), {"", kSame, kSame, kSame}},
    {"save_session", QT_TRANSLATE_NOOP("Command", "&Save session"), QT_TRANSLATE_NOOP("Command", "Files, views, alignment and job together"), {"Ctrl+S", kSame, kSame, kSame}},
    {"save_session_as", QT_TRANSLATE_NOOP("Command", "Save session &as…"), QT_TRANSLATE_NOOP("Command", "Under another name"), {"Ctrl+Shift+S", kSame, kSame, kSame}},
    {"export_image", QT_TRANSLATE_NOOP("Command", "Warped &image…"), QT_TRANSLATE_NOOP("Command", "The moving image on the grid of the fixed one, by the warp that is shown"), {"Ctrl+Shift+E", kSame, kSame, kSame}},
    {"export_labels", QT_TRANSLATE_NOOP("Command", "Warped &labels…"), QT_TRANSLATE_NOOP("Command", "The moving image's labels on the grid of the fixed one"), {"", kSame, kSame, kSame}},
    {"export_transform", QT_TRANSLATE_NOOP("Command", "&Transform…"), QT_TRANSLATE_NOOP("Command", "From points of the fixed image to the moving one, LPS mm"), {"", kSame, kSame, kSame}},
    {"export_landmarks", QT_TRANSLATE_NOOP("Command", "L&andmarks…"), QT_TRANSLATE_NOOP("Command", "Two files, for gigawarp register --landmarks"), {"", kSame, kSame, kSame}},
    {"export_rejects", QT_TRANSLATE_NOOP("Command", "List of re&jects"), QT_TRANSLATE_NOOP("Command", "Of the batch under review, as a list that batch runs again"), {"", kSame, kSame, kSame}},
    {"export_batch_page", QT_TRANSLATE_NOOP("Command", "&Contact sheet of the batch"), QT_TRANSLATE_NOOP("Command", "A page with all pairs and the verdicts"), {"", kSame, kSame, kSame}},
    {"export_view", QT_TRANSLATE_NOOP("Command", "&Picture of the view…"), QT_TRANSLATE_NOOP("Command", "The view that has the focus, as PNG"), {"Ctrl+P", kSame, kSame, kSame}},
    {"export_report", QT_TRANSLATE_NOOP("Command", "&Report…"), QT_TRANSLATE_NOOP("Command", "Figures and pictures of the results in one file, HTML or PDF"), {"Ctrl+E", kSame, kSame, kSame}},
    {"quit", QT_TRANSLATE_NOOP("Command", "&Quit"), QT_TRANSLATE_NOOP("Command", "Close the window"), {"Ctrl+Q", kSame, kSame, kSame}},
    {"mode_blend", QT_TRANSLATE_NOOP("Command", "&Blend"), QT_TRANSLATE_NOOP("Command", "Fixed in orange and moving in blue; equal is grey"), {"1", kSame, kSame, kSame}},
    {"mode_checkerboard", QT_TRANSLATE_NOOP("Command", "&Checkerboard"), QT_TRANSLATE_NOOP("Command", "Squares of one and the other"), {"2", kSame, kSame, kSame}},
    {"mode_swipe", QT_TRANSLATE_NOOP("Command", "&Swipe"), QT_TRANSLATE_NOOP("Command", "One on each side of an edge that can be dragged"), {"3", kSame, kSame, kSame}},
    {"mode_flicker", QT_TRANSLATE_NOOP("Command", "&Flicker"), QT_TRANSLATE_NOOP("Command", "One after the other at the same spot"), {"4", kSame, kSame, kSame}},
    {"mode_edges", QT_TRANSLATE_NOOP("Command", "&Edges"), QT_TRANSLATE_NOOP("Command", "Contours of the fixed image over the moving one"), {"5", kSame, kSame, kSame}},
    {"mode_difference", QT_TRANSLATE_NOOP("Command", "&Difference"), QT_TRANSLATE_NOOP("Command", "Fixed minus moving, each in its window"), {"6", kSame, kSame, kSame}},
    {"overlay", QT_TRANSLATE_NOOP("Command", "Show the &moving image"), QT_TRANSLATE_NOOP("Command", "Off: the fixed image alone"), {"Space", "S", kSame, kSame}},
    {"less_opaque", QT_TRANSLATE_NOOP("Command", "&Less opaque"), QT_TRANSLATE_NOOP("Command", "Of images more of the fixed one; of labels or a mask chosen among the data, these"), {"[", "Shift+A", kSame, kSame}},
    {"more_opaque", QT_TRANSLATE_NOOP("Command", "More o&paque"), QT_TRANSLATE_NOOP("Command", "Of images more of the moving one; of labels or a mask chosen among the data, these"), {"]", "Shift+D", kSame, kSame}},
    {"previous_slice", QT_TRANSLATE_NOOP("Command", "&Previous slice"), QT_TRANSLATE_NOOP("Command", "Of the view that has the focus"), {",", "PgDown", "B", kSame}},
    {"next_slice", QT_TRANSLATE_NOOP("Command", "&Next slice"), QT_TRANSLATE_NOOP("Command", "Of the view that has the focus"), {".", "PgUp", "F", kSame}},
    {"zoom_in", QT_TRANSLATE_NOOP("Command", "Zoom &in"), QT_TRANSLATE_NOOP("Command", "All views together"), {"Ctrl++", kSame, kSame, "Up"}},
    {"zoom_out", QT_TRANSLATE_NOOP("Command", "Zoom &out"), QT_TRANSLATE_NOOP("Command", "All views together"), {"Ctrl+-", kSame, kSame, "Down"}},
    {"reset_view", QT_TRANSLATE_NOOP("Command", "&Reset the view"), QT_TRANSLATE_NOOP("Command", "The whole volume, its middle under the crosshair"), {"R", "Ctrl+0", "Shift+R", "Shift+R"}},
    {"view_back", QT_TRANSLATE_NOOP("Command", "&Back"), QT_TRANSLATE_NOOP("Command", "Where the views looked before"), {"Alt+Left", kSame, kSame, kSame}},
    {"view_forward", QT_TRANSLATE_NOOP("Command", "&Forward"), QT_TRANSLATE_NOOP("Command", "Where the views looked after"), {"Alt+Right", kSame, kSame, kSame}},
    {"turn_planes", QT_TRANSLATE_NOOP("Command", "Turn the &planes"), QT_TRANSLATE_NOOP("Command", "Handles on the crosshair that slant the other two planes"), {"O", kSame, kSame, kSame}},
    {"turn_left", QT_TRANSLATE_NOOP("Command", "Turn &left"), QT_TRANSLATE_NOOP("Command", "The planes about the view that has the focus, by five degrees"), {"Shift+Left", kSame, kSame, "Left"}},
    {"turn_right", QT_TRANSLATE_NOOP("Command", "Turn ri&ght"), QT_TRANSLATE_NOOP("Command", "The planes about the view that has the focus, by five degrees"), {"Shift+Right", kSame, kSame, "Right"}},
    {"straighten", QT_TRANSLATE_NOOP("Command", "Strai&ghten the planes"), QT_TRANSLATE_NOOP("Command", "Back to axial, coronal and sagittal; the place stays"), {"Shift+O", kSame, kSame, kSame}},
    {"name_view", QT_TRANSLATE_NOOP("Command", "&Keep this view…"), QT_TRANSLATE_NOOP("Command", "Under a name, to come back to; kept in the session"), {"Ctrl+K", kSame, kSame, kSame}},
    {"neurological", QT_TRANSLATE_NOOP("Command", "Ne&urological display"), QT_TRANSLATE_NOOP("Command", "The patient's left on the left; off: radiological"), {"Ctrl+L", kSame, kSame, kSame}},
    {"layout_four", QT_TRANSLATE_NOOP("Command", "Four &views"), QT_TRANSLATE_NOOP("Command", "Three planes and the brain in 3-D"), {"F1", kSame, kSame, kSame}},
    {"layout_one", QT_TRANSLATE_NOOP("Command", "&One view"), QT_TRANSLATE_NOOP("Command", "The view that has the focus, large"), {"F2", kSame, kSame, kSame}},
    {"layout_three", QT_TRANSLATE_NOOP("Command", "&Three side by side"), QT_TRANSLATE_NOOP("Command", "Axial, coronal, sagittal"), {"F3", kSame, kSame, kSame}},
    {"layout_columns", QT_TRANSLATE_NOOP("Command", "Fixed, mo&ving, warped"), QT_TRANSLATE_NOOP("Command", "A column for each image"), {"F4", kSame, kSame, kSame}},
    {"panel_data", QT_TRANSLATE_NOOP("Command", "&Data"), QT_TRANSLATE_NOOP("Command", "The files and how they are shown"), {"Ctrl+1", kSame, kSame, kSame}},
    {"panel_register", QT_TRANSLATE_NOOP("Command", "Re&gister"), QT_TRANSLATE_NOOP("Command", "The job of the next run"), {"Ctrl+2", kSame, kSame, kSame}},
    {"panel_results", QT_TRANSLATE_NOOP("Command", "Re&sults"), QT_TRANSLATE_NOOP("Command", "What was measured"), {"Ctrl+3", kSame, kSame, kSame}},
    {"panel_landmarks", QT_TRANSLATE_NOOP("Command", "&Landmarks"), QT_TRANSLATE_NOOP("Command", "Pairs and their residuals"), {"Ctrl+4", kSame, kSame, kSame}},
    {"panel_runs", QT_TRANSLATE_NOOP("Command", "R&uns"), QT_TRANSLATE_NOOP("Command", "The runs of this session"), {"Ctrl+5", kSame, kSame, kSame}},
    {"panel_run", QT_TRANSLATE_NOOP("Command", "Ru&n"), QT_TRANSLATE_NOOP("Command", "Progress, losses and log"), {"Ctrl+6", kSame, kSame, kSame}},
    {"grid", QT_TRANSLATE_NOOP("Command", "Deformation &grid"), QT_TRANSLATE_NOOP("Command", "Lines that are straight where nothing is deformed"), {"G", kSame, kSame, kSame}},
    {"head_solid", QT_TRANSLATE_NOOP("Command", "3-D: &surface, cut open"), QT_TRANSLATE_NOOP("Command", "The fixed image's surface, cut away at the crosshair"), {"Shift+F1", kSame, kSame, kSame}},
    {"head_glass", QT_TRANSLATE_NOOP("Command", "3-D: surface of &glass"), QT_TRANSLATE_NOOP("Command", "The surface seen through, for labels and planes inside"), {"Shift+F2", kSame, kSame, kSame}},
    {"head_volume", QT_TRANSLATE_NOOP("Command", "3-D: &volume rendering"), QT_TRANSLATE_NOOP("Command", "Bright tissue is opaque, dark tissue clear"), {"Shift+F3", kSame, kSame, kSame}},
    {"head_none", QT_TRANSLATE_NOOP("Command", "3-D: with&out the head"), QT_TRANSLATE_NOOP("Command", "Planes, labels, grid and landmarks alone"), {"Shift+F4", kSame, kSame, kSame}},
    {"cut_planes", QT_TRANSLATE_NOOP("Command", "3-D: &cut planes"), QT_TRANSLATE_NOOP("Command", "The slices of the other views, in 3-D"), {"Shift+F5", kSame, kSame, kSame}},
    {"jacobian", QT_TRANSLATE_NOOP("Command", "&Jacobian map"), QT_TRANSLATE_NOOP("Command", "Where the warp grows (orange), shrinks (blue) or folds (magenta)"), {"J", kSame, kSame, kSame}},
    {"local_ncc", QT_TRANSLATE_NOOP("Command", "&Local correlation map"), QT_TRANSLATE_NOOP("Command", "Bright where the images disagree"), {"K", kSame, kSame, kSame}},
    {"inverse_error", QT_TRANSLATE_NOOP("Command", "&Inverse error map"), QT_TRANSLATE_NOOP("Command", "How far forward and back again ends from the start; bright is far"), {"I", kSame, kSame, kSame}},
    {"glyphs", QT_TRANSLATE_NOOP("Command", "&Displacement arrows"), QT_TRANSLATE_NOOP("Command", "Where the deformation leads, with a scale"), {"D", kSame, kSame, kSame}},
    {"flip_runs", QT_TRANSLATE_NOOP("Command", "Flip between two &runs"), QT_TRANSLATE_NOOP("Command", "Their warps in turn at the same spot; choose them among the runs"), {"B", kSame, "Shift+B", kSame}},
    {"run_difference", QT_TRANSLATE_NOOP("Command", "Difference of t&wo runs"), QT_TRANSLATE_NOOP("Command", "How far apart their warps lead, as a map"), {"Shift+D", "Ctrl+Shift+D", kSame, kSame}},
    {"next_worst", QT_TRANSLATE_NOOP("Command", "Next &worst place"), QT_TRANSLATE_NOOP("Command", "Jumps to the next place that is least to be trusted"), {"N", kSame, kSame, kSame}},
    {"drop_landmark", QT_TRANSLATE_NOOP("Command", "Drop &landmark pair"), QT_TRANSLATE_NOOP("Command", "At the crosshair in the fixed image and where the warp leads in the moving one"), {"L", kSame, kSame, kSame}},
    {"correct_landmark", QT_TRANSLATE_NOOP("Command", "&Correct the pair"), QT_TRANSLATE_NOOP("Command", "Its place in the moving image is what the warped image shows at the crosshair"), {"Shift+L", kSame, kSame, kSame}},
    {"hold_out_landmark", QT_TRANSLATE_NOOP("Command", "&Hold the pair out"), QT_TRANSLATE_NOOP("Command", "Out of every fit, so that it tells the error elsewhere; or use it again"), {"H", kSame, kSame, kSame}},
    {"remove_landmark", QT_TRANSLATE_NOOP("Command", "Re&move the pair"), QT_TRANSLATE_NOOP("Command", "The landmark pair that is chosen"), {"Ctrl+Del", kSame, kSame, kSame}},
    {"align", QT_TRANSLATE_NOOP("Command", "&Align by hand"), QT_TRANSLATE_NOOP("Command", "Drag and rotate the moving image on the slices"), {"A", kSame, kSame, kSame}},
    {"align_centres", QT_TRANSLATE_NOOP("Command", "Align the &centres"), QT_TRANSLATE_NOOP("Command", "Middle of the moving volume on the middle of the fixed one"), {"", kSame, kSame, kSame}},
    {"align_moments", QT_TRANSLATE_NOOP("Command", "Align the &moments"), QT_TRANSLATE_NOOP("Command", "Centres of mass together, and principal axes upon one another"), {"", kSame, kSame, kSame}},
    {"align_landmarks", QT_TRANSLATE_NOOP("Command", "Align the lan&dmarks"), QT_TRANSLATE_NOOP("Command", "Rigidly, by three or more pairs that are not held out"), {"", kSame, kSame, kSame}},
    {"align_reset", QT_TRANSLATE_NOOP("Command", "&Forget the alignment"), QT_TRANSLATE_NOOP("Command", "Back to what the files say"), {"", kSame, kSame, kSame}},
    {"undo", QT_TRANSLATE_NOOP("Command", "&Undo"), QT_TRANSLATE_NOOP("Command", "Alignment, display, landmarks"), {"Ctrl+Z", kSame, kSame, kSame}},
    {"redo", QT_TRANSLATE_NOOP("Command", "&Redo"), QT_TRANSLATE_NOOP("Command", "What was undone"), {"Ctrl+Shift+Z", kSame, kSame, kSame}},
    {"start", QT_TRANSLATE_NOOP("Command", "&Start registration"), QT_TRANSLATE_NOOP("Command", "With the job of the Register panel"), {"F5", kSame, kSame, kSame}},
    {"pause", QT_TRANSLATE_NOOP("Command", "&Pause or go on"), QT_TRANSLATE_NOOP("Command", "The run keeps its memory while it pauses"), {"F6", kSame, kSame, kSame}},
    {"cancel", QT_TRANSLATE_NOOP("Command", "&Cancel the run"), QT_TRANSLATE_NOOP("Command", "A checkpoint stays, so that it can go on later"), {"F7", kSame, kSame, kSame}},
    {"formats", QT_TRANSLATE_NOOP("Command", "&Formats and plugins…"), QT_TRANSLATE_NOOP("Command", "What is read and written here, and plugins that were skipped"), {"", kSame, kSame, kSame}},
    {"settings", QT_TRANSLATE_NOOP("Command", "&Settings…"), QT_TRANSLATE_NOOP("Command", "Keys, appearance, conventions"), {"Ctrl+,", kSame, kSame, kSame}},
};
// clang-format on

const Row* row_of(const QString& id) {
  for (const Row& row : kRows)
    if (id == QLatin1String(row.id)) return &row;
  return nullptr;
}

}  // namespace

const std::vector<Command>& all_commands() {
  static const std::vector<Command> commands = [] {
    std::vector<Command> list;
    for (const Row& row : kRows)
      list.push_back({QLatin1String(row.id), QCoreApplication::translate("Command", row.text),
                      QCoreApplication::translate("Command", row.help)});
    return list;
  }();
  return commands;
}

QStringList KeyMap::presets() {
  return {QStringLiteral("Gigawarp"), QStringLiteral("ITK-SNAP"), QStringLiteral("3D Slicer"),
          QStringLiteral("BigDataViewer")};
}

KeyMap::KeyMap() {
  QSettings settings;
  preset_ = settings.value(QStringLiteral("keys/preset"), presets().front()).toString();
  if (!presets().contains(preset_)) preset_ = presets().front();
  settings.beginGroup(QStringLiteral("keys/own"));
  for (const QString& id : settings.childKeys()) own_[id] = settings.value(id).toString();
}

void KeyMap::set_preset(const QString& preset) {
  if (presets().contains(preset)) preset_ = preset;
}

QKeySequence KeyMap::key(const QString& command) const {
  if (const auto own = own_.find(command); own != own_.end())
    return QKeySequence(*own, QKeySequence::PortableText);
  const Row* row = row_of(command);
  if (row == nullptr) return {};
  const char* key = row->keys.at(static_cast<std::size_t>(presets().indexOf(preset_)));
  return QKeySequence(QLatin1String(key != nullptr ? key : row->keys[0]),
                      QKeySequence::PortableText);
}

void KeyMap::set_key(const QString& command, const QKeySequence& key) {
  own_[command] = key.toString(QKeySequence::PortableText);
}

QString KeyMap::conflict(const QString& command, const QKeySequence& wanted) const {
  if (wanted.isEmpty()) return {};
  for (const Command& other : all_commands())
    if (other.id != command && key(other.id) == wanted) return other.id;
  return {};
}

void KeyMap::save() const {
  QSettings settings;
  settings.setValue(QStringLiteral("keys/preset"), preset_);
  settings.remove(QStringLiteral("keys/own"));
  settings.beginGroup(QStringLiteral("keys/own"));
  for (auto it = own_.begin(); it != own_.end(); ++it) settings.setValue(it.key(), it.value());
}

}  // namespace gigawarp::ui
