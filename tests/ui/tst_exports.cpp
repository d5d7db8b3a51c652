#include <QMenu>
#include <QMenuBar>
#include <QPlainTextEdit>
#include <QProgressBar>
#include <set>

#include "io/transform_io.h"
#include "ui/finished_run.h"
#include "ui/models/landmark_pairs.h"
#include "ui/views/landmark_panel.h"

// Files that the window writes, read back; and their commands in the log.
namespace gigawarp {
namespace {

using test::finished_run;
using What = ui::Exporter::What;

Volume read(const QString& path) { return io::read_image(path.toStdString()); }

class Exports : public test::WindowTest {
 protected:
  void open_run() {
    workspace().open({finished_run()});
    ASSERT_TRUE(
        wait_until([&] { return window->results().state() == ui::Results::State::ready; }, 60000))
        << window->results().problem().toStdString();
  }
  QString file(const char* name) const { return test::path_in(folder_.path(), name); }
  QString log() { return find<QPlainTextEdit>("run_log")->toPlainText(); }
  /// By the menu's command and its dialog, as a person does.
  void export_by(const char* command, const QString& path) {
    const QSignalSpy written(&window->exporter(), &ui::Exporter::written),
        failed(&window->exporter(), &ui::Exporter::failed);
    ASSERT_TRUE(window->actions_table()[command]->isEnabled()) << command;
    window->actions_table()[command]->trigger();
    auto* dialog = find<QFileDialog>("export_dialog");
    ASSERT_NE(dialog, nullptr);
    Q_EMIT dialog->fileSelected(path);
    dialog->reject();
    ASSERT_TRUE(wait_until([&] { return written.count() + failed.count() > 0; }, 60000));
    ASSERT_EQ(failed.count(), 0) << failed.first().first().toString().toStdString();
    ASSERT_TRUE(wait_until([&] { return find<QFileDialog>("export_dialog") == nullptr; }));
  }
  /// The last command of the log, given again, with another name to write to.
  void repeat(const QString& path, const QString& again) {
    QString command = log().mid(log().lastIndexOf("gigawarp ")).section('\n', 0, 0);
    ASSERT_TRUE(command.contains(path)) << command.toStdString();
    command.replace("--out " + path, "--out " + again);
    command.replace(0, QString("gigawarp").size(), "\"$GIGAWARP\"");
    QProcess process;
    process.start("sh", {"-c", command});
    ASSERT_TRUE(process.waitForFinished(60000));
    ASSERT_EQ(process.exitCode(), 0) << process.readAllStandardError().toStdString();
  }
  test::TemporaryFolder folder_;
};

double largest_difference(const Volume& a, const Volume& b) {
  EXPECT_EQ(a.grid(), b.grid());
  double most = 0;
  const Size3& n = a.grid().size;
  for (std::int64_t z = 0; z < n[2]; ++z)
    for (std::int64_t y = 0; y < n[1]; ++y)
      for (std::int64_t x = 0; x < n[0]; ++x)
        most = std::max(most, std::abs(a.value(x, y, z) - b.value(x, y, z)));
  return most;
}

TEST_F(Exports, sayWhatAFormatDoesNotHold) {
  open_run();
  const auto said = messages();
  export_by("export_image", file("warped.tif"));
  ASSERT_FALSE(said->isEmpty());
  EXPECT_TRUE(said->last().startsWith("Written to ")) << said->last().toStdString();
  EXPECT_TRUE(said->last().contains("TIFF does not hold the ")) << said->last().toStdString();
  export_by("export_image", file("warped.nrrd"));
  EXPECT_FALSE(said->last().contains("does not hold")) << said->last().toStdString();
}

TEST_F(Exports, theWarpedImageIsWhatTheRunWroteAndTheCommandOfTheLogDoesItAgain) {
  open_run();
  export_by("export_image", file("warped.nii.gz"));
  const Volume written = read(file("warped.nii.gz"));
  // The run warped by what it had in memory, which its file rounds: one step of an integer voxel.
  EXPECT_LE(largest_difference(written, read(finished_run() + "/warped.nii.gz")), 1);
  ASSERT_TRUE(log().contains("by hand  gigawarp apply --transform")) << log().toStdString();
  repeat(file("warped.nii.gz"), file("again.nii.gz"));
  EXPECT_EQ(largest_difference(written, read(file("again.nii.gz"))), 0);
}

TEST_F(Exports, warpedLabelsHoldTheLabelsAndNothingBetween) {
  open_run();
  export_by("export_labels", file("labels.nii.gz"));
  const Volume labels = read(file("labels.nii.gz"));
  EXPECT_EQ(largest_difference(labels, read(finished_run() + "/warped_labels.nii.gz")), 0);
  const Volume source = read(small_pair().path("moving_labels.nii.gz"));
  std::set<double> known, found;
  const Size3& n = labels.grid().size;
  for (std::int64_t z = 0; z < n[2]; ++z)
    for (std::int64_t y = 0; y < n[1]; ++y)
      for (std::int64_t x = 0; x < n[0]; ++x) {
        known.insert(source.value(x, y, z));
        found.insert(labels.value(x, y, z));
      }
  EXPECT_GT(found.size(), 2U);
  for (const double label : found) EXPECT_TRUE(known.contains(label)) << label;
}

TEST_F(Exports, everyKindOfTransformFileMapsPointsAsTheViewsDo) {
  open_run();
  export_by("export_transform", file("total.h5"));
  export_by("export_transform", file("total.nii.gz"));
  const std::shared_ptr<const Transform> shown = workspace().warp();
  for (const char* name : {"total.h5", "total.nii.gz"}) {
    const Transform back = io::read_transform(file(name).toStdString());
    const Grid& grid = *workspace().reference();
    int moved = 0;
    for (std::int64_t i = 8; i < 40; i += 8) {
      const Vec3 point =
          grid.world_from_voxel({static_cast<double>(i), 44.0 - static_cast<double>(i) / 2, 24});
      const auto expected = (*shown)(point), got = back(point);
      ASSERT_TRUE(expected && got) << name;
      for (std::size_t a = 0; a < 3; ++a) {
        EXPECT_NEAR((*got)[a], (*expected)[a], 1e-3) << name;
        moved += std::abs((*expected)[a] - point[a]) > 0.5;
      }
    }
    EXPECT_GT(moved, 0) << "the warp must lead somewhere";
  }
  EXPECT_TRUE(log().contains("by hand  gigawarp compose --transform"));
}

TEST_F(Exports, theAlignmentByHandIsExportedToo) {
  load_pair();
  Affine shift;
  shift.offset = {3, -2, 1};
  workspace().change_alignment(shift, "moved");
  export_by("export_transform", file("start.mat"));
  EXPECT_EQ(io::read_transform(file("start.mat").toStdString()).as_affine(), shift);
  export_by("export_image", file("moved image.nii.gz"));
  const Volume moved = read(file("moved image.nii.gz"));
  const Volume source = read(small_pair().path("moving.nii.gz"));
  const Grid& grid = moved.grid();
  const Vec3 there = source.grid().voxel_from_world()(shift(grid.world_from_voxel({24, 24, 24})));
  EXPECT_NEAR(moved.value(24, 24, 24),
              source.value(std::llround(there[0]), std::llround(there[1]), std::llround(there[2])),
              0.15 * workspace().layers().layer(LayerRole::moving).range.high);
  repeat(file("moved image.nii.gz").prepend('\'').append('\''), file("again.nii.gz"));
  EXPECT_EQ(largest_difference(moved, read(file("again.nii.gz"))), 0);
}

TEST_F(Exports, whatCannotBeWrittenIsToldAndNothingStays) {
  load_pair();
  const auto said = messages();
  const QString path = file("no/such/folder.nii.gz");
  window->exporter().write(What::image, path);
  ASSERT_TRUE(wait_until([&] { return !window->exporter().is_busy() && !said->isEmpty(); }, 60000));
  EXPECT_TRUE(said->last().contains("could not be written") || said->last().contains("not written"))
      << said->last().toStdString();
  EXPECT_FALSE(QFile::exists(path));
  EXPECT_FALSE(window->actions_table()["export_labels"]->isEnabled());
  window->exporter().write(What::labels, file("labels.nii.gz"));
  EXPECT_TRUE(said->last().contains("no labels")) << said->last().toStdString();
}

TEST_F(Exports, writingCanBeCancelled) {
  open_run();
  const auto said = messages();
  window->exporter().write(What::image, file("warped.nii.gz"));
  ASSERT_TRUE(window->exporter().is_busy());
  auto* cancel = find<QPushButton>("cancel_export");
  ASSERT_TRUE(cancel->isVisible());
  QTest::mouseClick(cancel, Qt::LeftButton);
  ASSERT_TRUE(wait_until([&] { return !window->exporter().is_busy(); }));
  EXPECT_FALSE(cancel->isVisible());
  EXPECT_FALSE(QFile::exists(file("warped.nii.gz")));
  EXPECT_TRUE(said->last().contains("not written")) << said->last().toStdString();
}

TEST_F(Exports, closingTheWindowAsksAboutAFileThatIsBeingWritten) {
  open_run();
  for (const char* answer : {"wait", "give up"}) {
    const QString path = file((QString(answer) + ".nii.gz").toLatin1());
    window->show();
    window->exporter().write(What::image, path);
    window->close();
    ASSERT_TRUE(window->isVisible());
    auto* question = find<QMessageBox>("export_question");
    ASSERT_NE(question, nullptr);
    if (answer == std::string("wait"))
      press_accept(question);
    else
      QTest::mouseClick(find<QPushButton>("give_up_button"), Qt::LeftButton);
    ASSERT_TRUE(wait_until([&] { return !window->isVisible(); }));
    EXPECT_EQ(QFile::exists(path), answer == std::string("wait"));
    QTest::qWait(0);  // the question is deleted
  }
}

TEST_F(Exports, aFileThatFailedDoesNotCloseTheWindowWhenTheNextIsWritten) {
  open_run();
  const QSignalSpy written(&window->exporter(), &ui::Exporter::written);
  window->exporter().write(What::image, file("first.nii.gz"));
  window->close();
  auto* question = find<QMessageBox>("export_question");
  ASSERT_NE(question, nullptr);
  press_accept(question);
  window->exporter().write(What::image, file("second.nii.gz"));  // refused: one at a time
  ASSERT_TRUE(window->exporter().is_busy());
  window->exporter().cancel();
  ASSERT_TRUE(wait_until([&] { return !window->exporter().is_busy(); }));
  ASSERT_EQ(written.count(), 0);
  EXPECT_TRUE(window->isVisible());
  window->exporter().write(What::image, file("third.nii.gz"));
  ASSERT_TRUE(wait_until([&] { return written.count() == 1; }));
  QTest::qWait(50);
  EXPECT_TRUE(window->isVisible());
}

TEST_F(Exports, howMuchIsWrittenIsShownAndALongOneEndsWhenCancelled) {
  const test::PhantomFiles files(224);  // long enough to be seen, and to be cancelled half-way
  workspace().open(files.pair());
  ASSERT_TRUE(wait_loaded({LayerRole::fixed, LayerRole::moving}));
  Affine shift;
  shift.offset = {3, -2, 1};
  workspace().change_alignment(shift, "moved");
  auto* bar = find<QProgressBar>("export_bar");
  std::set<int> seen;
  const auto watching =
      QObject::connect(&window->exporter(), &ui::Exporter::progressed, window.get(), [&] {
        EXPECT_TRUE(bar->isVisible());
        EXPECT_EQ(bar->maximum(), 100);
        EXPECT_GE(bar->value(), seen.empty() ? 0 : *seen.rbegin()) << "never back";
        seen.insert(bar->value());
      });
  export_by("export_image", file("whole.nii.gz"));
  EXPECT_GE(seen.size(), 3U);
  EXPECT_GT(*seen.rbegin(), 60);
  EXPECT_FALSE(bar->isVisible());
  EXPECT_FALSE(log().contains("--progress")) << "the command that does it again is the short one";

  QObject::disconnect(watching);
  window->exporter().write(What::image, file("half.nii.gz"));
  EXPECT_EQ(bar->maximum(), 0) << "nothing is known of this export yet";
  QObject::connect(&window->exporter(), &ui::Exporter::progressed, window.get(), [&] {
    if (bar->value() >= 25) QTest::mouseClick(find<QPushButton>("cancel_export"), Qt::LeftButton);
  });
  ASSERT_TRUE(wait_until([&] { return !window->exporter().is_busy(); }));
  EXPECT_LT(bar->value(), 100);
  const QStringList left = QDir(QFileInfo(file("half.nii.gz")).path())
                               .entryList({"*half*"}, QDir::AllEntries | QDir::Hidden);
  EXPECT_TRUE(left.filter("nii").isEmpty()) << left.join(' ').toStdString();
}

TEST_F(Exports, landmarksPictureAndReportsAreInTheMenuAndInTheLog) {
  open_run();
  auto* menu = find<QMenu>("export_menu");
  QStringList texts;
  for (const QAction* action : menu->actions()) texts << action->objectName();
  for (const char* id : {"export_image", "export_labels", "export_transform", "export_landmarks",
                         "export_view", "export_report", "export_rejects", "export_batch_page"})
    EXPECT_TRUE(texts.contains(id)) << id;
  find<ui::LandmarkPanel>("landmark_panel")->save(file("marks_fixed.csv"));
  ASSERT_TRUE(wait_until([&] { return log().contains(file("marks_moving.csv")); }));
  EXPECT_EQ(io::read_landmarks(file("marks_fixed.csv").toStdString()).size(),
            static_cast<std::size_t>(workspace().pairs().rowCount()));
  window->actions_table()["export_report"]->trigger();
  auto* dialog = find<QFileDialog>("report_dialog");
  ASSERT_NE(dialog, nullptr);
  Q_EMIT dialog->fileSelected(file("report.pdf"));
  dialog->reject();
  ASSERT_TRUE(wait_until([&] { return log().contains(file("report.pdf")); }, 60000));
  EXPECT_TRUE(log().contains("gigawarp qc --result"));
  QFile pdf(file("report.pdf"));
  ASSERT_TRUE(pdf.open(QIODevice::ReadOnly));
  const QByteArray bytes = pdf.readAll();
  if (qEnvironmentVariableIsSet("GIGAWARP_PICTURES"))  // to be looked at
    pdf.copy(qEnvironmentVariable("GIGAWARP_PICTURES") + "/report.pdf");
  EXPECT_TRUE(bytes.startsWith("%PDF"));
  EXPECT_TRUE(bytes.trimmed().endsWith("%%EOF"));
  EXPECT_GT(bytes.count("/Image"), 1) << "contact sheet and histogram";
}

}  // namespace
}  // namespace gigawarp
