// Files of the host that the guest sees at its addresses: its persistent store, and those of
// --file-backed-mapping.
//
// What lies there is no RAM: devices neither read nor write it, and the E820 map calls it reserved
// or has no entry for it.

#ifndef TOUCHSTONE_VMM_MACHINE_FILE_MAPPINGS_H_
#define TOUCHSTONE_VMM_MACHINE_FILE_MAPPINGS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "base/memory/guest_address.h"
#include "base/memory/mapped_file.h"
#include "vmm/config/config.pb.h"
#include "vmm/machine/boot/memory_layout.h"

namespace touchstone {

struct FileMapping {
  GuestAddress start{};
  MappedFile file;
  bool read_only = false;
};

// The addresses of --file-backed-mapping, in whole pages. REQUIRES: `config` is validated.
std::vector<MemoryRange> FileMappingRanges(const RunConfig& config);

// Opens and maps them. The file of --pstore is made when it is not there, and made longer when it
// is shorter than the store. Errors name the option, the file and the reason.
// REQUIRES: `layout` is that of `config`.
absl::StatusOr<std::vector<FileMapping>> OpenFileMappings(const RunConfig& config,
                                                          const MemoryLayout& layout);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_FILE_MAPPINGS_H_
