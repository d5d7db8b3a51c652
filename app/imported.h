#pragma once
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>

#include "app/verbs.h"
#include "io/brick_source.h"
#include "io/import_cache.h"

namespace gigawarp::app {

/// When a volume that cannot be read in part goes through the cache (io/import_cache.h).
enum class ImportChoice {
  automatic,  ///< when it is a large one that can be imported in bounded memory
  always,
  never,
};

/// Option --import.
void add_import_option(CLI::App* verb, ImportChoice& choice);

/// What stderr says of an import: once that it begins, and how far it is on a terminal.
io::Fraction announce_import(const std::filesystem::path& path);

/// The volume to be read in part: in place, or imported according to `choice`, which is announced.
/// Nothing where it has to be read whole; so also, announced, where the cache has no room and the
/// choice was automatic.
std::unique_ptr<io::BrickSource> open_in_part(const std::filesystem::path& path,
                                              const io::ReadOptions& options, ImportChoice choice,
                                              const std::stop_token& stop);

}  // namespace gigawarp::app
