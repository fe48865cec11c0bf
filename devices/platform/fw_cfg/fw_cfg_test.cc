#include "devices/platform/fw_cfg/fw_cfg.h"

#include <cstring>
#include <string>
#include <vector>

#include "base/endian.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

using Bytes = std::vector<uint8_t>;

constexpr uint16_t kSecondFileItem = FwCfg::kFirstFileItem + 1;

class FwCfgTest : public testing::Test {
 protected:
  void Select(uint16_t item) {
    uint8_t bytes[2];
    StoreLe(item, bytes);
    device_.Write(FwCfg::kSelector, bytes);
  }
  uint8_t Next() {
    uint8_t byte = 0xFF;
    device_.Read(FwCfg::kData, absl::MakeSpan(&byte, 1));
    return byte;
  }
  Bytes Take(size_t count) {
    Bytes bytes;
    for (size_t i = 0; i < count; ++i) bytes.push_back(Next());
    return bytes;
  }
  Bytes TakeItem(uint16_t item, size_t count) {
    Select(item);
    return Take(count);
  }

  FwCfg device_{{{"opt/greeting", {'h', 'e', 'l', 'l', 'o'}}, {"opt/empty", {}}}};
};

TEST_F(FwCfgTest, SignatureIsSelectedAtStart) {
  EXPECT_THAT(Take(5), ElementsAre('Q', 'E', 'M', 'U', 0));
}

TEST_F(FwCfgTest, InterfaceIsTheTraditionalOne) {
  EXPECT_THAT(TakeItem(FwCfg::kInterfaceItem, 5),
              ElementsAre(FwCfg::kTraditionalInterface, 0, 0, 0, 0));
}

TEST_F(FwCfgTest, ProcessorsAreCountedAndTheBootMenuIsOnForAFirmware) {
  FwCfg device({}, 3);
  const auto take = [&](uint16_t item) {
    uint8_t bytes[2];
    StoreLe(item, bytes);
    device.Write(FwCfg::kSelector, bytes);
    for (uint8_t& byte : bytes) device.Read(FwCfg::kData, absl::MakeSpan(&byte, 1));
    return LoadLe(bytes);
  };

  EXPECT_EQ(take(FwCfg::kProcessorsItem), 3u);
  EXPECT_EQ(take(FwCfg::kMostProcessorsItem), 3u);
  EXPECT_EQ(take(0x000E), 1u);
  EXPECT_THAT(TakeItem(FwCfg::kProcessorsItem, 2), ElementsAre(0, 0));
  EXPECT_THAT(TakeItem(0x000E, 2), ElementsAre(0, 0));
}

TEST_F(FwCfgTest, DirectoryListsTheFilesInTheirOrder) {
  const Bytes directory = TakeItem(FwCfg::kDirectoryItem, 4 + 2 * FwCfg::kDirectoryEntrySize);

  EXPECT_THAT(Bytes(directory.begin(), directory.begin() + 4), ElementsAre(0, 0, 0, 2));
  // Size, number, reserved.
  EXPECT_THAT(Bytes(directory.begin() + 4, directory.begin() + 12),
              ElementsAre(0, 0, 0, 5, 0x00, 0x20, 0, 0));
  EXPECT_STREQ(reinterpret_cast<const char*>(&directory[12]), "opt/greeting");
  EXPECT_THAT(Bytes(directory.begin() + 68, directory.begin() + 76),
              ElementsAre(0, 0, 0, 0, 0x00, 0x21, 0, 0));
  EXPECT_STREQ(reinterpret_cast<const char*>(&directory[76]), "opt/empty");
}

TEST_F(FwCfgTest, DirectoryEndsBehindItsLastEntry) {
  const Bytes directory = TakeItem(FwCfg::kDirectoryItem, 4 + 2 * FwCfg::kDirectoryEntrySize + 16);

  EXPECT_THAT(Bytes(directory.end() - 16, directory.end()), Each(0));
}

TEST_F(FwCfgTest, FileIsFollowedByZeros) {
  EXPECT_THAT(TakeItem(FwCfg::kFirstFileItem, 7), ElementsAre('h', 'e', 'l', 'l', 'o', 0, 0));
}

TEST_F(FwCfgTest, EmptyFileIsZeros) { EXPECT_THAT(TakeItem(kSecondFileItem, 3), Each(0)); }

TEST_F(FwCfgTest, SelectingAgainGoesBackToTheFirstByte) {
  TakeItem(FwCfg::kFirstFileItem, 3);

  EXPECT_THAT(TakeItem(FwCfg::kFirstFileItem, 2), ElementsAre('h', 'e'));
}

TEST_F(FwCfgTest, ItemsThatAreNotThereAreZeros) {
  for (uint32_t item = 2; item <= 0xFFFF; ++item) {
    if (item == FwCfg::kDirectoryItem || item == FwCfg::kFirstFileItem) continue;
    ASSERT_THAT(TakeItem(static_cast<uint16_t>(item), 2), Each(0)) << item;
  }
}

TEST_F(FwCfgTest, OtherAccessesDoNothing) {
  Select(FwCfg::kFirstFileItem);
  for (uint64_t offset = 0; offset < 4; ++offset) {
    for (size_t width = 1; width <= 8; ++width) {
      Bytes data(width, 0xFF);
      const bool selects = offset == FwCfg::kSelector && width == 2;
      const bool reads = offset == FwCfg::kData && width == 1;
      if (!selects) device_.Write(offset, data);
      if (!reads) device_.Read(offset, absl::MakeSpan(data));
      EXPECT_THAT(data, Each(0xFF)) << offset << " " << width;
    }
  }
  EXPECT_THAT(Take(5), ElementsAre('h', 'e', 'l', 'l', 'o'));
}

TEST_F(FwCfgTest, WritesOfItemsAreIgnored) {
  Select(FwCfg::kFirstFileItem);
  const uint8_t byte = 'x';
  device_.Write(FwCfg::kData, absl::MakeConstSpan(&byte, 1));

  EXPECT_EQ(Next(), 'h');
}

TEST_F(FwCfgTest, SavedIsRestored) {
  TakeItem(FwCfg::kFirstFileItem, 2);
  const FwCfg::State state = device_.Save();
  TakeItem(FwCfg::kSignatureItem, 4);

  ASSERT_TRUE(device_.Restore(state).ok());

  EXPECT_EQ(device_.Save(), state);
  EXPECT_THAT(Take(4), ElementsAre('l', 'l', 'o', 0));
}

TEST_F(FwCfgTest, StateBehindTheEndIsRefused) {
  TakeItem(FwCfg::kFirstFileItem, 1);

  const absl::Status status = device_.Restore({FwCfg::kFirstFileItem, 6});

  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("position 6 is behind the 5 bytes"));
  EXPECT_EQ(Next(), 'e');
}

TEST(FwCfgLimitsTest, LongestNameEndsInNul) {
  const std::string name(FwCfg::kLongestName, 'n');
  FwCfg device({{name, {}}});
  Bytes directory(4 + FwCfg::kDirectoryEntrySize);
  device.Write(FwCfg::kSelector, {FwCfg::kDirectoryItem, 0});
  for (uint8_t& byte : directory) device.Read(FwCfg::kData, absl::MakeSpan(&byte, 1));

  EXPECT_EQ(std::string(directory.begin() + 12, directory.end()), name + '\0');
}

TEST(FwCfgLimitsTest, LastFileOfAllIsRead) {
  std::vector<FwCfg::File> files;
  for (size_t i = 0; i < FwCfg::kMostFiles; ++i) files.push_back({std::to_string(i), {}});
  files.back().contents = {7};
  FwCfg device(std::move(files));
  device.Write(FwCfg::kSelector, {0xFF, 0x3F});
  uint8_t byte = 0;
  device.Read(FwCfg::kData, absl::MakeSpan(&byte, 1));

  EXPECT_EQ(byte, 7);
}

TEST(FwCfgLimitsTest, DeviceWithoutFilesHasAnEmptyDirectory) {
  FwCfg device({});
  device.Write(FwCfg::kSelector, {FwCfg::kDirectoryItem, 0});
  Bytes directory(8, 0xFF);
  for (uint8_t& byte : directory) device.Read(FwCfg::kData, absl::MakeSpan(&byte, 1));

  EXPECT_THAT(directory, Each(0));
}

}  // namespace
}  // namespace touchstone
