#include "vmm/machine/boot/kernel_loader.h"

#include <fcntl.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/machine/boot/boot_testing.h"
#include "vmm/machine/boot/pvh.h"

namespace touchstone {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class KernelLoaderTest : public ::testing::Test {
 protected:
  absl::StatusOr<BootState> Load(const ScopedFd& fd, KernelLoadOptions options = {}) {
    options.kernel = {fd.get(), "/boot/vmlinuz"};
    return LoadKernel(memory_, layout_, options);
  }

  absl::Status LoadError(absl::string_view content) { return Load(MakeFile(content)).status(); }

  boot_params ZeroPage() { return memory_.ReadObject<boot_params>(kZeroPageAddress).value(); }

  const MemoryLayout layout_ = MakeLayout(64 * kMiB);
  const GuestMemory memory_ = MakeMemory(layout_);
};

TEST_F(KernelLoaderTest, BzImageIsReadyInLongMode) {
  const BzImageSpec spec;
  const ScopedFd kernel = MakeFile(BuildBzImage(spec));
  const std::vector<uint8_t> seed(256, 0x5A);

  const auto boot = Load(
      kernel, {.command_line = "quiet panic=-1", .rsdp = kAcpiTablesAddress, .rng_seed = seed});

  ASSERT_TRUE(boot.ok()) << boot.status();
  EXPECT_EQ(boot->protocol, BootProtocol::kLinux64);
  EXPECT_EQ(boot->registers.rip, 16 * kMiB + 0x200);
  EXPECT_EQ(boot->registers.rsi, Raw(kZeroPageAddress));
  EXPECT_TRUE(boot->special_registers.cs.l);
  EXPECT_FALSE(boot->msrs.empty());
  EXPECT_EQ(boot->kernel, (MemoryRange{GuestAddress{16 * kMiB}, kMiB}));
  EXPECT_THAT(ReadBytes(memory_, GuestAddress{16 * kMiB}, spec.code.size()),
              ElementsAreArray(spec.code));
  const boot_params zero_page = ZeroPage();
  EXPECT_EQ(+zero_page.acpi_rsdp_addr, Raw(kAcpiTablesAddress));
  EXPECT_EQ(+zero_page.hdr.pref_address, 16 * kMiB);
  EXPECT_EQ(+zero_page.hdr.setup_data, Raw(kSetupDataAddress));
  EXPECT_EQ(zero_page.e820_entries, layout_.E820().size());
  const std::string line = "quiet panic=-1";
  EXPECT_EQ(ReadBytes(memory_, kCommandLineAddress, line.size() + 1),
            std::vector<uint8_t>(line.c_str(), line.c_str() + line.size() + 1));
}

TEST_F(KernelLoaderTest, VmlinuxIsReadyInLongMode) {
  const ScopedFd kernel = MakeFile(BuildElf(ElfSpec::Vmlinux()));

  const auto boot = Load(kernel);

  ASSERT_TRUE(boot.ok()) << boot.status();
  EXPECT_EQ(boot->protocol, BootProtocol::kLinux64);
  EXPECT_EQ(boot->registers.rip, 16 * kMiB);
  EXPECT_EQ(+ZeroPage().hdr.header, 0x53726448u);
  EXPECT_EQ(+ZeroPage().hdr.setup_data, 0u);
}

TEST_F(KernelLoaderTest, Pvh32IsReadyInProtectedMode) {
  const ScopedFd kernel = MakeFile(BuildElf(ElfSpec::Pvh32()));

  const auto boot = Load(kernel, {.rsdp = kAcpiTablesAddress});

  ASSERT_TRUE(boot.ok()) << boot.status();
  EXPECT_EQ(boot->protocol, BootProtocol::kPvh);
  EXPECT_EQ(boot->registers.rip, kMiB + 16);
  EXPECT_EQ(boot->registers.rbx, Raw(kPvhStartInfoAddress));
  const auto info = memory_.ReadObject<PvhStartInfo>(kPvhStartInfoAddress);
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->magic, kPvhMagic);
  EXPECT_EQ(info->rsdp, Raw(kAcpiTablesAddress));
}

TEST_F(KernelLoaderTest, VmlinuxWithPvhNoteFollowsTheChoice) {
  ElfSpec spec = ElfSpec::Vmlinux();
  spec.AddPvhNote(16 * kMiB + 8);
  const ScopedFd kernel = MakeFile(BuildElf(spec));

  const auto automatic = Load(kernel);
  const auto pvh = Load(kernel, {.elf_entry = ElfEntry::kPvh});

  ASSERT_TRUE(automatic.ok()) << automatic.status();
  EXPECT_EQ(automatic->protocol, BootProtocol::kLinux64);
  ASSERT_TRUE(pvh.ok()) << pvh.status();
  EXPECT_EQ(pvh->protocol, BootProtocol::kPvh);
  EXPECT_EQ(pvh->registers.rip, 16 * kMiB + 8);
}

TEST_F(KernelLoaderTest, InitrdIsAnnounced) {
  const ScopedFd kernel = MakeFile(BuildBzImage({}));
  const ScopedFd initrd = MakeFile(std::string(5000, 'i'));

  const auto boot = Load(kernel, {.initrd = KernelSource{initrd.get(), "initrd.img"}});

  ASSERT_TRUE(boot.ok()) << boot.status();
  EXPECT_EQ(boot->initrd, (MemoryRange{GuestAddress{64 * kMiB - 8192}, 5000}));
  EXPECT_EQ(+ZeroPage().hdr.ramdisk_image, 64 * kMiB - 8192);
  EXPECT_EQ(+ZeroPage().hdr.ramdisk_size, 5000u);
}

TEST_F(KernelLoaderTest, MoreReservedMemoryIsInTheMap) {
  const ScopedFd kernel = MakeFile(BuildBzImage({}));
  const MemoryRange reserved{GuestAddress{8 * kGiB}, kMiB};

  const auto boot = Load(kernel, {.reserved = {reserved}});

  ASSERT_TRUE(boot.ok()) << boot.status();
  const boot_params zero_page = ZeroPage();
  const boot_e820_entry last = zero_page.e820_table[zero_page.e820_entries - 1];
  EXPECT_EQ(+last.addr, 8 * kGiB);
  EXPECT_EQ(+last.size, kMiB);
  EXPECT_EQ(+last.type, 2u);
}

// Its first bytes are an EFI application's.
TEST_F(KernelLoaderTest, HeadOfABzImageIsTruncated) {
  const ScopedFd head = MakeFile("MZ" + std::string(0x203, '\0'));

  EXPECT_EQ(Load(head).status().message(),
            "kernel /boot/vmlinuz is truncated: of a bzImage it has only 517 bytes");
}

TEST_F(KernelLoaderTest, DirectoryIsNamed) {
  const ScopedFd directory(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));

  EXPECT_EQ(Load(directory).status().message(), "kernel /boot/vmlinuz is a directory");
}

TEST_F(KernelLoaderTest, DeviceIsRefused) {
  const ScopedFd device(open("/dev/zero", O_RDONLY | O_CLOEXEC));

  EXPECT_EQ(Load(device).status().message(), "kernel /boot/vmlinuz is not a regular file");
}

TEST_F(KernelLoaderTest, BadDescriptorIsAnError) {
  EXPECT_THAT(std::string(Load(ScopedFd()).status().message()),
              StartsWith("fstat of kernel /boot/vmlinuz"));
}

TEST_F(KernelLoaderTest, ControlCharactersOfThePathAreEscaped) {
  const ScopedFd empty = MakeFile("");

  const auto boot = LoadKernel(memory_, layout_, {.kernel = {empty.get(), "a\nb"}});

  EXPECT_EQ(boot.status().message(), "kernel a\\nb is empty");
}

TEST_F(KernelLoaderTest, EmptyInitrdIsRefused) {
  const ScopedFd kernel = MakeFile(BuildBzImage({}));
  const ScopedFd empty = MakeFile("");

  const auto boot = Load(kernel, {.initrd = KernelSource{empty.get(), "initrd.img"}});

  EXPECT_EQ(boot.status().message(), "initrd initrd.img is empty");
}

TEST_F(KernelLoaderTest, CommandLineErrorNamesTheOption) {
  const ScopedFd kernel = MakeFile(BuildBzImage({}));

  EXPECT_THAT(std::string(Load(kernel, {.command_line = "a\tb"}).status().message()),
              StartsWith("--params: byte 0x09 at 1"));
}

TEST_F(KernelLoaderTest, KernelThatDoesNotFitSaysWhatToRaise) {
  BzImageSpec spec;
  spec.header.init_size = 60 * kMiB;
  const ScopedFd kernel = MakeFile(BuildBzImage(spec));

  EXPECT_THAT(std::string(Load(kernel).status().message()), HasSubstr("raise --mem"));
}

TEST_F(KernelLoaderTest, TooManyReservedRangesAreAnError) {
  const ScopedFd kernel = MakeFile(BuildBzImage({}));
  const std::vector<MemoryRange> reserved(128, MemoryRange{GuestAddress{8 * kGiB}, kMiB});

  EXPECT_EQ(Load(kernel, {.reserved = reserved}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

struct UnknownFile {
  const char* name;
  std::string content;
  const char* reason;
};

class UnknownFileTest : public KernelLoaderTest,
                        public ::testing::WithParamInterface<UnknownFile> {};

TEST_P(UnknownFileTest, IsToldFromItsBytes) {
  const absl::Status status = LoadError(GetParam().content);

  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), absl::StrCat("kernel /boot/vmlinuz ", GetParam().reason));
}

std::string At(size_t offset, absl::string_view bytes) {
  std::string content(4096, '\xFE');
  content.replace(offset, bytes.size(), std::string(bytes));
  return content;
}

INSTANTIATE_TEST_SUITE_P(
    All, UnknownFileTest,
    ::testing::Values(
        UnknownFile{"Empty", "", "is empty"},
        UnknownFile{"Gzip", At(0, "\x1F\x8B"),
                    "is compressed with gzip: decompress it, or give the bzImage"},
        UnknownFile{"Xz", At(0, absl::string_view("\xFD\x37zXZ\0", 6)),
                    "is compressed with xz: decompress it, or give the bzImage"},
        UnknownFile{"Lz4", At(0, "\x02\x21\x4C\x18"),
                    "is compressed with lz4: decompress it, or give the bzImage"},
        UnknownFile{"Lz4Frame", At(0, "\x04\x22\x4D\x18"),
                    "is compressed with lz4: decompress it, or give the bzImage"},
        UnknownFile{"Zstd", At(0, "\x28\xB5\x2F\xFD"),
                    "is compressed with zstd: decompress it, or give the bzImage"},
        UnknownFile{"Script", "#!/bin/sh\nexec true\n", "is a script, not a kernel"},
        UnknownFile{"Text", "title: not a kernel\n", "is text, not a kernel"},
        UnknownFile{"Qcow2", At(0, "QFI\xFB"), "is a qcow2 disk image, not a kernel"},
        UnknownFile{"Cpio", At(0, "070701"), "is a cpio archive (an initrd?), not a kernel"},
        UnknownFile{"Efi", At(0, "MZ"), "is an EFI application, not a bzImage"},
        UnknownFile{"Aarch64", At(0x38, "ARM\x64"), "is an aarch64 Image, not for x86-64"},
        UnknownFile{"Riscv", At(0x38, "RSC\x05"), "is a riscv Image, not for x86-64"},
        UnknownFile{"OneByte", "\xFE", "is neither a bzImage nor an ELF file"},
        UnknownFile{"Garbage", At(0, "\xFE"), "is neither a bzImage nor an ELF file"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace touchstone
