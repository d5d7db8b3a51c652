#pragma once
#include <vtkActor.h>
#include <vtkImageData.h>
#include <vtkPolyData.h>
#include <vtkSmartPointer.h>

#include "render/scene_3d.h"

/// What Renderer3d is made of; for renderer_3d.cpp alone.
namespace gigawarp::render {

vtkSmartPointer<vtkPolyData> poly_data_of(const mesh::SurfaceMesh& mesh);
vtkSmartPointer<vtkPolyData> poly_data_of(const std::vector<Polyline>& lines);
vtkSmartPointer<vtkImageData> texture_of(const QImage& rgba);
/// One byte per voxel, in voxel coordinates.
vtkSmartPointer<vtkImageData> image_data_of(const Volume& bytes);
/// A matt surface of one colour.
vtkSmartPointer<vtkActor> surface_actor(vtkPolyData* mesh, QRgb colour, double opacity);
vtkSmartPointer<vtkActor> line_actor(vtkPolyData* lines, QRgb colour, float width);
/// The rectangle of pixels [low, high] (columns, rows) of a textured plane.
vtkSmartPointer<vtkPolyData> rectangle(const SliceGeometry& geometry,
                                       const std::array<double, 2>& low,
                                       const std::array<double, 2>& high);

}  // namespace gigawarp::render
