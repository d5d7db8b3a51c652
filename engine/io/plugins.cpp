#include "io/plugins.h"

#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <set>
#include <sstream>

#include "io/elf_file.h"
#include "io/plugin_host.h"
#include "io/readable_text.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {
constexpr int kMostFormats = 64, kMostEndings = 64;
constexpr std::size_t kLongestName = 40, kLongestText = 200, kLongestReason = 1000;
constexpr const char* kInterfaceSymbol = "gigawarp_plugin_interface";
constexpr const char* kRegisterSymbol = "gigawarp_plugin_register";

/// Why a plugin is skipped: words that follow `The plugin "file" was skipped: `.
struct Unusable {
  std::string why;
};

class Library {
 public:
  explicit Library(const fs::path& file) {
    if (const std::string why = why_no_library(file); !why.empty()) throw Unusable{why};
    handle_ = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ != nullptr) return;
    const char* said = dlerror();
    std::string why = shown_text(said, kLongestReason);
    if (why.starts_with(file.string() + ": ")) why.erase(0, file.string().size() + 2);
    throw Unusable{"it cannot be loaded here (" + why + ")"};
  }
  ~Library() {
    if (handle_ != nullptr) dlclose(handle_);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  void* symbol(const char* name) const {
    void* found = dlsym(handle_, name);
    if (found == nullptr)
      throw Unusable{std::string("it is no plugin of Gigawarp (it does not export ") + name + ")"};
    return found;
  }
  void keep() { handle_ = nullptr; }

 private:
  void* handle_ = nullptr;
};

std::string checked_name(const char* name, const char* of) {
  std::string text = name == nullptr ? "" : std::string(name, strnlen(name, 100));
  const bool good = !text.empty() && text.size() <= kLongestName &&
                    std::all_of(text.begin(), text.end(), [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
                    });
  if (!good) throw Unusable{std::string("it gives ") + of + " no name of small letters and digits"};
  return text;
}

/// The members of a structure that the plugin knew when it was built; the others are zero.
template <class T>
T known_part(const T* from, const char* what) {
  if (from == nullptr) throw Unusable{std::string("it leaves out ") + what};
  const std::uint64_t bytes = from->struct_bytes;
  if (bytes < sizeof bytes || bytes > (1U << 16))
    throw Unusable{std::string("struct_bytes of ") + what + " is impossible"};
  T out{};
  std::memcpy(&out, from, std::min<std::size_t>(sizeof out, from->struct_bytes));
  return out;
}

PluginFormat checked_format(const GigawarpFormat* from, const std::string& plugin) {
  PluginFormat out;
  out.calls = known_part(from, "a format");
  const GigawarpFormat& f = out.calls;
  out.plugin = plugin;
  out.name = checked_name(f.name, "a format");
  out.description = shown_text(f.description, kLongestText);
  if (out.description.empty()) out.description = out.name;
  if (f.probe == nullptr || f.open == nullptr || f.describe == nullptr || f.read == nullptr ||
      f.close == nullptr)
    throw Unusable{"a function of its format \"" + out.name + "\" is missing"};
  for (int i = 0; f.endings != nullptr && f.endings[i] != nullptr; ++i) {
    if (i == kMostEndings) throw Unusable{"the endings of \"" + out.name + "\" have no end"};
    out.endings.push_back(shown_text(f.endings[i], kLongestName));
  }
  if (out.endings.empty() || (f.flags & (GIGAWARP_FILES | GIGAWARP_FOLDERS)) == 0)
    throw Unusable{"its format \"" + out.name + "\" says neither which endings nor whether files"};
  return out;
}

LoadedPlugin checked_plugin(const Library& library, const fs::path& file) {
  const auto interface = *static_cast<const std::uint32_t*>(library.symbol(kInterfaceSymbol));
  if (interface != GIGAWARP_PLUGIN_INTERFACE)
    throw Unusable{"it was built for version " + std::to_string(interface) +
                   " of the plugin interface and this program has version " +
                   std::to_string(GIGAWARP_PLUGIN_INTERFACE) + "; get the one for this program"};
  const auto enter =
      reinterpret_cast<decltype(&gigawarp_plugin_register)>(library.symbol(kRegisterSymbol));
  GigawarpError error{};
  const GigawarpPlugin* told = nullptr;
  try {
    told = enter(&plugin_host(), &error);
  } catch (...) {  // forbidden, and no reason to end the session
    throw Unusable{"it threw an exception when it was to register"};
  }
  if (told == nullptr) {
    std::string why = shown_text(error.text, sizeof error.text - 1);
    while (!why.empty() && why.back() == '.') why.pop_back();
    throw Unusable{"it could not register (" + (why.empty() ? "it does not say why" : why) + ")"};
  }
  const GigawarpPlugin plugin = known_part(told, "its description");
  LoadedPlugin out;
  out.file = file;
  out.name = checked_name(plugin.name, "itself");
  out.version = shown_text(plugin.version, kLongestName);
  if (plugin.format_count < 1 || plugin.format_count > kMostFormats || plugin.formats == nullptr)
    throw Unusable{"it offers " + std::to_string(plugin.format_count) + " formats"};
  const auto turn = std::make_shared<std::mutex>();
  for (int i = 0; i < plugin.format_count; ++i) {
    out.formats.push_back(checked_format(plugin.formats[i], out.name));
    if (out.formats.back().has(GIGAWARP_SERIAL)) out.formats.back().turn = turn;
  }
  return out;
}

void refuse_duplicates(const LoadedPlugin& plugin, const PluginList& list) {
  std::set<std::string> names;
  for (const PluginFormat& format : plugin.formats)
    if (!names.insert(format.name).second)
      throw Unusable{"two of its formats are called \"" + format.name + "\""};
  for (const LoadedPlugin& other : list.loaded) {
    if (other.name == plugin.name)
      throw Unusable{"a plugin called \"" + plugin.name + "\" was already loaded from \"" +
                     other.file.string() + "\""};
    for (const PluginFormat& format : other.formats)
      if (names.contains(format.name))
        throw Unusable{"the format \"" + format.name + "\" is already read by the plugin \"" +
                       other.name + "\""};
  }
}

void load(const fs::path& file, PluginList& list) {
  try {
    Library library(file);
    LoadedPlugin plugin = checked_plugin(library, file);
    refuse_duplicates(plugin, list);
    library.keep();
    list.loaded.push_back(std::move(plugin));
  } catch (const Unusable& unusable) {
    list.skipped.push_back(
        {file, "The plugin \"" + file.string() + "\" was skipped: " + unusable.why + "."});
  }
}

std::vector<fs::path> libraries_in(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored))
    if (entry.path().extension() == ".so") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

/// An absolute path in a variable of the environment, or nothing.
fs::path folder_in(const char* variable) {
  const char* value = std::getenv(variable);
  const fs::path path = value == nullptr ? "" : value;
  return path.is_absolute() ? path : fs::path();
}

std::vector<fs::path> wished_places() {
  std::vector<fs::path> places;
  const char* wished = std::getenv("GIGAWARP_PLUGINS");
  std::istringstream stream(wished == nullptr ? "" : wished);
  for (std::string part; std::getline(stream, part, ':');)
    if (!part.empty()) places.push_back(fs::absolute(part));
  return places;
}

std::atomic<const PluginList*> in_use{nullptr};
}  // namespace

std::string shown_text(const char* text, std::size_t most) {
  std::string out;
  std::string_view rest(text == nullptr ? "" : text, text == nullptr ? 0 : strnlen(text, most));
  while (!rest.empty()) {
    const Character character = first_character(rest);
    if (character.bytes > 0 && !is_control(character.code))
      out.append(rest.substr(0, character.bytes));
    else
      out += character.bytes > 0 ? ' ' : '?';
    rest.remove_prefix(std::max<std::size_t>(character.bytes, 1));
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::vector<fs::path> plugin_places() {
  std::vector<fs::path> places = wished_places();
  if (const fs::path data = folder_in("XDG_DATA_HOME"); !data.empty())
    places.push_back(data / "gigawarp" / "plugins");
  else if (const fs::path home = folder_in("HOME"); !home.empty())
    places.push_back(home / ".local" / "share" / "gigawarp" / "plugins");
  std::error_code failure;
  const fs::path program = fs::read_symlink("/proc/self/exe", failure);
  if (!failure)
    places.push_back(program.parent_path().parent_path() / "lib" / "gigawarp" / "plugins");
  return places;
}

PluginList load_plugins(const std::vector<fs::path>& places) {
  PluginList list;
  const std::vector<fs::path> wished = wished_places();
  std::set<fs::path> seen;
  for (const fs::path& place : places) {
    std::error_code failure;
    const fs::path real = fs::canonical(place, failure);
    if (failure) {
      if (std::find(wished.begin(), wished.end(), place) != wished.end())
        list.skipped.push_back({place, "Plugins were wished for in \"" + place.string() +
                                           "\" (GIGAWARP_PLUGINS), which is not there."});
      continue;
    }
    const bool folder = fs::is_directory(real, failure);
    for (const fs::path& file : folder ? libraries_in(real) : std::vector{real})
      if (seen.insert(file).second) load(file, list);
  }
  return list;
}

const PluginList& plugins() {
  static const PluginList list = load_plugins(plugin_places());
  in_use = &list;
  return list;
}

const PluginList* plugins_in_use() { return in_use; }

}  // namespace gigawarp::io
