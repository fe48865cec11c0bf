// Kernel files made up for tests and fuzzers: valid by default, each field open to be spoilt.
//
// setup_header and boot_params are packed: gtest's macros take references, so give them a copy
// (`+params.hdr.version`).

#ifndef TOUCHSTONE_VMM_MACHINE_BOOT_BOOT_TESTING_H_
#define TOUCHSTONE_VMM_MACHINE_BOOT_BOOT_TESTING_H_

#include <asm/bootparam.h>
#include <elf.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/memory/guest_memory.h"
#include "base/scoped_fd.h"
#include "vmm/machine/boot/memory_layout.h"

namespace touchstone {

// An anonymous file with this content.
ScopedFd MakeFile(absl::Span<const uint8_t> content);
ScopedFd MakeFile(absl::string_view content);

// The layout of a guest with this much RAM and the defaults for all else, and its memory.
MemoryLayout MakeLayout(uint64_t ram_size);
GuestMemory MakeMemory(const MemoryLayout& layout);

// `size` bytes at `address`, or none when that is no guest memory.
std::vector<uint8_t> ReadBytes(const GuestMemory& memory, GuestAddress address, uint64_t size);

struct BzImageSpec {
  BzImageSpec();

  // Protocol 2.15, relocatable, at 16 MiB, init_size 1 MiB, one setup sector. Build sets syssize
  // when it is 0 here.
  setup_header header = {};
  // Sectors between the boot sector and the code, whatever the header says.
  uint64_t setup_sectors = 1;
  // The byte at 0x201, which says where the header ends.
  uint8_t header_end = 0x6A;
  std::vector<uint8_t> code;
};

std::vector<uint8_t> BuildBzImage(const BzImageSpec& spec);

struct ElfSpec {
  // A 64-bit kernel: one segment at 16 MiB of 64 bytes, with the entry at its start.
  static ElfSpec Vmlinux();
  // A 32-bit kernel at 1 MiB whose only entry is the note's.
  static ElfSpec Pvh32();
  // Adds a PT_NOTE segment with one note.
  void AddNote(absl::string_view owner, uint32_t type, absl::Span<const uint8_t> data);
  void AddPvhNote(uint32_t entry);

  struct Part {
    Elf64_Phdr header = {};
    // Put behind the headers; Build sets p_offset, and p_filesz and p_memsz when they are 0.
    std::vector<uint8_t> content;
  };
  bool is_64 = true;
  // ehdr.e_ident, e_phoff, e_phnum and e_phentsize are set by Build when they are 0 here.
  Elf64_Ehdr ehdr = {};
  std::vector<Part> parts;
};

std::vector<uint8_t> BuildElf(const ElfSpec& spec);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_BOOT_BOOT_TESTING_H_
