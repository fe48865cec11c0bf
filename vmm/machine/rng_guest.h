// The driver of a machine's entropy device, without a vCPU: everything goes over the
// buses, as a guest's accesses do.
//
//   RngGuest guest(machine);
//   guest.Start();
//   guest.queue().Chain().Writable(16).Send();
//   guest.Write<uint16_t>(kVirtioNotify, 0);
//
// The machine is borrowed. Thread-compatible.

#ifndef TOUCHSTONE_VMM_MACHINE_RNG_GUEST_H_
#define TOUCHSTONE_VMM_MACHINE_RNG_GUEST_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "base/endian.h"
#include "base/memory/guest_memory.h"
#include "devices/pci/pci_address.h"
#include "devices/pci/pci_registers.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/pci/virtio_pci_registers.h"
#include "devices/virtio/testing/driver_queue.h"
#include "vmm/machine/machine.h"

namespace touchstone {

class RngGuest {
 public:
  static constexpr PciAddress kAddress = {.device = 1};  // Where nothing comes before it.
  static constexpr GuestMemory::RegionSpec kRing = {.start = GuestAddress{0x100000},
                                                    .size = 0x10000};
  static constexpr uint16_t kVector = 1;  // Of the queue.

  explicit RngGuest(Machine& machine, PciAddress address = kAddress)
      : machine_(machine),
        address_(address),
        queue_(machine.memory(), kRing, kRingSize, kFeatures) {}

  // Registers of BAR 0 (virtio_pci_registers.h).
  template <typename T>
  void Write(uint32_t offset, T value) {
    std::vector<uint8_t> bytes(sizeof(T));
    StoreLe(value, absl::MakeSpan(bytes));
    machine_.mmio().Write(bar() + offset, absl::MakeSpan(bytes));
  }
  template <typename T>
  T Read(uint32_t offset) {
    std::vector<uint8_t> bytes(sizeof(T));
    machine_.mmio().Read(bar() + offset, absl::MakeSpan(bytes));
    return static_cast<T>(LoadLe(absl::MakeConstSpan(bytes)));
  }

  // BAR 0 comes to be there.
  void Move(uint32_t address) {
    std::vector<uint8_t> bytes(4);
    StoreLe(address, absl::MakeSpan(bytes));
    machine_.pci().WriteConfig(address_, kPciBar0, bytes);
  }

  // With MSI-X on, and one queue, which is at the start of kRing.
  void Start() {
    EnableMsix();
    constexpr uint32_t kEntry = kVirtioMsixTable + 16 * kVector;
    Write<uint32_t>(kEntry, 0xFEE00000);
    Write<uint32_t>(kEntry + 8, 0x41);
    Write<uint32_t>(kEntry + 12, 0);
    constexpr uint8_t kDriver = kVirtioAcknowledge | kVirtioDriver;
    Write<uint8_t>(kVirtioStatus, kDriver);
    Write<uint32_t>(kVirtioDriverFeatureSelect, 1);
    Write<uint32_t>(kVirtioDriverFeature, kFeatures >> 32);
    Write<uint8_t>(kVirtioStatus, kDriver | kVirtioFeaturesOk);
    Write<uint16_t>(kVirtioQueueSize, kRingSize);
    Write<uint16_t>(kVirtioQueueVector, kVector);
    Write<uint64_t>(kVirtioQueueDescriptors, Raw(queue_.layout().descriptors));
    Write<uint64_t>(kVirtioQueueDriver, Raw(queue_.layout().driver));
    Write<uint64_t>(kVirtioQueueDevice, Raw(queue_.layout().device));
    Write<uint16_t>(kVirtioQueueEnable, 1);
    Write<uint8_t>(kVirtioStatus, kDriver | kVirtioFeaturesOk | kVirtioDriverOk);
  }

  [[nodiscard]] DriverQueue& queue() { return queue_; }

 private:
  static constexpr uint16_t kRingSize = 8;
  static constexpr uint64_t kFeatures = kVirtioVersion1;

  uint64_t bar() { return *machine_.pci().DecodedAt(address_, 0); }

  void EnableMsix() {
    for (uint32_t offset = kPciFirstCapability; offset < 0x100; offset += 4) {
      std::vector<uint8_t> header(4);
      machine_.pci().ReadConfig(address_, offset, absl::MakeSpan(header));
      if (header[0] != kPciCapabilityMsix) continue;
      machine_.pci().WriteConfig(address_, offset + 2, {0x00, 0x80});
      return;
    }
  }

  Machine& machine_;
  const PciAddress address_;
  DriverQueue queue_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_RNG_GUEST_H_
