#include "vmm/machine/acpi/tables.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "base/checked_math.h"
#include "base/endian.h"
#include "base/log.h"
#include "base/status.h"
#include "vmm/machine/acpi/dsdt.h"
#include "vmm/machine/acpi/fadt.h"
#include "vmm/machine/acpi/madt.h"
#include "vmm/machine/acpi/sdt.h"

namespace touchstone {
namespace {

// FACS must be 64-byte aligned (5.2.10); we align all.
constexpr uint64_t kTableAlignment = 64;

// Root system description pointer, 5.2.5.3.
struct Rsdp {
  char signature[8] = {'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '};
  uint8_t checksum = 0;  // of the first 20 bytes
  char oem_id[6] = {'T', 'C', 'H', 'S', 'T', 'N'};
  uint8_t revision = 2;
  Le32 rsdt_address;  // none: XSDT has all
  Le32 length = uint32_t{36};
  Le64 xsdt_address;
  uint8_t extended_checksum = 0;
  uint8_t reserved[3] = {};
};
static_assert(sizeof(Rsdp) == 36);
constexpr size_t kRsdpFirstPart = 20;

// Firmware ACPI control structure, 5.2.10: memory that firmware and guest share, no header.
struct Facs {
  char signature[4] = {'F', 'A', 'C', 'S'};
  Le32 length = uint32_t{64};
  Le32 hardware_signature;
  Le32 firmware_waking_vector;
  Le32 global_lock;
  Le32 flags;
  Le64 x_firmware_waking_vector;
  uint8_t version = 2;
  uint8_t reserved[3] = {};
  Le32 ospm_flags;
  uint8_t reserved2[24] = {};
};
static_assert(sizeof(Facs) == 64);

// PCI Firmware 3.2, table 4-2 and 4-3, for one segment.
struct McfgBody {
  uint8_t reserved[8] = {};
  Le64 base;
  Le16 segment;
  uint8_t first_bus = 0;
  uint8_t last_bus = 0;
  uint8_t reserved2[4] = {};
};
static_assert(sizeof(McfgBody) == 24);

template <typename T>
std::vector<uint8_t> ToBytes(const T& object) {
  std::vector<uint8_t> bytes;
  AppendObject(bytes, object);
  return bytes;
}

std::vector<uint8_t> BuildMcfg(const AcpiEcam& ecam) {
  McfgBody body;
  body.base = ecam.base;
  body.last_bus = static_cast<uint8_t>(ecam.bus_count - 1);
  return BuildSdt("MCFG", 1, ToBytes(body));
}

std::vector<uint8_t> BuildXsdt(absl::Span<const GuestAddress> tables) {
  std::vector<uint8_t> body;
  for (const GuestAddress table : tables) AppendObject(body, Le64(Raw(table)));
  return BuildSdt("XSDT", 1, body);
}

std::vector<uint8_t> BuildRsdp(GuestAddress xsdt) {
  Rsdp rsdp;
  rsdp.xsdt_address = Raw(xsdt);
  std::vector<uint8_t> bytes = ToBytes(rsdp);
  bytes[offsetof(Rsdp, checksum)] = AcpiChecksum(absl::MakeConstSpan(bytes).first(kRsdpFirstPart));
  bytes[offsetof(Rsdp, extended_checksum)] = AcpiChecksum(bytes);
  return bytes;
}

// What extra tables ask for, sorted by what is done with them.
struct ExtraTables {
  std::optional<std::vector<uint8_t>> dsdt, fadt;
  std::vector<InterruptOverride> overrides;
  std::vector<std::vector<uint8_t>> others;
};

absl::Status SortExtraTable(const std::vector<uint8_t>& table, ExtraTables& extra) {
  RETURN_IF_ERROR(ValidateSdt(table));
  const absl::string_view signature = SdtSignature(table);
  if (signature == "RSDT" || signature == "XSDT" || signature == "FACS") {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s belongs to the machine and cannot be given", signature));
  }
  if (signature == "DSDT" || signature == "FACP") {
    std::optional<std::vector<uint8_t>>& slot = signature == "DSDT" ? extra.dsdt : extra.fadt;
    if (slot.has_value()) {
      return absl::InvalidArgumentError(absl::StrFormat("%s is given twice", signature));
    }
    slot = table;
  } else if (signature == "APIC") {
    ASSIGN_OR_RETURN(std::vector<InterruptOverride> overrides, ReadInterruptOverrides(table));
    extra.overrides.insert(extra.overrides.end(), overrides.begin(), overrides.end());
  } else {
    extra.others.push_back(table);
  }
  return absl::OkStatus();
}

absl::StatusOr<ExtraTables> SortExtraTables(const AcpiConfig& config) {
  ExtraTables extra;
  for (const AcpiExtraTable& table : config.extra_tables) {
    RETURN_IF_ERROR(Annotate(SortExtraTable(table.bytes, extra), table.name));
  }
  return extra;
}

// The area, filled from its start.
class Area {
 public:
  Area(GuestAddress start, size_t reserved) : start_(start), bytes_(reserved) {}

  GuestAddress Add(absl::Span<const uint8_t> table) {
    bytes_.resize(*CheckedAlignUp<uint64_t>(bytes_.size(), kTableAlignment));
    const GuestAddress address = start_ + bytes_.size();
    bytes_.insert(bytes_.end(), table.begin(), table.end());
    return address;
  }

  std::vector<uint8_t>& bytes() { return bytes_; }

 private:
  GuestAddress start_;
  std::vector<uint8_t> bytes_;
};

}  // namespace

absl::StatusOr<std::vector<uint8_t>> EncodeAcpiTables(const AcpiConfig& config, GuestAddress area,
                                                      uint64_t area_size) {
  CHECK(IsAligned(Raw(area), kTableAlignment) &&
        FitsWithin(Raw(area), area_size, uint64_t{1} << 32));
  RETURN_IF_ERROR(ValidateAcpiConfig(config));
  ASSIGN_OR_RETURN(ExtraTables extra, SortExtraTables(config));

  Area tables(area, sizeof(Rsdp));
  const GuestAddress facs = tables.Add(ToBytes(Facs{}));
  const GuestAddress dsdt = tables.Add(extra.dsdt.has_value() ? *extra.dsdt : BuildDsdt(config));

  std::vector<uint8_t> fadt = extra.fadt.has_value() ? *extra.fadt : BuildFadt(config);
  RETURN_IF_ERROR(PointFadt(absl::MakeSpan(fadt), facs, dsdt));
  std::vector<GuestAddress> listed = {tables.Add(fadt)};

  listed.push_back(tables.Add(BuildMadt(config, extra.overrides)));
  if (config.pci.ecam.has_value()) listed.push_back(tables.Add(BuildMcfg(*config.pci.ecam)));
  for (const std::vector<uint8_t>& table : extra.others) listed.push_back(tables.Add(table));

  const GuestAddress xsdt = tables.Add(BuildXsdt(listed));
  const std::vector<uint8_t> rsdp = BuildRsdp(xsdt);
  std::copy(rsdp.begin(), rsdp.end(), tables.bytes().begin());

  if (tables.bytes().size() > area_size) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("ACPI tables of %d processors, %d PCI routes and %d extra tables need %d "
                        "bytes; there are %d for them",
                        config.apic_ids.size(), config.pci.routes.size(),
                        config.extra_tables.size(), tables.bytes().size(), area_size));
  }
  return std::move(tables.bytes());
}

absl::StatusOr<GuestAddress> BuildAcpiTables(const AcpiConfig& config, const GuestMemory& memory,
                                             GuestAddress area, uint64_t area_size) {
  ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes, EncodeAcpiTables(config, area, area_size));
  RETURN_IF_ERROR(memory.Write(area, bytes));
  return area;
}

}  // namespace touchstone
