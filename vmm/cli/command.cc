#include "vmm/cli/command.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "base/log.h"
#include "base/status.h"
#include "vmm/cli/command_list.h"
#include "vmm/cli/console_command.h"
#include "vmm/cli/control_command.h"
#include "vmm/cli/host_files.h"
#include "vmm/cli/missing_command.h"
#include "vmm/cli/snapshot_command.h"
#include "vmm/cli/version.h"
#include "vmm/cli/watch_command.h"
#include "vmm/config/command_line.h"
#include "vmm/config/config_schema.h"
#include "vmm/config/defaults.h"
#include "vmm/config/help.h"
#include "vmm/config/json_writer.h"
#include "vmm/config/refused_options.h"
#include "vmm/config/run_line.h"
#include "vmm/config/schema_check.h"
#include "vmm/config/text.h"
#include "vmm/config/validate.h"
#include "vmm/device/device_line.h"

namespace touchstone {
namespace {

// One call of a sub-command.
struct Call {
  const GlobalConfig& global;
  Arguments arguments;  // those after the sub-command's name
  const CommandContext& context;
};

ExitCode ExecuteRun(const Call& call);
ExitCode ExecuteVersion(const Call& call);
ExitCode ExecuteHelp(const Call& call);

const CommandInfo* FindCommand(absl::string_view name) {
  for (const CommandInfo& command : kCommandList) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

void PrintError(const CommandContext& context, absl::string_view message) {
  // One line, whatever a file's name has in it.
  std::string line(message);
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  context.err(absl::StrCat("touchstone: ", line, "\n"));
}

ExitCode RefuseArguments(const CommandContext& context, absl::string_view message) {
  PrintError(context, message);
  return ExitCode::kInvalidArguments;
}

std::vector<std::string> CommandNames() {
  std::vector<std::string> names;
  for (const CommandInfo& command : kCommandList) names.emplace_back(command.name);
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
  for (const CommandInfo& command : kCommandList) {
    absl::StrAppend(&help, Wrap(absl::StrCat(command.name, " ", command.operands), 2),
                    Wrap(command.help, 6));
  }
  return absl::StrCat(help, "\n", OptionsHelp({SchemaOf<GlobalConfig>()}));
}

// `arguments` are those after the sub-command's name.
std::string HelpOf(const CommandInfo& command, Arguments arguments) {
  if (command.name == "device") return DeviceHelp(arguments);
  if (command.name == "run") {
    return absl::StrCat("Usage: touchstone run <options> KERNEL\n\n",
                        OptionsHelp({SchemaOf<RunConfig>(), RefusedOptions::type()}));
  }
  if (!IsControlCommand(command.name) && command.name != "snapshot" && command.name != "console") {
    return GlobalHelp();
  }
  return absl::StrCat("Usage: touchstone ", command.name, " ", command.operands, "\n\n",
                      Wrap(command.help, 2),
                      "\nVM_SOCKET is what --socket of the machine said, or the file in that "
                      "directory.\n");
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

// --dump-cfg: what files and command line say together, for --cfg.
absl::Status DumpConfig(const CommandContext& context, RunConfig config) {
  const std::string path = config.dump_cfg();
  config.clear_dump_cfg();
  const std::string json = WriteJson(config);
  if (path != "-") return Annotate(context.write_file(path, json), "--dump-cfg");
  context.out(json);
  return absl::OkStatus();
}

// The option of `run` or else the global one, unless --no-syslog. A machine without a system log
// shall run all the same.
void StartSystemLogOf(const Call& call, const RunConfig& config) {
  if (call.global.no_syslog() || (!config.has_syslog_tag() && !call.global.has_syslog_tag()))
    return;
  const std::string& tag = config.has_syslog_tag() ? config.syslog_tag() : call.global.syslog_tag();
  if (const absl::Status status = call.context.start_system_log(tag); !status.ok()) {
    LOG(kWarning, "log", "--syslog-tag: there is no system log: %s", status.message());
  }
}

ExitCode ExecuteRun(const Call& call) {
  absl::StatusOr<RunLine> line = ReadRunLine(call.arguments, call.context.read_file);
  if (!line.ok()) return RefuseArguments(call.context, line.status().message());
  RunConfig& config = line->config;
  if (config.has_log_level()) {
    if (absl::Status status = call.context.set_log_levels(config.log_level()); !status.ok()) {
      return RefuseArguments(call.context, absl::StrCat("--log-level: ", status.message()));
    }
  }
  StartSystemLogOf(call, config);
  for (const std::string& warning : line->warnings) LOG(kWarning, "config", "%s", warning);
  if (config.has_dump_cfg()) {
    if (absl::Status status = DumpConfig(call.context, config); !status.ok()) {
      PrintError(call.context, status.message());
      return ExitCode::kError;
    }
  }
  std::vector<std::string> errors = std::move(line->refused);
  const std::vector<std::string> invalid = Validate(config, ReadHostLimits(config));
  errors.insert(errors.end(), invalid.begin(), invalid.end());
  for (const std::string& error : errors) PrintError(call.context, error);
  if (!errors.empty()) return ExitCode::kError;
  ApplyDefaults(config);
  const absl::StatusOr<ExitCode> code = call.context.run(config);
  if (!code.ok()) {
    // The machine stops at the first file that it cannot open; several are told together.
    const std::vector<std::string> files = CheckHostFiles(config);
    if (files.size() < 2) PrintError(call.context, code.status().message());
    for (const std::string& file : files) {
      if (files.size() >= 2) PrintError(call.context, file);
    }
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
  const absl::string_view name = call.arguments[0];
  if (const CommandInfo* command = FindCommand(name); command != nullptr) {
    call.context.out(HelpOf(*command, {}));
    return ExitCode::kOk;
  }
  const std::vector<const Descriptor*> types = {SchemaOf<RunConfig>(), RefusedOptions::type(),
                                                SchemaOf<GlobalConfig>()};
  const std::string option = OptionHelp(types, name);
  if (option.empty()) {
    std::vector<std::string> names = OptionNames(types);
    for (const std::string& command : CommandNames()) names.push_back(command);
    const absl::string_view bare = name.substr(std::min(name.find_first_not_of('-'), name.size()));
    return RefuseArguments(call.context, absl::StrCat("there is no sub-command or option ",
                                                      Quote(name), DidYouMean(bare, names)));
  }
  call.context.out(option);
  return ExitCode::kOk;
}

// crosvm.md 3.1.
ExitCode ExecuteDevice(const Call& call) {
  const absl::StatusOr<std::vector<DeviceLine>> lines = ParseDeviceLines(call.arguments);
  if (!lines.ok()) {
    return RefuseArguments(call.context, absl::StrCat("device: ", lines.status().message()));
  }
  const absl::Status status = call.context.run_devices(*lines);
  if (status.ok()) return ExitCode::kOk;
  PrintError(call.context, absl::StrCat("device: ", status.message()));
  return ExitCode::kError;
}

// crosvm.md 2.1.
ExitCode ExecuteControl(absl::string_view name, const Call& call) {
  const absl::StatusOr<ControlCall> parsed = ParseControlCommand(name, call.arguments);
  if (!parsed.ok()) {
    return RefuseArguments(call.context, absl::StrCat(name, ": ", parsed.status().message()));
  }
  const absl::StatusOr<ControlResponse> response =
      call.context.send_control(parsed->socket, parsed->request);
  if (!response.ok()) {
    PrintError(call.context, response.status().message());
    return ExitCode::kError;
  }
  const std::string output = ControlOutput(parsed->request, *response);
  if (!output.empty()) call.context.out(output);
  if (response->error() == 0) return ExitCode::kOk;
  PrintError(call.context, absl::StrCat(name, ": ", response->text()));
  return ExitCode::kError;
}

// crosvm.md 2.2: PATH is a new folder.
ExitCode ExecuteSnapshot(const Call& call) {
  const absl::StatusOr<SnapshotLine> line = ParseSnapshotLine(call.arguments);
  if (!line.ok()) {
    const std::string message = absl::StrCat("snapshot: ", line.status().message());
    if (!absl::IsUnimplemented(line.status())) return RefuseArguments(call.context, message);
    PrintError(call.context, message);
    return ExitCode::kError;
  }
  if (line->check) {
    const absl::StatusOr<std::string> table = CheckSnapshot(line->order.path);
    if (!table.ok()) {
      PrintError(call.context, absl::StrCat("snapshot: ", table.status().message()));
      return ExitCode::kError;
    }
    call.context.out(*table);
    return ExitCode::kOk;
  }
  const bool shows = call.context.terminal != nullptr;
  const absl::StatusOr<ControlResponse> response =
      call.context.take_snapshot(line->order, [&](const ControlResponse& progress) {
        if (shows) call.context.terminal(ShowProgress(progress));
      });
  if (shows) call.context.terminal(kEndProgress);
  if (!response.ok()) {
    PrintError(call.context, absl::StrCat("snapshot: ", response.status().message()));
    return ExitCode::kError;
  }
  const std::string output = ControlOutput({}, *response);
  if (!output.empty()) call.context.out(output);
  if (response->error() == 0) return ExitCode::kOk;
  PrintError(call.context, absl::StrCat("snapshot: ", response->text()));
  return ExitCode::kError;
}

ExitCode ExecuteConsole(const Call& call) {
  const absl::StatusOr<ConsoleLine> line = ParseConsoleLine(call.arguments);
  if (!line.ok()) {
    return RefuseArguments(call.context, absl::StrCat("console: ", line.status().message()));
  }
  if (const absl::Status status = RunConsole(*line, call.context.err); !status.ok()) {
    PrintError(call.context, status.message());
    return ExitCode::kError;
  }
  return ExitCode::kOk;
}

ExitCode ExecuteStatus(const Call& call) {
  // Long enough to count, short enough to wait for.
  constexpr absl::Duration kInterval = absl::Milliseconds(500);
  const absl::StatusOr<StatusLine> line = ParseStatusLine(call.arguments);
  if (!line.ok()) {
    return RefuseArguments(call.context, absl::StrCat("status: ", line.status().message()));
  }
  const absl::StatusOr<std::string> text = ShowStatus(*line, kInterval);
  if (!text.ok()) {
    PrintError(call.context, text.status().message());
    return ExitCode::kError;
  }
  call.context.out(*text);
  return ExitCode::kOk;
}

ExitCode ExecuteList(const Call& call) {
  const absl::StatusOr<std::string> folder = ParseListLine(call.arguments);
  if (!folder.ok()) {
    return RefuseArguments(call.context, absl::StrCat("list: ", folder.status().message()));
  }
  const absl::StatusOr<MachineList> list = ListMachines(*folder);
  if (!list.ok()) {
    PrintError(call.context, absl::StrCat("list: ", list.status().message()));
    return ExitCode::kError;
  }
  if (!list->text.empty()) call.context.out(list->text);
  for (const std::string& silent : list->silent) PrintError(call.context, silent);
  return ExitCode::kOk;
}

ExitCode ExecuteCommand(absl::string_view name, const Call& call) {
  if (name == "run") return ExecuteRun(call);
  if (name == "device") return ExecuteDevice(call);
  if (name == "version") return ExecuteVersion(call);
  if (name == "help") return ExecuteHelp(call);
  if (name == "console") return ExecuteConsole(call);
  if (name == "snapshot") return ExecuteSnapshot(call);
  if (name == "status") return ExecuteStatus(call);
  if (name == "list") return ExecuteList(call);
  return ExecuteControl(name, call);
}

// What crosvm has and help does not name. `call.arguments` begin with the name.
ExitCode ExecuteUnlisted(const Call& call) {
  const absl::string_view name = call.arguments[0];
  if (IsControlCommand(name)) {
    return ExecuteControl(name, {call.global, call.arguments.subspan(1), call.context});
  }
  const absl::optional<std::string> why = WhyMissing(call.arguments);
  if (!why.has_value()) return RefuseCommand(call.context, name);
  PrintError(call.context, *why);
  return ExitCode::kError;
}

ExitCode Execute(Arguments arguments, const CommandContext& context) {
  GlobalConfig global;
  const absl::StatusOr<size_t> read = ParseLeadingOptions(arguments, global);
  const size_t operand = read.ok() ? *read : arguments.size();
  const CommandInfo* command =
      operand < arguments.size() ? FindCommand(arguments[operand]) : nullptr;
  if (AsksForHelp(arguments)) {
    context.out(command == nullptr ? GlobalHelp()
                                   : HelpOf(*command, arguments.subspan(operand + 1)));
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
  if (command == nullptr) return ExecuteUnlisted({global, arguments.subspan(operand), context});
  return ExecuteCommand(command->name, {global, arguments.subspan(operand + 1), context});
}

}  // namespace

int Main(absl::Span<const absl::string_view> arguments, const CommandContext& context) {
  return static_cast<int>(Execute(arguments, context));
}

}  // namespace touchstone
