#include <algorithm>

#include "gigawarp/error.h"
#include "gigawarp/job.h"
#include "job/json_object.h"
#include "job/preset_files.h"

namespace gigawarp {

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const auto& [name, text] : job::preset_files()) names.emplace_back(name);
  return names;
}

JobSpec job_from_preset(const std::string& name) {
  std::string list;
  for (const auto& [known, text] : job::preset_files()) {
    if (known == name) return parse_job(std::string(text));
    list += (list.empty() ? "" : ", ") + std::string(known);
  }
  const std::string meant = job::likely_meant(name, preset_names());
  throw Error(ErrorCode::usage,
              "There is no preset \"" + name + "\"; the presets are " + list +
                  (meant.empty() ? "." : ". Did you mean \"" + meant + "\"?"),
              name);
}

}  // namespace gigawarp
