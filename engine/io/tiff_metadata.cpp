#include "io/tiff_metadata.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string_view>

#include "io/length_units.h"

namespace gigawarp::io {

namespace {
std::optional<double> number(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || !std::isfinite(value)) return std::nullopt;
  return value;
}

/// Value of `name=value` up to the end of the line (ImageJ).
std::optional<std::string> line_value(const std::string& text, std::string_view name) {
  const std::string key = "\n" + std::string(name) + "=";
  const std::size_t at = ("\n" + text).find(key);
  if (at == std::string::npos) return std::nullopt;
  const std::size_t begin = at + key.size() - 1;
  return text.substr(begin, text.find('\n', begin) - begin);
}

/// Value of `name="value"` inside the first `<Pixels ...>` element (OME-XML).
std::optional<std::string> attribute(const std::string& element, std::string_view name) {
  const std::string key = " " + std::string(name) + "=\"";
  const std::size_t at = element.find(key);
  if (at == std::string::npos) return std::nullopt;
  const std::size_t begin = at + key.size();
  return element.substr(begin, element.find('"', begin) - begin);
}

std::int64_t count(const std::optional<std::string>& text, std::int64_t fallback) {
  const double value = text ? number(*text).value_or(0) : 0;
  return value >= 1 && value < 1e9 ? static_cast<std::int64_t>(value) : fallback;
}

/// Of all channels in their order; empty where one has no name.
std::vector<std::string> channel_names(const std::string& text) {
  std::vector<std::string> names;
  const std::size_t end = text.find("</Pixels>");
  for (std::size_t at = text.find("<Channel "); at < end; at = text.find("<Channel ", at + 1))
    names.push_back(
        attribute(text.substr(at, text.find('>', at) - at), "Name").value_or(std::string()));
  return names;
}

void read_ome(const std::string& text, TiffMetadata& out) {
  const std::size_t begin = text.find("<Pixels");
  if (begin == std::string::npos) return;
  std::string element = text.substr(begin, text.find('>', begin) - begin);
  for (char& c : element)
    if (c == '\n' || c == '\t' || c == '\r') c = ' ';
  out.channels = count(attribute(element, "SizeC"), 1);
  out.channel_names = channel_names(text);
  out.frames = count(attribute(element, "SizeT"), 1);
  out.slices_before_channels =
      attribute(element, "DimensionOrder").value_or("XYCZT").starts_with("XYZ");
  const bool one_slice = count(attribute(element, "SizeZ"), 1) == 1;
  out.slices_spaced = !one_slice;
  Vec3 spacing{};
  const char axes[] = {'X', 'Y', 'Z'};
  for (std::size_t k = 0; k < 3; ++k) {
    const std::string name = std::string("PhysicalSize") + axes[k];
    const auto size = attribute(element, name);
    const double value = size ? number(*size).value_or(0) : 0;
    const double unit =
        length_unit_in_mm(attribute(element, name + "Unit").value_or("\xC2\xB5m")).value_or(0);
    if (k == 2 && one_slice && value <= 0) {
      spacing[2] = spacing[0];
      continue;
    }
    if (!(value > 0) || unit == 0) {
      out.why_no_spacing = "its OME-XML has no usable " + name;
      return;
    }
    spacing[k] = value * unit;
  }
  out.spacing_mm = spacing;
  out.source = "OME-XML";
}

void read_imagej(TIFF* tiff, const std::string& text, TiffMetadata& out) {
  out.images = count(line_value(text, "images"), 0);
  out.channels = count(line_value(text, "channels"), 1);
  out.frames = count(line_value(text, "frames"), 1);
  float x = 0, y = 0;
  const bool resolved = TIFFGetField(tiff, TIFFTAG_XRESOLUTION, &x) == 1 &&
                        TIFFGetField(tiff, TIFFTAG_YRESOLUTION, &y) == 1 && x > 0 && y > 0;
  const auto unit_text = line_value(text, "unit");
  const double unit = unit_text ? length_unit_in_mm(*unit_text).value_or(0) : 0;
  const auto spacing_text = line_value(text, "spacing");
  const double spacing = spacing_text ? std::abs(number(*spacing_text).value_or(0)) : 0;
  const bool one_slice = out.images <= 1;
  if (unit == 0)
    out.why_no_spacing = "its ImageJ header names no unit of length";
  else if (!resolved)
    out.why_no_spacing = "it has no resolution tags";
  else if (spacing == 0 && !one_slice)
    out.why_no_spacing = "its ImageJ header has no slice spacing";
  else {
    const double z = spacing > 0 ? spacing : 1.0 / static_cast<double>(x);
    out.spacing_mm = Vec3{unit / static_cast<double>(x), unit / static_cast<double>(y), unit * z};
    out.slices_spaced = spacing > 0;
    out.source = "ImageJ";
  }
}
/// tifffile's own description, {"shape": [z, y, x]}: more than three long axes are time or
/// channels.
void read_tifffile(const std::string& text, TiffMetadata& out) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("shape") || !json["shape"].is_array()) return;
  int long_axes = 0;
  for (const auto& n : json["shape"])
    long_axes += n.is_number_integer() && n.get<std::int64_t>() > 1;
  if (long_axes > 3 && json["shape"].front().is_number_integer())
    out.frames = std::max<std::int64_t>(2, json["shape"].front().get<std::int64_t>());
}
}  // namespace

TiffMetadata read_tiff_metadata(TIFF* tiff) {
  TiffMetadata out;
  out.why_no_spacing = "it has neither ImageJ nor OME metadata";
  char* text = nullptr;
  if (TIFFGetField(tiff, TIFFTAG_IMAGEDESCRIPTION, &text) != 1 || text == nullptr) return out;
  const std::string description = text;
  if (description.starts_with("ImageJ="))
    read_imagej(tiff, description, out);
  else if (description.find("<OME") != std::string::npos)
    read_ome(description, out);
  else if (description.starts_with('{'))
    read_tifffile(description, out);
  return out;
}

std::string imagej_description(const Grid& grid) {
  std::ostringstream text;
  text << "ImageJ=1.54f\nimages=" << grid.size[2] << "\nslices=" << grid.size[2]
       << "\nunit=mm\nspacing=" << std::setprecision(17) << grid.spacing_mm()[2]
       << "\nloop=false\n";
  return text.str();
}

}  // namespace gigawarp::io
