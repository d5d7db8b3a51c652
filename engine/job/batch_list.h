#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "gigawarp/job.h"

namespace gigawarp::job {

/// One registration of a batch. The job's output directory is its folder in the batch.
struct BatchPair {
  std::string name;  ///< of its folder: letters, digits, "._-+" and "/" between folders
  JobSpec job;
};

/// What a list leaves open.
struct BatchDefaults {
  /// The job of a preset or a job file, by what a row says; empty strings: the batch's own.
  std::function<JobSpec(const std::string& preset, const std::string& job_file)> job;
  std::string fixed, fixed_labels, fixed_mask, fixed_landmarks;  ///< of rows that name none
};

/// Columns that a list may have, in the order in which they are documented.
const std::vector<std::string>& batch_columns();

/// Reads a CSV list (RFC 4180, the first line names the columns, lines that begin with # count
/// for nothing): a pair per row, files relative to the list's folder. A row without a name takes
/// the moving image's. Throws Error{bad_input} with the line.
std::vector<BatchPair> read_batch_list(const std::filesystem::path& list,
                                       const BatchDefaults& defaults);

/// The pairs of a folder: its batch.csv if there is one; else its sub-folders that hold
/// fixed.* and moving.* (labels.*, fixed_labels.*, job.json if they are there); else, with a fixed
/// image given, every image in it as a moving one. Throws Error{bad_input} when there is none.
std::vector<BatchPair> pairs_of_folder(const std::filesystem::path& folder,
                                       const BatchDefaults& defaults);

/// A field of a list, quoted where it must be.
std::string csv_field(const std::string& text);

/// The list that makes these pairs again: name, images, labels, landmarks, masks and a job file of
/// each, by absolute paths. `job_file` names the file of a pair.
std::string batch_list_text(const std::vector<BatchPair>& pairs,
                            const std::function<std::filesystem::path(const BatchPair&)>& job_file);

}  // namespace gigawarp::job
