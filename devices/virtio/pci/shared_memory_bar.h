// The BAR in which a driver finds the shared memory of its device, one region after the other, and
// the capabilities that say where (Virtio 1.2, 4.1.4.7):
//
//   BAR 2 (and 3), 64 bits, prefetchable   | region | region | ... | up to a power of two |
//
// The memory itself is mapped over the BAR by the machine; where nothing is mapped, reads give 0
// and writes nothing.
//
// Thread-safe once made.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_PCI_SHARED_MEMORY_BAR_H_
#define TOUCHSTONE_DEVICES_VIRTIO_PCI_SHARED_MEMORY_BAR_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "devices/bus/bus_device.h"
#include "devices/pci/config_space.h"
#include "devices/virtio/core/virtio_device.h"

namespace touchstone {

class SharedMemoryBar final : public BusDevice {
 public:
  static constexpr int kIndex = 2;
  // Of all regions together.
  static constexpr uint64_t kMaxSize = uint64_t{1} << 40;

  struct Region {
    uint8_t id = 0;
    uint64_t offset = 0;  // In the BAR.
    uint64_t size = 0;

    friend bool operator==(const Region&, const Region&) = default;
  };

  // InvalidArgument for sizes that are no multiple of 4 KiB or 0, and ids that come twice;
  // ResourceExhausted for more than kMaxSize.
  static absl::StatusOr<SharedMemoryBar> Create(
      absl::Span<const VirtioDevice::SharedMemory> regions);

  // There is a BAR only if there are regions.
  [[nodiscard]] bool empty() const { return regions_.empty(); }
  [[nodiscard]] const std::vector<Region>& regions() const { return regions_; }
  // REQUIRES, as the next: not empty.
  [[nodiscard]] PciBar bar() const;
  // ResourceExhausted when the configuration space has no room.
  absl::Status AddTo(ConfigSpace& config) const;

  // --- BusDevice, where nothing is mapped.
  void Read(uint64_t offset, absl::Span<uint8_t> data) override;
  void Write(uint64_t /*offset*/, absl::Span<const uint8_t> /*data*/) override {}

 private:
  SharedMemoryBar() = default;

  std::vector<Region> regions_;
  uint64_t size_ = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_PCI_SHARED_MEMORY_BAR_H_
