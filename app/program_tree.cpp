#include "app/program_tree.h"

#include <algorithm>
#include <sstream>

namespace gigawarp::app {

namespace {

std::vector<std::string> words_of(const std::string& value) {
  std::vector<std::string> words;
  std::stringstream stream(value);
  for (std::string word; std::getline(stream, word, '|');) words.push_back(word);
  return words;
}

bool has_word(const std::string& value, const char* wanted) {
  const std::vector<std::string> words = words_of(value);
  return std::find(words.begin(), words.end(), wanted) != words.end();
}

OptionInfo describe_option(const CLI::Option& option) {
  OptionInfo out;
  for (const std::string& name : option.get_snames()) out.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) out.names.push_back("--" + name);
  out.positional = out.names.empty();
  if (out.positional) out.names.push_back(option.get_name());
  out.help = option.get_description();
  out.required = option.get_required();
  if (option.get_type_size_max() == 0) return out;  // a flag
  out.value = option.get_type_name();
  out.most_values = std::min(option.get_items_expected_max(), OptionInfo::kMany);
  return out;
}

VerbInfo describe_verb(const CLI::App& verb) {
  VerbInfo out;
  out.name = verb.get_name();
  out.help = verb.get_description();
  const std::string footer = verb.get_footer(), head = "Example:\n  ";
  const std::size_t begin = footer.find(head);
  if (begin != std::string::npos)
    out.example =
        footer.substr(begin + head.size(), footer.find_last_not_of('\n') + 1 - begin - head.size());
  for (const CLI::Option* option : verb.get_options())
    out.options.push_back(describe_option(*option));
  return out;
}

}  // namespace

std::vector<std::string> OptionInfo::choices() const {
  if (value.find('|') == std::string::npos) return {};
  std::vector<std::string> words = words_of(value);
  std::erase_if(words, [](const std::string& word) { return word == "FILE" || word == "DIR"; });
  return words;
}

bool OptionInfo::takes_file() const { return has_word(value, "FILE"); }
bool OptionInfo::takes_folder() const { return has_word(value, "DIR"); }

const OptionInfo* VerbInfo::positional() const {
  const auto found = std::find_if(options.rbegin(), options.rend(),
                                  [](const OptionInfo& option) { return option.positional; });
  return found == options.rend() ? nullptr : &*found;
}

ProgramInfo describe_program(const CLI::App& app) {
  ProgramInfo out;
  out.help = app.get_description();
  out.footer = app.get_footer();
  out.version = app.version();
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; }))
    if (!verb->get_group().empty()) out.verbs.push_back(describe_verb(*verb));
  return out;
}

}  // namespace gigawarp::app
