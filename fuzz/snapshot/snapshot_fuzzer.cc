// The files of a snapshot: whatever is in them, opening, checking and restoring end in an error or
// in memory.
//
// The first byte says what the rest is: 0, a file `machine`; else the map of the memory, as long
// as the next two bytes say, under right checksums, and then what is at the beginning of the file
// `memory`. The size of that file is what the map asks for, or with bit 1 what there is.

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/log.h"
#include "base/memory/guest_memory.h"
#include "base/scoped_fd.h"
#include "vmm/snapshot/container.h"
#include "vmm/snapshot/memory_map.h"
#include "vmm/snapshot/snapshot.h"

namespace touchstone {
namespace {

// More is not made, and not read either.
constexpr uint64_t kMostMemory = uint64_t{16} << 20;
constexpr uint64_t kMostFile = uint64_t{1} << 40;

ScopedFd FileOf(absl::string_view bytes) {
  ScopedFd file(memfd_create("fuzz", MFD_CLOEXEC));
  CHECK(pwrite(file.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  return file;
}

// The size that the map wants, found by asking.
uint64_t WantedSize(absl::string_view map) {
  const absl::StatusOr<MemoryMap> parsed = MemoryMap::Parse(map, 0);
  if (parsed.ok()) return 0;
  constexpr absl::string_view kWords = "should have ";
  const absl::string_view message = parsed.status().message();
  const size_t at = message.find(kWords);
  if (at == absl::string_view::npos) return 0;
  uint64_t size = 0;
  for (const char digit : message.substr(at + kWords.size())) {
    size = size * 10 + static_cast<uint64_t>(digit - '0');
  }
  return size;
}

void Restore(const Snapshot& snapshot, GuestMemory::Backing backing) {
  std::vector<GuestMemory::RegionSpec> regions;
  uint64_t size = 0;
  for (const MemoryMap::Region& region : snapshot.memory_map().regions()) {
    // A file's region is the user's to bring.
    if (region.of_user) return;
    regions.push_back({.start = region.start, .size = region.size});
    size += std::min(region.size, kMostMemory);
  }
  if (regions.empty() || size > kMostMemory || regions.size() > 64) return;
  const absl::StatusOr<GuestMemory> memory = GuestMemory::Create(regions, {.backing = backing});
  if (!memory.ok()) return;
  const absl::StatusOr<RestoredMemory> restored = RestoreMemory(snapshot, *memory);
  if (!restored.ok()) return;
  // Whatever is there can be read.
  std::vector<uint8_t> page(kGuestPageSize);
  for (const GuestMemory::Region& region : memory->regions()) {
    CHECK(memory->Read(region.start, absl::MakeSpan(page)).ok());
  }
}

void Use(int machine, ScopedFd memory) {
  const absl::StatusOr<Snapshot> snapshot = Snapshot::Read(machine, std::move(memory));
  if (!snapshot.ok()) return;
  // It says again what it said.
  const absl::StatusOr<MemoryMap> again =
      MemoryMap::Parse(snapshot->memory_map().Serialize(), snapshot->memory_map().file_size());
  CHECK(again.ok() && again->Serialize() == snapshot->memory_map().Serialize());
  if (snapshot->memory_map().total_size() <= kMostMemory) CheckMemory(*snapshot).IgnoreError();
  Restore(*snapshot, GuestMemory::Backing::kAnonymous);
  Restore(*snapshot, GuestMemory::Backing::kMemfd);
}

void Run(absl::string_view input) {
  if (input.empty()) return;
  const auto how = static_cast<uint8_t>(input[0]);
  input.remove_prefix(1);
  if (how == 0) return Use(FileOf(input).get(), FileOf(""));
  if (input.size() < 2) return;
  const size_t length = static_cast<uint8_t>(input[0]) | static_cast<uint8_t>(input[1]) << 8;
  const absl::string_view map = input.substr(2, length);
  const absl::string_view bytes = input.substr(2 + map.size());
  ScopedFd memory = FileOf(bytes);
  const uint64_t wanted = WantedSize(map);
  if ((how & 2) == 0 && wanted <= kMostFile) {
    CHECK(ftruncate(memory.get(), static_cast<off_t>(wanted)) == 0);
  }
  const ScopedFd machine =
      FileOf(EncodeContainer({.machine = "state", .memory_map = std::string(map)}));
  Use(machine.get(), std::move(memory));
}

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  touchstone::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
