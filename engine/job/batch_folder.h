#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "job/batch_list.h"

namespace gigawarp::job {

/// What a person said about a pair.
enum class VerdictKind { none, accepted, rejected, fix };
std::string name_of(VerdictKind kind);  ///< "accepted"; empty for none

struct Verdict {
  VerdictKind kind = VerdictKind::none;
  std::string who, when;  ///< user name; UTC, ISO 8601
  std::string note;
  bool outdated = false;  ///< the pair has been run again since
};

/// How far a pair has come, by what lies in its folder.
enum class PairState { waiting, unfinished, done, failed };
std::string name_of(PairState state);

/// Figures of a finished pair that can be compared among pairs; what does not apply is absent.
struct PairFigures {
  std::optional<double> ncc, local_ncc, dice_mean, dice_p30, landmark_mm, folds_percent,
      inverse_error_mm;
};

struct PairOutcome {
  PairState state = PairState::waiting;
  PairFigures figures;
  std::string problem;  ///< one sentence, of a pair that failed
  int exit_code = 0;
  double seconds = 0;
  std::string finished;  ///< UTC
  int warnings = 0;
  Verdict verdict;
};

/// A folder that the verb batch fills: batch.json and jobs/NAME.json say what is to be done,
/// NAME/ holds the results of each pair with thumbnail.png, sheet.png and qc.json,
/// logs/NAME.log what its run said, summary.csv, summary.json and index.html the whole.
class BatchFolder {
 public:
  /// Opens what is there. Throws Error{bad_input} when it is no batch.
  explicit BatchFolder(const std::filesystem::path& path);
  /// Makes the folder, or replaces the pairs of the one that is there; results stay. Throws
  /// Error{output_not_written}.
  BatchFolder(const std::filesystem::path& path, std::vector<BatchPair> pairs);
  /// The same without writing anything, to see what would be done.
  static BatchFolder planned(const std::filesystem::path& path, std::vector<BatchPair> pairs);
  static bool is_one(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  const std::vector<BatchPair>& pairs() const { return pairs_; }
  std::filesystem::path folder_of(const BatchPair& pair) const { return path_ / pair.name; }
  std::filesystem::path job_file(const BatchPair& pair) const;
  std::filesystem::path log_file(const BatchPair& pair) const;

  /// Reads the pair's files. A damaged one makes the pair a failed one, with the reason.
  PairOutcome outcome(const BatchPair& pair) const;
  /// Keeps why a pair failed until it has been done; an empty sentence forgets it.
  void set_failure(const BatchPair& pair, int exit_code, const std::string& sentence) const;
  /// Keeps a verdict beside the results, about the run that is there now. VerdictKind::none takes
  /// it away. Throws Error{output_not_written}.
  void set_verdict(const BatchPair& pair, VerdictKind kind, const std::string& note) const;

  /// Indices of `outcomes`, worst first: failed pairs, then by the mean of the pair's ranks in the
  /// figures it has, unfinished ones last.
  static std::vector<std::size_t> worst_first(const std::vector<PairOutcome>& outcomes);

  std::string summary_csv(const std::vector<PairOutcome>& outcomes) const;
  std::string summary_json(const std::vector<PairOutcome>& outcomes) const;
  /// A list for the verb batch with the pairs whose verdict is rejected or fix; empty when there
  /// are none.
  std::string rejects_csv(const std::vector<PairOutcome>& outcomes) const;

 private:
  BatchFolder() = default;
  std::filesystem::path failure_file(const BatchPair& pair) const;

  std::filesystem::path path_;
  std::vector<BatchPair> pairs_;
};

}  // namespace gigawarp::job
