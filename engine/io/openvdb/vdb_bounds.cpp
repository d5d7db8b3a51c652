#include "io/openvdb/vdb_bounds.h"

#include <cstdint>
#include <fstream>

// Layout of the archive: OpenVDB's io/Archive.cc, MetaMap.cc and GridDescriptor.cc, little-endian.
namespace gigawarp::io {

namespace {
constexpr std::int64_t kMagic = 0x56444220;
constexpr const char* kDamaged = "it ends too early or is damaged";
constexpr std::uint32_t kOldest = 222, kNewest = 224;  // versions of that layout
constexpr std::int64_t kUuid = 36;

/// Walks through a file. Once a length is beyond the end, `fits` stays false.
class Walk {
 public:
  explicit Walk(const char* file) {
    stream_.exceptions(std::ios::failbit | std::ios::badbit | std::ios::eofbit);
    stream_.open(file, std::ios::binary | std::ios::ate);
    end_ = stream_.tellg();
    stream_.seekg(0);
  }
  bool fits() const { return fits_; }
  template <class T>
  T number() {
    T value{};
    stream_.read(reinterpret_cast<char*>(&value), sizeof value);
    return value;
  }
  void pass(std::int64_t bytes) {
    const std::int64_t here = stream_.tellg();
    fits_ = fits_ && bytes <= end_ - here;
    if (fits_) stream_.seekg(here + bytes);
  }
  void go_to(std::int64_t place) {
    fits_ = fits_ && place >= stream_.tellg() && place <= end_;
    if (fits_) stream_.seekg(place);
  }
  /// A length and that many bytes.
  void text() { pass(number<std::uint32_t>()); }
  void metadata() {
    const auto count = number<std::uint32_t>();
    for (std::uint32_t i = 0; i < count && fits_; ++i)
      for (int part = 0; part < 3 && fits_; ++part) text();  // name, type, value
  }

 private:
  std::ifstream stream_;
  std::int64_t end_ = 0;
  bool fits_ = true;
};
}  // namespace

const char* reason_against(const char* file) {
  Walk walk(file);
  if (walk.number<std::int64_t>() != kMagic) return nullptr;
  const auto version = walk.number<std::uint32_t>();
  if (version < kOldest) return nullptr;
  if (version > kNewest) return "it is damaged, or a later OpenVDB wrote it";
  walk.pass(2 * sizeof(std::uint32_t));  // of the library
  const bool has_places = walk.number<char>() != 0;
  walk.pass(kUuid);
  walk.metadata();
  if (!walk.fits()) return kDamaged;
  const auto grids = walk.number<std::int32_t>();
  for (std::int32_t i = 0; i < grids && walk.fits(); ++i) {
    for (int part = 0; part < 3 && walk.fits(); ++part) walk.text();  // name, type, instance of
    if (!walk.fits()) return kDamaged;
    walk.pass(2 * sizeof(std::int64_t));  // where it begins, where its voxels do
    const auto end = walk.number<std::int64_t>();
    walk.pass(sizeof(std::uint32_t));  // compression
    walk.metadata();
    if (walk.fits()) walk.text();  // kind of transform
    if (!has_places) break;
    walk.go_to(end);
  }
  return walk.fits() ? nullptr : kDamaged;
}

}  // namespace gigawarp::io
