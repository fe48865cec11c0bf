// A virtual machine under test, driven over its console.
//
//   ASSIGN_OR_RETURN(std::unique_ptr<Vm> vm,
//                    Vm::Start({Runfile("vmm/touchstone"), "run", ...}));
//   RETURN_IF_ERROR(vm->AwaitReady(absl::Seconds(60)).status());
//   ASSIGN_OR_RETURN(CommandResult result, vm->Run("cat /proc/cpuinfo", absl::Seconds(10)));
//   ASSIGN_OR_RETURN(int status, vm->Stop(absl::Seconds(10)));
//
// Any program that has a guest's console as its standard streams will do, QEMU too. AwaitReady and
// Run need the test guest (//integration/images:test_initramfs), the others none in particular.
//
// Every error carries the console so far and what the program wrote to standard error. Time limits
// are the caller's: in the KVM lab a Linux guest boots in 5 to 10 s, and twice that on a busy
// machine.
//
// In the lab a byte on a serial console takes up to a millisecond: boot with `quiet`, and let
// commands say little.
//
// Thread-compatible. Nothing is read from the console between calls, so a guest that writes much
// waits there.

#ifndef TOUCHSTONE_INTEGRATION_TESTING_VM_H_
#define TOUCHSTONE_INTEGRATION_TESTING_VM_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "integration/testing/child_process.h"
#include "integration/testing/guest_command.h"

namespace touchstone {

class Vm {
 public:
  // Starts the program arguments[0].
  static absl::StatusOr<std::unique_ptr<Vm>> Start(
      std::vector<std::string> arguments,
      ChildProcess::Streams streams = ChildProcess::Streams::kPipes);

  // Waits until the RE2 `pattern` matches in what the console has said since the last match; `.`
  // does not match a newline, ^ and $ match at lines. Returns the first group, or all of the match
  // if there are no groups.
  absl::StatusOr<std::string> Expect(absl::string_view pattern, absl::Duration timeout);

  // Types `text` on the console.
  absl::Status Send(absl::string_view text);

  // Sets the size of the terminal that it was started with.
  absl::Status Resize(int columns, int rows) { return child_->Resize(columns, rows); }

  // Waits for the test guest; returns its kernel's release.
  absl::StatusOr<std::string> AwaitReady(absl::Duration timeout);

  // Runs a command in the test guest. A status other than 0 is a result, not an error.
  // REQUIRES: AwaitReady has succeeded; `command` has no newline.
  absl::StatusOr<CommandResult> Run(absl::string_view command, absl::Duration timeout);

  // Starts a command of which no answer will come, such as "poweroff -f".
  // REQUIRES: as for Run.
  absl::Status RunWithoutAnswer(absl::string_view command);

  // Sends SIGTERM, then waits as Wait does.
  absl::StatusOr<int> Stop(absl::Duration timeout);

  // Ends the program at once.
  void Kill();

  // Waits for the program to end by itself; returns its exit status as a shell says it.
  absl::StatusOr<int> Wait(absl::Duration timeout);

  [[nodiscard]] pid_t pid() const { return child_->pid(); }
  // All that the console has said.
  [[nodiscard]] const std::string& console() const { return child_->output(); }
  // All that the program has written to standard error.
  [[nodiscard]] const std::string& errors() const { return child_->errors(); }

 private:
  explicit Vm(std::unique_ptr<ChildProcess> child) : child_(std::move(child)) {}

  // Collects more of the console. An error once there will be no more, or after `deadline`.
  absl::Status AwaitMore(absl::Time deadline, absl::string_view what);
  // Takes the next whole line of the console that is not taken yet.
  absl::StatusOr<absl::string_view> NextLine(absl::Time deadline, absl::string_view what);
  // `status` with the console and standard error.
  absl::Status Explained(const absl::Status& status) const;

  std::unique_ptr<ChildProcess> child_;
  size_t taken_ = 0;  // How much of the console Expect and Run have passed.
  int last_id_ = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_INTEGRATION_TESTING_VM_H_
