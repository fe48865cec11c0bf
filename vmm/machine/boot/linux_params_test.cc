#include "vmm/machine/boot/linux_params.h"

#include <cstddef>

#include "base/endian.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/machine/boot/boot_testing.h"

namespace touchstone {
namespace {

using ::testing::Each;
using ::testing::ElementsAreArray;

class LinuxParamsTest : public ::testing::Test {
 protected:
  boot_params ZeroPage() { return memory_.ReadObject<boot_params>(kZeroPageAddress).value(); }
  template <typename T>
  T At(uint64_t address) {
    return memory_.ReadObject<T>(GuestAddress{address}).value();
  }

  const MemoryLayout layout_ = MakeLayout(16 * kMiB);
  const GuestMemory memory_ = MakeMemory(layout_);
  const setup_header header_ = BzImageSpec().header;
};

TEST_F(LinuxParamsTest, HeaderIsCopiedAndTheLoadersFieldsAreSet) {
  const absl::Status status = WriteLinuxParams(memory_, header_, {.e820 = layout_.E820()});

  ASSERT_TRUE(status.ok()) << status;
  const boot_params params = ZeroPage();
  EXPECT_EQ(+params.hdr.header, +header_.header);
  EXPECT_EQ(+params.hdr.version, +header_.version);
  EXPECT_EQ(+params.hdr.init_size, +header_.init_size);
  EXPECT_EQ(+params.hdr.type_of_loader, 0xFF);
  EXPECT_EQ(+params.hdr.cmd_line_ptr, Raw(kCommandLineAddress));
  EXPECT_EQ(+params.ext_cmd_line_ptr, 0u);
  EXPECT_EQ(+params.sentinel, 0);
}

// The offsets are those of "The Linux/x86 Boot Protocol" and "Zero Page", not of the header.
TEST_F(LinuxParamsTest, FieldsAreWhereTheProtocolSays) {
  const absl::Status status = WriteLinuxParams(memory_, header_,
                                               {.e820 = layout_.E820(),
                                                .initrd = {GuestAddress{0xABC000}, 0x1234},
                                                .rsdp = kAcpiTablesAddress,
                                                .rng_seed = std::vector<uint8_t>(32, 1)});

  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(At<Le64>(0x7070), Raw(kAcpiTablesAddress));
  EXPECT_EQ(At<Le16>(0x71FE), 0xAA55);
  EXPECT_EQ(At<Le32>(0x7202), 0x53726448u);
  EXPECT_EQ(At<Le32>(0x7218), 0xABC000u);
  EXPECT_EQ(At<Le32>(0x721C), 0x1234u);
  EXPECT_EQ(At<Le32>(0x7228), 0x20000u);
  EXPECT_EQ(At<Le64>(0x7250), 0x20800u);
}

TEST_F(LinuxParamsTest, MemoryMapIsTheE820Map) {
  const std::vector<E820Entry> map = layout_.E820();

  const absl::Status status = WriteLinuxParams(memory_, header_, {.e820 = map});

  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(At<uint8_t>(0x71E8), map.size());
  for (size_t i = 0; i < map.size(); ++i) {
    EXPECT_EQ(At<Le64>(0x72D0 + 20 * i), Raw(map[i].range.start)) << i;
    EXPECT_EQ(At<Le64>(0x72D8 + 20 * i), map[i].range.size) << i;
    EXPECT_EQ(At<Le32>(0x72E0 + 20 * i), static_cast<uint32_t>(map[i].type)) << i;
  }
}

TEST_F(LinuxParamsTest, SeedIsInTheSetupData) {
  std::vector<uint8_t> seed(256);
  for (size_t i = 0; i < seed.size(); ++i) seed[i] = static_cast<uint8_t>(i);

  const absl::Status status = WriteLinuxParams(memory_, header_, {.rng_seed = seed});

  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(At<Le64>(0x20800), 0u);    // next
  EXPECT_EQ(At<Le32>(0x20808), 9u);    // SETUP_RNG_SEED
  EXPECT_EQ(At<Le32>(0x2080C), 256u);  // len
  EXPECT_THAT(ReadBytes(memory_, GuestAddress{0x20810}, 256), ElementsAreArray(seed));
}

TEST_F(LinuxParamsTest, WithoutASeedThereIsNoSetupData) {
  setup_header header = header_;
  header.setup_data = 0x1234;  // what a hostile file may say

  const absl::Status status = WriteLinuxParams(memory_, header, {});

  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(+ZeroPage().hdr.setup_data, 0u);
  EXPECT_THAT(ReadBytes(memory_, kSetupDataAddress, 64), Each(0));
}

TEST_F(LinuxParamsTest, FullMapFits) {
  const std::vector<E820Entry> map(128, E820Entry{{GuestAddress{0x1000}, 0x1000}});

  const absl::Status status = WriteLinuxParams(memory_, header_, {.e820 = map});

  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(+ZeroPage().e820_entries, 128);
  EXPECT_EQ(+ZeroPage().e820_table[127].addr, 0x1000u);
}

TEST_F(LinuxParamsTest, MapThatIsTooLongWritesNothing) {
  const absl::Status status =
      WriteLinuxParams(memory_, header_, {.e820 = std::vector<E820Entry>(129)});

  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(ReadBytes(memory_, kZeroPageAddress, 4096), Each(0));
}

TEST_F(LinuxParamsTest, SeedThatIsTooLongWritesNothing) {
  const absl::Status status =
      WriteLinuxParams(memory_, header_, {.rng_seed = std::vector<uint8_t>(1 << 20)});

  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(ReadBytes(memory_, kZeroPageAddress, 4096), Each(0));
}

TEST_F(LinuxParamsTest, WithoutMemoryIsAnError) {
  EXPECT_EQ(WriteLinuxParams(GuestMemory(), header_, {}).code(), absl::StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace touchstone
