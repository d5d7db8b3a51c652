#include <QCheckBox>
#include <QComboBox>
#include <QPlainTextEdit>
#include <QSlider>
#include <QTableView>
#include <QTreeView>
#include <QTreeWidget>

#include "ui/finished_run.h"
#include "ui/models/landmark_pairs.h"

// What belongs to a pair of images goes with it, and what is changed about a layer can be undone.
namespace gigawarp {
namespace {

/// A plugin that is no library, found by this process alone.
struct BrokenPlugin {
  BrokenPlugin() {
    QFile file(path());
    if (file.open(QIODevice::WriteOnly)) file.write("not a library");
    qputenv("GIGAWARP_PLUGINS", path().toLocal8Bit());
  }
  QString path() const { return test::path_in(folder.path(), "broken.so"); }
  test::TemporaryFolder folder;
};
const BrokenPlugin broken_plugin;

class Pairs : public test::WindowTest {
 protected:
  /// The same images under other names: another pair.
  void SetUp() override {
    test::WindowTest::SetUp();
    for (const char* name : {"fixed.nii.gz", "moving.nii.gz"})
      ASSERT_TRUE(QFile::copy(small_pair().path(name), other(name)));
  }
  QString other(const char* name) const { return test::path_in(folder_.path(), name); }
  void load_all() {
    load_pair();
    for (const auto& [role, name] :
         {std::pair{LayerRole::fixed_labels, "fixed_labels.nii.gz"},
          std::pair{LayerRole::moving_labels, "moving_labels.nii.gz"},
          std::pair{LayerRole::fixed_landmarks, "landmarks_fixed.csv"},
          std::pair{LayerRole::moving_landmarks, "landmarks_moving.csv"}})
      workspace().open_as(role, small_pair().path(name));
    ASSERT_TRUE(wait_loaded({LayerRole::fixed_labels, LayerRole::moving_labels,
                             LayerRole::fixed_landmarks, LayerRole::moving_landmarks}));
  }
  JobSpec other_job() const {
    JobSpec job = job_from_preset("fast");
    job.fixed = {other("fixed.nii.gz").toStdString()};
    job.moving = {other("moving.nii.gz").toStdString()};
    return job;
  }
  bool is_empty(LayerRole role) {
    return workspace().layers().layer(role).state == ui::Layer::State::empty;
  }
  test::TemporaryFolder folder_;
};

TEST_F(Pairs, aJobOfAnotherPairLeavesNothingOfTheLastOne) {
  load_all();
  Affine shift;
  shift.offset = {5, 0, 0};
  workspace().change_alignment(shift, "moved");
  workspace().open_files_of(other_job(), true);
  ASSERT_TRUE(wait_until([&] {
    return workspace().layers().layer(LayerRole::moving).path == other("moving.nii.gz") &&
           workspace().layers().is_ready(LayerRole::moving);
  }));
  for (const LayerRole role : {LayerRole::fixed_labels, LayerRole::moving_labels,
                               LayerRole::fixed_landmarks, LayerRole::moving_landmarks})
    EXPECT_TRUE(is_empty(role)) << ui::key_of(role);
  EXPECT_FALSE(workspace().is_aligned());
  EXPECT_EQ(workspace().pairs().rowCount(), 0);
}

TEST_F(Pairs, aJobOfTheSamePairKeepsWhatIsOpen) {
  load_all();
  JobSpec job = job_from_preset("fast");
  job.fixed = {small_pair().path("fixed.nii.gz").toStdString()};
  job.moving = {small_pair().path("moving.nii.gz").toStdString()};
  workspace().open_files_of(job, false);
  EXPECT_FALSE(is_empty(LayerRole::fixed_labels));
  EXPECT_GT(workspace().pairs().rowCount(), 0);
  workspace().open_files_of(job, true);
  EXPECT_TRUE(is_empty(LayerRole::fixed_labels));
  EXPECT_GT(workspace().pairs().rowCount(), 0) << "landmarks may be newer than the job";
}

TEST_F(Pairs, resultsOfAnotherPairAreJudgedByTheirOwnLabelsAlone) {
  load_all();
  const QString out = test::path_in(folder_.path(), "out");
  QProcess process;
  test::start_program(
      process, {"register", "--fixed", other("fixed.nii.gz"), "--moving", other("moving.nii.gz"),
                "--preset", "fast", "--out", out, "--progress", "none"});
  ASSERT_TRUE(process.waitForFinished(120000));
  ASSERT_EQ(process.exitCode(), 0) << process.readAllStandardError().toStdString();
  workspace().open({out});
  ASSERT_TRUE(
      wait_until([&] { return window->results().state() == ui::Results::State::ready; }, 60000));
  const auto& report = window->results().judgement()->assessment.report;
  EXPECT_FALSE(report.overlap);
  EXPECT_FALSE(report.landmarks);
  EXPECT_TRUE(workspace().has_map(ui::MapChoice::jacobian));
  // And what was found of this pair goes when another image is opened.
  workspace().open_as(LayerRole::moving, small_pair().path("moving.nii.gz"));
  EXPECT_EQ(window->results().state(), ui::Results::State::none);
  ASSERT_TRUE(wait_loaded({LayerRole::moving}));
  EXPECT_FALSE(workspace().has_map(ui::MapChoice::jacobian));
  EXPECT_EQ(workspace().warp_source(), ui::WarpSource::header);
}

TEST_F(Pairs, landmarksSetByHandComeBackByUndo) {
  load_pair();
  view("view_axial")->setFocus();
  key(Qt::Key_L);
  ASSERT_EQ(workspace().pairs().rowCount(), 1);
  const auto said = messages();
  workspace().open_as(LayerRole::fixed, other("fixed.nii.gz"));
  EXPECT_EQ(workspace().pairs().rowCount(), 0);
  EXPECT_TRUE(said->join(' ').contains("put away")) << said->join(' ').toStdString();
  workspace().undo_stack().undo();
  EXPECT_EQ(workspace().pairs().rowCount(), 1);
}

TEST_F(Pairs, aSurfaceThatIsDroppedTakesNoImagesPlace) {
  load_pair();
  const QString moving = workspace().layers().layer(LayerRole::moving).path;
  const auto said = messages();
  workspace().open({"/nowhere/cortex.ply"});
  ASSERT_EQ(said->size(), 1);
  EXPECT_TRUE(said->front().contains("cortex.ply") && said->front().contains("--mesh"));
  EXPECT_TRUE(workspace().layers().is_ready(LayerRole::moving));
  EXPECT_EQ(workspace().layers().layer(LayerRole::moving).path, moving);
}

TEST_F(Pairs, anImageThatIsDroppedTakesAnothersPlaceWhenItHasBeenRead) {
  load_all();
  const auto moving = [&] { return workspace().layers().layer(LayerRole::moving); };
  const QString before = moving().path, letter = test::path_in(folder_.path(), "letter.nii.gz");
  QFile file(letter);
  ASSERT_TRUE(file.open(QIODevice::WriteOnly) && file.write("Dear reader") > 0);
  file.close();

  const auto said = messages();
  workspace().open({letter});
  ASSERT_TRUE(wait_until([&] { return said->size() >= 2; }));
  EXPECT_TRUE(said->back().contains("letter.nii.gz")) << said->back().toStdString();
  EXPECT_EQ(moving().path, before);
  EXPECT_TRUE(workspace().layers().is_ready(LayerRole::moving));
  EXPECT_TRUE(workspace().layers().is_ready(LayerRole::moving_labels));
  EXPECT_FALSE(workspace().landmarks()[1].empty());

  workspace().open({other("moving.nii.gz")});
  ASSERT_TRUE(wait_until([&] { return moving().path == other("moving.nii.gz"); }));
  EXPECT_TRUE(workspace().layers().is_ready(LayerRole::moving));
  EXPECT_TRUE(is_empty(LayerRole::moving_labels));
  EXPECT_TRUE(workspace().landmarks()[1].empty());
}

TEST_F(Pairs, windowColoursOpacityAndVisibilityAreUndone) {
  load_all();
  const auto layer = [&](LayerRole role) { return workspace().layers().layer(role); };
  const render::Window before = layer(LayerRole::fixed).window;
  ui::SliceView* axial = view("view_axial");
  QTest::mousePress(axial, Qt::RightButton, {}, {100, 100});
  QTest::mouseMove(axial, {140, 100});
  QTest::mouseMove(axial, {160, 120});
  QTest::mouseRelease(axial, Qt::RightButton, {}, {160, 120});
  EXPECT_NE(layer(LayerRole::fixed).window.high, before.high);
  const int dragged = workspace().undo_stack().index();
  auto* list = find<QTreeView>("layers");
  EXPECT_TRUE(workspace().layers().setData(workspace().layers().index(0, 0), Qt::Unchecked,
                                           Qt::CheckStateRole));
  list->setCurrentIndex(workspace().layers().index(static_cast<int>(LayerRole::fixed_labels), 0));
  auto* slider = find<QSlider>("opacity");
  ASSERT_NE(slider, nullptr);
  const double opacity = layer(LayerRole::fixed_labels).opacity;
  slider->setFocus();
  QTest::keyClick(slider, Qt::Key_PageUp);
  EXPECT_GT(layer(LayerRole::fixed_labels).opacity, opacity);
  EXPECT_EQ(workspace().undo_stack().index(), dragged + 2);
  workspace().undo_stack().undo();
  EXPECT_EQ(layer(LayerRole::fixed_labels).opacity, opacity);
  EXPECT_FALSE(layer(LayerRole::fixed).visible);
  workspace().undo_stack().undo();
  EXPECT_TRUE(layer(LayerRole::fixed).visible);
  workspace().undo_stack().undo();  // the whole drag, of both images
  EXPECT_EQ(layer(LayerRole::fixed).window.high, before.high);
}

TEST_F(Pairs, theReadoutStaysUnderThePointerWhenBricksArrive) {
  load_pair();
  auto* readout = find<QLineEdit>("readout");
  ui::SliceView* axial = view("view_axial");
  const QString at_crosshair = readout->text();
  QTest::mouseMove(axial, {axial->width() / 4, axial->height() / 3});
  ASSERT_TRUE(wait_until([&] { return readout->text() != at_crosshair; }));
  const QString hovered = readout->text();
  Q_EMIT workspace().bricks_arrived();
  Q_EMIT workspace().scene_changed();
  EXPECT_EQ(readout->text().toStdString(), hovered.toStdString());
  QEvent leave(QEvent::Leave);
  QApplication::sendEvent(axial, &leave);
  EXPECT_EQ(readout->text().toStdString(), at_crosshair.toStdString());
}

TEST_F(Pairs, theNameOfAMapSaysTheLevelAtWhichItWasMeasured) {
  load_pair();
  const auto map = workspace().layers().layer(LayerRole::fixed).volume;
  ui::DisplayState display;
  display.map = ui::MapChoice::local_ncc;
  workspace().set_map(ui::MapChoice::local_ncc, map, {0, 1});
  workspace().set_display(display);
  ASSERT_TRUE(wait_drawn());
  ui::SliceView* axial = view("view_axial");
  const QImage full = axial->grab().toImage();
  workspace().set_map(ui::MapChoice::local_ncc, map, {0, 1}, "level 3 (12 × 12 × 12)");
  ASSERT_TRUE(wait_drawn());
  const QImage coarse = axial->grab().toImage();
  QRect changed;
  for (int y = 0; y < full.height(); ++y)
    for (int x = 0; x < full.width(); ++x)
      if (full.pixel(x, y) != coarse.pixel(x, y)) changed |= QRect(x, y, 1, 1);
  EXPECT_GT(changed.width(), 60);
  EXPECT_GT(changed.top(), full.height() - 60) << "beside the scale, lower left";
}

TEST_F(Pairs, skippedPluginsStandInTheLogAndInTheListOfFormats) {
  load_pair();
  const auto log = [&] { return find<QPlainTextEdit>("run_log")->toPlainText(); };
  EXPECT_TRUE(log().contains("plugin skipped")) << log().toStdString();
  EXPECT_EQ(log().count(broken_plugin.path()), 1) << log().toStdString();
  window->actions_table()["formats"]->trigger();
  auto* list = find<QTreeWidget>("formats");
  ASSERT_NE(list, nullptr);
  ASSERT_TRUE(wait_until([&] { return list->topLevelItemCount() > 5; }));
  EXPECT_FALSE(list->findItems("NIfTI", Qt::MatchExactly).isEmpty());
  EXPECT_TRUE(find<QLabel>("format_notes")->text().contains(broken_plugin.path()));
}

}  // namespace
}  // namespace gigawarp
