#pragma once
#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>

#include "gigawarp/transform.h"
#include "job/run_switch.h"
#include "solve/registration.h"

namespace gigawarp::job {

/// What a run looks like so far, as another process reads it: fixed points to moving points by the
/// displacement first, then the affine map.
struct PreviewState {
  Affine moving_from_fixed;
  std::optional<DisplacementField> displacement_mm;
};

/// Writes beside `path` and renames, so that a reader finds the old or the new state whole. The
/// file is this machine's own (native numbers) and belongs on a file system in memory. Throws
/// Error{output_not_written}.
void write_preview(const Affine& moving_from_fixed, const DisplacementField* displacement_mm,
                   const std::filesystem::path& path);
/// Throws Error{bad_input} when it is missing or damaged.
PreviewState read_preview(const std::filesystem::path& path);

/// The preview of a run, as its switch asks for it.
class PreviewFile final : public solve::PreviewSink {
 public:
  /// `written` is told each file that was written; failures to write end the preview with a
  /// sentence to `failed`, not the run.
  PreviewFile(const RunSwitch& control, std::function<void(const std::string&)> written,
              std::function<void(const std::string&)> failed);
  bool due() override;
  std::int64_t largest_voxels() const override { return wanted_.largest_voxels; }
  void show(const Affine& moving_from_fixed, const DisplacementField* displacement_mm) override;

 private:
  const RunSwitch& control_;
  std::function<void(const std::string&)> written_, failed_;
  RunSwitch::Preview wanted_;
  std::string broken_;  ///< file that could not be written
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace gigawarp::job
