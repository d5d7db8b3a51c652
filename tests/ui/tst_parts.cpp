// Files that hold several volumes: channels, time points and levels, through the real window.
#include <QClipboard>
#include <QComboBox>
#include <QLabel>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QSpinBox>
#include <QTreeView>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "support/test_data.h"
#include "ui/models/job_model.h"
#include "ui/models/readout.h"
#include "ui/window_fixture.h"

namespace gigawarp {
namespace {

using Json = nlohmann::json;

/// A phantom with a second volume that is the first, turned about: 4000 - value.
Volume two_channels(std::int64_t size, phantom::Side side) {
  phantom::PhantomSpec spec;
  spec.size = {size, size, size};
  const Volume one = phantom::Phantom(spec).image(side);
  Volume two(one.grid(), one.type(), 2);
  std::memcpy(two.data(), one.data(), one.bytes());
  dispatch(one.type(), [&]<class T>() {
    for (std::int64_t i = 0; i < one.grid().voxel_count(); ++i)
      two.channel<T>(1)[i] = static_cast<T>(4000 - one.channel<T>()[i]);
  });
  return two;
}

void edit_attributes(const std::filesystem::path& zarr, const std::function<void(Json&)>& edit) {
  std::ifstream in(zarr / ".zattrs");
  Json json = Json::parse(in);
  edit(json);
  std::ofstream(zarr / ".zattrs") << json;
}

class PartFiles {
 public:
  static constexpr std::int64_t kSize = 200;  ///< has levels, and streams
  PartFiles() {
    const Volume fixed = two_channels(kSize, phantom::Side::fixed);
    io::write_image(fixed, folder_.path() / "channels.ome.zarr");
    edit_attributes(folder_.path() / "channels.ome.zarr", [](Json& json) {
      json["omero"] = {{"channels", {{{"label", "autofluorescence"}}, {{"label", "c-Fos"}}}}};
    });
    io::write_image(fixed, folder_.path() / "times.ome.zarr");
    edit_attributes(folder_.path() / "times.ome.zarr", [](Json& json) {
      for (Json& axis : json["multiscales"][0]["axes"])
        if (axis["type"] == "channel") axis = {{"name", "t"}, {"type", "time"}};
    });
    io::write_image(two_channels(48, phantom::Side::moving), folder_.path() / "channels.nii.gz");
  }
  QString path(const char* name) const { return test::path_in(folder_.path(), name); }

 private:
  test::TemporaryFolder folder_;
};

const PartFiles& files() {
  static const PartFiles made;
  return made;
}

class Parts : public test::WindowTest {
 protected:
  void open(LayerRole role, const char* file) {
    workspace().open_as(role, files().path(file));
    ASSERT_TRUE(wait_loaded({role}));
    ASSERT_TRUE(wait_drawn());
    find<QTreeView>("layers")->setCurrentIndex(
        workspace().layers().index(static_cast<int>(role), 0));
  }
  const ui::Layer& layer(LayerRole role) { return workspace().layers().layer(role); }
  /// Chooses as a person does, and waits for the new picture.
  void choose(const char* box, int index, LayerRole role) {
    const auto before = layer(role).volume;
    auto* combo = find<QComboBox>(box);
    combo->setFocus();
    combo->setCurrentIndex(index);
    Q_EMIT combo->activated(index);
    ASSERT_TRUE(wait_until([&] { return layer(role).volume != before; }));
    ASSERT_TRUE(wait_drawn());
  }
  double value_at_cursor(LayerRole role) {
    return static_cast<double>(
        layer(role).stream->value_at(workspace().view().cursor_mm).value.value());
  }
  QString readout() { return ui::read_out(workspace(), workspace().view().cursor_mm).line(); }
  /// The command that the window copies for the pair, without a run.
  QString command() {
    JobSpec job = window->jobs().job_for(workspace());
    job.output_directory = "out";
    return ui::command_line(job, true, "job.json");
  }
};

TEST_F(Parts, theChannelThatIsShownIsTheOneThatIsExported) {
  open(LayerRole::fixed, "channels.nii.gz");
  open(LayerRole::moving, "channels.nii.gz");
  choose("channel", 1, LayerRole::moving);
  const test::TemporaryFolder folder;
  const QString path = test::path_in(folder.path(), "shown.nii.gz");
  const QSignalSpy written(&window->exporter(), &ui::Exporter::written),
      failed(&window->exporter(), &ui::Exporter::failed);
  window->exporter().write(ui::Exporter::What::image, path);
  ASSERT_TRUE(wait_until([&] { return written.count() + failed.count() > 0; }, 60000));
  ASSERT_EQ(failed.count(), 0) << failed.first().first().toString().toStdString();
  const Volume shown = io::read_image(path.toStdString());
  const Volume file = io::read_image(files().path("channels.nii.gz").toStdString());
  ASSERT_EQ(shown.channels(), 1);
  EXPECT_NE(shown.value(24, 24, 24), file.value(24, 24, 24, 0));
  for (std::int64_t i = 0; i < 48; ++i) ASSERT_EQ(shown.value(i, 24, i), file.value(i, 24, i, 1));
}

TEST_F(Parts, channelsAreChosenByTheirNamesInTheFile) {
  open(LayerRole::fixed, "channels.ome.zarr");
  auto* channel = find<QComboBox>("channel");
  ASSERT_TRUE(channel->isVisible());
  ASSERT_EQ(channel->count(), 2);
  EXPECT_TRUE(channel->itemText(0).contains("autofluorescence"));
  EXPECT_TRUE(channel->itemText(1).contains("c-Fos"));
  EXPECT_FALSE(find<QSpinBox>("timepoint")->isVisible());
  ASSERT_NE(layer(LayerRole::fixed).stream, nullptr);
  workspace().set_zoom(2);
  ASSERT_TRUE(wait_drawn());
  const ui::ViewState view = workspace().view();
  const double first = value_at_cursor(LayerRole::fixed);
  const QImage before = this->view("view_axial")->picture();
  EXPECT_TRUE(readout().contains("(autofluorescence)")) << readout().toStdString();
  choose("channel", 1, LayerRole::fixed);
  EXPECT_EQ(value_at_cursor(LayerRole::fixed), 4000 - first);
  EXPECT_TRUE(readout().contains("(c-Fos)")) << readout().toStdString();
  EXPECT_GT(difference(before, this->view("view_axial")->picture()), 5);
  EXPECT_EQ(workspace().view(), view);  // one looks at the same place
}

TEST_F(Parts, theChoiceGoesIntoTheJobAndTheCommandAndTheLog) {
  open(LayerRole::fixed, "channels.ome.zarr");
  open(LayerRole::moving, "channels.nii.gz");
  // What is shown is what is registered, also where nobody chose.
  JobSpec job = window->jobs().job_for(workspace());
  EXPECT_EQ(job.fixed_selection.channel, 0);
  EXPECT_EQ(job.moving_selection.channel, 0);
  EXPECT_FALSE(job.fixed_selection.timepoint);
  EXPECT_FALSE(job.fixed_selection.level);
  const QString log_before = find<QPlainTextEdit>("run_log")->toPlainText();
  choose("channel", 1, LayerRole::moving);
  EXPECT_EQ(layer(LayerRole::moving).stream, nullptr);  // a plain file, read whole
  find<QTreeView>("layers")->setCurrentIndex(workspace().layers().index(0, 0));
  choose("level", 1, LayerRole::fixed);
  job = window->jobs().job_for(workspace());
  EXPECT_EQ(job.moving_selection.channel, 1);
  EXPECT_EQ(job.fixed_selection.level, 1);
  EXPECT_TRUE(command().contains("--fixed-level 1 --fixed-channel 0")) << command().toStdString();
  EXPECT_TRUE(command().contains("--moving-channel 1")) << command().toStdString();
  const QString log = find<QPlainTextEdit>("run_log")->toPlainText().mid(log_before.size());
  EXPECT_TRUE(log.contains("--moving-channel 1")) << log.toStdString();
  EXPECT_TRUE(log.contains("--fixed-level 1")) << log.toStdString();
}

TEST_F(Parts, aRunRegistersTheChannelsThatAreShown) {
  open(LayerRole::fixed, "channels.ome.zarr");
  choose("level", 1, LayerRole::fixed);
  open(LayerRole::moving, "channels.nii.gz");
  choose("channel", 1, LayerRole::moving);
  const test::TemporaryFolder folder;
  JobSpec job = window->jobs().job_for(workspace());
  job.stages = job_from_preset("fast").stages;
  for (StageSpec& stage : job.stages) stage.levels = {{4, 4}};
  job.device = "cpu";
  job.output_directory = (folder.path() / "out").string();
  window->run().start(job, false);
  ASSERT_TRUE(wait_until([&] { return !window->run().is_active(); }, 200000));
  ASSERT_EQ(window->run().state(), ui::RunController::State::finished)
      << window->run().verdict().toStdString();
  // The warped image shows the channel that was chosen: bright where the first is dark.
  const Volume warped = io::read_image(folder.path() / "out/warped.nii.gz");
  EXPECT_EQ(warped.grid().size[0], PartFiles::kSize / 2);
  EXPECT_GT(intensity_statistics(warped).mean, 2000);
  // Opened afterwards with other channels shown, the result brings its own back.
  ASSERT_TRUE(
      wait_until([&] { return window->results().state() == ui::Results::State::ready; }, 60000));
  choose("channel", 0, LayerRole::moving);
  EXPECT_EQ(workspace().warp_source(),
            ui::WarpSource::result);  // the other channel, warped as well
  window->results().open(test::path_in(folder.path(), "out"));
  ASSERT_TRUE(wait_until(
      [&] {
        return window->results().state() == ui::Results::State::ready &&
               layer(LayerRole::moving).selection.channel == 1;
      },
      60000))
      << window->results().problem().toStdString();
  EXPECT_FALSE(find<QLabel>("results_state")->text().contains("every"));
  // A warp that is larger than the memory set is held more coarsely, and that is said.
  workspace().use_cache_mib(16);
  window->results().open(test::path_in(folder.path(), "out"));
  ASSERT_TRUE(
      wait_until([&] { return window->results().state() == ui::Results::State::ready; }, 60000));
  const QString state = find<QLabel>("results_state")->text();
  EXPECT_TRUE(state.contains("every 2nd voxel")) << state.toStdString();
}

TEST_F(Parts, timePointsAreChosenByNumberAndASessionKeepsThem) {
  open(LayerRole::fixed, "times.ome.zarr");
  auto* time = find<QSpinBox>("timepoint");
  ASSERT_TRUE(time->isVisible());
  EXPECT_FALSE(find<QComboBox>("channel")->isVisible());
  const double first = value_at_cursor(LayerRole::fixed);
  EXPECT_TRUE(readout().contains("(time point 0)")) << readout().toStdString();
  const auto before = layer(LayerRole::fixed).volume;
  time->setFocus();
  QTest::keyClick(time, Qt::Key_Up);
  ASSERT_TRUE(wait_until([&] { return layer(LayerRole::fixed).volume != before; }));
  ASSERT_TRUE(wait_drawn());
  EXPECT_EQ(value_at_cursor(LayerRole::fixed), 4000 - first);
  EXPECT_TRUE(command().contains("--fixed-timepoint 1")) << command().toStdString();
  const test::TemporaryFolder folder;
  const QString session = test::path_in(folder.path(), "kept.gigawarp");
  window->session().save(session);
  ASSERT_TRUE(wait_until([&] { return QFile::exists(session); }));
  new_window();
  workspace().open({session});
  ASSERT_TRUE(wait_loaded({LayerRole::fixed}));
  EXPECT_EQ(layer(LayerRole::fixed).selection.timepoint, 1);
  ASSERT_TRUE(wait_drawn());
  EXPECT_EQ(value_at_cursor(LayerRole::fixed), 4000 - first);
}

TEST_F(Parts, aCoarserLevelIsShownAtTheSamePlaceUnderItsNumber) {
  open(LayerRole::fixed, "channels.ome.zarr");
  const ui::ViewState view = workspace().view();
  choose("level", 1, LayerRole::fixed);
  EXPECT_EQ(workspace().reference()->size[0], PartFiles::kSize / 2);
  EXPECT_EQ(workspace().view(), view);
  EXPECT_EQ(this->view("view_axial")->level(), 1);
  EXPECT_FALSE(readout().contains("level")) << readout().toStdString();  // all that was asked for
  choose("level", 0, LayerRole::fixed);
  EXPECT_EQ(workspace().reference()->size[0], PartFiles::kSize);
}

TEST_F(Parts, aPartThatCannotBeReadLeavesWhatIsShown) {
  const test::TemporaryFolder folder;
  const auto copy = folder.path() / "lost.nii.gz";
  std::filesystem::copy(files().path("channels.nii.gz").toStdString(), copy);
  workspace().open_as(LayerRole::fixed, QString::fromStdString(copy.string()));
  ASSERT_TRUE(wait_loaded({LayerRole::fixed}));
  find<QTreeView>("layers")->setCurrentIndex(workspace().layers().index(0, 0));
  const auto volume = layer(LayerRole::fixed).volume;
  std::filesystem::remove(copy);
  const auto said = messages();
  auto* combo = find<QComboBox>("channel");
  combo->setCurrentIndex(1);
  Q_EMIT combo->activated(1);
  ASSERT_TRUE(wait_until([&] { return !said->isEmpty(); }));
  EXPECT_TRUE(said->front().contains("lost.nii.gz")) << said->front().toStdString();
  EXPECT_EQ(layer(LayerRole::fixed).volume, volume);
  EXPECT_EQ(combo->currentIndex(), 0);
}

}  // namespace
}  // namespace gigawarp
