// System description tables: the header that all but RSDP and FACS begin with, and its checksum
// (ACPI 6.4, section 5.2.6).

#ifndef TOUCHSTONE_VMM_MACHINE_ACPI_SDT_H_
#define TOUCHSTONE_VMM_MACHINE_ACPI_SDT_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/endian.h"

namespace touchstone {

// Table 5.27.
struct SdtHeader {
  char signature[4] = {};
  Le32 length;
  uint8_t revision = 0;
  uint8_t checksum = 0;
  char oem_id[6] = {};
  char oem_table_id[8] = {};
  Le32 oem_revision;
  char creator_id[4] = {};
  Le32 creator_revision;
};
static_assert(sizeof(SdtHeader) == 36);

// What makes the bytes sum up to 0 modulo 256 when it is added to them.
uint8_t AcpiChecksum(absl::Span<const uint8_t> bytes);

// Header and body. REQUIRES: `signature` has four characters.
std::vector<uint8_t> BuildSdt(absl::string_view signature, uint8_t revision,
                              absl::Span<const uint8_t> body);

// Appends the bytes of a packed struct to a table's body.
template <typename T>
void AppendObject(std::vector<uint8_t>& to, const T& object) {
  static_assert(std::is_trivially_copyable_v<T> && alignof(T) == 1);
  const auto* bytes = reinterpret_cast<const uint8_t*>(&object);
  to.insert(to.end(), bytes, bytes + sizeof(T));
}

// Sets length and checksum after the bytes behind them changed. REQUIRES: a header's size at least.
void FinishSdt(absl::Span<uint8_t> table);

// The four characters. REQUIRES: ValidateSdt(table) is ok.
absl::string_view SdtSignature(absl::Span<const uint8_t> table);

// InvalidArgument unless `table`, bytes from outside, is one whole table with the length and
// checksum that its header says and a printable signature.
absl::Status ValidateSdt(absl::Span<const uint8_t> table);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_ACPI_SDT_H_
