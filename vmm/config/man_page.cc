#include "vmm/config/man_page.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace touchstone {
namespace {

// Text that is no macro: man(7) takes a leading dot or quote and every backslash for its own.
std::string Escape(absl::string_view text) {
  const std::string escaped = absl::StrReplaceAll(text, {{"\\", "\\e"}, {"-", "\\-"}});
  const bool is_macro = absl::StartsWith(escaped, ".") || absl::StartsWith(escaped, "'");
  return absl::StrCat(is_macro ? "\\&" : "", escaped);
}

// Help as --help prints it: what is explained at the left, its explanation indented.
void AppendOptions(absl::string_view help, std::string& out) {
  for (const absl::string_view line : absl::StrSplit(help, '\n')) {
    const size_t indent = line.find_first_not_of(' ');
    if (indent == absl::string_view::npos) continue;
    const std::string text = Escape(line.substr(indent));
    if (indent == 0) {
      absl::StrAppend(&out, ".SS ", text.substr(0, text.size() - 1), "\n");
    } else if (indent == 2) {
      absl::StrAppend(&out, ".PP\n.B ", text, "\n");
    } else {
      // Lines as they are: they fit 80 columns.
      absl::StrAppend(&out, ".br\n", std::string(indent - 2, ' '), text, "\n");
    }
  }
}

}  // namespace

std::string ManPage(OptionTypes global, OptionTypes run,
                    const std::vector<CompletedCommand>& commands) {
  std::string out =
      ".TH TOUCHSTONE 1\n.SH NAME\ntouchstone \\- run virtual machines on Linux/KVM\n"
      ".SH SYNOPSIS\n.B touchstone\n[\\-\\-extended\\-status] [\\-\\-log\\-level SPEC] COMMAND "
      "...\n.br\n.B touchstone run\nOPTION... KERNEL\n.SH COMMANDS\n";
  for (const CompletedCommand& command : commands) {
    absl::StrAppend(&out, ".TP\n.B ", Escape(command.name), "\n", Escape(command.help), "\n");
  }
  absl::StrAppend(&out, ".SH OPTIONS BEFORE THE COMMAND\n");
  AppendOptions(OptionsHelp(global), out);
  absl::StrAppend(&out, ".SH OPTIONS OF RUN\n");
  AppendOptions(OptionsHelp(run), out);
  absl::StrAppend(
      &out,
      ".SH FILES\nA file given with \\-\\-cfg is a JSON object, whose keys are the names of "
      "options, or a text proto.\n.SH EXIT STATUS\n0 after the guest powered off, 1 for an error, "
      "35 for a wrong command line; with \\-\\-extended\\-status 32 after a reset, 33 after a "
      "crash, 34 after a panic of the guest.\n");
  return out;
}

}  // namespace touchstone
