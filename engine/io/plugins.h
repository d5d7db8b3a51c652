#pragma once
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "gigawarp/plugin.h"

namespace gigawarp::io {

/// A format that a plugin reads; its texts are checked.
struct PluginFormat {
  std::string name, description, plugin;  ///< `plugin`: the name of the plugin
  std::vector<std::string> endings;
  GigawarpFormat calls{};            ///< never null where a function is due
  std::shared_ptr<std::mutex> turn;  ///< to be held during calls; null: any number at a time
  bool has(GigawarpFlags flag) const { return (calls.flags & flag) != 0; }
};

struct LoadedPlugin {
  std::string name, version;
  std::filesystem::path file;
  std::vector<PluginFormat> formats;
};

struct SkippedPlugin {
  std::filesystem::path file;
  std::string reason;  ///< a sentence that names the file
};

struct PluginList {
  std::vector<LoadedPlugin> loaded;  ///< in the order in which they are asked
  std::vector<SkippedPlugin> skipped;
};

/// Where plugins are looked for: see gigawarp/plugin.h. Folders, and files that
/// $GIGAWARP_PLUGINS names.
std::vector<std::filesystem::path> plugin_places();

/// Loads every .so of the folders, by name within a folder, and the files named. Never throws for
/// a plugin that is broken: it is skipped with a reason. Folders that are not there are left out,
/// except for those of $GIGAWARP_PLUGINS, which are reported. Loaded libraries are never unloaded.
PluginList load_plugins(const std::vector<std::filesystem::path>& places);

/// The plugins of this process, loaded on the first call: libraries are a process's own, and views
/// and jobs share them. Any thread.
const PluginList& plugins();
/// The same, or null when nothing has asked for plugins() yet. Any thread.
const PluginList* plugins_in_use();

/// Text of a plugin as it may be shown: valid UTF-8 without control characters, cut at `most`
/// bytes.
std::string shown_text(const char* text, std::size_t most);

}  // namespace gigawarp::io
