// The fixed ACPI description table, signature "FACP" (ACPI 6.4, section 5.2.9), revision 6.3.

#ifndef TOUCHSTONE_VMM_MACHINE_ACPI_FADT_H_
#define TOUCHSTONE_VMM_MACHINE_ACPI_FADT_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/memory/guest_address.h"
#include "vmm/machine/acpi/acpi_config.h"

namespace touchstone {

// The table without the addresses of FACS and DSDT; PointFadt sets those.
std::vector<uint8_t> BuildFadt(const AcpiConfig& config);

// Makes a FADT, generated or from outside, point to these tables and sets its checksum again.
// InvalidArgument when it is too short to point anywhere. REQUIRES: both addresses below 4 GiB.
absl::Status PointFadt(absl::Span<uint8_t> fadt, GuestAddress facs, GuestAddress dsdt);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_ACPI_FADT_H_
