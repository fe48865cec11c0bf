#include "vmm/cli/host_files.h"

#include <fstream>
#include <string>

#include "devices/module/text_proto.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/config/config_schema.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

RunConfig Config(const std::string& text_proto) {
  RunConfig config;
  EXPECT_TRUE(ReadTextProto(text_proto, config).ok()) << text_proto;
  return config;
}

TEST(CheckHostFiles, NamesEveryFileThatIsMissing) {
  EXPECT_THAT(
      CheckHostFiles(Config("kernel: '/no/k' initrd: '/no/i' kvm_device: '/no/kvm' "
                            "block { path: '/no/a' ro: true } block { path: '/dev/null' } "
                            "block { path: '/no/b' } serial { input: '/no/in' } serial {}")),
      ElementsAre("KERNEL: open /no/k: No such file or directory",
                  "--initrd: open /no/i: No such file or directory",
                  "--kvm-device: open /no/kvm: No such file or directory",
                  "--block: open /no/a: No such file or directory",
                  "--block: open /no/b: No such file or directory",
                  "--serial: input: open /no/in: No such file or directory"));
}

TEST(CheckHostFiles, NamesMissingFirmware) {
  EXPECT_THAT(CheckHostFiles(Config("bios: '/no/rom' pflash { path: '/no/flash' } "
                                    "kvm_device: '/dev/null'")),
              ElementsAre("--bios: open /no/rom: No such file or directory",
                          "--pflash: open /no/flash: No such file or directory"));
}

TEST(CheckHostFiles, TakesWhatIsThere) {
  const std::string path = testing::TempDir() + "/file";
  std::ofstream(path) << "x";

  EXPECT_THAT(CheckHostFiles(Config("kernel: '" + path + "' initrd: '" + path +
                                    "' kvm_device: '/dev/null' block { path: '" + path +
                                    "' ro: true } block { path: '" + path + "' }")),
              IsEmpty());
}

}  // namespace
}  // namespace touchstone
