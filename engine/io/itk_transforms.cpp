#include "io/itk_transforms.h"

#include <itkAffineTransform.h>
#include <itkBSplineTransform.h>
#include <itkCompositeTransform.h>
#include <itkDisplacementFieldTransform.h>
#include <itkHDF5TransformIO.h>
#include <itkMatlabTransformIO.h>
#include <itkMatrixOffsetTransformBase.h>
#include <itkTransformFactory.h>
#include <itkTransformFactoryBase.h>
#include <itkTransformFileReader.h>
#include <itkTxtTransformIO.h>

#include <mutex>

#include "io/itk_support.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {
using AnyTransform = itk::Transform<double, 3, 3>;
using Composite = itk::CompositeTransform<double, 3>;
using Linear = itk::MatrixOffsetTransformBase<double, 3, 3>;
using Spline = itk::BSplineTransform<double, 3, 3>;
using FieldTransform = itk::DisplacementFieldTransform<double, 3>;

void register_transforms() {
  static std::once_flag once;
  std::call_once(once, [] {
    itk::TransformFactoryBase::RegisterDefaultTransforms();
    itk::TransformFactory<Linear>::RegisterTransform();  // c3d and older ANTs write the base class
  });
  quiet_libraries();
}

itk::TransformIOBaseTemplate<double>::Pointer make_transform_io(ItkTransformFormat format) {
  switch (format) {
    case ItkTransformFormat::matlab:
      return itk::MatlabTransformIOTemplate<double>::New().GetPointer();
    case ItkTransformFormat::text: return itk::TxtTransformIOTemplate<double>::New().GetPointer();
    case ItkTransformFormat::hdf5: break;
  }
  return itk::HDF5TransformIOTemplate<double>::New().GetPointer();
}

template <class Image>
Grid grid_of(const Image& image) {
  const auto& region = image.GetBufferedRegion();
  Size3 size{};
  Vec3 spacing{}, origin{};
  Mat3 direction{};
  for (unsigned c = 0; c < 3; ++c) {
    size[c] = static_cast<std::int64_t>(region.GetSize(c));
    spacing[c] = image.GetSpacing()[c];
    origin[c] = image.GetOrigin()[c];
    for (unsigned r = 0; r < 3; ++r) direction[r][c] = image.GetDirection()[r][c];
  }
  return Grid::from_itk(size, spacing, origin, direction);
}

Affine affine_of(const AnyTransform& transform) {
  Affine out;
  if (const auto* linear = dynamic_cast<const Linear*>(&transform)) {
    for (unsigned r = 0; r < 3; ++r) {
      for (unsigned c = 0; c < 3; ++c) out.linear[r][c] = linear->GetMatrix()(r, c);
      out.offset[r] = linear->GetOffset()[r];
    }
    return out;
  }
  // Translations, identities and the like: read off what they do.
  const AnyTransform::InputPointType zero(0.0);
  const auto origin = transform.TransformPoint(zero);
  for (unsigned c = 0; c < 3; ++c) {
    AnyTransform::InputPointType unit(0.0);
    unit[c] = 1;
    const auto image = transform.TransformPoint(unit);
    for (unsigned r = 0; r < 3; ++r) out.linear[r][c] = image[r] - origin[r];
    out.offset[c] = origin[c];
  }
  return out;
}

BSplineField spline_of(const Spline& spline, const fs::path& path) {
  const auto images = spline.GetCoefficientImages();
  const Grid grid = grid_of(*images[0]);
  check_grid(path, grid);
  Volume coefficients(grid, ScalarType::f64, 3);
  for (unsigned a = 0; a < 3; ++a)
    std::copy_n(images[a]->GetBufferPointer(), grid.voxel_count(),
                coefficients.channel<double>(static_cast<int>(a)));
  return BSplineField(std::move(coefficients));
}

DisplacementField field_of(const FieldTransform& transform, const fs::path& path) {
  const auto* image = transform.GetDisplacementField();
  if (image == nullptr) refuse(path, "holds an empty displacement field.");
  const Grid grid = grid_of(*image);
  check_grid(path, grid);
  DisplacementField field(grid);
  for (int a = 0; a < 3; ++a) {
    float* to = field.component_mm(a);
    const auto* from = image->GetBufferPointer();
    for (std::int64_t i = 0; i < grid.voxel_count(); ++i)
      to[i] = static_cast<float>(from[i][static_cast<unsigned>(a)]);
  }
  return field;
}

/// Appends the stages of one ITK transform, in application order.
void add_stages(const itk::TransformBaseTemplate<double>& base, const fs::path& path,
                Transform& out) {
  if (base.GetInputSpaceDimension() != 3 || base.GetOutputSpaceDimension() != 3)
    refuse(path, "holds a " + std::to_string(base.GetInputSpaceDimension()) +
                     "-D transform; only 3-D transforms can be used.");
  const auto* transform = dynamic_cast<const AnyTransform*>(&base);
  if (transform == nullptr) refuse(path, "holds an ITK transform of an unknown kind.");
  if (const auto* composite = dynamic_cast<const Composite*>(transform)) {
    for (auto i = static_cast<unsigned>(composite->GetNumberOfTransforms()); i-- > 0;)
      add_stages(*composite->GetNthTransformConstPointer(i), path, out);
  } else if (const auto* spline = dynamic_cast<const Spline*>(transform)) {
    out.stages.emplace_back(spline_of(*spline, path));
  } else if (const auto* field = dynamic_cast<const FieldTransform*>(transform)) {
    out.stages.emplace_back(field_of(*field, path));
  } else if (transform->IsLinear()) {
    out.stages.emplace_back(affine_of(*transform));
  } else {
    refuse(path,
           std::string("holds a ") + transform->GetNameOfClass() +
               ", which is not read; convert it to a displacement field with its own program.");
  }
}
}  // namespace

Transform read_itk_transform(ItkTransformFormat format, const fs::path& path) {
  return translated(path, [&] {
    register_transforms();
    auto io = make_transform_io(format);
    io->SetFileName(path.string());
    io->Read();
    const auto& list = io->GetReadTransformList();
    if (list.empty()) refuse(path, "holds no transform.");
    Transform out;
    if (list.front()->GetInputSpaceDimension() != 3)
      add_stages(*list.front(), path, out);  // refuses
    const bool composite = dynamic_cast<const Composite*>(list.front().GetPointer()) != nullptr;
    if (composite) {
      // The reader leaves the members of a composite behind it in the list.
      auto* queue = dynamic_cast<Composite*>(list.front().GetPointer());
      if (queue->GetNumberOfTransforms() == 0)
        for (auto it = std::next(list.begin()); it != list.end(); ++it)
          if (auto* member = dynamic_cast<AnyTransform*>(it->GetPointer()))
            queue->AddTransform(member);
    } else if (list.size() > 1) {
      refuse(path,
             "holds " + std::to_string(list.size()) +
                 " separate transforms (one per time point?); save the one to use on its own.");
    }
    add_stages(*list.front(), path, out);
    out.sources.assign(out.stages.size(), path.string());
    return out;
  });
}

namespace {
template <class Image>
void set_geometry(Image& image, const Grid& grid) {
  typename Image::RegionType region;
  typename Image::PointType origin;
  typename Image::SpacingType spacing;
  typename Image::DirectionType direction;
  const Mat3 d = grid.direction();
  for (unsigned c = 0; c < 3; ++c) {
    region.SetSize(c, static_cast<itk::SizeValueType>(grid.size[c]));
    origin[c] = grid.origin_mm()[c];
    spacing[c] = grid.spacing_mm()[c];
    for (unsigned r = 0; r < 3; ++r) direction[r][c] = d[r][c];
  }
  image.SetRegions(region);
  image.SetOrigin(origin);
  image.SetSpacing(spacing);
  image.SetDirection(direction);
  image.Allocate();
}

AnyTransform::Pointer itk_of(const Affine& affine) {
  auto out = itk::AffineTransform<double, 3>::New();
  Linear::MatrixType matrix;
  Linear::OutputVectorType offset;
  for (unsigned r = 0; r < 3; ++r) {
    for (unsigned c = 0; c < 3; ++c) matrix(r, c) = affine.linear[r][c];
    offset[r] = affine.offset[r];
  }
  out->SetMatrix(matrix);
  out->SetOffset(offset);
  return out.GetPointer();
}

AnyTransform::Pointer itk_of(const DisplacementField& field) {
  auto image = FieldTransform::DisplacementFieldType::New();
  set_geometry(*image, field.grid());
  auto* to = image->GetBufferPointer();
  for (int a = 0; a < 3; ++a) {
    const float* from = field.component_mm(a);
    for (std::int64_t i = 0; i < field.grid().voxel_count(); ++i)
      to[i][static_cast<unsigned>(a)] = static_cast<double>(from[i]);
  }
  auto out = FieldTransform::New();
  out->SetDisplacementField(image);
  return out.GetPointer();
}

AnyTransform::Pointer itk_of(const BSplineField& field) {
  auto out = Spline::New();
  Spline::CoefficientImageArray images;
  for (unsigned a = 0; a < 3; ++a) {
    images[a] = Spline::ImageType::New();
    set_geometry(*images[a], field.control_grid());
    dispatch(field.coefficients_mm().type(), [&]<class T>() {
      std::copy_n(field.coefficients_mm().channel<T>(static_cast<int>(a)),
                  field.control_grid().voxel_count(), images[a]->GetBufferPointer());
    });
  }
  out->SetCoefficientImages(images);
  return out.GetPointer();
}
}  // namespace

void write_itk_composite(const Transform& transform, const fs::path& temporary,
                         const fs::path& target) {
  register_transforms();
  try {
    auto composite = Composite::New();
    for (auto it = transform.stages.rbegin(); it != transform.stages.rend(); ++it)
      composite->AddTransform(std::visit([](const auto& stage) { return itk_of(stage); }, *it));
    auto io = make_transform_io(ItkTransformFormat::hdf5);
    io->SetFileName(temporary.string());
    itk::TransformIOBaseTemplate<double>::ConstTransformListType list;
    list.emplace_back(composite.GetPointer());
    io->SetTransformList(list);
    io->SetUseCompression(true);
    io->Write();
  } catch (const itk::ExceptionObject& error) {
    refuse_output(target, reason_of(error) + ".");
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::does_not_fit,
                "There is not enough memory to write a composite transform.", target.string());
  } catch (const std::exception& error) {
    refuse_output(target, std::string(error.what()) + ".");
  } catch (...) {
    refuse_output(target, "the disk is full or the HDF5 library failed.");
  }
}

}  // namespace gigawarp::io
