// Exit codes of the process (crosvm.md 2.3).

#ifndef TOUCHSTONE_VMM_CLI_EXIT_CODE_H_
#define TOUCHSTONE_VMM_CLI_EXIT_CODE_H_

namespace touchstone {

// How a run or a sub-command ended. kReset, kCrash and kPanic reach the shell with
// --extended-status only; they are 0 otherwise (Main does that).
enum class ExitCode : int {
  kOk = 0,                 // the guest powered off
  kError = 1,              // bad configuration, a host error
  kReset = 32,             // the guest asked for a reset
  kCrash = 33,             // the vCPU or a device died
  kPanic = 34,             // the guest's kernel reported a panic
  kInvalidArguments = 35,  // the command line cannot be read
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CLI_EXIT_CODE_H_
