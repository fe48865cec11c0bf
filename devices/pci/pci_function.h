// What sits at a PCI address.

#ifndef TOUCHSTONE_DEVICES_PCI_PCI_FUNCTION_H_
#define TOUCHSTONE_DEVICES_PCI_PCI_FUNCTION_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "devices/bus/bus_device.h"
#include "devices/irq/irq_line.h"
#include "devices/pci/config_space.h"

namespace touchstone {

class PciFunctionState;  // pci_function_state.pb.h

// A BAR and what answers inside it. A null `device` is memory that the owner maps by itself when
// BarMoved says where; unmapped, it reads ones.
struct PciFunctionBar {
  PciBar bar;
  BusDevice* device = nullptr;
};

// The legacy interrupt that a function was given.
struct PciIntx {
  uint8_t pin = 0;  // INTA is 1, INTD is 4.
  uint32_t gsi = 0;
  IrqLine* line = nullptr;  // This function's own input of a shared line; outlives the function.
};

// Threads: the root calls these one at a time, under its lock, from any thread; they must not call
// back into the root. The devices of the BARs are called by any thread at any moment.
class PciFunction {
 public:
  virtual ~PciFunction() = default;

  // For errors; stays valid.
  [[nodiscard]] virtual absl::string_view name() const = 0;

  // Configuration accesses: 1 to 4 bytes inside one dword, offset below 4096. `data` of a read
  // comes filled with 0xFF.
  virtual void ReadConfig(uint32_t offset, absl::Span<uint8_t> data) = 0;
  virtual void WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) = 0;

  // Asked once, when the function is added. What the BARs and the command register hold later is
  // read with ReadConfig.
  [[nodiscard]] virtual std::vector<PciFunctionBar> bars() { return {}; }

  // A BAR is now decoded at this address, or nowhere.
  virtual void BarMoved(int index, std::optional<uint64_t> address) {
    static_cast<void>(index);
    static_cast<void>(address);
  }

  // What a guest can have changed. The BARs and the command register are among it: their devices
  // move when the root takes note. FailedPrecondition, which says why, where that is not known.
  // REQUIRES: the guest does nothing meanwhile.
  [[nodiscard]] virtual absl::StatusOr<PciFunctionState> Save();
  // InvalidArgument for what Save of an equal function could not have returned. REQUIRES: as after
  // power-on.
  virtual absl::Status Restore(const PciFunctionState& state);

  // True for a function that wants a legacy interrupt; ConnectIntx then gives it one, once, while
  // the function is being added. The function shows the pin in its interrupt pin register.
  [[nodiscard]] virtual bool wants_intx() const { return false; }
  virtual void ConnectIntx(const PciIntx& intx) { static_cast<void>(intx); }
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PCI_PCI_FUNCTION_H_
