// What a virtio-pci function looks like from outside at one moment, for people who watch it.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_PCI_VIRTIO_PCI_VIEW_H_
#define TOUCHSTONE_DEVICES_VIRTIO_PCI_VIRTIO_PCI_VIEW_H_

#include <cstdint>
#include <optional>
#include <vector>

namespace touchstone {

struct VirtioPciView {
  struct Queue {
    uint32_t size = 0;  // Entries.
    bool running = false;
    // The indices of a split ring as they are in guest memory (Virtio 1.2, 2.7.6 and 2.7.8): chains
    // that the driver made available and that the device returned, modulo 65536.
    std::optional<uint16_t> available = std::nullopt;
    std::optional<uint16_t> used = std::nullopt;
  };

  uint32_t device_id = 0;  // Virtio 1.2, section 5.
  uint8_t status = 0;      // Virtio 1.2, 2.1.
  uint64_t features = 0;   // That the driver accepted.
  std::vector<Queue> queues;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_PCI_VIRTIO_PCI_VIEW_H_
