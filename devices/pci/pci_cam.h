// Configuration mechanism 1: the ports 0xCF8 to 0xCFF (PCI Local Bus 3.0, 3.2.2.3.2), and the reset
// control register among them.
//
//   0xCF8  dword: bit 31 enable, 23:16 bus, 15:11 device, 10:8 function, 7:2 register
//   0xCF9  byte: bit 2 resets the machine; bits 3 and 1 choose how and are only remembered
//   0xCFC  to 0xCFF: the selected register's bytes, at any width
//
// Smaller accesses at 0xCF8 to 0xCFB do not reach the address register: they read ones, or the
// reset register at 0xCF9, and write nothing.
//
// Thread-safe.

#ifndef TOUCHSTONE_DEVICES_PCI_PCI_CAM_H_
#define TOUCHSTONE_DEVICES_PCI_PCI_CAM_H_

#include <cstdint>
#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "devices/bus/bus_device.h"
#include "devices/pci/pci_root.h"

namespace touchstone {

class PciCam final : public BusDevice {
 public:
  static constexpr uint64_t kFirstPort = 0xCF8;
  static constexpr uint64_t kPortCount = 8;

  struct Options {
    // Address and data read ones and ignore writes, so that guests must use ECAM. Reset still
    // works.
    bool broken = false;
    // Called on the writing thread, with no lock held, each time the guest asks for a reset.
    std::function<void()> on_reset;
  };

  // `root` is borrowed.
  PciCam(PciRoot& root, Options options);

  void Read(uint64_t offset, absl::Span<uint8_t> data) override;
  void Write(uint64_t offset, absl::Span<const uint8_t> data) override;

  // The address register (PCI Local Bus 3.0, 3.2.2.3.2) and the reset control register.
  struct State {
    uint32_t address = 0;
    uint8_t reset_control = 0;

    friend bool operator==(const State&, const State&) = default;
  };
  [[nodiscard]] State Save() const;
  // Bits that the registers do not have are dropped.
  void Restore(const State& state);

 private:
  void ReadLow(uint64_t offset, absl::Span<uint8_t> data);
  void WriteLow(uint64_t offset, absl::Span<const uint8_t> data);
  uint32_t address() const;

  PciRoot& root_;
  const Options options_;
  mutable Mutex mutex_;
  uint32_t address_ ABSL_GUARDED_BY(mutex_) = 0;
  uint8_t reset_control_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PCI_PCI_CAM_H_
