// _OSC, by which guest and firmware agree on features (ACPI 6.4, 6.2.11).

#ifndef TOUCHSTONE_VMM_MACHINE_ACPI_OSC_METHOD_H_
#define TOUCHSTONE_VMM_MACHINE_ACPI_OSC_METHOD_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "vmm/machine/acpi/aml.h"

namespace touchstone {

// For the one set of features that `uuid` names, revision 1: of the dword that the guest's buffer
// has at `byte_index`, it may have the bits of `granted`. A pure function: thread-safe.
Aml OscMethod(absl::string_view uuid, uint8_t byte_index, uint32_t granted);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_ACPI_OSC_METHOD_H_
