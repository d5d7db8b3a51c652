#include <gifti_io.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "io/gifti_text.h"
#include "io/itk_support.h"
#include "io/surface_parts.h"

// Layout: GIFTI Surface Data Format 1.0 (2011). FreeSurfer's frame: its utils/gifti.cpp.
namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {
struct Free {
  void operator()(gifti_image* image) const { gifti_free_image(image); }
};
using Image = std::unique_ptr<gifti_image, Free>;

/// The library fills with zeros what is missing or cannot be expanded, and says so on standard
/// error alone.
class Complaints {
 public:
  Complaints() {
    if (file_ >= 0) ::dup2(file_, STDERR_FILENO);
  }
  ~Complaints() {
    if (file_ >= 0) ::close(file_);
  }
  Complaints(const Complaints&) = delete;
  Complaints& operator=(const Complaints&) = delete;
  /// Some are about what other programs write and is harmless.
  bool heard() const {
    std::fflush(stderr);
    std::string text(std::size_t{1} << 20, ' ');
    const ssize_t bytes = file_ < 0 ? 0 : ::pread(file_, text.data(), text.size(), 0);
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(bytes, 0)));
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);)
      if (line.starts_with("**") && line.find("num_dim violation") == std::string::npos &&
          line.find("has coordsys with intent") == std::string::npos)
        return true;
    return file_ < 0;
  }

 private:
  QuietStandardError quiet_{true};
  int file_ = ::memfd_create("complaints", MFD_CLOEXEC);
};

std::span<giiDataArray*> arrays_of(const Image& image) {
  return {image->darray, static_cast<std::size_t>(std::max(image->numDA, 0))};
}

bool is(const char* text, std::string_view what) { return text != nullptr && text == what; }
bool is_unknown(const char* space) {
  return space == nullptr || *space == 0 || is(space, "NIFTI_XFORM_UNKNOWN");
}
bool is_world(const char* space) {
  return is(space, "NIFTI_XFORM_SCANNER_ANAT") || is(space, "NIFTI_XFORM_ALIGNED_ANAT");
}

Affine matrix_of(const giiCoordSystem& system) {
  Affine out;
  for (std::size_t r = 0; r < 3; ++r) {
    for (std::size_t c = 0; c < 3; ++c) out.linear[r][c] = system.xform[r][c];
    out.offset[r] = system.xform[r][3];
  }
  return out;
}

/// FreeSurfer's surfaces lie in a frame of their own, whose axes and centre are those of the volume
/// as if it were coronal slices about 0: scanner = D D0^T surface + c. The columns of D and c are
/// in the metadata; those of D0 are (-1,0,0), (0,0,-1), (0,1,0).
std::optional<Affine> volume_geometry(const giiDataArray& points) {
  constexpr std::array<const char*, 3> kRows{"R", "A", "S"};
  const auto number = [&](const std::string& name) -> std::optional<double> {
    const char* text = gifti_get_meta_value(&points.meta, name.c_str());
    return text != nullptr ? finite_number(text) : std::nullopt;
  };
  Affine out;
  for (std::size_t r = 0; r < 3; ++r) {
    const auto x = number(std::string("VolGeomX_") + kRows[r]);
    const auto y = number(std::string("VolGeomY_") + kRows[r]);
    const auto z = number(std::string("VolGeomZ_") + kRows[r]);
    const auto c = number(std::string("VolGeomC_") + kRows[r]);
    if (!x || !y || !z || !c) return std::nullopt;
    out.linear[r] = {-*x, *z, -*y};
    out.offset[r] = *c;
  }
  return out;
}

class GiftiFile final : public SurfaceFile {
 public:
  explicit GiftiFile(const fs::path& path) : SurfaceFile(path) {}

 private:
  void open(const std::stop_token& stop) override {
    // The file, base64 expanded, and what the library makes of it.
    check_surface_memory(path_, 3 * checked_file_size(path_));
    if (!read()) refuse(path_, "is no GIFTI file, or is damaged or not written completely.");
    look_at_work(stop);
    find_points();
    check_triangles();
    take_points();
    stated_ = SurfaceSpace::ras;
    take_systems();
    list_contents();
  }

  void list_contents() {
    contents_.format = "GIFTI";
    for (const giiDataArray* array : arrays_of(image_)) {
      if (array == array_) continue;
      if (array->intent == NIFTI_INTENT_TRIANGLE) {
        contents_.faces += array->dims[0];
        continue;
      }
      // By the length, as the format gives no other sign.
      const bool of_points = array->dims[0] == array_->dims[0];
      const char* name = gifti_get_meta_value(&const_cast<giiDataArray*>(array)->meta, "Name");
      contents_.arrays.push_back({name != nullptr && *name != 0 ? name : intent_of(*array),
                                  of_points ? "points" : "the file", type_of(*array),
                                  array->num_dim > 1 ? array->dims[1] : 1});
    }
  }

  /// "NIFTI_INTENT_SHAPE"
  static std::string intent_of(const giiDataArray& array) {
    return gifti_intent_to_string(array.intent);
  }

  static std::string type_of(const giiDataArray& array) {
    switch (array.datatype) {
      case NIFTI_TYPE_FLOAT32: return "f32";
      case NIFTI_TYPE_FLOAT64: return "f64";
      case NIFTI_TYPE_INT32: return "i32";
      case NIFTI_TYPE_UINT8: return "u8";
      default: return gifti_datatype2str(array.datatype);
    }
  }

  bool read() {
    gifti_set_verb(1);
    {
      const Complaints ignored;  // of files beside it that are not in the current folder
      image_.reset(gifti_read_image(path_.c_str(), 0));
    }
    if (image_ == nullptr) return false;
    const Complaints complaints;
    if (is_beside()) {
      for (giiDataArray* array : arrays_of(image_))
        if (!read_beside(*array)) return false;
    } else {
      image_.reset(gifti_read_image(path_.c_str(), 1));
    }
    return image_ != nullptr && gifti_valid_gifti_image(image_.get(), 0) != 0 &&
           gifti_image_has_data(image_.get()) != 0 &&
           gifti_convert_ind_ord(image_.get(), GIFTI_IND_ORD_ROW_MAJOR) == 0 &&
           !complaints.heard() && is_all_there();
  }

  bool is_all_there() const {
    if (is_beside()) return true;  // read_beside() has looked
    const std::vector<GiftiText> texts = count_gifti_data(path_);
    const std::span<giiDataArray*> arrays = arrays_of(image_);
    if (texts.size() != arrays.size()) return false;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const giiDataArray& a = *arrays[i];
      if (a.encoding == GIFTI_ENCODING_ASCII && texts[i].words != a.nvals) return false;
      if (a.encoding == GIFTI_ENCODING_B64BIN && texts[i].letters * 6 / 8 < a.nvals * a.nbyper)
        return false;
    }
    return true;
  }

  /// Some programs (SPM, CAT12) keep the numbers in a file of their own, with a path from this
  /// one's folder; the library would look from the current one.
  bool is_beside() const {
    const std::span<giiDataArray*> all = arrays_of(image_);
    return std::any_of(all.begin(), all.end(), [](const giiDataArray* array) {
      return array->encoding == GIFTI_ENCODING_EXTBIN;
    });
  }

  bool read_beside(giiDataArray& array) const {
    if (array.encoding != GIFTI_ENCODING_EXTBIN || array.ext_fname == nullptr)
      refuse(path_, "keeps some of its numbers in another file; have them all written into one.");
    const fs::path beside = path_.parent_path() / array.ext_fname;
    if (array.ext_offset < 0 || array.nvals <= 0 || array.nbyper <= 0 ||
        checked_file_size(beside) <
            static_cast<std::uint64_t>(array.ext_offset) +
                static_cast<std::uint64_t>(array.nvals) * static_cast<std::uint64_t>(array.nbyper))
      refuse(beside, "is too short for the numbers of \"" + path_.string() + "\".");
    std::free(array.ext_fname);  // NOLINT(cppcoreguidelines-no-malloc): the library's own
    array.ext_fname = gifti_strdup(beside.c_str());
    std::free(array.data);  // NOLINT(cppcoreguidelines-no-malloc): likewise; what it took instead
    array.data = nullptr;
    return gifti_read_extern_DA_data(&array) == 0;
  }

  void find_points() {
    for (giiDataArray* array : arrays_of(image_)) {
      if (array->intent != NIFTI_INTENT_POINTSET) continue;
      if (array_ != nullptr) refuse(path_, "holds several sets of points; write each to a file.");
      array_ = array;
    }
    if (array_ == nullptr)
      refuse(path_,
             "holds no points: it has values or labels of a surface, which stay what they "
             "are; give the surface itself (.surf.gii).");
    const bool known =
        array_->datatype == NIFTI_TYPE_FLOAT32 || array_->datatype == NIFTI_TYPE_FLOAT64;
    if (!known || array_->num_dim != 2 || array_->dims[1] != 3)
      refuse(path_, "has points that are not three numbers each.");
  }

  void check_triangles() const {
    for (const giiDataArray* array : arrays_of(image_)) {
      if (array->intent != NIFTI_INTENT_TRIANGLE) continue;
      if (array->datatype != NIFTI_TYPE_INT32 || array->num_dim != 2 || array->dims[1] != 3)
        refuse(path_, "has triangles that are not three whole numbers each.");
      const auto* corners = static_cast<const std::int32_t*>(array->data);
      for (long long i = 0; i < array->nvals; ++i)
        if (corners[i] < 0 || corners[i] >= array_->dims[0])
          refuse(path_, "has a face with a point that is not there; it is damaged.");
    }
  }

  void take_points() {
    points_.resize(static_cast<std::size_t>(array_->dims[0]));
    for (std::size_t i = 0; i < points_.size(); ++i)
      for (std::size_t a = 0; a < 3; ++a)
        points_[i][a] = array_->datatype == NIFTI_TYPE_FLOAT64
                            ? static_cast<const double*>(array_->data)[3 * i + a]
                            : static_cast<const float*>(array_->data)[3 * i + a];
  }

  /// Where the points lead to the scanner by a matrix, they do so after the move. Matrices to other
  /// spaces are those of the image that the surface leaves.
  void take_systems() {
    bool unknown = true, matrix = false, stale = false;
    const auto count = static_cast<std::size_t>(std::max(array_->numCS, 0));
    for (giiCoordSystem* system : std::span(array_->coordsys, count)) {
      unknown = unknown && is_unknown(system->dataspace);
      if (matrix_of(*system) == Affine{}) continue;
      if (is_unknown(system->dataspace) && is_world(system->xformspace) && !matrix) {
        stated_from_file_ = matrix_of(*system);
        matrix = true;
      } else {
        stale = true;
      }
    }
    if (stale) {
      drop_stale();
      losses_.emplace_back(
          "Its matrix to a template's space is left out: it was the fixed image's.");
    }
    if (!matrix && unknown) stated_from_file_ = volume_geometry(*array_);
    if (stated_from_file_ == Affine{}) stated_from_file_.reset();
    if (stated_from_file_)
      notes_.emplace_back(
          matrix ? "Its coordinates are led to the scanner's by its own matrix, and back."
                 : "Its coordinates are FreeSurfer's own and are led to the scanner's by its "
                   "VolGeom entries, and back (--mesh-space ras where they are the scanner's "
                   "already).");
  }

  void drop_stale() {
    int kept = 0;
    for (int i = 0; i < array_->numCS; ++i) {
      giiCoordSystem* system = array_->coordsys[i];
      const bool stays = matrix_of(*system) == Affine{} ||
                         (is_unknown(system->dataspace) && is_world(system->xformspace));
      if (stays)
        array_->coordsys[kept++] = system;
      else
        gifti_free_CoordSystem(system);
    }
    array_->numCS = kept;
  }

  std::int64_t write_file(const fs::path& out, std::span<const std::int64_t> new_index,
                          const std::stop_token& stop) override {
    for (std::size_t i = 0; i < points_.size(); ++i)
      for (std::size_t a = 0; a < 3; ++a)
        if (array_->datatype == NIFTI_TYPE_FLOAT64)
          static_cast<double*>(array_->data)[3 * i + a] = points_[i][a];
        else
          static_cast<float*>(array_->data)[3 * i + a] = static_cast<float>(points_[i][a]);
    const std::int64_t left_out = new_index.empty() ? 0 : leave_out(new_index);
    for (giiDataArray* array : arrays_of(image_)) choose_encoding(*array);
    look_at_work(stop);
    AtomicFile file(out);
    file.reserve(static_cast<std::uint64_t>(gifti_gim_DA_size(image_.get(), 0)));
    file.close();
    int failed = 0;
    {
      const QuietStandardError quiet(true);
      failed = gifti_write_image(image_.get(), file.temporary().c_str(), 1);
    }
    if (failed != 0 || !is_whole(file.temporary()))
      refuse_output(out, "it could not be written whole; make space or choose another folder.");
    look_at_work(stop);
    file.commit();
    return left_out;
  }

  /// As it was, but never into the file beside the one that was read, and no real numbers as text,
  /// of which the library writes six digits after the point.
  static void choose_encoding(giiDataArray& array) {
    const bool beside = array.encoding == GIFTI_ENCODING_EXTBIN;
    const bool real = array.datatype == NIFTI_TYPE_FLOAT32 || array.datatype == NIFTI_TYPE_FLOAT64;
    if (!beside && !(real && array.encoding == GIFTI_ENCODING_ASCII)) return;
    array.encoding = GIFTI_ENCODING_B64GZ;
    if (!beside) return;
    std::free(array.ext_fname);  // NOLINT(cppcoreguidelines-no-malloc): the library's own
    array.ext_fname = gifti_strdup("");
    array.ext_offset = 0;
  }

  /// The library does not look at what it writes.
  static bool is_whole(const fs::path& path) {
    constexpr std::string_view kEnd = "</GIFTI>";
    std::ifstream stream(path, std::ios::binary | std::ios::ate);
    const auto size = static_cast<std::streamoff>(stream.tellg());
    std::string end(16, ' ');
    if (size < static_cast<std::streamoff>(end.size())) return false;
    stream.seekg(size - static_cast<std::streamoff>(end.size()));
    stream.read(end.data(), static_cast<std::streamsize>(end.size()));
    return stream.good() && end.find(kEnd) != std::string::npos;
  }

  /// Rows of points and of what belongs to points; triangles that lost a corner.
  std::int64_t leave_out(std::span<const std::int64_t> new_index) {
    std::int64_t faces = 0;
    const int all = array_->dims[0];
    for (giiDataArray* array : arrays_of(image_)) {
      if (array->intent == NIFTI_INTENT_TRIANGLE) {
        auto* corners = static_cast<std::int32_t*>(array->data);
        for (long long i = 0; i < array->nvals; ++i)
          corners[i] = static_cast<std::int32_t>(new_index[static_cast<std::size_t>(corners[i])]);
        const int before = array->dims[0];
        keep_rows(*array, [&](std::size_t row) {
          const std::int32_t* c = corners + 3 * row;
          return c[0] >= 0 && c[1] >= 0 && c[2] >= 0;
        });
        faces += before - array->dims[0];
      } else if (array->dims[0] == all && array->intent != NIFTI_INTENT_NODE_INDEX) {
        keep_rows(*array, [&](std::size_t row) { return new_index[row] >= 0; });
      } else {
        refuse(path_,
               "has points where the transform is undefined, which cannot be left out: it "
               "holds an array that is not one of its points or triangles.");
      }
    }
    return faces;
  }

  template <class Keep>
  static void keep_rows(giiDataArray& array, const Keep& keep) {
    const auto rows = static_cast<std::size_t>(array.dims[0]);
    const std::size_t bytes = static_cast<std::size_t>(array.nvals) /
                              std::max<std::size_t>(rows, 1) *
                              static_cast<std::size_t>(array.nbyper);
    auto* data = static_cast<std::byte*>(array.data);
    std::size_t kept = 0;
    for (std::size_t row = 0; row < rows; ++row) {
      if (!keep(row)) continue;
      if (kept != row) std::memcpy(data + kept * bytes, data + row * bytes, bytes);
      ++kept;
    }
    array.nvals = array.nvals / static_cast<long long>(std::max<std::size_t>(rows, 1)) *
                  static_cast<long long>(kept);
    array.dims[0] = static_cast<int>(kept);
  }

  Image image_;
  giiDataArray* array_ = nullptr;  ///< the points, inside `image_`
};
}  // namespace

std::unique_ptr<SurfaceFile> make_gifti(const fs::path& path) {
  return std::make_unique<GiftiFile>(path);
}

}  // namespace gigawarp::io
