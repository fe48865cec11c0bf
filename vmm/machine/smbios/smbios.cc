#include "vmm/machine/smbios/smbios.h"

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/checked_math.h"
#include "base/endian.h"
#include "base/log.h"
#include "base/status.h"

namespace touchstone {
namespace {

constexpr uint64_t kAlignment = 16;

// 5.2.2, SMBIOS 3.0 (64-bit) entry point.
struct EntryPoint {
  char anchor[5] = {'_', 'S', 'M', '3', '_'};
  uint8_t checksum = 0;
  uint8_t length = 24;
  uint8_t major_version = 3;
  uint8_t minor_version = 2;
  uint8_t document_revision = 0;
  uint8_t entry_point_revision = 1;
  uint8_t reserved = 0;
  Le32 table_maximum_size;
  Le64 table_address;
};
static_assert(sizeof(EntryPoint) == 24);

// 5.2.1, SMBIOS 2.1 (32-bit) entry point.
struct EntryPoint21 {
  char anchor[4] = {'_', 'S', 'M', '_'};
  uint8_t checksum = 0;
  uint8_t length = 31;
  uint8_t major_version = 2;
  uint8_t minor_version = 8;
  Le16 largest_structure;
  uint8_t entry_point_revision = 0;
  uint8_t formatted_area[5] = {};
  char intermediate_anchor[5] = {'_', 'D', 'M', 'I', '_'};
  uint8_t intermediate_checksum = 0;  // of the bytes from intermediate_anchor on
  Le16 table_length;
  Le32 table_address;
  Le16 structure_count;
  uint8_t bcd_revision = 0x28;
};
static_assert(sizeof(EntryPoint21) == 31);

// 6.1.2. Strings are numbers from 1, 0 is none.
struct Header {
  uint8_t type;
  uint8_t length;
  Le16 handle;
};

// 7.1, BIOS information.
struct BiosInformation {
  static constexpr uint8_t kType = 0;
  static constexpr uint64_t kPciSupported = 1 << 7;     // 7.1.1
  static constexpr uint8_t kAcpiSupported = 1 << 0;     // 7.1.2.1
  static constexpr uint8_t kIsVirtualMachine = 1 << 4;  // 7.1.2.2
  static constexpr uint8_t kNoEmbeddedController = 0xFF;

  Header header;
  uint8_t vendor = 0;
  uint8_t version = 0;
  Le16 start_segment;
  uint8_t release_date = 0;
  uint8_t rom_size = 0;
  Le64 characteristics = kPciSupported;
  uint8_t characteristics_extension[2] = {kAcpiSupported, kIsVirtualMachine};
  uint8_t bios_release[2] = {};
  uint8_t controller_release[2] = {kNoEmbeddedController, kNoEmbeddedController};
  Le16 extended_rom_size;
};
static_assert(sizeof(BiosInformation) == 0x1A);

// 7.2, system information.
struct SystemInformation {
  static constexpr uint8_t kType = 1;
  static constexpr uint8_t kPowerSwitch = 6;  // 7.2.2

  Header header;
  uint8_t manufacturer = 0;
  uint8_t product_name = 0;
  uint8_t version = 0;
  uint8_t serial_number = 0;
  uint8_t uuid[16] = {};
  uint8_t wake_up_type = kPowerSwitch;
  uint8_t sku_number = 0;
  uint8_t family = 0;
};
static_assert(sizeof(SystemInformation) == 0x1B);

// 7.12, OEM strings.
struct OemStrings {
  static constexpr uint8_t kType = 11;

  Header header;
  uint8_t count = 0;
};
static_assert(sizeof(OemStrings) == 5);

// 7.45.
struct EndOfTable {
  static constexpr uint8_t kType = 127;

  Header header;
};
static_assert(sizeof(EndOfTable) == 4);

// The structures, one behind the other. Handles count from 0.
class StructureTable {
 public:
  // Number of `text` among the strings of the structure that is added next.
  uint8_t String(absl::string_view text) {
    if (text.empty()) return 0;
    strings_.insert(strings_.end(), text.begin(), text.end());
    strings_.push_back(0);
    return ++string_count_;
  }

  // The formatted area and behind it the strings, ended by one NUL more, or by two when there is no
  // string (6.1.3).
  template <typename T>
  void Add(T structure) {
    static_assert(std::is_trivially_copyable_v<T> && alignof(T) == 1);
    structure.header = {.type = T::kType, .length = sizeof(T), .handle = next_handle_++};
    const auto* bytes = reinterpret_cast<const uint8_t*>(&structure);
    const size_t start = bytes_.size();
    bytes_.insert(bytes_.end(), bytes, bytes + sizeof(T));
    bytes_.insert(bytes_.end(), strings_.begin(), strings_.end());
    if (strings_.empty()) bytes_.push_back(0);
    bytes_.push_back(0);
    largest_ = std::max(largest_, bytes_.size() - start);
    strings_.clear();
    string_count_ = 0;
  }

  [[nodiscard]] const std::vector<uint8_t>& bytes() const { return bytes_; }
  [[nodiscard]] uint16_t count() const { return next_handle_; }
  // Bytes of the largest structure, its strings included.
  [[nodiscard]] size_t largest() const { return largest_; }

 private:
  std::vector<uint8_t> bytes_, strings_;
  size_t largest_ = 0;
  uint8_t string_count_ = 0;
  uint16_t next_handle_ = 0;
};

// 7.2.1: the first three fields are little-endian.
void EncodeUuid(const std::array<uint8_t, 16>& text_order, uint8_t (&bytes)[16]) {
  std::copy(text_order.begin(), text_order.end(), bytes);
  std::reverse(bytes, bytes + 4);
  std::reverse(bytes + 4, bytes + 6);
  std::reverse(bytes + 6, bytes + 8);
}

StructureTable BuildStructures(const SmbiosContent& config) {
  StructureTable table;
  BiosInformation bios;
  bios.vendor = table.String(config.bios_vendor);
  bios.version = table.String(config.bios_version);
  table.Add(bios);

  SystemInformation system;
  system.manufacturer = table.String(config.manufacturer);
  system.product_name = table.String(config.product_name);
  system.serial_number = table.String(config.serial_number);
  EncodeUuid(config.uuid, system.uuid);
  table.Add(system);

  if (!config.oem_strings.empty()) {
    OemStrings oem;
    for (const std::string& text : config.oem_strings) oem.count = table.String(text);
    table.Add(oem);
  }
  table.Add(EndOfTable());
  return table;
}

// 5.2.2: the bytes of the entry point sum up to 0.
uint8_t Checksum(absl::Span<const uint8_t> bytes) {
  uint8_t sum = 0;
  for (const uint8_t byte : bytes) sum = static_cast<uint8_t>(sum + byte);
  return static_cast<uint8_t>(-sum);
}

}  // namespace

absl::StatusOr<std::vector<uint8_t>> EncodeSmbiosTables(const SmbiosContent& config,
                                                        GuestAddress area) {
  CHECK(IsAligned(Raw(area), kAlignment) && config.oem_strings.size() <= kMostOemStrings);
  const StructureTable structures = BuildStructures(config);
  std::vector<uint8_t> bytes(AlignDown(sizeof(EntryPoint) + kAlignment - 1, kAlignment));
  EntryPoint entry;
  entry.table_address = Raw(area) + bytes.size();
  entry.table_maximum_size = static_cast<uint32_t>(structures.bytes().size());
  entry.checksum =
      Checksum(absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(&entry), sizeof(entry)));
  std::copy_n(reinterpret_cast<const uint8_t*>(&entry), sizeof(entry), bytes.begin());
  bytes.insert(bytes.end(), structures.bytes().begin(), structures.bytes().end());
  if (bytes.size() > kSmbiosAreaSize) {
    return absl::ResourceExhaustedError(
        absl::StrCat("SMBIOS tables with ", config.oem_strings.size(), " OEM strings need ",
                     bytes.size(), " bytes; there are ", kSmbiosAreaSize, " for them"));
  }
  return bytes;
}

absl::StatusOr<SmbiosFiles> EncodeSmbiosFiles(const SmbiosContent& config) {
  const StructureTable structures = BuildStructures(config);
  if (structures.bytes().size() >= kSmbiosAreaSize) {
    return absl::ResourceExhaustedError(absl::StrCat("SMBIOS structures need ",
                                                     structures.bytes().size(), " bytes; at most ",
                                                     kSmbiosAreaSize - 1, " are possible"));
  }
  EntryPoint21 entry;
  entry.largest_structure = static_cast<uint16_t>(structures.largest());
  entry.table_length = static_cast<uint16_t>(structures.bytes().size());
  entry.structure_count = structures.count();
  const auto bytes = absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(&entry), sizeof(entry));
  entry.intermediate_checksum =
      Checksum(bytes.subspan(offsetof(EntryPoint21, intermediate_anchor)));
  entry.checksum = Checksum(bytes);
  return SmbiosFiles{{bytes.begin(), bytes.end()}, structures.bytes()};
}

absl::Status WriteSmbiosTables(const SmbiosContent& config, const GuestMemory& memory,
                               GuestAddress area) {
  ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes, EncodeSmbiosTables(config, area));
  return memory.Write(area, bytes);
}

}  // namespace touchstone
