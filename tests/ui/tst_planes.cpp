#include <QInputDialog>
#include <QMenu>
#include <cmath>
#include <numbers>

#include "ui/models/session_json.h"
#include "ui/views/slice_decorations.h"
#include "ui/window_fixture.h"

namespace gigawarp {
namespace {

double dot(const Vec3& a, const Vec3& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

class Planes : public test::WindowTest {
 protected:
  void SetUp() override {
    test::WindowTest::SetUp();
    load_pair();
    view("view_axial")->setFocus();
  }
};

TEST_F(Planes, aTurnedPlaneIsSampledAlongItsOwnDirections) {
  QTest::keyClick(view("view_axial"), Qt::Key_Right, Qt::ShiftModifier);
  ASSERT_TRUE(workspace().view().is_oblique());
  ASSERT_TRUE(wait_drawn());
  const auto coronal = workspace().directions(render::Plane::coronal);
  EXPECT_NEAR(std::abs(coronal.normal[0]), std::sin(5 * std::numbers::pi / 180), 1e-9);
  EXPECT_NEAR(coronal.normal[2], 0, 1e-9);
  for (const render::Plane plane :
       {render::Plane::axial, render::Plane::coronal, render::Plane::sagittal}) {
    const auto d = workspace().directions(plane);
    EXPECT_NEAR(dot(d.right, d.right), 1, 1e-12);
    EXPECT_NEAR(dot(d.down, d.down), 1, 1e-12);
    EXPECT_NEAR(dot(d.right, d.down), 0, 1e-12);
    EXPECT_NEAR(dot(d.right, d.normal), 0, 1e-12);
  }
  // What is drawn is what the volume holds there.
  ui::SliceView* view_coronal = view("view_coronal");
  ui::DisplayState display = workspace().display();
  display.overlay = false;
  workspace().set_display(display);
  ASSERT_TRUE(wait_drawn());
  const ui::Layer& fixed = workspace().layers().layer(LayerRole::fixed);
  const render::SliceGeometry g = view_coronal->geometry();
  const render::SliceImage expected = render::sample_slice(*fixed.volume, g);
  const QImage drawn = view_coronal->picture();
  int compared = 0;
  for (int r = 5; r < g.height; r += 11)
    for (int c = 5; c < g.width; c += 11) {
      if (std::isnan(expected.at(c, r))) continue;
      EXPECT_NEAR(qGreen(drawn.pixel(c, r)), 255 * fixed.window(expected.at(c, r)), 3);
      ++compared;
    }
  EXPECT_GT(compared, 100);
}

TEST_F(Planes, thePictureOfTheViewItselfStaysAndTheOthersChange) {
  ui::SliceView *axial = view("view_axial"), *coronal = view("view_coronal");
  const QImage axial_before = axial->picture(), coronal_before = coronal->picture();
  for (int i = 0; i < 6; ++i) QTest::keyClick(axial, Qt::Key_Right, Qt::ShiftModifier);
  ASSERT_TRUE(wait_drawn());
  EXPECT_LT(difference(axial_before, axial->picture()), 0.01);
  EXPECT_GT(difference(coronal_before, coronal->picture()), 3);
  QTest::keyClick(axial, Qt::Key_O, Qt::ShiftModifier);
  ASSERT_TRUE(wait_drawn());
  EXPECT_FALSE(workspace().view().is_oblique());
  EXPECT_LT(difference(coronal_before, coronal->picture()), 0.01);
}

TEST_F(Planes, aHandleTurnsThePlanesWithThePointer) {
  ui::SliceView* axial = view("view_axial");
  QTest::keyClick(axial, Qt::Key_O);
  ASSERT_TRUE(workspace().display().turning);
  const Vec3 cursor = workspace().view().cursor_mm;
  const auto handles = ui::plane_handles(axial->geometry(), workspace());
  const auto at = render::pixel_of(axial->geometry(), cursor);
  const QPointF middle(at.column + 0.5, at.row + 0.5), from = handles[0] - middle;
  constexpr double kAngle = 0.3;
  QTest::mousePress(axial, Qt::LeftButton, Qt::NoModifier, handles[0].toPoint());
  for (int i = 1; i <= 10; ++i) {
    const double a = kAngle * i / 10;
    const QPointF to(from.x() * std::cos(a) - from.y() * std::sin(a),
                     from.x() * std::sin(a) + from.y() * std::cos(a));
    QTest::mouseMove(axial, (middle + to).toPoint());
  }
  QTest::mouseRelease(axial, Qt::LeftButton);
  EXPECT_EQ(workspace().view().cursor_mm, cursor);
  // The handle is under the pointer again: the line followed it.
  const QPointF wanted(from.x() * std::cos(kAngle) - from.y() * std::sin(kAngle),
                       from.x() * std::sin(kAngle) + from.y() * std::cos(kAngle));
  double nearest = 1e9;
  for (const QPointF& handle : ui::plane_handles(axial->geometry(), workspace()))
    nearest = std::min(nearest,
                       std::hypot((handle - middle - wanted).x(), (handle - middle - wanted).y()));
  EXPECT_LT(nearest, 3);
}

TEST_F(Planes, slantedSlicesAreSteppedAlongTheirNormal) {
  QTest::keyClick(view("view_axial"), Qt::Key_Right, Qt::ShiftModifier);
  const Vec3 before = workspace().view().cursor_mm;
  workspace().step(render::Plane::coronal, 2);
  const auto d = workspace().directions(render::Plane::coronal);
  for (std::size_t a = 0; a < 3; ++a)
    EXPECT_NEAR(workspace().view().cursor_mm[a], before[a] + 2 * d.normal_spacing_mm * d.normal[a],
                1e-9);
  workspace().step(render::Plane::coronal, 10000);
  EXPECT_NEAR(workspace().view().cursor_mm[1], before[1] + 2 * d.normal_spacing_mm * d.normal[1],
              1e-9);  // not out of the volume
}

TEST_F(Planes, aViewIsKeptUnderANameAndInTheSession) {
  QTest::keyClick(view("view_axial"), Qt::Key_Right, Qt::ShiftModifier);
  workspace().set_zoom(2);
  const ui::ViewState kept = workspace().view();
  QTest::keyClick(window.get(), Qt::Key_K, Qt::ControlModifier);
  auto* dialog = find<QInputDialog>("view_name_dialog");
  ASSERT_NE(dialog, nullptr);
  dialog->setTextValue("hippocampus");
  dialog->accept();
  QTest::keyClick(view("view_axial"), Qt::Key_R);
  EXPECT_NE(workspace().view(), kept);
  auto* menu = find<QMenu>("kept_views_menu");
  ASSERT_NE(menu, nullptr);
  Q_EMIT menu->aboutToShow();
  ASSERT_EQ(menu->actions().size(), 1);
  EXPECT_EQ(menu->actions().front()->text(), "hippocampus");
  menu->actions().front()->trigger();
  EXPECT_EQ(workspace().view(), kept);
  const ui::ViewState back = ui::view_from(ui::to_json(kept));
  for (std::size_t r = 0; r < 3; ++r)
    for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR(back.turn[r][c], kept.turn[r][c], 1e-12);
}

TEST_F(Planes, theHistoryBringsASlantBack) {
  QTest::qWait(800);
  QTest::keyClick(view("view_axial"), Qt::Key_Left, Qt::ShiftModifier);
  const ui::ViewState slanted = workspace().view();
  QTest::qWait(800);
  workspace().straighten_planes();
  QTest::qWait(800);
  QTest::keyClick(window.get(), Qt::Key_Left, Qt::AltModifier);
  EXPECT_EQ(workspace().view(), slanted);
}

}  // namespace
}  // namespace gigawarp
