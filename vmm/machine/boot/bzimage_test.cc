#include "vmm/machine/boot/bzimage.h"

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

class BzImageTest : public ::testing::Test {
 protected:
  absl::StatusOr<KernelImage> LoadBytes(const std::vector<uint8_t>& bytes) {
    const ScopedFd fd = MakeFile(bytes);
    const absl::StatusOr<BootFile> file = BootFile::Create(fd.get(), "kernel", "k");
    if (!file.ok()) return file.status();
    return LoadBzImage(memory_, layout_, *file);
  }
  absl::StatusOr<KernelImage> Load(const BzImageSpec& spec) {
    return LoadBytes(BuildBzImage(spec));
  }

  const MemoryLayout layout_ = MakeLayout(64 * kMiB);
  const GuestMemory memory_ = MakeMemory(layout_);
  BzImageSpec spec_;
};

TEST_F(BzImageTest, LoadsAtThePreferredAddress) {
  const auto image = Load(spec_);

  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->protocol, BootProtocol::kLinux64);
  EXPECT_EQ(image->start, GuestAddress{16 * kMiB});
  EXPECT_EQ(image->entry, GuestAddress{16 * kMiB + 0x200});
  EXPECT_EQ(image->end, GuestAddress{17 * kMiB});
  EXPECT_EQ(image->initrd_highest, 0x7FFFFFFFu);
  EXPECT_EQ(image->command_line_limit, 2047u);
  EXPECT_THAT(ReadBytes(memory_, image->start, spec_.code.size()), ElementsAreArray(spec_.code));
}

TEST_F(BzImageTest, WritesNothingBesideTheCode) {
  const auto image = Load(spec_);

  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_THAT(ReadBytes(memory_, image->start + spec_.code.size(), 4096), Each(0));
  EXPECT_THAT(ReadBytes(memory_, GuestAddress{16 * kMiB - 4096}, 4096), Each(0));
}

TEST_F(BzImageTest, HeaderIsKeptAsFarAsItGoes) {
  spec_.header.hardware_subarch_data = 0x1122334455667788;
  spec_.header.kernel_info_offset = 0x99;
  spec_.header_end = 0x66;  // without kernel_info_offset

  const auto image = Load(spec_);

  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(+image->header.hardware_subarch_data, 0x1122334455667788u);
  EXPECT_EQ(+image->header.kernel_info_offset, 0u);
}

TEST_F(BzImageTest, HeaderLongerThanKnownIsCut) {
  spec_.header_end = 0xFF;

  EXPECT_TRUE(Load(spec_).ok());
}

TEST_F(BzImageTest, NoSetupSectorsMeansFour) {
  spec_.header.setup_sects = 0;
  spec_.setup_sectors = 4;

  const auto image = Load(spec_);

  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_THAT(ReadBytes(memory_, image->start, spec_.code.size()), ElementsAreArray(spec_.code));
}

TEST_F(BzImageTest, LastParagraphMustBeWhole) {
  spec_.code.resize(0x400 - 1);

  const auto image = Load(spec_);

  ASSERT_FALSE(image.ok());
  EXPECT_THAT(std::string(image.status().message()),
              HasSubstr("is truncated: its header promises 2048 bytes, it has 2047"));
}

// An EFI application's header in the first setup sector, with a signature of `size` bytes that
// follow `bytes`.
void AddPeHeader(uint32_t size, std::vector<uint8_t>& bytes) {
  constexpr size_t kPe = 0x40;
  const auto put = [&bytes](size_t offset, uint64_t value, size_t width) {
    for (size_t i = 0; i < width; ++i) bytes[offset + i] = static_cast<uint8_t>(value >> (8 * i));
  };
  put(0, 0x5A4D, 2);
  put(0x3C, kPe, 4);
  put(kPe, 0x4550, 4);
  put(kPe + 24, 0x20B, 2);
  put(kPe + 24 + 108, 6, 4);
  put(kPe + 24 + 112 + 32, bytes.size(), 4);
  put(kPe + 24 + 112 + 36, size, 4);
}

TEST_F(BzImageTest, SignatureBehindTheCodeMustBeWhole) {
  std::vector<uint8_t> bytes = BuildBzImage(spec_);
  const size_t unsigned_size = bytes.size();
  AddPeHeader(100, bytes);
  bytes.resize(unsigned_size + 100);

  EXPECT_TRUE(LoadBytes(bytes).ok());
  bytes.pop_back();
  const auto image = LoadBytes(bytes);
  ASSERT_FALSE(image.ok());
  EXPECT_THAT(std::string(image.status().message()),
              HasSubstr("is truncated: its signature promises 2148 bytes, it has 2147"));
}

TEST_F(BzImageTest, WhatIsNoPeHeaderSaysNothingAboutSignatures) {
  std::vector<uint8_t> bytes = BuildBzImage(spec_);
  AddPeHeader(100, bytes);
  std::vector<uint8_t> no_magic = bytes, pe32 = bytes, far = bytes, few = bytes;
  no_magic[0x40] = 0;
  pe32[0x40 + 25] = 1;
  far[0x3F] = 0xFF;
  few[0x40 + 24 + 108] = 4;

  EXPECT_FALSE(LoadBytes(bytes).ok());
  EXPECT_TRUE(LoadBytes(no_magic).ok());
  EXPECT_TRUE(LoadBytes(pe32).ok());
  EXPECT_TRUE(LoadBytes(far).ok());
  EXPECT_TRUE(LoadBytes(few).ok());
}

TEST_F(BzImageTest, WhatFollowsTheCodeIsNotLoaded) {
  std::vector<uint8_t> bytes = BuildBzImage(spec_);
  bytes.insert(bytes.end(), 4096, 0xEE);  // a signature, say

  const auto image = LoadBytes(bytes);

  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_THAT(ReadBytes(memory_, image->start + spec_.code.size(), 4096), Each(0));
}

TEST_F(BzImageTest, AlignmentRaisesTheEndOfARelocatableKernel) {
  spec_.header.kernel_alignment = 32 * kMiB;

  const auto image = Load(spec_);

  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->end, GuestAddress{33 * kMiB});
}

TEST_F(BzImageTest, AlignmentDoesNotMatterToAFixedKernel) {
  spec_.header.kernel_alignment = 32 * kMiB;
  spec_.header.relocatable_kernel = 0;

  const auto image = Load(spec_);

  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->end, GuestAddress{17 * kMiB});
}

TEST_F(BzImageTest, CodeLargerThanInitSizeCounts) {
  spec_.header.init_size = 0;

  const auto image = Load(spec_);

  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->end, image->start + spec_.code.size());
}

TEST_F(BzImageTest, KernelThatEndsWithRamFits) {
  spec_.header.init_size = 48 * kMiB;

  EXPECT_TRUE(Load(spec_).ok());
}

TEST_F(BzImageTest, EveryTruncationIsAnError) {
  const std::vector<uint8_t> whole = BuildBzImage(spec_);

  for (size_t size = 1; size < whole.size(); ++size) {
    EXPECT_FALSE(LoadBytes({whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size)}).ok())
        << size;
  }
}

TEST(IsBzImageTest, WantsBothMarks) {
  std::vector<uint8_t> bytes = BuildBzImage({});

  EXPECT_TRUE(IsBzImage(bytes));
  EXPECT_TRUE(IsBzImage(absl::MakeConstSpan(bytes).first(0x206)));
  EXPECT_FALSE(IsBzImage(absl::MakeConstSpan(bytes).first(0x205)));
  bytes[0x1FF] = 0;
  EXPECT_FALSE(IsBzImage(bytes));
}

struct Spoilt {
  const char* name;
  std::function<void(BzImageSpec*)> spoil;
  const char* reason;
};

class SpoiltBzImageTest : public BzImageTest, public ::testing::WithParamInterface<Spoilt> {};

TEST_P(SpoiltBzImageTest, IsRefusedWithAReasonAndLeavesMemoryAlone) {
  GetParam().spoil(&spec_);

  const auto image = Load(spec_);

  ASSERT_FALSE(image.ok());
  EXPECT_THAT(std::string(image.status().message()), HasSubstr(GetParam().reason));
  EXPECT_THAT(std::string(image.status().message()), HasSubstr("kernel k "));
  EXPECT_THAT(ReadBytes(memory_, GuestAddress{16 * kMiB}, 4096), Each(0));
}

INSTANTIATE_TEST_SUITE_P(
    All, SpoiltBzImageTest,
    ::testing::Values(
        Spoilt{"NoMagic", [](BzImageSpec* s) { s->header.header = 0; }, "HdrS"},
        Spoilt{"NoBootFlag", [](BzImageSpec* s) { s->header.boot_flag = 0; }, "HdrS"},
        Spoilt{"ShortHeader", [](BzImageSpec* s) { s->header_end = 0x61; }, "setup header of"},
        Spoilt{"NoHeader", [](BzImageSpec* s) { s->header_end = 0; }, "setup header of"},
        Spoilt{"OldProtocol", [](BzImageSpec* s) { s->header.version = 0x20B; }, "protocol 2.11"},
        Spoilt{"Only32Bit", [](BzImageSpec* s) { s->header.xloadflags = 0; }, "64-bit"},
        Spoilt{"ZImage", [](BzImageSpec* s) { s->header.loadflags = 0; }, "zImage"},
        Spoilt{"AlignmentZero", [](BzImageSpec* s) { s->header.kernel_alignment = 0; },
               "power of two"},
        Spoilt{"AlignmentOdd", [](BzImageSpec* s) { s->header.kernel_alignment = 0x300000; },
               "power of two"},
        Spoilt{"NoCode", [](BzImageSpec* s) { s->code.clear(); }, "only 0 bytes of code"},
        Spoilt{"TinyCode", [](BzImageSpec* s) { s->code.resize(0x200); }, "only 512 bytes of code"},
        Spoilt{"HugeSyssize", [](BzImageSpec* s) { s->header.syssize = 0xFFFFFFFF; }, "truncated"},
        Spoilt{"CodeBeyondTheEnd", [](BzImageSpec* s) { s->header.setup_sects = 255; },
               "truncated"},
        Spoilt{"PayloadTooLong", [](BzImageSpec* s) { s->header.payload_length = 0xFFFFFFFF; },
               "payload"},
        Spoilt{"PayloadTooFar", [](BzImageSpec* s) { s->header.payload_offset = 0xFFFFFFFF; },
               "payload"},
        Spoilt{"InitSizeTooLarge", [](BzImageSpec* s) { s->header.init_size = 48 * kMiB + 1; },
               "raise --mem"},
        Spoilt{"InitSizeHuge", [](BzImageSpec* s) { s->header.init_size = 0xFFFFFFFF; },
               "raise --mem"},
        Spoilt{"PreferredAtZero", [](BzImageSpec* s) { s->header.pref_address = 0; },
               "boot tables"},
        Spoilt{"PreferredBeyondRam", [](BzImageSpec* s) { s->header.pref_address = 8 * kGiB; },
               "raise --mem"},
        Spoilt{"PreferredOverflows", [](BzImageSpec* s) { s->header.pref_address = ~0ull; },
               "beyond all memory"},
        Spoilt{"EndOverflows",
               [](BzImageSpec* s) {
                 s->header.pref_address = ~0ull & ~(2 * kMiB - 1);
                 s->header.init_size = 4 * kMiB;
               },
               "beyond all memory"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace touchstone
