#pragma once
#include <map>
#include <string>

#include "job/runner.h"

namespace gigawarp::job {

/// result.json: measures, levels with their losses, warnings and provenance.
std::string report_json(const JobSpec& job, const Plan& plan, const RunResult& result,
                        const std::map<std::string, std::string>& checksums,
                        const std::string& command_line);

/// Figures and places for people, a few aligned lines.
std::string report_text(const RunResult& result);

}  // namespace gigawarp::job
