// Debian's virtio-rng driver over the entropy device.

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/virtio/virtio_guest.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kCurrent[] = "cat /sys/class/misc/hw_random/rng_current";
constexpr char kDriver[] = "/sys/bus/virtio/drivers/virtio_rng";

// 16 KiB of the device have every byte value and do not compress.
void ExpectRandomBytes(Vm& vm) {
  EXPECT_EQ(Say(vm, kCurrent), "virtio_rng.0\n");
  EXPECT_EQ(Say(vm,
                "dd if=/dev/hwrng of=/run/random bs=2048 count=8 2>/dev/null; "
                "wc -c < /run/random"),
            "16384\n");
  EXPECT_EQ(Say(vm, "hexdump -v -e '1/1 \"%02x\\n\"' /run/random | sort -u | wc -l"), "256\n");
  EXPECT_EQ(Say(vm, "[ $(gzip < /run/random | wc -c) -gt 16384 ] && echo noise"), "noise\n");
}

TEST(RngTest, ServesTheDriverOverMessages) {
  std::unique_ptr<Vm> vm = StartVirtioGuest();
  ASSERT_TRUE(vm->AwaitReady(kBootLimit).ok());
  ExpectRandomBytes(*vm);

  const std::vector<GuestInterrupt> interrupts = Interrupts(*vm, "virtio0-input");
  ASSERT_THAT(interrupts, SizeIs(1));
  EXPECT_THAT(interrupts[0].text, HasSubstr("PCI-MSI"));
  EXPECT_GT(interrupts[0].count, 0u);

  // The driver lets go of the device, and takes it again.
  EXPECT_EQ(Say(*vm, std::string("echo virtio0 > ") + kDriver + "/unbind; " + kCurrent), "none\n");
  EXPECT_THAT(Interrupts(*vm, "virtio0-input"), IsEmpty());
  EXPECT_EQ(Say(*vm, std::string("echo virtio0 > ") + kDriver + "/bind"), "");
  ExpectRandomBytes(*vm);

  // The driver goes, and comes back.
  EXPECT_EQ(Say(*vm, std::string("rmmod virtio_rng; ") + kCurrent), "none\n");
  EXPECT_EQ(Say(*vm, "modprobe virtio_rng"), "");
  ExpectRandomBytes(*vm);

  // So does the transport's, with the function behind it. The balloon stays.
  EXPECT_EQ(Say(*vm,
                "cd /sys/bus/pci/drivers/virtio-pci && echo 0000:00:01.0 > unbind && "
                "ls /sys/bus/virtio/devices; echo 0000:00:01.0 > bind"),
            "virtio1\n");
  ExpectRandomBytes(*vm);
  EXPECT_EQ(
      Say(*vm, "dmesg | grep -i -E 'virtio|hwrng|irq .*nobody|lockup' | grep -v 'enabling device'"),
      "");
}

TEST(RngTest, ServesTheDriverOverItsLine) {
  std::unique_ptr<Vm> vm = StartVirtioGuest({"--params=pci=nomsi"});
  ASSERT_TRUE(vm->AwaitReady(kBootLimit).ok());
  ExpectRandomBytes(*vm);

  const std::vector<GuestInterrupt> interrupts = Interrupts(*vm, "virtio0");
  ASSERT_THAT(interrupts, SizeIs(1));
  EXPECT_THAT(interrupts[0].text, HasSubstr("IO-APIC 9-fasteoi virtio0"));
  // One for each request, and no storm of a line that nobody lowers.
  const uint64_t before = CountInterrupts(*vm, "virtio0");
  EXPECT_EQ(Say(*vm, "dd if=/dev/hwrng of=/dev/null bs=1024 count=64 2>/dev/null"), "");
  const uint64_t after = CountInterrupts(*vm, "virtio0");
  EXPECT_GT(after, before);
  EXPECT_LT(after, before + 65536);
}

TEST(RngTest, IsLeftOut) {
  std::unique_ptr<Vm> vm = StartVirtioGuest({"--no-rng", "--no-balloon"});
  ASSERT_TRUE(vm->AwaitReady(kBootLimit).ok());

  EXPECT_EQ(Say(*vm, kCurrent), "none\n");
  EXPECT_EQ(Say(*vm, "grep -l 0x1af4 /sys/bus/pci/devices/*/vendor"), "");
}

}  // namespace
}  // namespace touchstone
