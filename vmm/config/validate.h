// The checks that need the whole configuration (crosvm.md 1.3), wherever it came from.

#ifndef TOUCHSTONE_VMM_CONFIG_VALIDATE_H_
#define TOUCHSTONE_VMM_CONFIG_VALIDATE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "vmm/config/config.pb.h"
#include "vmm/config/host_limits.h"

namespace touchstone {

inline constexpr uint64_t kMinMemoryMib = 4;
// APIC ids are bytes and 255 is the broadcast.
inline constexpr uint32_t kMaxVcpus = 254;
inline constexpr uint32_t kComPorts = 4;

// All mistakes of `config`, one line each without a newline; empty when it can be built. Accepts
// the same before and after ApplyDefaults.
std::vector<std::string> Validate(const RunConfig& config, const HostLimits& host);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_VALIDATE_H_
