#include "integration/testing/vm.h"

#include <signal.h>

#include <optional>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "base/status.h"
#include "re2/re2.h"

namespace touchstone {
namespace {

constexpr absl::Duration kSendTimeout = absl::Seconds(30);
// How often an answer that came mangled is asked for again.
constexpr int kMaxRepeats = 5;
// Errors carry the end of the console from here on.
constexpr size_t kMaxConsoleInError = 32768;

absl::string_view Tail(absl::string_view text) {
  return text.size() > kMaxConsoleInError ? text.substr(text.size() - kMaxConsoleInError) : text;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Vm>> Vm::Start(std::vector<std::string> arguments,
                                              ChildProcess::Streams streams) {
  ASSIGN_OR_RETURN(std::unique_ptr<ChildProcess> child,
                   ChildProcess::Start(std::move(arguments), streams));
  return absl::WrapUnique(new Vm(std::move(child)));
}

absl::StatusOr<std::string> Vm::Expect(absl::string_view pattern, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  RE2::Options options;
  options.set_log_errors(false);
  const RE2 expression(absl::StrCat("(?m)", std::string(pattern)), options);
  if (!expression.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(std::string(pattern), ": ", expression.error()));
  }
  re2::StringPiece groups[2];
  const int group_count = expression.NumberOfCapturingGroups() > 0 ? 2 : 1;
  const std::string what = absl::StrFormat("`%s` on the console", pattern);
  while (true) {
    const re2::StringPiece text(console());
    if (expression.Match(text, taken_, text.size(), RE2::UNANCHORED, groups, group_count)) {
      taken_ = static_cast<size_t>(groups[0].data() + groups[0].size() - text.data());
      return std::string(groups[group_count - 1]);
    }
    RETURN_IF_ERROR(AwaitMore(deadline, what));
  }
}

absl::Status Vm::Send(absl::string_view text) {
  return Explained(child_->Write(text, kSendTimeout));
}

absl::StatusOr<std::string> Vm::AwaitReady(absl::Duration timeout) {
  return Expect(absl::StrFormat(R"(^#ready %d (\S+)\r?\n)", kGuestProtocolVersion), timeout);
}

absl::StatusOr<CommandResult> Vm::Run(absl::string_view command, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  const std::string what = absl::StrFormat("the end of `%s`", command);
  GuestCommand guest_command(++last_id_, command);
  RETURN_IF_ERROR(Send(guest_command.Request()));
  for (int repeats = 0; repeats <= kMaxRepeats;) {
    ASSIGN_OR_RETURN(const absl::string_view line, NextLine(deadline, what));
    switch (guest_command.Feed(line)) {
      case GuestCommand::Progress::kWaiting:
        break;
      case GuestCommand::Progress::kDone:
        return guest_command.result();
      case GuestCommand::Progress::kMangled:
        ++repeats;
        RETURN_IF_ERROR(Send(guest_command.Again()));
        break;
    }
  }
  return Explained(
      absl::DataLossError(absl::StrFormat("the answer to `%s` came mangled", command)));
}

absl::Status Vm::RunWithoutAnswer(absl::string_view command) {
  return Send(GuestCommand(++last_id_, command).Request());
}

absl::StatusOr<int> Vm::Stop(absl::Duration timeout) {
  child_->Signal(SIGTERM);
  return Wait(timeout);
}

void Vm::Kill() { child_->Signal(SIGKILL); }

absl::StatusOr<int> Vm::Wait(absl::Duration timeout) {
  absl::StatusOr<int> status = child_->Wait(timeout);
  if (!status.ok()) return Explained(status.status());
  return status;
}

absl::Status Vm::AwaitMore(absl::Time deadline, absl::string_view what) {
  const size_t before = console().size();
  // The deadline holds for a console that never falls silent too.
  do {
    const std::optional<int> status = child_->Poll();
    if (!status.has_value() && absl::Now() >= deadline) {
      return Explained(absl::DeadlineExceededError(absl::StrCat("waited in vain for ", what)));
    }
    child_->Pump(deadline - absl::Now());
    if (console().size() == before && status.has_value()) {
      return Explained(absl::UnavailableError(
          absl::StrFormat("the program ended with status %d before %s", *status, what)));
    }
    if (console().size() == before && child_->output_ended()) absl::SleepFor(absl::Milliseconds(1));
  } while (console().size() == before);
  return absl::OkStatus();
}

absl::StatusOr<absl::string_view> Vm::NextLine(absl::Time deadline, absl::string_view what) {
  size_t end = console().find('\n', taken_);
  while (end == std::string::npos) {
    RETURN_IF_ERROR(AwaitMore(deadline, what));
    end = console().find('\n', taken_);
  }
  const absl::string_view line = absl::string_view(console()).substr(taken_, end - taken_);
  taken_ = end + 1;
  return line;
}

absl::Status Vm::Explained(const absl::Status& status) const {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat(status.message(), "\n--- standard error:\n", Tail(errors()),
                                   "\n--- console:\n", Tail(console()), "\n---"));
}

}  // namespace touchstone
