#include <QFileInfo>
#include <QTableView>
#include <filesystem>

#include "ui/finished_run.h"

namespace gigawarp {
namespace {

using test::finished_run;
using State = ui::Results::State;

class ResultsWindow : public test::WindowTest {
 protected:
  void open_run() {
    workspace().open({finished_run()});
    ASSERT_TRUE(wait_until([&] { return window->results().state() == State::ready; }, 60000))
        << window->results().problem().toStdString();
    ASSERT_TRUE(wait_drawn());
  }
};

TEST_F(ResultsWindow, aFolderOfResultsOpensWithItsImagesWarpAndFigures) {
  open_run();
  EXPECT_TRUE(workspace().layers().is_ready(LayerRole::fixed));
  EXPECT_TRUE(workspace().layers().is_ready(LayerRole::moving));
  EXPECT_EQ(workspace().warp_source(), ui::WarpSource::result);
  const auto& report = window->results().judgement()->assessment.report;
  EXPECT_GT(report.after->ncc, report.before->ncc);
  ASSERT_TRUE(report.overlap);
  EXPECT_EQ(find<QTableView>("overlap_table")->model()->rowCount(),
            static_cast<int>(report.overlap->labels.size()));
  EXPECT_EQ(find<QTableView>("landmark_table")->model()->rowCount(),
            static_cast<int>(report.landmarks->landmarks.size()));
  EXPECT_LT(report.landmarks->after.mean_mm, report.landmarks->before.mean_mm);
}

TEST_F(ResultsWindow, theWarpedImageIsDrawnAsTheProgramWroteIt) {
  open_run();
  window->results()
      .forget();  // as opening another image will: panels, and so views, keep their size
  ui::SliceView* axial = view("view_axial");
  axial->setFocus();
  for (const LayerRole role : {LayerRole::fixed_labels, LayerRole::moving_labels})
    workspace().close_layer(role);
  QTest::keyClick(axial, Qt::Key_BracketRight);  // towards the warped image alone
  for (int i = 0; i < 4; ++i) QTest::keyClick(axial, Qt::Key_BracketRight);
  ASSERT_TRUE(wait_drawn());
  const QImage on_the_fly = axial->picture();
  workspace().set_warp(ui::WarpSource::header, nullptr);
  ASSERT_TRUE(wait_drawn());
  const QImage unwarped = axial->picture();
  const render::Window window_before = workspace().layers().layer(LayerRole::moving).window;
  workspace().open_as(LayerRole::moving, finished_run() + "/warped.nii.gz");
  ASSERT_TRUE(wait_until([&] {
    return workspace().layers().is_ready(LayerRole::moving) &&
           workspace().layers().layer(LayerRole::moving).path.endsWith("warped.nii.gz");
  }));
  workspace().set_warp(ui::WarpSource::header, nullptr);
  workspace().set_window(LayerRole::moving, window_before);
  ASSERT_TRUE(wait_drawn());
  // The file was interpolated once more, on voxels: that blurs, and no more.
  EXPECT_LT(difference(on_the_fly, axial->picture()), 5);
  EXPECT_GT(difference(on_the_fly, unwarped), 12);
}

TEST_F(ResultsWindow, keysShowJacobianGridAndTheNextWorstPlace) {
  open_run();
  ui::SliceView* axial = view("view_axial");
  axial->setFocus();
  const QImage plain = axial->picture();
  QTest::keyClick(axial, Qt::Key_J);
  ASSERT_TRUE(wait_drawn());
  const QImage jacobian = axial->picture();
  EXPECT_GT(difference(plain, jacobian), 0.3);  // the warp is gentle, and so are its colours
  QTest::keyClick(axial, Qt::Key_J);
  QTest::keyClick(axial, Qt::Key_G);
  ASSERT_TRUE(wait_drawn());
  EXPECT_GT(difference(plain, axial->picture()), 1);
  QTest::keyClick(axial, Qt::Key_G);
  QTest::keyClick(axial, Qt::Key_D);
  ASSERT_TRUE(wait_drawn());
  EXPECT_GT(difference(plain, axial->picture()), 0.5);
  QTest::keyClick(axial, Qt::Key_D);
  QTest::keyClick(axial, Qt::Key_I);
  ASSERT_TRUE(wait_drawn());
  EXPECT_EQ(workspace().display().map, ui::MapChoice::inverse_error);
  EXPECT_GT(difference(plain, axial->picture()), 5);
  QTest::keyClick(axial, Qt::Key_I);
  const auto& worst = window->results().judgement()->worst;
  ASSERT_GT(worst.size(), 3U);
  for (std::size_t i = 0; i <= worst.size(); ++i) {
    QTest::keyClick(axial, Qt::Key_N);
    EXPECT_EQ(workspace().view().cursor_mm, worst[i % worst.size()].position_mm);
  }
  EXPECT_TRUE(find<QLabel>("worst_text")->text().startsWith("1 of "));
}

TEST_F(ResultsWindow, theHistogramOfDetJCountsWhatTheFiguresCount) {
  open_run();
  const auto judgement = window->results().judgement();
  const auto& figures = *judgement->assessment.report.jacobian;
  EXPECT_EQ(judgement->jacobian_histogram.folds, figures.folds);
  EXPECT_EQ(judgement->jacobian_histogram.voxels, figures.voxels);
  auto* chart = find<ui::JacobianHistogramView>("jacobian_histogram");
  EXPECT_TRUE(chart->accessibleDescription().startsWith(QString::number(figures.folds)));
  const QImage drawn = chart->grab().toImage();
  int orange = 0, blue = 0;
  for (int r = 0; r < drawn.height(); ++r)
    for (int c = 0; c < drawn.width(); ++c) {
      orange += test::colour_distance(drawn.pixel(c, r), qRgb(226, 120, 30)) < 10;
      blue += test::colour_distance(drawn.pixel(c, r), qRgb(66, 146, 222)) < 10;
    }
  EXPECT_GT(orange, 300);
  EXPECT_GT(blue, 300);
}

TEST_F(ResultsWindow, theJointHistogramFollowsTheWarp) {
  open_run();
  auto* chart = find<ui::JointHistogramView>("joint_histogram");
  const auto information = [&] {
    return chart->accessibleDescription().section(' ', -1).toDouble();
  };
  ASSERT_TRUE(wait_until([&] { return information() > 0; }));
  const double warped = information();
  workspace().set_warp(ui::WarpSource::header, nullptr);
  EXPECT_TRUE(wait_until([&] { return information() < 0.9 * warped; }));
}

TEST_F(ResultsWindow, theReportIsOnePageWithFiguresTablesAndPicture) {
  open_run();
  const test::TemporaryFolder folder;
  const QString path = test::path_in(folder.path(), "report.html");
  find<ui::ResultsPanel>("results_panel")->write_report(path);
  ASSERT_TRUE(wait_until([&] { return QFile::exists(path); }, 60000));
  QFile file(path);
  ASSERT_TRUE(file.open(QIODevice::ReadOnly));
  const QString html = QString::fromUtf8(file.readAll());
  EXPECT_TRUE(html.contains("Dice"));
  EXPECT_TRUE(html.contains("HD95"));
  EXPECT_TRUE(html.contains("Folds"));
  EXPECT_FALSE(html.contains("src=\"http"));
  const qsizetype start = html.indexOf("base64,") + 7;
  const QImage sheet = QImage::fromData(
      QByteArray::fromBase64(html.mid(start, html.indexOf('"', start) - start).toLatin1()));
  EXPECT_GT(sheet.width(), 500);
}

TEST_F(ResultsWindow, aViewIsExportedAsAPicture) {
  load_pair();
  const test::TemporaryFolder folder;
  const QString path = test::path_in(folder.path(), "view.png");
  QTest::keyClick(window.get(), Qt::Key_P, Qt::ControlModifier);
  auto* dialog = find<QFileDialog>("export_view_dialog");
  ASSERT_NE(dialog, nullptr);
  Q_EMIT dialog->fileSelected(path);
  const QImage picture(path);
  EXPECT_EQ(picture.size(), window->views().active()->size());
  EXPECT_GT(test::drawn_pixels(picture), 2000);
  dialog->reject();
}

TEST_F(ResultsWindow, theMapFadesByItsSlider) {
  open_run();
  ui::SliceView* axial = view("view_axial");
  axial->setFocus();
  auto* box = find<QGroupBox>("map_box");
  EXPECT_FALSE(box->isVisible());
  QTest::keyClick(axial, Qt::Key_K);
  ASSERT_TRUE(wait_drawn());
  EXPECT_TRUE(box->isVisible());
  const QImage shown = axial->picture();
  auto* slider = find<QSlider>("map_opacity");
  EXPECT_EQ(slider->value(), 70);
  const int steps = workspace().undo_stack().index();
  QTest::keyClick(slider, Qt::Key_Home);
  EXPECT_EQ(workspace().display().map_opacity, 0);
  EXPECT_EQ(workspace().undo_stack().index(), steps + 1);
  ASSERT_TRUE(wait_drawn());
  const QImage faded = axial->picture();
  EXPECT_GT(difference(shown, faded), 3);
  QTest::keyClick(axial, Qt::Key_K);
  EXPECT_FALSE(box->isVisible());
  ASSERT_TRUE(wait_drawn());
  EXPECT_EQ(faded, axial->picture()) << "nothing of the map was left";
  workspace().undo_stack().undo();
  workspace().undo_stack().undo();
  EXPECT_EQ(slider->value(), 70);
}

/// The job of a run names its files in full.
TEST_F(ResultsWindow, thoseOfASessionAreShownWithItsImagesWhereTheFolderWasMoved) {
  namespace fs = std::filesystem;
  const test::TemporaryFolder folder;
  const fs::path first = folder.path() / "first", second = folder.path() / "second";
  const QString inputs = QFileInfo(small_pair().path("fixed.nii.gz")).absolutePath();
  fs::copy(inputs.toStdString(), first, fs::copy_options::recursive);
  fs::copy(finished_run().toStdString(), first / "run", fs::copy_options::recursive);
  QFile job(test::path_in(first / "run", "job.json"));
  ASSERT_TRUE(job.open(QIODevice::ReadWrite));
  const QByteArray text = job.readAll().replace(inputs.toUtf8(), first.string().c_str());
  job.resize(0);
  job.write(text);
  job.close();
  const auto wait_measured = [&] {
    return wait_until([&] {
      const State state = window->results().state();
      return state == State::ready || state == State::failed;
    });
  };
  workspace().open({test::path_in(first, "run")});
  ASSERT_TRUE(wait_measured());
  ASSERT_EQ(window->results().state(), State::ready) << window->results().problem().toStdString();
  bool saved = false;
  QObject::connect(&window->session(), &ui::Session::saved, window.get(), [&] { saved = true; });
  window->session().save(test::path_in(first, "work.gigawarp"));
  ASSERT_TRUE(wait_until([&] { return saved; }));
  fs::rename(first, second);
  new_window();
  workspace().open({test::path_in(second, "work.gigawarp")});
  ASSERT_TRUE(wait_measured());
  EXPECT_EQ(window->results().state(), State::ready) << window->results().problem().toStdString();
  for (const LayerRole role : {LayerRole::fixed, LayerRole::moving, LayerRole::fixed_labels})
    EXPECT_TRUE(
        workspace().layers().layer(role).path.startsWith(QString::fromStdString(second.string())))
        << workspace().layers().layer(role).path.toStdString();
  EXPECT_EQ(workspace().warp_source(), ui::WarpSource::result);
}

TEST_F(ResultsWindow, aFolderWithoutARunIsToldInWords) {
  const test::TemporaryFolder folder;
  window->results().open(QString::fromStdString(folder.path().string()));
  ASSERT_TRUE(wait_until([&] { return window->results().state() == State::failed; }));
  EXPECT_TRUE(find<QLabel>("results_state")->text().contains("job.json"));
}

TEST(ResultTables, behaveAsModelsShould) {
  ui::OverlapModel overlap;
  ui::LandmarkModel landmarks;
  const QAbstractItemModelTester a(&overlap, QAbstractItemModelTester::FailureReportingMode::Fatal);
  const QAbstractItemModelTester b(&landmarks,
                                   QAbstractItemModelTester::FailureReportingMode::Fatal);
  qc::OverlapSummary summary;
  summary.labels.push_back({3, 10, 12, 9, 0.818, -1});
  overlap.set(summary);
  EXPECT_EQ(overlap.index(0, 1).data().toString(), "0.818");
  EXPECT_EQ(overlap.index(0, 2).data().toString(), "–");
  qc::LandmarkErrors errors;
  errors.landmarks.push_back({"AC", 5, std::nan("")});
  landmarks.set(errors);
  EXPECT_EQ(landmarks.index(0, 2).data().toString(), "–");
  landmarks.set(std::nullopt);
  EXPECT_EQ(landmarks.rowCount(), 0);
}

}  // namespace
}  // namespace gigawarp
