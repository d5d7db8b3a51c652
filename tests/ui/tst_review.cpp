#include <QFile>
#include <QLabel>
#include <QPainter>
#include <QTableView>

#include "gigawarp/error.h"
#include "job/batch_folder.h"
#include "support/temporary_folder.h"
#include "ui/models/batch_page.h"
#include "ui/window_fixture.h"

namespace gigawarp {
namespace {

namespace fs = std::filesystem;
using job::VerdictKind;
using test::wait_until;

void write_file(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  QFile file(QString::fromStdString(path.string()));
  ASSERT_TRUE(file.open(QIODevice::WriteOnly));
  file.write(text.data(), static_cast<qint64>(text.size()));
}

/// A batch of five: "bad" is worse than "fair" and "good" in every figure, "broken" has failed,
/// "later" has not run. The results are as register writes them, less the warps.
class BatchFixture {
 public:
  BatchFixture() {
    std::vector<job::BatchPair> pairs;
    for (const char* name : {"good", "bad", "fair", "broken", "later"}) {
      job::BatchPair pair;
      pair.name = name;
      pair.job = job_from_preset("fast");
      pair.job.fixed = {test::small_pair().path("fixed.nii.gz").toStdString()};
      pair.job.moving = {test::small_pair().path("moving.nii.gz").toStdString()};
      pairs.push_back(pair);
    }
    job::BatchFolder batch(folder_.path() / "batch", std::move(pairs));
    finish(batch, "good", 0.98, 0.91, "2026-11-20T01:00:00Z");
    finish(batch, "bad", 0.71, 0.55, "2026-11-20T02:00:00Z");
    finish(batch, "fair", 0.93, 0.83, "2026-11-20T03:00:00Z");
    batch.set_failure(batch.pairs()[3], 3, "\"scan.nii.gz\" is damaged; copy it again.");
  }
  fs::path path() const { return folder_.path() / "batch"; }
  QString text() const { return QString::fromStdString(path().string()); }
  job::BatchFolder batch() const { return job::BatchFolder(path()); }
  job::PairOutcome outcome(const std::string& name) const {
    const job::BatchFolder batch(path());
    for (const job::BatchPair& pair : batch.pairs())
      if (pair.name == name) return batch.outcome(pair);
    return {};
  }
  /// Leaves the report of a run that ended then.
  static void finish(const job::BatchFolder& batch, const std::string& name, double ncc,
                     double dice, const std::string& when) {
    const fs::path folder = batch.path() / name;
    write_file(folder / "result.json",
               R"({"version": 1, "measures": {"global_ncc": )" + std::to_string(ncc) +
                   R"(, "dice_mean": )" + std::to_string(dice) +
                   R"(, "folds_percent": 0}, "warnings": [], "provenance": {"finished": ")" + when +
                   R"(", "seconds": {"total": 12.5}}})");
    for (const job::BatchPair& pair : batch.pairs())
      if (pair.name == name) write_file(folder / "job.json", to_json(pair.job));
    QImage thumbnail(300, 100, QImage::Format_RGB32);
    thumbnail.fill(qRgb(static_cast<int>(255 * ncc), 80, 80));
    ASSERT_TRUE(thumbnail.save(QString::fromStdString((folder / "thumbnail.png").string()), "PNG"));
  }

 private:
  test::TemporaryFolder folder_;
};

TEST(BatchFolder, theWorstComeFirstAndWhatHasNotRunLast) {
  const BatchFixture fixture;
  const job::BatchFolder batch = fixture.batch();
  std::vector<job::PairOutcome> outcomes;
  for (const job::BatchPair& pair : batch.pairs()) outcomes.push_back(batch.outcome(pair));
  std::string order;
  for (const std::size_t i : job::BatchFolder::worst_first(outcomes))
    order += batch.pairs()[i].name + " ";
  EXPECT_EQ(order, "broken bad fair good later ");
  EXPECT_EQ(outcomes[3].problem, "\"scan.nii.gz\" is damaged; copy it again.");
  EXPECT_EQ(outcomes[3].exit_code, 3);
}

TEST(BatchFolder, aVerdictIsOfTheRunThatWasSeen) {
  const BatchFixture fixture;
  const job::BatchFolder batch = fixture.batch();
  const job::BatchPair& good = batch.pairs()[0];
  batch.set_verdict(good, VerdictKind::accepted, "clean");
  EXPECT_EQ(batch.outcome(good).verdict.kind, VerdictKind::accepted);
  EXPECT_EQ(batch.outcome(good).verdict.note, "clean");
  EXPECT_FALSE(batch.outcome(good).verdict.who.empty());
  EXPECT_EQ(batch.outcome(good).verdict.when.size(), std::string("2026-11-20T01:00:00Z").size());
  EXPECT_FALSE(batch.outcome(good).verdict.outdated);
  BatchFixture::finish(batch, "good", 0.5, 0.5, "2026-11-21T09:00:00Z");
  EXPECT_TRUE(batch.outcome(good).verdict.outdated);
  batch.set_verdict(good, VerdictKind::none, {});
  EXPECT_FALSE(fs::exists(batch.folder_of(good) / "verdict.json"));
}

TEST(BatchFolder, damagedFilesAreTold) {
  const BatchFixture fixture;
  write_file(fixture.path() / "good" / "result.json", "{\"measures\": ");
  EXPECT_EQ(fixture.outcome("good").state, job::PairState::failed);
  EXPECT_NE(fixture.outcome("good").problem.find("damaged"), std::string::npos);
  write_file(fixture.path() / "batch.json", "[]");
  EXPECT_THROW(fixture.batch(), Error);
  fs::remove(fixture.path() / "batch.json");
  EXPECT_THROW(fixture.batch(), Error);
}

TEST(BatchFolder, rejectsAreAListThatABatchReads) {
  const BatchFixture fixture;
  const job::BatchFolder batch = fixture.batch();
  std::vector<job::PairOutcome> outcomes;
  for (const job::BatchPair& pair : batch.pairs()) outcomes.push_back(batch.outcome(pair));
  EXPECT_TRUE(batch.rejects_csv(outcomes).empty());
  outcomes[1].verdict.kind = VerdictKind::rejected;
  outcomes[2].verdict.kind = VerdictKind::fix;
  write_file(fixture.path() / "rejects.csv", batch.rejects_csv(outcomes));
  job::BatchDefaults defaults;
  std::vector<std::string> job_files;
  defaults.job = [&](const std::string&, const std::string& file) {
    job_files.push_back(file);
    return job_from_preset("fast");
  };
  const auto pairs = job::read_batch_list(fixture.path() / "rejects.csv", defaults);
  ASSERT_EQ(pairs.size(), 2U);
  EXPECT_EQ(pairs[0].name, "bad");
  EXPECT_EQ(pairs[1].name, "fair");
  EXPECT_EQ(pairs[0].job.fixed, batch.pairs()[1].job.fixed);
  EXPECT_EQ(job_files[0], batch.job_file(batch.pairs()[1]).string());
}

TEST(BatchPage, escapesNamesAndShowsVerdicts) {
  const BatchFixture fixture;
  const job::BatchFolder batch = fixture.batch();
  std::vector<job::PairOutcome> outcomes;
  for (const job::BatchPair& pair : batch.pairs()) outcomes.push_back(batch.outcome(pair));
  outcomes[0].verdict = {VerdictKind::rejected, "anna", "2026-11-20T08:00:00Z", "<b>bent</b>",
                         false};
  const QByteArray page = ui::batch_page(batch, outcomes);
  EXPECT_TRUE(page.contains("&lt;b&gt;bent&lt;/b&gt;"));
  EXPECT_FALSE(page.contains("<b>bent"));
  EXPECT_TRUE(page.contains("anna"));
  EXPECT_LT(page.indexOf("id=\"bad\""), page.indexOf("id=\"fair\""));
  EXPECT_EQ(page.count("data:image/png"), 3);
}

class Review : public test::WindowTest {
 protected:
  void open_batch() {
    workspace().open({fixture.text()});
    ASSERT_TRUE(wait_until([&] { return window->review().rowCount() == 5; }));
    ASSERT_TRUE(wait_until([&] { return !window->review().is_busy(); }));
    list = find<QTableView>("review_list");
  }
  void press(Qt::Key key) {
    QTest::keyClick(list, key);
    ASSERT_TRUE(wait_until([&] { return !window->review().is_busy(); }));
  }
  QString current() const {
    return QString::fromStdString(window->review().pair(list->currentIndex().row()).name);
  }
  BatchFixture fixture;
  QTableView* list = nullptr;
};

TEST_F(Review, theQueueOpensAtTheWorstPairThatIsDone) {
  open_batch();
  EXPECT_TRUE(find<QDockWidget>("dock_review")->isVisible());
  EXPECT_EQ(current(), "bad");
  EXPECT_EQ(window->review().index(0, 0).data().toString(), "broken");
  EXPECT_TRUE(window->review().index(0, 1).data().toString().contains("damaged"));
  EXPECT_TRUE(window->review().index(1, 1).data().toString().contains("NCC 0.710"));
  EXPECT_TRUE(find<QLabel>("review_summary")->text().contains("0 of 5 judged"));
}

TEST_F(Review, behavesAsAModelShould) {
  const QAbstractItemModelTester tester(&window->review(),
                                        QAbstractItemModelTester::FailureReportingMode::Fatal);
  open_batch();
  window->review().set_verdict(1, VerdictKind::rejected);
  ASSERT_TRUE(wait_until([&] { return !window->review().is_busy(); }));
}

TEST_F(Review, theKeyboardJudgesAndGoesOn) {
  open_batch();
  // The window has commands on these letters; the list's come first.
  press(Qt::Key_R);
  EXPECT_EQ(fixture.outcome("bad").verdict.kind, VerdictKind::rejected);
  EXPECT_EQ(current(), "fair");
  press(Qt::Key_A);
  EXPECT_EQ(fixture.outcome("fair").verdict.kind, VerdictKind::accepted);
  EXPECT_EQ(current(), "good");
  EXPECT_FALSE(window->actions_table()["align"]->isChecked());
  press(Qt::Key_A);
  EXPECT_EQ(fixture.outcome("good").verdict.kind, VerdictKind::accepted);
  EXPECT_TRUE(find<QLabel>("review_summary")
                  ->text()
                  .contains("3 of 5 judged: 2 accepted, 1 rejected, 0 to fix"));
  press(Qt::Key_U);
  EXPECT_EQ(fixture.outcome("good").verdict.kind, VerdictKind::none);
  press(Qt::Key_Up);
  EXPECT_EQ(current(), "fair");
}

TEST_F(Review, aPairThatFailedCannotBeAccepted) {
  open_batch();
  list->setCurrentIndex(window->review().index(0, 0));
  EXPECT_EQ(current(), "broken");
  press(Qt::Key_A);
  EXPECT_EQ(fixture.outcome("broken").verdict.kind, VerdictKind::none);
  EXPECT_FALSE(find<QPushButton>("review_accept")->isEnabled());
  press(Qt::Key_R);
  EXPECT_EQ(fixture.outcome("broken").verdict.kind, VerdictKind::rejected);
}

TEST_F(Review, fixOpensThePairWithItsJob) {
  open_batch();
  press(Qt::Key_F);
  EXPECT_EQ(fixture.outcome("bad").verdict.kind, VerdictKind::fix);
  ASSERT_TRUE(wait_loaded({ui::LayerRole::fixed, ui::LayerRole::moving}));
  EXPECT_EQ(workspace().layers().layer(ui::LayerRole::fixed).path,
            test::small_pair().path("fixed.nii.gz"));
  EXPECT_EQ(window->jobs().preset(), "fast");
  EXPECT_EQ(window->jobs().common().output_directory, (fixture.path() / "bad").string());
}

TEST_F(Review, rejectsAndContactSheetAreWritten) {
  qputenv("GIGAWARP_NO_BROWSER", "1");
  open_batch();
  press(Qt::Key_R);
  const QSignalSpy written(&window->review(), &ui::ReviewModel::written);
  QTest::mouseClick(find<QPushButton>("review_rejects"), Qt::LeftButton);
  ASSERT_TRUE(wait_until([&] { return written.count() == 1; }));
  QFile list_file(fixture.text() + "/rejects.csv");
  ASSERT_TRUE(list_file.open(QIODevice::ReadOnly));
  EXPECT_TRUE(list_file.readAll().contains("\nbad,"));
  QTest::mouseClick(find<QPushButton>("review_page"), Qt::LeftButton);
  ASSERT_TRUE(wait_until([&] { return written.count() == 2; }));
  QFile page(fixture.text() + "/index.html");
  ASSERT_TRUE(page.open(QIODevice::ReadOnly));
  EXPECT_TRUE(page.readAll().contains("class=\"verdict rejected\""));
}

TEST_F(Review, aBatchThatStillRunsIsFollowed) {
  open_batch();
  BatchFixture::finish(fixture.batch(), "later", 0.9, 0.8, "2026-11-21T10:00:00Z");
  const int row = window->review().row_of("later");
  EXPECT_TRUE(wait_until(
      [&] { return window->review().outcome(row).state == job::PairState::done; }, 10000));
  EXPECT_EQ(window->review().row_of("later"), row) << "rows must stay under the hand";
}

TEST_F(Review, aFolderThatIsNoBatchIsTold) {
  const QSignalSpy failed(&window->review(), &ui::ReviewModel::failed);
  const test::TemporaryFolder empty;
  window->review().open(QString::fromStdString(empty.path().string()));
  ASSERT_TRUE(wait_until([&] { return failed.count() == 1; }));
  EXPECT_TRUE(failed.first().first().toString().contains("holds no batch"));
}

}  // namespace
}  // namespace gigawarp
