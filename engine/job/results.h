#pragma once
#include <stop_token>
#include <string>
#include <vector>

#include "gigawarp/job.h"
#include "gigawarp/transform.h"
#include "job/inputs.h"
#include "job/measures.h"
#include "job/output_folder.h"
#include "solve/registration.h"

namespace gigawarp::job {

/// Measures and writes what a registration found. Owns images and fields and lets go of each as
/// soon as it is no longer needed: fields dominate the memory here.
class Results {
 public:
  Results(const JobSpec& job, RunInputs&& inputs, solve::RegistrationOutput&& output,
          OutputFolder& folder);

  /// Call once. Files appear as pending files of the folder. Throws Error{output_not_written,
  /// bad_input, cancelled}.
  Measures measure_and_write(const std::stop_token& stop);
  const std::vector<std::string>& files() const { return files_; }

 private:
  void measure_field();
  void measure_landmarks();
  void warp_image(const std::stop_token& stop);
  void warp_labels(const std::stop_token& stop);
  void write_all();
  /// Brings a volume on the canonical fixed grid back to the fixed file's lattice.
  void to_file_lattice(Volume& volume) const;
  std::filesystem::path file(const std::string& name);

  const JobSpec& job_;
  RunInputs inputs_;
  OutputFolder& folder_;
  Affine affine_;
  Transform transform_;  ///< moving_from_fixed: the forward field, if any, then the affine
  std::optional<DisplacementField> inverse_;
  Volume warped_, warped_labels_;
  Grid canonical_;
  Measures measures_;
  std::vector<std::string> files_;
};

}  // namespace gigawarp::job
