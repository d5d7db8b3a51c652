#include "render/vtk_parts.h"

#include <vtkCellArray.h>
#include <vtkFloatArray.h>
#include <vtkNew.h>
#include <vtkPointData.h>
#include <vtkPolyDataMapper.h>
#include <vtkProperty.h>
#include <vtkUnsignedCharArray.h>

#include <cstring>

namespace gigawarp::render {
namespace {

vtkSmartPointer<vtkFloatArray> floats_of(const std::vector<std::array<float, 3>>& values) {
  vtkNew<vtkFloatArray> array;
  array->SetNumberOfComponents(3);
  array->SetNumberOfTuples(static_cast<vtkIdType>(values.size()));
  if (!values.empty())
    std::memcpy(array->GetPointer(0), values.data(), values.size() * sizeof(values.front()));
  return array;
}

vtkSmartPointer<vtkActor> actor_of(vtkPolyData* data, QRgb colour) {
  vtkNew<vtkPolyDataMapper> mapper;
  mapper->SetInputData(data);
  mapper->ScalarVisibilityOff();
  vtkNew<vtkActor> actor;
  actor->SetMapper(mapper);
  actor->GetProperty()->SetColor(qRed(colour) / 255.0, qGreen(colour) / 255.0,
                                 qBlue(colour) / 255.0);
  return actor;
}

}  // namespace

vtkSmartPointer<vtkPolyData> poly_data_of(const mesh::SurfaceMesh& mesh) {
  vtkNew<vtkPoints> points;
  points->SetData(floats_of(mesh.points_mm));
  vtkNew<vtkCellArray> cells;
  cells->AllocateExact(static_cast<vtkIdType>(mesh.triangles.size()),
                       3 * static_cast<vtkIdType>(mesh.triangles.size()));
  for (const auto& t : mesh.triangles) {
    const std::array<vtkIdType, 3> corners{t[0], t[1], t[2]};
    cells->InsertNextCell(3, corners.data());
  }
  vtkNew<vtkPolyData> data;
  data->SetPoints(points);
  data->SetPolys(cells);
  data->GetPointData()->SetNormals(floats_of(mesh.normals));
  return data;
}

vtkSmartPointer<vtkPolyData> poly_data_of(const std::vector<Polyline>& lines) {
  vtkNew<vtkPoints> points;
  vtkNew<vtkCellArray> cells;
  for (const Polyline& line : lines) {
    cells->InsertNextCell(static_cast<int>(line.size()));
    for (const Vec3& p : line) cells->InsertCellPoint(points->InsertNextPoint(p.data()));
  }
  vtkNew<vtkPolyData> data;
  data->SetPoints(points);
  data->SetLines(cells);
  return data;
}

vtkSmartPointer<vtkImageData> texture_of(const QImage& rgba) {
  vtkNew<vtkImageData> image;
  image->SetDimensions(rgba.width(), rgba.height(), 1);
  image->AllocateScalars(VTK_UNSIGNED_CHAR, 4);
  auto* to = static_cast<unsigned char*>(image->GetScalarPointer());
  const auto row_bytes = static_cast<std::size_t>(rgba.width()) * 4;
  for (int r = 0; r < rgba.height(); ++r)
    std::memcpy(to + static_cast<std::size_t>(r) * row_bytes, rgba.constScanLine(r), row_bytes);
  return image;
}

vtkSmartPointer<vtkImageData> image_data_of(const Volume& bytes) {
  vtkNew<vtkImageData> image;
  const Size3 n = bytes.grid().size;
  image->SetDimensions(static_cast<int>(n[0]), static_cast<int>(n[1]), static_cast<int>(n[2]));
  image->AllocateScalars(VTK_UNSIGNED_CHAR, 1);
  std::memcpy(image->GetScalarPointer(), bytes.data(),
              static_cast<std::size_t>(bytes.grid().voxel_count()));
  return image;
}

vtkSmartPointer<vtkActor> surface_actor(vtkPolyData* mesh, QRgb colour, double opacity) {
  vtkSmartPointer<vtkActor> actor = actor_of(mesh, colour);
  vtkProperty* property = actor->GetProperty();
  property->SetInterpolationToPhong();
  property->SetAmbient(0.16);
  property->SetDiffuse(0.84);
  property->SetSpecular(0.12);
  property->SetSpecularPower(20);
  property->SetOpacity(opacity);
  return actor;
}

vtkSmartPointer<vtkActor> line_actor(vtkPolyData* lines, QRgb colour, float width) {
  vtkSmartPointer<vtkActor> actor = actor_of(lines, colour);
  actor->GetProperty()->LightingOff();
  actor->GetProperty()->SetLineWidth(width);
  return actor;
}

vtkSmartPointer<vtkPolyData> rectangle(const SliceGeometry& geometry,
                                       const std::array<double, 2>& low,
                                       const std::array<double, 2>& high) {
  vtkNew<vtkPoints> points;
  vtkNew<vtkFloatArray> texture;
  texture->SetNumberOfComponents(2);
  for (const auto& [c, r] : {std::array{low[0], low[1]}, std::array{high[0], low[1]},
                             std::array{high[0], high[1]}, std::array{low[0], high[1]}}) {
    points->InsertNextPoint(geometry.at(c, r).data());
    texture->InsertNextTuple2((c + 0.5) / geometry.width, (r + 0.5) / geometry.height);
  }
  vtkNew<vtkCellArray> cells;
  constexpr std::array<vtkIdType, 4> kCorners{0, 1, 2, 3};
  cells->InsertNextCell(4, kCorners.data());
  vtkNew<vtkPolyData> data;
  data->SetPoints(points);
  data->SetPolys(cells);
  data->GetPointData()->SetTCoords(texture);
  return data;
}

}  // namespace gigawarp::render
