#include <iostream>
#include <memory>

#include "app/program_tree.h"
#include "app/verbs.h"
#include "gigawarp/error.h"

namespace gigawarp::app {
namespace {

void document(const CLI::App& app, const std::string& kind) {
  const ProgramInfo program = describe_program(app);
  if (kind == "man")
    std::cout << manual_page(program);
  else if (kind == "bash")
    std::cout << bash_completion(program);
  else if (kind == "zsh")
    std::cout << zsh_completion(program);
  else if (kind == "fish")
    std::cout << fish_completion(program);
  else
    throw Error(ErrorCode::usage, "document takes man, bash, zsh or fish, not \"" + kind + "\".",
                "document");
}

}  // namespace

/// Hidden from the help: the build and packagers use it.
void add_document_verb(CLI::App& app) {
  CLI::App* verb =
      add_verb(app, "document", "Print the manual page, or the completion script of a shell",
               "gigawarp document bash > /etc/bash_completion.d/gigawarp");
  verb->group("");
  auto kind = std::make_shared<std::string>();
  verb->add_option("kind", *kind, "What to print")->required()->type_name("man|bash|zsh|fish");
  verb->callback([&app, kind] { document(app, *kind); });
}

}  // namespace gigawarp::app
