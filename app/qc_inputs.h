#pragma once
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "app/imported.h"
#include "gigawarp/volume_feed.h"
#include "io/image_io.h"
#include "qc/report.h"
#include "qc/streamed_transform.h"

namespace gigawarp::app {

/// What `gigawarp qc` was asked for.
struct QcOptions {
  std::string fixed, moving, mask, fixed_labels, moving_labels, phantom;
  std::string label_names;
  std::vector<std::string> transforms, inverse_transforms, reference, landmarks;
  io::ReadOptions fixed_options, moving_options;
  std::filesystem::path result, json, sheet, thumbnail, local_ncc, jacobian;
  std::string progress = "auto";
  std::string memory;
  ImportChoice import = ImportChoice::automatic;
  bool no_hd95 = false, summary_only = false;
};

/// Everything that is read, so that an input of qc::assess() can borrow it.
struct QcFiles {
  std::int64_t every = 1;  ///< voxel of the fixed image along each axis
  Volume fixed, mask, fixed_labels;
  std::shared_ptr<const VolumeFeed> moving, moving_labels, whole_mask;  ///< null: none
  Transform transform, inverse, reference;
  /// Where displacements stay in their files; else empty.
  qc::StreamedTransform streamed, streamed_inverse, streamed_reference;

  /// At any point.
  PointMap map() const { return streamed.streams() ? streamed.map() : point_map(transform); }
};

/// Reads what fits the memory of the options (what is free, without): all of it; or with
/// displacements in their files, and of the fixed image every voxel, or every 2nd, 3rd … along each
/// axis. Files that have to be whole for that go through the import cache, which stderr is told.
/// Throws Error{does_not_fit} before anything large is read.
QcFiles read_qc_files(const QcOptions& options, const std::stop_token& stop);

}  // namespace gigawarp::app
