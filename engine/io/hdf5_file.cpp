#include "io/hdf5_file.h"

#include <array>
#include <utility>

#include "io/file_support.h"

namespace gigawarp::io {

namespace {
/// Closes what it holds.
class Handle {
 public:
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  explicit operator bool() const { return id_ >= 0; }
  hid_t id() const { return id_; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

hid_t native(FileScalar scalar) {
  switch (scalar) {
    case FileScalar::u8: return H5T_NATIVE_UINT8;
    case FileScalar::i8: return H5T_NATIVE_INT8;
    case FileScalar::u16: return H5T_NATIVE_UINT16;
    case FileScalar::i16: return H5T_NATIVE_INT16;
    case FileScalar::u32: return H5T_NATIVE_UINT32;
    case FileScalar::i32: return H5T_NATIVE_INT32;
    case FileScalar::f32: return H5T_NATIVE_FLOAT;
    case FileScalar::f64: return H5T_NATIVE_DOUBLE;
    case FileScalar::u64: return H5T_NATIVE_UINT64;
    case FileScalar::i64: break;
  }
  return H5T_NATIVE_INT64;
}

std::optional<FileScalar> scalar_of(hid_t type) {
  const H5T_class_t kind = H5Tget_class(type);
  const std::size_t width = H5Tget_size(type);
  if (kind == H5T_FLOAT && (width == 4 || width == 8))
    return width == 4 ? FileScalar::f32 : FileScalar::f64;
  if (kind != H5T_INTEGER) return std::nullopt;
  const bool is_signed = H5Tget_sign(type) == H5T_SGN_2;
  switch (width) {
    case 1: return is_signed ? FileScalar::i8 : FileScalar::u8;
    case 2: return is_signed ? FileScalar::i16 : FileScalar::u16;
    case 4: return is_signed ? FileScalar::i32 : FileScalar::u32;
    case 8: return is_signed ? FileScalar::i64 : FileScalar::u64;
    default: return std::nullopt;
  }
}
}  // namespace

Hdf5File::Hdf5File(const std::filesystem::path& path) : path_(path) {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);  // errors are told in our words
  file_ = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
}

Hdf5File::~Hdf5File() {
  if (file_ >= 0) H5Fclose(file_);
}

void Hdf5File::damaged(const std::string& name) const {
  refuse(path_, "is damaged: \"" + name + "\" cannot be read from it; copy or export it again.");
}

bool Hdf5File::has(const std::string& name) const {
  // Every group on the way has to be there before the next may be asked for.
  for (auto at = name.find('/', 1);; at = name.find('/', at + 1)) {
    if (H5Lexists(file_, name.substr(0, at).c_str(), H5P_DEFAULT) <= 0) return false;
    if (at == std::string::npos) return true;
  }
}

Hdf5File::Dataset Hdf5File::describe(const std::string& name) const {
  if (!has(name)) damaged(name);
  const Handle set(H5Dopen2(file_, name.c_str(), H5P_DEFAULT), H5Dclose);
  if (!set) damaged(name);
  const Handle space(H5Dget_space(set.id()), H5Sclose), type(H5Dget_type(set.id()), H5Tclose);
  const int rank = H5Sget_simple_extent_ndims(space.id());
  const auto scalar = scalar_of(type.id());
  if (rank < 1 || rank > 8 || !scalar) damaged(name);
  std::vector<hsize_t> size(static_cast<std::size_t>(rank)), chunk(size.size(), 1);
  H5Sget_simple_extent_dims(space.id(), size.data(), nullptr);
  const Handle layout(H5Dget_create_plist(set.id()), H5Pclose);
  if (H5Pget_layout(layout.id()) != H5D_CHUNKED ||
      H5Pget_chunk(layout.id(), rank, chunk.data()) != rank)
    chunk = size;
  Dataset out;
  out.scalar = *scalar;
  out.shape.assign(size.begin(), size.end());
  out.chunk.assign(chunk.begin(), chunk.end());
  return out;
}

std::vector<double> Hdf5File::numbers(const std::string& name) const {
  constexpr std::int64_t kMost = 1 << 16;
  std::int64_t n = 1;
  for (const std::int64_t s : describe(name).shape)
    if (s < 1 || s > kMost || (n *= s) > kMost) damaged(name);
  std::vector<double> out(static_cast<std::size_t>(n));
  const Handle set(H5Dopen2(file_, name.c_str(), H5P_DEFAULT), H5Dclose);
  if (H5Dread(set.id(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, out.data()) < 0)
    damaged(name);
  return out;
}

std::optional<std::string> Hdf5File::text(const std::string& group,
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

void Hdf5File::read(const std::string& name, const Box& box, FileScalar scalar,
                    std::byte* out) const {
  std::array<hsize_t, 3> begin{}, count{};
  for (std::size_t a = 0; a < 3; ++a) {
    begin[a] = static_cast<hsize_t>(box.begin[2 - a]);
    count[a] = static_cast<hsize_t>(box.size[2 - a]);
  }
  const Handle set(H5Dopen2(file_, name.c_str(), H5P_DEFAULT), H5Dclose);
  if (!set) damaged(name);
  const Handle space(H5Dget_space(set.id()), H5Sclose);
  const Handle memory(H5Screate_simple(3, count.data(), nullptr), H5Sclose);
  if (H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, begin.data(), nullptr, count.data(),
                          nullptr) < 0 ||
      H5Dread(set.id(), native(scalar), memory.id(), space.id(), H5P_DEFAULT, out) < 0)
    damaged(name);
}

}  // namespace gigawarp::io
