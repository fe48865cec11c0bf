#include "devices/pci/config_space.h"

#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;

constexpr PciIdentity kIdentity{.vendor = 0x1AF4,
                                .device = 0x1042,
                                .revision = 1,
                                .class_code = 0x018000,
                                .subsystem_vendor = 0x1AF4,
                                .subsystem = 0x1042};

ConfigSpace Endpoint() { return ConfigSpace(ConfigSpace::Header::kEndpoint, kIdentity); }

void Write32(ConfigSpace& config, uint32_t offset, uint32_t value) {
  uint8_t data[4];
  StoreLe(value, absl::MakeSpan(data));
  config.Write(offset, data);
}

TEST(ConfigSpaceTest, HeaderShowsTheIdentity) {
  const ConfigSpace config = Endpoint();
  EXPECT_EQ(config.Get<uint32_t>(0x00), 0x10421AF4u);
  EXPECT_EQ(config.Get<uint32_t>(0x08), 0x01800001u);
  EXPECT_EQ(config.Get<uint32_t>(0x2C), 0x10421AF4u);
  EXPECT_EQ(config.Get<uint8_t>(kPciHeaderType), 0);
}

// KE 11: the mask of every header register, by writing all ones.
TEST(ConfigSpaceTest, GuestWritesReachExactlyTheWritableBits) {
  ConfigSpace config = Endpoint();
  for (uint32_t offset = 0; offset < config.size(); offset += 4) {
    Write32(config, offset, 0xFFFFFFFF);
  }

  EXPECT_EQ(config.Get<uint32_t>(0x00), 0x10421AF4u);
  EXPECT_EQ(config.Get<uint32_t>(kPciCommand), 0x00000547u);
  EXPECT_EQ(config.Get<uint32_t>(0x08), 0x01800001u);
  EXPECT_EQ(config.Get<uint32_t>(0x0C), 0x000000FFu);
  for (uint32_t offset = 0x10; offset < 0x2C; offset += 4) {
    EXPECT_EQ(config.Get<uint32_t>(offset), 0u) << offset;
  }
  EXPECT_EQ(config.Get<uint32_t>(0x3C), 0x000000FFu);
  for (uint32_t offset = 0x40; offset < config.size(); offset += 4) {
    EXPECT_EQ(config.Get<uint32_t>(offset), 0u) << offset;
  }
}

TEST(ConfigSpaceTest, StatusErrorsAreClearedByWritingOnes) {
  ConfigSpace config = Endpoint();
  config.Set<uint16_t>(kPciStatus, 0xF900 | kPciStatusInterrupt);

  Write32(config, kPciCommand, 0x80000000);
  EXPECT_EQ(config.Get<uint16_t>(kPciStatus), 0x7900 | kPciStatusInterrupt);
  Write32(config, kPciCommand, 0xFFFF0000);
  EXPECT_EQ(config.Get<uint16_t>(kPciStatus), kPciStatusInterrupt);
}

TEST(ConfigSpaceTest, OneBitMayBeWritableAndItsNeighbourClearable) {
  ConfigSpace config = Endpoint();
  config.Set<uint32_t>(0x80, 0x0000FF0F);
  config.SetWritable<uint32_t>(0x80, 0x0000000F);
  config.SetWriteOneToClear<uint32_t>(0x80, 0x0000F000);

  Write32(config, 0x80, 0x00001FF5);

  EXPECT_EQ(config.Get<uint32_t>(0x80), 0x0000EF05u);
}

TEST(ConfigSpaceTest, BridgeHeaderHasBusNumbersAndWindows) {
  ConfigSpace config(ConfigSpace::Header::kBridge, kIdentity);
  for (uint32_t offset = 0x10; offset < 0x40; offset += 4) Write32(config, offset, 0xFFFFFFFF);

  EXPECT_EQ(config.Get<uint8_t>(kPciHeaderType), 1);
  EXPECT_EQ(config.Get<uint32_t>(kPciPrimaryBus), 0x00FFFFFFu);
  EXPECT_EQ(config.Get<uint32_t>(kPciIoBase), 0x0000F0F0u);
  EXPECT_EQ(config.Get<uint32_t>(kPciMemoryBase), 0xFFF0FFF0u);
  EXPECT_EQ(config.Get<uint32_t>(kPciPrefetchBase), 0xFFF1FFF1u);
  EXPECT_EQ(config.Get<uint32_t>(kPciPrefetchBaseUpper), 0xFFFFFFFFu);
  EXPECT_EQ(config.Get<uint32_t>(kPciPrefetchLimitUpper), 0xFFFFFFFFu);
  EXPECT_EQ(config.Get<uint16_t>(kPciBridgeControl), 0x005F);
  EXPECT_FALSE(config.AddBar({.index = 2, .size = 16}).ok());
  EXPECT_TRUE(config.AddBar({.index = 1, .size = 16}).ok());
}

TEST(ConfigSpaceTest, SizingTellsTheSizeAndKind) {
  ConfigSpace config = Endpoint();
  ASSERT_TRUE(config.AddBar({.index = 0, .kind = PciBarKind::kMemory32, .size = 0x8000}).ok());
  ASSERT_TRUE(config.AddBar({.index = 1, .kind = PciBarKind::kIo, .size = 0x40}).ok());
  ASSERT_TRUE(config
                  .AddBar({.index = 2,
                           .kind = PciBarKind::kMemory64,
                           .prefetchable = true,
                           .size = uint64_t{1} << 33})
                  .ok());
  EXPECT_EQ(config.Get<uint32_t>(0x10), 0x0u);
  EXPECT_EQ(config.Get<uint32_t>(0x14), 0x1u);
  EXPECT_EQ(config.Get<uint32_t>(0x18), 0xCu);

  for (uint32_t offset = 0x10; offset < 0x28; offset += 4) Write32(config, offset, 0xFFFFFFFF);

  EXPECT_EQ(config.Get<uint32_t>(0x10), 0xFFFF8000u);
  EXPECT_EQ(config.Get<uint32_t>(0x14), 0xFFFFFFC1u);
  EXPECT_EQ(config.Get<uint32_t>(0x18), 0x0000000Cu);
  EXPECT_EQ(config.Get<uint32_t>(0x1C), 0xFFFFFFFEu);
  EXPECT_EQ(config.Get<uint32_t>(0x20), 0u);
}

TEST(ConfigSpaceTest, BarAddressJoinsTheHalves) {
  ConfigSpace config = Endpoint();
  ASSERT_TRUE(config.AddBar({.index = 4, .kind = PciBarKind::kMemory64, .size = 4096}).ok());
  ASSERT_TRUE(config.AddBar({.index = 0, .kind = PciBarKind::kIo, .size = 4}).ok());

  Write32(config, 0x20, 0x12345678);
  Write32(config, 0x24, 0x0000009A);
  Write32(config, 0x10, 0x0000C0FF);

  EXPECT_EQ(config.BarAddress(4), 0x9A12345000u);
  EXPECT_EQ(config.BarAddress(0), 0xC0FCu);
}

TEST(ConfigSpaceTest, ImpossibleBarsAreRefused) {
  ConfigSpace config = Endpoint();
  ASSERT_TRUE(config.AddBar({.index = 1, .kind = PciBarKind::kMemory64, .size = 16}).ok());

  for (const PciBar& bar :
       {PciBar{.index = -1, .size = 16}, PciBar{.index = 6, .size = 16},
        PciBar{.index = 5, .kind = PciBarKind::kMemory64, .size = 16},  // No upper half.
        PciBar{.index = 2, .size = 16},                                 // The upper half of BAR 1.
        PciBar{.index = 0, .kind = PciBarKind::kMemory64, .size = 16},  // Its own would be BAR 1.
        PciBar{.index = 0, .size = 0}, PciBar{.index = 0, .size = 24},
        PciBar{.index = 0, .size = 8}, PciBar{.index = 0, .size = uint64_t{1} << 32},
        PciBar{.index = 0, .kind = PciBarKind::kIo, .size = 2},
        PciBar{.index = 0, .kind = PciBarKind::kIo, .size = 512}}) {
    EXPECT_EQ(config.AddBar(bar).code(), absl::StatusCode::kInvalidArgument)
        << bar.index << " " << bar.size;
  }
}

TEST(ConfigSpaceTest, CapabilitiesAreChainedInOrder) {
  ConfigSpace config = Endpoint();
  EXPECT_EQ(config.Get<uint16_t>(kPciStatus) & kPciStatusCapabilities, 0);

  const uint8_t first = *config.AddCapability(kPciCapabilityVendor, {0x10, 1, 2, 3, 4});
  const uint8_t second = *config.AddCapability(kPciCapabilityMsix, {5, 6});

  EXPECT_EQ(first, 0x40);
  EXPECT_EQ(second, 0x48);  // Dword-aligned behind 7 bytes.
  EXPECT_EQ(config.Get<uint8_t>(kPciCapabilities), 0x40);
  EXPECT_EQ(config.Get<uint32_t>(0x40), 0x01104809u);
  EXPECT_EQ(config.Get<uint32_t>(0x48), 0x06050011u);
  EXPECT_NE(config.Get<uint16_t>(kPciStatus) & kPciStatusCapabilities, 0);
  EXPECT_EQ(config.FindCapability(kPciCapabilityMsix), 0x48);
  EXPECT_EQ(config.FindCapability(kPciCapabilityMsi), std::nullopt);
}

TEST(ConfigSpaceTest, CapabilitiesAreBounded) {
  ConfigSpace config = Endpoint();
  const std::vector<uint8_t> rest(190);

  EXPECT_EQ(config.AddCapability(9, std::vector<uint8_t>(191)).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(config.AddCapability(9, rest).ok());
  EXPECT_EQ(config.AddCapability(9, {}).status().code(), absl::StatusCode::kResourceExhausted);
}

// KE 10: a list that points at itself.
TEST(ConfigSpaceTest, SearchOfALoopingListEnds) {
  ConfigSpace config = Endpoint();
  ASSERT_TRUE(config.AddCapability(kPciCapabilityVendor, {1, 2}).ok());
  config.Set<uint8_t>(0x41, 0x40);
  EXPECT_EQ(config.FindCapability(kPciCapabilityMsi), std::nullopt);

  config.Set<uint8_t>(kPciCapabilities, 0xFF);
  config.Set<uint8_t>(0xFD, 0xFF);
  EXPECT_EQ(config.FindCapability(kPciCapabilityMsi), std::nullopt);
}

TEST(ConfigSpaceTest, ExtendedCapabilitiesAreChainedAndBounded) {
  ConfigSpace config = Endpoint();

  const uint16_t first = *config.AddExtendedCapability(0x0001, 2, {1, 2, 3, 4});
  const uint16_t second = *config.AddExtendedCapability(0x0018, 1, std::vector<uint8_t>(4));

  EXPECT_EQ(first, 0x100);
  EXPECT_EQ(second, 0x108);
  EXPECT_EQ(config.Get<uint32_t>(0x100), 0x10820001u);
  EXPECT_EQ(config.Get<uint32_t>(0x104), 0x04030201u);
  EXPECT_EQ(config.Get<uint32_t>(0x108), 0x00010018u);
  EXPECT_EQ(config.AddExtendedCapability(1, 1, std::vector<uint8_t>(4096)).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(ConfigSpaceTest, ConventionalSpaceEndsAt256) {
  ConfigSpace config(ConfigSpace::Header::kEndpoint, kIdentity, ConfigSpace::kConventionalSize);
  std::vector<uint8_t> data(4);

  config.Read(0xFE, absl::MakeSpan(data));
  EXPECT_THAT(data, ElementsAre(0, 0, 0xFF, 0xFF));
  config.Read(0xFFFFFFFE, absl::MakeSpan(data));
  EXPECT_THAT(data, ElementsAre(0xFF, 0xFF, 0xFF, 0xFF));
  config.Write(0xFE, data);
  config.Write(0xFFFFFFFC, std::vector<uint8_t>(8));

  EXPECT_EQ(config.AddExtendedCapability(1, 1, {}).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(ConfigSpaceTest, SweepOfWidthsAgreesWithBytes) {
  ConfigSpace config = Endpoint();
  ASSERT_TRUE(config.AddBar({.index = 0, .size = 0x1000}).ok());
  for (uint32_t offset = 0; offset < 0x50; ++offset) {
    for (size_t size = 1; size <= 8; ++size) {
      ConfigSpace by_byte = config;
      ConfigSpace at_once = config;
      std::vector<uint8_t> data(size, 0xA7);
      at_once.Write(offset, data);
      for (size_t i = 0; i < size; ++i) {
        by_byte.Write(offset + static_cast<uint32_t>(i), {data[i]});
      }
      EXPECT_EQ(at_once.bytes(), by_byte.bytes()) << offset << " " << size;
    }
  }
}

TEST(ConfigSpaceTest, InterruptStatusIsOneBit) {
  ConfigSpace config = Endpoint();
  config.SetInterruptStatus(true);
  EXPECT_EQ(config.Get<uint16_t>(kPciStatus), kPciStatusInterrupt);
  config.SetInterruptStatus(false);
  EXPECT_EQ(config.Get<uint16_t>(kPciStatus), 0);
}

TEST(ConfigSpaceTest, RestoreTakesWhatTheGuestWroteAndNothingElse) {
  ConfigSpace saved = Endpoint();
  ASSERT_TRUE(saved.AddBar({.index = 0, .size = 0x1000}).ok());
  ConfigSpace restored = saved;
  Write32(saved, 0x10, 0xD0005000);
  Write32(saved, kPciCommand, 0x6);
  std::vector<uint8_t> bytes(saved.bytes().begin(), saved.bytes().end());

  EXPECT_TRUE(restored.Restore(bytes).ok());
  EXPECT_EQ(restored.bytes(), saved.bytes());

  std::vector<uint8_t> garbage(4096, 0xFF);
  EXPECT_FALSE(restored.Restore(garbage).ok());
  std::copy(bytes.begin(), bytes.begin() + 4, garbage.begin());
  EXPECT_TRUE(restored.Restore(garbage).ok());
  EXPECT_EQ(restored.Get<uint32_t>(0x10), 0xFFFFF000u);
  EXPECT_EQ(restored.Get<uint32_t>(0x08), 0x01800001u);
  EXPECT_FALSE(restored.Restore(absl::MakeSpan(bytes).first(256)).ok());
}

}  // namespace
}  // namespace touchstone
