#include "vmm/machine/boot/pvh.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/machine/boot/boot_testing.h"

namespace touchstone {
namespace {

using ::testing::Each;

class PvhTest : public ::testing::Test {
 protected:
  PvhStartInfo StartInfo() {
    return memory_.ReadObject<PvhStartInfo>(kPvhStartInfoAddress).value();
  }

  const MemoryLayout layout_ = MakeLayout(16 * kMiB);
  const GuestMemory memory_ = MakeMemory(layout_);
};

TEST_F(PvhTest, StartInfoSaysWhereThingsAre) {
  const absl::Status status = WritePvhStartInfo(
      memory_, {.e820 = layout_.E820(), .initrd = {}, .rsdp = kAcpiTablesAddress});

  ASSERT_TRUE(status.ok()) << status;
  const PvhStartInfo info = StartInfo();
  EXPECT_EQ(info.magic, 0x336EC578u);
  EXPECT_EQ(info.version, 1u);
  EXPECT_EQ(info.flags, 0u);
  EXPECT_EQ(info.module_count, 0u);
  EXPECT_EQ(info.module_list, 0u);
  EXPECT_EQ(info.command_line, Raw(kCommandLineAddress));
  EXPECT_EQ(info.rsdp, Raw(kAcpiTablesAddress));
}

TEST_F(PvhTest, InitrdIsTheFirstModule) {
  const absl::Status status =
      WritePvhStartInfo(memory_, {.initrd = {GuestAddress{0xABC000}, 0x1234}});

  ASSERT_TRUE(status.ok()) << status;
  const PvhStartInfo info = StartInfo();
  EXPECT_EQ(info.module_count, 1u);
  const auto module = memory_.ReadObject<PvhModule>(GuestAddress{info.module_list.get()});
  ASSERT_TRUE(module.ok());
  EXPECT_EQ(module->address, 0xABC000u);
  EXPECT_EQ(module->size, 0x1234u);
  EXPECT_EQ(module->command_line, 0u);
}

TEST_F(PvhTest, MemoryMapIsTheE820Map) {
  const std::vector<E820Entry> map = layout_.E820();

  const absl::Status status = WritePvhStartInfo(memory_, {.e820 = map});

  ASSERT_TRUE(status.ok()) << status;
  const PvhStartInfo info = StartInfo();
  ASSERT_EQ(info.memory_map_entries, map.size());
  for (size_t i = 0; i < map.size(); ++i) {
    const auto entry =
        memory_.ReadObject<PvhMemoryMapEntry>(GuestAddress{info.memory_map.get()} + 24 * i);
    ASSERT_TRUE(entry.ok());
    EXPECT_EQ(entry->address, Raw(map[i].range.start)) << i;
    EXPECT_EQ(entry->size, map[i].range.size) << i;
    EXPECT_EQ(entry->type, static_cast<uint32_t>(map[i].type)) << i;
  }
}

TEST_F(PvhTest, FullMapStaysBelowTheZeroPage) {
  const std::vector<E820Entry> map(128, E820Entry{{GuestAddress{~0ull}, ~0ull}});

  const absl::Status status = WritePvhStartInfo(memory_, {.e820 = map});

  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(ReadBytes(memory_, kZeroPageAddress, 4096), Each(0));
}

TEST_F(PvhTest, MapThatIsTooLongWritesNothing) {
  const absl::Status status = WritePvhStartInfo(memory_, {.e820 = std::vector<E820Entry>(129)});

  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(ReadBytes(memory_, kPvhStartInfoAddress, 4096), Each(0));
}

TEST_F(PvhTest, WithoutMemoryIsAnError) {
  EXPECT_EQ(WritePvhStartInfo(GuestMemory(), {}).code(), absl::StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace touchstone
