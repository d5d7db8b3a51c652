#include "job/json_object.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace gigawarp::job {

namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row.back();
}

}  // namespace

std::string likely_meant(std::string_view name, const std::vector<std::string>& known) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (const std::string& candidate : known) {
    const std::size_t distance = edit_distance(name, candidate);
    if (distance < best_distance && distance < candidate.size()) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

JsonObject::JsonObject(const nlohmann::json& json, std::string path,
                       std::initializer_list<const char*> known)
    : json_(json), path_(std::move(path)) {
  const std::string where = path_.empty() ? "The job" : "\"" + path_ + "\" of the job";
  if (!json_.is_object()) throw Error(ErrorCode::usage, where + " must be a JSON object.", path_);
  const std::vector<std::string> names(known.begin(), known.end());
  for (const auto& [key, value] : json_.items()) {
    if (std::find(names.begin(), names.end(), key) != names.end()) continue;
    const std::string meant = likely_meant(key, names);
    throw Error(ErrorCode::usage,
                where + " has the unknown key \"" + key + "\"" +
                    (meant.empty() ? std::string(".") : "; did you mean \"" + meant + "\"?"),
                path_of(key.c_str()));
  }
}

const nlohmann::json& JsonObject::at(const char* key) const { return json_.at(key); }

std::string JsonObject::path_of(const char* key) const {
  return path_.empty() ? key : path_ + "." + key;
}

void JsonObject::refuse(const char* key, const std::string& wanted) const {
  throw Error(ErrorCode::usage,
              "\"" + path_of(key) + "\" of the job must be " + wanted + ", but it is " +
                  json_.at(key).dump().substr(0, 60) + ".",
              path_of(key));
}

void JsonObject::read(const char* key, std::string& out) const {
  if (!has(key)) return;
  if (!at(key).is_string()) refuse(key, "a string");
  out = at(key).get<std::string>();
}

void JsonObject::read(const char* key, bool& out) const {
  if (!has(key)) return;
  if (!at(key).is_boolean()) refuse(key, "true or false");
  out = at(key).get<bool>();
}

void JsonObject::read(const char* key, double& out) const {
  if (!has(key)) return;
  if (!at(key).is_number()) refuse(key, "a number");
  out = at(key).get<double>();
}

void JsonObject::read(const char* key, int& out) const {
  if (!has(key)) return;
  const nlohmann::json& value = at(key);
  const bool fits =
      value.is_number_integer() &&
      (value.is_number_unsigned() ? value.get<std::uint64_t>() <=
                                        static_cast<std::uint64_t>(std::numeric_limits<int>::max())
                                  : value.get<std::int64_t>() >= std::numeric_limits<int>::min());
  if (!fits) refuse(key, "a whole number");
  out = value.get<int>();
}

void JsonObject::read(const char* key, std::uint64_t& out) const {
  if (!has(key)) return;
  if (!at(key).is_number_unsigned()) refuse(key, "a whole number, zero or more");
  out = at(key).get<std::uint64_t>();
}

void JsonObject::read(const char* key, std::vector<double>& out) const {
  if (!has(key)) return;
  const nlohmann::json& value = at(key);
  if (!value.is_array() ||
      !std::all_of(value.begin(), value.end(), [](const auto& v) { return v.is_number(); }))
    refuse(key, "an array of numbers");
  out = value.get<std::vector<double>>();
}

void JsonObject::read(const char* key, std::vector<std::string>& out) const {
  if (!has(key)) return;
  const nlohmann::json& value = at(key);
  if (value.is_string()) {
    out = {value.get<std::string>()};
    return;
  }
  if (!value.is_array() ||
      !std::all_of(value.begin(), value.end(), [](const auto& v) { return v.is_string(); }))
    refuse(key, "a file name or an array of file names");
  out = value.get<std::vector<std::string>>();
}

void JsonObject::read(const char* key, std::optional<Vec3>& out) const {
  if (!has(key)) return;
  std::vector<double> numbers;
  read(key, numbers);
  if (numbers.size() != 3) refuse(key, "an array of three numbers");
  out = Vec3{numbers[0], numbers[1], numbers[2]};
}

}  // namespace gigawarp::job
