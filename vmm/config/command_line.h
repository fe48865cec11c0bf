// Arguments into a configuration message by its schema (crosvm.md 1.1).
//
//   --name VALUE   --name=VALUE   -n VALUE   -n=VALUE   --switch   OPERAND   --   (only operands
//   follow)
//
// An argument that begins with "-" and is longer is an option, and is split at its first "=". An
// option takes the next argument as its value, whatever that is. A value is read as the field's
// type says: a plain value, or for a message the key=value language. Repeated fields are options
// that may be given again; any other given twice is an error. Older options stand for others
// (OlderOption), with a warning.

#ifndef TOUCHSTONE_VMM_CONFIG_COMMAND_LINE_H_
#define TOUCHSTONE_VMM_CONFIG_COMMAND_LINE_H_

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "devices/module/dynamic_message.h"
#include "vmm/config/refused_options.h"

namespace touchstone {

using Arguments = absl::Span<const absl::string_view>;

// True when -h or --help stands anywhere before "--". Asked before parsing, so that help is given
// for a wrong line too.
bool AsksForHelp(Arguments arguments);

struct CommandLineSettings {
  // Gets a line for each older option, if there is one.
  std::vector<std::string>* warnings = nullptr;
  // Gets the options that are known but not in the configuration, if there is one; without it they
  // are unknown.
  RefusedOptions* refused = nullptr;
  // Called when an option and its value are in the configuration; an error is one of that option.
  std::function<absl::Status(const FieldDescriptor& option)> after_option;
};

// Reads all arguments into `config`. Errors are one line naming the option, the key and text at
// fault, and what is accepted. After an error the content of `config` is unspecified.
absl::Status ParseCommandLine(Arguments arguments, DynamicMessage& config,
                              const CommandLineSettings& settings = {});

// Reads options up to the first operand, a sub-command, and returns its index (arguments.size()
// when there is none).
absl::StatusOr<size_t> ParseLeadingOptions(Arguments arguments, DynamicMessage& config);

// The same for messages that have a class (dynamic_message.h).
template <typename Proto>
absl::Status ParseCommandLine(Arguments arguments, Proto& config,
                              const CommandLineSettings& settings = {}) {
  return EditAsTree(
      config, [&](DynamicMessage& tree) { return ParseCommandLine(arguments, tree, settings); });
}
template <typename Proto>
absl::StatusOr<size_t> ParseLeadingOptions(Arguments arguments, Proto& config) {
  return EditAsTree(config,
                    [&](DynamicMessage& tree) { return ParseLeadingOptions(arguments, tree); });
}

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_COMMAND_LINE_H_
