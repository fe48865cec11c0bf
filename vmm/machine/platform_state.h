// The state structures of devices that are no PCI functions as messages, and back. What a message
// says of such a structure is checked for its size alone: the device's Restore checks the rest.
//
// Pure functions.

#ifndef TOUCHSTONE_VMM_MACHINE_PLATFORM_STATE_H_
#define TOUCHSTONE_VMM_MACHINE_PLATFORM_STATE_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/status.h"
#include "devices/platform/acpi_pm/acpi_pm.h"
#include "devices/platform/flash/flash.h"
#include "devices/platform/fw_cfg/fw_cfg.h"
#include "devices/platform/ioapic/ioapic.h"
#include "devices/platform/pic/pic.h"
#include "devices/platform/pit/pit.h"
#include "devices/platform/rtc/rtc.h"
#include "devices/platform/serial/serial.h"
#include "vmm/machine/platform_state.pb.h"

namespace touchstone {

void SaveTo(const SerialState& state, SerialSaved& saved);
absl::StatusOr<SerialState> ReadFrom(const SerialSaved& saved);

void SaveTo(const AcpiPmState& state, AcpiPmSaved& saved);
absl::StatusOr<AcpiPmState> ReadFrom(const AcpiPmSaved& saved);

void SaveTo(const RtcState& state, RtcSaved& saved);
absl::StatusOr<RtcState> ReadFrom(const RtcSaved& saved);

void SaveTo(const FwCfg::State& state, FwCfgSaved& saved);
absl::StatusOr<FwCfg::State> ReadFrom(const FwCfgSaved& saved);

void SaveTo(const Flash::State& state, FlashSaved& saved);
absl::StatusOr<Flash::State> ReadFrom(const FlashSaved& saved);

void SaveTo(const PicChipState& state, PicChipSaved& saved);
absl::StatusOr<PicChipState> ReadFrom(const PicChipSaved& saved);

void SaveTo(const IoapicState& state, IoapicSaved& saved);
absl::StatusOr<IoapicState> ReadFrom(const IoapicSaved& saved);

void SaveTo(const PitCounterState& state, PitCounterSaved& saved);
absl::StatusOr<PitCounterState> ReadFrom(const PitCounterSaved& saved);

// Reads `saved` and gives it to `device`, which is called that.
template <typename Saved, typename Device>
absl::Status RestoreFrom(const Saved& saved, absl::string_view name, Device& device) {
  const auto state = ReadFrom(saved);
  return Annotate(state.ok() ? device.Restore(*state) : state.status(), name);
}

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_PLATFORM_STATE_H_
