#include <QFileDialog>
#include <QMenu>
#include <QSettings>

#include "ui/window_fixture.h"

namespace gigawarp {
namespace {

using test::difference;
using test::drawn_pixels;
using test::wait_until;
using ui::LayerRole;

class Brain : public test::WindowTest {
 protected:
  void SetUp() override {
    test::WindowTest::SetUp();
    brain = find<ui::BrainView>("brain_view");
  }
  /// Skips where there is no OpenGL.
  bool is_drawn_by_vtk() {
    load_pair();
    return wait_drawn() && brain->problem().isEmpty();
  }
  /// The picture after a key on the window.
  QImage after(Qt::Key key, Qt::KeyboardModifiers modifiers = Qt::NoModifier) {
    QTest::keyClick(brain, key, modifiers);
    EXPECT_TRUE(wait_drawn());
    return brain->picture();
  }
  ui::BrainView* brain = nullptr;
};

TEST_F(Brain, keysTurnMoveZoomAndReset) {
  load_pair();
  ASSERT_TRUE(wait_drawn());
  const QImage front = brain->picture();
  EXPECT_GT(drawn_pixels(front), 2000);
  EXPECT_GT(difference(front, after(Qt::Key_Left)), 1);
  EXPECT_LT(difference(front, after(Qt::Key_Right)), 0.5);
  EXPECT_GT(difference(front, after(Qt::Key_Up, Qt::ShiftModifier)), 1);
  EXPECT_GT(difference(front, after(Qt::Key_Plus)), 1);
  EXPECT_LT(difference(front, after(Qt::Key_Home)), 0.5);
}

TEST_F(Brain, theMouseMovesAndTheWheelZooms) {
  load_pair();
  ASSERT_TRUE(wait_drawn());
  const QImage front = brain->picture();
  QTest::mousePress(brain, Qt::LeftButton, Qt::ControlModifier, {60, 60});
  QTest::mouseMove(brain, {100, 60});
  QMouseEvent move(QEvent::MouseMove, QPointF(100, 60), brain->mapToGlobal(QPointF(100, 60)),
                   Qt::NoButton, Qt::LeftButton, Qt::ControlModifier);
  QApplication::sendEvent(brain, &move);
  QTest::mouseRelease(brain, Qt::LeftButton, Qt::ControlModifier, {100, 60});
  ASSERT_TRUE(wait_drawn());
  EXPECT_GT(difference(front, brain->picture()), 1);
  QTest::mouseDClick(brain, Qt::LeftButton);
  ASSERT_TRUE(wait_drawn());
  EXPECT_LT(difference(front, brain->picture()), 0.5);
}

TEST_F(Brain, theHeadIsDrawnInFourWaysAndUndoBringsBackTheLast) {
  if (!is_drawn_by_vtk()) GTEST_SKIP() << brain->problem().toStdString();
  QImage last = brain->picture();
  for (const Qt::Key key : {Qt::Key_F2, Qt::Key_F3, Qt::Key_F4, Qt::Key_F1}) {
    const QImage now = after(key, Qt::ShiftModifier);
    EXPECT_GT(difference(last, now), 0.7) << key;
    last = now;
  }
  after(Qt::Key_F5, Qt::ShiftModifier);
  EXPECT_FALSE(workspace().display().cut_planes);
  EXPECT_GT(difference(last, brain->picture()), 0.3);
  QTest::keyClick(window.get(), Qt::Key_Z, Qt::ControlModifier);
  ASSERT_TRUE(wait_drawn());
  EXPECT_LT(difference(last, brain->picture()), 0.5);
}

TEST_F(Brain, labelsShowWhileTheirLayerDoes) {
  if (!is_drawn_by_vtk()) GTEST_SKIP() << brain->problem().toStdString();
  after(Qt::Key_F4, Qt::ShiftModifier);
  const QImage without = brain->picture();
  workspace().open_as(LayerRole::fixed_labels, test::small_pair().path("fixed_labels.nii.gz"));
  ASSERT_TRUE(wait_loaded({LayerRole::fixed_labels}));
  ASSERT_TRUE(wait_drawn());
  EXPECT_GT(difference(without, brain->picture()), 3);
  ui::LayerModel& layers = workspace().layers();
  layers.setData(layers.index(static_cast<int>(LayerRole::fixed_labels), 0), Qt::Unchecked,
                 Qt::CheckStateRole);
  ASSERT_TRUE(wait_drawn());
  EXPECT_LT(difference(without, brain->picture()), 0.5);
}

TEST_F(Brain, theMenuHoldsWhatTheKeysDo) {
  load_pair();
  const auto* menu = find<QMenu>("menu_3d");
  for (const char* id : {"head_solid", "head_glass", "head_volume", "head_none", "cut_planes"})
    EXPECT_TRUE(menu->actions().contains(window->actions_table()[id])) << id;
  EXPECT_TRUE(window->actions_table()["head_solid"]->isChecked());
  window->actions_table()["head_glass"]->trigger();
  EXPECT_TRUE(window->actions_table()["head_glass"]->isChecked());
}

TEST_F(Brain, itIsLargeAloneAndExportedAsSeen) {
  load_pair();
  QTest::mouseClick(brain, Qt::LeftButton);
  QTest::keyClick(window.get(), Qt::Key_F2);
  EXPECT_TRUE(window->views().shown().empty());
  EXPECT_TRUE(brain->isVisible());
  EXPECT_EQ(window->views().focus_view(), brain);
  ASSERT_TRUE(wait_drawn());
  EXPECT_GT(brain->picture().width(), 500);
  const test::TemporaryFolder folder;
  QTest::keyClick(window.get(), Qt::Key_P, Qt::ControlModifier);
  auto* dialog = find<QFileDialog>("export_view_dialog");
  ASSERT_NE(dialog, nullptr);
  const QString file = test::path_in(folder.path(), "brain.png");
  Q_EMIT dialog->fileSelected(file);
  EXPECT_EQ(QImage(file).size(), brain->size());
  dialog->close();
  QTest::keyClick(window.get(), Qt::Key_F1);
  EXPECT_EQ(window->views().shown().size(), 3U);
}

TEST(BrainWithoutOpenGl, theProcessorDrawsAndTheViewSaysSo) {
  qputenv("GIGAWARP_NO_OPENGL", "1");
  {
    ui::MainWindow window;
    QSignalSpy messages(&window.workspace(), &ui::Workspace::message);
    window.show();
    window.workspace().open(test::small_pair().pair());
    auto* brain = window.findChild<ui::BrainView*>("brain_view");
    ASSERT_TRUE(wait_until([&] { return !brain->picture().isNull(); }));
    EXPECT_GT(drawn_pixels(brain->picture()), 2000);
    EXPECT_EQ(brain->problem(), "OpenGL is switched off by GIGAWARP_NO_OPENGL.");
    EXPECT_FALSE(brain->findChild<QToolButton*>("menu_3d_button")->isVisible());
    bool told = false;
    for (const QList<QVariant>& message : messages)
      told = told || message.first().toString().contains("drawn by the processor");
    EXPECT_TRUE(told);
    ASSERT_TRUE(wait_until([&] { return window.is_drawn(); }));
  }
  qunsetenv("GIGAWARP_NO_OPENGL");
}

}  // namespace
}  // namespace gigawarp
