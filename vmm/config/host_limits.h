// What the host sets bounds for.

#ifndef TOUCHSTONE_VMM_CONFIG_HOST_LIMITS_H_
#define TOUCHSTONE_VMM_CONFIG_HOST_LIMITS_H_

#include <cstdint>

#include "vmm/config/config.pb.h"

namespace touchstone {

struct HostLimits {
  // Bits of a physical address (CPUID 0x80000008).
  int physical_address_bits = 36;
  // Processors that are online.
  uint32_t cpus = 1;
  // Whether it has hardware P-states (CPUID 6, EAX bit 7).
  bool hwp = false;
  // Whether it says what its processors can do (/sys/devices/system/cpu/cpu0/acpi_cppc).
  bool performance = false;
  // Whether it has cores of two kinds (CPUID 7, EDX bit 15).
  bool hybrid = false;
};

// The limits of the machine this runs on, as far as `config` has an option that they bound: to ask
// for the others would cost each start system calls and exits of CPUID.
HostLimits ReadHostLimits(const RunConfig& config);

// Processors of the host that are online.
uint32_t OnlineCpus();

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_HOST_LIMITS_H_
