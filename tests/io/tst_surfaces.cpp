#include <gtest/gtest.h>
#include <vtkCellArray.h>
#include <vtkCellData.h>
#include <vtkDoubleArray.h>
#include <vtkFieldData.h>
#include <vtkFloatArray.h>
#include <vtkIntArray.h>
#include <vtkNew.h>
#include <vtkOBJReader.h>
#include <vtkOBJWriter.h>
#include <vtkOutputWindow.h>
#include <vtkPLYReader.h>
#include <vtkPLYWriter.h>
#include <vtkPointData.h>
#include <vtkPoints.h>
#include <vtkPolyData.h>
#include <vtkPolyDataReader.h>
#include <vtkPolyDataWriter.h>
#include <vtkSTLReader.h>
#include <vtkSTLWriter.h>
#include <vtkSmartPointer.h>
#include <vtkStringArray.h>
#include <vtkUnsignedCharArray.h>
#include <vtkXMLPolyDataReader.h>
#include <vtkXMLPolyDataWriter.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gigawarp/error.h"
#include "io/surface_file.h"
#include "support/temporary_folder.h"

/// VTK itself as the judge of surface files.
namespace {

using namespace gigawarp;
namespace fs = std::filesystem;
using Data = vtkSmartPointer<vtkPolyData>;

template <class Array>
vtkSmartPointer<Array> array(const char* name, int components, vtkIdType tuples) {
  auto out = vtkSmartPointer<Array>::New();
  out->SetName(name);
  out->SetNumberOfComponents(components);
  out->SetNumberOfTuples(tuples);
  for (vtkIdType i = 0; i < tuples; ++i)
    for (int c = 0; c < components; ++c) out->SetComponent(i, c, (7 * i + 3 * c) % 100 + 1.0 / 3);
  return out;
}

vtkIdType add(vtkCellArray& cells, std::initializer_list<vtkIdType> corners) {
  return cells.InsertNextCell(static_cast<vtkIdType>(corners.size()), corners.begin());
}

/// A vertex, a line, a triangle, a square and a strip, with data of every kind that has a place.
Data sample(int point_type = VTK_FLOAT) {
  vtkNew<vtkPoints> points;
  points->SetDataType(point_type);
  for (int i = 0; i < 8; ++i)
    points->InsertNextPoint(100.123456 + i, -20.987654 + i * i, 5.55555 * i - 3);
  auto data = Data::New();
  data->SetPoints(points);
  vtkNew<vtkCellArray> verts, lines, polys, strips;
  add(*verts, {7});
  add(*lines, {0, 1, 2});
  add(*polys, {0, 1, 2});
  add(*polys, {2, 3, 4, 5});
  add(*strips, {3, 4, 5, 6});
  data->SetVerts(verts);
  data->SetLines(lines);
  data->SetPolys(polys);
  data->SetStrips(strips);
  data->GetPointData()->SetScalars(array<vtkFloatArray>("curvature", 1, 8));
  data->GetPointData()->AddArray(array<vtkDoubleArray>("thickness", 2, 8));
  data->GetPointData()->AddArray(array<vtkUnsignedCharArray>("RGB", 3, 8));
  data->GetPointData()->SetTCoords(array<vtkFloatArray>("texture", 2, 8));
  data->GetPointData()->SetNormals(array<vtkFloatArray>("Normals", 3, 8));
  data->GetCellData()->AddArray(array<vtkIntArray>("label", 1, 5));
  return data;
}

template <class Writer>
void save(Writer& writer, vtkPolyData* data, const fs::path& path) {
  writer.SetFileName(path.c_str());
  writer.SetInputData(data);
  ASSERT_NE(writer.Write(), 0);
}

template <class Reader>
Data load(const fs::path& path) {
  vtkNew<Reader> reader;
  reader->SetFileName(path.c_str());
  reader->Update();
  return reader->GetOutput();
}

Data load_legacy(const fs::path& path) {
  vtkNew<vtkPolyDataReader> reader;
  reader->SetFileName(path.c_str());
  reader->ReadAllScalarsOn();
  reader->ReadAllTCoordsOn();
  reader->ReadAllFieldsOn();
  reader->ReadAllColorScalarsOn();
  reader->ReadAllNormalsOn();
  reader->Update();
  return reader->GetOutput();
}

constexpr Vec3 kShift{0.5, -1.25, 2};

/// Shifted by kShift in LPS, some points left out.
std::int64_t shift(const fs::path& from, const fs::path& to,
                   std::initializer_list<std::size_t> left_out = {}) {
  const auto surface = io::open_surface(from);
  for (Vec3& p : surface->points_mm())
    for (std::size_t a = 0; a < 3; ++a) p[a] += kShift[a];
  for (const std::size_t i : left_out)
    surface->points_mm()[i].fill(std::numeric_limits<double>::quiet_NaN());
  return surface->write(to);
}

void expect_shifted(vtkPolyData& before, vtkPolyData& after, double sign_xy = 1,
                    double tolerance = 2e-5) {
  ASSERT_EQ(before.GetNumberOfPoints(), after.GetNumberOfPoints());
  for (vtkIdType i = 0; i < before.GetNumberOfPoints(); ++i)
    for (int a = 0; a < 3; ++a)
      EXPECT_NEAR(
          after.GetPoint(i)[a],
          before.GetPoint(i)[a] + kShift[static_cast<std::size_t>(a)] * (a < 2 ? sign_xy : 1),
          tolerance);
}

void expect_same_array(vtkAbstractArray& before, vtkAbstractArray* after) {
  ASSERT_NE(after, nullptr) << before.GetName();
  ASSERT_EQ(before.GetDataType(), after->GetDataType()) << before.GetName();
  ASSERT_EQ(before.GetNumberOfValues(), after->GetNumberOfValues()) << before.GetName();
  for (vtkIdType i = 0; i < before.GetNumberOfValues(); ++i)
    EXPECT_EQ(before.GetVariantValue(i), after->GetVariantValue(i)) << before.GetName();
}

/// All cells and all arrays but normals.
void expect_same_rest(vtkPolyData& before, vtkPolyData& after) {
  ASSERT_EQ(before.GetNumberOfCells(), after.GetNumberOfCells());
  for (vtkIdType c = 0; c < before.GetNumberOfCells(); ++c) {
    vtkNew<vtkIdList> a, b;
    before.GetCellPoints(c, a);
    after.GetCellPoints(c, b);
    EXPECT_EQ(before.GetCellType(c), after.GetCellType(c));
    ASSERT_EQ(a->GetNumberOfIds(), b->GetNumberOfIds());
    for (vtkIdType i = 0; i < a->GetNumberOfIds(); ++i) EXPECT_EQ(a->GetId(i), b->GetId(i));
  }
  for (const char* name : {"curvature", "thickness", "RGB", "texture"})
    expect_same_array(*before.GetPointData()->GetAbstractArray(name),
                      after.GetPointData()->GetAbstractArray(name));
  expect_same_array(*before.GetCellData()->GetAbstractArray("label"),
                    after.GetCellData()->GetAbstractArray("label"));
  EXPECT_EQ(after.GetPointData()->GetNormals(), nullptr);
  EXPECT_FALSE(after.GetPointData()->HasArray("Normals"));
}

std::string refusal(const fs::path& path) {
  try {
    io::open_surface(path);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_input);
    return error.what();
  }
  return "it was read";
}

std::string text_of(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

void put(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

class Surfaces : public testing::Test {
 protected:
  fs::path file(const std::string& name) const { return folder_.path() / name; }
  test::TemporaryFolder folder_;
};

TEST_F(Surfaces, LegacyVtkKeepsCellsAndArrays) {
  for (const int version : {42, 51})
    for (const int type : {VTK_ASCII, VTK_BINARY}) {
      vtkNew<vtkPolyDataWriter> writer;
      writer->SetFileVersion(version);
      writer->SetFileType(type);
      writer->SetHeader("made for a test");
      save(*writer, sample(), file("in.vtk"));
      shift(file("in.vtk"), file("out.vtk"));
      const Data before = load_legacy(file("in.vtk")), after = load_legacy(file("out.vtk"));
      expect_shifted(*before, *after);
      expect_same_rest(*before, *after);
      const std::string text = text_of(file("out.vtk"));
      EXPECT_TRUE(text.starts_with(version == 42 ? "# vtk DataFile Version 4.2\nmade for a test\n"
                                                 : "# vtk DataFile Version 5.1\nmade for a test\n"))
          << text.substr(0, 60);
    }
}

TEST_F(Surfaces, DoublesStayDoubles) {
  vtkNew<vtkPolyDataWriter> writer;
  writer->SetFileType(VTK_BINARY);
  save(*writer, sample(VTK_DOUBLE), file("in.vtk"));
  shift(file("in.vtk"), file("out.vtk"));
  const Data after = load_legacy(file("out.vtk"));
  EXPECT_EQ(after->GetPoints()->GetDataType(), VTK_DOUBLE);
  expect_shifted(*sample(VTK_DOUBLE), *after, 1, 1e-12);
}

TEST_F(Surfaces, XmlVtkKeepsCellsAndArrays) {
  for (const int mode : {vtkXMLWriter::Ascii, vtkXMLWriter::Binary, vtkXMLWriter::Appended}) {
    vtkNew<vtkXMLPolyDataWriter> writer;
    writer->SetDataMode(mode);
    save(*writer, sample(), file("in.vtp"));
    shift(file("in.vtp"), file("out.vtp"));
    const auto before = load<vtkXMLPolyDataReader>(file("in.vtp"));
    const auto after = load<vtkXMLPolyDataReader>(file("out.vtp"));
    expect_shifted(*before, *after);
    expect_same_rest(*before, *after);
  }
}

TEST_F(Surfaces, VtkFilesTellWhatTheyHold) {
  vtkNew<vtkPolyDataWriter> legacy;
  save(*legacy, sample(), file("in.vtk"));
  vtkNew<vtkXMLPolyDataWriter> xml;
  save(*xml, sample(), file("in.vtp"));
  for (const char* name : {"in.vtk", "in.vtp"}) {
    const auto surface = io::open_surface(file(name));
    const io::SurfaceContents& contents = surface->contents();
    EXPECT_EQ(contents.format.find("XML") != std::string::npos, std::string(name) == "in.vtp");
    EXPECT_EQ(contents.faces, 3) << "a triangle, a square and a strip";
    EXPECT_EQ(contents.lines, 1);
    std::set<std::string> arrays;
    for (const io::SurfaceArray& a : contents.arrays)
      arrays.insert(a.name + " of " + a.of + ": " + std::to_string(a.components) + " " + a.type);
    EXPECT_EQ(arrays,
              (std::set<std::string>{"Normals of points: 3 f32", "RGB of points: 3 u8",
                                     "curvature of points: 1 f32", "label of faces: 1 i32",
                                     "texture of points: 2 f32", "thickness of points: 2 f64"}));
    EXPECT_FALSE(surface->stated_space());
  }
}

TEST_F(Surfaces, AxesAreThoseThatSlicerWrites) {
  for (const std::string space : {"RAS", "LPS"}) {
    const double sign = space == "RAS" ? -1 : 1;
    vtkNew<vtkPolyDataWriter> legacy;
    legacy->SetHeader(("3D Slicer output. SPACE=" + space).c_str());
    save(*legacy, sample(), file("in.vtk"));
    shift(file("in.vtk"), file("out.vtk"));
    expect_shifted(*sample(), *load_legacy(file("out.vtk")), sign, 5e-4);  // read as text
    EXPECT_NE(text_of(file("out.vtk")).find("SPACE=" + space), std::string::npos);
    const Data data = sample();
    vtkNew<vtkStringArray> says;
    says->SetName("SPACE");
    says->InsertNextValue(space);
    data->GetFieldData()->AddArray(says);
    vtkNew<vtkXMLPolyDataWriter> xml;
    save(*xml, data, file("in.vtp"));
    const auto surface = io::open_surface(file("in.vtp"));
    EXPECT_TRUE(surface->notes().empty()) << "nothing was guessed";
    EXPECT_EQ(surface->losses().size(), 1U) << "of normals alone";
    EXPECT_EQ(surface->stated_space(),
              space == "RAS" ? io::SurfaceSpace::ras : io::SurfaceSpace::lps);
    shift(file("in.vtp"), file("out.vtp"));
    const auto after = load<vtkXMLPolyDataReader>(file("out.vtp"));
    expect_shifted(*sample(), *after, sign);
    expect_same_array(*says, after->GetFieldData()->GetAbstractArray("SPACE"));
  }
}

TEST_F(Surfaces, PointsLeftOutTakeTheirCellsAlong) {
  vtkNew<vtkXMLPolyDataWriter> writer;
  save(*writer, sample(), file("in.vtp"));
  EXPECT_EQ(shift(file("in.vtp"), file("out.vtp"), {1, 7}), 3) << "vertex, line, triangle";
  const auto after = load<vtkXMLPolyDataReader>(file("out.vtp"));
  ASSERT_EQ(after->GetNumberOfPoints(), 6);
  ASSERT_EQ(after->GetNumberOfCells(), 2);
  vtkNew<vtkIdList> corners;
  after->GetCellPoints(0, corners);
  const Data before = sample();
  for (int c = 0; c < 4; ++c) {  // the square of points 2 to 5
    EXPECT_NEAR(after->GetPoint(corners->GetId(c))[2], before->GetPoint(2 + c)[2] + kShift[2],
                2e-5);
    EXPECT_EQ(after->GetPointData()->GetArray("thickness")->GetComponent(corners->GetId(c), 1),
              before->GetPointData()->GetArray("thickness")->GetComponent(2 + c, 1));
  }
  for (int c = 0; c < 2; ++c)  // the square and the strip
    EXPECT_EQ(after->GetCellData()->GetArray("label")->GetComponent(c, 0),
              before->GetCellData()->GetArray("label")->GetComponent(3 + c, 0));
}

TEST_F(Surfaces, VtkReadsWhatIsWrittenOfItsOtherFormats) {
  const Data data = sample();
  vtkNew<vtkCellArray> none, triangles;
  add(*triangles, {0, 1, 2});
  add(*triangles, {2, 3, 4});
  data->SetVerts(none);
  data->SetLines(none);
  data->SetStrips(none);
  data->SetPolys(triangles);
  for (const int type : {VTK_ASCII, VTK_BINARY}) {
    vtkNew<vtkPLYWriter> ply;
    ply->SetFileType(type);
    ply->SetArrayName("RGB");
    save(*ply, data, file("in.ply"));
    shift(file("in.ply"), file("out.ply"));
    const auto before = load<vtkPLYReader>(file("in.ply")),
               after = load<vtkPLYReader>(file("out.ply"));
    expect_shifted(*before, *after);
    expect_same_array(*before->GetPointData()->GetScalars(), after->GetPointData()->GetScalars());
    vtkNew<vtkSTLWriter> stl;
    stl->SetFileType(type);
    save(*stl, data, file("in.stl"));
    shift(file("in.stl"), file("out.stl"));
    expect_shifted(*load<vtkSTLReader>(file("in.stl")), *load<vtkSTLReader>(file("out.stl")));
  }
  vtkNew<vtkOBJWriter> obj;
  save(*obj, data, file("in.obj"));
  shift(file("in.obj"), file("out.obj"));
  const auto after = load<vtkOBJReader>(file("out.obj"));
  expect_shifted(*load<vtkOBJReader>(file("in.obj")), *after);
  EXPECT_EQ(after->GetNumberOfPolys(), 2);
}

TEST_F(Surfaces, VtkFilesThatBreakOffAreRefused) {
  vtkNew<vtkPolyDataWriter> legacy;
  legacy->SetFileType(VTK_BINARY);
  save(*legacy, sample(), file("in.vtk"));
  vtkNew<vtkXMLPolyDataWriter> xml;
  save(*xml, sample(), file("in.vtp"));
  for (const std::string ending : {".vtk", ".vtp"}) {
    const std::string all = text_of(file("in" + ending));
    // Of the legacy format nothing says how much follows the cells.
    const std::size_t end = all.find(ending == ".vtk" ? "CELL_DATA" : "\n  </AppendedData>");
    ASSERT_NE(end, std::string::npos);
    for (std::size_t bytes = 1; bytes < end; bytes += 7) {
      put(file("cut" + ending), all.substr(0, bytes));
      const std::string said = refusal(file("cut" + ending));
      if (ending == ".vtk" && said == "it was read") {  // between two kinds of cells
        EXPECT_TRUE(
            all.substr(bytes).find_first_not_of('\n') == std::string::npos ||
            std::isupper(static_cast<unsigned char>(all[all.find_first_not_of('\n', bytes)])) != 0)
            << bytes;
        continue;
      }
      EXPECT_TRUE(said.find("damaged") != std::string::npos ||
                  said.find("PolyData") != std::string::npos ||
                  said.find("no points") != std::string::npos)
          << bytes << ": " << said;
    }
  }
}

/// Bytes of it changed, left out, put in.
std::string damaged(std::string text, std::mt19937& random) {
  const auto below = [&](std::size_t n) { return random() % n; };
  for (std::size_t times = 1 + below(4); times > 0; --times) {
    const std::size_t at = below(text.size());
    switch (below(3)) {
      case 0: text[at] = "9-\xff\0 "[below(5)]; break;
      case 1: text.erase(at, 1 + below(30)); break;
      default: text.insert(at, std::string(below(2) == 0 ? "9999" : "1e99 -")); break;
    }
  }
  return text;
}

TEST_F(Surfaces, DamagedFilesAreRefusedOrReadAndNeverCrash) {
  const Data data = sample();
  vtkNew<vtkPolyDataWriter> legacy;
  for (const int version : {42, 51})
    for (const int type : {VTK_ASCII, VTK_BINARY}) {
      legacy->SetFileVersion(version);
      legacy->SetFileType(type);
      save(*legacy, data, file(std::to_string(version) + std::to_string(type) + ".vtk"));
    }
  vtkNew<vtkXMLPolyDataWriter> xml;
  save(*xml, data, file("appended.vtp"));
  xml->SetDataMode(vtkXMLWriter::Ascii);
  save(*xml, data, file("text.vtp"));
  vtkNew<vtkCellArray> none;
  data->SetVerts(none);
  data->SetLines(none);
  data->SetStrips(none);
  vtkNew<vtkPLYWriter> ply;
  save(*ply, data, file("binary.ply"));
  ply->SetFileType(VTK_ASCII);
  save(*ply, data, file("text.ply"));
  vtkNew<vtkOBJWriter> obj;
  save(*obj, data, file("text.obj"));
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder_.path())) files.push_back(entry.path());
  ASSERT_EQ(files.size(), 9U);
  std::mt19937 random(1);
  int refused = 0, read = 0;
  for (const fs::path& good : files) {
    const std::string text = text_of(good);
    for (int i = 0; i < 150; ++i) {
      const fs::path bad = file("bad" + good.extension().string());
      put(bad, damaged(text, random));
      try {
        shift(bad, file("out" + good.extension().string()));
        ++read;
      } catch (const Error& error) {
        EXPECT_TRUE(error.code() == ErrorCode::bad_input || error.code() == ErrorCode::does_not_fit)
            << error.what();
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 500);
  EXPECT_GT(read, 50) << "digits of coordinates may change";
}

TEST_F(Surfaces, VtkFilesOfOtherThingsAreRefused) {
  put(file("grid.vtk"),
      "# vtk DataFile Version 3.0\ngrid\nASCII\nDATASET UNSTRUCTURED_GRID\n"
      "POINTS 1 float\n0 0 0\n");
  EXPECT_NE(refusal(file("grid.vtk")).find("no VTK file of PolyData"), std::string::npos);
  put(file("image.vtp"), "<VTKFile type=\"ImageData\"></VTKFile>");
  EXPECT_NE(refusal(file("image.vtp")).find("no VTK file of PolyData"), std::string::npos);
  const std::string head = "# vtk DataFile Version 3.0\nx\nASCII\nDATASET POLYDATA\n";
  put(file("far.vtk"), head + "POINTS 3 float\n0 0 0 1 0 0 0 1 0\nPOLYGONS 1 4\n3 0 1 3\n");
  EXPECT_NE(refusal(file("far.vtk")).find("a point that is not there"), std::string::npos);
  const Data data = sample();
  data->GetPoints()->SetPoint(3, 1, std::numeric_limits<double>::quiet_NaN(), 2);
  vtkNew<vtkPolyDataWriter> writer;
  writer->SetFileType(VTK_BINARY);
  save(*writer, data, file("nan.vtk"));
  EXPECT_NE(refusal(file("nan.vtk")).find("not a number"), std::string::npos);
  put(file("none.vtk"), head + "POINTS 0 float\n");
  EXPECT_NE(refusal(file("none.vtk")).find("no points"), std::string::npos);
  put(file("many.vtk"), head + "POINTS 987654321987 float\n0 0 0\n");
  EXPECT_NE(refusal(file("many.vtk")), "it was read");
}

TEST_F(Surfaces, VtksMessagesAreItsOwnAgain) {
  put(file("bad.vtk"), "# vtk DataFile Version 3.0\nx\nASCII\nDATASET POLYDATA\nPOINTS 3 float\n");
  vtkOutputWindow* before = vtkOutputWindow::GetInstance();
  refusal(file("bad.vtk"));
  EXPECT_EQ(vtkOutputWindow::GetInstance(), before);
}

}  // namespace
