// A snapshot on disk: a folder with two files.
//
//   machine   what the machine was but for its memory, and the map of that (container.h)
//   memory    the bytes of guest memory (memory_map.h)
//
//   ASSIGN_OR_RETURN(Snapshot snapshot, Snapshot::Open("/var/lib/vm/saved"));
//   ASSIGN_OR_RETURN(const RestoredMemory pages, RestoreMemory(snapshot, machine->memory()));
//
// Every byte of `machine` is checked when it is opened. Memory is checked while it is copied, or
// by CheckMemory; a restore that maps the file does not read it, and so cannot.
//
// What is in the files is not trusted: any bytes give an error or a snapshot.

#ifndef TOUCHSTONE_VMM_SNAPSHOT_SNAPSHOT_H_
#define TOUCHSTONE_VMM_SNAPSHOT_SNAPSHOT_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/memory/guest_memory.h"
#include "base/memory/private_file_pages.h"
#include "base/scoped_fd.h"
#include "vmm/snapshot/memory_map.h"

namespace touchstone {

inline constexpr absl::string_view kSnapshotMachineFile = "machine";
inline constexpr absl::string_view kSnapshotMemoryFile = "memory";

// Thread-compatible.
class Snapshot {
 public:
  // The largest file `machine` that is read.
  static constexpr uint64_t kMaxMachineFile = uint64_t{256} << 20;

  // Opens both files and checks `machine`. Errors name the file.
  static absl::StatusOr<Snapshot> Open(const std::string& folder);
  // The same of files that are open. Errors begin with a name in the folder.
  static absl::StatusOr<Snapshot> Read(int machine_fd, ScopedFd memory);

  // The serialized state of the machine.
  [[nodiscard]] const std::string& machine() const { return machine_; }
  [[nodiscard]] const MemoryMap& memory_map() const { return memory_map_; }
  [[nodiscard]] int memory_fd() const { return memory_.get(); }

 private:
  Snapshot(std::string machine, MemoryMap memory_map, ScopedFd memory)
      : machine_(std::move(machine)),
        memory_map_(std::move(memory_map)),
        memory_(std::move(memory)) {}

  std::string machine_;
  MemoryMap memory_map_;
  ScopedFd memory_;
};

// What holds memory together that is mapped from a snapshot: lives as long as the memory is used.
using RestoredMemory = std::vector<PrivateFilePages>;

// Puts the bytes of the snapshot into `memory`, which is new: all zeros. Private memory is mapped
// from a raw file, without reading it; anything else is copied, on several threads, and checked.
// FailedPrecondition when the memory is not of the same shape.
absl::StatusOr<RestoredMemory> RestoreMemory(const Snapshot& snapshot, const GuestMemory& memory);

// Reads all of the memory and compares its checksums.
absl::Status CheckMemory(const Snapshot& snapshot);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_SNAPSHOT_SNAPSHOT_H_
