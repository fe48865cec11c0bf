// How a guest finds and controls what its processors can do: \_SB._OSC for the platform's
// capabilities, and _CPC of each processor for collaborative processor performance control (ACPI
// 6.4, 6.2.11.2 and 8.4.7.1).
//
// Where the processors' highest performance differs, Linux (drivers/cpufreq/intel_pstate.c) prefers
// the fastest. Pure functions: thread-safe.

#ifndef TOUCHSTONE_VMM_MACHINE_ACPI_PROCESSOR_PERFORMANCE_H_
#define TOUCHSTONE_VMM_MACHINE_ACPI_PROCESSOR_PERFORMANCE_H_

#include "vmm/machine/acpi/acpi_config.h"
#include "vmm/machine/acpi/aml.h"

namespace touchstone {

// The platform's _OSC, for the scope of \_SB: grants the use of _CPC and that the processors'
// highest performance differs.
Aml PlatformCapabilities();

// The _CPC of a processor whose guest has the MSRs of hardware P-states (Intel SDM volume 3, 15.4).
Aml PerformanceControl(const AcpiPerformance& performance);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_ACPI_PROCESSOR_PERFORMANCE_H_
