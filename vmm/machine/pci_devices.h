// The PCI side of the machine: the root, the guest's two ways to configuration space, and the
// functions every machine has.

#ifndef TOUCHSTONE_VMM_MACHINE_PCI_DEVICES_H_
#define TOUCHSTONE_VMM_MACHINE_PCI_DEVICES_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "devices/bus/bus.h"
#include "devices/pci/pci_address.h"
#include "devices/pci/pci_cam.h"
#include "devices/pci/pci_ecam.h"
#include "devices/pci/pci_function.h"
#include "devices/pci/pci_root.h"
#include "devices/pci/stub_function.h"
#include "devices/platform/pvpanic/pvpanic.h"
#include "vmm/config/config.pb.h"
#include "vmm/machine/acpi/acpi_config.h"
#include "vmm/machine/boot/memory_layout.h"
#include "vmm/machine/interrupt_router.h"
#include "vmm/machine/lifecycle.h"

namespace touchstone {

class PciSaved;  // machine_state.pb.h

// A function, where it wants to be, and when firmware tries to boot from it: a lower number first.
struct PlacedFunction {
  PciFunction* function = nullptr;
  std::optional<PciAddress> address;
  std::optional<uint32_t> boot_index = std::nullopt;
};

// Thread-compatible; the devices inside are thread-safe.
class PciDevices {
 public:
  // Puts the root onto the buses, and onto the root `functions`, then the stubs that `config` asks
  // for and what every machine has. Who asks for an address gets it before the others take the free
  // ones (crosvm.md 5.2). All arguments but `config` are borrowed.
  static absl::StatusOr<std::unique_ptr<PciDevices>> Create(
      const RunConfig& config, const MemoryLayout& layout, Bus& ports, Bus& mmio,
      InterruptRouter& interrupts, absl::Span<const PlacedFunction> functions,
      Lifecycle& lifecycle);

  [[nodiscard]] PciRoot& root() { return *root_; }

  // Errors name the function.
  absl::Status Save(PciSaved& saved);
  absl::Status Restore(const PciSaved& saved);

  // The functions that have a boot index, by that.
  [[nodiscard]] std::vector<PciAddress> boot_order() const;

  // What the ACPI tables say of it. Unlike crosvm (crosvm.md 7.6), whose MCFG covers ECAM's 64
  // buses, only the buses that exist: Linux looks for devices on each one, with two exits a probe.
  [[nodiscard]] AcpiPciHost Describe() const;

 private:
  // PCI interrupts take the first free ISA numbers, in crosvm's order.
  static constexpr std::array<uint32_t, 4> kIntxGsis = {9, 10, 11, 12};

  PciDevices() = default;
  // The chipset's other functions, which are there for firmware only.
  absl::Status AddSouthBridge();
  absl::Status AddFunctions(const RunConfig& config, absl::Span<const PlacedFunction> functions);

  MemoryLayout layout_;
  std::map<uint32_t, PciAddress> boot_order_;
  std::vector<std::unique_ptr<StubFunction>> stubs_;
  std::unique_ptr<Pvpanic> pvpanic_;
  std::unique_ptr<PciRoot> root_;
  std::unique_ptr<PciCam> cam_;
  std::unique_ptr<PciEcam> ecam_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_PCI_DEVICES_H_
