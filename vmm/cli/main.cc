// The touchstone binary.

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include <functional>
#include <vector>

#include "absl/strings/string_view.h"
#include "vmm/cli/command.h"
#include "vmm/cli/run_machine.h"
#include "vmm/device/run_device.h"
#include "vmm/machine/jailed_device.h"

namespace {

// Whole, whatever the descriptor is. A message that cannot be written has nowhere else to go.
void WriteAll(int fd, absl::string_view text) {
  while (!text.empty()) {
    const ssize_t size = write(fd, text.data(), text.size());
    if (size <= 0) return;
    text.remove_prefix(static_cast<size_t>(size));
  }
}

std::function<void(absl::string_view)> Terminal() {
  if (isatty(STDERR_FILENO) == 0) return nullptr;
  return [](absl::string_view text) { WriteAll(STDERR_FILENO, text); };
}

// Plenty for every thread, and too small for a transparent huge page, which would back the few KiB
// that a thread uses with 2 MiB.
void LimitThreadStacks() {
  constexpr size_t kStackSize = size_t{1} << 20;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackSize);
  pthread_setattr_default_np(&attributes);
  pthread_attr_destroy(&attributes);
}

}  // namespace

int main(int argc, char** argv) {
  LimitThreadStacks();
  const std::vector<absl::string_view> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  // At once: nothing is left to run when it returns.
  if (arguments.size() == 2 && arguments[0] == touchstone::kJailedDeviceCommand) {
    _exit(touchstone::RunJailedDevice());
  }
  return touchstone::Main(arguments,
                          {
                              .out = [](absl::string_view text) { WriteAll(STDOUT_FILENO, text); },
                              .err = [](absl::string_view text) { WriteAll(STDERR_FILENO, text); },
                              .run = touchstone::RunMachine,
                              .run_devices = touchstone::RunDevices,
                              .terminal = Terminal(),
                          });
}
