// What the ACPI tables say about the machine, as plain data. tables.h turns it into bytes.
//
// The members' defaults are the PC's usual places. Ranges are checked by ValidateAcpiConfig.

#ifndef TOUCHSTONE_VMM_MACHINE_ACPI_ACPI_CONFIG_H_
#define TOUCHSTONE_VMM_MACHINE_ACPI_ACPI_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace touchstone {

struct AcpiInterruptControllers {
  uint32_t lapic_address = 0xFEE00000;
  uint32_t ioapic_address = 0xFEC00000;
  uint8_t ioapic_id = 0;
  uint32_t ioapic_pins = 24;
  // The IOAPIC pin that ISA interrupt 0, the PIT's, is routed to: 0 as in DefaultIrqRoutes(), 2 on
  // real PCs. Where the GSI routing disagrees, Linux finds its "8254 timer not connected".
  uint32_t timer_pin = 0;
};

// Fixed hardware registers (ACPI 6.4, 4.8.3). Power and sleep button are fixed hardware too.
struct AcpiPowerManagement {
  uint16_t pm1_event_port = 0x600;    // PM1 status and enable, 4 bytes
  uint16_t pm1_control_port = 0x604;  // 2 bytes
  std::optional<uint16_t> timer_port = 0x608;
  bool timer_is_32_bit = false;
  uint16_t gpe0_port = 0x620;
  uint8_t gpe0_length = 64;  // bytes, status and enable halves: even
  // Level triggered, active low; an ISA number, below 16.
  uint8_t sci = 9;
  // SLP_TYPa values that end in soft off (S5) and in stand-by (S1), 0 to 7.
  uint8_t soft_off_sleep_type = 5;
  std::optional<uint8_t> standby_sleep_type = 1;
  // The guest should idle instead of sleeping (FADT flag LOW_POWER_S0_IDLE_CAPABLE), and writes 1
  // to this port when it does, 0 when it no longer does.
  std::optional<uint16_t> idle_port;
};

// A byte-wide port and the value that resets the machine.
struct AcpiReset {
  uint16_t port = 0xCF9;
  uint8_t value = 0x06;
};

struct AcpiWindow {
  uint64_t start = 0;
  uint64_t size = 0;
};

// The enhanced configuration access mechanism: 1 MiB for each bus from bus 0.
struct AcpiEcam {
  uint64_t base = 0;
  uint32_t bus_count = 0;  // 1 to 256
};

// Where the interrupt pin of a device on bus 0 arrives. Level triggered, active low.
struct AcpiPciRoute {
  uint8_t slot = 0;  // 0 to 31
  uint8_t pin = 0;   // 0 is INTA#
  uint32_t gsi = 0;
};

struct AcpiPciHost {
  std::optional<AcpiEcam> ecam;
  uint32_t bus_count = 256;  // what the bridge decodes: 0 to bus_count - 1; ECAM's when present
  std::vector<AcpiWindow> io_windows;
  // Below 4 GiB or above; they must not overlap ECAM.
  std::vector<AcpiWindow> memory_windows;
  std::vector<AcpiPciRoute> routes;
};

struct AcpiComPort {
  uint16_t port = 0x3F8;
  uint8_t irq = 4;
};

struct AcpiRtc {
  uint16_t port = 0x70;  // index; data is the next
  uint8_t irq = 8;
  // CMOS indices of the registers beyond the original ones, 0 when there is none.
  uint8_t day_alarm = 0;
  uint8_t month_alarm = 0;
  uint8_t century = 0x32;
};

// What a processor can do, on the scale of hardware P-states (ACPI 6.4, 8.4.7.1.1), and what two of
// these stand for in MHz, 0 when that is not known.
struct AcpiPerformance {
  uint32_t highest = 0;
  uint32_t nominal = 0;
  uint32_t lowest_nonlinear = 0;
  uint32_t lowest = 0;
  uint32_t reference = 0;  // at which the reference counter counts
  uint32_t lowest_mhz = 0;
  uint32_t nominal_mhz = 0;
};

// A table from outside, as a file holds it.
struct AcpiExtraTable {
  std::string name;  // For errors.
  std::vector<uint8_t> bytes;
};

struct AcpiConfig {
  // One per vCPU. The position is the processor's ACPI UID.
  std::vector<uint32_t> apic_ids;
  // Of the same processors, for a guest that controls their hardware P-states; else empty.
  std::vector<AcpiPerformance> performance;

  AcpiInterruptControllers interrupts;
  AcpiPowerManagement power;
  AcpiReset reset;
  AcpiPciHost pci;
  std::vector<AcpiComPort> com_ports;
  std::optional<AcpiRtc> rtc;

  // Encoded AML terms (aml.h) that devices add to \_SB.
  std::vector<uint8_t> system_bus_aml;

  // DSDT and FACP replace the generated ones; APIC gives its interrupt source overrides; any other
  // is listed after the generated ones.
  std::vector<AcpiExtraTable> extra_tables;
};

// InvalidArgument, with what is wrong, when `config` describes no machine that tables can say. Does
// not look at extra_tables: BuildAcpiTables does.
absl::Status ValidateAcpiConfig(const AcpiConfig& config);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_ACPI_ACPI_CONFIG_H_
