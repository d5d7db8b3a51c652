#include <map>
#include <sstream>

#include "app/program_tree.h"

namespace gigawarp::app {

namespace {

std::string joined(const std::vector<std::string>& words, const std::string& between) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : between) + word;
  return out;
}

std::string escaped(const std::string& text, const std::string& special, const std::string& by) {
  std::string out;
  for (const char c : text) {
    if (special.find(c) != std::string::npos) out += by;
    out += c;
  }
  return out;
}

/// In single quotes for bash and zsh.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'')
      out += "'\\''";
    else
      out += c;
  }
  return out + "'";
}

std::string header(const char* shell) {
  return std::string("# Completion of gigawarp for ") + shell +
         "; written by the program itself: gigawarp document " + shell + "\n";
}

/// What a bash word after an option may be: `choices` and, if none fits, files or folders.
std::string bash_value(const OptionInfo& option) {
  std::string out = "most=" + std::to_string(option.most_values);
  if (option.takes_file()) out += " fallback=default";
  if (option.takes_folder()) out += " fallback=dirnames";
  const std::vector<std::string> choices = option.choices();
  if (!choices.empty()) out += " choices='" + joined(choices, " ") + "'";
  return out;
}

/// One zsh _arguments specification of a value.
std::string zsh_value(const OptionInfo& option) {
  const std::vector<std::string> choices = option.choices();
  std::string action = " ";
  if (option.takes_file()) action = "_files";
  if (option.takes_folder()) action = "_files -/";
  if (!choices.empty())
    action = option.takes_file() ? "{compadd -- " + joined(choices, " ") + "; _files}"
                                 : "(" + joined(choices, " ") + ")";
  const std::string one = ":" + escaped(choices.empty() ? option.value : "value", ":", "\\") + ":" +
                          escaped(action, ":", "\\");
  if (option.most_values == OptionInfo::kMany && !option.positional) return ":*-*" + one;
  std::string out;
  for (int i = 0; i < (option.positional ? 1 : option.most_values); ++i) out += one;
  return out;
}

std::string zsh_option(const OptionInfo& option) {
  if (option.positional) return quoted("*" + zsh_value(option));
  const std::string rest =
      quoted("[" + escaped(option.help, "[]:\\", "\\") + "]" + zsh_value(option));
  if (option.names.size() == 1) return option.names.front() + rest;
  return "'(" + joined(option.names, " ") + ")'{" + joined(option.names, ",") + "}" + rest;
}

std::string fish_quoted(const std::string& text) { return "'" + escaped(text, "'\\", "\\") + "'"; }

std::string fish_option(const VerbInfo& verb, const OptionInfo& option) {
  std::string out = "complete -c gigawarp -n '__fish_seen_subcommand_from " + verb.name + "'";
  for (const std::string& name : option.names)
    out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  const std::vector<std::string> choices = option.choices();
  if (option.takes_file())
    out += " -r -F";
  else if (option.takes_folder())
    out += " -x -a '(__fish_complete_directories)'";
  else if (option.most_values > 0)
    out += " -x";
  if (!choices.empty()) out += " -a " + fish_quoted(joined(choices, " "));
  return out + " -d " + fish_quoted(option.help) + "\n";
}

}  // namespace

std::string bash_completion(const ProgramInfo& program) {
  std::ostringstream verbs, options;
  std::map<std::string, std::string> cases;  // what a value may be -> "verb option" patterns
  for (const VerbInfo& verb : program.verbs) {
    verbs << verb.name << " ";
    std::vector<std::string> names;
    for (const OptionInfo& option : verb.options) {
      if (option.positional) continue;
      for (const std::string& name : option.names) {
        names.push_back(name);
        if (option.most_values == 0) continue;
        std::string& patterns = cases[bash_value(option)];
        patterns += (patterns.empty() ? "'" : "|'") + verb.name + " " + name + "'";
      }
    }
    const OptionInfo* rest = verb.positional();
    options << "    " << verb.name << ")\n      options='" << joined(names, " ") << "'\n"
            << (rest != nullptr && rest->takes_file() ? "      positional=default\n" : "")
            << "      ;;\n";
  }
  std::ostringstream out;
  out << header("bash") << R"(_gigawarp() {
  local current=${COMP_WORDS[COMP_CWORD]} verb='' option='' given=0 word i
  local options='' positional='' most=0 fallback='' choices=''
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ -z $verb ]]; then
      [[ $word == -* ]] || verb=$word
    elif [[ $word == -* ]]; then
      option=$word given=0
    elif [[ $word != '=' ]]; then
      given=$((given + 1))
    fi
  done
  [[ $current == '=' ]] && current=''
  if [[ -z $verb ]]; then
    mapfile -t COMPREPLY < <(compgen -W ')"
      << verbs.str() << R"(--help --version' -- "$current")
    compopt -o default  # without a verb, the window opens with files
    return
  fi
  case $verb in
)" << options.str()
      << R"(    *)
      compopt -o default
      return
      ;;
  esac
  if [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
    return
  fi
  case "$verb $option" in
)";
  for (const auto& [value, patterns] : cases) out << "    " << patterns << ") " << value << " ;;\n";
  out << R"(  esac
  if ((given >= most)); then fallback=$positional choices=''; fi
  [[ -z $choices ]] || mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$current")
  [[ -z $fallback ]] || compopt -o "$fallback"
}
complete -F _gigawarp gigawarp
)";
  return out.str();
}

std::string zsh_completion(const ProgramInfo& program) {
  std::ostringstream out;
  out << "#compdef gigawarp\n"
      << header("zsh") << R"(_gigawarp() {
  local curcontext=$curcontext state line
  local -a verbs
  verbs=(
)";
  for (const VerbInfo& verb : program.verbs)
    out << "    " << quoted(verb.name + ":" + escaped(verb.help, ":", "\\")) << "\n";
  out << R"(  )
  _arguments -C '(- *)'{-h,--help}'[Print help]' '(- *)--version[Print the version]' \
    '1:verb:->verb' '*::argument:->argument' && return
  case $state in
    verb) _describe -t verbs verb verbs || _files ;;
    argument)
      case $words[1] in
)";
  for (const VerbInfo& verb : program.verbs) {
    out << "        " << verb.name << ")\n          _arguments -s";
    const OptionInfo* rest = verb.positional();
    for (const OptionInfo& option : verb.options)
      if (!option.positional || &option == rest) out << " \\\n            " << zsh_option(option);
    out << "\n          ;;\n";
  }
  out << R"(        *) _files ;;
      esac
      ;;
  esac
}
if [[ $funcstack[1] == _gigawarp ]]; then
  _gigawarp "$@"
else
  compdef _gigawarp gigawarp
fi
)";
  return out.str();
}

std::string fish_completion(const ProgramInfo& program) {
  std::ostringstream out;
  out << header("fish")
      << "complete -c gigawarp -n __fish_use_subcommand -s h -l help -d 'Print help'\n"
      << "complete -c gigawarp -n __fish_use_subcommand -l version -d 'Print the version'\n";
  for (const VerbInfo& verb : program.verbs)
    out << "complete -c gigawarp -n __fish_use_subcommand -a " << verb.name << " -d "
        << fish_quoted(verb.help) << "\n";
  for (const VerbInfo& verb : program.verbs)
    for (const OptionInfo& option : verb.options)
      if (!option.positional) out << fish_option(verb, option);
  return out.str();
}

}  // namespace gigawarp::app
