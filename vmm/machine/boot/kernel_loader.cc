#include "vmm/machine/boot/kernel_loader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "vmm/machine/boot/boot_file.h"
#include "vmm/machine/boot/boot_info.h"
#include "vmm/machine/boot/boot_msrs.h"
#include "vmm/machine/boot/bzimage.h"
#include "vmm/machine/boot/command_line.h"
#include "vmm/machine/boot/initrd.h"
#include "vmm/machine/boot/linux_params.h"
#include "vmm/machine/boot/long_mode.h"
#include "vmm/machine/boot/pvh.h"

namespace touchstone {
namespace {

constexpr uint64_t kBeginningSize = 1024;
// IsBzImage decides by this many bytes.
constexpr uint64_t kLeastBzImage = 0x206;

struct Signature {
  uint64_t offset;
  absl::string_view bytes;
  absl::string_view what;
};

// How an EFI application begins, and with it most bzImages.
constexpr absl::string_view kEfi("MZ", 2);
// What arch/x86/boot/compressed puts into a bzImage, and extract-vmlinux takes out.
constexpr Signature kCompressed[] = {
    {0, absl::string_view("\x1F\x8B", 2), "gzip"},
    {0, absl::string_view("\xFD\x37zXZ\x00", 6), "xz"},
    {0, absl::string_view("\x02\x21\x4C\x18", 4), "lz4"},
    {0, absl::string_view("\x04\x22\x4D\x18", 4), "lz4"},
    {0, absl::string_view("\x28\xB5\x2F\xFD", 4), "zstd"},
    {0, absl::string_view("BZh", 3), "bzip2"},
    {0, absl::string_view("\x5D\x00\x00", 3), "lzma"},
    {0, absl::string_view("\x89LZO\x00", 5), "lzo"},
};
// Files that are met in practice where a kernel was meant.
constexpr Signature kForeign[] = {
    {0x38, absl::string_view("ARM\x64", 4), "is an aarch64 Image, not for x86-64"},
    {0x38, absl::string_view("RSC\x05", 4), "is a riscv Image, not for x86-64"},
    {0, absl::string_view("QFI\xFB", 4), "is a qcow2 disk image, not a kernel"},
    {0, absl::string_view("070701", 6), "is a cpio archive (an initrd?), not a kernel"},
    {0, absl::string_view("#!", 2), "is a script, not a kernel"},
    {0, kEfi, "is an EFI application, not a bzImage"},
};

bool Has(absl::Span<const uint8_t> beginning, const Signature& signature) {
  const absl::string_view bytes(reinterpret_cast<const char*>(beginning.data()), beginning.size());
  return bytes.size() >= signature.offset &&
         absl::StartsWith(bytes.substr(signature.offset), signature.bytes);
}

// The best that can be said about a file that is no kernel.
absl::Status DescribeUnknown(const BootFile& file, absl::Span<const uint8_t> beginning) {
  for (const Signature& signature : kCompressed) {
    if (Has(beginning, signature)) {
      return file.Error(absl::StrCat("is compressed with ", signature.what,
                                     ": decompress it, or give the bzImage"));
    }
  }
  if (Has(beginning, {0, kEfi, {}}) && file.size() < kLeastBzImage) {
    return absl::DataLossError(
        file.Error(absl::StrCat("is truncated: of a bzImage it has only ", file.size(), " bytes"))
            .message());
  }
  for (const Signature& signature : kForeign) {
    if (Has(beginning, signature)) return file.Error(signature.what);
  }
  if (std::all_of(beginning.begin(), beginning.end(),
                  [](uint8_t c) { return absl::ascii_isprint(c) || absl::ascii_isspace(c); })) {
    return file.Error("is text, not a kernel");
  }
  return file.Error("is neither a bzImage nor an ELF file");
}

absl::StatusOr<KernelImage> LoadImage(const GuestMemory& memory, const MemoryLayout& layout,
                                      const BootFile& file, ElfEntry elf_entry) {
  std::vector<uint8_t> beginning(std::min(kBeginningSize, file.size()));
  RETURN_IF_ERROR(file.Read(0, absl::MakeSpan(beginning)));
  // A bzImage built with an EFI stub begins with "MZ": ask for its own mark before others'.
  if (IsBzImage(beginning)) return LoadBzImage(memory, layout, file);
  if (IsElf(beginning)) return LoadElf(memory, layout, file, elf_entry);
  return DescribeUnknown(file, beginning);
}

}  // namespace

absl::StatusOr<BootState> LoadKernel(const GuestMemory& memory, const MemoryLayout& layout,
                                     const KernelLoadOptions& options) {
  ASSIGN_OR_RETURN(const BootFile kernel_file,
                   BootFile::Create(options.kernel.fd, "kernel", options.kernel.path));
  ASSIGN_OR_RETURN(const KernelImage kernel,
                   LoadImage(memory, layout, kernel_file, options.elf_entry));
  RETURN_IF_ERROR(WriteCommandLine(memory, options.command_line, kernel.command_line_limit));

  BootInfo info{
      .e820 = layout.E820(options.reserved),
      .rsdp = options.rsdp,
      .rng_seed = options.rng_seed,
  };
  if (options.initrd.has_value()) {
    ASSIGN_OR_RETURN(const BootFile initrd_file,
                     BootFile::Create(options.initrd->fd, "initrd", options.initrd->path));
    ASSIGN_OR_RETURN(info.initrd, LoadInitrd(memory, layout, kernel, initrd_file));
  }

  absl::StatusOr<EntryState> entry;
  switch (kernel.protocol) {
    case BootProtocol::kLinux64:
      RETURN_IF_ERROR(WriteLinuxParams(memory, kernel.header, info));
      entry = EnterLinux64(memory, kernel.entry);
      break;
    case BootProtocol::kPvh:
      RETURN_IF_ERROR(WritePvhStartInfo(memory, info));
      entry = EnterPvh(memory, kernel.entry);
      break;
  }
  RETURN_IF_ERROR(entry.status());
  return BootState{
      .registers = entry->general,
      .special_registers = entry->special,
      .msrs = BootMsrs(layout),
      .protocol = kernel.protocol,
      .kernel = {kernel.start, kernel.end - kernel.start},
      .initrd = info.initrd,
  };
}

}  // namespace touchstone
