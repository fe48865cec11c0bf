#include "vmm/cli/command.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/log.h"
#include "vmm/cli/version.h"
#include "vmm/config/command_line.h"
#include "vmm/config/defaults.h"
#include "vmm/config/help.h"
#include "vmm/config/schema_check.h"
#include "vmm/config/text.h"
#include "vmm/config/validate.h"

namespace touchstone {
namespace {

// One call of a sub-command.
struct Call {
  const GlobalConfig& global;
  Arguments arguments;  // those after the sub-command's name
  const CommandContext& context;
};

struct Command {
  absl::string_view name;
  absl::string_view help;
  ExitCode (*execute)(const Call& call);
  std::string (*help_text)();
};

ExitCode ExecuteRun(const Call& call);
ExitCode ExecuteVersion(const Call& call);
ExitCode ExecuteHelp(const Call& call);
std::string RunHelp();
std::string GlobalHelp();

constexpr Command kCommands[] = {
    {"run", "build a virtual machine and run its kernel", ExecuteRun, RunHelp},
    {"version", "print the version", ExecuteVersion, GlobalHelp},
    {"help", "explain a sub-command: help run", ExecuteHelp, GlobalHelp},
};

const Command* FindCommand(absl::string_view name) {
  for (const Command& command : kCommands) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

void PrintError(const CommandContext& context, absl::string_view message) {
  context.err(absl::StrCat("touchstone: ", message, "\n"));
}

ExitCode RefuseArguments(const CommandContext& context, absl::string_view message) {
  PrintError(context, message);
  return ExitCode::kInvalidArguments;
}

std::vector<std::string> CommandNames() {
  std::vector<std::string> names;
  for (const Command& command : kCommands) names.emplace_back(command.name);
  return names;
}

ExitCode RefuseCommand(const CommandContext& context, absl::string_view name) {
  const std::vector<std::string> names = CommandNames();
  return RefuseArguments(
      context, absl::StrCat("unknown sub-command ", Quote(name), ", the sub-commands are ",
                            absl::StrJoin(names, ", "), DidYouMean(name, names)));
}

std::string GlobalHelp() {
  std::string help =
      "Usage: touchstone [--extended-status] [--log-level SPEC] COMMAND ...\n\nCommands:\n";
  for (const Command& command : kCommands) {
    absl::StrAppend(&help, Wrap(command.name, 2), Wrap(command.help, 6));
  }
  return absl::StrCat(help, "\n", OptionsHelp(GlobalConfig::descriptor()));
}

std::string RunHelp() {
  return absl::StrCat("Usage: touchstone run <options> KERNEL\n\n",
                      OptionsHelp(RunConfig::descriptor()));
}

// crosvm.md 2.3: how the guest ended is told only to those who ask.
ExitCode WithoutExtendedStatus(ExitCode code) {
  switch (code) {
    case ExitCode::kReset:
    case ExitCode::kCrash:
    case ExitCode::kPanic:
      return ExitCode::kOk;
    default:
      return code;
  }
}

ExitCode ExecuteRun(const Call& call) {
  RunConfig config;
  std::vector<std::string> warnings;
  if (absl::Status status = ParseCommandLine(call.arguments, config, &warnings); !status.ok()) {
    return RefuseArguments(call.context, status.message());
  }
  if (config.has_log_level()) {
    if (absl::Status status = call.context.set_log_levels(config.log_level()); !status.ok()) {
      return RefuseArguments(call.context, absl::StrCat("--log-level: ", status.message()));
    }
  }
  for (const std::string& warning : warnings) LOG(kWarning, "config", "%s", warning);
  const std::vector<std::string> errors = Validate(config, ReadHostLimits());
  for (const std::string& error : errors) PrintError(call.context, error);
  if (!errors.empty()) return ExitCode::kError;
  ApplyDefaults(config);
  const absl::StatusOr<ExitCode> code = call.context.run(config);
  if (!code.ok()) {
    PrintError(call.context, code.status().message());
    return ExitCode::kError;
  }
  return call.global.extended_status() ? *code : WithoutExtendedStatus(*code);
}

ExitCode ExecuteVersion(const Call& call) {
  if (!call.arguments.empty()) {
    return RefuseArguments(call.context,
                           absl::StrCat("unexpected argument ", Quote(call.arguments[0])));
  }
  call.context.out(kVersionLine);
  return ExitCode::kOk;
}

ExitCode ExecuteHelp(const Call& call) {
  if (call.arguments.size() > 1) {
    return RefuseArguments(call.context,
                           absl::StrCat("unexpected argument ", Quote(call.arguments[1])));
  }
  if (call.arguments.empty()) {
    call.context.out(GlobalHelp());
    return ExitCode::kOk;
  }
  const Command* command = FindCommand(call.arguments[0]);
  if (command == nullptr) return RefuseCommand(call.context, call.arguments[0]);
  call.context.out(command->help_text());
  return ExitCode::kOk;
}

ExitCode Execute(Arguments arguments, const CommandContext& context) {
  GlobalConfig global;
  const absl::StatusOr<size_t> read = ParseLeadingOptions(arguments, global);
  const size_t operand = read.ok() ? *read : arguments.size();
  const Command* command = operand < arguments.size() ? FindCommand(arguments[operand]) : nullptr;
  if (AsksForHelp(arguments)) {
    context.out(command == nullptr ? GlobalHelp() : command->help_text());
    return ExitCode::kOk;
  }
  if (!read.ok()) return RefuseArguments(context, read.status().message());
  std::vector<std::string> errors;
  CheckSchema(global, errors);
  for (const std::string& error : errors) PrintError(context, error);
  if (!errors.empty()) return ExitCode::kError;
  if (global.has_log_level()) {
    if (absl::Status status = context.set_log_levels(global.log_level()); !status.ok()) {
      return RefuseArguments(context, absl::StrCat("--log-level: ", status.message()));
    }
  }
  if (global.version()) return ExecuteVersion({global, {}, context});
  if (operand == arguments.size()) {
    return RefuseArguments(context,
                           absl::StrCat("a sub-command is missing, one of ",
                                        absl::StrJoin(CommandNames(), ", "), "; --help explains"));
  }
  if (command == nullptr) return RefuseCommand(context, arguments[operand]);
  return command->execute({global, arguments.subspan(operand + 1), context});
}

}  // namespace

int Main(absl::Span<const absl::string_view> arguments, const CommandContext& context) {
  return static_cast<int>(Execute(arguments, context));
}

}  // namespace touchstone
