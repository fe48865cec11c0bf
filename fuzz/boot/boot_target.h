// The file and the guest that a loader's fuzzer feeds: made once, filled anew for each input.

#ifndef TOUCHSTONE_FUZZ_BOOT_BOOT_TARGET_H_
#define TOUCHSTONE_FUZZ_BOOT_BOOT_TARGET_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "base/memory/guest_memory.h"
#include "base/scoped_fd.h"
#include "vmm/machine/boot/kernel_image.h"
#include "vmm/machine/boot/memory_layout.h"

namespace touchstone {

class BootTarget {
 public:
  static BootTarget& Get();

  // The file, with this content.
  int FileWith(absl::Span<const uint8_t> content);

  [[nodiscard]] const MemoryLayout& layout() const { return layout_; }
  [[nodiscard]] const GuestMemory& memory() const { return memory_; }

  // Dies when what a loader accepted breaks its promises: the kernel is in RAM, above the boot
  // tables, and is entered inside itself.
  void CheckImage(const KernelImage& image) const;

 private:
  BootTarget();

  MemoryLayout layout_;
  GuestMemory memory_;
  ScopedFd file_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_FUZZ_BOOT_BOOT_TARGET_H_
