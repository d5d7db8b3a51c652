#include "hdf5/hdf5_file.h"

#include <array>
#include <cstring>

#include "support/volume.h"

namespace hdf5 {

namespace {
hid_t native(GigawarpType type) {
  const hid_t types[] = {H5T_NATIVE_UINT8,  H5T_NATIVE_INT8,  H5T_NATIVE_UINT16, H5T_NATIVE_INT16,
                         H5T_NATIVE_UINT32, H5T_NATIVE_INT32, H5T_NATIVE_FLOAT,  H5T_NATIVE_DOUBLE,
                         H5T_NATIVE_UINT64, H5T_NATIVE_INT64};
  return types[type];
}

std::optional<GigawarpType> type_of(hid_t type) {
  const H5T_class_t kind = H5Tget_class(type);
  const std::size_t width = H5Tget_size(type);
  if (kind == H5T_FLOAT && (width == 4 || width == 8))
    return width == 4 ? GIGAWARP_F32 : GIGAWARP_F64;
  if (kind != H5T_INTEGER) return std::nullopt;
  const bool is_signed = H5Tget_sign(type) == H5T_SGN_2;
  switch (width) {
    case 1: return is_signed ? GIGAWARP_I8 : GIGAWARP_U8;
    case 2: return is_signed ? GIGAWARP_I16 : GIGAWARP_U16;
    case 4: return is_signed ? GIGAWARP_I32 : GIGAWARP_U32;
    case 8: return is_signed ? GIGAWARP_I64 : GIGAWARP_U64;
    default: return std::nullopt;
  }
}

}  // namespace

void silence() {
  thread_local const herr_t silent = H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  static_cast<void>(silent);
}

bool is_hdf5(const GigawarpFile& file) {
  constexpr char kSignature[] = "\x89HDF\r\n\x1a\n";
  for (const std::size_t at : {0, 512, 1024, 2048})
    if (file.head_bytes >= at + 8 && std::memcmp(file.head + at, kSignature, 8) == 0) return true;
  return false;
}

File::File(const std::string& path) : path_(path) {
  silence();
  file_ = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
}

File::~File() {
  for (const auto& [name, set] : open_) H5Dclose(set.id);
  if (file_ >= 0) H5Fclose(file_);
}

void File::damaged(const std::string& name) const {
  plugin::refuse(path_,
                 "is damaged: \"" + name + "\" cannot be read from it; copy or export it again.");
}

bool File::has(const std::string& name) const {
  // Every group on the way has to be there before the next may be asked for.
  for (auto at = name.find('/', 1);; at = name.find('/', at + 1)) {
    if (H5Lexists(file_, name.substr(0, at).c_str(), H5P_DEFAULT) <= 0) return false;
    if (at == std::string::npos) return true;
  }
}

File::Dataset File::describe(const std::string& name) const {
  if (!has(name)) damaged(name);
  const Handle set(H5Dopen2(file_, name.c_str(), H5P_DEFAULT), H5Dclose);
  if (!set) damaged(name);
  const Handle space(H5Dget_space(set.id()), H5Sclose), type(H5Dget_type(set.id()), H5Tclose);
  const int rank = H5Sget_simple_extent_ndims(space.id());
  const auto scalar = type_of(type.id());
  if (rank < 1 || rank > 8 || !scalar) damaged(name);
  std::vector<hsize_t> size(static_cast<std::size_t>(rank)), chunk(size.size(), 1);
  H5Sget_simple_extent_dims(space.id(), size.data(), nullptr);
  const Handle layout(H5Dget_create_plist(set.id()), H5Pclose);
  if (H5Pget_layout(layout.id()) != H5D_CHUNKED ||
      H5Pget_chunk(layout.id(), rank, chunk.data()) != rank)
    chunk.clear();
  Dataset out;
  out.type = *scalar;
  out.shape.assign(size.begin(), size.end());
  out.chunk.assign(chunk.begin(), chunk.end());
  return out;
}

std::vector<double> File::numbers(const std::string& name) const {
  constexpr std::int64_t kMost = 1 << 16;
  std::int64_t n = 1;
  for (const std::int64_t length : describe(name).shape) {
    if (length < 1 || length > kMost / n) damaged(name);
    n *= length;
  }
  std::vector<double> out(static_cast<std::size_t>(n));
  const Handle set(H5Dopen2(file_, name.c_str(), H5P_DEFAULT), H5Dclose);
  if (H5Dread(set.id(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, out.data()) < 0)
    damaged(name);
  return out;
}

std::optional<std::string> File::text(const std::string& group,
                                      const std::string& attribute) const {
  if (!has(group) || H5Aexists_by_name(file_, group.c_str(), attribute.c_str(), H5P_DEFAULT) <= 0)
    return std::nullopt;
  const Handle at(
      H5Aopen_by_name(file_, group.c_str(), attribute.c_str(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  const Handle type(H5Aget_type(at.id()), H5Tclose), space(H5Aget_space(at.id()), H5Sclose);
  const hssize_t count = H5Sget_simple_extent_npoints(space.id());
  const std::size_t width = H5Tget_size(type.id());
  if (H5Tget_class(type.id()) != H5T_STRING || H5Tis_variable_str(type.id()) > 0 || count < 1 ||
      static_cast<std::uint64_t>(count) * width > 4096)
    return std::nullopt;
  std::string out(static_cast<std::size_t>(count) * width, '\0');
  if (H5Aread(at.id(), type.id(), out.data()) < 0) damaged(group + "/" + attribute);
  return out.substr(0, out.find('\0'));
}

const File::OpenSet& File::dataset(const std::string& name, GigawarpType type) const {
  const std::lock_guard lock(mutex_);
  if (const auto found = open_.find(name); found != open_.end()) return found->second;
  OpenSet set;
  set.id = H5Dopen2(file_, name.c_str(), H5P_DEFAULT);
  if (set.id < 0) damaged(name);
  set.chunks = chunk_layout(set.id, native(type));
  return open_.emplace(name, set).first->second;
}

void File::read(const GigawarpHost& host, const std::string& name, const GigawarpBox& box,
                GigawarpType type, void* out) const {
  silence();
  const OpenSet& set = dataset(name, type);
  if (!set.chunks)
    read_by_library(set.id, name, box, type, out);
  else if (!read_chunks(host, set.id, *set.chunks, box, static_cast<std::byte*>(out)))
    damaged(name);
}

void File::read_by_library(hid_t set, const std::string& name, const GigawarpBox& box,
                           GigawarpType type, void* out) const {
  std::array<hsize_t, 3> begin{}, count{};
  for (std::size_t a = 0; a < 3; ++a) {
    begin[a] = static_cast<hsize_t>(box.begin[2 - a]);
    count[a] = static_cast<hsize_t>(box.size[2 - a]);
  }
  const Handle space(H5Dget_space(set), H5Sclose);
  const Handle memory(H5Screate_simple(3, count.data(), nullptr), H5Sclose);
  if (H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, begin.data(), nullptr, count.data(),
                          nullptr) >= 0 &&
      H5Dread(set, native(type), memory.id(), space.id(), H5P_DEFAULT, out) >= 0)
    return;
  if (const std::string filter = missing_filter(set); !filter.empty())
    plugin::refuse(path_, "is compressed by a filter of HDF5 that is not installed here (" +
                              filter + "); store it again with gzip.");
  damaged(name);
}

}  // namespace hdf5
