#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace gigawarp::io {

struct Character {
  char32_t code = 0;
  std::size_t bytes = 0;  ///< 0: the text does not begin with a character of UTF-8
};
/// Unicode 15, table 3-7.
Character first_character(std::string_view text);

/// What moves the cursor or the reading direction rather than being read: it would garble a
/// terminal, or rewrite what stands there.
bool is_control(char32_t code);

/// A name from a file as it may be shown: UTF-8 as it is, other bytes as Windows-1252 (Latin-1 and
/// the quotes of Windows), a blank for controls in a row, none around.
std::string readable_text(std::string_view bytes);

}  // namespace gigawarp::io
