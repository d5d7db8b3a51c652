#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

/// Who may include what. The direction is engine <- render <- ui <- app, and bottom-up inside the
/// engine.
namespace {

namespace fs = std::filesystem;

struct Include {
  std::string file, target;
  int line = 0;
};

std::vector<Include> includes_of(const std::string& folder) {
  static const std::regex pattern(R"re(^\s*#\s*include\s*["<]([^">]+)[">])re");
  std::vector<Include> found;
  const fs::path root = GIGAWARP_SOURCE_DIR;
  if (!fs::is_directory(root / folder)) return found;
  for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
    static const std::set<std::string> kinds{".h", ".cpp", ".cu", ".cuh"};
    if (!kinds.contains(entry.path().extension().string())) continue;
    std::ifstream stream(entry.path());
    int number = 1;
    for (std::string line; std::getline(stream, line); ++number)
      if (std::smatch match; std::regex_search(line, match, pattern))
        found.push_back({fs::relative(entry.path(), root).string(), match[1], number});
  }
  return found;
}

bool matches(const std::string& target, const char* pattern) {
  return std::regex_search(target, std::regex(pattern));
}

std::string where(const Include& include) {
  return include.file + ":" + std::to_string(include.line) + " includes " + include.target;
}

/// The folder of "ops/warp.h", or nothing for a header of a library.
std::string room_of(const std::string& target) {
  const std::size_t slash = target.find('/');
  return slash == std::string::npos ? "" : target.substr(0, slash);
}

constexpr const char* kQt = R"(^(Qt[A-Z0-9]|Q[A-Z]))";
constexpr const char* kVtk = R"(^vtk[A-Z])";
constexpr const char* kOpenGl = R"(^(GL|EGL|vtk_glew)\b)";
constexpr const char* kItkAndFormats = R"(^(itk|vnl|gdcm|H5|hdf5|tiff))";
constexpr const char* kOpenVdb = R"(^(openvdb|nanovdb))";
/// The sources of a module that is loaded when the first file of VTK's is read.
constexpr const char* kVtkModule = "engine/io/vtk/";

TEST(Layout, TheTestSeesTheTree) {
  EXPECT_GT(includes_of("engine").size(), 100U);
  EXPECT_GT(includes_of("app").size(), 10U);
}

TEST(Layout, EngineIsFreeOfQtVtkAndTheCommandLine) {
  for (const Include& include : includes_of("engine")) {
    EXPECT_FALSE(matches(include.target, kQt)) << where(include);
    EXPECT_FALSE(matches(include.target, kVtk) && !include.file.starts_with(kVtkModule))
        << where(include);
    EXPECT_FALSE(matches(include.target, "^(CLI|render|ui|app)/")) << where(include);
  }
}

TEST(Layout, FileFormatLibrariesStayInEngineIo) {
  for (const char* folder : {"engine", "render", "ui", "app"})
    for (const Include& include : includes_of(folder)) {
      if (!matches(include.target, kItkAndFormats)) continue;
      EXPECT_TRUE(include.file.starts_with("engine/io/")) << where(include);
    }
}

TEST(Layout, OpenVdbStaysInOneFileOfEachRoomThatNeedsIt) {
  std::map<std::string, std::set<std::string>> files;
  for (const char* folder : {"engine", "render", "ui", "app"})
    for (const Include& include : includes_of(folder))
      if (matches(include.target, kOpenVdb))
        files[fs::path(include.file).parent_path().string()].insert(include.file);
  for (const auto& [room, its] : files) {
    EXPECT_TRUE(room == "engine/io/openvdb" || room == "engine/mesh/openvdb") << *its.begin();
    EXPECT_EQ(its.size(), 1U) << room << ": it is heavy to compile";
    EXPECT_TRUE(its.begin()->ends_with(".cpp")) << *its.begin();
  }
}

TEST(Layout, VtkAndOpenGlStayInRender) {
  for (const char* folder : {"engine", "ui", "app"})
    for (const Include& include : includes_of(folder))
      EXPECT_FALSE(matches(include.target, kOpenGl) ||
                   (matches(include.target, kVtk) && !include.file.starts_with(kVtkModule)))
          << where(include);
  for (const Include& include : includes_of("render"))
    EXPECT_FALSE(matches(include.target, kVtk) && include.file.ends_with(".h") &&
                 !fs::path(include.file).filename().string().starts_with("vtk_"))
        << where(include) << ", a header that others include";
}

TEST(Layout, TheModuleOfVtksFilesIsNoHeaderOfOthers) {
  for (const Include& include : includes_of("engine")) {
    EXPECT_FALSE(include.target.starts_with("io/vtk/") && !include.file.starts_with(kVtkModule))
        << where(include);
    if (include.file.starts_with(kVtkModule)) {
      EXPECT_TRUE(matches(include.target, kVtk) || include.target == "io/poly_data_module.h" ||
                  include.target.starts_with("io/vtk/") ||
                  include.target.find('/') == std::string::npos)
          << where(include);
      EXPECT_FALSE(matches(include.target, "^vtk(Rendering|Open|GL)")) << where(include);
    }
  }
}

TEST(Layout, EngineRoomsDependBottomUp) {
  const std::map<std::string, std::set<std::string>> allowed{
      {"include", {}},
      {"base", {}},
      {"math", {}},
      {"ops", {"base", "math"}},
      {"cpu", {"base", "math", "ops"}},
      {"cuda", {"base", "math", "ops"}},
      {"stub", {"base", "math", "ops", "cuda"}},
      {"shard", {"base", "math", "ops"}},
      {"solve", {"base", "math", "ops", "shard"}},
      {"io", {"base"}},
      {"mesh", {"base"}},
      {"qc", {"base", "math", "ops"}},
      {"phantom", {"base", "math", "ops", "cpu"}},
      {"bench", {"base", "math", "ops", "cpu", "solve"}},
      {"job", {"base", "ops", "cuda", "shard", "solve", "io", "qc"}}};
  for (const Include& include : includes_of("engine")) {
    const std::string own = fs::path(include.file).parent_path().filename() == "gigawarp"
                                ? "include"
                                : room_of(include.file.substr(std::string("engine/").size()));
    const std::string target = room_of(include.target);
    ASSERT_TRUE(allowed.contains(own)) << include.file << " is in a room this test does not know";
    if (target == own || target == "gigawarp" || !allowed.contains(target)) continue;
    EXPECT_TRUE(allowed.at(own).contains(target)) << where(include);
  }
}

TEST(Layout, PublicHeadersNeedNoOtherRoom) {
  for (const Include& include : includes_of("engine/include")) {
    const std::string room = room_of(include.target);
    EXPECT_TRUE(room.empty() || room == "gigawarp") << where(include);
  }
}

TEST(Layout, PluginsKnowTheEngineThroughOneHeaderAlone) {
  const std::vector<Include> all = includes_of("plugins");
  EXPECT_GT(all.size(), 20U);
  for (const Include& include : all) {
    const std::string plugin = room_of(include.file.substr(std::string("plugins/").size()));
    const std::string room = room_of(include.target);
    if (room == plugin || room == "support") continue;
    EXPECT_TRUE(include.target == "gigawarp/plugin.h" ||
                !fs::exists(fs::path(GIGAWARP_SOURCE_DIR) / "engine" / include.target))
        << where(include);
    EXPECT_FALSE(room == "gigawarp" && include.target != "gigawarp/plugin.h") << where(include);
    EXPECT_FALSE(matches(include.target, "^(engine|plugins|render|ui|app)/")) << where(include);
    EXPECT_FALSE(include.target.starts_with('.')) << where(include);
    EXPECT_FALSE(fs::is_directory(fs::path(GIGAWARP_SOURCE_DIR) / "plugins" / room) &&
                 !room.empty())
        << where(include) << ", another plugin's";
  }
  for (const Include& include : includes_of("engine/include"))
    if (include.file.ends_with("/plugin.h")) {
      EXPECT_TRUE(matches(include.target, "^std(def|int)\\.h$")) << where(include);
    }
}

TEST(Layout, RenderKnowsNoWidgetsAndNothingAboveIt) {
  for (const Include& include : includes_of("render")) {
    EXPECT_FALSE(matches(include.target, "^(QtWidgets|QWidget|QApplication|QMainWindow|QDialog)"))
        << where(include);
    EXPECT_FALSE(matches(include.target, "^(ui|app|CLI)/")) << where(include);
  }
}

TEST(Layout, UiHoldsNoAlgorithmsAndKnowsNoApp) {
  for (const Include& include : includes_of("ui"))
    EXPECT_FALSE(matches(include.target, "^(app|ops|cpu|cuda|math|solve|shard|CLI)/"))
        << where(include);
}

TEST(Layout, OutsideTheEngineOnlyItsDoorsAreUsed) {
  // Besides gigawarp/*.h: the rooms' headers that verbs and scenes are made of.
  const std::map<std::string, std::set<std::string>> doors{
      {"render",
       {"base/parallel.h", "base/replace_file.h", "cpu/multiversion.h", "io/brick_cache.h",
        "io/http.h", "io/label_names.h", "io/sampled_levels.h", "mesh/reduce.h", "mesh/surface.h",
        "ops/jacobian.h", "qc/histograms.h", "qc/report.h"}},
      {"ui", {"base/replace_file.h", "job/", "io/", "qc/"}},
      {"app",
       {"base/beside.h", "base/parallel.h", "base/replace_file.h", "io/", "job/", "ops/jacobian.h",
        "phantom/phantom.h", "qc/report.h", "qc/streamed_transform.h", "ops/apply.h",
        "ops/invert_field.h", "bench/"}}};
  const std::set<std::string> rooms{"base",  "math", "ops",     "cpu", "cuda", "stub",  "shard",
                                    "solve", "io",   "phantom", "qc",  "job",  "bench", "mesh"};
  for (const auto& [folder, allowed] : doors)
    for (const Include& include : includes_of(folder)) {
      if (!rooms.contains(room_of(include.target))) continue;
      EXPECT_TRUE(allowed.contains(include.target) ||
                  allowed.contains(room_of(include.target) + "/"))
          << where(include);
    }
}

}  // namespace
