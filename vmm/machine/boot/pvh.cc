#include "vmm/machine/boot/pvh.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace touchstone {
namespace {

constexpr GuestAddress kModuleAddress = kPvhStartInfoAddress + sizeof(PvhStartInfo);
constexpr GuestAddress kMemoryMapAddress = kModuleAddress + sizeof(PvhModule);
static_assert(kMemoryMapAddress + kMostE820Entries * sizeof(PvhMemoryMapEntry) <= kPvhInfoEnd);

}  // namespace

absl::Status WritePvhStartInfo(const GuestMemory& memory, const BootInfo& info) {
  if (info.e820.size() > kMostE820Entries) {
    return absl::InvalidArgumentError(absl::StrCat("the memory map has ", info.e820.size(),
                                                   " entries; the most is ", kMostE820Entries));
  }
  const bool has_initrd = info.initrd.size > 0;
  const PvhStartInfo start_info = {
      .magic = kPvhMagic,
      .version = 1,
      .flags = 0,
      .module_count = has_initrd ? 1u : 0u,
      .module_list = has_initrd ? Raw(kModuleAddress) : 0,
      .command_line = Raw(kCommandLineAddress),
      .rsdp = Raw(info.rsdp),
      .memory_map = Raw(kMemoryMapAddress),
      .memory_map_entries = static_cast<uint32_t>(info.e820.size()),
      .reserved = 0,
  };
  RETURN_IF_ERROR(memory.WriteObject(kPvhStartInfoAddress, start_info));
  if (has_initrd) {
    const PvhModule initrd = {.address = Raw(info.initrd.start),
                              .size = info.initrd.size,
                              .command_line = 0,
                              .reserved = 0};
    RETURN_IF_ERROR(memory.WriteObject(kModuleAddress, initrd));
  }
  GuestAddress at = kMemoryMapAddress;
  for (const E820Entry& entry : info.e820) {
    RETURN_IF_ERROR(
        memory.WriteObject(at, PvhMemoryMapEntry{.address = Raw(entry.range.start),
                                                 .size = entry.range.size,
                                                 .type = static_cast<uint32_t>(entry.type),
                                                 .reserved = 0}));
    at = at + sizeof(PvhMemoryMapEntry);
  }
  return absl::OkStatus();
}

}  // namespace touchstone
