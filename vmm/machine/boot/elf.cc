#include "vmm/machine/boot/elf.h"

#include <elf.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/checked_math.h"
#include "base/endian.h"
#include "base/status.h"

namespace touchstone {
namespace {

// A vmlinux has about five program headers; a core dump has thousands.
constexpr uint32_t kMostProgramHeaders = 256;
// The notes of a kernel are a few hundred bytes.
constexpr uint64_t kMostNoteBytes = 64 << 10;
// Xen's public/elfnote.h.
constexpr uint32_t kPhys32Entry = 18;
constexpr char kXenOwner[] = "Xen";
// What the setup header of today's Linux says (arch/x86/boot/header.S).
constexpr uint32_t kInitrdHighest = 0x7FFFFFFF;
constexpr uint32_t kCommandLineLimit = 2047;

// One program header, of either class.
struct ElfSegment {
  uint32_t type = 0;
  uint64_t offset = 0;
  uint64_t virtual_address = 0;
  uint64_t physical_address = 0;
  uint64_t file_size = 0;
  uint64_t memory_size = 0;
  uint64_t alignment = 0;
};

struct Elf {
  bool is_64 = false;
  uint64_t entry = 0;
  std::vector<ElfSegment> segments = {};

  // Whether a PT_LOAD segment has `address` in [p_paddr, p_paddr + p_memsz).
  [[nodiscard]] bool HasPhysical(uint64_t address) const {
    return std::any_of(segments.begin(), segments.end(), [address](const ElfSegment& segment) {
      return segment.type == PT_LOAD && address >= segment.physical_address &&
             address - segment.physical_address < segment.memory_size;
    });
  }
};

std::string MachineName(uint16_t machine) {
  switch (machine) {
    case EM_386:
      return "i386";
    case EM_X86_64:
      return "x86-64";
    case EM_AARCH64:
      return "aarch64";
    case EM_ARM:
      return "arm";
    case EM_RISCV:
      return "riscv";
    case EM_PPC64:
      return "ppc64";
    case EM_S390:
      return "s390";
    case EM_MIPS:
      return "mips";
    case EM_LOONGARCH:
      return "loongarch";
    default:
      return absl::StrCat("machine ", machine);
  }
}

template <typename T>
absl::StatusOr<T> ReadStruct(const BootFile& file, uint64_t offset) {
  T object;
  RETURN_IF_ERROR(
      file.Read(offset, absl::MakeSpan(reinterpret_cast<uint8_t*>(&object), sizeof(object))));
  return object;
}

template <typename Header, typename ProgramHeader>
absl::StatusOr<Elf> ReadHeaders(const BootFile& file) {
  ASSIGN_OR_RETURN(const Header header, ReadStruct<Header>(file, 0));
  constexpr bool kIs64 = sizeof(Header) == sizeof(Elf64_Ehdr);
  if (header.e_machine != (kIs64 ? EM_X86_64 : EM_386)) {
    return file.Error(absl::StrCat("is a ", kIs64 ? 64 : 32, "-bit ELF for ",
                                   MachineName(header.e_machine), ", not for x86-64"));
  }
  if (header.e_type != ET_EXEC && header.e_type != ET_DYN) {
    return file.Error("is an ELF, but no executable (e_type)");
  }
  if (header.e_phentsize != sizeof(ProgramHeader)) {
    return file.Error(absl::StrCat("has ELF program headers of ", header.e_phentsize, " bytes"));
  }
  if (header.e_phnum == 0 || header.e_phnum > kMostProgramHeaders) {
    return file.Error(absl::StrCat("has ", header.e_phnum, " ELF program headers; 1 to ",
                                   kMostProgramHeaders, " are supported"));
  }
  std::vector<ProgramHeader> table(header.e_phnum);
  RETURN_IF_ERROR(
      Annotate(file.Read(header.e_phoff, absl::MakeSpan(reinterpret_cast<uint8_t*>(table.data()),
                                                        table.size() * sizeof(ProgramHeader))),
               "ELF program headers"));
  Elf elf{.is_64 = kIs64, .entry = header.e_entry};
  elf.segments.reserve(table.size());
  for (const ProgramHeader& entry : table) {
    elf.segments.push_back({.type = entry.p_type,
                            .offset = entry.p_offset,
                            .virtual_address = entry.p_vaddr,
                            .physical_address = entry.p_paddr,
                            .file_size = entry.p_filesz,
                            .memory_size = entry.p_memsz,
                            .alignment = entry.p_align});
  }
  return elf;
}

absl::StatusOr<Elf> ReadElf(const BootFile& file) {
  std::array<uint8_t, EI_NIDENT> ident = {};
  RETURN_IF_ERROR(file.Read(0, absl::MakeSpan(ident)));
  if (ident[EI_DATA] == ELFDATA2MSB) return file.Error("is a big-endian ELF, not for x86-64");
  if (ident[EI_DATA] != ELFDATA2LSB || ident[EI_VERSION] != EV_CURRENT) {
    return file.Error("has a damaged ELF header (e_ident)");
  }
  switch (ident[EI_CLASS]) {
    case ELFCLASS64:
      return ReadHeaders<Elf64_Ehdr, Elf64_Phdr>(file);
    case ELFCLASS32:
      return ReadHeaders<Elf32_Ehdr, Elf32_Phdr>(file);
    default:
      return file.Error("is an ELF of unknown class, neither 32 nor 64 bits");
  }
}

// Every PT_LOAD segment lies in the file, in RAM, and apart from the others. Sets where the kernel
// starts and ends.
absl::Status CheckSegments(const BootFile& file, const MemoryLayout& layout, const Elf& elf,
                           KernelImage* image) {
  std::vector<const ElfSegment*> loads;
  for (const ElfSegment& segment : elf.segments) {
    if (segment.type != PT_LOAD || segment.memory_size == 0) continue;
    if (segment.file_size > segment.memory_size) {
      return file.Error("has an ELF segment with p_filesz above p_memsz");
    }
    if (!FitsWithin(segment.offset, segment.file_size, file.size())) {
      return absl::DataLossError(
          file.Error(absl::StrFormat("is truncated: an ELF segment is at %#x + %#x, the file has "
                                     "%#x bytes",
                                     segment.offset, segment.file_size, file.size()))
              .message());
    }
    const std::optional<uint64_t> end = CheckedAdd(segment.physical_address, segment.memory_size);
    if (!end.has_value()) return file.Error("has an ELF segment with p_paddr + p_memsz past 2^64");
    RETURN_IF_ERROR(
        CheckKernelRoom(file, layout, GuestAddress{segment.physical_address}, GuestAddress{*end}));
    loads.push_back(&segment);
  }
  if (loads.empty()) return file.Error("is an ELF without anything to load (PT_LOAD)");
  std::sort(loads.begin(), loads.end(), [](const ElfSegment* a, const ElfSegment* b) {
    return a->physical_address < b->physical_address;
  });
  for (size_t i = 1; i < loads.size(); ++i) {
    if (loads[i]->physical_address - loads[i - 1]->physical_address < loads[i - 1]->memory_size) {
      return file.Error(
          absl::StrFormat("has overlapping ELF segments at %#x", loads[i]->physical_address));
    }
  }
  image->start = GuestAddress{loads.front()->physical_address};
  image->end = GuestAddress{loads.back()->physical_address + loads.back()->memory_size};
  return absl::OkStatus();
}

// The descriptor of XEN_ELFNOTE_PHYS32_ENTRY in the bytes of a PT_NOTE segment (System V gABI,
// "Note Section": name and descriptor are padded to `alignment`).
std::optional<uint64_t> FindPhys32Entry(absl::Span<const uint8_t> notes, uint64_t alignment) {
  constexpr uint64_t kHeaderSize = 3 * sizeof(uint32_t);
  while (notes.size() >= kHeaderSize) {
    const uint64_t name_size = LoadLe(notes.subspan(0, 4));
    const uint64_t data_size = LoadLe(notes.subspan(4, 4));
    const uint64_t type = LoadLe(notes.subspan(8, 4));
    // 32-bit sizes: no sum here passes 2^64.
    const uint64_t data_at = *CheckedAlignUp(kHeaderSize + name_size, alignment);
    if (!FitsWithin<uint64_t>(data_at, data_size, notes.size())) return std::nullopt;
    const absl::Span<const uint8_t> name = notes.subspan(kHeaderSize, name_size);
    const absl::Span<const uint8_t> data = notes.subspan(data_at, data_size);
    if (type == kPhys32Entry && name.size() == sizeof(kXenOwner) &&
        std::memcmp(name.data(), kXenOwner, sizeof(kXenOwner)) == 0 &&
        (data.size() == 4 || data.size() == 8)) {
      return LoadLe(data);
    }
    notes.remove_prefix(
        std::min<uint64_t>(*CheckedAlignUp(data_at + data_size, alignment), notes.size()));
  }
  return std::nullopt;
}

absl::StatusOr<std::optional<uint64_t>> ReadPvhEntry(const BootFile& file, const Elf& elf) {
  for (const ElfSegment& segment : elf.segments) {
    if (segment.type != PT_NOTE) continue;
    if (segment.file_size > kMostNoteBytes) {
      return file.Error(absl::StrCat("has ", segment.file_size, " bytes of ELF notes"));
    }
    std::vector<uint8_t> notes(segment.file_size);
    RETURN_IF_ERROR(Annotate(file.Read(segment.offset, absl::MakeSpan(notes)), "ELF notes"));
    const std::optional<uint64_t> entry = FindPhys32Entry(notes, segment.alignment == 8 ? 8 : 4);
    if (!entry.has_value()) continue;
    if (*entry > std::numeric_limits<uint32_t>::max() || !elf.HasPhysical(*entry)) {
      return file.Error(absl::StrFormat("has its PVH entry %#x outside its segments", *entry));
    }
    return entry;
  }
  return std::optional<uint64_t>();
}

absl::Status ChooseEntry(const BootFile& file, const Elf& elf, ElfEntry choice,
                         KernelImage* image) {
  if (choice == ElfEntry::kAutomatic && elf.is_64 && elf.HasPhysical(elf.entry)) {
    image->protocol = BootProtocol::kLinux64;
    image->entry = GuestAddress{elf.entry};
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::optional<uint64_t> pvh, ReadPvhEntry(file, elf));
  if (!pvh.has_value()) {
    if (choice == ElfEntry::kPvh) return file.Error("is an ELF without a PVH entry");
    if (!elf.is_64) return file.Error("is a 32-bit ELF without a PVH entry");
    return file.Error(absl::StrFormat(
        "has its ELF entry %#x outside the physical addresses of its segments and no PVH entry",
        elf.entry));
  }
  image->protocol = BootProtocol::kPvh;
  image->entry = GuestAddress{*pvh};
  return absl::OkStatus();
}

// "The Linux/x86 Boot Protocol", "The Real-Mode Kernel Header": the fields that a kernel reads back
// from a zero page; a bzImage brings them along.
setup_header MakeHeader() {
  setup_header header = {};
  header.boot_flag = 0xAA55;
  header.header = 0x53726448;  // "HdrS"
  header.version = 0x20F;
  header.loadflags = LOADED_HIGH;
  header.initrd_addr_max = kInitrdHighest;
  header.kernel_alignment = 16 * kMiB;
  header.cmdline_size = kCommandLineLimit;
  return header;
}

}  // namespace

bool IsElf(absl::Span<const uint8_t> beginning) {
  return beginning.size() >= SELFMAG && std::memcmp(beginning.data(), ELFMAG, SELFMAG) == 0;
}

absl::StatusOr<KernelImage> LoadElf(const GuestMemory& memory, const MemoryLayout& layout,
                                    const BootFile& file, ElfEntry choice) {
  ASSIGN_OR_RETURN(const Elf elf, ReadElf(file));
  KernelImage image{
      .initrd_highest = kInitrdHighest,
      .command_line_limit = kCommandLineLimit,
      .header = MakeHeader(),
  };
  if (std::any_of(elf.segments.begin(), elf.segments.end(),
                  [](const ElfSegment& segment) { return segment.type == PT_INTERP; })) {
    return file.Error("is a dynamically linked user-space program, not a kernel");
  }
  RETURN_IF_ERROR(CheckSegments(file, layout, elf, &image));
  RETURN_IF_ERROR(ChooseEntry(file, elf, choice, &image));
  for (const ElfSegment& segment : elf.segments) {
    if (segment.type != PT_LOAD || segment.file_size == 0) continue;
    RETURN_IF_ERROR(file.Load(segment.offset, memory, GuestAddress{segment.physical_address},
                              segment.file_size));
  }
  return image;
}

}  // namespace touchstone
