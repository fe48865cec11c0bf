#include "vmm/cli/control_command.h"

#include <string.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "vmm/config/text.h"

namespace touchstone {
namespace {

using Operands = absl::Span<const absl::string_view>;

struct Syntax {
  absl::string_view name;
  ControlRequest::Command command;
  // Names of the operands before the socket, for messages.
  std::vector<absl::string_view> operands;
  // A switch that sets a flag of the request; empty for none.
  absl::string_view flag;
  void (*set_flag)(ControlRequest& request);
  absl::Status (*read_operands)(Operands operands, ControlRequest& request);
};

absl::StatusOr<uint64_t> ReadNumber(absl::string_view name, absl::string_view text, uint64_t max) {
  uint64_t number = 0;
  if (!absl::SimpleAtoi(text, &number) || number > max) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": ", Quote(text), " is not a number from 0 to ", max));
  }
  return number;
}

void SetFull(ControlRequest& request) { request.set_full(true); }

void SetWait(ControlRequest& request) { request.set_wait(true); }

absl::Status ReadSize(Operands operands, ControlRequest& request) {
  const absl::StatusOr<uint64_t> size = ReadNumber("SIZE", operands[0], UINT64_MAX);
  if (size.ok()) request.set_size(*size);
  return size.status();
}

absl::Status ReadGpe(Operands operands, ControlRequest& request) {
  const absl::StatusOr<uint64_t> number = ReadNumber("GPE", operands[0], 255);
  if (number.ok()) request.set_number(static_cast<uint32_t>(*number));
  return number.status();
}

absl::Status ReadResize(Operands operands, ControlRequest& request) {
  if (operands[0] != "resize") {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown command ", Quote(operands[0]), ", the only one is resize"));
  }
  const absl::StatusOr<uint64_t> index = ReadNumber("INDEX", operands[1], UINT32_MAX);
  if (!index.ok()) return index.status();
  request.set_number(static_cast<uint32_t>(*index));
  return ReadSize(operands.subspan(2), request);
}

const std::vector<Syntax>& AllSyntax() {
  static const auto& all = *new std::vector<Syntax>{
      {"stop", ControlRequest::STOP, {}, "", nullptr, nullptr},
      {"suspend", ControlRequest::SUSPEND, {}, "--full", SetFull, nullptr},
      {"resume", ControlRequest::RESUME, {}, "--full", SetFull, nullptr},
      {"powerbtn", ControlRequest::POWER_BUTTON, {}, "", nullptr, nullptr},
      {"sleepbtn", ControlRequest::SLEEP_BUTTON, {}, "", nullptr, nullptr},
      {"gpe", ControlRequest::GPE, {"GPE"}, "", nullptr, ReadGpe},
      {"make_rt", ControlRequest::MAKE_REALTIME, {}, "", nullptr, nullptr},
      {"balloon", ControlRequest::BALLOON, {"SIZE"}, "--wait", SetWait, ReadSize},
      {"balloon_stats", ControlRequest::BALLOON_STATISTICS, {}, "", nullptr, nullptr},
      {"balloon_ws", ControlRequest::BALLOON_WORKING_SET, {}, "", nullptr, nullptr},
      {"disk", ControlRequest::DISK_RESIZE, {"resize", "INDEX", "SIZE"}, "", nullptr, ReadResize},
  };
  return all;
}

const Syntax* FindSyntax(absl::string_view name) {
  const std::vector<Syntax>& all = AllSyntax();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Syntax& s) { return s.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace

bool IsControlCommand(absl::string_view name) { return FindSyntax(name) != nullptr; }

absl::StatusOr<ControlCall> ParseControlCommand(absl::string_view name, Operands arguments) {
  const Syntax& syntax = *FindSyntax(name);
  ControlCall call;
  call.request.set_command(syntax.command);
  std::vector<absl::string_view> operands;
  bool options = true;
  for (const absl::string_view argument : arguments) {
    if (!options || argument == "-" || !absl::StartsWith(argument, "-")) {
      operands.push_back(argument);
    } else if (argument == "--") {
      options = false;
    } else if (!syntax.flag.empty() && argument == syntax.flag) {
      syntax.set_flag(call.request);
    } else {
      return absl::InvalidArgumentError(absl::StrCat("unknown option ", Quote(argument)));
    }
  }
  const size_t wanted = syntax.operands.size() + 1;
  if (operands.size() > wanted) {
    return absl::InvalidArgumentError(
        absl::StrCat("unexpected argument ", Quote(operands[wanted])));
  }
  if (operands.size() < wanted) {
    const bool socket = operands.size() == syntax.operands.size();
    return absl::InvalidArgumentError(
        absl::StrCat(socket ? "VM_SOCKET" : syntax.operands[operands.size()],
                     " is missing; the socket of the machine comes last"));
  }
  call.socket = std::string(operands.back());
  operands.pop_back();
  if (syntax.read_operands != nullptr) {
    if (absl::Status status = syntax.read_operands(operands, call.request); !status.ok()) {
      return status;
    }
  }
  return call;
}

std::string ControlOutput(const ControlRequest& request, const ControlResponse& response) {
  if (response.error() == 0) return response.text();
  if (request.command() == ControlRequest::BALLOON_STATISTICS ||
      request.command() == ControlRequest::BALLOON_WORKING_SET) {
    return absl::StrCat("{\n  \"Err\": ", response.error(), "\n}\n");
  }
  return absl::StrCat("unexpected response: error: ", strerror(response.error()), "\n");
}

}  // namespace touchstone
