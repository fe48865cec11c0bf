// The input is a kernel file for LoadBzImage; what it accepts goes on to the initrd and the zero
// page.

#include <cstddef>
#include <cstdint>

#include "base/log.h"
#include "fuzz/boot/boot_target.h"
#include "vmm/machine/boot/boot_info.h"
#include "vmm/machine/boot/bzimage.h"
#include "vmm/machine/boot/initrd.h"
#include "vmm/machine/boot/linux_params.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace touchstone;
  BootTarget& target = BootTarget::Get();
  const auto file = BootFile::Create(target.FileWith({data, size}), "kernel", "k");
  if (!file.ok()) return 0;
  const auto image = LoadBzImage(target.memory(), target.layout(), *file);
  if (!image.ok()) return 0;
  target.CheckImage(*image);
  const auto initrd = LoadInitrd(target.memory(), target.layout(), *image, *file);
  if (initrd.ok()) {
    CHECK(initrd->start >= image->end);
    CHECK(initrd->end() <= target.layout().low_ram.end());
    CHECK(Raw(initrd->end()) <= uint64_t{image->initrd_highest} + 1);
  }
  CHECK(WriteLinuxParams(target.memory(), image->header, {.e820 = target.layout().E820()}).ok());
  return 0;
}
