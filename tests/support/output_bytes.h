#pragma once
#include <string>

#include "solve/registration.h"

namespace gigawarp::test {

/// Everything a run leaves: maps, their inverse, losses, counts.
inline std::string bytes_of(const solve::RegistrationOutput& out) {
  std::string all;
  const auto add = [&](const void* data, std::size_t bytes) {
    all.append(static_cast<const char*>(data), bytes);
  };
  add(&out.moving_from_fixed, sizeof out.moving_from_fixed);
  for (const auto* field : {&out.forward_mm, &out.inverse_mm})
    if (*field) add((*field)->component_mm(0), (*field)->volume().bytes());
  for (const solve::LevelReport& level : out.levels) {
    add(level.losses.data(), level.losses.size() * sizeof(double));
    add(&level.iterations, sizeof level.iterations);
  }
  return all;
}

}  // namespace gigawarp::test
