#include <malloc.h>

#include <csignal>
#include <exception>
#include <iostream>
#include <new>
#include <string>

#include "app/desktop.h"
#include "app/verbs.h"
#include "gigawarp/error.h"
#include "job/version.h"

namespace {

constexpr const char* kExitCodes =
    "Exit codes: 0 done, 1 defect of Gigawarp, 2 wrong use, 3 bad input, 4 does not fit,\n"
    "            5 cancelled, 6 device fault, 7 output not written.\n"
    "\"gigawarp VERB --help\" shows the options of a verb and an example.\n";

int fail(const std::string& sentence, gigawarp::ErrorCode code) {
  if (!sentence.empty()) std::cerr << "gigawarp: " << sentence << std::endl;
  return static_cast<int>(code);
}

}  // namespace

int main(int argc, char** argv) {
  using gigawarp::ErrorCode;
#ifdef __GLIBC__
  // Large buffers go back to the system when freed. By default each one freed raises the limit to
  // its own size, and the arrays of the coarse levels stay in the peak of a run (4 MiB at 1 mm).
  // Smaller ones are kept: the codecs of chunked files take a few hundred KiB for each chunk, and
  // mapping them afresh, clearing their pages and telling every core that they are gone cost more
  // than the decoding, and does not spread over cores.
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
  mallopt(M_TRIM_THRESHOLD, 2 << 20);
#endif
  std::signal(SIGXFSZ, SIG_IGN);  // a file beyond the size limit is a failed write, told as one
  try {
    CLI::App app(
        "Gigawarp registers volume images: it finds where each point of a fixed image lies in a "
        "moving one.",
        "gigawarp");
    app.set_version_flag("--version", "gigawarp " + std::string(gigawarp::job::version()));
    app.footer(kExitCodes);
    app.require_subcommand(0, 1);
    gigawarp::app::DesktopOptions desktop;
    gigawarp::app::add_desktop_options(app, desktop);
#define GIGAWARP_ADD_VERB(name) gigawarp::app::add_##name##_verb(app);
    GIGAWARP_FOR_EACH_VERB(GIGAWARP_ADD_VERB)
#undef GIGAWARP_ADD_VERB
    const gigawarp::app::PluginWarnings warnings(app);
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
      const auto verbs = app.get_subcommands();
      const std::string verb = verbs.empty() ? "" : verbs.front()->get_name() + " ";
      return fail(std::string(error.what()) + ". See \"gigawarp " + verb + "--help\".",
                  ErrorCode::usage);
    }
    if (app.get_subcommands().empty()) return gigawarp::app::open_desktop(desktop, argc, argv);
    std::cout.flush();
    if (!std::cout)
      return fail("The output could not be printed in full.", ErrorCode::output_not_written);
    return 0;
  } catch (const gigawarp::Error& error) {
    return fail(error.what(), error.code());
  } catch (const std::bad_alloc&) {
    return fail("There is not enough memory; close other programs or use a smaller job.",
                ErrorCode::does_not_fit);
  } catch (const std::exception& error) {
    return fail(std::string("An unexpected error occurred: ") + error.what() +
                    ". This is a defect of Gigawarp; please report it.",
                ErrorCode::internal);
  }
}
