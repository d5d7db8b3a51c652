// Volumes that stay in their files, through the real window.
#include <QDialogButtonBox>
#include <QDir>
#include <QDirIterator>
#include <QDoubleSpinBox>
#include <QInputDialog>
#include <QLabel>
#include <QLineEdit>
#include <QSettings>
#include <QSpinBox>
#include <QTreeView>
#include <QWheelEvent>
#include <ctime>
#include <iostream>

#include "base/parallel.h"
#include "io/brick_source.h"
#include "support/test_data.h"
#include "ui/models/readout.h"
#include "ui/views/settings_dialog.h"
#include "ui/watchdog.h"
#include "ui/window_fixture.h"

namespace gigawarp {
namespace {

/// A phantom pair with levels, and the fixed image as a file that is read whole.
class StreamedFiles {
 public:
  static constexpr std::int64_t kSize = 200;
  StreamedFiles() {
    phantom::PhantomSpec spec;
    spec.size = {kSize, kSize, kSize};
    const phantom::Phantom pair(spec);
    const Volume fixed = pair.image(phantom::Side::fixed);
    io::write_image(fixed, folder_.path() / "fixed.ome.zarr");
    io::write_image(fixed, folder_.path() / "fixed.nii");
    io::write_image(pair.image(phantom::Side::moving), folder_.path() / "moving.ome.zarr");
    io::write_image(pair.labels(phantom::Side::fixed), folder_.path() / "fixed_labels.ome.zarr",
                    {.labels = true});
  }
  QString path(const char* name) const { return test::path_in(folder_.path(), name); }

 private:
  test::TemporaryFolder folder_;
};

const StreamedFiles& files() {
  static const StreamedFiles made;
  return made;
}

void wheel(QWidget* widget, int notches) {
  const QPointF at = widget->rect().center();
  QWheelEvent event(at, widget->mapToGlobal(at), {}, {0, 120 * notches}, Qt::NoButton,
                    Qt::NoModifier, Qt::NoScrollPhase, false);
  QApplication::sendEvent(widget, &event);
}

class Streaming : public test::WindowTest {
 protected:
  void open_streamed_pair() {
    workspace().open({files().path("fixed.ome.zarr"), files().path("moving.ome.zarr")});
    ASSERT_TRUE(wait_loaded({LayerRole::fixed, LayerRole::moving}));
    ASSERT_TRUE(wait_drawn());
  }
  const ui::Layer& layer(LayerRole role) { return workspace().layers().layer(role); }
  int axial_level() { return view("view_axial")->level(); }
  QString details() {
    QString all;
    for (const QLabel* label : find<ui::DataPanel>("data_panel")->findChildren<QLabel*>())
      all += label->text() + QLatin1Char('\n');
    return all;
  }
  /// The files of the chunks of the finest level.
  static QStringList chunks(const QString& zarr) {
    QStringList found;
    QDirIterator walk(zarr + QStringLiteral("/0"), QDir::Files, QDirIterator::Subdirectories);
    while (walk.hasNext())
      if (const QString file = walk.next();
          !QFileInfo(file).fileName().startsWith('.') && !file.endsWith(QLatin1String(".json")))
        found << file;
    return found;
  }
  static void copy_folder(const QString& from, const QString& to) {
    std::filesystem::copy(from.toStdString(), to.toStdString(),
                          std::filesystem::copy_options::recursive);
  }
};

TEST_F(Streaming, anOmeZarrIsSeenCoarseAtOnceAndRefinedInPlace) {
  std::vector<std::pair<bool, QImage>> shown;
  QObject::connect(view("view_axial"), &ui::SliceView::picture_shown, window.get(), [&] {
    shown.emplace_back(view("view_axial")->lacks_bricks(), view("view_axial")->picture());
  });
  workspace().open({files().path("fixed.ome.zarr")});
  ASSERT_TRUE(wait_loaded({LayerRole::fixed}));
  ASSERT_NE(layer(LayerRole::fixed).stream, nullptr);
  EXPECT_EQ(layer(LayerRole::fixed).volume->grid().size[0], StreamedFiles::kSize / 2);
  EXPECT_EQ(workspace().reference()->size[0], StreamedFiles::kSize);
  ASSERT_TRUE(wait_drawn());
  ASSERT_GE(shown.size(), 2U);
  EXPECT_TRUE(shown.front().first);
  EXPECT_FALSE(shown.back().first);
  // Again with the window at rest, so that the two have one size.
  shown.clear();
  workspace().bricks().set_budget(0);
  workspace().use_cache_mib(256);
  ASSERT_TRUE(wait_drawn());
  ASSERT_GE(shown.size(), 2U);
  EXPECT_TRUE(shown.front().first);
  EXPECT_FALSE(shown.back().first);
  EXPECT_GT(drawn_pixels(shown.front().second), 2000);
  const double change = difference(shown.front().second, shown.back().second);
  EXPECT_GT(change, 0.05);  // it became finer,
  EXPECT_LT(change, 6);     // and stayed where it was
  EXPECT_TRUE(details().contains("Streams, ")) << details().toStdString();
}

TEST_F(Streaming, everyViewShowsWhatTheVolumeReadWholeShows) {
  const auto pictures = [&](const char* file) {
    workspace().open_as(LayerRole::fixed, files().path(file));
    EXPECT_TRUE(wait_loaded({LayerRole::fixed}));
    workspace().set_window(LayerRole::fixed, {100, 3000});
    std::vector<QImage> out;
    for (const bool slanted : {false, true}) {
      if (slanted) workspace().turn_planes(render::Plane::axial, 0.4);
      if (slanted) workspace().turn_planes(render::Plane::coronal, -0.3);
      EXPECT_TRUE(wait_drawn());
      for (const char* name : {"view_axial", "view_coronal", "view_sagittal"})
        out.push_back(view(name)->picture());
    }
    workspace().straighten_planes();
    return out;
  };
  const std::vector<QImage> whole = pictures("fixed.nii");
  EXPECT_EQ(layer(LayerRole::fixed).stream, nullptr);
  const std::vector<QImage> streamed = pictures("fixed.ome.zarr");
  EXPECT_NE(layer(LayerRole::fixed).stream, nullptr);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    EXPECT_GT(drawn_pixels(whole[i]), 2000);
    EXPECT_LT(difference(whole[i], streamed[i]), 0.02) << i;
  }
}

TEST_F(Streaming, scrollingShowsOtherSlicesAndRefinesThem) {
  open_streamed_pair();
  ui::SliceView* axial = view("view_axial");
  QImage before = axial->picture();
  for (int turn = 0; turn < 3; ++turn) {
    for (int i = 0; i < 12; ++i) wheel(axial, 1);
    ASSERT_TRUE(wait_drawn());
    EXPECT_TRUE(axial->is_refined());
    EXPECT_GT(difference(before, axial->picture()), 0.5);
    before = axial->picture();
  }
  EXPECT_EQ(workspace().fetcher().outstanding(), 0U);
}

TEST_F(Streaming, aPairIsComparedInEveryModeAndWarpedOnTheFly) {
  open_streamed_pair();
  ui::SliceView* axial = view("view_axial");
  axial->setFocus();
  std::vector<QImage> pictures;
  for (int i = 0; i < 6; ++i) {
    QTest::keyClick(axial, static_cast<Qt::Key>(Qt::Key_1 + i));
    // Flicker draws again and again: on a busy machine there is always a picture on its way.
    constexpr int kFlicker = 3;
    ASSERT_TRUE(i == kFlicker ? wait_until([&] { return axial->is_refined(); }) : wait_drawn());
    pictures.push_back(axial->picture());
  }
  for (std::size_t i = 0; i < pictures.size(); ++i)
    for (std::size_t j = i + 1; j < pictures.size(); ++j)
      EXPECT_GT(difference(pictures[i], pictures[j]), 0.5) << i << " and " << j;
  Affine shift;
  shift.offset = {6, 0, 0};
  workspace().change_alignment(shift, "move");
  ASSERT_TRUE(wait_drawn());
  EXPECT_GT(difference(pictures.back(), axial->picture()), 0.5);
}

TEST_F(Streaming, labelsStreamToo) {
  workspace().open({files().path("fixed.ome.zarr")});
  ASSERT_TRUE(wait_loaded({LayerRole::fixed}));
  ASSERT_TRUE(wait_drawn());
  const QImage plain = view("view_axial")->picture();
  workspace().open_as(LayerRole::fixed_labels, files().path("fixed_labels.ome.zarr"));
  ASSERT_TRUE(wait_loaded({LayerRole::fixed_labels}));
  ASSERT_NE(layer(LayerRole::fixed_labels).stream, nullptr);
  ASSERT_TRUE(wait_drawn());
  EXPECT_GT(difference(plain, view("view_axial")->picture()), 3);
}

TEST_F(Streaming, theReadoutSaysValueAndLevel) {
  workspace().bricks().set_budget(0);  // nothing finer than the overview stays
  workspace().open({files().path("fixed.ome.zarr")});
  ASSERT_TRUE(wait_loaded({LayerRole::fixed}));
  const Vec3 at = workspace().view().cursor_mm;
  EXPECT_TRUE(ui::read_out(workspace(), at).line().contains("(level 1)"))
      << ui::read_out(workspace(), at).line().toStdString();
  workspace().use_cache_mib(256);
  ASSERT_TRUE(wait_drawn());
  const Volume whole = io::read_image(files().path("fixed.nii").toStdString());
  const Vec3 voxel = whole.grid().voxel_from_world()(at);
  const double value =
      whole.value(std::llround(voxel[0]), std::llround(voxel[1]), std::llround(voxel[2]));
  const QString line = find<QLineEdit>("readout")->text();
  EXPECT_TRUE(line.contains(QString::number(value, 'g', 5))) << line.toStdString();
  EXPECT_FALSE(line.contains("level")) << line.toStdString();
}

TEST_F(Streaming, theSettingBoundsTheMemoryOfBricks) {
  window->actions_table()["settings"]->trigger();
  auto* box = find<QSpinBox>("cache_mib");
  ASSERT_NE(box, nullptr);
  EXPECT_EQ(box->value(), ui::Workspace::kDefaultCacheMib);
  box->setValue(64);
  auto* dialog = find<ui::SettingsDialog>("settings_dialog");
  QTest::mouseClick(dialog->findChild<QDialogButtonBox*>()->button(QDialogButtonBox::Ok),
                    Qt::LeftButton);
  EXPECT_EQ(workspace().bricks().budget_bytes(), std::uint64_t{64} << 20);
  QSettings().remove(QStringLiteral("cache_mib"));
  constexpr int kMib = 24;  // a slice of each image, and not the volumes
  workspace().use_cache_mib(kMib);
  open_streamed_pair();
  window->views().set_layout(ui::ViewLayout::one);
  ASSERT_TRUE(wait_drawn());
  EXPECT_EQ(axial_level(), 0);
  ui::SliceView* axial = view("view_axial");
  std::uint64_t most = 0;
  const std::uint64_t read_before = workspace().bricks().bricks_read();
  for (int i = 0; i < 20; ++i) {
    wheel(axial, 4);
    QTest::qWait(20);
    most = std::max(most, workspace().bricks().held_bytes());
  }
  ASSERT_TRUE(wait_drawn());
  EXPECT_GT(workspace().bricks().bricks_read(), read_before + 16);
  EXPECT_GT(most, std::uint64_t{kMib} << 19);
  EXPECT_LE(most, std::uint64_t{kMib} << 20);
  EXPECT_GT(drawn_pixels(axial->picture()), 2000);
}

TEST_F(Streaming, aDamagedChunkIsHatchedAndNamedAndTheSessionGoesOn) {
  const test::TemporaryFolder folder;
  const QString copy = test::path_in(folder.path(), "damaged.ome.zarr");
  copy_folder(files().path("fixed.ome.zarr"), copy);
  for (const QString& chunk : chunks(copy)) {
    QFile file(chunk);
    ASSERT_TRUE(file.open(QIODevice::WriteOnly));
    file.write("this is no chunk");
  }
  const auto said = messages();
  workspace().open({copy});
  ASSERT_TRUE(wait_loaded({LayerRole::fixed}));
  ASSERT_TRUE(wait_drawn());
  int hatched = 0;
  const QImage picture = view("view_axial")->picture();
  for (int r = 0; r < picture.height(); ++r)
    for (int c = 0; c < picture.width(); ++c)
      hatched += picture.pixel(c, r) == render::kDefectColour;
  EXPECT_GT(hatched, 1000);
  EXPECT_TRUE(said->join(' ').contains("damaged.ome.zarr/0")) << said->join(' ').toStdString();
  EXPECT_TRUE(details().contains("damaged.ome.zarr/0")) << details().toStdString();
  EXPECT_TRUE(find<QLineEdit>("readout")->text().contains("damaged"));
  workspace().close_layer(LayerRole::fixed);
  open_streamed_pair();
  EXPECT_GT(drawn_pixels(view("view_axial")->picture()), 2000);
}

TEST_F(Streaming, missingChunksAreTheFillValue) {
  const test::TemporaryFolder folder;
  const QString copy = test::path_in(folder.path(), "sparse.ome.zarr");
  copy_folder(files().path("fixed.ome.zarr"), copy);
  for (const QString& chunk : chunks(copy)) ASSERT_TRUE(QFile::remove(chunk));
  workspace().open({copy});
  ASSERT_TRUE(wait_loaded({LayerRole::fixed}));
  workspace().set_window(LayerRole::fixed, {1, 2});
  ASSERT_TRUE(wait_drawn());
  EXPECT_LT(drawn_pixels(view("view_axial")->picture()), 50);  // 0 everywhere: black
  EXPECT_TRUE(layer(LayerRole::fixed).stream->problems().empty());
}

TEST_F(Streaming, aFolderIsChosenByGoingIntoIt) {
  window->actions_table()["open_fixed"]->trigger();
  auto* dialog = window->findChild<QFileDialog*>();
  ASSERT_NE(dialog, nullptr);
  Q_EMIT dialog->directoryEntered(files().path("fixed.ome.zarr"));
  ASSERT_TRUE(wait_loaded({LayerRole::fixed}));
}

/// The run is a process with file paths; what it says of the warp is drawn on streamed slices, and
/// its result is judged on what is in memory, which is said.
TEST_F(Streaming, aRunIsPreviewedOnStreamedSlicesAndItsResultJudgedOnACoarseLevelThatIsNamed) {
  open_streamed_pair();
  const test::TemporaryFolder folder;
  JobSpec job = window->jobs().job_for(workspace());
  job.stages = job_from_preset("fast").stages;
  for (StageSpec& stage : job.stages) stage.levels = {{4, 60}};
  job.device = "cpu";
  job.output_directory = (folder.path() / "out").string();
  bool previewed = false;
  QObject::connect(&window->run(), &ui::RunController::preview, window.get(),
                   [&] { previewed = true; });
  window->run().start(job, false);
  ASSERT_TRUE(wait_until([&] { return !window->run().is_active(); }, 200000));
  ASSERT_EQ(window->run().state(), ui::RunController::State::finished)
      << window->run().verdict().toStdString();
  EXPECT_TRUE(previewed);
  ASSERT_TRUE(
      wait_until([&] { return window->results().state() == ui::Results::State::ready; }, 60000))
      << window->results().problem().toStdString();
  const QString state = find<QLabel>("results_state")->text();
  EXPECT_TRUE(state.contains("level 1 (100 × 100 × 100)")) << state.toStdString();
  EXPECT_TRUE(QString::fromUtf8(ui::html_report(*window->results().judgement(), "report"))
                  .contains("level 1 (100 × 100 × 100)"));
  ASSERT_TRUE(wait_drawn());
  EXPECT_NE(workspace().warp(), nullptr);
  EXPECT_EQ(axial_level(), 0);
  EXPECT_GT(drawn_pixels(view("view_axial")->picture()), 2000);
}

TEST_F(Streaming, anUnknownVoxelSizeIsAskedAbout) {
  const auto data = test::test_data();
  if (!data) GTEST_SKIP() << "GIGAWARP_TEST_DATA names no folder";
  const QString zarr = test::path_in(*data, "formats/mri-stack.ome.zarr");
  workspace().open({zarr});
  ASSERT_TRUE(wait_until([&] { return find<QInputDialog>("voxel_size_dialog") != nullptr; }));
  EXPECT_TRUE(layer(LayerRole::fixed).problem.contains("pixel"));
  EXPECT_FALSE(layer(LayerRole::fixed).problem.contains("--"));
  auto* dialog = find<QInputDialog>("voxel_size_dialog");
  dialog->setTextValue("0.9, 0.9 x 1.5");
  dialog->accept();
  ASSERT_TRUE(wait_loaded({LayerRole::fixed}));
  ASSERT_NE(layer(LayerRole::fixed).stream, nullptr);
  EXPECT_NEAR(workspace().reference()->spacing_mm()[2], 1.5, 1e-9);
  ASSERT_TRUE(wait_drawn());
  EXPECT_GT(drawn_pixels(view("view_axial")->picture()), 2000);
  EXPECT_EQ(window->jobs().job_for(workspace()).fixed_spacing_mm, (Vec3{0.9, 0.9, 1.5}));
}

/// GIGAWARP_BENCH=1 GIGAWARP_BENCH_PAIR=FOLDER: a pair that `gigawarp phantom --format ome.zarr`
/// made, which the figures in RESULTS.md are of, with the bars of an idle machine. Otherwise a
/// small pair, and bars that a machine full of other programs holds. GIGAWARP_BENCH_PICTURE=FILE
/// keeps what the window shows.
TEST_F(Streaming, theFirstPictureComesSoonAndScrollingNeverWaitsForTheFile) {
  const QString folder = qEnvironmentVariable("GIGAWARP_BENCH_PAIR");
  const bool large = std::getenv("GIGAWARP_BENCH") != nullptr && !folder.isEmpty();
  const QStringList pair =
      large ? QStringList{folder + "/fixed.ome.zarr", folder + "/moving.ome.zarr"}
            : QStringList{files().path("fixed.ome.zarr"), files().path("moving.ome.zarr")};
  window.reset();
  QElapsedTimer clock;
  clock.start();
  const std::clock_t cpu_start = std::clock();
  const auto cpu_ms = [](std::clock_t since) {
    return 1000.0 * static_cast<double>(std::clock() - since) / CLOCKS_PER_SEC;
  };
  window = std::make_unique<ui::MainWindow>();
  window->show();
  workspace().open(pair);
  ASSERT_TRUE(wait_until([&] {
    const ui::SliceView* axial = view("view_axial");
    return workspace().layers().is_ready(LayerRole::fixed) && !axial->picture().isNull();
  }));
  const double first_ms = static_cast<double>(clock.elapsed()), first_cpu_ms = cpu_ms(cpu_start);
  ASSERT_TRUE(wait_loaded({LayerRole::moving}));
  ASSERT_TRUE(wait_until([&] { return window->is_drawn(); }, 120000));
  std::cout << "window to first picture: " << first_ms << " ms, " << first_cpu_ms
            << " ms of processor time; refined after " << clock.elapsed() << " ms\n";

  ui::SliceView* axial = view("view_axial");
  int frames = 0, refined = 0;
  qint64 longest_gap = 0, last = 0;
  QObject::connect(axial, &ui::SliceView::picture_shown, window.get(), [&] {
    ++frames;
    refined += axial->lacks_bricks() ? 0 : 1;
    longest_gap = std::max(longest_gap, clock.elapsed() - last);
    last = clock.elapsed();
  });
  const double mapped_mib = static_cast<double>(resident_bytes()) / (1 << 20);
  const std::uint64_t read_before = workspace().bricks().bricks_read();
  test::Watchdog watchdog;
  const int steps = large ? 300 : 60;
  clock.restart();
  const std::clock_t scroll_start = std::clock();
  for (int i = 0; i < steps; ++i) {
    wheel(axial, i < steps / 2 ? 1 : -1);
    QTest::qWait(16);
  }
  const double seconds = static_cast<double>(clock.elapsed()) / 1000;
  std::cout << steps << " steps in " << seconds << " s: " << frames << " pictures of "
            << axial->width() << "x" << axial->height() << " (" << frames / seconds << " a second, "
            << refined << " of them refined), longest gap " << longest_gap << " ms, "
            << cpu_ms(scroll_start) / std::max(1, frames)
            << " ms of processor time each with all that was read ("
            << workspace().bricks().bricks_read() - read_before
            << " bricks); longest block of the interface thread " << watchdog.longest_ms
            << " ms; resident " << mapped_mib << " MiB before, "
            << static_cast<double>(resident_bytes()) / (1 << 20) << " after, bricks "
            << static_cast<double>(workspace().bricks().held_bytes()) / (1 << 20) << "\n";
  if (const QString picture = qEnvironmentVariable("GIGAWARP_BENCH_PICTURE"); !picture.isEmpty()) {
    window->resize(1440, 900);
    ASSERT_TRUE(wait_until([&] { return window->is_drawn(); }, 120000));
    EXPECT_TRUE(window->grab().save(picture));
  }
  EXPECT_LT(first_ms, large ? 1000 : 15000);
  EXPECT_GT(frames / seconds, large ? 20 : 1);
  EXPECT_LT(watchdog.longest_ms, large ? 50 : 250) << watchdog.calls();
  EXPECT_LE(workspace().bricks().held_bytes(), workspace().bricks().budget_bytes());
}

}  // namespace
}  // namespace gigawarp
