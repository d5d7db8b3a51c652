#include "io/file_support.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill
#include <stdio.h>   // NOLINT(modernize-deprecated-headers): renameat2
#include <sys/resource.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "base/parallel.h"
#include "io/http.h"
#include "io/random_file.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

void refuse(const fs::path& path, const std::string& rest) {
  throw Error(ErrorCode::bad_input, "The file \"" + path.string() + "\" " + rest, path.string());
}

void refuse_output(const fs::path& path, const std::string& rest) {
  throw Error(ErrorCode::output_not_written, "\"" + path.string() + "\" was not written: " + rest,
              path.string());
}

bool has_extension(const fs::path& path, std::string_view extension) {
  const std::string name = path.filename().string();
  return name.size() >= extension.size() &&
         std::equal(extension.rbegin(), extension.rend(), name.rbegin(), [](char a, char b) {
           return std::tolower(static_cast<unsigned char>(b)) == a;
         });
}

std::uint64_t checked_file_size(const fs::path& path) {
  std::error_code code;
  const fs::file_status status = fs::status(path, code);
  if (!fs::exists(status)) refuse(path, "does not exist; check the name and the folder.");
  if (fs::is_directory(status))
    refuse(path, "is a folder where a file is expected; name the file inside it.");
  if (!fs::is_regular_file(status)) refuse(path, "is not a regular file.");
  const std::uint64_t size = fs::file_size(path, code);
  if (code) refuse(path, "cannot be read (" + code.message() + ").");
  if (size == 0) refuse(path, "is empty; it was probably not written completely.");
  return size;
}

std::vector<std::byte> read_head(const fs::path& path, std::size_t bytes) {
  checked_file_size(path);
  std::ifstream stream(path, std::ios::binary);
  if (!stream)
    refuse(path,
           std::string("cannot be opened (") + std::strerror(errno) + "); check its permissions.");
  std::vector<std::byte> head(bytes);
  stream.read(reinterpret_cast<char*>(head.data()), static_cast<std::streamsize>(bytes));
  head.resize(static_cast<std::size_t>(stream.gcount()));
  return head;
}

std::string read_text(const fs::path& path, std::size_t limit) {
  const std::uint64_t size = checked_file_size(path);
  if (size > limit) refuse(path, "is too large to be the text file it should be.");
  const std::vector<std::byte> all = read_head(path, static_cast<std::size_t>(size));
  return {reinterpret_cast<const char*>(all.data()), all.size()};
}

std::optional<std::uint64_t> volume_bytes(const Size3& size, int channels,
                                          std::size_t value_bytes) {
  if (channels <= 0) return std::nullopt;
  std::uint64_t total = static_cast<std::uint64_t>(channels) * value_bytes;
  for (const std::int64_t n : size) {
    if (n <= 0) return std::nullopt;
    if (__builtin_mul_overflow(total, static_cast<std::uint64_t>(n), &total)) return std::nullopt;
  }
  if (total > (std::uint64_t{1} << 62)) return std::nullopt;
  return total;
}

std::int64_t chosen_part(const fs::path& path, std::int64_t count, const std::optional<int>& wanted,
                         const std::string& what, const std::string& option) {
  if (!wanted && count > 1)
    refuse(path, "holds " + std::to_string(count) + " " + what + "s; choose one with " + option +
                     " 0 to " + std::to_string(count - 1) + ".");
  const std::int64_t index = wanted.value_or(0);
  if (index < 0 || index >= count)
    throw Error(ErrorCode::usage,
                "\"" + path.string() + "\" has no " + what + " " + std::to_string(index) +
                    "; it has " + std::to_string(count) + ", counted from 0.",
                option);
  return index;
}

void check_grid(const fs::path& path, const Grid& grid) {
  for (const std::int64_t n : grid.size)
    if (n <= 0 || n > (std::int64_t{1} << 40))
      refuse(path, "has an impossible size along one axis; it holds no volume or is damaged.");
  for (const double s : grid.spacing_mm())
    if (!std::isfinite(s) || s <= 0)
      refuse(path, "has no usable voxel size; pass --spacing x,y,z in mm or repair the header.");
  const double determinant = grid.world_from_voxel.determinant();
  const Vec3 s = grid.spacing_mm();
  if (!std::isfinite(determinant) || std::abs(determinant) < 1e-6 * s[0] * s[1] * s[2])
    refuse(path, "has a singular orientation (two axes point the same way); repair its header.");
  for (const double o : grid.origin_mm())
    if (!std::isfinite(o)) refuse(path, "has an origin that is not a number; repair its header.");
}

void override_spacing(Grid& grid, const Vec3& spacing_mm) {
  for (const double s : spacing_mm)
    if (!std::isfinite(s) || s <= 0)
      throw Error(ErrorCode::usage, "A voxel spacing must be three positive numbers in mm.");
  const Mat3 direction = grid.direction();
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < 3; ++c)
      grid.world_from_voxel.linear[r][c] = direction[r][c] * spacing_mm[c];
}

void check_memory(const fs::path& path, std::uint64_t bytes, const MemoryWords& words) {
  const std::uint64_t available = available_memory_bytes();
  if (available != 0 && bytes > available)
    throw Error(ErrorCode::does_not_fit,
                std::string("The ") + words.what + " in \"" + path.string() + "\" " + words.needs +
                    " " + std::to_string(bytes >> 20) + " MiB but only " +
                    std::to_string(available >> 20) +
                    " MiB of memory are free; close other programs or " + words.advice + ".",
                path.string());
}

namespace {
/// ".<machine>-": what begins the names of this machine's temporary files.
std::string machine_prefix() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return ".-";
  return "." + std::string(name.data()) + "-";
}

/// Removes what processes of this machine that are no more left of `target`.
void remove_leftovers(const fs::path& folder, const std::string& prefix,
                      const std::string& ending) {
  std::error_code code;
  std::vector<fs::path> left;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix) || !name.ends_with(ending)) continue;
    const long process = std::strtol(name.c_str() + prefix.size(), nullptr, 10);
    if (process > 0 && ::kill(static_cast<pid_t>(process), 0) != 0 && errno == ESRCH)
      left.push_back(entry.path());
  }
  for (const fs::path& path : left) fs::remove_all(path, code);
}

/// A hidden name beside `target`, ".<machine>-<process>-<number>.part-<name>", in a folder that
/// exists.
fs::path temporary_beside(const fs::path& target) {
  if (is_address(target))
    refuse_output(target, "nothing is written over the network; name a file or folder here.");
  static std::atomic<unsigned> counter{0};
  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  std::error_code code;
  if (fs::exists(folder, code) && !fs::is_directory(folder, code))
    refuse_output(target, "\"" + folder.string() + "\" is a file and no folder.");
  if (!fs::is_directory(folder, code))
    refuse_output(target,
                  "the folder \"" + folder.string() + "\" does not exist; create it first.");
  const std::string prefix = machine_prefix(), ending = ".part-" + target.filename().string();
  remove_leftovers(folder, prefix, ending);
  return folder / (prefix + std::to_string(::getpid()) + "-" + std::to_string(counter++) + ending);
}
}  // namespace

AtomicFile::AtomicFile(const fs::path& target)
    : target_(target), temporary_(temporary_beside(target)) {
  std::error_code code;
  if (fs::is_directory(target, code)) refuse_output(target, "a folder of that name exists.");
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor_ < 0)
    refuse_output(target, std::string(std::strerror(errno)) +
                              "; choose a folder you may write to, with space left.");
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!done_) {
    std::error_code ignored;
    fs::remove(temporary_, ignored);
  }
}

namespace {
/// `put(data, bytes)` writes some of it, as write(2) does.
template <class Put>
void write_all(const fs::path& target, const void* data, std::size_t bytes, const Put& put) {
  const char* p = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t n = put(p, std::min<std::size_t>(bytes, 1U << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      refuse_output(target, std::string(n < 0 ? std::strerror(errno) : "the disk is full") +
                                "; make space or choose another folder.");
    p += n;
    bytes -= static_cast<std::size_t>(n);
  }
}
}  // namespace

void AtomicFile::write(const void* data, std::size_t bytes) {
  write_all(target_, data, bytes,
            [this](const char* p, std::size_t n) { return ::write(descriptor_, p, n); });
}

void AtomicFile::write_at(std::uint64_t offset, const void* data, std::size_t bytes) {
  write_all(target_, data, bytes, [&](const char* p, std::size_t n) {
    const ssize_t done = ::pwrite(descriptor_, p, n, static_cast<off_t>(offset));
    if (done > 0) offset += static_cast<std::uint64_t>(done);
    return done;
  });
}

void AtomicFile::append(const AtomicFile& other) {
  const RandomFile from(other.temporary_);
  std::vector<std::byte> block(std::min<std::uint64_t>(from.size(), 4U << 20));
  for (std::uint64_t at = 0; at < from.size(); at += block.size()) {
    const auto part =
        std::span(block).first(std::min<std::uint64_t>(block.size(), from.size() - at));
    from.read(at, part);
    write(part.data(), part.size());
  }
}

namespace {
/// The error number of what stands against writing so much, 0 when nothing is known to. Where
/// setting blocks aside means making all pages (a file system in memory: 0.2 s for each GB, by one
/// thread) or writing to each block (glibc's stand-in where there is no such call), what is free is
/// asked for instead.
int obstacle(int descriptor, std::uint64_t bytes) {
  struct statfs system {};
  if (::fstatfs(descriptor, &system) != 0) return 0;
  if (system.f_type != TMPFS_MAGIC) {
    if (::fallocate(descriptor, 0, 0, static_cast<off_t>(bytes)) == 0) return 0;
    if (errno != EOPNOTSUPP && errno != ENOSYS) return errno;
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && bytes > limit.rlim_cur) return EFBIG;
  // Without a limit of its own such a file system says that it has no blocks.
  const auto free =
      static_cast<std::uint64_t>(system.f_bavail) * static_cast<std::uint64_t>(system.f_bsize);
  return system.f_blocks > 0 && bytes > free ? ENOSPC : 0;
}
}  // namespace

void AtomicFile::reserve(std::uint64_t bytes) {
  const int code = obstacle(descriptor_, bytes);
  if (code == ENOSPC || code == EFBIG || code == EDQUOT)
    refuse_output(target_, std::string(std::strerror(code)) + " (" + std::to_string(bytes >> 20) +
                               " MiB are needed); make space or choose another folder.");
  if (::ftruncate(descriptor_, 0) != 0)
    refuse_output(target_, std::string(std::strerror(errno)) + ".");
}

void AtomicFile::close() {
  if (descriptor_ < 0) return;
  const int result = ::close(descriptor_);
  descriptor_ = -1;
  if (result != 0) refuse_output(target_, std::string(std::strerror(errno)) + ".");
}

void AtomicFile::commit() {
  close();
  if (::rename(temporary_.c_str(), target_.c_str()) != 0)
    refuse_output(target_, std::string(std::strerror(errno)) + ".");
  done_ = true;
}

AtomicFolder::AtomicFolder(const fs::path& target, std::string (*obstacle)(const fs::path& folder))
    : target_(target.has_filename() ? target : target.parent_path()),
      temporary_(temporary_beside(target_)) {
  std::error_code code;
  if (fs::exists(target_, code)) {
    const std::string why = fs::is_directory(target_, code)
                                ? obstacle(target_)
                                : "something else of that name exists; choose another name.";
    if (!why.empty()) refuse_output(target_, why);
  }
  if (!fs::create_directory(temporary_, code))
    refuse_output(target_, code.message() + "; choose a folder you may write to.");
}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;
  fs::remove_all(temporary_, ignored);  // after commit: what was there before
}

void AtomicFolder::make_folders(const fs::path& relative) const {
  std::error_code code;
  fs::create_directories(temporary_ / relative, code);
  if (code) refuse_output(target_, code.message() + "; make space or choose another folder.");
}

void AtomicFolder::write(const fs::path& relative, std::span<const std::byte> bytes) const {
  const fs::path path = temporary_ / relative;
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  bool good = descriptor >= 0;
  while (good && !bytes.empty()) {
    const ssize_t n = ::write(descriptor, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    good = n > 0;
    if (good) bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  const int why = errno;
  if (descriptor >= 0 && ::close(descriptor) != 0) good = false;
  if (!good)
    refuse_output(target_,
                  std::string(std::strerror(why)) + "; make space or choose another folder.");
}

void AtomicFolder::commit() {
  std::error_code code;
  // Changing places keeps the earlier folder whole until the new one is there.
  const int result = fs::exists(target_, code) ? ::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD,
                                                             target_.c_str(), RENAME_EXCHANGE)
                                               : ::rename(temporary_.c_str(), target_.c_str());
  if (result != 0)
    refuse_output(target_, std::string(std::strerror(errno)) +
                               "; remove what has that name or choose another.");
}

}  // namespace gigawarp::io
