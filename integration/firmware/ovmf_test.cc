// Debian's OVMF under --bios and --pflash: its shell, its menu, and Debian from a disk with GRUB.
//
// In the lab time counts instructions: QEMU 7.2 aborts when its guest's guest writes CR8 while an
// interrupt waits for the interrupt flag, and OVMF's interrupt handler ends with such a write. A
// tick of OVMF's timer is ten million instructions, so that none comes while the last is handled.
// But with instructions counted that QEMU now and then stands still under a Linux guest with a
// disk: only --full goes on from GRUB to Debian.

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/boot/linux_guest.h"
#include "integration/testing/runfiles.h"
#include "integration/testing/vm.h"
#include "integration/virtio/test_run.h"

namespace touchstone {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr absl::Duration kMenuLimit = absl::Seconds(120);

std::unique_ptr<Vm> StartOvmf(const std::string& rom, const std::vector<std::string>& options) {
  std::vector<std::string> arguments = {Runfile("vmm/touchstone"), "run",
                                        absl::StrCat("--bios=/usr/share/OVMF/", rom), "--mem=256"};
  arguments.insert(arguments.end(), options.begin(), options.end());
  return *Vm::Start(std::move(arguments));
}

std::string BootDisk() {
  return absl::StrCat("--block=", Runfile("integration/images/boot_disk.img"), ",ro");
}

// A copy of Debian's empty flash, which a test may write.
std::string FreshVariables() {
  const std::string path = absl::StrCat(testing::TempDir(), "/variables");
  std::filesystem::copy_file("/usr/share/OVMF/OVMF_VARS.fd", path);
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  return path;
}

#define ASSERT_SAYS(vm, pattern)                                                  \
  do {                                                                            \
    const absl::StatusOr<std::string> said = (vm)->Expect((pattern), kMenuLimit); \
    ASSERT_TRUE(said.ok()) << said.status();                                      \
  } while (false)

TEST(OvmfTest, ShowsItsMenuAndKeepsItsBootOrderInFlash) {
  const std::string flash = absl::StrCat("--pflash=", FreshVariables());

  const std::unique_ptr<Vm> first = StartOvmf("OVMF_CODE.fd", {flash});
  ASSERT_SAYS(first, "starting Boot0001 \"EFI Internal Shell\"");
  ASSERT_SAYS(first, "startup\\.nsh");
  ASSERT_TRUE(first->Send("x").ok());
  ASSERT_SAYS(first, "Shell> ");
  ASSERT_TRUE(first->Send("exit\r").ok());
  ASSERT_SAYS(first, "Boot Manager");
  first->Kill();

  // With empty variables a disk precedes the shell. Those of the first run have only the shell.
  const std::unique_ptr<Vm> second = StartOvmf("OVMF_CODE.fd", {flash, BootDisk()});
  ASSERT_SAYS(second, "starting Boot0001 \"EFI Internal Shell\"");
  ASSERT_SAYS(second, "FS0:");
}

// Code and variables in one ROM: variables are in memory only.
TEST(OvmfTest, StartsGrubWithoutFlash) {
  const std::unique_ptr<Vm> vm =
      StartOvmf("../ovmf/OVMF.fd", {BootDisk(), "--smbios=manufacturer=Maker"});

  ASSERT_SAYS(vm, "Debian from the disk");
  if (!IsFullRun()) return;
  const absl::StatusOr<std::string> ready = vm->AwaitReady(kBootLimit);
  ASSERT_TRUE(ready.ok()) << ready.status();
  EXPECT_THAT(Say(*vm, "cat /proc/cmdline"), StartsWith("BOOT_IMAGE=/vmlinuz "));
  EXPECT_EQ(Say(*vm, "cat /sys/class/dmi/id/sys_vendor"), "Maker\n");
  EXPECT_THAT(Say(*vm, "dmesg | grep 'efi:\\|ACPI: RSDP\\|PM-Timer'"),
              AllOf(HasSubstr("efi: EFI v2.70 by EDK II"), HasSubstr("RSDP"),
                    HasSubstr("PM-Timer IO Port: 0x608")));
}

}  // namespace
}  // namespace touchstone
