#include <iomanip>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/verbs.h"
#include "io/format_list.h"
#include "io/plugins.h"

namespace gigawarp::app {
namespace {

void print_json(const std::vector<io::FormatInfo>& formats) {
  using Json = nlohmann::ordered_json;
  Json all{{"formats", Json::array()}, {"plugins", Json::array()}, {"skipped", Json::array()}};
  for (const io::FormatInfo& f : formats)
    all["formats"].push_back({{"name", f.name},
                              {"endings", f.endings},
                              {"folders", f.folders},
                              {"streams", f.streams},
                              {"written", f.written},
                              {"plugin", f.plugin.empty() ? Json() : Json(f.plugin)}});
  for (const io::LoadedPlugin& p : io::plugins().loaded)
    all["plugins"].push_back({{"name", p.name}, {"version", p.version}, {"file", p.file.string()}});
  for (const io::SkippedPlugin& p : io::plugins().skipped)
    all["skipped"].push_back({{"file", p.file.string()}, {"reason", p.reason}});
  Json places = Json::array();
  for (const std::filesystem::path& place : io::plugin_places()) places.push_back(place.string());
  all["looked_for_in"] = places;
  std::cout << all.dump(2) << "\n";
}

void print_table(const std::vector<io::FormatInfo>& formats) {
  for (const io::FormatInfo& f : formats) {
    std::string names = f.folders ? "folders" : "";
    for (const std::string& ending : f.endings) names += (names.empty() ? "" : " ") + ending;
    std::cout << std::left << std::setw(20) << f.name << " " << std::setw(24) << names << " "
              << std::setw(12) << (f.written ? "read, write" : "read") << " "
              << (f.plugin.empty() ? "built in"
                                   : "plugin " + f.plugin + " " + f.version + ", " + f.file)
              << "\n";
  }
  for (const io::SkippedPlugin& p : io::plugins().skipped) std::cout << "\n" << p.reason << "\n";
}

}  // namespace

void add_formats_verb(CLI::App& app) {
  CLI::App* verb = add_verb(app, "formats",
                            "List the image formats, the plugins they come from, and plugins that "
                            "were skipped with the reason",
                            "gigawarp formats --json");
  auto json = std::make_shared<bool>(false);
  verb->add_flag("--json", *json, "Print JSON, with the folders where plugins are looked for");
  verb->callback([json] {
    const std::vector<io::FormatInfo> formats = io::known_formats();
    *json ? print_json(formats) : print_table(formats);
  });
}

}  // namespace gigawarp::app
