#include <QSettings>
#include <filesystem>

#include "support/test_data.h"
#include "ui/models/landmark_pairs.h"
#include "ui/views/theme.h"
#include "ui/window_fixture.h"

/// Not a test of behaviour: drives the real window through its main states and writes a picture of
/// each to the folder that GIGAWARP_PICTURES names (packaging/pictures.sh). Skipped without.
namespace gigawarp {
namespace {

class Pictures : public test::WindowTest {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("GIGAWARP_PICTURES");
    if (folder == nullptr) GTEST_SKIP() << "GIGAWARP_PICTURES names no folder";
    folder_ = folder;
    test::WindowTest::SetUp();
    window->resize(1440, 900);
  }
  void TearDown() override {
    if (window != nullptr) test::WindowTest::TearDown();
  }
  void save(const char* name) {
    ASSERT_TRUE(wait_drawn());
    QTest::qWait(120);
    const QString path = QString::fromStdString((folder_ / name).string());
    ASSERT_TRUE(window->grab().save(path)) << path.toStdString();
  }
  void raise(const char* dock) { window->findChild<QDockWidget*>(QLatin1String(dock))->raise(); }
  /// Pairs of the phantom, two of them held out, one dropped and chosen.
  void save_landmarks() {
    raise("dock_landmarks");
    auto& pairs = workspace().pairs();
    for (const int row : {1, 3})
      pairs.setData(pairs.index(row, ui::LandmarkPairs::held_out_column), Qt::Checked,
                    Qt::CheckStateRole);
    workspace().set_cursor(pairs.pairs().front().fixed_mm);
    key(Qt::Key_L);
    save("desktop_landmarks.png");
  }
  void save_slanted() {
    raise("dock_runs");
    key(Qt::Key_O);
    for (int i = 0; i < 4; ++i) key(Qt::Key_Right, Qt::ShiftModifier);
    save("desktop_slanted.png");
  }
  std::filesystem::path folder_;
};

const test::PhantomFiles& large_pair() {
  static const test::PhantomFiles files(160);
  return files;
}

TEST_F(Pictures, empty) { save("desktop_empty.png"); }

TEST_F(Pictures, dark) {
  QSettings().setValue("theme", "dark");
  ui::apply_theme();
  workspace().open(large_pair().pair());
  ASSERT_TRUE(wait_loaded({LayerRole::fixed, LayerRole::moving}));
  key(Qt::Key_5);
  save("desktop_dark.png");
  QSettings().clear();
  ui::apply_theme();
}

TEST_F(Pictures, compared) {
  workspace().open(large_pair().pair());
  ASSERT_TRUE(wait_loaded({LayerRole::fixed, LayerRole::moving}));
  save("desktop_pair.png");
  key(Qt::Key_F4);
  save("desktop_columns.png");
  key(Qt::Key_F1);
  key(Qt::Key_A);
  save("desktop_align.png");
}

TEST_F(Pictures, running) {
  const test::TemporaryFolder folder;
  workspace().open(large_pair().pair());
  ASSERT_TRUE(wait_loaded({LayerRole::fixed, LayerRole::moving}));
  JobSpec common = window->jobs().common();
  common.output_directory = (folder.path() / "subject_to_atlas").string();
  window->jobs().set_common(common);
  auto* start = find<QPushButton>("start_button");
  ASSERT_TRUE(wait_until([&] { return start->isEnabled(); }));
  workspace().open_as(LayerRole::fixed_labels, large_pair().path("fixed_labels.nii.gz"));
  workspace().open_as(LayerRole::moving_labels, large_pair().path("moving_labels.nii.gz"));
  workspace().open_as(LayerRole::fixed_landmarks, large_pair().path("landmarks_fixed.csv"));
  workspace().open_as(LayerRole::moving_landmarks, large_pair().path("landmarks_moving.csv"));
  ASSERT_TRUE(wait_loaded({LayerRole::fixed_labels, LayerRole::moving_labels,
                           LayerRole::fixed_landmarks, LayerRole::moving_landmarks}));
  for (const LayerRole role : {LayerRole::fixed_labels, LayerRole::moving_labels})
    workspace().layers().setData(workspace().layers().index(static_cast<int>(role), 0),
                                 Qt::Unchecked, Qt::CheckStateRole);
  ASSERT_TRUE(wait_until([&] { return start->isEnabled(); }));
  save("desktop_ready.png");
  QTest::mouseClick(start, Qt::LeftButton);
  ASSERT_TRUE(wait_until(
      [&] {
        const auto& curves = window->run().curves();
        return curves.size() >= 7 && curves.back().losses.size() > 15;
      },
      120000));
  save("desktop_run.png");
  ASSERT_TRUE(wait_until([&] { return !window->run().is_active(); }, 300000));
  ASSERT_TRUE(
      wait_until([&] { return window->results().state() == ui::Results::State::ready; }, 120000));
  key(Qt::Key_J);
  key(Qt::Key_N);
  save("desktop_results.png");
  key(Qt::Key_D);
  key(Qt::Key_I);
  save("desktop_inverse.png");
  key(Qt::Key_D);
  key(Qt::Key_I);
  save_landmarks();
  save_slanted();
}

/// Two clinical scans of one patient with thick slices on different grids, where they are.
TEST_F(Pictures, realPair) {
  const auto data = test::test_data();
  if (!data) GTEST_SKIP() << "GIGAWARP_TEST_DATA names no folder";
  QStringList files;
  for (const auto& entry : std::filesystem::directory_iterator(*data / "multimodal"))
    if (entry.path().string().find(".nii") != std::string::npos)
      files << QString::fromStdString(entry.path().string());
  files.sort();
  workspace().open(files.mid(0, 2));
  ASSERT_TRUE(wait_loaded({LayerRole::fixed, LayerRole::moving}));
  save("desktop_real.png");
}

}  // namespace
}  // namespace gigawarp
