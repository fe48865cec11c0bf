// The enhanced configuration access mechanism: configuration space as memory, 4 KiB a function and
// 1 MiB a bus (PCI Express 5.0, 7.2.2).
//
//   offset bits 27:20 bus, 19:15 device, 14:12 function, 11:0 register
//
// Thread-safe.

#ifndef TOUCHSTONE_DEVICES_PCI_PCI_ECAM_H_
#define TOUCHSTONE_DEVICES_PCI_PCI_ECAM_H_

#include <cstdint>

#include "absl/types/span.h"
#include "devices/bus/bus_device.h"
#include "devices/pci/pci_root.h"

namespace touchstone {

class PciEcam final : public BusDevice {
 public:
  static constexpr uint64_t kBusSize = uint64_t{1} << 20;
  static constexpr uint64_t kMaxSize = 256 * kBusSize;

  // `root` is borrowed. REQUIRES: `size`, the window's, is a multiple of kBusSize, up to kMaxSize.
  PciEcam(PciRoot& root, uint64_t size);

  // How many buses the window reaches, for MCFG.
  [[nodiscard]] int bus_count() const { return static_cast<int>(size_ / kBusSize); }
  [[nodiscard]] uint64_t size() const { return size_; }

  void Read(uint64_t offset, absl::Span<uint8_t> data) override;
  void Write(uint64_t offset, absl::Span<const uint8_t> data) override;

 private:
  PciRoot& root_;
  const uint64_t size_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PCI_PCI_ECAM_H_
