#include "vmm/machine/boot_order.h"

#include <string>

#include "gtest/gtest.h"

namespace touchstone {
namespace {

std::string Text(absl::Span<const PciAddress> disks) {
  const FwCfg::File file = BootOrderFile(disks);
  return {file.contents.begin(), file.contents.end()};
}

TEST(BootOrderTest, ADiskIsALineAndANulEndsTheFile) {
  EXPECT_EQ(Text({{.device = 2}}), std::string("/pci@i0cf8/scsi@2/disk@0,0\0", 27));
  EXPECT_EQ(Text({{.device = 9}, {.device = 3}}),
            std::string("/pci@i0cf8/scsi@9/disk@0,0\n/pci@i0cf8/scsi@3/disk@0,0\0", 54));
}

TEST(BootOrderTest, NumbersAreHexadecimalAndFunctionZeroIsNotSaid) {
  EXPECT_EQ(Text({{.device = 0x1F, .function = 7}}),
            std::string("/pci@i0cf8/scsi@1f,7/disk@0,0\0", 30));
}

TEST(BootOrderTest, TheNameIsTheOneThatFirmwareLooksFor) {
  EXPECT_EQ(BootOrderFile({}).name, "bootorder");
}

}  // namespace
}  // namespace touchstone
