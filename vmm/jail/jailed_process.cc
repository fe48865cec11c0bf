#include "vmm/jail/jailed_process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/status.h"
#include "vmm/jail/jail_report.h"
#include "vmm/jail/syscall_names.h"

namespace touchstone {
namespace {

struct Received {
  std::optional<JailReport> report;
  bool hung_up = false;
};

// The next report, if one is there.
Received Receive(int fd) {
  JailReport report;
  const ssize_t size = recv(fd, &report, sizeof(report), MSG_DONTWAIT);
  if (size != sizeof(report)) return {.hung_up = size == 0};
  report.step[sizeof(report.step) - 1] = '\0';
  return {.report = report};
}

absl::Status StepFailed(const std::string& name, const JailReport& report) {
  return absl::FailedPreconditionError(
      absl::StrCat("the jail of ", name, ": ", report.step, ": ", strerror(report.number),
                   "; --disable-sandbox runs devices inside the main process"));
}

}  // namespace

JailedProcess::JailedProcess(std::string name, ScopedFd pidfd, ScopedFd reports)
    : name_(std::move(name)), pidfd_(std::move(pidfd)), reports_(std::move(reports)) {}

JailedProcess::JailedProcess(std::string name, FdSocket keeper, ScopedFd reports)
    : name_(std::move(name)), keeper_(std::move(keeper)), reports_(std::move(reports)) {}

JailedProcess::JailedProcess(JailedProcess&& other) noexcept
    : name_(std::move(other.name_)),
      pidfd_(std::move(other.pidfd_)),
      keeper_(std::move(other.keeper_)),
      reports_(std::move(other.reports_)),
      violation_(other.violation_),
      ended_(std::exchange(other.ended_, true)),
      end_(std::move(other.end_)) {}

JailedProcess::~JailedProcess() {
  if (ended_) return;
  Kill();
  AwaitEnd().IgnoreError();
}

absl::Status JailedProcess::AwaitConfined(absl::Duration timeout) {
  return Await(JailReport::Kind::kConfined, timeout);
}

absl::Status JailedProcess::AwaitServing(absl::Duration timeout) {
  return Await(JailReport::Kind::kServing, timeout);
}

absl::Status JailedProcess::Await(JailReport::Kind kind, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (true) {
    const Received received = Receive(reports_.get());
    if (received.report.has_value()) {
      if (received.report->kind == kind) return absl::OkStatus();
      if (received.report->kind == JailReport::Kind::kViolation) {
        violation_ = received.report->number;
      }
      if (received.report->kind != JailReport::Kind::kFailed) continue;
      return StepFailed(name_, *received.report);
    }
    if (received.hung_up) {
      Kill();
      absl::Status end = AwaitEnd();
      // It was not even started, or died of its policy.
      if (absl::IsFailedPrecondition(end) || absl::IsPermissionDenied(end)) return end;
      return absl::AbortedError(absl::StrCat(
          "the jail of ", name_, " was not set up: ", end.ok() ? "it ended" : end.message()));
    }
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) {
      return absl::DeadlineExceededError(
          absl::StrCat("the jail of ", name_, " was not ready in ", absl::FormatDuration(timeout)));
    }
    pollfd wait = {.fd = reports_.get(), .events = POLLIN};
    poll(&wait, 1, static_cast<int>(std::min<int64_t>(absl::ToInt64Milliseconds(left) + 1, 10000)));
  }
}

absl::StatusOr<ChildEnd> JailedProcess::Wait() const {
  if (!keeper_.valid()) return WaitForChild(pidfd_.get());
  ChildEnd end;
  const absl::Span<uint8_t> bytes(reinterpret_cast<uint8_t*>(&end), sizeof(end));
  absl::StatusOr<size_t> size = keeper_.Receive(bytes);
  // A keeper that left a Kill() unread has reset the connection, after it said how the child ended.
  if (size.ok() && *size == 0) size = keeper_.Receive(bytes);
  if (!size.ok() || *size != sizeof(end)) {
    return absl::AbortedError("the process that keeps it is gone");
  }
  end.text[sizeof(end.text) - 1] = '\0';
  return end;
}

absl::Status JailedProcess::AwaitEnd() {
  if (ended_) return end_;
  const absl::StatusOr<ChildEnd> end = Wait();
  if (!end.ok()) return Annotate(end.status(), name_);
  ended_ = true;
  if (end->kind == ChildEnd::Kind::kNotStarted) {
    end_ = absl::FailedPreconditionError(end->text);
    return end_;
  }
  if (end->kind == ChildEnd::Kind::kExited) {
    if (end->value != 0) {
      end_ = absl::AbortedError(absl::StrCat(name_, " exited with status ", end->value));
    }
    return end_;
  }
  if (end->value != SIGSYS) {
    end_ = absl::AbortedError(absl::StrCat(name_, " was killed by signal ", end->value, " (",
                                           strsignal(end->value), ")"));
    return end_;
  }
  while (const std::optional<JailReport> report = Receive(reports_.get()).report) {
    if (report->kind == JailReport::Kind::kViolation) violation_ = report->number;
  }
  const std::string call =
      violation_.has_value()
          ? absl::StrCat("system call ", SyscallName(*violation_), " (", *violation_, ")")
          : "a system call";
  end_ = absl::PermissionDeniedError(
      absl::StrCat(name_, " was killed: its policy does not allow ", call));
  return end_;
}

void JailedProcess::Kill() {
  if (ended_) return;
  if (keeper_.valid()) {
    const uint8_t byte = 0;
    keeper_.Send({&byte, 1}).IgnoreError();  // Whose keeper is gone is dead.
  } else {
    // The child is not reaped yet, so its number is nobody else's.
    syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
  }
}

}  // namespace touchstone
