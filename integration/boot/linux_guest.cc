#include "integration/boot/linux_guest.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "integration/testing/guest_command.h"
#include "integration/testing/runfiles.h"
#include "integration/testing/test_arguments.h"

namespace touchstone {

std::unique_ptr<Vm> StartLinux(const LinuxKernel& kernel, const LinuxOptions& options) {
  std::vector<std::string> command = {Runfile("vmm/touchstone")};
  if (options.extended_status) command.push_back("--extended-status");
  command.insert(command.end(), {"run", "--params=quiet",
                                 absl::StrCat("--cpus=", options.cpus, ",", options.cpu_keys),
                                 absl::StrCat("--mem=", options.memory_mib)});
  command.push_back(absl::StrCat(
      "--initrd=", options.initrd.empty() ? Runfile(kernel.initramfs) : options.initrd));
  command.insert(command.end(), options.options.begin(), options.options.end());
  for (std::string& option : MachineOptions()) command.push_back(std::move(option));
  command.push_back(Runfile(options.bzimage ? kernel.bzimage : kernel.vmlinux));
  return *Vm::Start(std::move(command), options.streams);
}

std::string Say(Vm& vm, absl::string_view command) {
  const absl::StatusOr<CommandResult> result = vm.Run(command, kCommandLimit);
  return result.ok() ? result->output : std::string(result.status().message());
}

}  // namespace touchstone
