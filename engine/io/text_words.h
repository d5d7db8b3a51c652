#pragma once
#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>

namespace gigawarp::io {

/// Without the blanks, tabs and carriage returns around it.
inline std::string trimmed(std::string_view text) {
  constexpr std::string_view kAround = " \t\r";
  const auto begin = text.find_first_not_of(kAround);
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(kAround) - begin + 1));
}

/// In small letters, those of ASCII.
inline std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace gigawarp::io
