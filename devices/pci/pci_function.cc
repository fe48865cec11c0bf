#include "devices/pci/pci_function.h"

#include "devices/pci/pci_function_state.pb.h"

namespace touchstone {

absl::StatusOr<PciFunctionState> PciFunction::Save() {
  return absl::FailedPreconditionError("its state cannot be saved");
}

absl::Status PciFunction::Restore(const PciFunctionState& /*state*/) {
  return absl::FailedPreconditionError("its state cannot be restored");
}

}  // namespace touchstone
