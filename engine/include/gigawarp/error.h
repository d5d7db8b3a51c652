#pragma once
#include <stdexcept>
#include <string>
#include <utility>

namespace gigawarp {

/// Why something could not be done. The value is the process exit code of the command line.
enum class ErrorCode {
  internal = 1,            ///< a defect of Gigawarp itself
  usage = 2,               ///< the request makes no sense (unknown option, contradictory settings)
  bad_input = 3,           ///< a file or volume cannot be used
  does_not_fit = 4,        ///< the plan needs more memory or disk than there is
  cancelled = 5,           ///< the user asked to stop; a checkpoint holds what was reached
  device_fault = 6,        ///< a GPU is missing, full or failed
  output_not_written = 7,  ///< disk full, folder not writable, rename failed
};

/// The one exception of the engine. `what()` is a complete sentence for the user: what happened, to
/// which file, and what to do. `subject()` is the file, option or device the sentence is about.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& sentence, std::string subject = {})
      : std::runtime_error(sentence), code_(code), subject_(std::move(subject)) {}
  ErrorCode code() const noexcept { return code_; }
  int exit_code() const noexcept { return static_cast<int>(code_); }
  const std::string& subject() const noexcept { return subject_; }

 private:
  ErrorCode code_;
  std::string subject_;
};

}  // namespace gigawarp
