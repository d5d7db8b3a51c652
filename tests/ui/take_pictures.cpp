#include <QFile>
#include <QPainter>
#include <QProcess>
#include <QSettings>
#include <QTableView>
#include <filesystem>
#include <fstream>

#include "support/test_data.h"
#include "ui/models/landmark_pairs.h"
#include "ui/models/program.h"
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
    // While a run goes on, the next preview may come before the last has been drawn.
    if (window->run().is_active())
      wait_until([this] { return window->is_drawn(); }, 5000);
    else
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
      900000));
  save("desktop_run.png");
  ASSERT_TRUE(wait_until([&] { return !window->run().is_active(); }, 900000));
  ASSERT_TRUE(
      wait_until([&] { return window->results().state() == ui::Results::State::ready; }, 600000));
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

/// The 3-D view alone, in each of its ways.
TEST_F(Pictures, threeDimensions) {
  workspace().open(large_pair().pair());
  ASSERT_TRUE(wait_loaded({LayerRole::fixed, LayerRole::moving}));
  ASSERT_TRUE(wait_drawn());
  auto* brain = find<ui::BrainView>("brain_view");
  QTest::mouseClick(brain, Qt::LeftButton);
  QTest::keyClick(window.get(), Qt::Key_F2);
  save("desktop_3d.png");
  QTest::keyClick(window.get(), Qt::Key_F3, Qt::ShiftModifier);
  save("desktop_3d_volume.png");
  workspace().open_as(LayerRole::fixed_labels, large_pair().path("fixed_labels.nii.gz"));
  workspace().open_as(LayerRole::fixed_landmarks, large_pair().path("landmarks_fixed.csv"));
  workspace().open_as(LayerRole::moving_landmarks, large_pair().path("landmarks_moving.csv"));
  ASSERT_TRUE(wait_loaded({LayerRole::fixed_labels, LayerRole::moving_landmarks}));
  QTest::keyClick(window.get(), Qt::Key_F2, Qt::ShiftModifier);
  save("desktop_3d_glass.png");
}

/// The queue of a batch that the program has run: three pairs, of which one was aligned rigidly
/// only and one has a broken file.
TEST_F(Pictures, review) {
  const test::TemporaryFolder folder;
  JobSpec poor = job_from_preset("fast");
  poor.stages.resize(1);
  const auto write = [&](const char* name, const std::string& text) {
    QFile file(test::path_in(folder.path(), name));
    ASSERT_TRUE(file.open(QIODevice::WriteOnly));
    file.write(text.data(), static_cast<qint64>(text.size()));
  };
  write("poor.json", to_json(poor));
  write("broken.nii.gz", "cut off");
  const std::string fixed = large_pair().path("fixed.nii.gz").toStdString(),
                    moving = large_pair().path("moving.nii.gz").toStdString(),
                    marks = large_pair().path("landmarks_fixed.csv").toStdString() + "," +
                            large_pair().path("landmarks_moving.csv").toStdString();
  write("pairs.csv",
        "name,fixed,moving,fixed_landmarks,moving_landmarks,preset,job\n"
        "subject_01," +
            fixed + "," + moving + "," + marks +
            ",fast,\n"
            "subject_02," +
            fixed +
            ",broken.nii.gz,,,fast,\n"
            "subject_03," +
            fixed + "," + moving + "," + marks +
            ",,poor.json\n"
            "subject_04," +
            moving + "," + fixed + ",,,fast,\n");
  QProcess batch;
  batch.start(ui::program(), {"batch", test::path_in(folder.path(), "pairs.csv"), "--out",
                              test::path_in(folder.path(), "results")});
  ASSERT_TRUE(wait_until([&] { return batch.state() == QProcess::NotRunning; }, 400000));
  ASSERT_EQ(batch.exitCode(), 3) << batch.readAllStandardError().toStdString();
  workspace().open({test::path_in(folder.path(), "results")});
  ASSERT_TRUE(wait_until([&] { return window->review().rowCount() == 4; }));
  auto* list = find<QTableView>("review_list");
  ASSERT_TRUE(
      wait_until([&] { return window->results().state() == ui::Results::State::ready; }, 120000));
  QTest::keyClick(list, Qt::Key_R);
  ASSERT_TRUE(wait_until([&] { return !window->review().is_busy(); }));
  QTest::keyClick(list, Qt::Key_Up);
  QTest::qWait(500);
  key(Qt::Key_5);
  list->setFocus();
  save("desktop_review.png");
}

/// A head of flesh and blood, with labels.
TEST_F(Pictures, realHead) {
  const auto data = test::test_data();
  if (!data) GTEST_SKIP() << "GIGAWARP_TEST_DATA names no folder";
  workspace().open_as(LayerRole::fixed, test::path_in(*data / "labels", "nv_T1.nii.gz"));
  workspace().open_as(LayerRole::fixed_labels, test::path_in(*data / "labels", "nv_aseg.nii.gz"));
  ASSERT_TRUE(wait_loaded({LayerRole::fixed, LayerRole::fixed_labels}));
  save("desktop_real_3d.png");
  QTest::mouseClick(find<ui::BrainView>("brain_view"), Qt::LeftButton);
  QTest::keyClick(window.get(), Qt::Key_F2);
  QTest::keyClick(window.get(), Qt::Key_F2, Qt::ShiftModifier);
  save("desktop_real_glass.png");
  QTest::keyClick(window.get(), Qt::Key_F3, Qt::ShiftModifier);
  save("desktop_real_volume.png");
}

/// The 3-D view of a head with named labels at several sizes, in the light and in the dark window.
TEST_F(Pictures, narrowHead) {
  const auto data = test::test_data();
  if (!data) GTEST_SKIP() << "GIGAWARP_TEST_DATA names no folder";
  const test::TemporaryFolder folder;
  const std::filesystem::path names = folder.path() / "names.txt";
  std::ofstream out(names);
  for (int label = 1; label < 90; ++label)
    out << label << (label % 2 == 0 ? " Left-Cerebral-White-Matter-" : " Amygdala-") << label
        << '\n';
  out.close();
  workspace().open_as(LayerRole::fixed, test::path_in(*data / "labels", "nv_T1.nii.gz"));
  workspace().open_as(LayerRole::fixed_labels, test::path_in(*data / "labels", "nv_aseg.nii.gz"));
  ASSERT_TRUE(wait_loaded({LayerRole::fixed, LayerRole::fixed_labels}));
  workspace().name_labels({LayerRole::fixed_labels}, QString::fromStdString(names.string()));
  auto* brain = find<ui::BrainView>("brain_view");
  for (const char* theme : {"light", "dark"}) {
    QSettings().setValue("theme", theme);
    ui::apply_theme();
    brain->setMinimumSize(120, 120);
    brain->setMaximumSize(QWIDGETSIZE_MAX, QWIDGETSIZE_MAX);
    QTest::qWait(50);  // until the layout has let go of the last size
    window->resize(1024, 700);
    save((std::string("desktop_narrow_") + theme + ".png").c_str());
    QImage sheet(1520, 780, QImage::Format_RGB32);
    sheet.fill(Qt::gray);
    QPainter painter(&sheet);
    QPoint at(5, 5);
    for (const QSize& size :
         {QSize(120, 120), QSize(160, 200), QSize(200, 300), QSize(260, 320), QSize(340, 340),
          QSize(200, 120), QSize(240, 300), QSize(420, 300), QSize(620, 420)}) {
      brain->setFixedSize(size);
      ASSERT_TRUE(wait_until([&] { return brain->size() == size; }));
      ASSERT_TRUE(wait_drawn());
      if (at.x() + size.width() > sheet.width()) at = {5, 355};
      painter.drawPixmap(at, brain->grab());
      at.rx() += size.width() + 5;
    }
    painter.end();
    const QString path =
        QString::fromStdString((folder_ / (std::string("brain_sizes_") + theme + ".png")).string());
    ASSERT_TRUE(sheet.save(path));
  }
  QSettings().clear();
  ui::apply_theme();
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
