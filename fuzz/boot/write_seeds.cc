// Writes the seed corpora beside this file: ci/bazel run //fuzz/boot:write_seeds

#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "vmm/machine/boot/boot_testing.h"

namespace touchstone {
namespace {

void Write(const std::string& path, const std::vector<uint8_t>& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  CHECK(file.good());
}

std::vector<uint8_t> WithCommandLine(absl::string_view line, const std::vector<uint8_t>& kernel) {
  std::vector<uint8_t> bytes = {static_cast<uint8_t>(line.size()),
                                static_cast<uint8_t>(line.size() >> 8)};
  bytes.insert(bytes.end(), line.begin(), line.end());
  bytes.insert(bytes.end(), kernel.begin(), kernel.end());
  return bytes;
}

void WriteSeeds(const std::string& folder) {
  for (const char* name : {"bzimage", "elf", "kernel_loader"}) {
    mkdir(absl::StrCat(folder, "/", name, "_corpus").c_str(), 0777);
  }
  BzImageSpec fixed;
  fixed.header.relocatable_kernel = 0;
  fixed.header.setup_sects = 0;
  fixed.setup_sectors = 4;
  BzImageSpec huge;
  huge.header.init_size = 0xFFFFFFFF;
  huge.header.syssize = 0xFFFFFFFF;
  Write(folder + "/bzimage_corpus/relocatable", BuildBzImage({}));
  Write(folder + "/bzimage_corpus/fixed", BuildBzImage(fixed));
  Write(folder + "/bzimage_corpus/huge_sizes", BuildBzImage(huge));

  ElfSpec both = ElfSpec::Vmlinux();
  both.AddNote("GNU", 3, std::vector<uint8_t>(20, 0x11));
  both.AddPvhNote(16 * kMiB + 8);
  ElfSpec overflow = ElfSpec::Vmlinux();
  overflow.parts[0].header.p_memsz = ~uint64_t{0};
  ElfSpec bad_note = ElfSpec::Pvh32();
  for (int i = 0; i < 8; ++i) bad_note.parts[1].content[i] = 0xFF;
  Write(folder + "/elf_corpus/vmlinux", BuildElf(ElfSpec::Vmlinux()));
  Write(folder + "/elf_corpus/vmlinux_with_pvh", BuildElf(both));
  Write(folder + "/elf_corpus/pvh32", BuildElf(ElfSpec::Pvh32()));
  Write(folder + "/elf_corpus/segment_of_all_memory", BuildElf(overflow));
  Write(folder + "/elf_corpus/endless_note", BuildElf(bad_note));

  Write(folder + "/kernel_loader_corpus/bzimage", WithCommandLine("quiet", BuildBzImage({})));
  Write(folder + "/kernel_loader_corpus/vmlinux",
        WithCommandLine("", BuildElf(ElfSpec::Vmlinux())));
  Write(folder + "/kernel_loader_corpus/pvh32",
        WithCommandLine("console=ttyS0 panic=-1", BuildElf(ElfSpec::Pvh32())));
  Write(folder + "/kernel_loader_corpus/gzip", WithCommandLine("a\nb", {0x1F, 0x8B, 8, 0}));
}

}  // namespace
}  // namespace touchstone

int main() {
  const char* const workspace = std::getenv("BUILD_WORKSPACE_DIRECTORY");
  CHECK(workspace != nullptr);
  touchstone::WriteSeeds(absl::StrCat(workspace, "/fuzz/boot"));
  return 0;
}
