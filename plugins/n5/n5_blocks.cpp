#include "n5/n5_blocks.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>

#include "support/blocks.h"

namespace n5 {

namespace {
using plugin::Sizes;

/// Closes what it holds.
class Descriptor {
 public:
  explicit Descriptor(const std::string& path)
      : number_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

/// The file of a block; false when there is none.
bool read_file(const std::string& path, std::uint64_t most, std::vector<std::byte>& out) {
  const Descriptor file(path);
  if (file.number() < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return false;
    plugin::refuse(path, std::string("cannot be read (") + std::strerror(errno) + ").");
  }
  struct stat status {};
  if (::fstat(file.number(), &status) != 0 || !S_ISREG(status.st_mode))
    plugin::refuse(path, "is no regular file, so it holds no voxels.");
  if (static_cast<std::uint64_t>(status.st_size) > most)
    plugin::refuse(path, "is damaged: it is larger than a block of the volume can be.");
  out.resize(static_cast<std::size_t>(status.st_size));
  for (std::size_t done = 0; done < out.size();) {
    const ssize_t n = ::read(file.number(), out.data() + done, out.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      plugin::refuse(path, "cannot be read to its end; it was cut off, or the disk failed.");
    done += static_cast<std::size_t>(n);
  }
  return true;
}

std::uint32_t big_endian(const std::byte* p, std::size_t bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) value = value << 8U | static_cast<std::uint32_t>(p[i]);
  return value;
}

/// What follows the header of a block, whose sizes go to `extent`; at the end of the volume a block
/// may be cut short.
std::span<const std::byte> body_of(std::span<const std::byte> block, const std::string& path,
                                   std::size_t rank, Sizes& extent) {
  const std::size_t header = 4 + 4 * rank;
  const auto damaged = [&path] {
    plugin::refuse(path,
                   "is a block of the volume whose header is damaged; copy or export it again.");
  };
  if (block.size() < header || big_endian(block.data() + 2, 2) != rank) damaged();
  const std::uint32_t mode = big_endian(block.data(), 2);
  if (mode > 1) damaged();
  for (std::size_t a = 0; a < rank; ++a) {
    const std::int64_t n = big_endian(block.data() + 4 + 4 * a, 4);
    if (n < 1 || n > extent[a]) damaged();
    extent[a] = n;
  }
  const std::size_t begin = header + (mode == 1 ? 4 : 0);
  if (block.size() < begin) damaged();
  return block.subspan(begin);
}

void turn_bytes(std::byte* data, std::size_t count, std::size_t width) {
  if (width < 2) return;
  for (std::size_t i = 0; i < count; ++i) std::reverse(data + i * width, data + (i + 1) * width);
}

/// Voxels of a block in the machine's byte order; nothing when it is missing.
std::optional<std::span<const std::byte>> decoded(const GigawarpHost& host, const Dataset& dataset,
                                                  const std::string& path, Sizes& extent) {
  thread_local std::vector<std::byte> encoded, voxels;
  const auto width = static_cast<std::size_t>(plugin::width_of(dataset.type));
  const auto whole = static_cast<std::uint64_t>(extent[0] * extent[1] * extent[2]) * width;
  if (!read_file(path, 2 * whole + (1U << 20), encoded)) return std::nullopt;
  const std::span<const std::byte> body = body_of(encoded, path, dataset.rank, extent);
  const auto count = static_cast<std::size_t>(extent[0] * extent[1] * extent[2]);
  voxels.resize(count * width);
  if (dataset.codec.empty()) {
    if (body.size() != voxels.size())
      plugin::refuse(path, "is a block of the volume that is truncated or damaged (it holds " +
                               std::to_string(body.size()) + " bytes instead of " +
                               std::to_string(voxels.size()) + "); copy or export it again.");
    std::memcpy(voxels.data(), body.data(), body.size());
  } else {
    GigawarpError error{};
    if (host.expand(dataset.codec.c_str(), body.data(), body.size(), voxels.data(), voxels.size(),
                    &error) != GIGAWARP_OK)
      plugin::refuse(path, "is a block of the volume that " + std::string(error.text) +
                               "; copy or export it again.");
  }
  turn_bytes(voxels.data(), count, width);  // blocks are big-endian
  return voxels;
}

std::string path_of(const Dataset& dataset, const Sizes& block) {
  std::filesystem::path path = dataset.folder;
  for (std::size_t a = 0; a < dataset.rank; ++a) path /= std::to_string(block[a]);
  return path.string();
}

/// The part of one block that lies in the box.
void read_part(const GigawarpHost& host, const Dataset& dataset, const Sizes& block,
               const GigawarpBox& box, std::byte* out) {
  const Sizes& size = dataset.block;
  const plugin::BlockPart part = plugin::part_of(block, size, box);
  const std::string path = path_of(dataset, block);
  const std::int64_t width = plugin::width_of(dataset.type);
  Sizes extent = size;
  const auto voxels = decoded(host, dataset, path, extent);
  if (!voxels) {
    constexpr std::byte kZero[8] = {};
    plugin::fill_part(part, kZero, box, out, width);
    return;
  }
  for (std::size_t a = 0; a < 3; ++a)
    if (part.inside[a] + part.count[a] > extent[a])
      plugin::refuse(path, "is a block of the volume that does not fill its place.");
  plugin::copy_part(part, voxels->data(), extent, box, out, width);
}
}  // namespace

void read_box(const GigawarpHost& host, const Dataset& dataset, const GigawarpBox& box, void* out) {
  plugin::for_each_block(host, dataset.block, box, [&](const Sizes& block) {
    read_part(host, dataset, block, box, static_cast<std::byte*>(out));
  });
}

}  // namespace n5
