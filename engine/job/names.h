#pragma once
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gigawarp/job.h"

/// The names of the job's choices, as JSON and the command line write them.
namespace gigawarp::job {

template <class T>
struct NameTable;

template <>
struct NameTable<StageKind> {
  static constexpr std::array<std::pair<StageKind, std::string_view>, 5> entries{
      {{StageKind::rigid, "rigid"},
       {StageKind::similarity, "similarity"},
       {StageKind::affine, "affine"},
       {StageKind::greedy, "greedy"},
       {StageKind::syn, "syn"}}};
};

template <>
struct NameTable<MetricKind> {
  static constexpr std::array<std::pair<MetricKind, std::string_view>, 3> entries{
      {{MetricKind::lncc, "lncc"}, {MetricKind::mi, "mi"}, {MetricKind::mse, "mse"}}};
};

template <>
struct NameTable<WindowKind> {
  static constexpr std::array<std::pair<WindowKind, std::string_view>, 2> entries{
      {{WindowKind::box, "box"}, {WindowKind::gaussian, "gaussian"}}};
};

template <>
struct NameTable<Initialisation> {
  static constexpr std::array<std::pair<Initialisation, std::string_view>, 6> entries{
      {{Initialisation::automatic, "automatic"},
       {Initialisation::identity, "identity"},
       {Initialisation::centres, "centres"},
       {Initialisation::moments, "moments"},
       {Initialisation::landmarks, "landmarks"},
       {Initialisation::transform, "transform"}}};
};

template <>
struct NameTable<WarpGrid> {
  static constexpr std::array<std::pair<WarpGrid, std::string_view>, 2> entries{
      {{WarpGrid::full, "full"}, {WarpGrid::level, "level"}}};
};

template <>
struct NameTable<ImageFormat> {
  static constexpr std::array<std::pair<ImageFormat, std::string_view>, 2> entries{
      {{ImageFormat::nifti, "nifti"}, {ImageFormat::ome_zarr, "ome.zarr"}}};
};

template <>
struct NameTable<PyramidUse> {
  static constexpr std::array<std::pair<PyramidUse, std::string_view>, 2> entries{
      {{PyramidUse::automatic, "auto"}, {PyramidUse::never, "never"}}};
};

template <class T>
std::string name_of(T value) {
  for (const auto& [candidate, name] : NameTable<T>::entries)
    if (candidate == value) return std::string(name);
  return {};
}

template <class T>
std::optional<T> value_of(std::string_view text) {
  for (const auto& [candidate, name] : NameTable<T>::entries)
    if (name == text) return candidate;
  return std::nullopt;
}

template <class T>
std::vector<std::string> names_of() {
  std::vector<std::string> names;
  for (const auto& entry : NameTable<T>::entries) names.emplace_back(entry.second);
  return names;
}

}  // namespace gigawarp::job
