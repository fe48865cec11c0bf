#include "vmm/machine/boot/bzimage.h"

#include <algorithm>
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
  // Paragraphs are rounded up, and the last may be short.
  if (!FitsWithin<uint64_t>(code.offset, code.size - (kParagraphSize - 1), file.size())) {
    return absl::DataLossError(
        file.Error(absl::StrCat("is truncated: its header promises ", code.offset + code.size,
                                " bytes, it has ", file.size()))
            .message());
  }
  // payload_offset counts from the beginning of the code.
  if (uint64_t{header.payload_offset} + header.payload_length > code.size) {
    return file.Error("has a payload that passes the end of its code (payload_length)");
  }
  code.size = std::min(code.size, file.size() - code.offset);
  return code;
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
