#include "vmm/snapshot/container.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/append_object.h"
#include "base/crc32c.h"
#include "base/endian.h"
#include "base/status.h"

namespace touchstone {
namespace {

constexpr absl::string_view kMagic = "TSSNAP\r\n";

enum SectionKind : uint32_t { kMachine = 1, kMemoryMap = 2 };

struct FileHeader {
  char magic[8];
  Le32 version;
  Le32 sections;
  Le64 file_size;
  Le32 checksum;
};
static_assert(sizeof(FileHeader) == 28);

struct SectionHeader {
  Le32 kind;
  Le32 payload_checksum;
  Le64 payload_size;
  Le32 checksum;
};
static_assert(sizeof(SectionHeader) == 20);

constexpr uint32_t kSections = 2;

uint32_t ChecksumOf(absl::string_view bytes) {
  return Crc32c({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

// Of all but the checksum at its end.
template <typename Header>
uint32_t ChecksumOf(const Header& header) {
  return ChecksumOf(absl::string_view(reinterpret_cast<const char*>(&header),
                                      sizeof(header) - sizeof(header.checksum)));
}

void AppendSection(SectionKind kind, absl::string_view payload, std::string& to) {
  SectionHeader header = {
      .kind = kind, .payload_checksum = ChecksumOf(payload), .payload_size = payload.size()};
  header.checksum = ChecksumOf(header);
  AppendObject(to, header);
  to.append(payload.data(), payload.size());
}

absl::Status Broken(absl::string_view why) {
  return absl::DataLossError(absl::StrCat("is no whole snapshot: ", why));
}

// Takes an object from the front of `bytes`.
template <typename T>
bool Take(absl::string_view& bytes, T& object) {
  if (bytes.size() < sizeof(T)) return false;
  memcpy(&object, bytes.data(), sizeof(T));
  bytes.remove_prefix(sizeof(T));
  return true;
}

absl::StatusOr<std::string> TakeSection(SectionKind kind, absl::string_view& bytes) {
  SectionHeader header;
  if (!Take(bytes, header)) return Broken("it ends early");
  if (header.checksum != ChecksumOf(header)) return Broken("a section's checksum is wrong");
  if (header.kind != kind) return Broken(absl::StrCat("section ", header.kind.get(), " is there"));
  if (header.payload_size > bytes.size()) return Broken("it ends early");
  const absl::string_view payload = bytes.substr(0, header.payload_size);
  bytes.remove_prefix(payload.size());
  if (header.payload_checksum != ChecksumOf(payload)) return Broken("a checksum is wrong");
  return std::string(payload);
}

}  // namespace

std::string EncodeContainer(const SnapshotSections& sections) {
  FileHeader header = {
      .version = kSnapshotVersion,
      .sections = kSections,
      .file_size = sizeof(FileHeader) + kSections * sizeof(SectionHeader) +
                   sections.machine.size() + sections.memory_map.size(),
  };
  memcpy(header.magic, kMagic.data(), sizeof(header.magic));
  header.checksum = ChecksumOf(header);
  std::string bytes;
  bytes.reserve(header.file_size);
  AppendObject(bytes, header);
  AppendSection(kMachine, sections.machine, bytes);
  AppendSection(kMemoryMap, sections.memory_map, bytes);
  return bytes;
}

absl::StatusOr<SnapshotSections> DecodeContainer(absl::string_view bytes) {
  const uint64_t size = bytes.size();
  FileHeader header;
  if (!Take(bytes, header)) return Broken("it ends early");
  if (absl::string_view(header.magic, sizeof(header.magic)) != kMagic) {
    return Broken("it does not begin as one");
  }
  if (header.checksum != ChecksumOf(header)) return Broken("its header's checksum is wrong");
  if (header.version != kSnapshotVersion) {
    return absl::FailedPreconditionError(absl::StrCat("is a snapshot of version ",
                                                      header.version.get(), "; this program reads ",
                                                      kSnapshotVersion));
  }
  if (header.file_size != size) {
    return Broken(
        absl::StrCat("it has ", size, " bytes, and should have ", header.file_size.get()));
  }
  if (header.sections != kSections) {
    return Broken(absl::StrCat("it has ", header.sections.get(), " sections"));
  }
  SnapshotSections sections;
  ASSIGN_OR_RETURN(sections.machine, TakeSection(kMachine, bytes));
  ASSIGN_OR_RETURN(sections.memory_map, TakeSection(kMemoryMap, bytes));
  if (!bytes.empty()) return Broken("something comes after its end");
  return sections;
}

}  // namespace touchstone
