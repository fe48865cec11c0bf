// The name of the host's processor.

#ifndef TOUCHSTONE_VMM_MACHINE_CPU_HOST_BRAND_H_
#define TOUCHSTONE_VMM_MACHINE_CPU_HOST_BRAND_H_

#include <string>

namespace touchstone {

// The processor brand string (Intel SDM volume 2, CPUID leaves 0x80000002 to 0x80000004) without
// padding; empty when the processor has none. Thread-safe.
std::string HostBrand();

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_CPU_HOST_BRAND_H_
