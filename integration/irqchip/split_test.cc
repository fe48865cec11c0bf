// Debian guests whose PICs, IOAPIC and PIT are this process's, with virtio devices that interrupt
// by MSI-X and by INTx.

#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/boot/complaints.h"
#include "integration/boot/linux_guest.h"
#include "integration/testing/guest_command.h"
#include "integration/testing/test_files.h"
#include "integration/testing/vm.h"
#include "integration/virtio/net_host.h"
#include "integration/virtio/virtio_guest.h"

namespace touchstone {
namespace {

using ::testing::Each;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr size_t kDiskSize = 2 << 20;

class IrqChipTest : public ::testing::Test {
 protected:
  IrqChipTest() : disk_(TemporaryPath("disk")), content_(kDiskSize, 'a') {
    for (size_t i = 0; i < content_.size(); ++i) content_[i] = static_cast<char>(i * 7 + i / 4096);
    std::ofstream(disk_, std::ios::binary) << content_;
  }

  // A guest with a disk and a network.
  std::unique_ptr<Vm> Boot(int cpus, std::vector<std::string> options) {
    options.push_back(absl::StrCat("--block=path=", disk_, ",ro"));
    options.emplace_back("--net=tap-name=split0");
    std::unique_ptr<Vm> vm =
        StartLinux(kCloudKernel, {.cpus = cpus, .memory_mib = 256, .options = std::move(options)});
    const absl::StatusOr<std::string> release = vm->AwaitReady(kBootLimit);
    EXPECT_TRUE(release.ok()) << release.status();
    return vm;
  }
  // What is read and what is sent comes through.
  void CheckDevices(Vm& vm) {
    EXPECT_EQ(Say(vm, "crc32 < /dev/vda"),
              absl::StrCat(absl::Hex(Crc32(content_), absl::kZeroPad8), "\n"));
    EXPECT_EQ(Say(vm, "ip address add 10.9.0.2/24 dev eth0 && ip link set eth0 up && echo up"),
              "up\n");
    EXPECT_THAT(Say(vm, "ping -q -A -W 5 -c 50 10.9.0.1"), HasSubstr(" 0% packet loss"));
  }
  // The lines that are the IOAPIC's in every guest, of which some interrupt.
  static void CheckIoapic(Vm& vm) {
    for (const char* const name : {"timer", "ttyS0", "acpi"}) {
      EXPECT_THAT(Interrupts(vm, name), SizeIs(1)) << name;
    }
    EXPECT_THAT(Interrupts(vm, "ttyS0").at(0).text, HasSubstr("IO-APIC 4-edge"));
    EXPECT_THAT(Interrupts(vm, "acpi").at(0).text, HasSubstr("IO-APIC 5-fasteoi"));
    EXPECT_GT(CountInterrupts(vm, "ttyS0"), 0u);
    EXPECT_GT(CountInterrupts(vm, "timer"), 0u);
  }
  static std::set<std::string> ComplaintsOf(Vm& vm) { return Complaints(Say(vm, "dmesg -r")); }
  static int PowerOff(Vm& vm) {
    EXPECT_TRUE(vm.RunWithoutAnswer("poweroff -f").ok());
    const absl::StatusOr<int> status = vm.Wait(kCommandLimit);
    EXPECT_TRUE(status.ok()) << status.status();
    return status.value_or(-1);
  }

  const HostTap tap_{"split0", "10.9.0.1/24"};
  const std::string disk_;
  std::string content_;
};

TEST_F(IrqChipTest, SplitComplainsOfNothingNewOnTwoProcessorsWithMessages) {
  auto reference = Boot(2, {"--irqchip=kernel"});
  const std::set<std::string> expected = ComplaintsOf(*reference);
  reference->Kill();

  auto vm = Boot(2, {"--irqchip=split"});

  CheckDevices(*vm);
  CheckIoapic(*vm);
  EXPECT_THAT(Interrupts(*vm, "virtio"), Each(Field(&GuestInterrupt::text, HasSubstr("PCI-MSI"))));
  EXPECT_GT(CountInterrupts(*vm, "PCI-MSI"), 50u);
  EXPECT_EQ(Say(*vm, "nproc"), "2\n");
  EXPECT_THAT(Missing(ComplaintsOf(*vm), expected), IsEmpty());
  EXPECT_EQ(PowerOff(*vm), 0);
}

TEST_F(IrqChipTest, SplitOnOneProcessorWithLines) {
  auto vm = Boot(1, {"--split-irqchip", "--params=pci=nomsi"});

  CheckDevices(*vm);
  CheckIoapic(*vm);
  EXPECT_THAT(Interrupts(*vm, "PCI-MSI"), IsEmpty());
  EXPECT_THAT(Interrupts(*vm, "virtio"), Each(Field(&GuestInterrupt::text, HasSubstr("-fasteoi"))));
  EXPECT_GT(CountInterrupts(*vm, "virtio"), 50u);
  EXPECT_THAT(Say(*vm, "dmesg"), Not(HasSubstr("nobody cared")));
  EXPECT_EQ(PowerOff(*vm), 0);
}

}  // namespace
}  // namespace touchstone
