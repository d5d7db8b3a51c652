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

/// What passes between a run and a program that looks on without having started it, both hidden
/// files in the run's folder: the onlooker renews the first every second or so, and for as long as
/// that goes on the run keeps the second.
inline constexpr const char* kOnlooker = ".watched";
inline constexpr const char* kOnlookersPreview = ".preview";

/// Says that somebody looks on. Failing (a folder of another user) means no preview.
void look_on(const std::filesystem::path& folder) noexcept;
/// Takes that back in the folder of a run that has ended: it may have been said after the run
/// looked last.
void look_away(const std::filesystem::path& folder) noexcept;

/// The preview of a run, as its switch asks for it and for whoever looks on at its folder. Removes
/// what onlookers left there at the end.
class PreviewFile final : public solve::PreviewSink {
 public:
  /// `written` is told each file that was written; failures to write end the preview with a
  /// sentence to `failed`, not the run.
  PreviewFile(const RunSwitch& control, std::filesystem::path folder,
              std::function<void(const std::string&)> written,
              std::function<void(const std::string&)> failed);
  ~PreviewFile() override;
  PreviewFile(const PreviewFile&) = delete;
  PreviewFile& operator=(const PreviewFile&) = delete;
  bool due() override;
  std::int64_t largest_voxels() const override { return wanted_.largest_voxels; }
  void show(const Affine& moving_from_fixed, const DisplacementField* displacement_mm) override;

 private:
  using Clock = std::chrono::steady_clock;
  bool onlooker_is_there();

  const RunSwitch& control_;
  std::filesystem::path folder_;
  std::function<void(const std::string&)> written_, failed_;
  RunSwitch::Preview wanted_;
  std::string broken_;                              ///< file that could not be written
  bool for_switch_ = false, for_onlooker_ = false;  ///< who show() is to serve
  Clock::time_point last_{}, last_for_onlooker_{}, last_look_{}, onlooker_seen_{};
  std::filesystem::file_time_type onlooker_mark_{};
};

}  // namespace gigawarp::job
