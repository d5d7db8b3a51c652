#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gigawarp/grid.h"
#include "gigawarp/selection.h"

namespace gigawarp {

enum class StageKind { rigid, similarity, affine, greedy, syn };
inline bool is_deformable(StageKind kind) {
  return kind == StageKind::greedy || kind == StageKind::syn;
}
enum class MetricKind { lncc, mi, mse };
enum class WindowKind { box, gaussian };
enum class Initialisation {
  automatic,  ///< the best scoring of identity, centres and all rotations the moments leave open
  identity,
  centres,
  moments,
  landmarks,
  transform,
};

/// Where the voxels of the displacement that a run writes lie.
enum class WarpGrid {
  full,   ///< on every voxel of the fixed image, as ANTs writes them
  level,  ///< on the grid of the finest level that was registered: the same map, without samples
          ///< interpolated in between; a file 1/shrink^3 as large
};
/// What the warped image and labels are written as.
enum class ImageFormat { nifti, ome_zarr };
/// Whether coarse levels may be made of those in the image's file.
enum class PyramidUse {
  automatic,  ///< where they are averages of the finest one, which is checked, and not read whole
  never,      ///< of the finest level alone
};

/// One similarity metric; engine/design §2.
struct MetricSpec {
  MetricKind kind = MetricKind::lncc;
  int radius = 2;                       ///< LNCC: voxels per axis of the level; window is 2r+1
  WindowKind window = WindowKind::box;  ///< LNCC
  bool approximate_gradient = false;    ///< LNCC: the "ANTs gradient" without the box sums
  bool symmetric_gradient = false;  ///< deformable, volumes of one contrast: mean of both volumes'
                                    ///< gradients instead of the warped one's alone (less noise)
  int bins = 32;                    ///< MI: 16…128 per axis
};

struct LevelSpec {
  int shrink = 1;      ///< relative to the finest spacing of the fixed grid
  int iterations = 0;  ///< at most
};

struct StageSpec {
  StageKind kind = StageKind::greedy;
  MetricSpec metric;
  std::vector<LevelSpec> levels;  ///< coarse to fine
  double learning_rate = 0.5;     ///< deformable: voxels per iteration
  double gradient_floor = 0.1;    ///< deformable: gradients (per voxel, intensities of unit
                                  ///< deviation) well below this move in proportion; 0: plain Adam
  double incoherence_damping = 0.3;  ///< deformable: steps are scaled by r/(r + this), r from 0 to
                                     ///< 1 how far a voxel's gradients agree over the iterations
  double noise_floor = 5.0;          ///< deformable: times the volumes' noise variance, added to it
  double noise_smoothing = 12.0;  ///< deformable: times the noise variance, added to the square of
                                  ///< sigma_gradient_voxels
  double sigma_gradient_voxels = 0.7;  ///< deformable: smoothing of the gradient ("fluid")
  double sigma_warp_voxels = 0.65;     ///< deformable: smoothing of the field ("elastic")
  double convergence_slope = 3e-5;     ///< stop a level when the loss improves by less than this
                                       ///< fraction per iteration over the window; 0: never
  int convergence_window = 10;
  double minimum_jacobian = 0.1;  ///< deformable: det J is kept above this
};

/// In place of a mask file: the non-zero voxels of the first channel count.
inline constexpr const char* kNonZeroMask = "nonzero";
/// In place of a mask file: all voxels count, also where a mask would be chosen.
inline constexpr const char* kNoMask = "none";

/// A registration job: everything a run depends on, the same for desktop and command line.
/// JSON form: resources/job.schema.json.
struct JobSpec {
  static constexpr int kVersion = 1;
  std::string preset;                   ///< name it was made from; informative
  std::vector<std::string> fixed;       ///< one file per channel
  std::vector<std::string> moving;      ///< as many as `fixed`
  std::vector<double> channel_weights;  ///< empty: equal
  /// Files whose non-zero voxels count, kNonZeroMask or kNoMask. Both empty: none, except that a
  /// brain-extracted fixed volume masks itself when the moving one is not extracted.
  std::string fixed_mask, moving_mask;
  /// Optional: each is brought onto the other image's grid after the run, and both are scored.
  std::string fixed_labels, moving_labels;
  std::optional<Vec3> fixed_spacing_mm, moving_spacing_mm;  ///< overrides the files' spacing
  ImageSelection fixed_selection,
      moving_selection;  ///< level also of masks and labels that have it
  Initialisation initialisation = Initialisation::automatic;
  std::string initial_transform;                  ///< with Initialisation::transform
  std::string fixed_landmarks, moving_landmarks;  ///< with Initialisation::landmarks; also scored
  std::vector<StageSpec> stages;
  std::string device = "auto";     ///< "auto", "cpu", "cuda:0", "cuda:0,1", "cuda:all"
  int threads = 0;                 ///< 0: all
  std::uint64_t memory_bytes = 0;  ///< budget of the run; 0: what the machine has
  std::string output_directory;
  bool write_inverse = true;
  bool write_warped = true;
  bool compress = true;  ///< .nii.gz rather than .nii
  WarpGrid warp_grid = WarpGrid::full;
  ImageFormat image_format = ImageFormat::nifti;
  PyramidUse pyramid = PyramidUse::automatic;
};

/// Whether the fixed labels are brought onto the moving image's grid, which takes the inverse.
inline bool carries_labels_back(const JobSpec& job) {
  return !job.fixed_labels.empty() && job.write_inverse;
}

/// Parses the JSON form. Relative paths are kept as they are. Throws Error{usage} naming the key.
JobSpec parse_job(const std::string& json_text);
std::string to_json(const JobSpec& job);
/// Throws Error{usage} with the first contradiction or value out of range.
void validate(const JobSpec& job);

std::vector<std::string> preset_names();
/// Stages of a preset; throws Error{usage} listing the names when there is none of that name.
JobSpec job_from_preset(const std::string& name);

}  // namespace gigawarp
