#include <sstream>

#include "app/program_tree.h"

namespace gigawarp::app {

namespace {

/// Text as man(7) wants it: backslashes and hyphens kept, no line taken for a request.
std::string roff(const std::string& text) {
  std::string out;
  bool line_begins = true;
  for (const char c : text) {
    if (line_begins && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
    line_begins = c == '\n';
  }
  return out;
}

std::string option_head(const OptionInfo& option) {
  std::string out;
  if (!option.positional)
    for (const std::string& name : option.names)
      out += (out.empty() ? "\\fB" : ", \\fB") + roff(name) + "\\fR";
  const std::string value = option.positional ? option.names.front() : option.value;
  if (!value.empty()) out += (out.empty() ? "\\fI" : " \\fI") + roff(value) + "\\fR";
  if (option.most_values == OptionInfo::kMany)
    out += " ...";
  else
    for (int i = 1; i < option.most_values; ++i) out += " \\fI" + roff(value) + "\\fR";
  return out;
}

void write_verb(const VerbInfo& verb, std::ostream& out) {
  out << ".SS gigawarp " << roff(verb.name) << "\n" << roff(verb.help) << ".\n";
  for (const OptionInfo& option : verb.options) {
    out << ".TP\n" << option_head(option) << "\n" << roff(option.help);
    out << (option.required ? " (required).\n" : ".\n");
  }
  if (!verb.example.empty())
    out << ".PP\nExample:\n.PP\n.nf\n.RS\n" << roff(verb.example) << "\n.RE\n.fi\n";
}

constexpr const char* kConventions = R"(.SH CONVENTIONS
World coordinates are LPS millimetres, as in ITK and DICOM.
Transforms map points of the fixed image to points of the moving image.
The results of \fBregister\fR have the names and the meaning that ANTs gives them:
\fI0GenericAffine.mat\fR, \fI1Warp.nii.gz\fR, \fI1InverseWarp.nii.gz\fR.
Results appear only complete, and do not depend on the number of threads.
.PP
Ctrl-C or SIGTERM ends a verb without leaving half a file; \fBregister\fR keeps a checkpoint, which
\fB\-\-resume\fR continues.
A second Ctrl-C ends it at once.
)";

}  // namespace

std::string manual_page(const ProgramInfo& program) {
  std::ostringstream out;
  out << ".\\\" Written by the program itself: gigawarp document man\n"
      << ".TH GIGAWARP 1 \"\" \"" << roff(program.version) << "\" \"User Commands\"\n"
      << ".SH NAME\ngigawarp \\- register volume images\n"
      << ".SH SYNOPSIS\n.B gigawarp\n\\fIVERB\\fR [\\fIOPTION\\fR...]\n.br\n"
      << ".B gigawarp\n\\fIVERB\\fR \\fB\\-\\-help\\fR\n.br\n"
      << ".B gigawarp\n[\\fIFILE\\fR...]\n"
      << ".SH DESCRIPTION\n"
      << roff(program.help)
      << "\nWithout a verb the window opens, with the files that are given: a fixed and a moving "
         "image, a\n"
         "folder of results or a session.\n.SH VERBS\n";
  for (const VerbInfo& verb : program.verbs) write_verb(verb, out);
  out << kConventions << ".SH EXIT STATUS\n.nf\n" << roff(program.footer) << ".fi\n";
  return out.str();
}

}  // namespace gigawarp::app
