#include "vmm/machine/boot/kernel_image.h"

#include "absl/strings/str_format.h"

namespace touchstone {

absl::Status CheckKernelRoom(const BootFile& file, const MemoryLayout& layout, GuestAddress start,
                             GuestAddress end) {
  if (start < kHighMemoryStart) {
    return file.Error(absl::StrFormat(
        "wants to be loaded at %#x; below 0x100000 lie the boot tables", Raw(start)));
  }
  if (start > end || end > layout.BootRamEnd()) {
    return file.Error(
        absl::StrFormat("needs RAM from %#x to %#x, but RAM below 4 GiB ends at %#x: raise --mem",
                        Raw(start), Raw(end), Raw(layout.BootRamEnd())));
  }
  return absl::OkStatus();
}

}  // namespace touchstone
