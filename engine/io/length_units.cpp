#include "io/length_units.h"

#include <cctype>
#include <initializer_list>
#include <string_view>

namespace gigawarp::io {

namespace {
struct LengthUnit {
  double mm;
  std::initializer_list<std::string_view> names;
};

/// "metre" spelt "meter", plurals without their s.
std::string normalised(std::string unit) {
  while (!unit.empty() && std::isspace(static_cast<unsigned char>(unit.back())) != 0)
    unit.pop_back();
  if (unit.ends_with("metres") || unit.ends_with("meters") || unit.ends_with("microns"))
    unit.pop_back();
  if (unit.ends_with("metre")) unit.replace(unit.size() - 2, 2, "er");
  return unit;
}
}  // namespace

std::optional<double> length_unit_in_mm(std::string unit) {
  static const LengthUnit kUnits[] = {{1, {"mm", "millimeter"}},
                                      {1e-3,
                                       {"um", "micron", "micrometer", "\xC2\xB5m", "\xCE\xBCm",
                                        "\xB5m", "\\u00B5m", "&#181;m", "&#xB5;m"}},
                                      {1e-6, {"nm", "nanometer"}},
                                      {1e-7, {"angstrom", "\xC3\x85"}},
                                      {1e-9, {"picometer"}},
                                      {10, {"cm", "centimeter"}},
                                      {100, {"decimeter"}},
                                      {1000, {"m", "meter"}},
                                      {25.4, {"inch", "in"}}};
  unit = normalised(std::move(unit));
  for (const LengthUnit& known : kUnits)
    for (const std::string_view name : known.names)
      if (unit == name) return known.mm;
  return std::nullopt;
}

}  // namespace gigawarp::io
