#include "vmm/machine/boot/boot_testing.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "absl/status/statusor.h"
#include "base/append_object.h"
#include "base/checked_math.h"
#include "base/endian.h"
#include "base/log.h"

namespace touchstone {
namespace {

constexpr uint64_t kHeaderOffset = 0x1F1;

std::vector<uint8_t> Pattern(size_t size, uint8_t first) {
  std::vector<uint8_t> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(first + i);
  return bytes;
}

// Both classes have the same fields, in another order and width.
template <typename Header, typename ProgramHeader>
std::vector<uint8_t> BuildElfOf(const ElfSpec& spec) {
  Header ehdr = {};
  std::memcpy(ehdr.e_ident, spec.ehdr.e_ident, EI_NIDENT);
  if (ehdr.e_ident[0] == 0) {
    std::memcpy(ehdr.e_ident, ELFMAG, SELFMAG);
    ehdr.e_ident[EI_CLASS] = spec.is_64 ? ELFCLASS64 : ELFCLASS32;
    ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
    ehdr.e_ident[EI_VERSION] = EV_CURRENT;
  }
  ehdr.e_type = spec.ehdr.e_type;
  ehdr.e_machine = spec.ehdr.e_machine;
  ehdr.e_version = EV_CURRENT;
  ehdr.e_entry = static_cast<decltype(ehdr.e_entry)>(spec.ehdr.e_entry);
  ehdr.e_ehsize = sizeof(Header);
  ehdr.e_phoff =
      static_cast<decltype(ehdr.e_phoff)>(spec.ehdr.e_phoff ? spec.ehdr.e_phoff : sizeof(Header));
  ehdr.e_phentsize = spec.ehdr.e_phentsize ? spec.ehdr.e_phentsize : sizeof(ProgramHeader);
  ehdr.e_phnum = spec.ehdr.e_phnum ? spec.ehdr.e_phnum : static_cast<uint16_t>(spec.parts.size());

  std::vector<uint8_t> file;
  AppendObject(file, ehdr);
  uint64_t offset = file.size() + spec.parts.size() * sizeof(ProgramHeader);
  for (const ElfSpec::Part& part : spec.parts) {
    ProgramHeader header = {};
    const uint64_t content = part.content.size();
    const auto set = [](auto* field, uint64_t value) {
      *field = static_cast<std::remove_pointer_t<decltype(field)>>(value);
    };
    header.p_type = part.header.p_type;
    set(&header.p_offset, part.header.p_offset ? part.header.p_offset : offset);
    set(&header.p_vaddr, part.header.p_vaddr);
    set(&header.p_paddr, part.header.p_paddr);
    set(&header.p_filesz, part.header.p_filesz ? part.header.p_filesz : content);
    set(&header.p_memsz, part.header.p_memsz ? part.header.p_memsz : content);
    set(&header.p_align, part.header.p_align);
    AppendObject(file, header);
    offset += content;
  }
  for (const ElfSpec::Part& part : spec.parts) {
    file.insert(file.end(), part.content.begin(), part.content.end());
  }
  return file;
}

}  // namespace

ScopedFd MakeFile(absl::Span<const uint8_t> content) {
  ScopedFd fd(memfd_create("boot-test", MFD_CLOEXEC));
  CHECK(fd.valid());
  CHECK(write(fd.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()));
  return fd;
}

ScopedFd MakeFile(absl::string_view content) {
  return MakeFile(
      absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(content.data()), content.size()));
}

MemoryLayout MakeLayout(uint64_t ram_size) {
  absl::StatusOr<MemoryLayout> layout = MemoryLayout::Plan({.ram_size = ram_size});
  CHECK(layout.ok());
  return *layout;
}

GuestMemory MakeMemory(const MemoryLayout& layout) {
  absl::StatusOr<GuestMemory> memory =
      GuestMemory::Create(layout.RamRegions(), {.huge_pages = false});
  CHECK(memory.ok());
  return *memory;
}

std::vector<uint8_t> ReadBytes(const GuestMemory& memory, GuestAddress address, uint64_t size) {
  std::vector<uint8_t> bytes(size);
  if (!memory.Read(address, absl::MakeSpan(bytes)).ok()) bytes.clear();
  return bytes;
}

BzImageSpec::BzImageSpec() : code(Pattern(0x400, 1)) {
  header.setup_sects = 1;
  header.boot_flag = 0xAA55;
  header.header = 0x53726448;  // "HdrS"
  header.version = 0x20F;
  header.loadflags = LOADED_HIGH;
  header.initrd_addr_max = 0x7FFFFFFF;
  header.kernel_alignment = 2 * kMiB;
  header.relocatable_kernel = 1;
  header.xloadflags = XLF_KERNEL_64 | XLF_CAN_BE_LOADED_ABOVE_4G;
  header.cmdline_size = 2047;
  header.pref_address = 16 * kMiB;
  header.init_size = kMiB;
  header.payload_offset = 0x200;
  header.payload_length = 0x100;
}

std::vector<uint8_t> BuildBzImage(const BzImageSpec& spec) {
  std::vector<uint8_t> file((1 + spec.setup_sectors) * 512);
  setup_header header = spec.header;
  header.jump = static_cast<uint16_t>(0xEB | spec.header_end << 8);
  if (header.syssize == 0) header.syssize = static_cast<uint32_t>((spec.code.size() + 15) / 16);
  std::memcpy(file.data() + kHeaderOffset, &header, sizeof(header));
  file.insert(file.end(), spec.code.begin(), spec.code.end());
  return file;
}

ElfSpec ElfSpec::Vmlinux() {
  ElfSpec spec;
  spec.ehdr.e_type = ET_EXEC;
  spec.ehdr.e_machine = EM_X86_64;
  spec.ehdr.e_entry = 16 * kMiB;
  Part text;
  text.header.p_type = PT_LOAD;
  text.header.p_vaddr = 0xFFFFFFFF81000000;
  text.header.p_paddr = 16 * kMiB;
  text.content = Pattern(64, 1);
  spec.parts.push_back(text);
  return spec;
}

ElfSpec ElfSpec::Pvh32() {
  ElfSpec spec;
  spec.is_64 = false;
  spec.ehdr.e_type = ET_EXEC;
  spec.ehdr.e_machine = EM_386;
  Part text;
  text.header.p_type = PT_LOAD;
  text.header.p_vaddr = kMiB;
  text.header.p_paddr = kMiB;
  text.content = Pattern(64, 1);
  spec.parts.push_back(text);
  spec.AddPvhNote(kMiB + 16);
  return spec;
}

void ElfSpec::AddNote(absl::string_view owner, uint32_t type, absl::Span<const uint8_t> data) {
  Part note;
  note.header.p_type = PT_NOTE;
  note.header.p_align = 4;
  const auto pad = [&note] { note.content.resize((note.content.size() + 3) & ~size_t{3}); };
  AppendObject(note.content, Le32(static_cast<uint32_t>(owner.size() + 1)));
  AppendObject(note.content, Le32(static_cast<uint32_t>(data.size())));
  AppendObject(note.content, Le32(type));
  note.content.insert(note.content.end(), owner.begin(), owner.end());
  note.content.push_back(0);
  pad();
  note.content.insert(note.content.end(), data.begin(), data.end());
  pad();
  parts.push_back(note);
}

void ElfSpec::AddPvhNote(uint32_t entry) {
  std::vector<uint8_t> data;
  AppendObject(data, Le32(entry));
  AddNote("Xen", 18, data);
}

std::vector<uint8_t> BuildElf(const ElfSpec& spec) {
  return spec.is_64 ? BuildElfOf<Elf64_Ehdr, Elf64_Phdr>(spec)
                    : BuildElfOf<Elf32_Ehdr, Elf32_Phdr>(spec);
}

}  // namespace touchstone
