// ITK itself reads our files and resamples through them to the same image.
#include <gtest/gtest.h>
#include <itkCompositeTransform.h>
#include <itkDisplacementFieldTransform.h>
#include <itkHDF5TransformIO.h>
#include <itkImageFileReader.h>
#include <itkMatlabTransformIO.h>
#include <itkNiftiImageIO.h>
#include <itkResampleImageFilter.h>
#include <itkTransformFactoryBase.h>
#include <itkTransformFileReader.h>
#include <itkTxtTransformIO.h>

#include <cmath>

#include "io/image_io.h"
#include "io/io_fixtures.h"
#include "io/transform_io.h"
#include "ops/apply.h"

namespace gigawarp {
namespace {

namespace fs = std::filesystem;
using test::Folder;
using Image = itk::Image<float, 3>;
using Composite = itk::CompositeTransform<double, 3>;
using AnyTransform = itk::Transform<double, 3, 3>;
using FieldTransform = itk::DisplacementFieldTransform<double, 3>;
using FieldImage = FieldTransform::DisplacementFieldType;

template <class T>
typename T::Pointer read_with_itk(const fs::path& path) {
  auto reader = itk::ImageFileReader<T>::New();
  reader->SetImageIO(itk::NiftiImageIO::New());
  reader->SetFileName(path.string());
  reader->Update();
  return reader->GetOutput();
}

template <class Io>
AnyTransform::Pointer transform_with_itk(const fs::path& path) {
  itk::TransformFactoryBase::RegisterDefaultTransforms();
  auto reader = itk::TransformFileReaderTemplate<double>::New();
  reader->SetTransformIO(Io::New());
  reader->SetFileName(path.string());
  reader->Update();
  return dynamic_cast<AnyTransform*>(reader->GetModifiableTransformList()->front().GetPointer());
}

Image::Pointer resample_with_itk(Image* moving, const Image* reference,
                                 const AnyTransform* transform) {
  auto filter = itk::ResampleImageFilter<Image, Image>::New();
  filter->SetInput(moving);
  filter->SetReferenceImage(reference);
  filter->UseReferenceImageOn();
  filter->SetTransform(transform);
  filter->SetDefaultPixelValue(-7);
  filter->Update();
  return filter->GetOutput();
}

double largest_difference(const Volume& ours, const Image* theirs) {
  double worst = 0;
  for (std::int64_t i = 0; i < ours.grid().voxel_count(); ++i)
    worst = std::max(worst, std::abs(static_cast<double>(ours.channel<float>()[i]) -
                                     static_cast<double>(theirs->GetBufferPointer()[i])));
  return worst;
}

/// A pair on different oblique grids, a field on the fixed one and an affine, all written by us.
class WrittenByUs : public testing::Test {
 protected:
  void SetUp() override {
    io::write_image(moving_, folder_ / "moving.nii.gz");
    io::write_image(test::textured(fixed_, ScalarType::f32), folder_ / "fixed.nii.gz");
    DisplacementField field(fixed_);
    const Size3 n = fixed_.size;
    for (std::int64_t i = 0; i < fixed_.voxel_count(); ++i) {
      const auto x = static_cast<float>(i % n[0]), y = static_cast<float>(i / n[0] % n[1]);
      field.component_mm(0)[i] = 1.5F * std::sin(0.3F * y);
      field.component_mm(1)[i] = 2.0F * std::cos(0.2F * x);
      field.component_mm(2)[i] = 0.5F * std::sin(0.1F * x * y);
    }
    io::write_displacement(field, folder_ / "1Warp.nii.gz");
    io::write_affine(affine_, folder_ / "0GenericAffine.mat");
    io::write_affine(affine_, folder_ / "affine.tfm");
    chain_ = io::read_transform(folder_ / "1Warp.nii.gz");
    io::append(chain_, io::read_transform(folder_ / "0GenericAffine.mat"));
    io::write_composite(chain_, folder_ / "composite.h5");
  }

  double difference(const AnyTransform* transform) {
    const Image::Pointer moving = read_with_itk<Image>(folder_ / "moving.nii.gz");
    const Image::Pointer fixed = read_with_itk<Image>(folder_ / "fixed.nii.gz");
    const Image::Pointer theirs = resample_with_itk(moving, fixed, transform);
    return largest_difference(apply_transform(moving_, chain_, fixed_, Interpolation::linear, -7),
                              theirs);
  }

  Folder folder_;
  Grid fixed_ = test::oblique_grid({31, 28, 17});
  Volume moving_ =
      test::textured(Grid::from_itk({36, 40, 30}, {1.1, 0.8, 1.4}, {-20, 22, 2}, Affine{}.linear),
                     ScalarType::f32);
  Affine affine_{{{{0.98, 0.05, 0.01}, {-0.04, 1.02, 0.03}, {0.02, -0.01, 0.97}}},
                 {0.7, -0.4, 0.9}};
  Transform chain_;
};

// The values span about 110; 1e-3 of that is the bound the project set itself.
constexpr double kBound = 0.11;

TEST_F(WrittenByUs, fieldAndMatrixGiveTheSameImageInItk) {
  auto field = FieldTransform::New();
  const FieldImage::Pointer image = read_with_itk<FieldImage>(folder_ / "1Warp.nii.gz");
  field->SetDisplacementField(image);
  auto composite = Composite::New();
  composite->AddTransform(
      transform_with_itk<itk::MatlabTransformIOTemplate<double>>(folder_ / "0GenericAffine.mat"));
  composite->AddTransform(field);
  EXPECT_LT(difference(composite), kBound);
}

TEST_F(WrittenByUs, compositeGivesTheSameImageInItk) {
  EXPECT_LT(difference(
                transform_with_itk<itk::HDF5TransformIOTemplate<double>>(folder_ / "composite.h5")),
            kBound);
}

TEST_F(WrittenByUs, textMatrixMapsPointsTheSameInItk) {
  const auto text = transform_with_itk<itk::TxtTransformIOTemplate<double>>(folder_ / "affine.tfm");
  AnyTransform::InputPointType point;
  point[0] = 10, point[1] = 20, point[2] = 30;
  const auto theirs = text->TransformPoint(point);
  const Vec3 ours = affine_({10, 20, 30});
  for (unsigned a = 0; a < 3; ++a) EXPECT_NEAR(theirs[a], ours[a], 1e-12);
}

}  // namespace
}  // namespace gigawarp
