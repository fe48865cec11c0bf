// What every function's state has: its configuration space.
//
//   absl::StatusOr<PciFunctionState> Pvpanic::Save() { return StateWith(config_); }
//   absl::Status Pvpanic::Restore(const PciFunctionState& state) {
//     return RestoreConfig(state, config_);
//   }
//
// Pure functions.

#ifndef TOUCHSTONE_DEVICES_PCI_PCI_FUNCTION_STATE_H_
#define TOUCHSTONE_DEVICES_PCI_PCI_FUNCTION_STATE_H_

#include "absl/status/status.h"
#include "devices/pci/config_space.h"
#include "devices/pci/pci_function_state.pb.h"

namespace touchstone {

PciFunctionState StateWith(const ConfigSpace& config);

// InvalidArgument, and nothing changed, for a state of another version or of another function.
absl::Status RestoreConfig(const PciFunctionState& state, ConfigSpace& config);

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PCI_PCI_FUNCTION_STATE_H_
