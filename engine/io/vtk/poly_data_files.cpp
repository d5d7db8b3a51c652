#include <vtkCellArray.h>
#include <vtkCellData.h>
#include <vtkFieldData.h>
#include <vtkIdList.h>
#include <vtkLogger.h>
#include <vtkNew.h>
#include <vtkObjectFactory.h>
#include <vtkOutputWindow.h>
#include <vtkPointData.h>
#include <vtkPoints.h>
#include <vtkPolyData.h>
#include <vtkPolyDataReader.h>
#include <vtkPolyDataWriter.h>
#include <vtkSmartPointer.h>
#include <vtkStringArray.h>
#include <vtkXMLPolyDataReader.h>
#include <vtkXMLPolyDataWriter.h>

#include <array>
#include <cctype>
#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "io/poly_data_module.h"
#include "io/vtk/legacy_cells.h"

// The whole of the module: it is loaded when the first VTK file is read.
namespace {

constexpr const char* kDamaged = "is damaged, or was not written completely";

/// VTK says on the screen what is wrong, and goes on: VTK 9.1 with a file of cells that ends too
/// early, although it has closed it, and crashes. Here the first complaint ends the work.
class Listener : public vtkOutputWindow {
 public:
  static Listener* New();
  vtkTypeMacro(Listener, vtkOutputWindow)  // no semicolon: the macro ends with a function
      void DisplayText(const char* /*text*/) override {}
  void DisplayDebugText(const char* /*text*/) override {}
  void DisplayWarningText(const char* /*text*/) override {}
  // The legacy reader tells the end of a file that comes too early as a generic warning.
  void DisplayGenericWarningText(const char* /*text*/) override { complain(); }
  void DisplayErrorText(const char* /*text*/) override { complain(); }

  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

 protected:
  Listener() = default;
  ~Listener() override = default;

 private:
  [[noreturn]] static void complain() { throw std::runtime_error(kDamaged); }
};
vtkStandardNewMacro(Listener)

    /// Takes VTK's messages while it lives.
    class Listening {
 public:
  Listening() : before_(vtkOutputWindow::GetInstance()) {
    vtkOutputWindow::SetInstance(listener_);
    vtkLogger::SetStderrVerbosity(vtkLogger::VERBOSITY_OFF);
  }
  ~Listening() {
    vtkLogger::SetStderrVerbosity(verbosity_);
    vtkOutputWindow::SetInstance(before_);
  }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;

 private:
  vtkSmartPointer<vtkOutputWindow> before_;
  vtkNew<Listener> listener_;
  vtkLogger::Verbosity verbosity_ = vtkLogger::GetCurrentVerbosityCutoff();
};

struct Array {
  std::string name;
  const char* type;
  int components;
  bool of_points;
};

struct File {
  vtkSmartPointer<vtkPolyData> data;
  std::vector<Array> arrays;
  std::string space;
  bool xml = false, has_normals = false;
  // Of the older format:
  std::string header;
  int version = vtkDataWriter::VTK_LEGACY_READER_VERSION_4_2;
};

std::string space_in(const std::string& text) {
  for (const char* space : {"RAS", "LPS"})
    if (text.find(space) != std::string::npos) return space;
  return {};
}

vtkSmartPointer<vtkPolyData> read_legacy(const char* path, File& file) {
  vtkNew<vtkPolyDataReader> reader;
  reader->SetFileName(path);
  reader->ReadAllScalarsOn();
  reader->ReadAllVectorsOn();
  reader->ReadAllNormalsOn();
  reader->ReadAllTensorsOn();
  reader->ReadAllColorScalarsOn();
  reader->ReadAllTCoordsOn();
  reader->ReadAllFieldsOn();
  if (reader->IsFilePolyData() == 0)
    throw std::runtime_error("is no VTK file of PolyData; save the surface as that");
  if (const char* reason = gigawarp::io::reason_against_cells(path))
    throw std::runtime_error(reason);
  reader->Update();
  file.header = reader->GetHeader() != nullptr ? reader->GetHeader() : "";
  if (reader->GetFileVersion() >= vtkDataWriter::VTK_LEGACY_READER_VERSION_5_1)
    file.version = vtkDataWriter::VTK_LEGACY_READER_VERSION_5_1;
  if (const std::size_t at = file.header.find("SPACE="); at != std::string::npos)
    file.space = space_in(file.header.substr(at, 9));
  return reader->GetOutput();
}

vtkSmartPointer<vtkPolyData> read_xml(const char* path, File& file) {
  vtkNew<vtkXMLPolyDataReader> reader;
  if (reader->CanReadFile(path) == 0)
    throw std::runtime_error("is no VTK file of PolyData; save the surface as that");
  reader->SetFileName(path);
  reader->Update();
  file.xml = true;
  vtkPolyData* data = reader->GetOutput();
  if (auto* says = vtkStringArray::SafeDownCast(data->GetFieldData()->GetAbstractArray("SPACE")))
    if (says->GetNumberOfValues() > 0) file.space = space_in(says->GetValue(0));
  return data;
}

void check_cells(vtkPolyData& data) {
  for (vtkCellArray* cells :
       {data.GetVerts(), data.GetLines(), data.GetPolys(), data.GetStrips()}) {
    if (cells == nullptr || cells->GetNumberOfCells() == 0) continue;
    if (!cells->IsValid()) throw std::runtime_error(kDamaged);
    vtkDataArray* corners = cells->GetConnectivityArray();
    for (vtkIdType i = 0; i < corners->GetNumberOfTuples(); ++i) {
      const double point = corners->GetComponent(i, 0);
      if (!(point >= 0 && point < static_cast<double>(data.GetNumberOfPoints())))
        throw std::runtime_error("has a face with a point that is not there; it is damaged");
    }
  }
}

void check_arrays(vtkFieldData& arrays, vtkIdType count) {
  for (int i = 0; i < arrays.GetNumberOfArrays(); ++i)
    if (arrays.GetAbstractArray(i)->GetNumberOfTuples() != count)
      throw std::runtime_error(kDamaged);
}

const char* type_of(const vtkAbstractArray& array) {
  switch (const_cast<vtkAbstractArray&>(array).GetDataType()) {
    case VTK_FLOAT: return "f32";
    case VTK_DOUBLE: return "f64";
    case VTK_SIGNED_CHAR:
    case VTK_CHAR: return "i8";
    case VTK_UNSIGNED_CHAR: return "u8";
    case VTK_SHORT: return "i16";
    case VTK_UNSIGNED_SHORT: return "u16";
    case VTK_INT: return "i32";
    case VTK_UNSIGNED_INT: return "u32";
    case VTK_LONG:
    case VTK_LONG_LONG:
    case VTK_ID_TYPE: return "i64";
    case VTK_UNSIGNED_LONG:
    case VTK_UNSIGNED_LONG_LONG: return "u64";
    case VTK_BIT: return "bit";
    default: return "text";
  }
}

void list_arrays(vtkFieldData& from, bool of_points, std::vector<Array>& to) {
  for (int i = 0; i < from.GetNumberOfArrays(); ++i) {
    vtkAbstractArray& array = *from.GetAbstractArray(i);
    to.push_back({array.GetName() != nullptr ? array.GetName() : "", type_of(array),
                  array.GetNumberOfComponents(), of_points});
  }
}

/// The array that counts as normals, and those that are called so.
bool drop_normals(vtkDataSetAttributes& attributes) {
  bool found = attributes.GetNormals() != nullptr;
  attributes.SetNormals(nullptr);
  for (int i = attributes.GetNumberOfArrays() - 1; i >= 0; --i) {
    vtkAbstractArray* array = attributes.GetAbstractArray(i);
    std::string name = array->GetName() != nullptr ? array->GetName() : "";
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (name != "normals" || array->GetNumberOfComponents() != 3) continue;
    attributes.RemoveArray(i);
    found = true;
  }
  return found;
}

void* open(const char* path, char* why, std::size_t why_bytes) noexcept {
  const std::string name = path;
  try {
    auto file = std::make_unique<File>();
    const Listening listening;
    const char ending = static_cast<char>(std::tolower(static_cast<unsigned char>(name.back())));
    const vtkSmartPointer<vtkPolyData> read =
        ending == 'p' ? read_xml(path, *file) : read_legacy(path, *file);
    check_cells(*read);
    check_arrays(*read->GetPointData(), read->GetNumberOfPoints());
    check_arrays(*read->GetCellData(), read->GetNumberOfCells());
    list_arrays(*read->GetPointData(), true, file->arrays);
    list_arrays(*read->GetCellData(), false, file->arrays);
    file->data = vtkSmartPointer<vtkPolyData>::New();
    file->data->ShallowCopy(read);
    const bool of_points = drop_normals(*file->data->GetPointData());
    const bool of_cells = drop_normals(*file->data->GetCellData());
    file->has_normals = of_points || of_cells;
    return file.release();
  } catch (const std::bad_alloc&) {
    std::snprintf(why, why_bytes, "announces more than there is memory for, or is damaged");
  } catch (const std::exception& error) {
    std::snprintf(why, why_bytes, "%s", error.what());
  }
  return nullptr;
}

const File& as_file(const void* poly_data) { return *static_cast<const File*>(poly_data); }

std::int64_t point_count(const void* poly_data) noexcept {
  return as_file(poly_data).data->GetNumberOfPoints();
}

void get_points(const void* poly_data, double* xyz) noexcept {
  vtkPolyData* data = as_file(poly_data).data;
  for (vtkIdType i = 0; i < data->GetNumberOfPoints(); ++i) data->GetPoint(i, xyz + 3 * i);
}

const char* space(const void* poly_data) noexcept { return as_file(poly_data).space.c_str(); }
int has_normals(const void* poly_data) noexcept { return as_file(poly_data).has_normals ? 1 : 0; }

std::int64_t face_count(const void* poly_data) noexcept {
  vtkPolyData& data = *as_file(poly_data).data;
  return data.GetNumberOfPolys() + data.GetNumberOfStrips();
}

std::int64_t line_count(const void* poly_data) noexcept {
  return as_file(poly_data).data->GetNumberOfLines();
}

int array_count(const void* poly_data) noexcept {
  return static_cast<int>(as_file(poly_data).arrays.size());
}

void get_array(const void* poly_data, int index, gigawarp::io::PolyDataArray* to) noexcept {
  const Array& array = as_file(poly_data).arrays[static_cast<std::size_t>(index)];
  *to = {array.name.c_str(), array.type, array.components, array.of_points ? 1 : 0};
}

bool is_nowhere(const double* point) { return point[0] != point[0]; }

/// Whole numbers cannot hold where a warp leads.
vtkSmartPointer<vtkPoints> points_for(const vtkPolyData& from) {
  auto out = vtkSmartPointer<vtkPoints>::New();
  const int type = const_cast<vtkPolyData&>(from).GetPoints()->GetDataType();
  out->SetDataType(type == VTK_DOUBLE ? VTK_DOUBLE : VTK_FLOAT);
  return out;
}

/// Cells of one kind, without those that lost a corner; `cell` is the number of the first of them.
std::int64_t copy_cells(vtkCellArray* from, const std::vector<vtkIdType>& new_index,
                        vtkIdType& cell, vtkCellData& from_data, vtkCellData& to_data,
                        vtkCellArray& to, vtkIdType& kept) {
  std::int64_t left_out = 0;
  vtkNew<vtkIdList> corners;
  for (vtkIdType i = 0; from != nullptr && i < from->GetNumberOfCells(); ++i, ++cell) {
    from->GetCellAtId(i, corners);
    bool whole = true;
    for (vtkIdType c = 0; c < corners->GetNumberOfIds(); ++c) {
      const vtkIdType index = new_index[static_cast<std::size_t>(corners->GetId(c))];
      corners->SetId(c, index);
      whole = whole && index >= 0;
    }
    if (!whole) {
      ++left_out;
      continue;
    }
    to.InsertNextCell(corners);
    to_data.CopyData(&from_data, cell, kept++);
  }
  return left_out;
}

/// The surface without points that lead nowhere; all arrays go along.
vtkSmartPointer<vtkPolyData> without(vtkPolyData& from, const double* xyz, std::int64_t& left_out) {
  auto to = vtkSmartPointer<vtkPolyData>::New();
  to->SetFieldData(from.GetFieldData());
  const vtkSmartPointer<vtkPoints> points = points_for(from);
  std::vector<vtkIdType> new_index(static_cast<std::size_t>(from.GetNumberOfPoints()), -1);
  to->GetPointData()->CopyAllOn();
  to->GetPointData()->CopyAllocate(from.GetPointData());
  for (vtkIdType i = 0; i < from.GetNumberOfPoints(); ++i) {
    if (is_nowhere(xyz + 3 * i)) continue;
    const vtkIdType at = points->InsertNextPoint(xyz + 3 * i);
    new_index[static_cast<std::size_t>(i)] = at;
    to->GetPointData()->CopyData(from.GetPointData(), i, at);
  }
  to->SetPoints(points);
  to->GetCellData()->CopyAllOn();
  to->GetCellData()->CopyAllocate(from.GetCellData());
  // The order in which data of cells lie.
  const std::array<vtkCellArray*, 4> kinds{from.GetVerts(), from.GetLines(), from.GetPolys(),
                                           from.GetStrips()};
  std::array<vtkNew<vtkCellArray>, 4> cells;
  vtkIdType cell = 0, kept = 0;
  for (std::size_t k = 0; k < kinds.size(); ++k)
    left_out += copy_cells(kinds[k], new_index, cell, *from.GetCellData(), *to->GetCellData(),
                           *cells[k], kept);
  to->SetVerts(cells[0]);
  to->SetLines(cells[1]);
  to->SetPolys(cells[2]);
  to->SetStrips(cells[3]);
  return to;
}

vtkSmartPointer<vtkPolyData> moved(vtkPolyData& from, const double* xyz, std::int64_t& left_out) {
  const vtkIdType count = from.GetNumberOfPoints();
  for (vtkIdType i = 0; i < count; ++i)
    if (is_nowhere(xyz + 3 * i)) return without(from, xyz, left_out);
  const vtkSmartPointer<vtkPoints> points = points_for(from);
  points->SetNumberOfPoints(count);
  for (vtkIdType i = 0; i < count; ++i) points->SetPoint(i, xyz + 3 * i);
  auto to = vtkSmartPointer<vtkPolyData>::New();
  to->ShallowCopy(&from);
  to->SetPoints(points);
  return to;
}

bool write_file(const File& file, vtkPolyData& data, const char* path) {
  if (file.xml) {
    vtkNew<vtkXMLPolyDataWriter> writer;
    writer->SetFileName(path);
    writer->SetInputData(&data);
    return writer->Write() != 0;
  }
  vtkNew<vtkPolyDataWriter> writer;
  writer->SetFileName(path);
  writer->SetFileVersion(file.version);
  writer->SetFileType(VTK_BINARY);  // as text VTK writes six digits: half a micrometre in a head
  writer->SetHeader(file.header.c_str());
  writer->SetInputData(&data);
  return writer->Write() != 0;
}

std::int64_t write(void* poly_data, const double* xyz, const char* path, char* why,
                   std::size_t why_bytes) noexcept {
  try {
    const File& file = as_file(poly_data);
    const Listening listening;
    std::int64_t left_out = 0;
    const vtkSmartPointer<vtkPolyData> data = moved(*file.data, xyz, left_out);
    if (write_file(file, *data, path)) return left_out;
    std::snprintf(why, why_bytes, "VTK could not write all of it");
  } catch (const std::bad_alloc&) {
    std::snprintf(why, why_bytes, "there was not enough memory");
  } catch (const std::exception&) {
    std::snprintf(why, why_bytes, "VTK could not write all of it");
  }
  return -1;
}

void close(void* poly_data) noexcept { delete static_cast<File*>(poly_data); }

constexpr gigawarp::io::PolyDataFunctions kFunctions{
    open,       point_count, get_points, space, has_normals, face_count,
    line_count, array_count, get_array,  write, close};

}  // namespace

extern "C" const gigawarp::io::PolyDataFunctions* gigawarp_poly_data() noexcept {
  return &kFunctions;
}
