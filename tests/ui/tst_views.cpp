#include <dlfcn.h>

#include <QDropEvent>
#include <QMenuBar>
#include <QMimeData>
#include <QSlider>
#include <QTreeView>
#include <QUrl>
#include <QWheelEvent>
#include <atomic>
#include <latch>
#include <thread>

#include "ui/models/background.h"
#include "ui/models/readout.h"
#include "ui/views/brain_view.h"
#include "ui/watchdog.h"
#include "ui/window_fixture.h"

namespace gigawarp {
namespace {

class Views : public test::WindowTest {
 protected:
  void wheel(QWidget* target, const QPointF& at, int notches,
             Qt::KeyboardModifiers keys = Qt::NoModifier) {
    QWheelEvent event(at, target->mapToGlobal(at), {}, {0, 120 * notches}, Qt::NoButton, keys,
                      Qt::NoScrollPhase, false);
    QApplication::sendEvent(target, &event);
  }
};

TEST_F(Views, anEmptyWindowSaysWhatToDo) {
  ASSERT_NE(find<QWidget>("empty_state"), nullptr);
  EXPECT_TRUE(find<QWidget>("empty_state")->isVisible());
  EXPECT_TRUE(find<QWidget>("empty_open_fixed")->isVisible());
}

TEST_F(Views, theMadeUpPairIsOneClickAway) {
  QTest::mouseClick(find<QPushButton>("empty_demo"), Qt::LeftButton);
  ASSERT_TRUE(wait_until([&] { return workspace().layers().is_ready(LayerRole::fixed); }, 60000));
  ASSERT_TRUE(wait_loaded({LayerRole::moving, LayerRole::moving_labels}));
  ASSERT_TRUE(wait_drawn());
}

TEST_F(Views, twoDroppedFilesBecomeFixedAndMovingAndAreDrawn) {
  drop(window.get(), {small_pair().path("fixed.nii.gz")});
  ASSERT_TRUE(wait_loaded({LayerRole::fixed}));
  EXPECT_TRUE(find<QLabel>("next_step")->text().contains("moving"));
  drop(window.get(), {small_pair().path("moving.nii.gz")});
  ASSERT_TRUE(wait_loaded({LayerRole::moving}));
  ASSERT_TRUE(wait_drawn());
  EXPECT_TRUE(find<QLabel>("next_step")->text().contains("start"));
  for (const char* name : {"view_axial", "view_coronal", "view_sagittal"})
    EXPECT_GT(drawn_pixels(view(name)->picture()), 2000) << name;
}

TEST_F(Views, aFileDroppedOnARowBecomesThatLayer) {
  load_pair();
  auto* list = find<QTreeView>("layers");
  const QModelIndex row = workspace().layers().index(static_cast<int>(LayerRole::moving_labels), 0);
  drop(list->viewport(), {small_pair().path("moving_labels.nii.gz")},
       list->visualRect(row).center());
  ASSERT_TRUE(wait_loaded({LayerRole::moving_labels}));
}

TEST_F(Views, aFileThatIsNoVolumeIsToldInWords) {
  workspace().open({QStringLiteral("/etc/hostname")});
  ASSERT_TRUE(wait_until([&] {
    return workspace().layers().layer(LayerRole::fixed).state == ui::Layer::State::failed;
  }));
  EXPECT_TRUE(find<QLabel>("next_step")->isVisible());
  EXPECT_TRUE(find<QLabel>("next_step")->text().contains("/etc/hostname"));
}

TEST_F(Views, aClickMovesTheCrosshairOfAllViews) {
  load_pair();
  const QImage before = view("view_coronal")->picture();
  QTest::mouseClick(view("view_axial"), Qt::LeftButton, {},
                    view("view_axial")->rect().center() + QPoint(10, 40));
  const auto expected = view("view_axial")
                            ->geometry()
                            .at(view("view_axial")->rect().center().x() + 10 - 0.5,
                                view("view_axial")->rect().center().y() + 40 - 0.5);
  for (std::size_t a = 0; a < 3; ++a)
    EXPECT_NEAR(workspace().view().cursor_mm[a], expected[a], 1e-6);
  ASSERT_TRUE(wait_drawn());
  EXPECT_GT(difference(before, view("view_coronal")->picture()), 1);
}

TEST_F(Views, wheelAndKeysStepOneSlice) {
  load_pair();
  const Vec3 start = workspace().view().cursor_mm;
  const double spacing = workspace().reference()->spacing_mm()[2];
  ui::SliceView* axial = view("view_axial");
  axial->setFocus();
  wheel(axial, axial->rect().center(), 1);
  EXPECT_NEAR(workspace().view().cursor_mm[2], start[2] + spacing, 1e-6);
  QTest::keyClick(axial, Qt::Key_Comma);
  EXPECT_NEAR(workspace().view().cursor_mm[2], start[2], 1e-6);
  QTest::keyClick(axial, Qt::Key_Period);
  EXPECT_NEAR(workspace().view().cursor_mm[2], start[2] + spacing, 1e-6);
  for (int i = 0; i < 200; ++i) wheel(axial, axial->rect().center(), 1);
  const Grid& grid = *workspace().reference();
  EXPECT_NEAR(workspace().view().cursor_mm[2],
              grid.world_from_voxel({0, 0, static_cast<double>(grid.size[2] - 1)})[2], 1e-6);
}

TEST_F(Views, zoomKeepsThePointUnderThePointer) {
  load_pair();
  ui::SliceView* axial = view("view_axial");
  const QPointF at(60, 90);
  const Vec3 before = axial->geometry().at(at.x() - 0.5, at.y() - 0.5);
  wheel(axial, at, 3, Qt::ControlModifier);
  const Vec3 after = axial->geometry().at(at.x() - 0.5, at.y() - 0.5);
  EXPECT_GT(workspace().view().zoom, 1.5);
  for (std::size_t a = 0; a < 3; ++a) EXPECT_NEAR(before[a], after[a], 1e-6);
  QTest::keyClick(axial, Qt::Key_R);
  EXPECT_EQ(workspace().view().zoom, 1);
}

TEST_F(Views, middleDragPansAndRightDragChangesTheWindow) {
  load_pair();
  ui::SliceView* axial = view("view_axial");
  const Vec3 under = axial->geometry().at(99.5, 99.5);
  QTest::mousePress(axial, Qt::MiddleButton, {}, {100, 100});
  QTest::mouseMove(axial, {130, 90});
  QTest::mouseRelease(axial, Qt::MiddleButton, {}, {130, 90});
  const Vec3 moved = axial->geometry().at(129.5, 89.5);
  for (std::size_t a = 0; a < 3; ++a) EXPECT_NEAR(under[a], moved[a], 1e-6);
  const render::Window window_before = workspace().layers().layer(LayerRole::fixed).window;
  QTest::mousePress(axial, Qt::RightButton, {}, {100, 100});
  QTest::mouseMove(axial, {150, 100});
  QTest::mouseRelease(axial, Qt::RightButton, {}, {150, 100});
  const render::Window window_after = workspace().layers().layer(LayerRole::fixed).window;
  EXPECT_GT(window_after.high - window_after.low, window_before.high - window_before.low);
  QTest::mouseClick(find<QPushButton>("window_percentile"), Qt::LeftButton);
  EXPECT_EQ(workspace().layers().layer(LayerRole::fixed).window.high, window_before.high);
}

TEST_F(Views, keysOneToSixChooseTheCompareModeAtTheSameSpot) {
  load_pair();
  ui::SliceView* axial = view("view_axial");
  axial->setFocus();
  const Vec3 spot = workspace().view().cursor_mm;
  std::vector<QImage> pictures;
  for (int i = 0; i < 6; ++i) {
    QTest::keyClick(axial, static_cast<Qt::Key>(Qt::Key_1 + i));
    EXPECT_EQ(static_cast<int>(workspace().display().mode), i);
    ASSERT_TRUE(wait_drawn());
    pictures.push_back(axial->picture());
    EXPECT_EQ(workspace().view().cursor_mm, spot);
  }
  for (std::size_t i = 0; i < pictures.size(); ++i)
    for (std::size_t j = i + 1; j < pictures.size(); ++j)
      EXPECT_GT(difference(pictures[i], pictures[j]), 0.5) << i << " and " << j;
}

TEST_F(Views, flickerShowsOneAfterTheOther) {
  load_pair();
  ui::SliceView* axial = view("view_axial");
  axial->setFocus();
  QTest::keyClick(axial, Qt::Key_4);
  ASSERT_TRUE(wait_drawn());
  const QImage first = axial->picture();
  EXPECT_TRUE(wait_until([&] { return difference(first, axial->picture()) > 1; }, 3000));
  EXPECT_TRUE(wait_until([&] { return difference(first, axial->picture()) < 0.01; }, 3000));
}

TEST_F(Views, theSwipeEdgeCanBeDragged) {
  load_pair();
  ui::SliceView* axial = view("view_axial");
  axial->setFocus();
  QTest::keyClick(axial, Qt::Key_3);
  const QPoint edge(axial->width() / 2, axial->height() / 4);
  QTest::mousePress(axial, Qt::LeftButton, {}, edge);
  QTest::mouseMove(axial, edge - QPoint(80, 0));
  QTest::mouseRelease(axial, Qt::LeftButton, {}, edge - QPoint(80, 0));
  EXPECT_NEAR(workspace().display().swipe, (edge.x() - 80.0) / axial->width(), 0.01);
}

TEST_F(Views, spaceTogglesTheMovingImageAndBracketsChangeOpacity) {
  load_pair();
  ui::SliceView* axial = view("view_axial");
  axial->setFocus();
  const QImage both = axial->picture();
  QTest::keyClick(axial, Qt::Key_Space);
  ASSERT_TRUE(wait_drawn());
  EXPECT_GT(difference(both, axial->picture()), 1);
  QTest::keyClick(axial, Qt::Key_Space);
  const auto opacity = [&](LayerRole role) { return workspace().layers().layer(role).opacity; };
  // One scale: the fixed image fades while the moving one is full, and the other way round.
  QTest::keyClick(axial, Qt::Key_BracketRight);
  EXPECT_DOUBLE_EQ(opacity(LayerRole::fixed), 0.9);
  EXPECT_DOUBLE_EQ(opacity(LayerRole::moving), 1);
  ASSERT_TRUE(wait_drawn());
  EXPECT_GT(difference(both, axial->picture()), 1);
  for (int i = 0; i < 3; ++i) QTest::keyClick(axial, Qt::Key_BracketLeft);
  EXPECT_DOUBLE_EQ(opacity(LayerRole::fixed), 1);
  EXPECT_DOUBLE_EQ(opacity(LayerRole::moving), 0.8);
  for (int i = 0; i < 20; ++i) QTest::keyClick(axial, Qt::Key_BracketLeft);
  EXPECT_DOUBLE_EQ(opacity(LayerRole::moving), 0);
  for (int i = 0; i < 10; ++i) QTest::keyClick(axial, Qt::Key_BracketRight);
  ASSERT_TRUE(wait_drawn());
  EXPECT_EQ(axial->picture(), both);
  QTest::keyClick(window.get(), Qt::Key_Z, Qt::ControlModifier);
  EXPECT_DOUBLE_EQ(opacity(LayerRole::moving), 0.9) << "each press is undone by itself";
}

TEST_F(Views, bracketsChangeTheLabelsThatAreChosenAndTheOnlyImageThatIsShown) {
  load_pair();
  workspace().open_as(LayerRole::moving_labels, small_pair().path("moving_labels.nii.gz"));
  ASSERT_TRUE(wait_loaded({LayerRole::moving_labels}));
  ui::SliceView* axial = view("view_axial");
  const auto opacity = [&](LayerRole role) { return workspace().layers().layer(role).opacity; };
  const auto choose = [&](LayerRole role) {
    find<QTreeView>("layers")->setCurrentIndex(
        workspace().layers().index(static_cast<int>(role), 0));
    axial->setFocus();
  };
  choose(LayerRole::moving_labels);
  QTest::keyClick(axial, Qt::Key_BracketRight);
  EXPECT_DOUBLE_EQ(opacity(LayerRole::moving_labels), 0.5);
  EXPECT_DOUBLE_EQ(opacity(LayerRole::fixed), 1);
  choose(LayerRole::moving);
  QTest::keyClick(axial, Qt::Key_Space);
  QTest::keyClick(axial, Qt::Key_BracketLeft);
  EXPECT_DOUBLE_EQ(opacity(LayerRole::fixed), 0.9) << "the moving image is not shown";
  EXPECT_DOUBLE_EQ(opacity(LayerRole::moving), 1);
}

TEST_F(Views, theDifferenceIsNotFadedAndSaysSo) {
  load_pair();
  ui::SliceView* axial = view("view_axial");
  axial->setFocus();
  QTest::keyClick(axial, Qt::Key_6);
  const int steps = workspace().undo_stack().index();
  const auto said = messages();
  QTest::keyClick(axial, Qt::Key_BracketLeft);
  EXPECT_EQ(workspace().undo_stack().index(), steps);
  EXPECT_TRUE(said->join(' ').contains("The difference shows figures")) << said->size();
}

TEST_F(Views, thePanelsSliderFadesAnImageInTheSlices) {
  load_pair();
  ui::SliceView* axial = view("view_axial");
  QTest::keyClick(axial, Qt::Key_3);  // swipe: the fixed image on the left, the moving on the right
  ASSERT_TRUE(wait_drawn());
  const QImage full = axial->picture();
  find<QTreeView>("layers")->setCurrentIndex(
      workspace().layers().index(static_cast<int>(LayerRole::moving), 0));
  auto* slider = find<QSlider>("opacity");
  ASSERT_TRUE(slider->isVisible());
  EXPECT_EQ(slider->value(), 100);
  slider->setFocus();
  QTest::keyClick(slider, Qt::Key_Home);
  ASSERT_TRUE(wait_drawn());
  const QImage faded = axial->picture();
  const int half = full.width() / 2;
  const QRect left(0, 0, half, full.height()), right(half, 0, full.width() - half, full.height());
  EXPECT_EQ(faded.copy(left), full.copy(left));
  EXPECT_GT(difference(faded.copy(right), full.copy(right)), 1);
  QTest::keyClick(axial, Qt::Key_Space);  // the fixed image alone is the same everywhere
  ASSERT_TRUE(wait_drawn());
  EXPECT_EQ(faded, axial->picture());
}

TEST_F(Views, neurologicalDisplayMirrorsLeftAndRight) {
  load_pair();
  ui::SliceView* axial = view("view_axial");
  EXPECT_EQ(axial->geometry().edge_letters(), "RLAP");
  const QImage radiological = axial->picture();
  QTest::keyClick(window.get(), Qt::Key_L, Qt::ControlModifier);
  EXPECT_EQ(axial->geometry().edge_letters(), "LRAP");
  ASSERT_TRUE(wait_drawn());
  EXPECT_LT(difference(axial->picture(), radiological.mirrored(true, false)), 3);
  EXPECT_EQ(view("view_sagittal")->geometry().edge_letters(), "APSI");
}

TEST_F(Views, layoutsShowTheViewsTheyName) {
  load_pair();
  const std::vector<std::pair<Qt::Key, std::size_t>> layouts{
      {Qt::Key_F2, 1}, {Qt::Key_F3, 3}, {Qt::Key_F4, 9}, {Qt::Key_F1, 3}};
  for (const auto& [k, count] : layouts) {
    QTest::keyClick(window.get(), k);
    EXPECT_EQ(window->views().shown().size(), count);
    ASSERT_TRUE(wait_drawn());
    for (const ui::SliceView* shown : window->views().shown())
      EXPECT_GT(drawn_pixels(shown->picture()), 500);
  }
}

TEST_F(Views, theVolumeIsDrawnInThreeDimensionsAndTurns) {
  load_pair();
  auto* brain = find<ui::BrainView>("brain_view");
  ASSERT_TRUE(wait_until([&] { return !brain->picture().isNull(); }));
  ASSERT_TRUE(wait_drawn());
  const QImage before = brain->picture();
  EXPECT_GT(drawn_pixels(before), 2000);
  QTest::mousePress(brain, Qt::LeftButton, {}, {50, 50});
  QTest::mouseMove(brain, {90, 60});
  QTest::mouseRelease(brain, Qt::LeftButton, {}, {90, 60});
  ASSERT_TRUE(wait_until([&] {
    return difference(before, brain->picture()) > 2 && before.size() == brain->picture().size();
  }));
}

TEST_F(Views, theReadoutNamesVoxelMillimetresAndEveryLayer) {
  load_pair();
  auto* readout = find<QLineEdit>("readout");
  EXPECT_TRUE(readout->text().contains("voxel 24, 24, 24") ||
              readout->text().contains("voxel 23, 23, 23"))
      << readout->text().toStdString();
  EXPECT_TRUE(readout->text().contains("Fixed image"));
  EXPECT_TRUE(readout->text().contains("Moving image"));
  readout->setFocus();
  readout->selectAll();
  QTest::keyClicks(readout, "v 10 12 14");
  QTest::keyClick(readout, Qt::Key_Return);
  const Vec3 expected = workspace().reference()->world_from_voxel({10, 12, 14});
  for (std::size_t a = 0; a < 3; ++a)
    EXPECT_NEAR(workspace().view().cursor_mm[a], expected[a], 1e-6);
}

TEST(Readout, readsPointsInMillimetresLettersAndVoxels) {
  Grid grid;
  grid.size = {10, 10, 10};
  EXPECT_EQ(ui::parse_point("1, -2.5, 3", grid), (Vec3{1, -2.5, 3}));
  EXPECT_EQ(ui::parse_point("R 12 A 3.5 S 40", grid), (Vec3{-12, -3.5, 40}));
  EXPECT_EQ(ui::parse_point(ui::world_text({1.25, -2, 3}), grid), (Vec3{1.25, -2, 3}));
  EXPECT_EQ(ui::parse_point("voxel 1 2 3", grid), (Vec3{1, 2, 3}));
  EXPECT_EQ(ui::world_text({-0.0125, 0.5, 0}, true), QStringLiteral("R 12.5  P 500.0  S 0.0 µm"));
  EXPECT_EQ(ui::parse_point("L 1500 P 500 S 250 µm", grid), (Vec3{1.5, 0.5, 0.25}));
  EXPECT_FALSE(ui::parse_point("here", grid));
  EXPECT_FALSE(ui::parse_point("1 2 3 4", grid));
}

TEST_F(Views, theImageFollowsTheHandAndUndoBringsItBack) {
  load_pair();
  ui::SliceView* axial = view("view_axial");
  axial->setFocus();
  QTest::keyClick(axial, Qt::Key_6);
  ASSERT_TRUE(wait_drawn());
  const QImage before = axial->picture();
  QTest::keyClick(axial, Qt::Key_A);
  const QPoint middle = axial->rect().center();
  QTest::mousePress(axial, Qt::LeftButton, {}, middle);
  QTest::mouseMove(axial, middle + QPoint(10, 0));
  QTest::mouseMove(axial, middle + QPoint(20, 0));
  QTest::mouseRelease(axial, Qt::LeftButton, {}, middle + QPoint(20, 0));
  EXPECT_NEAR(std::abs(workspace().alignment().offset[0]), 20 * axial->geometry().pixel_mm, 1e-3);
  ASSERT_TRUE(wait_drawn());
  EXPECT_GT(difference(before, axial->picture()), 1);
  const QPoint outside(middle.x(), 10);
  QTest::mousePress(axial, Qt::LeftButton, {}, outside);
  QTest::mouseMove(axial, outside + QPoint(30, 0));
  QTest::mouseRelease(axial, Qt::LeftButton, {}, outside + QPoint(30, 0));
  EXPECT_LT(workspace().alignment().linear[0][0], 0.999);
  EXPECT_NEAR(workspace().alignment().determinant(), 1, 1e-9);
  QTest::keyClick(window.get(), Qt::Key_Z, Qt::ControlModifier);
  QTest::keyClick(window.get(), Qt::Key_Z, Qt::ControlModifier);
  EXPECT_EQ(workspace().alignment(), Affine{});
  ASSERT_TRUE(wait_drawn());
  EXPECT_LT(difference(before, axial->picture()), 0.01);
}

TEST(LayerModel, behavesAsAModelShould) {
  ui::LayerModel model;
  const QAbstractItemModelTester tester(&model,
                                        QAbstractItemModelTester::FailureReportingMode::Fatal);
  ui::Layer layer = ui::read_layer(LayerRole::fixed, small_pair().path("fixed.nii.gz"));
  ASSERT_EQ(layer.state, ui::Layer::State::ready);
  model.set_layer(LayerRole::fixed, layer);
  EXPECT_EQ(model.index(0, 0).data(Qt::CheckStateRole), Qt::Checked);
  EXPECT_TRUE(model.setData(model.index(0, 0), Qt::Unchecked, Qt::CheckStateRole));
  EXPECT_FALSE(model.layer(LayerRole::fixed).visible);
  EXPECT_FALSE(model.setData(model.index(1, 0), Qt::Checked, Qt::CheckStateRole));
}

/// GIGAWARP_BENCH=1: the pair of 512 cubes that the figures in RESULTS.md are of, and their bar of
/// 50 ms, for an idle machine. Otherwise what waiting for disk, child or pool would take at least,
/// and other programs on all cores would not: drawing waits for threads that wait for a core.
TEST_F(Views, theInterfaceIsNeverBlockedWhileVolumesLoadAreScrolledAndRegistered) {
  const bool large = std::getenv("GIGAWARP_BENCH") != nullptr;
  const test::PhantomFiles files(large ? 512 : 128);
  const test::TemporaryFolder folder;
  QApplication::processEvents();
  test::Watchdog watchdog;
  workspace().open(files.pair());
  ASSERT_TRUE(wait_until(
      [&] {
        return workspace().layers().is_ready(LayerRole::fixed) &&
               workspace().layers().is_ready(LayerRole::moving);
      },
      120000));
  for (int i = 0; i < 30; ++i) {
    workspace().step(render::Plane::axial, i < 15 ? 1 : -1);
    QTest::qWait(5);
  }
  ASSERT_TRUE(wait_drawn());
  JobSpec job = job_from_preset("fast");
  job.output_directory = (folder.path() / "out").string();
  job.fixed = {files.path("fixed.nii.gz").toStdString()};
  job.moving = {files.path("moving.nii.gz").toStdString()};
  if (large) job.stages.resize(2);
  window->run().start(job, false);
  ASSERT_TRUE(wait_until([&] { return !window->run().is_active(); }, 300000));
  EXPECT_EQ(window->run().state(), ui::RunController::State::finished)
      << window->run().verdict().toStdString();
  EXPECT_LT(watchdog.longest_ms, large ? 50 : 250) << watchdog.calls();
  std::cout << watchdog.text() << "\n";
}

/// What the limits above are worth: a block is measured, and its call is named.
TEST_F(Views, aBlockOfTheInterfaceIsMeasuredAndItsCallNamed) {
  QApplication::processEvents();
  test::Watchdog watchdog;
  QTest::qWait(20);
  QElapsedTimer clock;
  clock.start();
  while (clock.elapsed() < 120) QTest::qSleep(120);  // the signal that takes the calls ends a sleep
  QApplication::processEvents();
  EXPECT_GT(watchdog.longest_ms, 80);
  EXPECT_NE(watchdog.calls().find("nanosleep"), std::string::npos) << watchdog.calls();
}

/// glibc makes no thread while it loads a library, so none may be needed then.
TEST_F(Views, aLibraryThatLoadsSlowlyHoldsUpNoPainting) {
  QApplication::processEvents();
  test::Watchdog watchdog;
  std::atomic<bool> loaded = false;
  std::jthread loader([&loaded] {
    void* library = dlopen(GIGAWARP_SLOW_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    EXPECT_NE(library, nullptr) << dlerror();
    loaded = true;
  });
  QTest::qWait(100);
  // As when everything is busy at once: every thread of both pools is needed.
  for (QThreadPool* pool : {QThreadPool::globalInstance(), &ui::background_pool()}) {
    const auto all = std::make_shared<std::latch>(pool->maxThreadCount() + 1);
    for (int i = 0; i < pool->maxThreadCount(); ++i) pool->start([all] { all->arrive_and_wait(); });
    all->arrive_and_wait();
    EXPECT_LT(pool->expiryTimeout(), 0);
  }
  window->repaint();
  EXPECT_FALSE(loaded) << "the library was loaded before anything could be held up";
  QApplication::processEvents();
  EXPECT_LT(watchdog.longest_ms, 400) << watchdog.calls();
}

}  // namespace
}  // namespace gigawarp
