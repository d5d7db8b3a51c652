#include <array>

#include "base/loaded_module.h"
#include "io/poly_data_module.h"
#include "io/surface_parts.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {
const PolyDataFunctions& vtk() {
  static const PolyDataFunctions& functions =
      *reinterpret_cast<GetPolyDataFunctions>(function_of_module(
          kPolyDataModule, kGetPolyDataFunctions, "VTK files cannot be read or written"))();
  return functions;
}

struct Close {
  void operator()(void* poly_data) const { vtk().close(poly_data); }
};

class PolyDataFile final : public SurfaceFile {
 public:
  explicit PolyDataFile(const fs::path& path) : SurfaceFile(path) {}

 private:
  void open(const std::stop_token& stop) override {
    // The file and what VTK makes of it: 64-bit indices of 32-bit ones, expanded arrays.
    check_surface_memory(path_, 4 * checked_file_size(path_));
    std::array<char, 512> why{};
    poly_data_.reset(vtk().open(path_.c_str(), why.data(), why.size()));
    if (poly_data_ == nullptr) refuse(path_, std::string(why.data()) + ".");
    look_at_work(stop);
    points_.resize(static_cast<std::size_t>(vtk().point_count(poly_data_.get())));
    static_assert(sizeof(Vec3) == 3 * sizeof(double));
    if (!points_.empty()) vtk().get_points(poly_data_.get(), points_.front().data());
    const std::string_view space = vtk().space(poly_data_.get());
    if (!space.empty()) stated_ = space == "RAS" ? SurfaceSpace::ras : SurfaceSpace::lps;
    if (vtk().has_normals(poly_data_.get()) != 0) losses_.emplace_back(kNormalsAreLeftOut);
    list_contents();
  }

  void list_contents() {
    contents_.format = has_extension(path_, ".vtp") ? "VTK PolyData, XML" : "VTK PolyData, legacy";
    contents_.faces = vtk().face_count(poly_data_.get());
    contents_.lines = vtk().line_count(poly_data_.get());
    for (int i = 0; i < vtk().array_count(poly_data_.get()); ++i) {
      PolyDataArray array{};
      vtk().get_array(poly_data_.get(), i, &array);
      contents_.arrays.push_back(
          {array.name, array.of_points != 0 ? "points" : "faces", array.type, array.components});
    }
  }

  std::int64_t write_file(const fs::path& out, std::span<const std::int64_t> /*new_index*/,
                          const std::stop_token& stop) override {
    AtomicFile file(out);
    file.reserve(checked_file_size(path_));  // about as much
    file.close();
    std::array<char, 512> why{};
    const std::int64_t left_out = vtk().write(poly_data_.get(), points_.front().data(),
                                              file.temporary().c_str(), why.data(), why.size());
    if (left_out < 0)
      refuse_output(out, std::string(why.data()) + "; make space or choose another folder.");
    look_at_work(stop);
    file.commit();
    return left_out;
  }

  std::unique_ptr<void, Close> poly_data_;
};
}  // namespace

std::unique_ptr<SurfaceFile> make_poly_data(const fs::path& path) {
  return std::make_unique<PolyDataFile>(path);
}

}  // namespace gigawarp::io
