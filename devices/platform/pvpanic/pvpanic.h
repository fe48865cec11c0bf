// The pvpanic PCI device, 1b36:0011: the guest says that it panicked or started a crash kernel.
//
//   BAR 0, 16 bytes of memory
//     0x0  read: the events the device knows; write: the events that happened
//     0x1  to 0xF: 0, writes are ignored
//
// QEMU, docs/specs/pvpanic; Linux, drivers/misc/pvpanic maps BAR 0 and uses byte accesses at 0.
//
// Threads: as PciFunction and BusDevice; the callback may run on several vCPU threads at once.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_PVPANIC_PVPANIC_H_
#define TOUCHSTONE_DEVICES_PLATFORM_PVPANIC_PVPANIC_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "devices/bus/bus_device.h"
#include "devices/pci/config_space.h"
#include "devices/pci/pci_function.h"

namespace touchstone {

class Pvpanic final : public PciFunction, public BusDevice {
 public:
  static constexpr uint64_t kBarSize = 16;

  // Event bits.
  static constexpr uint8_t kPanicked = 1 << 0;
  static constexpr uint8_t kCrashLoaded = 1 << 1;
  static constexpr uint8_t kKnownEvents = kPanicked | kCrashLoaded;

  // `on_event` gets the known bits of each write that has any.
  explicit Pvpanic(std::function<void(uint8_t events)> on_event);

  [[nodiscard]] absl::string_view name() const override { return "pvpanic"; }
  void ReadConfig(uint32_t offset, absl::Span<uint8_t> data) override;
  void WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) override;
  [[nodiscard]] std::vector<PciFunctionBar> bars() override;
  [[nodiscard]] absl::StatusOr<PciFunctionState> Save() override;
  absl::Status Restore(const PciFunctionState& state) override;

  void Read(uint64_t offset, absl::Span<uint8_t> data) override;
  void Write(uint64_t offset, absl::Span<const uint8_t> data) override;

 private:
  const std::function<void(uint8_t)> on_event_;
  ConfigSpace config_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_PVPANIC_PVPANIC_H_
