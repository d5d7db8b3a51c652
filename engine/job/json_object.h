#pragma once
#include <concepts>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "gigawarp/error.h"
#include "gigawarp/grid.h"

namespace gigawarp::job {

/// The name in `known` that a mistyped `name` most likely means; empty when none is near.
std::string likely_meant(std::string_view name, const std::vector<std::string>& known);

/// A JSON object whose keys and types are checked while it is read. Errors are Error{usage} that
/// name the key with its path, e.g. `stages[2].metric.radius`.
class JsonObject {
 public:
  /// Refuses anything but an object, and keys that are not in `known`. `path` is empty at the root.
  JsonObject(const nlohmann::json& json, std::string path,
             std::initializer_list<const char*> known);

  bool has(const char* key) const { return json_.contains(key); }
  const nlohmann::json& at(const char* key) const;
  std::string path_of(const char* key) const;

  /// Each leaves `out` alone when the key is absent.
  void read(const char* key, std::string& out) const;
  void read(const char* key, bool& out) const;
  void read(const char* key, double& out) const;
  void read(const char* key, int& out) const;
  void read(const char* key, std::uint64_t& out) const;
  void read(const char* key, std::vector<double>& out) const;
  /// One string or an array of strings.
  void read(const char* key, std::vector<std::string>& out) const;
  void read(const char* key, std::optional<Vec3>& out) const;

  [[noreturn]] void refuse(const char* key, const std::string& wanted) const;

 private:
  const nlohmann::json& json_;
  std::string path_;
};

}  // namespace gigawarp::job
