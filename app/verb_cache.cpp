#include <ctime>
#include <iomanip>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/imported.h"
#include "app/job_options.h"
#include "app/run_commands.h"
#include "app/verbs.h"
#include "io/import_cache.h"

namespace gigawarp::app {
namespace {

struct CacheOptions {
  bool list = false, clear = false, json = false;
  std::string limit;
  std::vector<std::string> imports;
  io::ReadOptions read;
};

std::uint64_t sum_of(const std::vector<io::CacheEntry>& entries) {
  std::uint64_t sum = 0;
  for (const io::CacheEntry& entry : entries) sum += entry.bytes;
  return sum;
}

void print_json(const io::ImportCache& cache) {
  nlohmann::ordered_json volumes = nlohmann::ordered_json::array();
  const std::vector<io::CacheEntry> entries = cache.entries();
  for (const io::CacheEntry& entry : entries)
    volumes.push_back({{"source", entry.source},
                       {"bytes", entry.bytes},
                       {"last_used", static_cast<std::int64_t>(entry.last_used.tv_sec)},
                       {"current", entry.current},
                       {"folder", entry.folder.string()}});
  const nlohmann::ordered_json all{{"folder", cache.folder().string()},
                                   {"limit_bytes", cache.limit_bytes()},
                                   {"bytes", sum_of(entries)},
                                   {"volumes", volumes}};
  std::cout << all.dump(2) << "\n";
}

void print_table(const io::ImportCache& cache) {
  const std::vector<io::CacheEntry> entries = cache.entries();
  std::cout << cache.folder().string() << ": " << entries.size() << " volumes, "
            << (sum_of(entries) >> 20) << " of " << (cache.limit_bytes() >> 20) << " MiB\n";
  for (const io::CacheEntry& entry : entries) {
    std::tm when{};
    localtime_r(&entry.last_used.tv_sec, &when);
    std::cout << std::setw(8) << (entry.bytes >> 20) << " MiB  "
              << std::put_time(&when, "%Y-%m-%d %H:%M") << "  " << entry.source
              << (entry.current ? "" : "  (changed or gone since)") << "\n";
  }
}

void run(const CacheOptions& options) {
  const io::ImportCache cache;
  const Interruption interruption;
  if (options.clear)
    std::cout << (cache.clear() >> 20) << " MiB became free in " << cache.folder().string()
              << ".\n";
  if (!options.limit.empty()) cache.set_limit(parse_bytes(options.limit, "--limit"));
  for (const std::string& file : options.imports)
    cache.open(file, options.read, announce_import(file), interruption.stop());
  const bool quiet = options.clear || !options.limit.empty() || !options.imports.empty();
  if (quiet && !options.list) return;
  options.json ? print_json(cache) : print_table(cache);
}

}  // namespace

void add_cache_verb(CLI::App& app) {
  CLI::App* verb = add_verb(
      app, "cache",
      "List, bound or empty the cache of volumes that cannot be read in part and were imported; "
      "GIGAWARP_CACHE names another folder than ~/.cache/gigawarp/volumes",
      "gigawarp cache --limit 200G --list");
  auto options = std::make_shared<CacheOptions>();
  verb->add_flag("--list", options->list, "List the volumes, last used first (the default)");
  verb->add_flag("--clear", options->clear, "Remove all volumes that no program has open");
  verb->add_option(
          "--limit", options->limit,
          "Bytes the cache may hold, e.g. 200G; kept; what was used longest ago is removed")
      ->type_name("SIZE");
  verb->add_option("--import", options->imports, "Import these volumes now")->type_name("FILE");
  add_spacing_option(verb, "--spacing", options->read.spacing_mm,
                     "With --import: voxel size in mm, wins over the file's");
  verb->add_flag("--labels", options->read.label_map,
                 "With --import: the voxels are labels; coarser levels take the most frequent");
  verb->add_flag("--json", options->json, "List as JSON");
  verb->callback([options] { run(*options); });
}

}  // namespace gigawarp::app
