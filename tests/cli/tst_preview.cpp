#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "gigawarp/error.h"
#include "job/preview_file.h"
#include "support/temporary_folder.h"

namespace gigawarp::job {
namespace {

DisplacementField field() {
  Grid grid;
  grid.size = {3, 4, 5};
  grid.world_from_voxel.offset = {1, -2, 3};
  grid.world_from_voxel.linear[0][0] = 2.5;
  DisplacementField u(grid);
  for (int c = 0; c < 3; ++c)
    for (std::int64_t i = 0; i < grid.voxel_count(); ++i)
      u.component_mm(c)[i] = static_cast<float>(c * 100 + i);
  return u;
}

TEST(Preview, comesBackAsItWasWritten) {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "preview";
  Affine affine;
  affine.offset = {0.1, 0.2, 0.3};
  const DisplacementField u = field();
  write_preview(affine, &u, path);
  const PreviewState state = read_preview(path);
  EXPECT_EQ(state.moving_from_fixed, affine);
  ASSERT_TRUE(state.displacement_mm);
  EXPECT_EQ(state.displacement_mm->grid(), u.grid());
  for (int c = 0; c < 3; ++c)
    for (std::int64_t i = 0; i < u.grid().voxel_count(); ++i)
      EXPECT_EQ(state.displacement_mm->component_mm(c)[i], u.component_mm(c)[i]);
  write_preview(affine, nullptr, path);
  EXPECT_FALSE(read_preview(path).displacement_mm);
}

TEST(Preview, damagedAndMissingFilesAreRefused) {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "preview";
  EXPECT_THROW(read_preview(path), Error);
  const DisplacementField u = field();
  write_preview({}, &u, path);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  EXPECT_THROW(read_preview(path), Error);
  std::ofstream(path)
      << "something else that is long enough to be a header, or so it seems; something "
         "else that is long enough to be a header, or so it seems; it goes on and on; "
         "something else that is long enough to be a header, or so it seems; on";
  EXPECT_THROW(read_preview(path), Error);
}

TEST(Preview, isWrittenWhenAskedForAndNotMoreOftenThanThat) {
  const test::TemporaryFolder folder;
  RunSwitch control;
  int written = 0, failed = 0;
  PreviewFile preview(
      control, folder.path(), [&](const std::string&) { ++written; },
      [&](const std::string&) { ++failed; });
  EXPECT_FALSE(preview.due());  // nobody asked
  control.show_preview({(folder.path() / "p").string(), 0.05, 1000});
  ASSERT_TRUE(preview.due());
  EXPECT_EQ(preview.largest_voxels(), 1000);
  preview.show({}, nullptr);
  EXPECT_EQ(written, 1);
  EXPECT_FALSE(preview.due());
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  EXPECT_TRUE(preview.due());
  control.show_preview({(folder.path() / "missing" / "p").string(), 0, 1000});
  ASSERT_TRUE(preview.due());
  preview.show({}, nullptr);
  EXPECT_EQ(failed, 1);
  EXPECT_FALSE(preview.due());  // a preview that cannot be written ends, the run does not
}

TEST(Preview, isKeptForWhoeverLooksOnAtTheFolderAndGoesWithTheRun) {
  const test::TemporaryFolder folder;
  const auto run = folder.path() / "run";
  std::filesystem::create_directory(run);
  const RunSwitch control;
  int written = 0;
  {
    PreviewFile preview(
        control, run, [&](const std::string&) { ++written; }, [](const std::string&) { FAIL(); });
    look_on(run);
    ASSERT_TRUE(preview.due());
    Affine affine;
    affine.offset = {1, 2, 3};
    preview.show(affine, nullptr);
    EXPECT_EQ(read_preview(run / kOnlookersPreview).moving_from_fixed, affine);
    EXPECT_EQ(written, 0);  // the program that started the run has asked for none
    EXPECT_FALSE(preview.due());
  }
  EXPECT_TRUE(std::filesystem::is_empty(run));
  PreviewFile preview(
      control, run, [](const std::string&) {}, [](const std::string&) {});
  EXPECT_FALSE(preview.due());  // nobody looks on any more
}

}  // namespace
}  // namespace gigawarp::job
