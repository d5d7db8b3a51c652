#include <QClipboard>
#include <QComboBox>
#include <QDir>
#include <QPlainTextEdit>
#include <csignal>
#include <filesystem>

#include "ui/views/loss_curve.h"
#include "ui/watchdog.h"
#include "ui/window_fixture.h"

namespace gigawarp {
namespace {

using State = ui::RunController::State;

class Run : public test::WindowTest {
 protected:
  void SetUp() override {
    test::WindowTest::SetUp();
    load_pair();
    out_ = test::path_in(folder_.path(), "out");
    JobSpec common = window->jobs().common();
    common.output_directory = out_.toStdString();
    window->jobs().set_common(common);
  }
  /// A deformable stage alone that goes on for `iterations`, whatever it reaches.
  void long_job(int iterations) {
    JobSpec job = job_from_preset("brain-t1");
    job.stages = {job.stages.front(), job.stages.back()};
    job.stages.front().levels = {{4, 5}};
    job.stages.back().levels = {{2, iterations}, {1, 3}};
    job.stages.back().convergence_slope = 0;
    job.output_directory = out_.toStdString();
    window->jobs().take(job);
  }
  /// Looks on as another program's run tells these lines of events.jsonl and ends; what is logged.
  QStringList watch(const QByteArray& lines) {
    QFile events(test::path_in(watched_.path(), "events.jsonl"));
    EXPECT_TRUE(events.open(QIODevice::WriteOnly | QIODevice::Truncate));
    events.write(lines);
    events.close();
    QStringList logged;
    const QMetaObject::Connection listening =
        QObject::connect(&window->run(), &ui::RunController::logged, window.get(),
                         [&](const QString& line) { logged << line; });
    window->run().watch(QString::fromStdString(watched_.path().string()));
    EXPECT_TRUE(wait_until([&] { return !window->run().is_watching(); }));
    QObject::disconnect(listening);
    return logged;
  }
  bool press_start() {
    auto* start = find<QPushButton>("start_button");
    if (!wait_until([&] { return start->isEnabled(); })) return false;
    QTest::mouseClick(start, Qt::LeftButton);
    return true;
  }
  bool wait_state(State state, int milliseconds = 120000) {
    return wait_until([&] { return window->run().state() == state; }, milliseconds);
  }
  bool wait_iteration(int levels, int iteration) {
    return wait_until(
        [&] {
          const auto& curves = window->run().curves();
          return static_cast<int>(curves.size()) >= levels &&
                 static_cast<int>(curves.back().losses.size()) >= iteration;
        },
        60000);
  }
  test::TemporaryFolder folder_, watched_;
  QString out_;
};

TEST_F(Run, theViewsShowTheWarpWhileItIsFoundAndTheLossFalls) {
  long_job(600);
  QTest::keyClick(view("view_axial"), Qt::Key_6);
  ASSERT_TRUE(wait_drawn());
  const QImage before = view("view_axial")->picture();
  int previews = 0;
  QObject::connect(&window->run(), &ui::RunController::preview, window.get(), [&] { ++previews; });
  ASSERT_TRUE(press_start());
  ASSERT_TRUE(wait_until([&] { return previews >= 2; }, 60000));
  EXPECT_EQ(workspace().warp_source(), ui::WarpSource::preview);
  ASSERT_TRUE(wait_until([&] { return difference(before, view("view_axial")->picture()) > 0.3; }));
  ASSERT_TRUE(wait_state(State::finished)) << window->run().verdict().toStdString();
  const auto& curve = window->run().curves().at(1);
  EXPECT_EQ(curve.losses.size(), 600U);
  EXPECT_LT(curve.losses.back(), curve.losses.front());
  EXPECT_GT(find<QPlainTextEdit>("run_log")->blockCount(), 5);
  EXPECT_GT(drawn_pixels(find<ui::LossCurveView>("loss_curve")->grab().toImage()), 1000);
  EXPECT_TRUE(QFileInfo::exists(out_ + "/1Warp.nii.gz"));
}

TEST_F(Run, itPausesGoesOnAndCancelsWithACheckpointFromWhichItResumes) {
  long_job(150);
  ASSERT_TRUE(press_start());
  ASSERT_TRUE(wait_iteration(2, 5));
  QTest::mouseClick(find<QPushButton>("pause_button"), Qt::LeftButton);
  ASSERT_TRUE(wait_state(State::paused, 5000));
  const std::size_t at_pause = window->run().curves().back().losses.size();
  QTest::qWait(300);
  EXPECT_LE(window->run().curves().back().losses.size(), at_pause + 1);
  QTest::mouseClick(find<QPushButton>("pause_button"), Qt::LeftButton);
  ASSERT_TRUE(wait_state(State::running, 5000));
  ASSERT_TRUE(wait_iteration(2, static_cast<int>(at_pause) + 5));
  QTest::keyClick(window.get(), Qt::Key_F7);
  ASSERT_TRUE(wait_state(State::cancelled, 20000));
  EXPECT_TRUE(window->run().can_resume());
  auto* resume = find<QPushButton>("resume_button");
  ASSERT_TRUE(resume->isVisible());
  QTest::mouseClick(resume, Qt::LeftButton);
  ASSERT_TRUE(wait_state(State::finished)) << window->run().verdict().toStdString();
  EXPECT_TRUE(QFileInfo::exists(out_ + "/result.json"));
}

TEST_F(Run, aKilledRunIsToldInWordsAndGoesOnFromItsCheckpoint) {
  long_job(150);
  ASSERT_TRUE(press_start());
  ASSERT_TRUE(wait_iteration(2, 5));
  window->run().checkpoint();
  ASSERT_TRUE(wait_until([&] { return QFileInfo::exists(out_ + "/checkpoint/header.json"); }));
  kill(static_cast<pid_t>(window->run().process_id()), SIGKILL);
  ASSERT_TRUE(wait_state(State::crashed, 10000));
  EXPECT_TRUE(find<QLabel>("run_state")->text().contains("killed"));
  EXPECT_TRUE(find<QLabel>("run_state")->text().contains("checkpoint"));
  EXPECT_TRUE(window->isEnabled());
  QTest::mouseClick(find<QPushButton>("resume_button"), Qt::LeftButton);
  ASSERT_TRUE(wait_state(State::finished)) << window->run().verdict().toStdString();
}

TEST_F(Run, aRunThatCannotBeginSaysWhy) {
  JobSpec common = window->jobs().common();
  common.output_directory = "/proc/nowhere";
  window->jobs().set_common(common);
  auto* plan = find<QLabel>("plan");
  if (press_start()) {
    ASSERT_TRUE(wait_state(State::failed, 20000));
    EXPECT_TRUE(window->run().verdict().contains("/proc")) << window->run().verdict().toStdString();
  } else {
    EXPECT_TRUE(plan->text().contains("/proc")) << plan->text().toStdString();
  }
}

TEST_F(Run, thePlanIsShownBeforeTheStart) {
  auto* plan = find<QLabel>("plan");
  ASSERT_TRUE(wait_until([&] { return plan->text().contains("Memory"); }));
  EXPECT_TRUE(plan->text().contains("Time"));
  workspace().close_layer(LayerRole::moving);
  ASSERT_TRUE(wait_until([&] { return plan->text().contains("Open a fixed and a moving"); }));
  EXPECT_FALSE(find<QPushButton>("start_button")->isEnabled());
}

TEST_F(Run, theCopiedCommandNamesThePairAndThePreset) {
  auto* preset = find<QComboBox>("preset");
  preset->setCurrentText("fast");
  Q_EMIT preset->activated(preset->currentIndex());
  QTest::mouseClick(find<QPushButton>("copy_command"), Qt::LeftButton);
  const QString command = QGuiApplication::clipboard()->text();
  EXPECT_TRUE(command.startsWith("gigawarp register --fixed ")) << command.toStdString();
  EXPECT_TRUE(command.contains("--preset fast"));
  EXPECT_TRUE(command.contains(small_pair().path("moving.nii.gz")));
  EXPECT_TRUE(command.contains("--out " + out_));
}

TEST_F(Run, theAlignmentByHandIsTheStartOfTheRun) {
  Affine shift;
  shift.offset = {3, 0, 0};
  workspace().set_alignment(shift);
  auto* start_from = find<QComboBox>("start_from");
  start_from->setCurrentIndex(start_from->count() - 1);
  Q_EMIT start_from->activated(start_from->currentIndex());
  long_job(3);
  start_from->setCurrentIndex(start_from->count() - 1);
  Q_EMIT start_from->activated(start_from->currentIndex());
  ASSERT_TRUE(press_start());
  ASSERT_TRUE(wait_state(State::finished)) << window->run().verdict().toStdString();
  EXPECT_TRUE(QFileInfo::exists(out_ + "_start.mat"));
}

TEST_F(Run, aPairWhoseSizesDoNotGoTogetherIsAskedAboutBeforeTheStart) {
  long_job(2);
  // The moving image as if its voxel size had been given in other units.
  ui::Layer moving = workspace().layers().layer(LayerRole::moving);
  auto larger = std::make_shared<Volume>(reordered(*moving.volume, AxisOrder{}));
  Grid grid = larger->grid();
  for (auto& row : grid.world_from_voxel.linear)
    for (double& v : row) v *= 10;
  larger->set_grid(grid);
  moving.volume = larger;
  workspace().layers().set_layer(LayerRole::moving, moving);
  EXPECT_TRUE(find<QLabel>("gate")->text().contains("voxel size wrong"));
  ASSERT_TRUE(press_start());
  EXPECT_EQ(window->run().state(), State::idle);
  auto* question = find<QMessageBox>("gate_question");
  ASSERT_NE(question, nullptr);
  press_accept(question);
  EXPECT_NE(window->run().state(), State::idle);
  ASSERT_TRUE(wait_until([&] { return !window->run().is_active(); }, 120000));
}

TEST_F(Run, closingTheWindowAsksAndStopsTheRunWithACheckpoint) {
  long_job(400);
  ASSERT_TRUE(press_start());
  ASSERT_TRUE(wait_iteration(2, 3));
  window->close();
  auto* question = find<QMessageBox>("close_question");
  ASSERT_NE(question, nullptr);
  EXPECT_TRUE(window->isVisible());
  press_accept(question);
  ASSERT_TRUE(wait_until([&] { return !window->isVisible(); }, 20000));
  EXPECT_TRUE(QFileInfo::exists(out_ + "/checkpoint/header.json"));
}

TEST_F(Run, whatIsDoneWhileAStoppedRunEndsIsAskedAbout) {
  long_job(400);
  ASSERT_TRUE(press_start());
  ASSERT_TRUE(wait_iteration(2, 3));
  window->close();
  auto* question = find<QMessageBox>("close_question");
  ASSERT_NE(question, nullptr);
  press_accept(question);
  ASSERT_TRUE(window->run().is_active());
  workspace().drop_landmark();
  ASSERT_TRUE(wait_until([&] { return !window->run().is_active(); }));
  EXPECT_TRUE(window->isVisible());
  auto* work = find<QMessageBox>("work_question");
  ASSERT_NE(work, nullptr);
  QTest::mouseClick(work->button(QMessageBox::Cancel), Qt::LeftButton);
  QTest::qWait(0);
  window->run().resume_folder(out_);  // ends, and closes nothing any more
  ASSERT_TRUE(wait_until([&] { return window->run().is_active(); }));
  window->run().cancel();
  ASSERT_TRUE(wait_until([&] { return !window->run().is_active(); }));
  EXPECT_TRUE(window->isVisible());
  EXPECT_EQ(find<QMessageBox>("work_question"), nullptr);
}

TEST_F(Run, stoppingARunThatEndedWhileTheQuestionStoodClosesTheWindow) {
  long_job(3);
  ASSERT_TRUE(press_start());
  ASSERT_TRUE(wait_state(State::running));
  window->close();
  auto* question = find<QMessageBox>("close_question");
  ASSERT_NE(question, nullptr);
  ASSERT_TRUE(wait_state(State::finished));
  press_accept(question);
  EXPECT_TRUE(wait_until([&] { return !window->isVisible(); }, 5000));
}

TEST_F(Run, whoOpensAnotherPairMeanwhileKeepsItWithoutTheWarpOfTheRun) {
  const test::PhantomFiles others(32);
  long_job(1000);
  ASSERT_TRUE(press_start());
  int previews = 0;
  QObject::connect(&window->run(), &ui::RunController::preview, window.get(), [&] { ++previews; });
  ASSERT_TRUE(wait_until([&] { return previews >= 1; }));
  EXPECT_EQ(workspace().warp_source(), ui::WarpSource::preview);
  workspace().open_as(LayerRole::fixed, others.path("fixed.nii.gz"));
  workspace().open_as(LayerRole::moving, others.path("moving.nii.gz"));
  ASSERT_TRUE(wait_loaded({LayerRole::fixed, LayerRole::moving}));
  EXPECT_EQ(workspace().warp_source(), ui::WarpSource::header);
  const int before = previews;
  ASSERT_TRUE(wait_until([&] { return previews > before + 1; }));
  EXPECT_EQ(workspace().warp_source(), ui::WarpSource::header);
  workspace().drop_landmark();
  const auto told = messages();
  ASSERT_TRUE(wait_state(State::finished)) << window->run().verdict().toStdString();
  QTest::qWait(300);
  EXPECT_EQ(workspace().layers().layer(LayerRole::fixed).path, others.path("fixed.nii.gz"));
  EXPECT_EQ(workspace().landmarks()[0].size(), 1U);
  EXPECT_EQ(window->results().state(), ui::Results::State::none);
  EXPECT_TRUE(told->join(' ').contains(out_)) << told->join('\n').toStdString();
}

TEST_F(Run, aRunThatIsLetGoIsWatchedAgainAndEndsByItself) {
  long_job(250);
  ASSERT_TRUE(press_start());
  ASSERT_TRUE(wait_iteration(2, 3));
  EXPECT_TRUE(find<QPlainTextEdit>("run_log")->toPlainText().contains(
      "the same again:  gigawarp register --job " + out_ + "/job.json"));
  window->close();
  auto* let_go = find<QPushButton>("let_go_button");
  ASSERT_NE(let_go, nullptr);
  QTest::mouseClick(let_go, Qt::LeftButton);
  ASSERT_TRUE(wait_until([&] { return !window->isVisible(); }));
  new_window();
  EXPECT_FALSE(QFileInfo::exists(out_ + "/result.json"));
  workspace().open({out_});
  EXPECT_TRUE(window->run().is_watching());
  ASSERT_TRUE(wait_until([&] { return !window->run().is_watching(); }, 400000));
  EXPECT_EQ(window->run().state(), State::finished) << window->run().verdict().toStdString();
  EXPECT_TRUE(QFileInfo::exists(out_ + "/result.json"));
}

TEST_F(Run, aFolderOfAStoppedRunIsOpenedByGoingOn) {
  long_job(120);
  ASSERT_TRUE(press_start());
  ASSERT_TRUE(wait_iteration(2, 3));
  window->run().cancel();
  ASSERT_TRUE(wait_state(State::cancelled, 20000));
  workspace().open({out_});
  auto* question = find<QMessageBox>("unfinished_question");
  ASSERT_NE(question, nullptr);
  press_accept(question);
  ASSERT_TRUE(wait_state(State::finished)) << window->run().verdict().toStdString();
  ASSERT_TRUE(wait_until([&] { return window->results().state() == ui::Results::State::ready; }));
}

/// As a run on GPUs tells it, which this machine need not have.
TEST_F(Run, theMemoryOfEachGpuIsShownBesideThatOfTheHost) {
  const auto* numbers = find<QLabel>("run_numbers");
  const QByteArray start =
      R"({"event":"run_started","elapsed_s":0,"fraction":0,"memory_bytes":9437184})"
      "\n";
  watch(start);
  EXPECT_TRUE(numbers->text().contains("9 MiB in memory")) << numbers->text().toStdString();
  EXPECT_FALSE(numbers->text().contains("GPU"));
  watch(start +
        R"({"event":"iteration","elapsed_s":1,"fraction":0.1,"device_peak_bytes":[3221225472]})"
        "\n"
        R"({"event":"checkpoint_written","elapsed_s":2,"fraction":0.1,"memory_bytes":9437184})"
        "\n");
  EXPECT_TRUE(numbers->text().contains("3.0 GiB on the GPU")) << numbers->text().toStdString();
  watch(
      start +
      R"({"event":"iteration","elapsed_s":1,"fraction":0.1,"device_peak_bytes":[3221225472,1073741824]})"
      "\n");
  EXPECT_TRUE(numbers->text().contains("3.0 GiB, 1.0 GiB on the GPUs"))
      << numbers->text().toStdString();
}

TEST_F(Run, whatIsWrittenIsShownWithItsShareAndNotLoggedEverySecond) {
  const QStringList logged = watch(R"({"event":"run_started","elapsed_s":0,"fraction":0}
{"event":"level_started","stage":"greedy","level":3,"levels":4,"shrink":1,"elapsed_s":1}
{"event":"stage_started","stage":"write","elapsed_s":2}
{"event":"message","stage":"write","text":"writing 1Warp.nii: 42 %","elapsed_s":3}
)");
  const QString numbers = find<QLabel>("run_numbers")->text();
  EXPECT_TRUE(numbers.startsWith("writing 1Warp.nii: 42 %")) << numbers.toStdString();
  EXPECT_TRUE(logged.contains(QStringLiteral("    2.0 s  Writing the results")))
      << logged.join('\n').toStdString();
  EXPECT_FALSE(logged.join(' ').contains("42 %")) << logged.join('\n').toStdString();
}

TEST_F(Run, theLogSpeaksInSentences) {
  const QStringList logged = watch(R"({"event":"run_started","text":"/out","elapsed_s":0}
{"event":"stage_finished","stage":"initialise","text":"started from: moments","elapsed_s":1}
{"event":"level_started","stage":"greedy","level":0,"levels":4,"shrink":8,"elapsed_s":1}
{"event":"level_finished","stage":"greedy","level":3,"levels":4,"shrink":1,"iteration":12,"iterations":20,"loss":-0.5,"folds_percent":0.25,"ns_per_voxel":1.5,"elapsed_s":2}
{"event":"stage_finished","stage":"greedy","elapsed_s":3}
{"event":"warning","stage":"plan","text":"It is slow.","elapsed_s":4}
)");
  const char* const level_end =
      "    2.0 s  Greedy, level 4 of 4 (full resolution) is done after 12 iterations: loss -0.5, "
      "folds 0.25 %, 1.50 ns per voxel and iteration";
  for (const char* line : {"    0.0 s  The run begins: /out",
                           "    1.0 s  The first alignment is found: started from: moments",
                           "    1.0 s  Greedy, level 1 of 4 (shrunk 8 times) begins", level_end,
                           "    3.0 s  Greedy is done", "    4.0 s  Warning: It is slow."})
    EXPECT_TRUE(logged.contains(QString::fromLatin1(line))) << line << " is not in\n"
                                                            << logged.join('\n').toStdString();
}

TEST_F(Run, theInterfaceIsNeverBlockedWhileARunGoesOn) {
  long_job(40);
  QApplication::processEvents();
  ASSERT_TRUE(wait_until([&] { return find<QPushButton>("start_button")->isEnabled(); }));
  test::Watchdog watchdog;
  ASSERT_TRUE(press_start());
  ASSERT_TRUE(wait_state(State::finished)) << window->run().verdict().toStdString();
  EXPECT_LT(watchdog.longest_ms, 50) << watchdog.calls();
  std::cout << watchdog.text() << "\n";
}

TEST(JobModel, behavesAsAModelShouldAndKeepsTheJob) {
  ui::JobModel model;
  const QAbstractItemModelTester tester(&model,
                                        QAbstractItemModelTester::FailureReportingMode::Fatal);
  for (const std::string& name : preset_names()) {
    model.set_preset(QString::fromStdString(name));
    EXPECT_FALSE(model.is_changed());
    ui::Workspace workspace;
    JobSpec job = model.job_for(workspace);
    const JobSpec preset = job_from_preset(name);
    EXPECT_EQ(job.stages.size(), preset.stages.size());
    JobSpec again = preset;
    again.preset = job.preset;
    EXPECT_EQ(to_json(job), to_json(again));
  }
  const int last = model.stage_count() - 1;
  EXPECT_FALSE(
      model.setData(model.index(last, ui::JobModel::levels_column), "1x5, 2x5", Qt::EditRole));
  EXPECT_TRUE(
      model.setData(model.index(last, ui::JobModel::levels_column), "4x7, 2×5", Qt::EditRole));
  EXPECT_EQ(model.stage(last).levels.size(), 2U);
  EXPECT_EQ(model.stage(last).levels.front().iterations, 7);
  EXPECT_TRUE(model.is_changed());
  EXPECT_TRUE(model.setData(model.index(last, 0), Qt::Unchecked, Qt::CheckStateRole));
  ui::Workspace workspace;
  EXPECT_EQ(static_cast<int>(model.job_for(workspace).stages.size()), last);
}

}  // namespace
}  // namespace gigawarp
