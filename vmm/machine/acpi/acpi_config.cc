#include "vmm/machine/acpi/acpi_config.h"

#include <algorithm>
#include <optional>
#include <set>

#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "base/checked_math.h"

namespace touchstone {
namespace {

constexpr uint32_t kIsaIrqCount = 16;
constexpr uint32_t kPciSlots = 32;
constexpr uint32_t kPciPins = 4;
constexpr uint32_t kMaxBuses = 256;
constexpr uint64_t kBytesPerBus = uint64_t{1} << 20;
constexpr uint64_t kPortSpace = 0x10000;
// A package of _PRT counts its entries in a byte.
constexpr size_t kMaxRoutes = 255;
// Processor device names have three hexadecimal digits.
constexpr size_t kMaxProcessors = 0x1000;
constexpr size_t kMaxComPorts = 9;
constexpr uint64_t kMaxSystemBusAml = 1 << 20;

template <typename... Args>
absl::Status Invalid(const absl::FormatSpec<Args...>& format, const Args&... args) {
  return absl::InvalidArgumentError("ACPI: " + absl::StrFormat(format, args...));
}

absl::Status ValidateProcessors(const AcpiConfig& config) {
  if (config.apic_ids.empty() || config.apic_ids.size() > kMaxProcessors) {
    return Invalid("%d processors; there must be 1 to %d", config.apic_ids.size(), kMaxProcessors);
  }
  const std::set<uint32_t> unique(config.apic_ids.begin(), config.apic_ids.end());
  if (unique.size() != config.apic_ids.size()) return Invalid("two processors share an APIC id");
  if (!config.performance.empty() && config.performance.size() != config.apic_ids.size()) {
    return Invalid("performance of %d processors; there are %d", config.performance.size(),
                   config.apic_ids.size());
  }
  return absl::OkStatus();
}

absl::Status ValidatePowerManagement(const AcpiPowerManagement& power) {
  if (power.sci == 0 || power.sci >= kIsaIrqCount) {
    return Invalid("SCI %d is the timer's or no ISA interrupt", power.sci);
  }
  if (power.gpe0_length % 2 != 0) return Invalid("GPE0 length %d is odd", power.gpe0_length);
  if (power.soft_off_sleep_type > 7 || power.standby_sleep_type.value_or(0) > 7) {
    return Invalid("a sleep type is above 7");
  }
  return absl::OkStatus();
}

bool Overlap(const AcpiWindow& a, const AcpiWindow& b) {
  return a.start < b.start + b.size && b.start < a.start + a.size;
}

absl::Status ValidateEcam(const AcpiPciHost& pci) {
  const AcpiEcam& ecam = *pci.ecam;
  if (ecam.bus_count == 0 || ecam.bus_count > kMaxBuses) {
    return Invalid("ECAM for %d buses; there must be 1 to %d", ecam.bus_count, kMaxBuses);
  }
  const uint64_t size = ecam.bus_count * kBytesPerBus;
  if (!IsAligned(ecam.base, kBytesPerBus) || !CheckedAdd(ecam.base, size).has_value()) {
    return Invalid("ECAM at %#x is not a multiple of 1 MiB or too high", ecam.base);
  }
  for (const AcpiWindow& window : pci.memory_windows) {
    if (Overlap(window, {ecam.base, size})) {
      return Invalid("PCI memory window at %#x overlaps ECAM at %#x", window.start, ecam.base);
    }
  }
  return absl::OkStatus();
}

absl::Status ValidatePci(const AcpiConfig& config) {
  const AcpiPciHost& pci = config.pci;
  for (const AcpiWindow& window : pci.io_windows) {
    // The length field of a word descriptor holds less than the whole port space.
    if (window.size == 0 || window.size >= kPortSpace ||
        !FitsWithin(window.start, window.size, kPortSpace)) {
      return Invalid("PCI port window at %#x of %#x bytes", window.start, window.size);
    }
  }
  for (const AcpiWindow& window : pci.memory_windows) {
    const std::optional<uint64_t> end = CheckedAdd(window.start, window.size);
    const bool low = window.start < uint64_t{1} << 32;
    if (window.size == 0 || !end.has_value() || (low && *end > uint64_t{1} << 32)) {
      return Invalid("PCI memory window at %#x of %#x bytes is empty, wraps or crosses 4 GiB",
                     window.start, window.size);
    }
  }
  if (!pci.ecam.has_value() && (pci.bus_count == 0 || pci.bus_count > kMaxBuses)) {
    return Invalid("%d PCI buses; there must be 1 to %d", pci.bus_count, kMaxBuses);
  }
  if (pci.ecam.has_value()) {
    if (absl::Status status = ValidateEcam(pci); !status.ok()) return status;
  }
  if (pci.routes.size() > kMaxRoutes) return Invalid("%d PCI routes", pci.routes.size());
  for (const AcpiPciRoute& route : pci.routes) {
    if (route.slot >= kPciSlots || route.pin >= kPciPins) {
      return Invalid("PCI route for slot %d, pin %d", route.slot, route.pin);
    }
    if (route.gsi >= config.interrupts.ioapic_pins || route.gsi == config.interrupts.timer_pin) {
      return Invalid("PCI slot %d is routed to GSI %d, which is the timer's or no IOAPIC pin",
                     route.slot, route.gsi);
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateLegacyDevices(const AcpiConfig& config) {
  if (config.com_ports.size() > kMaxComPorts) {
    return Invalid("%d COM ports", config.com_ports.size());
  }
  for (const AcpiComPort& port : config.com_ports) {
    if (port.irq >= kIsaIrqCount || port.port > kPortSpace - 8) {
      return Invalid("COM port at %#x with interrupt %d", port.port, port.irq);
    }
  }
  if (config.rtc.has_value() &&
      (config.rtc->irq >= kIsaIrqCount || config.rtc->port > kPortSpace - 2)) {
    return Invalid("RTC at %#x with interrupt %d", config.rtc->port, config.rtc->irq);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateAcpiConfig(const AcpiConfig& config) {
  for (const absl::Status& status :
       {ValidateProcessors(config), ValidatePowerManagement(config.power), ValidatePci(config),
        ValidateLegacyDevices(config)}) {
    if (!status.ok()) return status;
  }
  if (config.system_bus_aml.size() > kMaxSystemBusAml) {
    return Invalid("%d bytes of AML", config.system_bus_aml.size());
  }
  return absl::OkStatus();
}

}  // namespace touchstone
