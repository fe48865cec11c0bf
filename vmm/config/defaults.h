// Defaults that depend on the rest of the configuration; the plain ones are the schema's proto2
// defaults.

#ifndef TOUCHSTONE_VMM_CONFIG_DEFAULTS_H_
#define TOUCHSTONE_VMM_CONFIG_DEFAULTS_H_

#include "vmm/config/config.pb.h"

namespace touchstone {

// Serial ports (crosvm.md 1.4): without any console, a free COM1 becomes one on standard output,
// with standard input unless another device reads that. Then all of COM1 to COM4 exist; those not
// configured are sinks. Network devices are gathered in `net` (net_options.h), --cid becomes
// --vsock. Applying it again changes nothing.
void ApplyDefaults(RunConfig& config);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_DEFAULTS_H_
