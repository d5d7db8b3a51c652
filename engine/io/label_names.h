#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace gigawarp::io {

/// What a label of a volume is called.
struct LabelName {
  std::string name;  ///< never empty; UTF-8 without control characters
  std::optional<std::array<std::uint8_t, 3>> colour;  ///< red, green, blue
  friend bool operator==(const LabelName&, const LabelName&) = default;
};
using LabelNames = std::map<std::int64_t, LabelName>;

/// Names of labels, by the shape of the file's lines rather than by its ending:
/// - label descriptions of ITK-SNAP: index, red, green, blue, opacity, two flags, "name";
/// - look-up tables of FreeSurfer, colour tables of 3D Slicer: index, name, red, green, blue,
///   opacity; lists of MRIcron: index, name, a code;
/// - CSV and TSV (BIDS's `_dseg.tsv`, Allen's `structures.csv`): with a line of column names, index
///   and name in any order, a colour in three columns or in one ("#1f77b4", "31,119,180"); without,
///   index, name and maybe red, green, blue.
/// Text is UTF-8, names in other bytes are read as Windows-1252; lines that begin with # are
/// comments. Throws Error{bad_input} that names the file and the line.
LabelNames read_label_names(const std::filesystem::path& path);

/// The names that lie beside a volume: "atlas.txt" (.label, .lut, .ctab, .ctbl, .tsv, .csv) beside
/// "atlas.nii.gz", MRIcron's "atlas.nii.txt", and in BIDS the table of all resolutions,
/// "x_dseg.tsv" beside "x_res-2_dseg.nii.gz".
struct NamesBeside {
  std::filesystem::path path;  ///< empty: none
  LabelNames names;
  std::string problem;  ///< why no file there holds names, of the first; empty when one does
};
NamesBeside read_label_names_beside(const std::filesystem::path& volume);

/// The ending of files that hold names of labels and nothing else that is opened here: .txt,
/// .label, .lut, .ctab, .ctbl and .tsv. A .csv may hold landmarks.
bool has_ending_of_label_names(const std::filesystem::path& path);

}  // namespace gigawarp::io
