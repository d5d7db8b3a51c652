#include "render/renderer_3d.h"

#include <vtk_glew.h>

#include <vtkCamera.h>
#include <vtkColorTransferFunction.h>
#include <vtkGPUVolumeRayCastMapper.h>
#include <vtkGenericOpenGLRenderWindow.h>
#include <vtkGlyph3DMapper.h>
#include <vtkLight.h>
#include <vtkMatrix4x4.h>
#include <vtkNew.h>
#include <vtkObjectFactory.h>
#include <vtkPiecewiseFunction.h>
#include <vtkPlane.h>
#include <vtkPolyDataMapper.h>
#include <vtkProperty.h>
#include <vtkRenderer.h>
#include <vtkSphereSource.h>
#include <vtkTexture.h>
#include <vtkUnsignedCharArray.h>
#include <vtkVolume.h>
#include <vtkVolumeProperty.h>

#include <algorithm>
#include <cmath>

#include "render/gl_context.h"
#include "render/view_geometry.h"
#include "render/vtk_parts.h"

namespace gigawarp::render {
namespace {

constexpr QRgb kTissueColour = qRgb(232, 208, 184), kGridColour = qRgb(120, 214, 200);
constexpr double kGlass = 0.24;
constexpr std::array<std::size_t, 3> kNormalOf{2, 1, 0};  // of each cut_planes() in cut_normals()
constexpr double kMarkRadius = 0.009;                     // of the volume's longest side

/// VTK's own refuses an EGL context: GLEW misses a GLX display there, though it finds all
/// functions.
class EglRenderWindow : public vtkGenericOpenGLRenderWindow {
 public:
  static EglRenderWindow* New();
  vtkTypeMacro(EglRenderWindow, vtkGenericOpenGLRenderWindow)

      void OpenGLInitContext() override {
    if (this->Initialized) return;
    this->ContextCreationTime.Modified();
    glewExperimental = GL_TRUE;
    const GLenum outcome = glewInit();
    constexpr GLenum kNoGlxDisplay = 4;
    this->GlewInitValid = (outcome == GLEW_OK || outcome == kNoGlxDisplay) && GLEW_VERSION_3_2;
    this->MaximumHardwareLineWidth = 1;
    this->Initialized = this->GlewInitValid;
  }

 protected:
  EglRenderWindow() = default;
};
vtkStandardNewMacro(EglRenderWindow)

    vtkSmartPointer<vtkMatrix4x4> matrix_of(const Affine& affine) {
  vtkNew<vtkMatrix4x4> matrix;
  for (int r = 0; r < 3; ++r) {
    for (int c = 0; c < 3; ++c) matrix->SetElement(r, c, affine.linear[r][c]);
    matrix->SetElement(r, 3, affine.offset[r]);
  }
  return matrix;
}

double dot(const Vec3& a, const Vec3& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

}  // namespace

/// The scene as VTK holds it; every part is renewed only when what it shows is another.
class Renderer3d::Impl {
 public:
  explicit Impl(std::unique_ptr<GlContext> context) : context_(std::move(context)) {
    window_->SetReadyForRendering(true);
    window_->SetSupportsOpenGL(1);
    window_->SetIsDirect(1);
    window_->SetIsCurrent(true);
    window_->SetOffScreenRendering(1);
    window_->SetMultiSamples(context_->is_software() ? 0 : 4);
    window_->SetFrameBlitModeToNoBlit();
    window_->AddRenderer(renderer_);
    renderer_->SetBackground(qRed(kBackground) / 255.0, qGreen(kBackground) / 255.0,
                             qBlue(kBackground) / 255.0);
    renderer_->SetUseFXAA(context_->is_software());
    renderer_->AutomaticLightCreationOff();
    vtkNew<vtkLight> light;
    light->SetLightTypeToCameraLight();
    light->SetPosition(-0.45, 0.6, 1);
    renderer_->AddLight(light);
    renderer_->GetActiveCamera()->ParallelProjectionOn();
  }
  ~Impl() {
    if (!context_->make_current()) return;
    renderer_->RemoveAllViewProps();
    window_->Finalize();
    context_->release();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  bool is_software() const { return context_->is_software(); }

  QImage draw(const Scene3d& scene, const CastView& view, const std::stop_token& stop) {
    axes_ = cast_axes(view);
    normals_ = cut_normals(scene);
    sides_ = cut_sides(scene, axes_);
    if (scene.planes && (!has_planes_ || scene.slices_revision != revision_))
      planes_ = cut_planes(scene, stop);
    if (scene.slices_revision != revision_) lines_ = deformation_lines(scene, stop);
    if (stop.stop_requested() || !context_->make_current()) return {};
    if (scene.planes && (!has_planes_ || scene.slices_revision != revision_)) renew_planes();
    if (scene.slices_revision != revision_) renew_lines();
    has_planes_ = scene.planes;
    revision_ = scene.slices_revision;
    show_head(scene);
    show_volume(scene);
    show_planes(scene);
    show_labels(scene);
    show_landmarks(scene);
    look(scene, view);
    window_->SetSize(view.width, view.height);
    window_->Render();
    QImage picture = read_back(view.width, view.height);
    context_->release();
    return stop.stop_requested() ? QImage() : picture;
  }

 private:
  void show(vtkProp* prop) { renderer_->AddViewProp(prop); }

  void renew_planes() {
    for (std::size_t i = 0; i < 3; ++i) {
      if (planes_.at(i).picture.isNull()) continue;
      textures_.at(i) = vtkSmartPointer<vtkTexture>::New();
      textures_.at(i)->SetInputData(texture_of(planes_.at(i).picture));
      textures_.at(i)->InterpolateOn();
      textures_.at(i)->RepeatOff();
    }
  }

  void renew_lines() {
    if (grid_ != nullptr) renderer_->RemoveViewProp(grid_);
    grid_ = nullptr;
    if (lines_.empty()) return;
    grid_ = line_actor(poly_data_of(lines_), kGridColour, 1.4F);
    show(grid_);
  }

  /// The part outside the corner in three pieces, each bounded by planes alone.
  void show_head(const Scene3d& scene) {
    const bool wanted = scene.style == HeadStyle::solid || scene.style == HeadStyle::glass;
    if (scene.surface != surface_) {
      surface_ = scene.surface;
      surface_data_ = surface_ != nullptr ? poly_data_of(*surface_) : nullptr;
      for (auto& piece : pieces_) {
        if (piece != nullptr) renderer_->RemoveViewProp(piece);
        piece = nullptr;
      }
    }
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      auto& piece = pieces_.at(i);
      const bool on =
          wanted && surface_data_ != nullptr && (scene.style == HeadStyle::solid || i == 0);
      if (piece == nullptr && on) {
        piece = surface_actor(surface_data_, kTissueColour, 1);
        show(piece);
      }
      if (piece == nullptr) continue;
      piece->SetVisibility(on ? 1 : 0);
      piece->GetProperty()->SetOpacity(scene.style == HeadStyle::glass ? kGlass : 1);
      piece->GetProperty()->SetBackfaceCulling(scene.style == HeadStyle::glass ? 1 : 0);
      clip(piece->GetMapper(), scene, scene.style == HeadStyle::solid ? i + 1 : 0);
    }
  }

  /// Only the viewer's side of cut plane `a` is drawn, or only the other.
  void keep_side(vtkAbstractMapper3D* mapper, const Scene3d& scene, std::size_t a, bool viewers) {
    const double sign = viewers ? sides_.at(a) : -sides_.at(a);
    vtkNew<vtkPlane> plane;
    plane->SetOrigin(scene.cursor_mm.data());
    plane->SetNormal(sign * normals_.at(a)[0], sign * normals_.at(a)[1], sign * normals_.at(a)[2]);
    mapper->AddClippingPlane(plane);
  }

  /// Piece `count` lies beyond plane `count` - 1, on the viewer's side of those before it.
  void clip(vtkAbstractMapper3D* mapper, const Scene3d& scene, std::size_t count) {
    mapper->RemoveAllClippingPlanes();
    for (std::size_t a = 0; a < count; ++a) keep_side(mapper, scene, a, a + 1 < count);
  }

  /// Cropped along its own axes, or, cut at a slant, in the pieces of show_head(): in their order
  /// each lies behind the next, as blending wants it.
  void show_volume(const Scene3d& scene) {
    const bool on = scene.style == HeadStyle::volume && scene.head != nullptr;
    const bool slanted = scene.turn != kStraight;
    if (scene.head != head_) {
      for (const auto& volume : volumes_)
        if (volume != nullptr) renderer_->RemoveViewProp(volume);
      volumes_ = {};
    }
    head_ = scene.head;
    for (std::size_t i = 0; i < volumes_.size(); ++i) {
      auto& volume = volumes_.at(i);
      const bool shown = on && (slanted || i == 0);
      if (shown && volume == nullptr) volume = make_volume();
      if (volume == nullptr) continue;
      volume->SetVisibility(shown ? 1 : 0);
      clip(volume->GetMapper(), scene, slanted ? i + 1 : 0);
      auto* mapper = vtkGPUVolumeRayCastMapper::SafeDownCast(volume->GetMapper());
      mapper->SetCropping(slanted ? 0 : 1);
      if (shown && !slanted) crop(mapper, scene);
    }
  }

  vtkSmartPointer<vtkVolume> make_volume() {
    vtkNew<vtkGPUVolumeRayCastMapper> mapper;
    mapper->SetInputData(image_data_of(*head_));
    vtkNew<vtkPiecewiseFunction> opacity;
    vtkNew<vtkColorTransferFunction> colour;
    opacity->AddPoint(0, 0);
    opacity->AddPoint(45, 0);
    opacity->AddPoint(90, 0.12);
    opacity->AddPoint(255, 0.75);
    colour->AddRGBPoint(45, 0.42, 0.30, 0.24);
    colour->AddRGBPoint(120, 0.86, 0.72, 0.60);
    colour->AddRGBPoint(255, 1, 0.98, 0.94);
    auto volume = vtkSmartPointer<vtkVolume>::New();
    volume->SetMapper(mapper);
    vtkVolumeProperty* property = volume->GetProperty();
    property->SetScalarOpacity(opacity);
    property->SetColor(colour);
    property->SetInterpolationTypeToLinear();
    property->ShadeOn();
    property->SetAmbient(0.3);
    property->SetDiffuse(0.75);
    property->SetScalarOpacityUnitDistance(head_->grid().spacing_mm()[0]);
    volume->SetUserMatrix(matrix_of(head_->grid().world_from_voxel));
    show(volume);
    return volume;
  }

  /// The corner is one of the eight outer regions that the cursor makes in voxel space.
  void crop(vtkGPUVolumeRayCastMapper* mapper, const Scene3d& scene) {
    const Grid& grid = head_->grid();
    const Vec3 at = grid.voxel_from_world()(scene.cursor_mm);
    const Mat3 direction = grid.direction();
    int region = 0, weight = 1;
    std::array<double, 6> bounds{};
    for (std::size_t a = 0; a < 3; ++a) {
      // Which of the cut axes this voxel axis is, and whether it runs the same way.
      double best = 0, side = 1;
      for (std::size_t k = 0; k < 3; ++k) {
        const double along =
            dot({direction[0][a], direction[1][a], direction[2][a]}, normals_.at(k));
        if (std::abs(along) <= std::abs(best)) continue;
        best = along;
        side = along > 0 ? sides_.at(k) : -sides_.at(k);
      }
      const auto last = static_cast<double>(grid.size[a] - 1);
      const double cut = std::clamp(at[a], 0.0, last);
      bounds.at(2 * a) = side > 0 ? 0 : cut;
      bounds.at(2 * a + 1) = side > 0 ? cut : last;
      region += weight * (side > 0 ? 2 : 0);
      weight *= 3;
    }
    mapper->SetCroppingRegionPlanes(bounds.data());
    constexpr int kAllRegions = 0x7ffffff;
    mapper->SetCroppingRegionFlags(kAllRegions & ~(1 << region));
  }

  void show_planes(const Scene3d& scene) {
    const bool cut = scene.style == HeadStyle::solid || scene.style == HeadStyle::volume;
    for (std::size_t i = 0; i < 3; ++i) {
      auto& actor = quads_.at(i);
      if (actor != nullptr) actor->SetVisibility(scene.planes ? 1 : 0);
      const CutPlane& plane = planes_.at(i);
      if (!scene.planes || plane.picture.isNull()) continue;
      const SliceGeometry& g = plane.geometry;
      vtkSmartPointer<vtkPolyData> quad =
          rectangle(g, {-0.5, -0.5}, {g.width - 0.5, g.height - 0.5});
      if (actor == nullptr) {
        actor = surface_actor(quad, qRgb(255, 255, 255), 1);
        actor->GetProperty()->LightingOff();
        show(actor);
      }
      vtkPolyDataMapper::SafeDownCast(actor->GetMapper())->SetInputData(quad);
      actor->SetTexture(textures_.at(i));
      actor->ForceOpaqueOn();  // cut out where transparent, never blended
      // Of a plane that is laid open, the quarter at the open corner: between the two others.
      actor->GetMapper()->RemoveAllClippingPlanes();
      for (std::size_t a = 0; cut && a < 3; ++a)
        if (a != kNormalOf.at(i)) keep_side(actor->GetMapper(), scene, a, true);
    }
  }

  void show_labels(const Scene3d& scene) {
    if (scene.labels != labels_ || scene.label_names != label_names_) {
      for (const auto& actor : label_actors_) renderer_->RemoveViewProp(actor);
      label_actors_.clear();
      labels_ = scene.labels;
      label_names_ = scene.label_names;
      if (labels_ != nullptr)
        for (const mesh::LabelSurface& label : *labels_) {
          if (label.mesh.empty()) continue;
          label_actors_.push_back(surface_actor(poly_data_of(label.mesh),
                                                label_colour(label.label, label_names_.get()), 1));
          show(label_actors_.back());
        }
    }
    for (const auto& actor : label_actors_) actor->GetProperty()->SetOpacity(scene.label_opacity);
  }

  void show_landmarks(const Scene3d& scene) {
    for (const auto& prop : marks_) renderer_->RemoveViewProp(prop);
    marks_.clear();
    if (scene.landmarks.empty()) return;
    vtkNew<vtkPoints> fixed, moving;
    std::vector<Polyline> residuals;
    for (const Landmark3d& mark : scene.landmarks) {
      fixed->InsertNextPoint(mark.fixed_mm.data());
      moving->InsertNextPoint(mark.moving_mm.data());
      residuals.push_back({mark.fixed_mm, mark.moving_mm});
    }
    const double radius = kMarkRadius * scene.grid.longest_side_mm();
    add_spheres(fixed, radius, kFixedColour);
    add_spheres(moving, 0.8 * radius, kMovingColour);
    marks_.push_back(line_actor(poly_data_of(residuals), qRgb(255, 255, 255), 2));
    show(marks_.back());
  }

  void add_spheres(vtkPoints* at, double radius, QRgb colour) {
    vtkNew<vtkPolyData> points;
    points->SetPoints(at);
    vtkNew<vtkSphereSource> sphere;
    sphere->SetRadius(radius);
    sphere->SetThetaResolution(16);
    sphere->SetPhiResolution(12);
    vtkNew<vtkGlyph3DMapper> mapper;
    mapper->SetInputData(points);
    mapper->SetSourceConnection(sphere->GetOutputPort());
    mapper->ScalingOff();
    mapper->ScalarVisibilityOff();
    vtkNew<vtkActor> actor;
    actor->SetMapper(mapper);
    actor->GetProperty()->SetColor(qRed(colour) / 255.0, qGreen(colour) / 255.0,
                                   qBlue(colour) / 255.0);
    actor->GetProperty()->SetAmbient(0.3);
    marks_.emplace_back(actor);
    show(actor);
  }

  void look(const Scene3d& scene, const CastView& view) {
    const double pixel_mm = pixel_mm_of(scene.grid, view);
    const double distance = 4 * scene.grid.longest_side_mm();
    const Vec3 focus = middle_mm_of(scene.grid, view);
    Vec3 eye{};
    for (std::size_t a = 0; a < 3; ++a) eye[a] = focus[a] - distance * axes_.into[a];
    vtkCamera* camera = renderer_->GetActiveCamera();
    camera->SetFocalPoint(focus.data());
    camera->SetPosition(eye.data());
    camera->SetViewUp(-axes_.down[0], -axes_.down[1], -axes_.down[2]);
    camera->SetParallelScale(0.5 * view.height * pixel_mm);
    renderer_->ResetCameraClippingRange();
  }

  QImage read_back(int width, int height) {
    vtkNew<vtkUnsignedCharArray> pixels;
    if (window_->GetPixelData(0, 0, width - 1, height - 1, 0, pixels, 0) != VTK_OK) return {};
    const QImage bottom_up(pixels->GetPointer(0), width, height, 3 * width, QImage::Format_RGB888);
    return bottom_up.mirrored(false, true).convertToFormat(QImage::Format_RGB32);
  }

  std::unique_ptr<GlContext> context_;
  vtkNew<EglRenderWindow> window_;
  vtkNew<vtkRenderer> renderer_;
  CastAxes axes_;
  std::array<Vec3, 3> normals_{};
  std::array<double, 3> sides_{1, 1, 1};

  std::uint64_t revision_ = 0;
  bool has_planes_ = false;
  std::array<CutPlane, 3> planes_;
  std::array<vtkSmartPointer<vtkTexture>, 3> textures_;
  std::array<vtkSmartPointer<vtkActor>, 3> quads_;
  std::vector<Polyline> lines_;
  vtkSmartPointer<vtkActor> grid_;

  std::shared_ptr<const mesh::SurfaceMesh> surface_;
  vtkSmartPointer<vtkPolyData> surface_data_;
  std::array<vtkSmartPointer<vtkActor>, 3> pieces_;
  std::shared_ptr<const Volume> head_;
  std::array<vtkSmartPointer<vtkVolume>, 3> volumes_;
  std::shared_ptr<const std::vector<mesh::LabelSurface>> labels_;
  std::shared_ptr<const io::LabelNames> label_names_;
  std::vector<vtkSmartPointer<vtkActor>> label_actors_;
  std::vector<vtkSmartPointer<vtkActor>> marks_;
};

Renderer3d::Renderer3d() = default;
Renderer3d::~Renderer3d() = default;

const std::string& Renderer3d::problem() {
  if (!looked_) {
    looked_ = true;
    if (auto context = GlContext::create(problem_); context != nullptr) {
      problem_.clear();
      impl_ = std::make_unique<Impl>(std::move(context));
    }
  }
  return problem_;
}

bool Renderer3d::is_software() const { return impl_ != nullptr && impl_->is_software(); }

QImage Renderer3d::draw(const Scene3d& scene, const CastView& view, const std::stop_token& stop) {
  if (!problem().empty() || scene.grid.voxel_count() == 0) return {};
  return impl_->draw(scene, view, stop);
}

}  // namespace gigawarp::render
