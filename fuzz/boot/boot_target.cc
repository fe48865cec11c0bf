#include "fuzz/boot/boot_target.h"

#include <unistd.h>

#include "base/log.h"
#include "vmm/machine/boot/boot_testing.h"

namespace touchstone {

BootTarget& BootTarget::Get() {
  static BootTarget& target = *new BootTarget;
  return target;
}

BootTarget::BootTarget()
    : layout_(MakeLayout(64 * kMiB)), memory_(MakeMemory(layout_)), file_(MakeFile("")) {}

int BootTarget::FileWith(absl::Span<const uint8_t> content) {
  CHECK(ftruncate(file_.get(), static_cast<off_t>(content.size())) == 0);
  CHECK(pwrite(file_.get(), content.data(), content.size(), 0) ==
        static_cast<ssize_t>(content.size()));
  return file_.get();
}

void BootTarget::CheckImage(const KernelImage& image) const {
  CHECK(image.start >= kHighMemoryStart);
  CHECK(image.start < image.end);
  CHECK(image.end <= layout_.low_ram.end());
  CHECK(image.entry >= image.start && image.entry < image.end);
}

}  // namespace touchstone
