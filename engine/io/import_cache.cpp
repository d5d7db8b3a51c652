#include "io/import_cache.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>
#include <thread>
#include <tuple>

#include "base/replace_file.h"
#include "io/file_support.h"
#include "io/import_key.h"

namespace gigawarp::io {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {
constexpr const char* kVolume = "volume.ome.zarr";
constexpr const char* kAbout = "source.json";
constexpr const char* kLimitFile = "limit";
constexpr const char* kPart = ".part";
constexpr const char* kLock = ".lock";
constexpr const char* kGone = ".gone";

/// An imported volume. Its lock keeps the entry while it is open.
class CachedSource : public BrickSource {
 public:
  CachedSource(std::unique_ptr<BrickSource> pyramid, FileLock lock, const Json& about)
      : pyramid_(std::move(pyramid)), lock_(std::move(lock)), info_(pyramid_->info()) {
    info_.format = about.value("format", info_.format) + ", imported";
    info_.notes = about.value("notes", std::vector<std::string>());
  }
  const SourceInfo& info() const override { return info_; }
  void read(int level, int channel, const Box& box, std::byte* out) const override {
    pyramid_->read(level, channel, box, out);
  }

 private:
  std::unique_ptr<BrickSource> pyramid_;
  FileLock lock_;
  SourceInfo info_;
};

/// What source.json says; no object when it is missing or makes no sense.
Json about_of(const fs::path& entry) {
  try {
    std::error_code code;
    if (!fs::is_regular_file(entry / kAbout, code)) return {};
    Json about = Json::parse(read_text(entry / kAbout, 1U << 20), nullptr, false);
    return about.is_object() && about.contains("key") && about["key"].is_string() ? about : Json();
  } catch (const Error&) {
    return {};
  }
}

std::uint64_t bytes_below(const fs::path& folder) {
  std::uint64_t sum = 0;
  std::error_code code;
  for (auto it = fs::recursive_directory_iterator(folder, code);
       !code && it != fs::recursive_directory_iterator(); it.increment(code))
    if (struct stat status{}; ::lstat(it->path().c_str(), &status) == 0)
      sum += static_cast<std::uint64_t>(status.st_blocks) * 512;
  return sum;
}

/// "<name>.gone<process>": an entry on its way to be removed.
bool is_gone_name(const std::string& name) {
  const std::size_t end = name.find_last_not_of("0123456789") + 1;
  return end < name.size() && std::string_view(name).substr(0, end).ends_with(kGone);
}

/// A name that import_key() makes.
bool is_entry_name(std::string_view name) {
  constexpr std::size_t kDigits = 16;
  return name.size() > kDigits && name[name.size() - kDigits - 1] == '-' &&
         name.find_first_not_of("0123456789abcdef", name.size() - kDigits) == name.npos;
}

fs::path with_ending(fs::path entry, const std::string& ending) { return entry += ending; }

/// A folder that can neither be opened as an entry nor locked.
bool lacks_about(const fs::path& entry) {
  std::error_code code;
  return fs::is_directory(fs::symlink_status(entry, code)) &&
         fs::symlink_status(entry / kAbout, code).type() == fs::file_type::not_found;
}

/// First from sight, then from the disk. The caller has the entry's lock, or that of its import.
bool discard(const fs::path& entry) {
  std::error_code code;
  const fs::path gone = with_ending(entry, kGone + std::to_string(::getpid()));
  fs::rename(entry, gone, code);
  if (code) return false;
  fs::remove_all(gone, code);
  return true;
}

/// Removes an entry that nobody has open.
bool remove_entry(const fs::path& entry) {
  const FileLock lock = FileLock::alone(entry / kAbout, false);
  return lock.certain() && discard(entry);
}

/// What was left under the name of an entry, unless it is being imported.
void tidy(const fs::path& entry) {
  const fs::path lock_file = with_ending(entry, kLock);
  const FileLock lock = FileLock::alone(lock_file, true);
  if (!lock.certain()) return;
  std::error_code code;
  fs::remove_all(with_ending(entry, kPart), code);
  if (lacks_about(entry)) discard(entry);
  fs::remove(lock_file, code);
}

/// What killed imports and removals left behind; nothing of the entry that the caller is making.
void remove_leftovers(const fs::path& folder, const std::string& importing) {
  std::error_code code;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder, code)) found.push_back(entry.path());
  for (const fs::path& path : found) {
    std::string name = path.filename().string();
    if (is_gone_name(name) && fs::is_directory(path, code)) fs::remove_all(path, code);
    const bool is_lock = name.ends_with(kLock);
    if (is_lock) name.resize(name.size() - std::string_view(kLock).size());
    if (name != importing && is_entry_name(name) && (is_lock || lacks_about(path)))
      tidy(folder / name);
  }
}

/// Whose sentence says already what to do.
class LockError : public Error {
 public:
  using Error::Error;
};

/// The right to import an entry; not held when `finished` says that somebody else has done so.
FileLock import_lock(const fs::path& entry, const std::function<bool()>& finished,
                     const std::stop_token& stop) {
  const fs::path file = with_ending(entry, kLock);
  for (;;) {
    FileLock lock = FileLock::alone(file, true);
    if (finished()) return {};
    if (lock.held()) return lock;
    if (stop.stop_requested())
      throw Error(ErrorCode::cancelled, "The import was cancelled; nothing was written.");
    if (lock.open_error() != 0)
      throw LockError(ErrorCode::output_not_written,
                      "The lock \"" + file.string() + "\" of the cache could not be opened (" +
                          std::generic_category().message(lock.open_error()) +
                          "); name another folder in GIGAWARP_CACHE.",
                      file.string());
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

/// Where an import is made: others know the folder by its lock; without locks it is this one's own.
fs::path part_folder(const fs::path& entry, const FileLock& lock) {
  static std::atomic<int> count{0};
  if (lock.certain()) return with_ending(entry, kPart);
  return with_ending(entry,
                     "." + std::to_string(::getpid()) + "-" + std::to_string(count++) + kPart);
}

/// Removes the unfinished folder unless it has become an entry.
class Part {
 public:
  explicit Part(fs::path folder) : folder_(std::move(folder)) {
    std::error_code code;
    fs::remove_all(folder_, code);
    if (!fs::create_directory(folder_, code)) refuse_output(folder_, code.message() + ".");
  }
  ~Part() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;
  const fs::path& folder() const { return folder_; }

 private:
  fs::path folder_;
};

/// Format and notes of what was copied.
Json copy_volume(const fs::path& path, const fs::path& to, const ReadOptions& options,
                 const Fraction& progress, const std::stop_token& stop) {
  if (const auto reader = open_in_order(path, options)) {
    SinkSpec spec = spec_of_copy(*reader, {});
    spec.options = {options.label_map, true};
    copy_in_order(*reader, {}, *open_sink(to, spec), progress, stop);
    return {{"format", reader->header().format}, {"notes", reader->header().notes}};
  }
  const std::string format = read_header(path, options).format;
  const Volume volume = read_image(path, options);
  const auto sink = open_sink(
      to, {volume.grid(), volume.type(), volume.channels(), WriteOptions{options.label_map, true}});
  const Size3& n = volume.grid().size;
  const auto plane = static_cast<std::size_t>(n[0] * n[1]) * size_of(volume.type());
  for (int c = 0; c < volume.channels(); ++c)
    for (std::int64_t z = 0; z < n[2]; z += sink->planes_at_once()) {
      if (stop.stop_requested())
        throw Error(ErrorCode::cancelled, "The import was cancelled; nothing was written.");
      sink->write(c, z, std::min(sink->planes_at_once(), n[2] - z),
                  volume.data() + static_cast<std::size_t>(c * n[2] + z) * plane);
      if (progress)
        progress(static_cast<double>(c * n[2] + z) / static_cast<double>(volume.channels() * n[2]));
    }
  sink->commit();
  return {{"format", format}, {"notes", volume.notes()}};
}

std::string mebibytes(std::uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }
}  // namespace

struct ImportCache::Key : ImportKey {};

fs::path ImportCache::default_folder() {
  const auto variable = [](const char* name) -> fs::path {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
  };
  if (fs::path own = variable("GIGAWARP_CACHE"); !own.empty()) return own;
  fs::path base = variable("XDG_CACHE_HOME");
  if (base.empty() || base.is_relative()) base = variable("HOME") / ".cache";
  return base / "gigawarp" / "volumes";
}

ImportCache::ImportCache(fs::path folder) : folder_(std::move(folder)) {}

std::unique_ptr<BrickSource> ImportCache::open(const fs::path& path, const ReadOptions& options,
                                               const Fraction& progress,
                                               const std::stop_token& stop) const {
  constexpr int kTries = 3;  // another process may remove what was just imported
  const Key key{import_key(path, options)};
  for (int i = 0; i < kTries; ++i) {
    if (auto source = open_entry(key, options)) return source;
    try {
      import(path, key, options, progress, stop);
    } catch (const LockError&) {
      throw;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::output_not_written) throw;
      throw Error(ErrorCode::output_not_written,
                  "\"" + path.string() + "\" could not be imported into the cache \"" +
                      folder_.string() +
                      "\", whose disk is full or not writable; make space, name another folder in "
                      "GIGAWARP_CACHE, or empty it with gigawarp cache --clear.",
                  path.string());
    }
  }
  throw Error(ErrorCode::output_not_written,
              "\"" + path.string() + "\" does not stay in the cache \"" + folder_.string() +
                  "\"; raise its limit with gigawarp cache --limit.",
              path.string());
}

std::unique_ptr<BrickSource> ImportCache::find(const fs::path& path,
                                               const ReadOptions& options) const {
  std::error_code code;
  if (!fs::exists(folder_, code) || !fs::exists(path, code)) return nullptr;
  return open_entry(Key{import_key(path, options)}, options);
}

std::unique_ptr<BrickSource> ImportCache::open_entry(const Key& key,
                                                     const ReadOptions& options) const {
  const fs::path entry = folder_ / key.name;
  FileLock lock = FileLock::shared(entry / kAbout);
  if (!lock.held()) return nullptr;
  const Json about = about_of(entry);
  if (!about.is_object() || about["key"] != key.text) return nullptr;
  ReadOptions inside;
  inside.selection.channel = options.selection.channel;
  try {
    auto pyramid = open_source(entry / kVolume, inside);
    lock.touch();
    return std::make_unique<CachedSource>(std::move(pyramid), std::move(lock), about);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::bad_input) throw;
    return nullptr;  // somebody has damaged it: made again
  }
}

void ImportCache::import(const fs::path& path, const Key& key, const ReadOptions& options,
                         const Fraction& progress, const std::stop_token& stop) const {
  std::error_code code;
  fs::create_directories(folder_, code);
  if (code) refuse_output(folder_, code.message() + ".");
  const fs::path target = folder_ / key.name;
  const auto finished = [&] { return open_entry(key, {}) != nullptr; };
  const FileLock lock = import_lock(target, finished, stop);
  if (!lock.held()) return;  // somebody has imported it meanwhile
  const Part part(part_folder(target, lock));
  ReadOptions whole = options;
  whole.selection = {};
  whole.selection.timepoint = options.selection.timepoint;
  Json about = copy_volume(path, part.folder() / kVolume, whole, progress, stop);
  if (import_key(path, options).text != key.text)
    refuse(path, "changed while it was imported; try again when it is complete.");
  const std::uint64_t bytes = bytes_below(part.folder());
  if (bytes > limit_bytes())
    throw Error(ErrorCode::does_not_fit,
                "\"" + path.string() + "\" takes " + mebibytes(bytes) + " in the cache \"" +
                    folder_.string() + "\", whose limit is " + mebibytes(limit_bytes()) +
                    "; raise it with gigawarp cache --limit.",
                path.string());
  about["key"] = key.text;
  about["bytes"] = bytes;
  if (!replace_file(part.folder() / kAbout, kPart, about.dump(2) + "\n"))
    refuse_output(folder_, "it is full.");
  for (const CacheEntry& entry : entries())
    if (!entry.current && entry.source == source_of(key.text)) remove_entry(entry.folder);
  trim(limit_bytes() - bytes, key.name);
  if (lock.certain() && lacks_about(target))
    discard(target);
  else if (fs::exists(target, code))
    remove_entry(target);
  fs::rename(part.folder(), target, code);
  if (code && !finished()) refuse_output(folder_, code.message() + ".");
}

std::vector<CacheEntry> ImportCache::entries() const {
  std::vector<CacheEntry> out;
  std::error_code code;
  for (const auto& folder : fs::directory_iterator(folder_, code)) {
    const std::string name = folder.path().filename().string();
    if (name.ends_with(kPart) || is_gone_name(name)) continue;
    struct stat status {};
    if (::stat((folder.path() / kAbout).c_str(), &status) != 0) continue;
    const Json about = about_of(folder.path());
    if (!about.is_object()) continue;
    const std::string key = about["key"];
    out.push_back({source_of(key), about.value("bytes", std::uint64_t{0}), status.st_mtim,
                   is_current(key), folder.path()});
  }
  std::sort(out.begin(), out.end(), [](const CacheEntry& a, const CacheEntry& b) {
    return std::tie(a.last_used.tv_sec, a.last_used.tv_nsec) >
           std::tie(b.last_used.tv_sec, b.last_used.tv_nsec);
  });
  return out;
}

std::uint64_t ImportCache::limit_bytes() const {
  std::error_code code;
  if (!fs::is_regular_file(folder_ / kLimitFile, code)) return kDefaultLimit;
  const std::uint64_t bytes =
      std::strtoull(read_text(folder_ / kLimitFile, 64).c_str(), nullptr, 10);
  return bytes > 0 ? bytes : kDefaultLimit;
}

void ImportCache::set_limit(std::uint64_t bytes) const {
  std::error_code code;
  fs::create_directories(folder_, code);
  if (code || !replace_file(folder_ / kLimitFile, own_part_ending(), std::to_string(bytes) + "\n"))
    refuse_output(folder_ / kLimitFile, "the folder is full or not writable.");
  trim(bytes);
}

std::uint64_t ImportCache::clear() const { return trim(0); }

/// Removes entries of files that have changed, then those used longest ago, until no more than that
/// is left.
std::uint64_t ImportCache::trim(std::uint64_t to_bytes, const std::string& importing) const {
  remove_leftovers(folder_, importing);
  std::vector<CacheEntry> all = entries();
  std::stable_partition(all.begin(), all.end(), [](const CacheEntry& e) { return e.current; });
  std::uint64_t held = 0, freed = 0;
  for (const CacheEntry& entry : all) held += entry.bytes;
  for (auto entry = all.rbegin(); entry != all.rend() && held > to_bytes; ++entry) {
    if (!remove_entry(entry->folder)) continue;
    held -= entry->bytes;
    freed += entry->bytes;
  }
  return freed;
}

std::unique_ptr<BrickSource> open_source_or_import(const fs::path& path, const ReadOptions& options,
                                                   const Fraction& progress,
                                                   const std::stop_token& stop) {
  if (auto source = open_source(path, options)) {
    const ScalarType type = source->info().type;
    const bool real = type == ScalarType::f32 || type == ScalarType::f64;
    if (is_pyramid(path) || !(options.label_map && real)) return source;
  }
  return ImportCache().open(path, options, progress, stop);
}

}  // namespace gigawarp::io
