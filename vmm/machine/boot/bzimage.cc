#include "vmm/machine/boot/bzimage.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/checked_math.h"
#include "base/endian.h"
#include "base/status.h"

namespace touchstone {
namespace {

constexpr uint64_t kHeaderOffset = 0x1F1;
constexpr uint64_t kMagicOffset = 0x202;
constexpr uint32_t kMagic = 0x53726448;  // "HdrS"
constexpr uint16_t kBootFlag = 0xAA55;
// 2.12 brought xloadflags, which says whether there is a 64-bit entry.
constexpr uint16_t kLeastVersion = 0x20C;
constexpr uint64_t kSectorSize = 512;
constexpr uint64_t kParagraphSize = 16;
constexpr uint32_t kPeMagic = 0x00004550;  // "PE\0\0"
// "64-bit Boot Protocol": the entry is the load address plus 0x200.
constexpr uint64_t kEntryOffset = 0x200;

absl::StatusOr<setup_header> ReadHeader(const BootFile& file) {
  setup_header header = {};
  uint8_t* const bytes = reinterpret_cast<uint8_t*>(&header);
  constexpr uint64_t kUpToMagic = kMagicOffset + 4 - kHeaderOffset;
  RETURN_IF_ERROR(file.Read(kHeaderOffset, absl::MakeSpan(bytes, kUpToMagic)));
  if (header.boot_flag != kBootFlag || header.header != kMagic) {
    return file.Error("has no setup header (HdrS)");
  }
  // "64-bit Boot Protocol": the header ends at 0x202 plus the byte at 0x201, which is the target of
  // the jump over it.
  const uint64_t end = kMagicOffset + (header.jump >> 8);
  constexpr uint64_t kLeastSize = offsetof(setup_header, handover_offset);
  const uint64_t size = std::min<uint64_t>(end - kHeaderOffset, sizeof(header));
  if (size < kLeastSize) {
    return file.Error(absl::StrFormat(
        "has a setup header of %u bytes, less than protocol 2.12's %u", size, kLeastSize));
  }
  RETURN_IF_ERROR(file.Read(kHeaderOffset, absl::MakeSpan(bytes, size)));
  return header;
}

absl::Status CheckHeader(const BootFile& file, const setup_header& header) {
  if (header.version < kLeastVersion) {
    return file.Error(absl::StrFormat("speaks boot protocol %u.%02u; 2.12 is the oldest supported",
                                      header.version >> 8, header.version & 0xFF));
  }
  if ((header.xloadflags & XLF_KERNEL_64) == 0) {
    return file.Error("is not a 64-bit kernel (XLF_KERNEL_64 is not set)");
  }
  if ((header.loadflags & LOADED_HIGH) == 0) {
    return file.Error("is a zImage (LOADED_HIGH is not set); a bzImage is wanted");
  }
  if (!std::has_single_bit(header.kernel_alignment)) {
    return file.Error(absl::StrFormat("has kernel_alignment %#x, which is no power of two",
                                      uint32_t{header.kernel_alignment}));
  }
  return absl::OkStatus();
}

// `part` of the file says that the file has `promised` bytes.
absl::Status Truncated(const BootFile& file, absl::string_view part, uint64_t promised) {
  return absl::DataLossError(file.Error(absl::StrCat("is truncated: its ", part, " promises ",
                                                     promised, " bytes, it has ", file.size()))
                                 .message());
}

// Where the protected-mode code is in the file.
struct Code {
  uint64_t offset = 0;
  uint64_t size = 0;
};

absl::StatusOr<Code> FindCode(const BootFile& file, const setup_header& header) {
  // "The Real-Mode Kernel Header", setup_sects: 0 means 4.
  const uint64_t sectors = header.setup_sects == 0 ? 4 : header.setup_sects;
  Code code{.offset = (sectors + 1) * kSectorSize, .size = header.syssize * kParagraphSize};
  if (code.size <= kEntryOffset) {
    return file.Error(absl::StrCat("has only ", code.size, " bytes of code (syssize)"));
  }
  // "The image checksum": the file reaches as far as syssize says; its last four bytes up to there
  // are the check sum.
  if (!FitsWithin(code.offset, code.size, file.size())) {
    return Truncated(file, "header", code.offset + code.size);
  }
  // payload_offset counts from the beginning of the code.
  if (uint64_t{header.payload_offset} + header.payload_length > code.size) {
    return file.Error("has a payload that passes the end of its code (payload_length)");
  }
  return code;
}

// A signature for Secure Boot is behind the code, where the header of the EFI application says
// (PE Format, "The Attribute Certificate Table"). Without it the kernel would run, but the file is
// not what it was.
absl::Status CheckSignature(const BootFile& file) {
  constexpr uint64_t kPointer = 0x3C;  // to the PE header: "PE\0\0", 20 bytes of COFF header ...
  constexpr uint64_t kOptionalHeader = 24;
  constexpr uint16_t kPe32Plus = 0x20B;
  constexpr uint64_t kDirectoryCount = kOptionalHeader + 108;
  constexpr uint64_t kCertificateTable = kOptionalHeader + 112 + 4 * 8;
  constexpr uint64_t kEnd = kCertificateTable + 8;

  std::array<uint8_t, kPointer + 4> beginning = {};
  RETURN_IF_ERROR(file.Read(0, absl::MakeSpan(beginning)));
  const uint64_t start = LoadLe(absl::MakeConstSpan(beginning).subspan(kPointer, 4));
  if (beginning[0] != 'M' || beginning[1] != 'Z' || !FitsWithin(start, kEnd, file.size())) {
    return absl::OkStatus();
  }
  std::array<uint8_t, kEnd> header = {};
  RETURN_IF_ERROR(file.Read(start, absl::MakeSpan(header)));
  const auto field = [&](uint64_t offset, uint64_t size) {
    return LoadLe(absl::MakeConstSpan(header).subspan(offset, size));
  };
  if (field(0, 4) != kPeMagic || field(kOptionalHeader, 2) != kPe32Plus ||
      field(kDirectoryCount, 4) <= 4) {
    return absl::OkStatus();
  }
  // The one directory entry whose address is an offset in the file.
  const uint64_t end = field(kCertificateTable, 4) + field(kCertificateTable + 4, 4);
  return end <= file.size() ? absl::OkStatus() : Truncated(file, "signature", end);
}

}  // namespace

bool IsBzImage(absl::Span<const uint8_t> beginning) {
  if (beginning.size() < kMagicOffset + 4) return false;
  return LoadLe(beginning.subspan(0x1FE, 2)) == kBootFlag &&
         LoadLe(beginning.subspan(kMagicOffset, 4)) == kMagic;
}

absl::StatusOr<KernelImage> LoadBzImage(const GuestMemory& memory, const MemoryLayout& layout,
                                        const BootFile& file) {
  ASSIGN_OR_RETURN(const setup_header header, ReadHeader(file));
  RETURN_IF_ERROR(CheckHeader(file, header));
  ASSIGN_OR_RETURN(const Code code, FindCode(file, header));
  RETURN_IF_ERROR(CheckSignature(file));

  // "The Real-Mode Kernel Header", init_size: from the runtime start on, this much must be RAM. The
  // runtime start is the load address, raised to pref_address and to kernel_alignment.
  const uint64_t load = header.pref_address;
  const std::optional<uint64_t> runtime =
      CheckedAlignUp<uint64_t>(load, header.relocatable_kernel != 0 ? header.kernel_alignment : 1);
  const std::optional<uint64_t> run_end =
      CheckedAdd<uint64_t>(runtime.value_or(~0), header.init_size);
  const std::optional<uint64_t> load_end = CheckedAdd<uint64_t>(load, code.size);
  if (!runtime.has_value() || !run_end.has_value() || !load_end.has_value()) {
    return file.Error(absl::StrFormat("has pref_address %#x, beyond all memory", load));
  }
  KernelImage image{
      .protocol = BootProtocol::kLinux64,
      .entry = GuestAddress{load + kEntryOffset},
      .start = GuestAddress{load},
      .end = GuestAddress{std::max(*run_end, *load_end)},
      .initrd_highest = header.initrd_addr_max,
      .command_line_limit = header.cmdline_size,
      .header = header,
  };
  RETURN_IF_ERROR(CheckKernelRoom(file, layout, image.start, image.end));
  RETURN_IF_ERROR(file.Load(code.offset, memory, image.start, code.size));
  return image;
}

}  // namespace touchstone
