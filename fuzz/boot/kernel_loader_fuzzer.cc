// The input is two length bytes, a command line of that length, and a kernel file, which is the
// initrd too: all that LoadKernel takes from outside.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "base/endian.h"
#include "base/log.h"
#include "fuzz/boot/boot_target.h"
#include "vmm/machine/boot/kernel_loader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using touchstone::BootTarget;
  using touchstone::KernelSource;
  using touchstone::LoadKernel;
  using touchstone::LoadLe;
  absl::Span<const uint8_t> input(data, size);
  if (input.size() < 2) return 0;
  const size_t length = std::min<size_t>(LoadLe(input.first(2)), input.size() - 2);
  const absl::string_view line(reinterpret_cast<const char*>(data) + 2, length);
  input.remove_prefix(2 + length);

  BootTarget& target = BootTarget::Get();
  const int fd = target.FileWith(input);
  const auto boot = LoadKernel(target.memory(), target.layout(),
                               {.kernel = {fd, "k"},
                                .initrd = KernelSource{fd, "i"},
                                .command_line = std::string(line),
                                .rng_seed = std::vector<uint8_t>(16)});
  if (!boot.ok()) {
    // One line: the message is shown to a user as it is.
    CHECK(boot.status().message().find('\n') == absl::string_view::npos);
    return 0;
  }
  CHECK(boot->registers.rip >= Raw(boot->kernel.start));
  CHECK(boot->registers.rip < Raw(boot->kernel.end()));
  CHECK(boot->initrd.start >= boot->kernel.end());
  return 0;
}
