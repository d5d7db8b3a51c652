#pragma once
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "gigawarp/error.h"
#include "gigawarp/transform.h"
#include "gigawarp/volume.h"
#include "ops/apply.h"
#include "ops/invert_field.h"
#include "ops/jacobian.h"
#include "qc/overlap.h"
#include "qc/points.h"
#include "qc/similarity.h"
#include "solve/registration.h"

/// Volumes, labels and landmarks in files of to_raw.py, and what they say of a result: for machines
/// where formats are not built.
namespace gigawarp {

[[noreturn]] inline void misuse(const std::string& sentence) {
  throw Error(ErrorCode::usage, sentence);
}

inline Volume read_raw(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string line, type;
  std::getline(in, line);
  std::istringstream words(line);
  Grid grid;
  words >> grid.size[0] >> grid.size[1] >> grid.size[2] >> type;
  for (std::size_t r = 0; r < 3; ++r) {
    for (std::size_t c = 0; c < 3; ++c) words >> grid.world_from_voxel.linear[r][c];
    words >> grid.world_from_voxel.offset[r];
  }
  const std::map<std::string, ScalarType> types{{"u8", ScalarType::u8},
                                                {"i8", ScalarType::i8},
                                                {"u16", ScalarType::u16},
                                                {"i16", ScalarType::i16},
                                                {"f32", ScalarType::f32}};
  if (!words || !types.contains(type) || grid.voxel_count() < 1)
    throw Error(ErrorCode::bad_input, path + " does not begin with a line as to_raw.py writes it.",
                path);
  Volume volume(grid, types.at(type));
  in.read(reinterpret_cast<char*>(volume.data()), static_cast<std::streamsize>(volume.bytes()));
  if (!in) throw Error(ErrorCode::bad_input, path + " ends before its last voxel.", path);
  return volume;
}

inline std::vector<qc::NamedPoint> read_points(const std::string& path) {
  std::ifstream in(path);
  std::vector<qc::NamedPoint> points;
  for (qc::NamedPoint p; in >> p.name >> p.position_mm[0] >> p.position_mm[1] >> p.position_mm[2];)
    points.push_back(p);
  if (points.empty())
    throw Error(ErrorCode::bad_input, path + " holds no line \"name x y z\".", path);
  return points;
}

/// Takes an option without a value out of `words`; whether it was there.
inline bool take_flag(std::vector<std::string>& words, const std::string& flag) {
  return std::erase(words, flag) > 0;
}

/// What a result is judged by: two files each, or none, and the images themselves.
struct Truth {
  std::vector<std::string> labels, landmarks;
  bool ncc = false;       ///< of the fixed and the warped moving image
  bool identity = false;  ///< the true map leaves every point where it is

  /// Takes its options out of `words`.
  explicit Truth(std::vector<std::string>& words)
      : ncc(take_flag(words, "--ncc")), identity(take_flag(words, "--identity")) {
    for (auto* const files : {&labels, &landmarks}) {
      const auto option =
          std::find(words.begin(), words.end(), files == &labels ? "--labels" : "--landmarks");
      if (option == words.end()) continue;
      if (words.end() - option < 3) misuse(*option + " takes two files.");
      files->assign(option + 1, option + 3);
      words.erase(option, option + 3);
    }
  }
  bool empty() const { return labels.empty() && landmarks.empty() && !ncc && !identity; }
};

/// u8, 1 where `volume` is not zero: the mask that the program chooses where the fixed image alone
/// is brain-extracted.
inline Volume non_zero_voxels(const Volume& volume) {
  Volume mask(volume.grid(), ScalarType::u8);
  const Size3& n = volume.grid().size;
  std::byte* out = mask.data();
  for (std::int64_t z = 0; z < n[2]; ++z)
    for (std::int64_t y = 0; y < n[1]; ++y)
      for (std::int64_t x = 0; x < n[0]; ++x) *out++ = std::byte{volume.value(x, y, z) != 0};
  return mask;
}

/// The map of a run, whose displacement it takes.
inline Transform take_map(solve::RegistrationOutput& output) {
  Transform map;
  map.stages.emplace_back(std::move(*output.forward_mm));
  map.stages.emplace_back(output.moving_from_fixed);
  return map;
}

/// Folds and spread of det J, and the error of the inverse.
inline void print_regularity(const solve::RegistrationOutput& output) {
  const ops::JacobianSummary jacobian = ops::summarise_jacobian(*output.forward_mm);
  std::printf("folds %lld, %.6f %% (det J %.3f to %.3f, sd of its logarithm %.4f)",
              static_cast<long long>(jacobian.folds), jacobian.folds_percent, jacobian.minimum,
              jacobian.maximum, jacobian.sd_log);
  if (!output.inverse_mm) return;
  const InverseError error = inverse_error(*output.forward_mm, *output.inverse_mm);
  std::printf(", inverse error mean %.5f, largest %.4f mm", error.mean_mm, error.max_mm);
}

inline void print_overlap(const Volume& fixed, const Volume& moving, const Transform& found) {
  const auto labels = qc::common_labels(fixed, moving);
  const Volume warped = apply_transform(moving, found, fixed.grid(), Interpolation::label);
  const qc::OverlapSummary overlap = qc::label_overlap(fixed, warped, labels, false);
  std::printf(", Dice of %zu labels %.4f (30th percentile %.4f)", labels.size(), overlap.dice_mean,
              overlap.dice_p30);
}

/// Over the voxels that come from inside the moving image, as result.json has it.
inline void print_ncc(const Volume& fixed, const Volume& moving, const Transform& found) {
  Volume ones(moving.grid(), ScalarType::u8);
  std::memset(ones.data(), 1, ones.bytes());
  const Volume inside = apply_transform(ones, found, fixed.grid(), Interpolation::nearest);
  const Volume warped = apply_transform(moving, found, fixed.grid(), Interpolation::linear);
  std::printf(", NCC %.4f", qc::similarity(fixed, warped, &inside).ncc);
}

inline void judge(solve::RegistrationOutput& output, const Truth& truth, const Volume& fixed,
                  const Volume& moving) {
  if (!output.forward_mm) return;
  print_regularity(output);
  const Transform found = take_map(output);
  if (!truth.labels.empty())
    print_overlap(read_raw(truth.labels[0]), read_raw(truth.labels[1]), found);
  if (!truth.landmarks.empty()) {
    const qc::LandmarkErrors errors = qc::landmark_errors(read_points(truth.landmarks[0]),
                                                          read_points(truth.landmarks[1]), found);
    std::printf(", %zu landmarks %.3f mm (95 %%: %.3f)", errors.landmarks.size(),
                errors.after.mean_mm, errors.after.p95_mm);
  }
  if (truth.ncc) print_ncc(fixed, moving, found);
  if (truth.identity) {
    const Vec3 spacing = fixed.grid().spacing_mm();
    std::printf(", at most %.6f voxels from the identity",
                qc::transform_difference(found, Transform{}, fixed.grid()).max_mm /
                    std::min({spacing[0], spacing[1], spacing[2]}));
  }
  std::printf("\n");
}

}  // namespace gigawarp
