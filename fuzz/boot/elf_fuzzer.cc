// The input is a kernel file for LoadElf, loaded once for each choice of entry.

#include <cstddef>
#include <cstdint>

#include "base/log.h"
#include "fuzz/boot/boot_target.h"
#include "vmm/machine/boot/elf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace touchstone;
  BootTarget& target = BootTarget::Get();
  const auto file = BootFile::Create(target.FileWith({data, size}), "kernel", "k");
  if (!file.ok()) return 0;
  for (const ElfEntry choice : {ElfEntry::kAutomatic, ElfEntry::kPvh}) {
    const auto image = LoadElf(target.memory(), target.layout(), *file, choice);
    if (!image.ok()) continue;
    target.CheckImage(*image);
    CHECK(choice != ElfEntry::kPvh || image->protocol == BootProtocol::kPvh);
  }
  return 0;
}
