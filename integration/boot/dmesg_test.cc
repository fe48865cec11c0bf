// A quiet kernel: what Debian's kernels complain about in this machine, they complain about under
// QEMU's q35 as well, on the same KVM and with the same initramfs.

#include <stdlib.h>

#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/boot/complaints.h"
#include "integration/boot/linux_guest.h"
#include "integration/testing/guest_command.h"
#include "integration/testing/runfiles.h"
#include "integration/testing/vm.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Lines that are right here and that q35 has no reason for.
const char* const kExplained[] = {
    // There is no keyboard controller, and ACPI says so.
    "i8042: PNP: No PS/# controller found.",
    // What every kernel says of the host bridge 8086:1237, under QEMU's `pc` too.
    "pci #:#:#.#: Limiting direct PCI/PCI transfers",
};

// A line that the guest itself puts into its log, which must be found: the comparison can fail.
constexpr char kPlanted[] = "ACPI: planted by the test";

std::unique_ptr<Vm> StartQemu(const LinuxKernel& kernel) {
  return *Vm::Start({"qemu-system-x86_64",
                     "-nodefaults",
                     "-no-user-config",
                     "-display",
                     "none",
                     "-no-reboot",
                     "-machine",
                     "q35",
                     "-accel",
                     "kvm",
                     "-cpu",
                     "host",
                     "-smp",
                     "1",
                     "-m",
                     "512",
                     "-serial",
                     "stdio",
                     "-device",
                     "pvpanic-pci",
                     "-kernel",
                     Runfile(kernel.vmlinux),
                     "-initrd",
                     Runfile(kernel.initramfs),
                     "-append",
                     "panic=-1 console=ttyS0 quiet"});
}

// The kernel's log after a boot, kept as `name` among the test's outputs. Ends the guest.
absl::StatusOr<std::string> ReadLog(Vm& vm, const std::string& command, const std::string& name) {
  RETURN_IF_ERROR(vm.AwaitReady(kBootLimit).status());
  ASSIGN_OR_RETURN(const CommandResult log, vm.Run(command, kCommandLimit));
  vm.Kill();
  if (const char* const outputs = getenv("TEST_UNDECLARED_OUTPUTS_DIR"); outputs != nullptr) {
    std::ofstream(absl::StrCat(outputs, "/", name)) << log.output;
  }
  return log.output;
}

class DmesgTest : public ::testing::TestWithParam<LinuxKernel> {};

TEST_P(DmesgTest, HasOnlyComplaintsThatQemusMachineCausesToo) {
  const absl::StatusOr<std::string> theirs =
      ReadLog(*StartQemu(GetParam()), "dmesg -r", "qemu.dmesg");
  const absl::StatusOr<std::string> ours =
      ReadLog(*StartLinux(GetParam(), {}),
              absl::StrCat("echo '<4>", kPlanted, "' > /dev/kmsg; dmesg -r"), "touchstone.dmesg");
  ASSERT_TRUE(theirs.ok()) << theirs.status();
  ASSERT_TRUE(ours.ok()) << ours.status();
  ASSERT_THAT(*theirs, HasSubstr("Linux version")) << "the log has lost its start";
  ASSERT_THAT(*ours, HasSubstr("Linux version")) << "the log has lost its start";

  std::set<std::string> expected = Complaints(*theirs);
  expected.insert(std::begin(kExplained), std::end(kExplained));

  EXPECT_THAT(Missing(Complaints(*ours), expected), ElementsAre(kPlanted))
      << "what else is in that list is new; under QEMU:\n  " << absl::StrJoin(expected, "\n  ");
}

INSTANTIATE_TEST_SUITE_P(Cloud, DmesgTest, ::testing::Values(kCloudKernel));
INSTANTIATE_TEST_SUITE_P(Generic, DmesgTest, ::testing::Values(kGenericKernel));

}  // namespace
}  // namespace touchstone
