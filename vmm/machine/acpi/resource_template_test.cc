#include "vmm/machine/acpi/resource_template.h"

#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::ElementsAreArray;

using Bytes = std::vector<uint8_t>;

// The descriptors without the buffer around them and the end tag. REQUIRES: fewer than 50 bytes.
Bytes Descriptors(const ResourceTemplate& resources) {
  const Bytes buffer = resources.Build().bytes();
  return Bytes(buffer.begin() + 4, buffer.end() - 2);
}

TEST(ResourceTemplateTest, EmptyIsOnlyTheEndTag) {
  EXPECT_THAT(ResourceTemplate().Build().bytes(),
              ElementsAreArray<uint8_t>({0x11, 5, 0x0A, 2, 0x79, 0}));
}

TEST(ResourceTemplateTest, ComPort) {
  ResourceTemplate resources;
  resources.AddIo(0x3F8, 8);
  resources.AddIrq(4, IrqSharing::kExclusive);

  EXPECT_THAT(Descriptors(resources),
              ElementsAreArray<uint8_t>({0x47, 1, 0xF8, 0x03, 0xF8, 0x03, 1, 8, 0x22, 0x10, 0x00}));
}

TEST(ResourceTemplateTest, SharedIrqHasFlags) {
  ResourceTemplate resources;
  resources.AddIrq(15, IrqSharing::kShared);

  EXPECT_THAT(Descriptors(resources), ElementsAreArray<uint8_t>({0x23, 0x00, 0x80, 0x11}));
}

TEST(ResourceTemplateTest, Registers) {
  ResourceTemplate msr, none;
  msr.AddMsr(0x774, 16, 8);
  none.AddNoRegister();

  EXPECT_THAT(Descriptors(msr),
              ElementsAreArray<uint8_t>({0x82, 12, 0, 0x7F, 8, 16, 4, 0x74, 7, 0, 0, 0, 0, 0, 0}));
  EXPECT_THAT(Descriptors(none),
              ElementsAreArray<uint8_t>({0x82, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(ResourceTemplateTest, FixedMemory) {
  ResourceTemplate resources;
  resources.AddFixedMemory32(0xF4000000, 0x4000000);

  EXPECT_THAT(Descriptors(resources),
              ElementsAreArray<uint8_t>({0x86, 9, 0, 1, 0, 0, 0, 0xF4, 0, 0, 0, 4}));
}

TEST(ResourceTemplateTest, InterruptIsLevelLow) {
  ResourceTemplate resources;
  resources.AddInterrupt(20);

  EXPECT_THAT(Descriptors(resources),
              ElementsAreArray<uint8_t>({0x89, 6, 0, 0x0D, 1, 20, 0, 0, 0}));
}

TEST(ResourceTemplateTest, BusNumbers) {
  ResourceTemplate resources;
  resources.AddBusNumbers(0, 256);

  EXPECT_THAT(Descriptors(resources), ElementsAreArray<uint8_t>({0x88, 13, 0, 2, 0x0C, 0, 0, 0, 0,
                                                                 0, 0xFF, 0, 0, 0, 0, 1}));
}

TEST(ResourceTemplateTest, IoWindow) {
  ResourceTemplate resources;
  resources.AddIoWindow(0xC000, 0x4000);

  EXPECT_THAT(Descriptors(resources), ElementsAreArray<uint8_t>({0x88, 13, 0, 1, 0x0C, 3, 0, 0, 0,
                                                                 0xC0, 0xFF, 0xFF, 0, 0, 0, 0x40}));
}

TEST(ResourceTemplateTest, Memory32UpToFourGiB) {
  ResourceTemplate resources;
  resources.AddMemory32(0xD0000000, 0x30000000, ResourceUse::kProducer);

  EXPECT_THAT(Descriptors(resources),
              ElementsAreArray<uint8_t>({0x87, 23, 0, 0,    0x0C, 1,    0,    0,    0, 0,  //
                                         0,    0,  0, 0xD0, 0xFF, 0xFF, 0xFF, 0xFF,        //
                                         0,    0,  0, 0,    0,    0,    0,    0x30}));
}

TEST(ResourceTemplateTest, Memory64Consumer) {
  ResourceTemplate resources;
  resources.AddMemory64(0x180000000, 0x100000000, ResourceUse::kConsumer);

  EXPECT_THAT(
      Descriptors(resources),
      ElementsAreArray<uint8_t>({0x8A, 43,   0,    0,    0x0D, 1, 0, 0, 0, 0, 0, 0, 0, 0,  //
                                 0,    0,    0,    0x80, 1,    0, 0, 0,                    //
                                 0xFF, 0xFF, 0xFF, 0x7F, 2,    0, 0, 0,                    //
                                 0,    0,    0,    0,    0,    0, 0, 0,                    //
                                 0,    0,    0,    0,    1,    0, 0, 0}));
}

TEST(ResourceTemplateDeathTest, RangesThatWrapAreMistakes) {
  ResourceTemplate resources;

  EXPECT_DEATH(resources.AddIo(0xFFFF, 2), "0x10000");
  EXPECT_DEATH(resources.AddIoWindow(0x8000, 0x8001), "limit");
  EXPECT_DEATH(resources.AddMemory32(0, 0, ResourceUse::kProducer), "size > 0");
  EXPECT_DEATH(resources.AddMemory64(2, ~uint64_t{0}, ResourceUse::kProducer), "limit");
}

}  // namespace
}  // namespace touchstone
