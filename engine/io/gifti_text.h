#pragma once
#include <cstdint>
#include <filesystem>
#include <vector>

namespace gigawarp::io {

/// What a GIFTI file has between <Data> and </Data>.
struct GiftiText {
  std::int64_t words = 0;    ///< between white space
  std::int64_t letters = 0;  ///< of base64, without the signs that fill up its end
};

/// Of each array, in the file's order. The library takes what is missing at an array's end for
/// zeros, without a word where numbers are text or base64: so they are counted.
std::vector<GiftiText> count_gifti_data(const std::filesystem::path& path);

}  // namespace gigawarp::io
