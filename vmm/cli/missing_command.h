// The sub-commands of crosvm's (crosvm.md 2.2) that this program does not have, and why: whoever
// calls one from a script is told so.

#ifndef TOUCHSTONE_VMM_CLI_MISSING_COMMAND_H_
#define TOUCHSTONE_VMM_CLI_MISSING_COMMAND_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"

namespace touchstone {

struct MissingCommand {
  absl::string_view name;
  absl::string_view command;  // The word after it; empty where there is none.
  absl::string_view why;
};

absl::Span<const MissingCommand> MissingCommands();

// What to say of a command line, which begins with the name; none for names that are not crosvm's.
// A word after the name that crosvm does not know either is named with those that it does.
absl::optional<std::string> WhyMissing(absl::Span<const absl::string_view> line);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CLI_MISSING_COMMAND_H_
