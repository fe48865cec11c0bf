#include "vmm/machine/boot/elf.h"

#include <cstring>
#include <functional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/machine/boot/boot_testing.h"

namespace touchstone {
namespace {

using ::testing::Each;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

class ElfTest : public ::testing::Test {
 protected:
  absl::StatusOr<KernelImage> LoadBytes(const std::vector<uint8_t>& bytes,
                                        ElfEntry choice = ElfEntry::kAutomatic) {
    const ScopedFd fd = MakeFile(bytes);
    const absl::StatusOr<BootFile> file = BootFile::Create(fd.get(), "kernel", "k");
    if (!file.ok()) return file.status();
    return LoadElf(memory_, layout_, *file, choice);
  }
  absl::StatusOr<KernelImage> Load(const ElfSpec& spec, ElfEntry choice = ElfEntry::kAutomatic) {
    return LoadBytes(BuildElf(spec), choice);
  }

  const MemoryLayout layout_ = MakeLayout(64 * kMiB);
  const GuestMemory memory_ = MakeMemory(layout_);
  ElfSpec spec_ = ElfSpec::Vmlinux();
};

ElfSpec::Part Loadable(uint64_t address, size_t size) {
  ElfSpec::Part part;
  part.header.p_type = PT_LOAD;
  part.header.p_paddr = address;
  part.content.assign(size, 0xAB);
  return part;
}

TEST_F(ElfTest, VmlinuxIsEnteredByThe64BitProtocol) {
  const auto image = Load(spec_);

  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->protocol, BootProtocol::kLinux64);
  EXPECT_EQ(image->entry, GuestAddress{16 * kMiB});
  EXPECT_EQ(image->start, GuestAddress{16 * kMiB});
  EXPECT_EQ(image->end, GuestAddress{16 * kMiB + 64});
  EXPECT_EQ(+image->header.header, 0x53726448u);
  EXPECT_EQ(+image->header.boot_flag, 0xAA55);
  EXPECT_THAT(ReadBytes(memory_, image->start, 64), ElementsAreArray(spec_.parts[0].content));
}

TEST_F(ElfTest, SegmentsMayBeInAnyOrder) {
  spec_.parts.push_back(Loadable(32 * kMiB, 100));
  spec_.parts.push_back(Loadable(2 * kMiB, 100));

  const auto image = Load(spec_);

  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->start, GuestAddress{2 * kMiB});
  EXPECT_EQ(image->end, GuestAddress{32 * kMiB + 100});
  EXPECT_THAT(ReadBytes(memory_, GuestAddress{32 * kMiB}, 100), Each(0xAB));
  EXPECT_THAT(ReadBytes(memory_, GuestAddress{2 * kMiB}, 100), Each(0xAB));
}

TEST_F(ElfTest, ReservedMemoryBelongsToTheKernelAndStaysZero) {
  spec_.parts[0].header.p_memsz = 8 * kMiB;

  const auto image = Load(spec_);

  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->end, GuestAddress{24 * kMiB});
  EXPECT_THAT(ReadBytes(memory_, image->start + 64, 4096), Each(0));
}

TEST_F(ElfTest, EntryNeedNotBeTheStart) {
  spec_.ehdr.e_entry = 16 * kMiB + 63;

  const auto image = Load(spec_);

  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->entry, GuestAddress{16 * kMiB + 63});
}

TEST_F(ElfTest, SegmentThatIsNotLoadedMayBeAnything) {
  ElfSpec::Part stack;
  stack.header.p_type = PT_GNU_STACK;
  stack.header.p_paddr = ~0ull;
  stack.header.p_memsz = ~0ull;
  spec_.parts.push_back(stack);

  EXPECT_TRUE(Load(spec_).ok());
}

TEST_F(ElfTest, EmptySegmentMayBeAnywhere) {
  spec_.parts.push_back(Loadable(0, 0));

  EXPECT_TRUE(Load(spec_).ok());
}

TEST_F(ElfTest, Pvh32IsEnteredByItsNote) {
  const auto image = Load(ElfSpec::Pvh32());

  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->protocol, BootProtocol::kPvh);
  EXPECT_EQ(image->entry, GuestAddress{kMiB + 16});
  EXPECT_EQ(image->start, GuestAddress{kMiB});
}

TEST_F(ElfTest, VirtualEntryFallsBackToPvh) {
  spec_.ehdr.e_entry = 0xFFFFFFFF81000000;
  spec_.AddPvhNote(16 * kMiB + 4);

  const auto image = Load(spec_);

  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->protocol, BootProtocol::kPvh);
  EXPECT_EQ(image->entry, GuestAddress{16 * kMiB + 4});
}

TEST_F(ElfTest, NoteMayHaveEightBytes) {
  const std::vector<uint8_t> entry = {8, 0, 0, 1, 0, 0, 0, 0};
  spec_.AddNote("Xen", 18, entry);

  const auto image = Load(spec_, ElfEntry::kPvh);

  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->entry, GuestAddress{16 * kMiB + 8});
}

TEST_F(ElfTest, NoteIsFoundBehindOthers) {
  spec_.AddNote("GNU", 3, std::vector<uint8_t>(20, 1));
  spec_.AddNote("Xen", 6, std::vector<uint8_t>(5, 1));
  spec_.AddNote("GNU", 18, std::vector<uint8_t>(4, 1));
  spec_.AddPvhNote(16 * kMiB + 12);
  // One segment with all of them, as a linker makes it.
  ElfSpec::Part& all = spec_.parts[1];
  for (size_t i = 2; i < spec_.parts.size(); ++i) {
    all.content.insert(all.content.end(), spec_.parts[i].content.begin(),
                       spec_.parts[i].content.end());
  }
  spec_.parts.resize(2);

  const auto image = Load(spec_, ElfEntry::kPvh);

  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->entry, GuestAddress{16 * kMiB + 12});
}

TEST_F(ElfTest, BrokenNotesDoNotMatterToTheDefaultEntry) {
  spec_.AddPvhNote(5);

  EXPECT_TRUE(Load(spec_).ok());
}

TEST_F(ElfTest, PvhCanBeRefusedForWantOfANote) {
  const auto image = Load(spec_, ElfEntry::kPvh);

  EXPECT_THAT(std::string(image.status().message()), HasSubstr("without a PVH entry"));
}

TEST_F(ElfTest, NoteWithWrongSizeIsNone) {
  spec_.AddNote("Xen", 18, std::vector<uint8_t>(3, 1));

  EXPECT_FALSE(Load(spec_, ElfEntry::kPvh).ok());
}

TEST_F(ElfTest, NoteOutsideTheSegmentsIsRefused) {
  spec_.AddPvhNote(16 * kMiB + 64);

  EXPECT_THAT(std::string(Load(spec_, ElfEntry::kPvh).status().message()),
              HasSubstr("outside its segments"));
}

TEST_F(ElfTest, NoteSizesThatOverflowAreHarmless) {
  spec_.AddPvhNote(16 * kMiB);
  std::vector<uint8_t>& note = spec_.parts[1].content;

  std::memset(note.data(), 0xFF, 8);
  EXPECT_FALSE(Load(spec_, ElfEntry::kPvh).ok());
  std::memset(note.data(), 0, 4);
  EXPECT_FALSE(Load(spec_, ElfEntry::kPvh).ok());
  std::memset(note.data(), 0, 8);
  EXPECT_FALSE(Load(spec_, ElfEntry::kPvh).ok());
}

TEST_F(ElfTest, EndlessNotesAreRefused) {
  spec_.AddNote("GNU", 1, std::vector<uint8_t>(100 << 10, 0));

  EXPECT_THAT(std::string(Load(spec_, ElfEntry::kPvh).status().message()),
              HasSubstr("bytes of ELF notes"));
}

TEST_F(ElfTest, EveryTruncationIsAnError) {
  const std::vector<uint8_t> whole = BuildElf(ElfSpec::Pvh32());

  for (size_t size = 1; size < whole.size(); ++size) {
    EXPECT_FALSE(LoadBytes({whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size)}).ok())
        << size;
  }
}

struct Spoilt {
  const char* name;
  std::function<void(ElfSpec*)> spoil;
  const char* reason;
};

std::function<void(ElfSpec*)> Ident(int index, uint8_t value) {
  return [index, value](ElfSpec* s) {
    std::memcpy(s->ehdr.e_ident, ELFMAG, SELFMAG);
    s->ehdr.e_ident[EI_CLASS] = ELFCLASS64;
    s->ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
    s->ehdr.e_ident[EI_VERSION] = EV_CURRENT;
    s->ehdr.e_ident[index] = value;
  };
}

class SpoiltElfTest : public ElfTest, public ::testing::WithParamInterface<Spoilt> {};

TEST_P(SpoiltElfTest, IsRefusedWithAReasonAndLeavesMemoryAlone) {
  GetParam().spoil(&spec_);

  const auto image = Load(spec_);

  ASSERT_FALSE(image.ok());
  EXPECT_THAT(std::string(image.status().message()), HasSubstr(GetParam().reason));
  EXPECT_THAT(std::string(image.status().message()), HasSubstr("kernel k "));
  EXPECT_THAT(ReadBytes(memory_, GuestAddress{16 * kMiB}, 4096), Each(0));
}

INSTANTIATE_TEST_SUITE_P(
    All, SpoiltElfTest,
    ::testing::Values(
        Spoilt{"BigEndian", Ident(EI_DATA, ELFDATA2MSB), "big-endian"},
        Spoilt{"NoEndian", Ident(EI_DATA, 0), "e_ident"},
        Spoilt{"BadVersion", Ident(EI_VERSION, 0), "e_ident"},
        Spoilt{"BadClass", Ident(EI_CLASS, 3), "unknown class"},
        Spoilt{"ClassSaysOtherwise", Ident(EI_CLASS, ELFCLASS32), "32-bit ELF for x86-64"},
        Spoilt{"Aarch64", [](ElfSpec* s) { s->ehdr.e_machine = EM_AARCH64; },
               "64-bit ELF for aarch64"},
        Spoilt{"Riscv", [](ElfSpec* s) { s->ehdr.e_machine = EM_RISCV; }, "for riscv"},
        Spoilt{"I386", [](ElfSpec* s) { s->ehdr.e_machine = EM_386; }, "for i386"},
        Spoilt{"UnknownMachine", [](ElfSpec* s) { s->ehdr.e_machine = 9999; }, "for machine 9999"},
        Spoilt{"ObjectFile", [](ElfSpec* s) { s->ehdr.e_type = ET_REL; }, "no executable"},
        Spoilt{"HeaderSize", [](ElfSpec* s) { s->ehdr.e_phentsize = 55; }, "program headers of 55"},
        Spoilt{"NoHeaders", [](ElfSpec* s) { s->parts.clear(); }, "0 ELF program headers"},
        Spoilt{"ManyHeaders", [](ElfSpec* s) { s->ehdr.e_phnum = 257; }, "257 ELF program headers"},
        Spoilt{"HeadersBeyondTheEnd", [](ElfSpec* s) { s->ehdr.e_phoff = 1 << 20; }, "truncated"},
        Spoilt{"HeadersOverflow", [](ElfSpec* s) { s->ehdr.e_phoff = ~0ull; }, "truncated"},
        Spoilt{"NothingToLoad", [](ElfSpec* s) { s->parts[0].header.p_type = PT_NOTE; }, "PT_LOAD"},
        Spoilt{"FileSizeAboveMemorySize", [](ElfSpec* s) { s->parts[0].header.p_memsz = 63; },
               "p_filesz"},
        Spoilt{"FileRangeBeyondTheEnd",
               [](ElfSpec* s) {
                 s->parts[0].header.p_filesz = kMiB;
                 s->parts[0].header.p_memsz = kMiB;
               },
               "truncated"},
        Spoilt{"FileRangeOverflows", [](ElfSpec* s) { s->parts[0].header.p_offset = ~0ull; },
               "truncated"},
        Spoilt{"MemorySizeOverflows", [](ElfSpec* s) { s->parts[0].header.p_memsz = ~0ull; },
               "past 2^64"},
        Spoilt{"MemorySizeBeyondRam",
               [](ElfSpec* s) { s->parts[0].header.p_memsz = 48 * kMiB + 1; }, "raise --mem"},
        Spoilt{"AddressBeyondRam", [](ElfSpec* s) { s->parts[0].header.p_paddr = 8 * kGiB; },
               "raise --mem"},
        Spoilt{"AddressBelowOneMiB", [](ElfSpec* s) { s->parts[0].header.p_paddr = kMiB - 1; },
               "boot tables"},
        Spoilt{"Overlap", [](ElfSpec* s) { s->parts.push_back(Loadable(16 * kMiB + 63, 10)); },
               "overlapping"},
        Spoilt{"SameTwice", [](ElfSpec* s) { s->parts.push_back(s->parts[0]); }, "overlapping"},
        Spoilt{"UserSpaceProgram",
               [](ElfSpec* s) {
                 s->parts.push_back({.header = {.p_type = PT_INTERP}, .content = {'/', 'l', 0}});
               },
               "is a dynamically linked user-space program, not a kernel"},
        Spoilt{"EntryBeforeTheSegment", [](ElfSpec* s) { s->ehdr.e_entry = 16 * kMiB - 1; },
               "outside the physical"},
        Spoilt{"EntryBehindTheSegment", [](ElfSpec* s) { s->ehdr.e_entry = 16 * kMiB + 64; },
               "outside the physical"},
        Spoilt{"Plain32Bit",
               [](ElfSpec* s) {
                 s->is_64 = false;
                 s->ehdr.e_machine = EM_386;
               },
               "32-bit ELF without a PVH entry"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace touchstone
