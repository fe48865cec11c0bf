// The older spellings of network devices (crosvm.md 1.4).

#ifndef TOUCHSTONE_VMM_CONFIG_NET_OPTIONS_H_
#define TOUCHSTONE_VMM_CONFIG_NET_OPTIONS_H_

#include "vmm/config/config.pb.h"

namespace touchstone {

// Moves what --tap-name, --tap-fd and --host-ip ask for behind the entries of --net, in this order.
// Doing it again changes nothing.
void GatherNets(RunConfig& config);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_NET_OPTIONS_H_
