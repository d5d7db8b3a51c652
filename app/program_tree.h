#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

/// The command line as data, read from the parser itself, so that the manual and the completions
/// say what the program does. An option's type name tells what its value is: FILE, DIR, "a|b|c" for
/// one of these, "a|b|FILE" for one of these or a file, anything else for free text.
namespace gigawarp::app {

struct OptionInfo {
  std::vector<std::string> names;  ///< "-t", "--transform"; for a positional its placeholder
  std::string value;               ///< type name; empty for a flag
  std::string help;
  int most_values = 0;  ///< 0: flag; kMany: as many as are given
  bool positional = false, required = false;

  static constexpr int kMany = 99;
  std::vector<std::string> choices() const;  ///< the words of "a|b|FILE" besides FILE
  bool takes_file() const;
  bool takes_folder() const;
};

struct VerbInfo {
  std::string name, help, example;
  std::vector<OptionInfo> options;
  const OptionInfo* positional() const;  ///< the last one, or null
};

struct ProgramInfo {
  std::string help, footer, version;
  std::vector<VerbInfo> verbs;  ///< without hidden ones
};

ProgramInfo describe_program(const CLI::App& app);

/// Completion scripts and the manual page (man(7) macros) of the program.
std::string bash_completion(const ProgramInfo& program);
std::string zsh_completion(const ProgramInfo& program);
std::string fish_completion(const ProgramInfo& program);
std::string manual_page(const ProgramInfo& program);

}  // namespace gigawarp::app
