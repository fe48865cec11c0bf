// Debian's drivers over the machine's virtio devices: a guest with the cloud kernel, whose virtio
// drivers are modules, loaded at boot (//integration/images:test_initramfs has them and more).
//
//   std::unique_ptr<Vm> vm = StartVirtioGuest({"--no-rng"});
//   ASSERT_TRUE(vm->AwaitReady(kBootLimit).ok());
//   EXPECT_EQ(Say(*vm, "cat /sys/class/misc/hw_random/rng_current"), "none\n");
//
// A boot takes the lab some ten seconds: check as much as possible in each.

#ifndef TOUCHSTONE_INTEGRATION_VIRTIO_VIRTIO_GUEST_H_
#define TOUCHSTONE_INTEGRATION_VIRTIO_VIRTIO_GUEST_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "integration/boot/linux_guest.h"
#include "integration/testing/vm.h"

namespace touchstone {

// One vCPU and 256 MiB, and these options of `touchstone run`.
std::unique_ptr<Vm> StartVirtioGuest(std::vector<std::string> options = {});

// An interrupt as /proc/interrupts shows it.
struct GuestInterrupt {
  std::string text;    // The controller and the names: "PCI-MSI 16385-edge virtio0-input".
  uint64_t count = 0;  // On all processors.
};

// The interrupts whose text holds `name`, in the order of their numbers.
std::vector<GuestInterrupt> Interrupts(Vm& vm, absl::string_view name);

// Their counts together.
uint64_t CountInterrupts(Vm& vm, absl::string_view name);

}  // namespace touchstone

#endif  // TOUCHSTONE_INTEGRATION_VIRTIO_VIRTIO_GUEST_H_
