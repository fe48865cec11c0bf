#include "vmm/machine/boot/initrd.h"

#include <unistd.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/machine/boot/boot_testing.h"

namespace touchstone {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

KernelImage Kernel(uint64_t end, uint32_t initrd_highest = 0x7FFFFFFF) {
  KernelImage kernel;
  kernel.end = GuestAddress{end};
  kernel.initrd_highest = initrd_highest;
  return kernel;
}

class InitrdTest : public ::testing::Test {
 protected:
  absl::StatusOr<MemoryRange> Load(const ScopedFd& fd, const KernelImage& kernel) {
    const absl::StatusOr<BootFile> file = BootFile::Create(fd.get(), "initrd", "i");
    if (!file.ok()) return file.status();
    return LoadInitrd(memory_, layout_, kernel, *file);
  }

  const MemoryLayout layout_ = MakeLayout(64 * kMiB);
  const GuestMemory memory_ = MakeMemory(layout_);
};

TEST_F(InitrdTest, EndsInTheLastPageOfRam) {
  const auto range = Load(MakeFile(std::string(4097, 'i')), Kernel(32 * kMiB));

  ASSERT_TRUE(range.ok()) << range.status();
  EXPECT_EQ(*range, (MemoryRange{GuestAddress{64 * kMiB - 8192}, 4097}));
  EXPECT_THAT(ReadBytes(memory_, range->start, range->size), Each('i'));
  EXPECT_THAT(ReadBytes(memory_, range->end(), 4095), Each(0));
}

TEST_F(InitrdTest, StaysBelowTheKernelsLimit) {
  const auto range = Load(MakeFile("abc"), Kernel(32 * kMiB, 48 * kMiB - 1));

  ASSERT_TRUE(range.ok()) << range.status();
  EXPECT_EQ(range->start, GuestAddress{48 * kMiB - 4096});
  EXPECT_THAT(ReadBytes(memory_, range->start, 3), ElementsAre('a', 'b', 'c'));
}

TEST_F(InitrdTest, OddLimitIsRoundedDownToAPage) {
  const auto range = Load(MakeFile("abc"), Kernel(32 * kMiB, 48 * kMiB + 1));

  ASSERT_TRUE(range.ok()) << range.status();
  EXPECT_EQ(range->start, GuestAddress{48 * kMiB - 4096});
}

TEST_F(InitrdTest, TouchesTheKernelAtMost) {
  const ScopedFd file = MakeFile(std::string(8192, 'i'));

  EXPECT_TRUE(Load(file, Kernel(64 * kMiB - 8192)).ok());
  EXPECT_FALSE(Load(file, Kernel(64 * kMiB - 8191)).ok());
}

TEST_F(InitrdTest, LargerThanMemoryIsOneLine) {
  const ScopedFd file = MakeFile("");
  ASSERT_EQ(ftruncate(file.get(), 65 * kMiB), 0);

  const auto range = Load(file, Kernel(32 * kMiB));

  EXPECT_EQ(range.status().message(),
            "initrd i of 68157440 bytes does not fit between the kernel, which ends at 0x2000000, "
            "and 0x4000000: raise --mem");
}

TEST_F(InitrdTest, SizeOfAnAddressSpaceIsOneLine) {
  const ScopedFd file = MakeFile("");
  ASSERT_EQ(ftruncate(file.get(), 0x7FFFFFFFFFFFF000), 0);

  EXPECT_THAT(std::string(Load(file, Kernel(32 * kMiB)).status().message()),
              HasSubstr("does not fit"));
}

TEST_F(InitrdTest, LimitOfZeroLeavesNoRoom) {
  EXPECT_FALSE(Load(MakeFile("abc"), Kernel(32 * kMiB, 0)).ok());
}

TEST(LargeInitrdTest, HundredMiBFit) {
  const MemoryLayout layout = MakeLayout(160 * kMiB);
  const GuestMemory memory = MakeMemory(layout);
  const ScopedFd fd = MakeFile("begin");
  ASSERT_EQ(ftruncate(fd.get(), 100 * kMiB), 0);
  ASSERT_EQ(pwrite(fd.get(), "end", 3, 100 * kMiB - 3), 3);
  const auto file = BootFile::Create(fd.get(), "initrd", "i");
  ASSERT_TRUE(file.ok());

  const auto range = LoadInitrd(memory, layout, Kernel(60 * kMiB), *file);

  ASSERT_TRUE(range.ok()) << range.status();
  EXPECT_EQ(range->end(), GuestAddress{160 * kMiB});
  EXPECT_THAT(ReadBytes(memory, range->start, 5), ElementsAre('b', 'e', 'g', 'i', 'n'));
  EXPECT_THAT(ReadBytes(memory, GuestAddress{160 * kMiB - 3}, 3), ElementsAre('e', 'n', 'd'));
}

}  // namespace
}  // namespace touchstone
