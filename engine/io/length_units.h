#pragma once
#include <optional>
#include <string>

namespace gigawarp::io {

/// Millimetres per unit of length as files name it ("mm", "micrometer", "µm" in UTF-8, Latin-1 or
/// escaped); nullopt for an unknown one, "pixel" among them. Spaces at the end do not matter.
std::optional<double> length_unit_in_mm(std::string unit);

}  // namespace gigawarp::io
