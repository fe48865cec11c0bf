// The multiple APIC description table, signature "APIC" (ACPI 6.4, section 5.2.12).

#ifndef TOUCHSTONE_VMM_MACHINE_ACPI_MADT_H_
#define TOUCHSTONE_VMM_MACHINE_ACPI_MADT_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/endian.h"
#include "vmm/machine/acpi/acpi_config.h"

namespace touchstone {

// Where an ISA interrupt that is not edge triggered, active high and identity mapped arrives:
// interrupt source override, table 5.26 in 5.2.12.5.
struct InterruptOverride {
  uint8_t type = 2;
  uint8_t length = 10;
  uint8_t bus = 0;  // ISA
  uint8_t source = 0;
  Le32 gsi;
  Le16 flags;  // MPS INTI flags, table 5.25
};
static_assert(sizeof(InterruptOverride) == 10);

// MPS INTI flags: conforms to the bus (ISA: edge, high), and level triggered, active low.
inline constexpr uint16_t kIntiConforming = 0x0;
inline constexpr uint16_t kIntiLevelLow = 0xF;

// The overrides that `madt`, a whole APIC table from outside, contains. InvalidArgument when its
// entries do not add up to its length.
absl::StatusOr<std::vector<InterruptOverride>> ReadInterruptOverrides(
    absl::Span<const uint8_t> madt);

// `overrides` take the place of the generated ones for the same interrupt.
std::vector<uint8_t> BuildMadt(const AcpiConfig& config,
                               absl::Span<const InterruptOverride> overrides);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_ACPI_MADT_H_
