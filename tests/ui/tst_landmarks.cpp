#include <QTableView>
#include <algorithm>
#include <cmath>

#include "ui/models/landmark_pairs.h"
#include "ui/views/landmark_panel.h"
#include "ui/window_fixture.h"

namespace gigawarp {
namespace {

using ui::LandmarkPairs;

class Landmarks : public test::WindowTest {
 protected:
  void SetUp() override {
    test::WindowTest::SetUp();
    load_pair();
    axial_ = view("view_axial");
    axial_->setFocus();
  }
  void press(Qt::Key k, Qt::KeyboardModifiers modifiers = Qt::NoModifier) {
    QTest::keyClick(axial_, k, modifiers);
  }
  LandmarkPairs& pairs() { return workspace().pairs(); }
  /// The crosshair this far along the patient's left, mm.
  void step_left(double mm) {
    Vec3 cursor = workspace().view().cursor_mm;
    cursor[0] += mm;
    workspace().set_cursor(cursor);
  }
  ui::SliceView* axial_ = nullptr;
};

TEST_F(Landmarks, aPairIsDroppedCorrectedHeldOutRemovedAndAllOfItUndone) {
  const Vec3 start = workspace().view().cursor_mm;
  press(Qt::Key_L);
  ASSERT_EQ(pairs().rowCount(), 1);
  EXPECT_EQ(pairs().pairs()[0].residual_mm, 0);
  step_left(12);
  press(Qt::Key_L, Qt::ShiftModifier);
  EXPECT_EQ(pairs().pairs()[0].fixed_mm, start);
  EXPECT_NEAR(pairs().pairs()[0].residual_mm, 12, 1e-6);
  press(Qt::Key_L);
  press(Qt::Key_H);
  ASSERT_EQ(pairs().rowCount(), 2);
  EXPECT_TRUE(pairs().pairs()[1].held_out);
  const auto summary = pairs().summary();
  EXPECT_EQ(summary.used, 1);
  EXPECT_EQ(summary.held_out, 1);
  EXPECT_NEAR(summary.used_mm, 12, 1e-6);
  EXPECT_TRUE(find<QLabel>("landmark_summary")->text().contains("12.00"));
  press(Qt::Key_Delete, Qt::ControlModifier);
  EXPECT_EQ(pairs().rowCount(), 1);
  for (int i = 0; i < 5; ++i) workspace().undo_stack().undo();
  EXPECT_EQ(pairs().rowCount(), 0);
  workspace().undo_stack().redo();
  EXPECT_EQ(pairs().rowCount(), 1);
}

TEST_F(Landmarks, theResidualIsSeenInTheViewsAndGoesWithTheRightWarp) {
  press(Qt::Key_L);
  step_left(20);
  press(Qt::Key_L, Qt::ShiftModifier);
  step_left(-60);  // the crosshair out of the way
  Affine shift;
  shift.offset = {20, 0, 0};
  workspace().set_alignment(shift);
  EXPECT_NEAR(pairs().pairs()[0].residual_mm, 0, 1e-6);
  ASSERT_TRUE(pairs().pairs()[0].seen_mm);
  EXPECT_NEAR((*pairs().pairs()[0].seen_mm)[0], pairs().pairs()[0].fixed_mm[0], 0.05);
  workspace().set_alignment({});
  const render::SliceGeometry g = axial_->geometry();
  const auto from = render::pixel_of(g, pairs().pairs()[0].fixed_mm),
             to = render::pixel_of(g, pairs().pairs()[0].moving_mm);
  ASSERT_GT(to.column - from.column, 12);
  const QImage drawn = axial_->grab().toImage();
  int blue = 0;
  const int row = static_cast<int>(from.row);
  for (int r = row - 2; r <= row + 2; ++r)
    for (int c = static_cast<int>(from.column) + 6; c < to.column; ++c)
      blue += test::colour_distance(drawn.pixel(c, r), qRgb(90, 180, 255)) < 90;
  EXPECT_GT(blue, to.column - from.column - 10);
}

TEST_F(Landmarks, choosingARowGoesThereAndTheBoxHoldsThePairOut) {
  press(Qt::Key_L);
  const Vec3 there = workspace().view().cursor_mm;
  workspace().step(render::Plane::axial, 6);
  window->findChild<QDockWidget*>("dock_landmarks")->raise();
  auto* table = find<QTableView>("pairs_table");
  ASSERT_TRUE(wait_until([&] { return table->isVisible(); }));
  const QRect name = table->visualRect(table->model()->index(0, LandmarkPairs::name_column));
  QTest::mouseClick(table->viewport(), Qt::LeftButton, Qt::NoModifier, name.center());
  EXPECT_EQ(workspace().view().cursor_mm, there);
  EXPECT_TRUE(pairs().setData(pairs().index(0, LandmarkPairs::held_out_column), Qt::Checked,
                              Qt::CheckStateRole));
  EXPECT_TRUE(workspace().landmarks()[1][0].held_out);
  EXPECT_TRUE(pairs().setData(pairs().index(0, 0), "apex", Qt::EditRole));
  EXPECT_FALSE(pairs().setData(pairs().index(0, 0), "a,b", Qt::EditRole));
  EXPECT_EQ(workspace().chosen_landmark(), "apex");
}

TEST_F(Landmarks, theImagesAreAlignedByThePairsThatAreUsed) {
  const auto said = messages();
  window->actions_table()["align_landmarks"]->trigger();
  EXPECT_FALSE(workspace().is_aligned());
  ASSERT_FALSE(said->isEmpty());
  // A known rigid map: a quarter turn about S and a shift.
  Affine known;
  known.linear = {{{0, -1, 0}, {1, 0, 0}, {0, 0, 1}}};
  known.offset = {4, -3, 2};
  ui::LandmarkSides sides;
  for (const Vec3& at : {Vec3{0, 0, 0}, Vec3{20, 0, 5}, Vec3{0, 30, 0}, Vec3{5, 5, 25}}) {
    const std::string name = "Q" + std::to_string(sides[0].size());
    sides[0].push_back({name, at});
    sides[1].push_back({name, known(at)});
  }
  sides[1].back().position_mm[0] += 7;  // held out, it must not count
  sides[0].back().held_out = sides[1].back().held_out = true;
  workspace().change_landmarks(sides, "set");
  window->actions_table()["align_landmarks"]->trigger();
  for (std::size_t r = 0; r < 3; ++r) {
    EXPECT_NEAR(workspace().alignment().offset[r], known.offset[r], 1e-6);
    for (std::size_t c = 0; c < 3; ++c)
      EXPECT_NEAR(workspace().alignment().linear[r][c], known.linear[r][c], 1e-6);
  }
  EXPECT_NEAR(pairs().summary().used_mm, 0, 1e-6);
  EXPECT_NEAR(pairs().summary().held_out_mm, 7, 1e-6);
  workspace().undo_stack().undo();
  EXPECT_FALSE(workspace().is_aligned());
}

TEST_F(Landmarks, momentsFindAKnownTurnAndShift) {
  // The fixed image's own voxels, where a rotated header puts them.
  const Volume fixed = io::read_image(small_pair().path("fixed.nii.gz").toStdString());
  constexpr double kAngle = 0.3;
  Affine known;
  known.linear = {{{std::cos(kAngle), -std::sin(kAngle), 0},
                   {std::sin(kAngle), std::cos(kAngle), 0},
                   {0, 0, 1}}};
  known.offset = {6, -4, 9};
  Grid grid = fixed.grid();
  grid.world_from_voxel = known * grid.world_from_voxel;
  Volume moving(grid, fixed.type());
  std::copy_n(fixed.data(), fixed.bytes(), moving.data());
  const test::TemporaryFolder folder;
  io::write_image(moving, folder.path() / "turned.nii.gz");
  workspace().open_as(LayerRole::moving, test::path_in(folder.path(), "turned.nii.gz"));
  ASSERT_TRUE(wait_loaded({LayerRole::moving}));
  window->actions_table()["align_moments"]->trigger();
  ASSERT_TRUE(wait_until([&] { return workspace().is_aligned(); }));
  for (std::size_t r = 0; r < 3; ++r) {
    EXPECT_NEAR(workspace().alignment().offset[r], known.offset[r], 0.05);
    for (std::size_t c = 0; c < 3; ++c)
      EXPECT_NEAR(workspace().alignment().linear[r][c], known.linear[r][c], 1e-3);
  }
}

TEST_F(Landmarks, savedFilesComeBackWithWhatIsHeldOut) {
  press(Qt::Key_L);
  workspace().step(render::Plane::axial, 3);
  press(Qt::Key_L);
  press(Qt::Key_H);
  const test::TemporaryFolder folder;
  const QString path = test::path_in(folder.path(), "landmarks_fixed.csv");
  bool saved = false;
  auto* panel = find<ui::LandmarkPanel>("landmark_panel");
  QObject::connect(panel, &ui::LandmarkPanel::saved, panel, [&] { saved = true; });
  panel->save(path);
  ASSERT_TRUE(wait_until([&] { return saved; }));
  const ui::LandmarkSides before = workspace().landmarks();
  workspace().open_as(LayerRole::fixed_landmarks, path);
  workspace().open_as(LayerRole::moving_landmarks,
                      test::path_in(folder.path(), "landmarks_moving.csv"));
  ASSERT_TRUE(wait_loaded({LayerRole::fixed_landmarks, LayerRole::moving_landmarks}));
  ASSERT_EQ(pairs().rowCount(), 2);
  EXPECT_FALSE(pairs().pairs()[0].held_out);
  EXPECT_TRUE(pairs().pairs()[1].held_out);
  EXPECT_NEAR(pairs().pairs()[1].fixed_mm[2], before[0][1].position_mm[2], 1e-6);
}

TEST_F(Landmarks, aSessionKeepsPairsThatNoFileHolds) {
  press(Qt::Key_L);
  press(Qt::Key_H);
  const Vec3 there = workspace().view().cursor_mm;
  const test::TemporaryFolder folder;
  const QString path = test::path_in(folder.path(), "work.gigawarp");
  bool saved = false;
  QObject::connect(&window->session(), &ui::Session::saved, window.get(), [&] { saved = true; });
  window->session().save(path);
  ASSERT_TRUE(wait_until([&] { return saved; }));
  new_window();
  workspace().open({path});
  ASSERT_TRUE(wait_loaded({LayerRole::fixed}));
  ASSERT_EQ(pairs().rowCount(), 1);
  EXPECT_EQ(pairs().pairs()[0].fixed_mm, there);
  EXPECT_TRUE(pairs().pairs()[0].held_out);
}

TEST(LandmarkPairsModel, behavesAsAModelShould) {
  ui::Workspace workspace;
  const QAbstractItemModelTester tester(&workspace.pairs(),
                                        QAbstractItemModelTester::FailureReportingMode::Fatal);
  workspace.change_landmarks({{{{"A", {1, 2, 3}}, {"B", {0, 0, 0}}}, {{"A", {1, 2, 4}}}}}, "test");
  EXPECT_EQ(workspace.pairs().rowCount(), 1);  // B is on one side alone
  EXPECT_EQ(workspace.pairs().index(0, 2).data().toString(), "1.00");
  EXPECT_TRUE(
      workspace.pairs().setData(workspace.pairs().index(0, 1), Qt::Checked, Qt::CheckStateRole));
  EXPECT_EQ(workspace.pairs().summary().held_out, 1);
}

}  // namespace
}  // namespace gigawarp
