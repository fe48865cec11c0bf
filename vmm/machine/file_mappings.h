// Files of the host that the guest sees at its addresses: its persistent store, and those of
// --file-backed-mapping.
//
// What lies there is no RAM: devices neither read nor write it, and the E820 map calls it reserved
// or has no entry for it. That of ram=true is: it becomes part of the guest's memory.

#ifndef TOUCHSTONE_VMM_MACHINE_FILE_MAPPINGS_H_
#define TOUCHSTONE_VMM_MACHINE_FILE_MAPPINGS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "base/memory/guest_address.h"
#include "base/memory/guest_memory.h"
#include "base/memory/mapped_file.h"
#include "base/scoped_fd.h"
#include "vmm/config/config.pb.h"
#include "vmm/machine/boot/memory_layout.h"

namespace touchstone {

struct FileMapping {
  GuestAddress start{};
  MappedFile file;
  bool read_only = false;
};

// The addresses of --file-backed-mapping, in whole pages; with `ram_only` those of ram=true.
// REQUIRES: `config` is validated.
std::vector<MemoryRange> FileMappingRanges(const RunConfig& config, bool ram_only = false);

// A file of ram=true, for GuestMemory::Create.
struct FileMemory {
  ScopedFd fd;
  GuestMemory::RegionSpec spec;
};

// Errors as those of OpenFileMappings.
absl::StatusOr<std::vector<FileMemory>> OpenFileMemory(const RunConfig& config);

// Opens and maps all others. The file of --pstore is made when it is not there, and made longer
// when it is shorter than the store. Errors name the option, the file and the reason. REQUIRES:
// `layout` is that of `config`.
absl::StatusOr<std::vector<FileMapping>> OpenFileMappings(const RunConfig& config,
                                                          const MemoryLayout& layout);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_FILE_MAPPINGS_H_
