// The differentiated system description table: what a guest cannot find by itself, in AML (ACPI
// 6.4, section 5.2.11.1).
//
//   \_S1, \_S5   sleep types
//   \_SB.CPUS    one ACPI0007 device for each processor
//   \_SB.PC00    PCI host bridge: bus numbers, windows, interrupt routing, _OSC
//   \_SB.MRES    reserves ECAM
//   \_SB.RTC, \_SB.COM1 ...

#ifndef TOUCHSTONE_VMM_MACHINE_ACPI_DSDT_H_
#define TOUCHSTONE_VMM_MACHINE_ACPI_DSDT_H_

#include <cstdint>
#include <vector>

#include "vmm/machine/acpi/acpi_config.h"

namespace touchstone {

// REQUIRES: `config` passed ValidateAcpiConfig.
std::vector<uint8_t> BuildDsdt(const AcpiConfig& config);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_ACPI_DSDT_H_
