#include "vmm/machine/boot/initrd.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "base/checked_math.h"
#include "base/status.h"

namespace touchstone {

absl::StatusOr<MemoryRange> LoadInitrd(const GuestMemory& memory, const MemoryLayout& layout,
                                       const KernelImage& kernel, const BootFile& file) {
  // "The Real-Mode Kernel Header", initrd_addr_max: the highest address of the last byte.
  const uint64_t top = std::min(Raw(layout.BootRamEnd()), uint64_t{kernel.initrd_highest} + 1);
  const uint64_t size = file.size();
  const uint64_t start = size <= top ? AlignDown(top - size, kGuestPageSize) : 0;
  if (start < Raw(kernel.end)) {
    return file.Error(absl::StrFormat(
        "of %u bytes does not fit between the kernel, which ends at %#x, and %#x: raise --mem",
        size, Raw(kernel.end), top));
  }
  RETURN_IF_ERROR(file.Load(0, memory, GuestAddress{start}, size));
  return MemoryRange{GuestAddress{start}, size};
}

}  // namespace touchstone
