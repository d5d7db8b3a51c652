#include "app/imported.h"

#include <unistd.h>

#include <iostream>
#include <map>

#include "gigawarp/error.h"

namespace gigawarp::app {
namespace {
constexpr std::uint64_t kLarge = std::uint64_t{1} << 30;  // bytes of voxels

bool is_large(const std::filesystem::path& path, const io::ReadOptions& options) {
  const auto reader = io::open_in_order(path, options);
  if (!reader) return false;
  const io::ImageHeader& header = reader->header();
  return static_cast<std::uint64_t>(header.grid.voxel_count()) * size_of(header.type) *
             static_cast<std::uint64_t>(header.channels) >=
         kLarge;
}
}  // namespace

void add_import_option(CLI::App* verb, ImportChoice& choice) {
  static const std::map<std::string, ImportChoice> kChoices{{"auto", ImportChoice::automatic},
                                                            {"always", ImportChoice::always},
                                                            {"never", ImportChoice::never}};
  verb->add_option_function<std::string>(
          "--import", [&choice](const std::string& name) { choice = kChoices.at(name); },
          "Import an input that cannot be read in part into the cache (see gigawarp cache), so "
          "that "
          "it never lies in memory whole (default: auto, compressed NIfTI, NRRD and MetaImage from "
          "1 GiB of voxels)")
      ->check(CLI::IsMember({"auto", "always", "never"}).description(""))
      ->type_name("auto|always|never");
}

io::Fraction announce_import(const std::filesystem::path& path) {
  return [path, shown = -1](double fraction) mutable {
    const int percent = static_cast<int>(100 * fraction);
    if (shown < 0)
      std::cerr << path.string() << ": It is being imported into the cache \""
                << io::ImportCache::default_folder().string() << "\", once.\n";
    if (percent != shown && is_terminal(STDERR_FILENO))
      std::cerr << '\r' << percent << " %" << (percent == 100 ? "\n" : "") << std::flush;
    shown = percent;
  };
}

std::unique_ptr<io::BrickSource> open_in_part(const std::filesystem::path& path,
                                              const io::ReadOptions& options, ImportChoice choice,
                                              const std::stop_token& stop) {
  if (auto source = io::open_source(path, options)) return source;
  if (choice == ImportChoice::never) return nullptr;
  if (choice == ImportChoice::automatic && !is_large(path, options)) return nullptr;
  try {
    return io::ImportCache().open(path, options, announce_import(path), stop);
  } catch (const Error& error) {
    const bool no_room =
        error.code() == ErrorCode::output_not_written || error.code() == ErrorCode::does_not_fit;
    if (choice == ImportChoice::always || !no_room) throw;
    std::cerr << error.what() << " It is read whole instead.\n";
    return nullptr;
  }
}

}  // namespace gigawarp::app
