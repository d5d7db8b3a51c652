#pragma once
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "gigawarp/job.h"
#include "gigawarp/transform.h"
#include "io/volume_sink.h"
#include "job/inputs.h"
#include "job/measures.h"
#include "job/output_folder.h"
#include "ops/apply.h"
#include "ops/jacobian.h"
#include "qc/similarity.h"
#include "solve/registration.h"

namespace gigawarp::job {

/// Measures and writes what a registration found, slab by slab as it is computed: images and fields
/// that are not in memory are never there as a whole. Lets go of each as soon as it is no longer
/// needed.
class Results {
 public:
  Results(const JobSpec& job, RunInputs&& inputs, solve::RegistrationOutput&& output,
          OutputFolder& folder);

  /// Told how much of all that is written is done, 0…1, and what is being done. Before
  /// measure_and_write().
  void tell(std::function<void(double share, const std::string& what)> tell) {
    tell_ = std::move(tell);
  }
  /// Call once. Files appear as pending files of the folder. Throws Error{output_not_written,
  /// bad_input, cancelled}.
  Measures measure_and_write(const std::stop_token& stop);
  const std::vector<std::string>& files() const { return files_; }
  double write_seconds() const { return write_time_.seconds(); }  ///< compressing and writing alone

 private:
  /// Looks at a box of a volume, on its canonical grid, as it is written.
  using Look = std::function<void(const Box& box, const Volume& voxels)>;

  void measure_field();
  bool measures_while_writing() const;
  void set_jacobian(const ops::JacobianSummary& jacobian);
  void measure_landmarks();
  void warp_image();
  qc::Similarity compare_whole();
  qc::Similarity compare_planes(std::int64_t step);
  void carry_labels();
  void warp_labels(const VolumeFeed* fixed);
  /// Onto the moving grid, by the inverse.
  void carry_labels_back(std::shared_ptr<const VolumeFeed> fixed);
  /// Moving voxels on the canonical fixed grid, of which boxes are computed.
  std::shared_ptr<const VolumeFeed> warped(std::shared_ptr<const VolumeFeed> moving,
                                           Interpolation interpolation) const;
  /// What a file's voxels lie on: its own lattice, and the canonical one of the run.
  struct FileGrid {
    Grid file, canonical;
    AxisOrder file_from_canonical;
  };
  /// A feed on a canonical grid, that of `to` or another one of its image, to a file in the axis
  /// order of `to`.
  void write(const VolumeFeed& feed, const FileGrid& to, const std::string& name, bool labels,
             const Look& look = {});
  /// Channels first … second of `feed` into an open file, each slab made while the one before is
  /// written.
  void write_channels(const VolumeFeed& feed, io::VolumeSink& sink,
                      const AxisOrder& file_from_canonical, std::pair<int, int> channels,
                      const Look& look);
  void write_image(const VolumeFeed& feed, const FileGrid& to, const std::string& name, bool labels,
                   const Look& look);
  void write_field(std::shared_ptr<const VolumeFeed>& field, const std::string& name,
                   const Look& look);
  void write_forward();
  void visit(const VolumeFeed& feed, const Look& look);
  void look_at_stop() const;
  double work_of(const VolumeFeed& feed) const;
  void tell_done(const VolumeFeed& feed, const Box& box, double channels);

  const JobSpec& job_;
  RunInputs inputs_;
  OutputFolder& folder_;
  std::stop_token stop_;
  Affine affine_;
  std::shared_ptr<const VolumeFeed> forward_, inverse_;  ///< null: none
  /// moving_from_fixed is `first_`, a displacement on the fixed grid, if any, then this.
  Transform transform_;
  const VolumeFeed* first_ = nullptr;
  FileGrid on_fixed_, on_moving_;
  Measures measures_;
  std::vector<std::string> files_;
  TimeSum write_time_;
  std::function<void(double, const std::string&)> tell_;
  /// Voxels times channels, as far as known, of all that is visited or written, and of what has
  /// been.
  double work_ = 0, done_ = 0;
  std::string doing_;
};

}  // namespace gigawarp::job
