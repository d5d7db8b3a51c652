#include "io/import_key.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "io/chunk_codecs.h"
#include "io/file_support.h"
#include "io/itk_images.h"
#include "io/text_header.h"

namespace gigawarp::io {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {
constexpr int kVersion = 1;  // of what an import makes of a file
constexpr std::size_t kHead = 64U << 10;

/// FNV-1a, 64 bits: for names; the whole key is compared.
std::uint64_t hash_of(const std::string& text) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

std::string hex(std::uint64_t value) {
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(value));
  return text.data();
}

/// Bytes and time of change.
Json stamp_of(const fs::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0)
    refuse(file, "does not exist; check the name and the folder.");
  return {static_cast<std::int64_t>(status.st_size),
          static_cast<std::int64_t>(status.st_mtim.tv_sec),
          static_cast<std::int64_t>(status.st_mtim.tv_nsec)};
}

/// The file that a NRRD or MetaImage names for its voxels, itself included; nothing for other
/// formats and for headers that name several or say it in another way.
std::optional<fs::path> voxels_of(const fs::path& path) {
  const auto format = itk_text_format(path);
  if (!format) return std::nullopt;
  const auto text = read_text_header(*format, path);
  return text ? std::optional(text->voxels) : std::nullopt;
}

bool is_one_file(const fs::path& path) {
  if (itk_text_format(path)) return voxels_of(path).has_value();
  static constexpr const char* kAlone[] = {".nii", ".nii.gz", ".mnc",  ".mrc", ".rec",
                                           ".h5",  ".hdf5",   ".tiff", ".tif"};
  return std::any_of(std::begin(kAlone), std::end(kAlone),
                     [&](const char* extension) { return has_extension(path, extension); });
}

/// Digest of the names, sizes and times of all files in a folder.
std::string folder_digest(const fs::path& folder) {
  std::vector<std::string> lines;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code))
    if (entry.is_regular_file(code))
      lines.push_back(entry.path().filename().string() + stamp_of(entry.path()).dump());
  std::sort(lines.begin(), lines.end());
  std::string all;
  for (const std::string& line : lines) all += line + '\n';
  return hex(hash_of(all));
}

std::string readable(const fs::path& path) {
  std::string name = path.filename().string().substr(0, 40);
  for (char& c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '.' && c != '_') c = '_';
  return name.starts_with('.') ? "_" + name : name;
}
}  // namespace

ImportKey import_key(const fs::path& path, const ReadOptions& options) {
  std::error_code code;
  const fs::path file = fs::canonical(path, code);
  if (code) refuse(path, "does not exist; check the name and the folder.");
  const bool is_folder = fs::is_directory(file, code);
  Json key{{"version", kVersion}, {"path", file.string()}};
  if (!is_folder) {
    key["stamp"] = stamp_of(file);
    key["head"] = crc32c(read_head(file, kHead));
  }
  if (!is_folder)
    if (const auto voxels = voxels_of(file); voxels && *voxels != file)
      key["voxels"] = stamp_of(*voxels);
  if (is_folder || !is_one_file(file))
    key["files"] = folder_digest(is_folder ? file : file.parent_path());
  if (options.spacing_mm) key["spacing_mm"] = *options.spacing_mm;
  if (options.label_map) key["labels"] = true;
  if (const int timepoint = options.selection.timepoint.value_or(0); timepoint != 0)
    key["timepoint"] = timepoint;
  ImportKey out;
  out.text = key.dump();
  out.name = readable(file) + "-" + hex(hash_of(out.text));
  return out;
}

std::string source_of(const std::string& key_text) {
  const Json key = Json::parse(key_text, nullptr, false);
  return key.is_object() ? key.value("path", std::string()) : std::string();
}

bool is_current(const std::string& key_text) {
  try {
    const Json key = Json::parse(key_text);
    ReadOptions options;
    options.label_map = key.value("labels", false);
    if (key.contains("timepoint")) options.selection.timepoint = key["timepoint"].get<int>();
    if (key.contains("spacing_mm")) options.spacing_mm = key["spacing_mm"].get<Vec3>();
    return import_key(key.at("path").get<std::string>(), options).text == key_text;
  } catch (const std::exception&) {
    return false;
  }
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}
FileLock::FileLock(FileLock&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      open_error_(other.open_error_),
      certain_(other.certain_) {}
FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(open_error_, other.open_error_);
  std::swap(certain_, other.certain_);
  return *this;
}

FileLock FileLock::take(const fs::path& file, int flags, int operation) {
  FileLock lock;
  lock.descriptor_ = ::open(file.c_str(), flags | O_CLOEXEC, 0666);
  if (lock.descriptor_ < 0) {
    lock.open_error_ = errno;
    return lock;
  }
  int result = 0;
  do {
    result = ::flock(lock.descriptor_, operation);
  } while (result != 0 && errno == EINTR);
  if (result != 0 && errno == EWOULDBLOCK) return {};
  lock.certain_ = result == 0;
  struct stat mine {
  }, there{};  // somebody may have removed or replaced it meanwhile
  if (::fstat(lock.descriptor_, &mine) != 0 || ::stat(file.c_str(), &there) != 0 ||
      mine.st_ino != there.st_ino || mine.st_dev != there.st_dev)
    return {};
  return lock;
}

FileLock FileLock::shared(const fs::path& file) { return take(file, O_RDONLY, LOCK_SH); }

FileLock FileLock::alone(const fs::path& file, bool create) {
  return take(file, O_RDWR | (create ? O_CREAT : 0), LOCK_EX | LOCK_NB);  // NFS: only if writable
}

void FileLock::touch() const { (void)::futimens(descriptor_, nullptr); }

}  // namespace gigawarp::io
