#include "io/gifti_text.h"

#include <cctype>
#include <fstream>
#include <string_view>

#include "io/file_support.h"

namespace gigawarp::io {

namespace {
bool is_letter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '+' || c == '/';
}

/// Walks through the text, character by character.
class Counter {
 public:
  void take(char c) {
    if (c == '<') {
      inside_ = false;
      tag_at_ = 0;
    } else if (tag_at_ >= 0) {
      take_of_tag(c);
    } else if (inside_) {
      take_of_data(c);
    }
  }
  std::vector<GiftiText> counts;

 private:
  void take_of_tag(char c) {
    constexpr std::string_view kTag = "Data>", kEmpty = "Data/>";
    const auto at = static_cast<std::size_t>(tag_at_++);
    tag_fits_ = (at == 0 || tag_fits_) && at < kTag.size() && kTag[at] == c;
    empty_fits_ = (at == 0 || empty_fits_) && at < kEmpty.size() && kEmpty[at] == c;
    inside_ = tag_fits_ && at + 1 == kTag.size();
    if (inside_ || (empty_fits_ && at + 1 == kEmpty.size())) counts.emplace_back();
    if (inside_ || !(tag_fits_ || empty_fits_)) tag_at_ = -1;
    in_word_ = false;
  }

  void take_of_data(char c) {
    const bool space = std::isspace(static_cast<unsigned char>(c)) != 0;
    if (!space && !in_word_) ++counts.back().words;
    in_word_ = !space;
    if (is_letter(c)) ++counts.back().letters;
  }

  bool inside_ = false, in_word_ = false, tag_fits_ = false, empty_fits_ = false;
  int tag_at_ = -1;  ///< within a tag, characters after "<"; -1: not in one, or in another
};
}  // namespace

std::vector<GiftiText> count_gifti_data(const std::filesystem::path& path) {
  checked_file_size(path);
  std::ifstream stream(path, std::ios::binary);
  std::vector<char> block(std::size_t{1} << 20);
  Counter counter;
  while (stream) {
    stream.read(block.data(), static_cast<std::streamsize>(block.size()));
    for (std::streamsize i = 0; i < stream.gcount(); ++i)
      counter.take(block[static_cast<std::size_t>(i)]);
  }
  return std::move(counter.counts);
}

}  // namespace gigawarp::io
