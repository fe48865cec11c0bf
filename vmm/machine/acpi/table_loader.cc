#include "vmm/machine/acpi/table_loader.h"

#include <algorithm>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/endian.h"
#include "base/memory/guest_address.h"
#include "base/status.h"
#include "vmm/machine/acpi/sdt.h"
#include "vmm/machine/acpi/tables.h"

namespace touchstone {
namespace {

constexpr size_t kFileNameSize = 56;
constexpr uint8_t kHighMemory = 1;  // zones of kAllocate
constexpr uint8_t kBelowOneMiB = 2;

enum class Command : uint32_t { kAllocate = 1, kAddPointer = 2, kAddChecksum = 3 };

// ACPI 6.4: the root pointer (5.2.5.3), the header of tables (5.2.6), FACP (5.2.9).
constexpr size_t kRsdpSize = 36;
constexpr size_t kRsdpFirstPart = 20;
constexpr size_t kRsdpChecksum = 8;
constexpr size_t kRsdpXsdt = 24;
constexpr size_t kRsdpExtendedChecksum = 32;
constexpr size_t kSdtLength = 4;
constexpr size_t kSdtChecksum = 9;
constexpr size_t kSdtHeader = 36;
constexpr size_t kFadtFacs = 36;
constexpr size_t kFadtDsdt = 40;
constexpr size_t kFadtXDsdt = 140;

class Script {
 public:
  explicit Script(std::vector<uint8_t>& bytes) : bytes_(bytes) {}

  void Allocate(absl::string_view file, uint32_t alignment, uint8_t zone) {
    Begin(Command::kAllocate);
    Name(file);
    Number(alignment, 4);
    Number(zone, 1);
    End();
  }
  // The `size` bytes at `offset` of `file` point into `target`.
  void AddPointer(absl::string_view file, absl::string_view target, size_t offset, uint8_t size) {
    Begin(Command::kAddPointer);
    Name(file);
    Name(target);
    Number(offset, 4);
    Number(size, 1);
    End();
  }
  void AddChecksum(absl::string_view file, size_t offset, size_t start, size_t length) {
    Begin(Command::kAddChecksum);
    Name(file);
    Number(offset, 4);
    Number(start, 4);
    Number(length, 4);
    End();
  }

 private:
  void Begin(Command command) { Number(static_cast<uint32_t>(command), 4); }
  void Name(absl::string_view name) {
    bytes_.insert(bytes_.end(), name.begin(), name.end());
    bytes_.resize(bytes_.size() + kFileNameSize - name.size());
  }
  void Number(uint64_t value, size_t size) {
    bytes_.resize(bytes_.size() + size);
    StoreLe(value, absl::MakeSpan(bytes_).last(size));
  }
  void End() {
    bytes_.resize((bytes_.size() + kTableLoaderEntrySize - 1) / kTableLoaderEntrySize *
                  kTableLoaderEntrySize);
  }

  std::vector<uint8_t>& bytes_;
};

uint64_t NumberAt(absl::Span<const uint8_t> bytes, size_t offset, size_t size) {
  return LoadLe(bytes.subspan(offset, size));
}

}  // namespace

absl::StatusOr<LoadableTables> BuildLoadableTables(const AcpiConfig& config, uint64_t most_bytes) {
  LoadableTables result;
  // Tables for address 0 have offsets for pointers. The root pointer is first among them.
  ASSIGN_OR_RETURN(result.tables, EncodeAcpiTables(config, GuestAddress{0}, most_bytes));
  std::vector<uint8_t>& tables = result.tables;
  result.rsdp.assign(tables.begin(), tables.begin() + kRsdpSize);
  std::fill_n(tables.begin(), kRsdpSize, uint8_t{0});

  Script script(result.script);
  script.Allocate(kAcpiRsdpFile, 16, kBelowOneMiB);
  script.Allocate(kAcpiTablesFile, 64, kHighMemory);

  // Firmware may compute a checksum over the old one.
  const auto finish = [&](size_t table) {
    tables[table + kSdtChecksum] = 0;
    script.AddChecksum(kAcpiTablesFile, table + kSdtChecksum, table,
                       NumberAt(tables, table + kSdtLength, 4));
  };
  const auto point = [&](size_t offset, uint8_t size) {
    if (NumberAt(tables, offset, size) == 0) return;
    script.AddPointer(kAcpiTablesFile, kAcpiTablesFile, offset, size);
  };

  const size_t xsdt = NumberAt(result.rsdp, kRsdpXsdt, 8);
  const size_t xsdt_end = xsdt + NumberAt(tables, xsdt + kSdtLength, 4);
  for (size_t entry = xsdt + kSdtHeader; entry < xsdt_end; entry += 8) {
    const size_t table = NumberAt(tables, entry, 8);
    if (SdtSignature(absl::MakeConstSpan(tables).subspan(table)) == "FACP") {
      const size_t length = NumberAt(tables, table + kSdtLength, 4);
      point(table + kFadtFacs, 4);
      point(table + kFadtDsdt, 4);
      if (length >= kFadtXDsdt + 8) point(table + kFadtXDsdt, 8);
      finish(table);
    }
    point(entry, 8);
  }
  finish(xsdt);

  result.rsdp[kRsdpChecksum] = 0;
  result.rsdp[kRsdpExtendedChecksum] = 0;
  script.AddPointer(kAcpiRsdpFile, kAcpiTablesFile, kRsdpXsdt, 8);
  script.AddChecksum(kAcpiRsdpFile, kRsdpChecksum, 0, kRsdpFirstPart);
  script.AddChecksum(kAcpiRsdpFile, kRsdpExtendedChecksum, 0, kRsdpSize);
  return result;
}

}  // namespace touchstone
