#include "render/fonts.h"

#include <cstdlib>
#include <filesystem>

namespace gigawarp::render {

void use_bundled_fonts() {
  namespace fs = std::filesystem;
  std::error_code failure;
  const fs::path program = fs::read_symlink("/proc/self/exe", failure);
  if (failure) return;
  const fs::path file =
      program.parent_path().parent_path() / "share" / "gigawarp" / "fonts" / "fonts.conf";
  constexpr int kKeepWhatIsSet = 0;
  if (fs::exists(file, failure)) setenv("FONTCONFIG_FILE", file.c_str(), kKeepWhatIsSet);
}

}  // namespace gigawarp::render
