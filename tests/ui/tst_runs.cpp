#include <QTableView>
#include <filesystem>

#include "ui/finished_run.h"

namespace gigawarp {
namespace {

using test::finished_run;
using State = ui::RunController::State;

class Runs : public test::WindowTest {
 protected:
  void open_run(const QString& folder) {
    workspace().open({folder});
    ASSERT_TRUE(wait_until(
        [&] {
          return window->results().state() == ui::Results::State::ready &&
                 window->results().folder() == folder;
        },
        60000))
        << window->results().problem().toStdString();
  }
  bool has_figures(int row) {
    return wait_until([&] {
      return window->runs().rowCount() > row &&
             window->runs().runs()[static_cast<std::size_t>(row)].similarity.has_value();
    });
  }
};

/// The same pair by an affine stage alone: another warp.
const QString& other_run() {
  static const test::TemporaryFolder folder;
  static const QString out = [] {
    JobSpec job = job_from_preset("fast");
    std::erase_if(job.stages, [](const StageSpec& stage) {
      return stage.kind == StageKind::greedy || stage.kind == StageKind::syn;
    });
    job.fixed = {test::small_pair().path("fixed.nii.gz").toStdString()};
    job.moving = {test::small_pair().path("moving.nii.gz").toStdString()};
    const QString path = test::path_in(folder.path(), "affine_only"),
                  file = test::path_in(folder.path(), "job.json");
    QFile json(file);
    EXPECT_TRUE(json.open(QIODevice::WriteOnly));
    json.write(QByteArray::fromStdString(to_json(job)));
    json.close();
    QProcess process;
    test::start_program(process, {"register", "--job", file, "--out", path, "--progress", "none"});
    EXPECT_TRUE(process.waitForFinished(120000));
    EXPECT_EQ(process.exitCode(), 0) << process.readAllStandardError().toStdString();
    return path;
  }();
  return out;
}

TEST_F(Runs, openedRunsAreKeptWithTheirFigures) {
  open_run(other_run());
  open_run(finished_run());
  ASSERT_TRUE(has_figures(0));
  ASSERT_TRUE(has_figures(1));
  const auto& runs = window->runs().runs();
  EXPECT_EQ(runs[1].preset, "fast");
  EXPECT_GT(*runs[1].similarity, *runs[0].similarity);
  EXPECT_TRUE(runs[1].dice);
  EXPECT_FALSE(runs[0].dice);
  EXPECT_EQ(window->runs().shown(), finished_run());
  open_run(other_run());
  EXPECT_EQ(window->runs().rowCount(), 2);
  EXPECT_EQ(window->runs().shown(), other_run());
}

TEST_F(Runs, twoRunsAreFlippedAtTheSameSpotAndTheirDifferenceMapped) {
  open_run(other_run());
  open_run(finished_run());
  ASSERT_TRUE(wait_drawn());
  ui::SliceView* axial = view("view_axial");
  for (const LayerRole role : {LayerRole::fixed_labels, LayerRole::moving_labels})
    workspace().close_layer(role);
  ASSERT_TRUE(wait_drawn());
  const QImage shown = axial->picture();
  auto* panel = find<ui::RunsPanel>("runs_panel");
  panel->choose(0);
  panel->compare();
  ASSERT_TRUE(wait_until([&] { return window->runs().comparison().has_value(); }));
  const qc::Distances& apart = window->runs().comparison()->difference;
  EXPECT_GT(apart.mean_mm, 0.2);
  EXPECT_LT(apart.mean_mm, 30);
  EXPECT_TRUE(find<QLabel>("run_difference")->text().contains("affine_only"));
  axial->setFocus();
  QTest::keyClick(axial, Qt::Key_B);
  ASSERT_TRUE(workspace().other_warp_shown());
  ASSERT_TRUE(wait_drawn());
  EXPECT_GT(difference(shown, axial->picture()), 0.5);
  QTest::keyClick(axial, Qt::Key_B);
  ASSERT_TRUE(wait_drawn());
  EXPECT_LT(difference(shown, axial->picture()), 0.01);
  QTest::keyClick(axial, Qt::Key_D, Qt::ShiftModifier);
  ASSERT_TRUE(wait_drawn());
  EXPECT_EQ(workspace().display().map, ui::MapChoice::run_difference);
  EXPECT_GT(difference(shown, axial->picture()), 3);
  workspace().set_warp(ui::WarpSource::header, nullptr);
  EXPECT_FALSE(window->runs().comparison());
}

TEST_F(Runs, aRunOfATerminalIsWatchedToItsEnd) {
  const test::TemporaryFolder folder;
  const QString out = test::path_in(folder.path(), "elsewhere");
  // Long enough to be looked at.
  JobSpec job = job_from_preset("fast");
  job.stages.back().levels = {{1, 250}};
  job.stages.back().convergence_slope = 0;
  job.fixed = {test::small_pair().path("fixed.nii.gz").toStdString()};
  job.moving = {test::small_pair().path("moving.nii.gz").toStdString()};
  const QString file = test::path_in(folder.path(), "job.json");
  QFile json(file);
  ASSERT_TRUE(json.open(QIODevice::WriteOnly));
  json.write(QByteArray::fromStdString(to_json(job)));
  json.close();
  QProcess terminal;
  test::start_program(terminal, {"register", "--job", file, "--out", out, "--progress", "none"});
  ASSERT_TRUE(wait_until([&] { return QFile::exists(out + "/job.json"); }));
  workspace().open({out});
  ASSERT_TRUE(window->run().is_watching());
  ASSERT_TRUE(wait_loaded({LayerRole::fixed, LayerRole::moving}));  // of the run's own job
  ASSERT_TRUE(
      wait_until([&] { return workspace().warp_source() == ui::WarpSource::preview; }, 60000));
  EXPECT_NE(workspace().warp(), nullptr);
  EXPECT_TRUE(find<QLabel>("run_state")->text().contains("another program"));
  EXPECT_FALSE(find<QPushButton>("pause_button")->isEnabled());
  ASSERT_TRUE(wait_until([&] { return !window->run().curves().empty(); }, 60000));
  ASSERT_TRUE(wait_until([&] { return !window->run().is_watching(); }, 400000));
  EXPECT_EQ(window->run().state(), State::finished) << window->run().verdict().toStdString();
  ASSERT_TRUE(terminal.state() == QProcess::NotRunning || terminal.waitForFinished(60000));
  for (const char* name : {"/.preview", "/.watched"})
    EXPECT_FALSE(QFile::exists(out + name)) << name;
  ASSERT_TRUE(wait_until([&] { return window->results().folder() == out; }));
}

TEST_F(Runs, aWatchedRunThatIsKilledIsToldAndWatchingEndsOnAsking) {
  const test::TemporaryFolder folder;
  const QString out = test::path_in(folder.path(), "elsewhere");
  QProcess terminal;
  test::start_program(terminal, test::register_arguments(out));
  ASSERT_TRUE(wait_until([&] { return QFile::exists(out + "/job.json"); }));
  workspace().open({out});
  ASSERT_TRUE(window->run().is_watching());
  QTest::mouseClick(find<QPushButton>("cancel_button"), Qt::LeftButton);
  EXPECT_EQ(window->run().state(), State::idle);
  EXPECT_EQ(terminal.state(), QProcess::Running);  // not ours to stop
  workspace().open({out});
  ASSERT_TRUE(window->run().is_watching());
  terminal.kill();
  ASSERT_TRUE(wait_until([&] { return window->run().state() == State::crashed; }));
  EXPECT_TRUE(find<QLabel>("run_state")->text().contains("without results"));
}

TEST(RunListModel, behavesAsAModelShould) {
  ui::Workspace workspace;
  ui::RunList runs(workspace);
  const QAbstractItemModelTester tester(&runs,
                                        QAbstractItemModelTester::FailureReportingMode::Fatal);
  runs.note("/a/first", "fast", "running");
  runs.note("/a/second", "", "no results");
  runs.note("/a/first", "", "no results");
  EXPECT_EQ(runs.rowCount(), 2);
  EXPECT_EQ(runs.index(0, ui::RunList::preset_column).data().toString(), "fast");
  EXPECT_EQ(runs.index(0, ui::RunList::similarity_column).data().toString(), "no results");
  runs.set_shown("/a/second");
  EXPECT_TRUE(runs.index(1, 0).data(Qt::FontRole).value<QFont>().bold());
}

}  // namespace
}  // namespace gigawarp
