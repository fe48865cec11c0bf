#include "devices/platform/pvpanic/pvpanic.h"

#include <cstdint>
#include <vector>

#include "base/endian.h"
#include "devices/pci/pci_root.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class PvpanicTest : public testing::Test {
 protected:
  uint32_t ReadConfig(uint32_t offset) {
    uint8_t data[4];
    pvpanic_.ReadConfig(offset, absl::MakeSpan(data));
    return static_cast<uint32_t>(LoadLe(data));
  }

  std::vector<uint8_t> events_;
  Pvpanic pvpanic_{[this](uint8_t events) { events_.push_back(events); }};
};

TEST_F(PvpanicTest, HeaderIsWhatDriversMatch) {
  EXPECT_EQ(ReadConfig(0x00), 0x00111B36u);
  EXPECT_EQ(ReadConfig(0x08), 0xFFFF0001u);
  EXPECT_EQ(ReadConfig(0x3C), 0u);
}

TEST_F(PvpanicTest, BarIsSixteenBytesOfMemory) {
  pvpanic_.WriteConfig(0x10, {0xFF, 0xFF, 0xFF, 0xFF});
  EXPECT_EQ(ReadConfig(0x10), 0xFFFFFFF0u);
  EXPECT_THAT(pvpanic_.bars(), SizeIs(1));
}

TEST_F(PvpanicTest, ReadTellsTheKnownEvents) {
  std::vector<uint8_t> data(4, 0xFF);
  pvpanic_.Read(0, absl::MakeSpan(data));
  EXPECT_THAT(data, ElementsAre(3, 0, 0, 0));
}

TEST_F(PvpanicTest, WritesReportKnownEventsOnly) {
  pvpanic_.Write(0, {Pvpanic::kPanicked});
  pvpanic_.Write(0, {Pvpanic::kCrashLoaded});
  pvpanic_.Write(0, {0xFF});
  pvpanic_.Write(0, {0xFC});
  pvpanic_.Write(0, {0});
  EXPECT_THAT(events_, ElementsAre(1, 2, 3));
}

TEST_F(PvpanicTest, SweepOfOffsetsAndWidths) {
  for (uint64_t offset = 1; offset < Pvpanic::kBarSize; ++offset) {
    for (size_t size = 1; size <= 8; ++size) {
      std::vector<uint8_t> data(size, 0xFF);
      pvpanic_.Write(offset, data);
      pvpanic_.Read(offset, absl::MakeSpan(data));
      EXPECT_THAT(data, Each(0)) << offset << " " << size;
    }
  }
  EXPECT_THAT(events_, IsEmpty());
}

TEST_F(PvpanicTest, GuestReachesItThroughTheRoot) {
  Bus ports("ports", Bus::kLastPort);
  Bus mmio("mmio", Bus::kLastMmioAddress);
  PciRoot root({&ports, &mmio, {}, {{0xD0000000, 0x1000}}, {}, {}});
  const PciAddress address = *root.Add(pvpanic_);
  uint8_t byte = 0;

  EXPECT_TRUE(mmio.Read(*root.DecodedAt(address, 0), absl::MakeSpan(&byte, 1)));
  EXPECT_EQ(byte, 3);
  EXPECT_TRUE(mmio.Write(*root.DecodedAt(address, 0), {1}));
  EXPECT_THAT(events_, ElementsAre(1));
}

}  // namespace
}  // namespace touchstone
