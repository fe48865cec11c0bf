// The sub-commands of the program, for the command line, its help, completions and manual page.

#ifndef TOUCHSTONE_VMM_CLI_COMMAND_LIST_H_
#define TOUCHSTONE_VMM_CLI_COMMAND_LIST_H_

#include "absl/strings/string_view.h"

namespace touchstone {

struct CommandInfo {
  absl::string_view name;
  // As in a usage line. A word in brackets is a switch.
  absl::string_view operands;
  absl::string_view help;
};

// VM_SOCKET is what --socket of the machine said, or the file in that directory.
inline constexpr CommandInfo kCommandList[] = {
    {"run", "<options> KERNEL", "build a virtual machine and run its kernel"},
    {"stop", "VM_SOCKET", "end a machine at once, in order; its guest is not told"},
    {"suspend", "[--full] VM_SOCKET",
     "bring the virtual CPUs of a machine to a halt, with --full its devices too"},
    {"resume", "[--full] VM_SOCKET",
     "have a machine go on after suspend or --suspended; --full if that was"},
    {"powerbtn", "VM_SOCKET", "press the power button of a machine"},
    {"sleepbtn", "VM_SOCKET", "press the sleep button of a machine"},
    {"gpe", "GPE VM_SOCKET", "raise general-purpose event GPE, 0 to 255, of ACPI"},
    {"make_rt", "VM_SOCKET", "give the CPUs that --delay-rt holds back their priority"},
    {"balloon", "[--wait] SIZE VM_SOCKET",
     "have the balloon of a machine hold SIZE bytes; --wait until it does"},
    {"balloon_stats", "VM_SOCKET", "print what the guest of a machine says of its memory, as JSON"},
    {"console", "[--index N] VM_SOCKET",
     "attach this terminal to the console of a machine, or its --serial N, the first is 0; Ctrl-] "
     "detaches"},
    {"disk", "resize INDEX SIZE VM_SOCKET",
     "give disk INDEX of --block, the first is 0, SIZE bytes, and tell the guest; what is beyond "
     "the end of a smaller disk is lost"},
    {"snapshot", "take [--compress-memory] PATH VM_SOCKET | check PATH",
     "take: save a machine that runs to the new folder PATH, for run --restore; it goes on "
     "afterwards. check: read all of a snapshot, memory too, and compare its checksums"},
    {"status", "[--json] VM_SOCKET",
     "show how a machine is: its virtual CPUs, what they exit for, its devices"},
    {"list", "[FOLDER]", "list the machines whose sockets are in FOLDER, or the default one"},
    {"device", "TYPE <options>",
     "serve one virtio device to a monitor over vhost-user; device --help names the types"},
    {"version", "", "print the version"},
    {"help", "[NAME]", "explain a sub-command or an option: help run, help --block"},
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CLI_COMMAND_LIST_H_
