// Debian's SeaBIOS under --bios: its menu, and Debian from a disk with GRUB.

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/boot/linux_guest.h"
#include "integration/testing/runfiles.h"
#include "integration/testing/vm.h"

namespace touchstone {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr absl::Duration kMenuLimit = absl::Seconds(60);

// With two disks, of which one cannot be booted: with one disk there is no menu. `boot_disk` is
// more keys of the other.
std::unique_ptr<Vm> StartSeaBios(const std::string& rom, const std::string& boot_disk) {
  return *Vm::Start(
      {Runfile("vmm/touchstone"), "run", absl::StrCat("--bios=/usr/share/seabios/", rom),
       "--cpus=2", "--mem=256", "--smbios=manufacturer=Maker",
       absl::StrCat("--block=", Runfile("integration/images/boot_disk.img"), ",ro", boot_disk),
       absl::StrCat("--block=", Runfile("integration/images/test_disk.img"), ",ro")});
}

TEST(SeaBiosTest, ShowsItsMenuAndBootsDebianFromTheDiskThatIsChosen) {
  const std::unique_ptr<Vm> vm = StartSeaBios("bios-256k.bin", "");

  ASSERT_TRUE(vm->Expect("SeaBIOS \\(version", kMenuLimit).ok());
  const absl::StatusOr<std::string> prompt = vm->Expect("Press ESC for boot menu", kMenuLimit);
  ASSERT_TRUE(prompt.ok()) << prompt.status();
  ASSERT_TRUE(vm->Send("\x1b").ok());
  const absl::StatusOr<std::string> first =
      vm->Expect("1\\. Virtio disk PCI:00:02\\.0", kMenuLimit);
  ASSERT_TRUE(first.ok()) << first.status();
  const absl::StatusOr<std::string> second =
      vm->Expect("2\\. Virtio disk PCI:00:03\\.0", kMenuLimit);
  ASSERT_TRUE(second.ok()) << second.status();
  ASSERT_TRUE(vm->Send("1").ok());
  const absl::StatusOr<std::string> grub = vm->Expect("Debian from the disk", kMenuLimit);
  ASSERT_TRUE(grub.ok()) << grub.status();

  const absl::StatusOr<std::string> ready = vm->AwaitReady(kBootLimit);
  ASSERT_TRUE(ready.ok()) << ready.status();
  EXPECT_EQ(Say(*vm, "nproc"), "2\n");
  EXPECT_THAT(Say(*vm, "cat /proc/cmdline"), StartsWith("BOOT_IMAGE=/vmlinuz "));
  EXPECT_EQ(Say(*vm, "cat /sys/class/dmi/id/sys_vendor"), "Maker\n");
  // Both disks work at the addresses that the firmware gave them, with interrupts by ACPI's routes.
  EXPECT_THAT(Say(*vm, "cat /proc/iomem | grep virtio"),
              AllOf(HasSubstr("virtio"), HasSubstr("feb")));
  EXPECT_THAT(Say(*vm, "dd if=/dev/vdb bs=1M 2> /dev/null | wc -c"), "16777216\n");
  EXPECT_THAT(Say(*vm, "dmesg | grep 'PM-Timer\\|ACPI: RSDP'"),
              AllOf(HasSubstr("RSDP 0x00000000000F"), HasSubstr("PM-Timer IO Port: 0x608")));
  ASSERT_TRUE(vm->RunWithoutAnswer("poweroff -f").ok());
  const absl::StatusOr<int> status = vm->Wait(kCommandLimit);
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(*status, 0);
}

// 128 KiB: all of it is below 1 MiB.
TEST(SeaBiosTest, TheSmallRomShowsItsMenuTooInTheOrderOfBootIndices) {
  const std::unique_ptr<Vm> vm = StartSeaBios("bios.bin", ",bootindex=1,pci-address=00:09.0");

  const absl::StatusOr<std::string> prompt = vm->Expect("Press ESC for boot menu", kMenuLimit);

  ASSERT_TRUE(prompt.ok()) << prompt.status();
  ASSERT_TRUE(vm->Send("\x1b").ok());
  const absl::StatusOr<std::string> first =
      vm->Expect("1\\. Virtio disk PCI:00:09\\.0", kMenuLimit);
  EXPECT_TRUE(first.ok()) << first.status();
}

}  // namespace
}  // namespace touchstone
