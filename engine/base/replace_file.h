#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace gigawarp {

/// Has `fill` write a file beside `path`, named like it with `ending` behind, and renames it to
/// `path`, so that a reader finds the old file or the new one whole. `fill` says whether it wrote
/// all. False when that or the renaming failed: nothing is left beside `path` then, and what the
/// user is told is the caller's to say.
bool replace_file(const std::filesystem::path& path, const std::string& ending,
                  const std::function<bool(const std::filesystem::path& part)>& fill);
/// The same for a text that is all there.
bool replace_file(const std::filesystem::path& path, const std::string& ending,
                  std::string_view text);
/// Whether writing `place` would touch `file`: the same file, or one in the folder `place`, however
/// the two are named. False for what does not exist.
bool lies_at(const std::filesystem::path& file, const std::filesystem::path& place);
/// An ending for files that several processes may write at a time: ".part1234".
std::string own_part_ending();

}  // namespace gigawarp
