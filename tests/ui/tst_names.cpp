#include <QAbstractItemModelTester>
#include <QDropEvent>
#include <QFileDialog>
#include <QHeaderView>
#include <QLineEdit>
#include <QMimeData>
#include <QPlainTextEdit>
#include <QTableView>
#include <QTreeView>
#include <QUrl>
#include <fstream>

#include "ui/finished_run.h"
#include "ui/models/readout.h"
#include "ui/window_fixture.h"

namespace gigawarp {
namespace {

namespace fs = std::filesystem;

/// A label that both label maps of the phantom hold, with a voxel of it in the fixed one.
constexpr std::int64_t kLabel = 2;

class Names : public test::WindowTest {
 protected:
  /// The pair and its labels under other names, beside which files of names can lie.
  void SetUp() override {
    test::WindowTest::SetUp();
    for (const char* side : {"fixed", "moving"})
      fs::create_symlink(
          small_pair().path((std::string(side) + "_labels.nii.gz").c_str()).toStdString(),
          folder_.path() / (std::string(side) + "_seg.nii.gz"));
  }
  QString file(const char* name, const std::string& text = {}) const {
    if (!text.empty()) std::ofstream(folder_.path() / name) << text;
    return test::path_in(folder_.path(), name);
  }
  void open_labels() {
    load_pair();
    workspace().open_as(LayerRole::fixed_labels, file("fixed_seg.nii.gz"));
    workspace().open_as(LayerRole::moving_labels, file("moving_seg.nii.gz"));
    ASSERT_TRUE(wait_loaded({LayerRole::fixed_labels, LayerRole::moving_labels}));
    ASSERT_TRUE(wait_drawn());
  }
  const ui::NamesOfLabels& names(LayerRole role) { return workspace().layers().layer(role).names; }
  /// What kLabel is called; empty without a name.
  QString name_in(LayerRole role) {
    const auto& list = names(role).list;
    return list == nullptr ? QString() : QString::fromStdString(list->at(kLabel).name);
  }
  bool wait_named(LayerRole role, const QString& name) {
    return wait_until([&] { return name_in(role) == name; }, 20000);
  }
  Vec3 voxel_of_label() {
    const Volume& labels = *workspace().layers().layer(LayerRole::fixed_labels).volume;
    const Size3& n = labels.grid().size;
    for (std::int64_t z = n[2] / 2; z < n[2]; ++z)
      for (std::int64_t y = 0; y < n[1]; ++y)
        for (std::int64_t x = 0; x < n[0]; ++x)
          if (labels.value(x, y, z) == static_cast<double>(kLabel))
            return labels.grid().world_from_voxel(
                {static_cast<double>(x), static_cast<double>(y), static_cast<double>(z)});
    ADD_FAILURE() << "the phantom has no such label";
    return {};
  }
  QPointF row_of(LayerRole role) {
    auto* list = find<QTreeView>("layers");
    return list->visualRect(workspace().layers().index(static_cast<int>(role), 0)).center();
  }
  test::TemporaryFolder folder_;
};

TEST_F(Names, besideTheVolumeAreTakenAndStandInTheReadout) {
  file("fixed_seg.txt", "2 grey matter 10 220 30 0\n");
  open_labels();
  EXPECT_EQ(name_in(LayerRole::fixed_labels), "grey matter");
  EXPECT_EQ(names(LayerRole::moving_labels).list, nullptr);
  workspace().set_cursor(voxel_of_label());
  EXPECT_TRUE(find<QLineEdit>("readout")->text().contains("Fixed labels 2 grey matter"))
      << find<QLineEdit>("readout")->text().toStdString();
  find<QTreeView>("layers")->setCurrentIndex(
      workspace().layers().index(static_cast<int>(LayerRole::fixed_labels), 0));
  auto* button = find<QPushButton>("label_names");
  EXPECT_TRUE(button->isVisible());
  EXPECT_TRUE(find<QPlainTextEdit>("run_log")->toPlainText().contains("--label-names"));
  // Where they cannot be read the labels are shown all the same, and why is said.
  file("moving_seg.csv", "index,name\n2,a\nb,c\n");
  workspace().open_as(LayerRole::moving_labels, file("moving_seg.nii.gz"));
  ASSERT_TRUE(wait_loaded({LayerRole::moving_labels}));
  const QString notes = workspace().layers().layer(LayerRole::moving_labels).notes.join(' ');
  EXPECT_TRUE(notes.contains("moving_seg.csv") && notes.contains("line 3")) << notes.toStdString();
}

TEST_F(Names, theirColoursAreThoseOfTheViews) {
  open_labels();
  workspace().close_layer(LayerRole::moving_labels);
  workspace().set_cursor(voxel_of_label());
  ui::LayerLook look = workspace().look_of(LayerRole::fixed_labels);
  look.opacity = 1;
  workspace().change_looks({look}, "Opacity");
  ASSERT_TRUE(wait_drawn());
  const auto pixels = [&](QRgb colour) {
    const QImage picture = view("view_axial")->picture();
    int count = 0;
    for (int r = 0; r < picture.height(); ++r)
      for (int c = 0; c < picture.width(); ++c) {
        const QRgb p = picture.pixel(c, r);
        count += std::abs(qRed(p) - qRed(colour)) + std::abs(qGreen(p) - qGreen(colour)) +
                     std::abs(qBlue(p) - qBlue(colour)) <
                 6;
      }
    return count;
  };
  const QRgb own = render::label_colour(static_cast<int>(kLabel)), given = qRgb(3, 250, 9);
  const int before = pixels(own);
  EXPECT_GT(before, 20);
  EXPECT_EQ(pixels(given), 0);
  workspace().open({file("colours.lut", "2 grey 3 250 9 0\n")});
  ASSERT_TRUE(wait_named(LayerRole::fixed_labels, "grey"));
  ASSERT_TRUE(wait_drawn());
  EXPECT_EQ(pixels(given), before);
  EXPECT_EQ(pixels(own), 0);
}

TEST_F(Names, droppedOnTheWindowAreForBothAndOnARowForThatOne) {
  open_labels();
  drop(window.get(), {file("all.tsv", "index\tname\n2\tboth\n")}, {300, 300});
  EXPECT_TRUE(wait_named(LayerRole::fixed_labels, "both"));
  EXPECT_TRUE(wait_named(LayerRole::moving_labels, "both"));
  drop(find<QTreeView>("layers")->viewport(), {file("one.csv", "index,name\n2,one\n")},
       row_of(LayerRole::moving_labels));
  EXPECT_TRUE(wait_named(LayerRole::moving_labels, "one"));
  EXPECT_EQ(name_in(LayerRole::fixed_labels), "both");
  EXPECT_EQ(workspace().label_names().at(kLabel).name, "both") << "the fixed one's count";
  workspace().forget_names(LayerRole::fixed_labels);
  EXPECT_EQ(workspace().label_names().at(kLabel).name, "one");
}

TEST_F(Names, droppedWithTheirVolumesWaitForThem) {
  load_pair();
  workspace().open({file("both.txt", "2 both\n"), file("fixed_seg.nii.gz")});
  ASSERT_TRUE(wait_loaded({LayerRole::fixed_labels}));
  EXPECT_TRUE(wait_named(LayerRole::fixed_labels, "both"));
}

TEST_F(Names, thatCannotBeUsedAreRefusedInOneSentence) {
  load_pair();
  const auto said = messages();
  workspace().open({file("early.txt", "2 early\n")});
  ASSERT_EQ(said->size(), 1);
  EXPECT_TRUE(said->front().contains("early.txt"));
  EXPECT_TRUE(workspace().layers().is_ready(LayerRole::moving)) << "nothing else was touched";
  open_labels();
  workspace().open({file("good.txt", "2 good\n")});
  ASSERT_TRUE(wait_named(LayerRole::fixed_labels, "good"));
  said->clear();
  workspace().open({file("bad.txt", "2 bad\nthree bad\n")});
  ASSERT_TRUE(wait_until([&] { return !said->isEmpty(); }));
  EXPECT_TRUE(said->front().contains("bad.txt") && said->front().contains("line 2"))
      << said->front().toStdString();
  EXPECT_EQ(name_in(LayerRole::fixed_labels), "good");
}

TEST_F(Names, landmarksInACsvAreLandmarksWithLabelsOpenToo) {
  open_labels();
  workspace().open({small_pair().path("landmarks_fixed.csv")});
  ASSERT_TRUE(wait_loaded({LayerRole::fixed_landmarks}));
  EXPECT_EQ(names(LayerRole::fixed_labels).list, nullptr);
}

TEST_F(Names, areChosenByTheButtonAndForgottenByTheMenu) {
  file("fixed_seg.txt", "2 beside\n");
  open_labels();
  find<QTreeView>("layers")->setCurrentIndex(
      workspace().layers().index(static_cast<int>(LayerRole::fixed_labels), 0));
  QTest::mouseClick(find<QPushButton>("label_names"), Qt::LeftButton);
  auto* dialog = find<QFileDialog>("names_dialog");
  ASSERT_NE(dialog, nullptr);
  Q_EMIT dialog->fileSelected(file("other.ctab", "2 other 1 2 3 0\n"));
  dialog->reject();
  ASSERT_TRUE(wait_named(LayerRole::fixed_labels, "other"));
  // What a person chose stays when the same file is read again.
  workspace().open_as(LayerRole::fixed_labels, file("fixed_seg.nii.gz"));
  ASSERT_TRUE(wait_loaded({LayerRole::fixed_labels}));
  EXPECT_EQ(name_in(LayerRole::fixed_labels), "other");
  Q_EMIT find<QTreeView>("layers")->customContextMenuRequested(
      row_of(LayerRole::fixed_labels).toPoint());
  QAction* forget = nullptr;
  for (QAction* action : window->findChildren<QAction*>())
    if (action->text() == "Forget the names") forget = action;
  ASSERT_NE(forget, nullptr);
  ASSERT_TRUE(forget->isEnabled());
  forget->trigger();
  EXPECT_EQ(names(LayerRole::fixed_labels).list, nullptr);
}

TEST_F(Names, chosenAndForgottenOnesComeBackWithTheSession) {
  file("fixed_seg.txt", "2 beside\n");
  file("moving_seg.txt", "2 beside\n");
  fs::create_directory(folder_.path() / "names");
  open_labels();
  workspace().name_labels({LayerRole::fixed_labels}, file("names/own.txt", "2 own\n"));
  ASSERT_TRUE(wait_named(LayerRole::fixed_labels, "own"));
  workspace().forget_names(LayerRole::moving_labels);
  bool saved = false;
  QObject::connect(&window->session(), &ui::Session::saved, window.get(), [&] { saved = true; });
  window->session().save(file("work.gigawarp"));
  ASSERT_TRUE(wait_until([&] { return saved; }));
  const fs::path moved = folder_.path().string() + "-moved";
  fs::rename(folder_.path(), moved);
  new_window();
  workspace().open({test::path_in(moved, "work.gigawarp")});
  ASSERT_TRUE(wait_loaded({LayerRole::fixed_labels, LayerRole::moving_labels}));
  EXPECT_TRUE(wait_named(LayerRole::fixed_labels, "own"));
  EXPECT_TRUE(names(LayerRole::fixed_labels).path.contains("-moved"));
  EXPECT_EQ(names(LayerRole::moving_labels).list, nullptr);
  window.reset();
  fs::rename(moved, folder_.path());
}

TEST_F(Names, thatASessionCannotFindAreNotForgottenByIt) {
  file("fixed_seg.txt", "2 beside\n");
  open_labels();
  workspace().name_labels({LayerRole::fixed_labels}, file("own.txt", "2 own\n"));
  ASSERT_TRUE(wait_named(LayerRole::fixed_labels, "own"));
  int saved = 0;
  const auto save = [&] {
    const int before = saved;
    QObject::connect(&window->session(), &ui::Session::saved, window.get(), [&] { ++saved; });
    window->session().save(file("work.gigawarp"));
    return wait_until([&] { return saved > before; });
  };
  ASSERT_TRUE(save());
  fs::rename(folder_.path() / "own.txt", folder_.path() / "elsewhere.txt");
  new_window();
  const auto said = messages();
  workspace().open({file("work.gigawarp")});
  ASSERT_TRUE(wait_loaded({LayerRole::fixed_labels}));
  ASSERT_TRUE(wait_until([&] { return said->join(' ').contains("own.txt"); }));
  EXPECT_EQ(names(LayerRole::fixed_labels).list, nullptr) << "nor are those beside it taken";
  ASSERT_TRUE(save());
  fs::rename(folder_.path() / "elsewhere.txt", folder_.path() / "own.txt");
  new_window();
  workspace().open({file("work.gigawarp")});
  EXPECT_TRUE(wait_named(LayerRole::fixed_labels, "own"));
}

TEST_F(Names, ofASessionComeToAVolumeThatIsFoundElsewhere) {
  open_labels();
  workspace().name_labels({LayerRole::fixed_labels}, file("own.txt", "2 own\n"));
  ASSERT_TRUE(wait_named(LayerRole::fixed_labels, "own"));
  bool saved = false;
  QObject::connect(&window->session(), &ui::Session::saved, window.get(), [&] { saved = true; });
  window->session().save(file("work.gigawarp"));
  ASSERT_TRUE(wait_until([&] { return saved; }));
  fs::rename(folder_.path() / "fixed_seg.nii.gz", folder_.path() / "moved_seg.nii.gz");
  new_window();
  workspace().open({file("work.gigawarp")});
  ASSERT_TRUE(wait_loaded({LayerRole::moving_labels}));
  EXPECT_FALSE(workspace().layers().is_ready(LayerRole::fixed_labels));
  saved = false;  // which keeps the labels and their names
  QObject::connect(&window->session(), &ui::Session::saved, window.get(), [&] { saved = true; });
  window->session().save(file("work.gigawarp"));
  ASSERT_TRUE(wait_until([&] { return saved; }));
  new_window();
  workspace().open({file("work.gigawarp")});
  ASSERT_TRUE(wait_loaded({LayerRole::moving_labels}));
  workspace().open_as(LayerRole::fixed_labels, file("moved_seg.nii.gz"));
  EXPECT_TRUE(wait_named(LayerRole::fixed_labels, "own"));
}

TEST_F(Names, standInTheTableOfLabelsAndInTheReport) {
  workspace().open({test::finished_run()});
  ASSERT_TRUE(
      wait_until([&] { return window->results().state() == ui::Results::State::ready; }, 60000));
  auto* table = find<QTableView>("overlap_table");
  const auto row_of_label = [&] {
    const QAbstractItemModel& model = *table->model();
    for (int r = 0; r < model.rowCount(); ++r)
      if (model.index(r, 0).data().toLongLong() == kLabel) return r;
    return -1;
  };
  ASSERT_GE(row_of_label(), 0);
  EXPECT_EQ(table->model()->columnCount(), 4);
  const QVariant dice = table->model()->index(row_of_label(), 1).data();
  workspace().open({file("names.txt", "2 <grey> matter 3 250 9 0\n")});
  ASSERT_TRUE(wait_named(LayerRole::fixed_labels, "<grey> matter"));
  ASSERT_EQ(table->model()->columnCount(), 5);
  const int row = row_of_label();
  EXPECT_EQ(table->model()->index(row, 1).data(), "<grey> matter");
  EXPECT_EQ(table->model()->index(row, 2).data(), dice);
  EXPECT_EQ(table->model()->index(row, 0).data(Qt::DecorationRole).value<QColor>(),
            QColor(3, 250, 9));
  EXPECT_EQ(table->model()->headerData(1, Qt::Horizontal), "Name");
  const QString html = QString::fromUtf8(
      ui::html_report(*window->results().judgement(), "report", workspace().label_names()));
  EXPECT_TRUE(html.contains("<td>&lt;grey&gt; matter</td>"));
  EXPECT_TRUE(html.contains("#03fa09"));
}

TEST_F(Names, leaveRoomForTheNumbersInANarrowDock) {
  window->resize(1024, 700);
  workspace().open({test::finished_run()});
  ASSERT_TRUE(
      wait_until([&] { return window->results().state() == ui::Results::State::ready; }, 60000));
  const QString long_name = "Left-Cerebral-White-Matter-of-the-Parietal-Lobe";
  workspace().open({file("names.txt", "2 " + long_name.toStdString() + " 3 250 9 0\n")});
  ASSERT_TRUE(wait_named(LayerRole::fixed_labels, long_name));
  auto* tabs = find<ui::ResultsPanel>("results_panel")->findChild<QTabWidget*>();
  tabs->setCurrentIndex(1);
  auto* table = find<QTableView>("overlap_table");
  ASSERT_TRUE(wait_until([&] { return table->isVisible() && table->viewport()->width() > 0; }));
  QCoreApplication::processEvents();
  if (const char* folder = std::getenv("GIGAWARP_PICTURES"))
    window->grab().save(QString(folder) + "/label_names.png");
  const QAbstractItemView& cells = *table;
  const QHeaderView* header = table->horizontalHeader();
  ASSERT_EQ(header->count(), 5);
  for (int column = 0; column < 5; ++column) {
    EXPECT_LE(header->sectionViewportPosition(column) + header->sectionSize(column),
              table->viewport()->width())
        << table->model()->headerData(column, Qt::Horizontal).toString().toStdString();
    if (column != 1) {
      EXPECT_GE(header->sectionSize(column), cells.sizeHintForColumn(column)) << column;
      EXPECT_GE(header->sectionSize(column), header->sectionSizeHint(column)) << column;
    }
  }
  EXPECT_GE(header->sectionSize(1), 60) << "some of the name is seen";
}

TEST(OverlapTable, withNamesBehavesAsAModelShould) {
  ui::OverlapModel overlap;
  const QAbstractItemModelTester tester(&overlap,
                                        QAbstractItemModelTester::FailureReportingMode::Fatal);
  qc::OverlapSummary summary;
  summary.labels.push_back({3, 10, 12, 9, 0.818, -1});
  summary.labels.push_back({4, 10, 12, 9, 0.5, 1});
  overlap.set(summary, {{3, {"three", {}}}, {7, {"absent", {}}}});
  EXPECT_EQ(overlap.columnCount(), 5);
  EXPECT_EQ(overlap.index(0, 1).data().toString(), "three");
  EXPECT_EQ(overlap.index(1, 1).data().toString(), "");
  EXPECT_EQ(overlap.index(1, 3).data().toString(), "1.00");
  overlap.set(summary, {{7, {"absent", {}}}});
  EXPECT_EQ(overlap.columnCount(), 4) << "no label of the table has a name";
}

}  // namespace
}  // namespace gigawarp
