#include "vmm/machine/acpi/sdt.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "base/log.h"

namespace touchstone {
namespace {

constexpr absl::string_view kOemId = "TCHSTN";
constexpr absl::string_view kOemTableId = "TOUCHSTN";
constexpr absl::string_view kCreatorId = "TCHS";

template <size_t kSize>
void SetText(char (&field)[kSize], absl::string_view text) {
  CHECK(text.size() == kSize);
  std::copy(text.begin(), text.end(), field);
}

}  // namespace

uint8_t AcpiChecksum(absl::Span<const uint8_t> bytes) {
  uint8_t sum = 0;
  for (const uint8_t byte : bytes) sum = static_cast<uint8_t>(sum + byte);
  return static_cast<uint8_t>(-sum);
}

std::vector<uint8_t> BuildSdt(absl::string_view signature, uint8_t revision,
                              absl::Span<const uint8_t> body) {
  SdtHeader header;
  SetText(header.signature, signature);
  header.revision = revision;
  SetText(header.oem_id, kOemId);
  SetText(header.oem_table_id, kOemTableId);
  header.oem_revision = uint32_t{1};
  SetText(header.creator_id, kCreatorId);
  header.creator_revision = uint32_t{1};
  std::vector<uint8_t> table;
  AppendObject(table, header);
  table.insert(table.end(), body.begin(), body.end());
  FinishSdt(absl::MakeSpan(table));
  return table;
}

void FinishSdt(absl::Span<uint8_t> table) {
  CHECK(table.size() >= sizeof(SdtHeader));
  StoreLe(table.size(), table.subspan(offsetof(SdtHeader, length), sizeof(Le32)));
  table[offsetof(SdtHeader, checksum)] = 0;
  table[offsetof(SdtHeader, checksum)] = AcpiChecksum(table);
}

absl::string_view SdtSignature(absl::Span<const uint8_t> table) {
  return absl::string_view(reinterpret_cast<const char*>(table.data()), 4);
}

absl::Status ValidateSdt(absl::Span<const uint8_t> table) {
  if (table.size() < sizeof(SdtHeader)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%d bytes are too short for an ACPI table header", table.size()));
  }
  const absl::string_view signature = SdtSignature(table);
  if (!std::all_of(signature.begin(), signature.end(), absl::ascii_isprint)) {
    return absl::InvalidArgumentError("the signature is not printable: not an ACPI table");
  }
  const uint64_t length = LoadLe(table.subspan(offsetof(SdtHeader, length), sizeof(Le32)));
  if (length != table.size()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s says it is %d bytes long but has %d", signature, length, table.size()));
  }
  if (AcpiChecksum(table) != 0) {
    return absl::InvalidArgumentError(absl::StrFormat("%s has a wrong checksum", signature));
  }
  return absl::OkStatus();
}

}  // namespace touchstone
