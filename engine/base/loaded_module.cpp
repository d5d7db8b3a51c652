#include "base/loaded_module.h"

#include <dlfcn.h>

#include <filesystem>

#include "gigawarp/error.h"

namespace gigawarp {

namespace fs = std::filesystem;

void* function_of_module(const char* file, const char* symbol, const std::string& what) {
  std::error_code failure;
  const fs::path program = fs::read_symlink("/proc/self/exe", failure);
  std::string why;
  for (const fs::path& folder : {program.parent_path().parent_path() / "lib" / "gigawarp",
                                 fs::path(GIGAWARP_MODULE_FOLDER)}) {
    const fs::path module_file = folder / file;
    if (!fs::exists(module_file, failure)) continue;
    // Never closed: libraries behind it keep registries of their own.
    if (void* module = dlopen(module_file.c_str(), RTLD_NOW | RTLD_LOCAL); module != nullptr)
      if (void* found = dlsym(module, symbol); found != nullptr) return found;
    const char* said = dlerror();
    why = said != nullptr ? said : "";
  }
  throw Error(ErrorCode::internal,
              why.empty()
                  ? what + ": " + file + " is missing beside the program; install Gigawarp again."
                  : what + ": " + why + ".",
              file);
}

}  // namespace gigawarp
