#pragma once
#include <string>
#include <vector>

namespace gigawarp::io {

/// A format of images, for lists.
struct FormatInfo {
  std::string name;                  ///< "NIfTI"
  std::vector<std::string> endings;  ///< of file names; empty: it is known by its content
  bool folders = false;              ///< a volume is a folder
  bool streams = false;              ///< parts are read without the rest, in some of its kinds
  bool written = false;
  std::string plugin, version, file;  ///< where it comes from; empty: built in
};

/// Every format that is read here: the built-in ones, then those of plugins. Loads the plugins.
std::vector<FormatInfo> known_formats();

/// "NIfTI (.nii .nii.gz .hdr .img), NRRD (…), … and Imaris (.ims)"; says so where plugins were
/// skipped.
std::string readable_formats();

}  // namespace gigawarp::io
