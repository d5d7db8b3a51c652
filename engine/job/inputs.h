#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/time_sum.h"
#include "gigawarp/grid.h"
#include "gigawarp/job.h"
#include "gigawarp/volume_feed.h"
#include "io/brick_source.h"
#include "io/image_io.h"
#include "job/checkpoint_files.h"
#include "solve/forecast.h"
#include "solve/registration.h"

namespace gigawarp::job {

/// One named input file of a job.
struct InputFile {
  std::string role;  ///< "fixed[0]", "moving_mask", …
  std::string path;
};

/// The file of "[file,1]", the ANTs way to name an affine transform to be inverted; nothing for
/// other text.
std::optional<std::string> inverted_transform(const std::string& text);

/// How the images of one side are read.
io::ReadOptions fixed_options(const JobSpec& job);
io::ReadOptions moving_options(const JobSpec& job);

/// Whether a volume of a job can be read as it is needed: in place, or from what an import left in
/// the cache of it (io/import_cache.h), whose finest level has the same voxels. `shared`: by
/// several processes, whose caches may differ, so that imports do not count.
bool reads_in_part(const std::string& path, const io::ReadOptions& options, bool shared);

/// Every file the result of the job depends on or that it scores, in a fixed order.
std::vector<InputFile> input_files(const JobSpec& job);

/// One point in both images, world LPS.
struct LandmarkPair {
  Vec3 fixed_mm{}, moving_mm{};
  bool held_out = false;  ///< of either file: scored, never fitted
};

/// The job's images, checked and brought into canonical axis order (x to L, y to P, z to S), so
/// that a pair gives the same bits whichever of the 48 axis orders it is stored in. In memory, or
/// read as they are needed.
struct RunInputs {
  std::vector<std::shared_ptr<const VolumeFeed>> fixed, moving;
  std::shared_ptr<const VolumeFeed> fixed_mask, moving_mask;  ///< null: none
  bool fixed_mask_chosen = false;                             ///< for the job, which names none
  Grid fixed_file_grid;                                       ///< the fixed file's own lattice
  AxisOrder fixed_order;                                      ///< canonical from file order
  Grid moving_file_grid;                                      ///< the same of the moving file
  AxisOrder moving_order;
  std::optional<Affine> initial;  ///< moving_from_fixed, world mm
  std::vector<LandmarkPair> landmarks;
  std::vector<std::string> warnings;
  std::shared_ptr<TimeSum> read_time;  ///< of the files' voxels, also later ones

  solve::RegistrationInput view() const;
};

/// How the images of a run are read.
struct Reading {
  solve::Streaming streamed;  ///< images that stay in their files, where these allow it
  /// Of those, the ones whose coarse levels may come from their files: as in one process on the CPU
  /// where no stage takes the full level.
  solve::Streaming levels;
  /// Where several processes read them, each its planes; they call load_inputs() together.
  std::shared_ptr<const PlaneSharing> sharing;
  /// Told how much of the images has been read, 0…1, from any thread, one at a time; may be null.
  std::function<void(double share)> tell = nullptr;
};

/// Opens fixed and moving in parallel, reads into memory what is not to be streamed or cannot be,
/// and checks all voxels. Throws Error{bad_input} with the file and what is wrong with it.
RunInputs load_inputs(const JobSpec& job, const Reading& reading, const std::stop_token& stop);

/// A label map as a feed in canonical order, as the images of the run are.
std::shared_ptr<const VolumeFeed> open_labels(const std::string& path,
                                              const io::ReadOptions& image_options,
                                              std::shared_ptr<TimeSum> read_time,
                                              const std::stop_token& stop);

/// The grid with its geometry rounded to about 1/2000 voxel. Storing a volume in another axis order
/// and in single-precision headers perturbs the last bits of its geometry; rounding takes that
/// away.
Grid rounded(const Grid& grid);

/// Landmarks of both files with equal names. Throws Error{bad_input} when there is none, or fewer
/// than three to fit where the job begins with them.
std::vector<LandmarkPair> load_landmarks(const JobSpec& job);

}  // namespace gigawarp::job
