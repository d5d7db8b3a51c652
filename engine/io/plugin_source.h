#pragma once
#include <filesystem>
#include <memory>

#include "io/brick_source.h"
#include "io/plugins.h"

namespace gigawarp::io {

/// The plugin's format that reads this file or folder, or null: one that knows its content, else
/// one that knows its name, unless a built-in format has that ending.
const PluginFormat* plugin_format_of(const std::filesystem::path& path);

/// Opens a volume with a plugin. What the plugin says is checked; nonsense and its errors are
/// Error{bad_input | does_not_fit} naming the plugin, a selection that there is not Error{usage}.
/// Units become mm and `options.spacing_mm` wins over the file's, as gigawarp/plugin.h tells.
std::unique_ptr<BrickSource> open_plugin(const PluginFormat& format,
                                         const std::filesystem::path& path,
                                         const ReadOptions& options = {});

}  // namespace gigawarp::io
