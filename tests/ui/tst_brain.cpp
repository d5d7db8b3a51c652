#include <QFileDialog>
#include <QMenu>
#include <QSettings>
#include <QToolButton>
#include <fstream>

#include "ui/views/theme.h"
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
  /// Labels of the fixed image with long names.
  void open_named_labels() {
    workspace().open_as(LayerRole::fixed_labels, small_pair().path("fixed_labels.nii.gz"));
    ASSERT_TRUE(wait_loaded({LayerRole::fixed_labels}));
    const std::string list = (folder.path() / "names.txt").string();
    std::ofstream out(list);
    for (int label = 1; label < 3000; ++label)
      out << label << " Right-" << label << "-Cerebral-White-Matter\n";
    out.close();
    workspace().name_labels({LayerRole::fixed_labels}, QString::fromStdString(list));
    ASSERT_TRUE(wait_until(
        [&] { return workspace().layers().layer(LayerRole::fixed_labels).names.list != nullptr; }));
    ASSERT_TRUE(wait_drawn());
  }
  bool give_size(const QSize& size) {
    brain->setFixedSize(size);
    return wait_until([&] { return brain->size() == size; }) && wait_drawn();
  }
  ui::BrainLayout layout() const { return brain->layout_of(brain->decorations()); }
  ui::BrainView* brain = nullptr;
  test::TemporaryFolder folder;
};

const QSize kViewSizes[] = {{640, 400}, {380, 290}, {340, 340}, {260, 320},
                            {200, 300}, {160, 200}, {120, 120}};

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

TEST_F(Brain, theLegendAndTheHeadingStandBesideTheHeadAtAnyWidth) {
  if (!is_drawn_by_vtk()) GTEST_SKIP() << brain->problem().toStdString();
  open_named_labels();
  for (const QSize& size : kViewSizes) {
    SCOPED_TRACE(std::to_string(size.width()) + " x " + std::to_string(size.height()));
    ASSERT_TRUE(give_size(size));
    const ui::BrainLayout now = layout();
    EXPECT_GT(drawn_pixels(brain->picture()), 1000);
    EXPECT_EQ(now.legend.isEmpty(), size.width() < 160);
    EXPECT_EQ(now.with_names, size.width() > 500);
    const QRect taken = now.legend.isEmpty() ? QRect(0, 0, 1, 1) : now.legend;
    EXPECT_EQ(drawn_pixels(brain->picture().copy(taken)), 0);
    const QRect all(QPoint(), size), button = find<QToolButton>("menu_3d_button")->geometry();
    for (const QRect& box : {now.legend, now.heading_box, button})
      EXPECT_TRUE(box.isEmpty() || all.contains(box));
    EXPECT_FALSE(now.heading_box.intersects(button));
    EXPECT_FALSE(now.heading_box.intersects(now.legend));
    EXPECT_FALSE(now.legend.intersects(button));
    EXPECT_FALSE(now.heading_cut) << now.heading.join('|').toStdString();
  }
}

TEST_F(Brain, theKeysOfItsTooltipAreNoShortcutsWhereItHasTheFocus) {
  load_pair();
  ASSERT_TRUE(wait_drawn());
  const QImage front = brain->picture();
  EXPECT_GT(difference(front, after(Qt::Key_Right, Qt::ShiftModifier)), 1);
  EXPECT_EQ(workspace().view().turn, render::kStraight) << "which Shift+Right turns elsewhere";
  EXPECT_LT(difference(front, after(Qt::Key_Left, Qt::ShiftModifier)), 0.5);
}

TEST_F(Brain, whatAHandMovesIsAsFarAsTheHandBesideALegend) {
  if (!is_drawn_by_vtk()) GTEST_SKIP() << brain->problem().toStdString();
  open_named_labels();
  ASSERT_TRUE(give_size({380, 290}));
  const auto middle_column = [&] {
    const QImage picture = brain->picture();
    double sum = 0, count = 0;
    for (int r = 0; r < picture.height(); ++r)
      for (int c = 0; c < picture.width(); ++c)
        if (qGray(picture.pixel(c, r)) > 40) {
          sum += c;
          ++count;
        }
    return sum / count;
  };
  const double before = middle_column();
  EXPECT_NEAR(before, layout().free.center().x(), 12);
  after(Qt::Key_Left, Qt::ShiftModifier);  // 20 pixels
  EXPECT_NEAR(middle_column() - before, -20, 2);
}

TEST_F(Brain, tooltipsTellWhatHasNoRoom) {
  if (!is_drawn_by_vtk()) GTEST_SKIP() << brain->problem().toStdString();
  open_named_labels();
  ASSERT_TRUE(give_size({200, 120}));
  const ui::BrainLayout narrow = layout();
  ASSERT_GT(narrow.rows, 0);
  EXPECT_FALSE(narrow.with_names);
  const QString first = brain->text_at(narrow.legend.topLeft() + QPoint(4, 6)),
                others = brain->text_at(narrow.legend.bottomLeft() + QPoint(4, -6));
  const std::vector<ui::LegendEntry> legend = brain->decorations().legend;
  ASSERT_FALSE(legend.front().name.isEmpty() || legend.back().name.isEmpty());
  EXPECT_TRUE(first.contains(legend.front().name)) << first.toStdString();
  EXPECT_FALSE(first.contains(legend.back().name)) << first.toStdString();
  EXPECT_TRUE(others.contains(legend.back().name)) << others.toStdString();
  EXPECT_FALSE(others.contains(legend.front().name));
  EXPECT_EQ(brain->text_at({20, 100}), brain->toolTip());
  // Down to the last pixel a row is told.
  EXPECT_TRUE(
      brain->text_at(narrow.legend.bottomLeft() + QPoint(4, 0)).contains(legend.back().name));
  ASSERT_TRUE(give_size({120, 120}));
  ASSERT_TRUE(layout().legend.isEmpty());
  EXPECT_TRUE(brain->text_at({20, 12}).contains(legend.back().name));
}

TEST_F(Brain, theButtonIsLegibleUnderTheMouseInTheLightWindow) {
  QSettings().setValue("theme", "light");
  ui::apply_theme();
  brain->setFixedSize(300, 200);
  ASSERT_TRUE(wait_until([&] { return brain->width() == 300; }));
  auto* button = find<QToolButton>("menu_3d_button");
  button->setAttribute(Qt::WA_UnderMouse);
  const QImage picture = brain->grab(button->geometry()).toImage();
  int bright = 0;
  for (int r = 0; r < picture.height(); ++r)
    for (int c = 0; c < picture.width(); ++c) bright += qGray(picture.pixel(c, r)) > 150;
  EXPECT_GT(bright, 20);
  EXPECT_LT(bright, picture.width() * picture.height() / 4);
  QSettings().clear();
  ui::apply_theme();
}

TEST(BrainLayout, wrapsAHeadingAndTellsWhereItHasToBeCut) {
  ui::BrainDecorations all;
  all.heading = "3-D · fixed · level 3 (1024 × 1024 × 700) · labels: moving, warped";
  const QFont font;
  const ui::BrainLayout wide = ui::lay_out(all, {900, 300}, {50, 24}, font);
  EXPECT_EQ(wide.heading, QStringList(all.heading));
  EXPECT_EQ(wide.free, QRect(0, 0, 900, 300));
  const ui::BrainLayout narrow = ui::lay_out(all, {280, 300}, {50, 24}, font);
  EXPECT_GT(narrow.heading.size(), 1);
  EXPECT_EQ(narrow.heading.join(" · "), all.heading);
  EXPECT_FALSE(narrow.heading_cut);
  EXPECT_GT(narrow.free.top(), 0);
  const ui::BrainLayout low = ui::lay_out(all, {120, 120}, {26, 24}, font);
  EXPECT_TRUE(low.heading_cut);
  EXPECT_LE(low.heading_box.bottom(), 60);
  EXPECT_LE(low.heading_box.right(), 120 - 26);
}

TEST(BrainLayout, givesWordsThePlaceThatTheyNeed) {
  ui::BrainDecorations all;
  all.words = "Drawn by the processor, without labels, planes and grid: OpenGL is switched off.";
  const QFont font;
  const ui::BrainLayout wide = ui::lay_out(all, {600, 300}, {}, font);
  EXPECT_GE(wide.words.left(), 84) << "beside the axes";
  const ui::BrainLayout narrow = ui::lay_out(all, {160, 200}, {}, font);
  EXPECT_GE(narrow.words.left(), 0);
  EXPECT_LT(narrow.words.left(), 84);
  EXPECT_GT(narrow.words.height(), 3 * wide.words.height());
  EXPECT_LE(narrow.words.bottom(), 200);
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
