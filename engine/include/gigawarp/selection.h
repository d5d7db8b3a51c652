#pragma once
#include <optional>

namespace gigawarp {

/// Which part of a file that holds several volumes: counted from 0, nothing where the file must
/// hold one only (for the level: the finest).
struct ImageSelection {
  std::optional<int> level;  ///< of a pyramid; 0 is the finest
  std::optional<int> channel;
  std::optional<int> timepoint;
  friend bool operator==(const ImageSelection&, const ImageSelection&) = default;
};

}  // namespace gigawarp
