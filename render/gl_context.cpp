#include "render/gl_context.h"

#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <GL/gl.h>
#include <sys/resource.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace gigawarp::render {
namespace {

constexpr int kMajor = 3, kMinor = 2;  // VTK crashes on less

/// Displays in the order in which they are tried: graphics cards, then software, then what the
/// system offers.
std::vector<EGLDisplay> displays() {
  std::vector<EGLDisplay> list;
  const char* extensions = eglQueryString(EGL_NO_DISPLAY, EGL_EXTENSIONS);
  const auto has = [&](const char* name) {
    return extensions != nullptr && std::strstr(extensions, name) != nullptr;
  };
  const auto platform_display = reinterpret_cast<PFNEGLGETPLATFORMDISPLAYEXTPROC>(
      eglGetProcAddress("eglGetPlatformDisplayEXT"));
  const auto query_devices =
      reinterpret_cast<PFNEGLQUERYDEVICESEXTPROC>(eglGetProcAddress("eglQueryDevicesEXT"));
  if (platform_display != nullptr && query_devices != nullptr && has("EGL_EXT_platform_device")) {
    std::array<EGLDeviceEXT, 16> devices{};
    EGLint count = 0;
    if (query_devices(devices.size(), devices.data(), &count) == EGL_TRUE)
      for (EGLint i = 0; i < count; ++i)
        list.push_back(platform_display(EGL_PLATFORM_DEVICE_EXT,
                                        devices.at(static_cast<std::size_t>(i)), nullptr));
  }
  if (platform_display != nullptr && has("EGL_MESA_platform_surfaceless"))
    list.push_back(platform_display(EGL_PLATFORM_SURFACELESS_MESA, EGL_DEFAULT_DISPLAY, nullptr));
  list.push_back(eglGetDisplay(EGL_DEFAULT_DISPLAY));
  return list;
}

bool names_software(const std::string& renderer) {
  for (const char* name : {"llvmpipe", "softpipe", "swrast", "Software", "SWR"})
    if (renderer.find(name) != std::string::npos) return true;
  return false;
}

}  // namespace

std::unique_ptr<GlContext> GlContext::create(std::string& problem) {
  std::unique_ptr<GlContext> context;
  // A driver in software starts threads here, which inherit that they give way to other work: to
  // the slices and to registrations.
  std::jthread([&] {
    constexpr int kNiceness = 10;
    setpriority(PRIO_PROCESS, 0, kNiceness);  // Linux: of this thread alone
    context = find(problem);
  }).join();
  return context;
}

std::unique_ptr<GlContext> GlContext::find(std::string& problem) {
  problem.clear();
  if (const char* off = std::getenv("GIGAWARP_NO_OPENGL"); off != nullptr && *off != '\0') {
    problem = "OpenGL is switched off by GIGAWARP_NO_OPENGL.";
    return nullptr;
  }
  std::unique_ptr<GlContext> software;
  for (void* display : displays()) {
    if (display == EGL_NO_DISPLAY) continue;
    std::unique_ptr<GlContext> context(new GlContext());
    if (!context->open(display, problem)) continue;
    if (!context->is_software()) return context;
    if (software == nullptr) software = std::move(context);
  }
  if (software == nullptr && problem.empty()) problem = "This system offers no OpenGL.";
  return software;
}

bool GlContext::open(void* display, std::string& problem) {
  EGLint major = 0, minor = 0;
  if (eglInitialize(display, &major, &minor) != EGL_TRUE || eglBindAPI(EGL_OPENGL_API) != EGL_TRUE)
    return false;
  // No surface is ever drawn to: VTK has framebuffers of its own.
  constexpr std::array kConfig{EGL_RENDERABLE_TYPE, EGL_OPENGL_BIT, EGL_SURFACE_TYPE, 0, EGL_NONE};
  EGLConfig config = nullptr;
  EGLint count = 0;
  if (eglChooseConfig(display, kConfig.data(), &config, 1, &count) != EGL_TRUE || count < 1)
    return false;
  constexpr std::array kContext{EGL_CONTEXT_MAJOR_VERSION,
                                kMajor,
                                EGL_CONTEXT_MINOR_VERSION,
                                kMinor,
                                EGL_CONTEXT_OPENGL_PROFILE_MASK,
                                EGL_CONTEXT_OPENGL_CORE_PROFILE_BIT,
                                EGL_NONE};
  display_ = display;
  context_ = eglCreateContext(display, config, EGL_NO_CONTEXT, kContext.data());
  if (context_ == EGL_NO_CONTEXT || !make_current()) {
    problem = "The graphics driver offers no OpenGL 3.2.";
    return false;
  }
  const auto* name = reinterpret_cast<const char*>(glGetString(GL_RENDERER));
  renderer_ = name != nullptr ? name : "";
  is_software_ = names_software(renderer_);
  release();
  return true;
}

GlContext::~GlContext() {
  if (context_ != nullptr) eglDestroyContext(display_, context_);
}

bool GlContext::make_current() {
  // The API is a setting of the thread.
  return eglBindAPI(EGL_OPENGL_API) == EGL_TRUE &&
         eglMakeCurrent(display_, EGL_NO_SURFACE, EGL_NO_SURFACE, context_) == EGL_TRUE;
}

void GlContext::release() {
  eglMakeCurrent(display_, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT);
}

}  // namespace gigawarp::render
