// Memory that another process shares.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/memory/dirty_bitmap.h"
#include "base/memory/dirty_log.h"
#include "base/memory/guest_memory.h"
#include "base/scoped_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

using File = GuestMemory::RegionSpec;

constexpr uint64_t kPage = kGuestPageSize;

ScopedFd FileOf(uint64_t pages) {
  ScopedFd file(memfd_create("test", MFD_CLOEXEC));
  EXPECT_EQ(ftruncate(file.get(), static_cast<off_t>(pages * kPage)), 0);
  return file;
}

TEST(GuestMemoryFilesTest, SharesWhatIsInTheFiles) {
  const ScopedFd low = FileOf(4);
  const ScopedFd high = FileOf(1);
  const GuestMemory memory =
      GuestMemory::MapFiles({{{GuestAddress{0x9000}, kPage, 0, high.get()},
                              {GuestAddress{0x1000}, 2 * kPage, kPage, low.get()}}})
          .value();
  ASSERT_TRUE(memory.WriteObject<uint32_t>(GuestAddress{0x1004}, 0x11223344).ok());
  ASSERT_EQ(pwrite(high.get(), "abc", 3, 5), 3);
  uint32_t seen = 0;

  EXPECT_EQ(pread(low.get(), &seen, 4, kPage + 4), 4);
  EXPECT_EQ(seen, 0x11223344u);
  EXPECT_EQ(memory.ReadObject<uint8_t>(GuestAddress{0x9007}).value(), 'c');
  ASSERT_EQ(memory.regions().size(), 2u);
  EXPECT_TRUE(memory.regions()[1].users_file);
  EXPECT_EQ(memory.regions()[0].start, GuestAddress{0x1000});
  EXPECT_EQ(memory.total_size(), 3 * kPage);
}

// One view of the memory leaves marks, the other none.
TEST(GuestMemoryFilesTest, LogsWhatIsWrittenThroughAView) {
  const ScopedFd file = FileOf(4);
  const ScopedFd log_file = FileOf(1);
  const std::shared_ptr<const DirtyLog> log = DirtyLog::Map(log_file.get(), 0, 8).value();
  std::optional<GuestMemory> memory =
      GuestMemory::MapFiles({{{GuestAddress{0x1000}, 2 * kPage, 0, file.get()},
                              {GuestAddress{0x3F000}, 2 * kPage, 2 * kPage, file.get()}}})
          .value();
  const GuestMemory logged = memory->WithLog({.log = log});
  const GuestMemory shifted = memory->WithLog({.log = log, .shift = 5 * kPage});
  ASSERT_TRUE(memory->WriteObject<uint8_t>(GuestAddress{0x1000}, 1).ok());
  memory.reset();
  DirtyBitmap marks({.log = log}, 0);

  EXPECT_THAT(marks.Take(), testing::ElementsAre(0));
  EXPECT_EQ(logged.ReadObject<uint8_t>(GuestAddress{0x1000}).value(), 1);
  ASSERT_TRUE(logged.WriteObject<uint16_t>(GuestAddress{0x1FFF}, 2).ok());
  ASSERT_TRUE(logged.Fill(GuestAddress{0x3F000}, 2 * kPage, 3).ok());  // Half of it is beyond.
  EXPECT_THAT(marks.Take(), testing::ElementsAre(uint64_t{1} << 63 | 0b110));
  ASSERT_TRUE(shifted.WriteObject<uint8_t>(GuestAddress{0x1000}, 4).ok());
  EXPECT_THAT(marks.Take(), testing::ElementsAre(uint64_t{1} << 6));
  EXPECT_EQ(logged.total_size(), 4 * kPage);
}

TEST(GuestMemoryFilesTest, NeedsTheDescriptorsNoMore) {
  ScopedFd file = FileOf(1);
  const GuestMemory memory =
      GuestMemory::MapFiles({{{GuestAddress{0}, kPage, 0, file.get()}}}).value();
  file.Reset();

  EXPECT_TRUE(memory.WriteObject<uint32_t>(GuestAddress{0}, 1).ok());
  EXPECT_GE(fcntl(memory.regions()[0].fd, F_GETFD), 0);
}

TEST(GuestMemoryFilesTest, RefusesWhatIsNotInTheFile) {
  const ScopedFd file = FileOf(2);
  const auto error = [&](uint64_t start, uint64_t size, uint64_t offset) {
    const absl::Status status =
        GuestMemory::MapFiles({{{GuestAddress{start}, size, offset, file.get()}}}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };

  EXPECT_THAT(error(0, 3 * kPage, 0), HasSubstr("end of its file"));
  EXPECT_THAT(error(0, kPage, 2 * kPage), HasSubstr("end of its file"));
  EXPECT_THAT(error(0, kPage, ~uint64_t{0} - kPage + 1), HasSubstr("end of its file"));
  EXPECT_THAT(error(0, kPage, 1), HasSubstr("does not begin with"));
  EXPECT_THAT(error(1, kPage, 0), HasSubstr("4 KiB"));
  EXPECT_THAT(error(0, 0, 0), HasSubstr("empty"));
  EXPECT_THAT(error(uint64_t{1} << 52, kPage, 0), HasSubstr("2^52"));
}

TEST(GuestMemoryFilesTest, RefusesOtherFilesAndOverlaps) {
  const ScopedFd file = FileOf(2);
  const ScopedFd device(open("/dev/zero", O_RDWR | O_CLOEXEC));
  const ScopedFd read_only(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));

  EXPECT_EQ(GuestMemory::MapFiles({{{GuestAddress{0}, kPage, 0, device.get()}}}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(GuestMemory::MapFiles({{{GuestAddress{0}, kPage, 0, read_only.get()}}}).ok());
  EXPECT_FALSE(GuestMemory::MapFiles({{{GuestAddress{0}, kPage, 0, -1}}}).ok());
  EXPECT_EQ(GuestMemory::MapFiles({{{GuestAddress{0}, 2 * kPage, 0, file.get()},
                                    {GuestAddress{kPage}, kPage, 0, file.get()}}})
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(GuestMemoryFilesTest, SurvivesAFileThatIsCutShort) {
  const ScopedFd file = FileOf(4);
  const GuestMemory memory =
      GuestMemory::MapFiles({{{GuestAddress{0}, 4 * kPage, 0, file.get()}}}).value();
  ASSERT_TRUE(memory.Fill(GuestAddress{0}, 4 * kPage, 7).ok());
  ASSERT_EQ(ftruncate(file.get(), kPage), 0);

  EXPECT_EQ(memory.ReadObject<uint8_t>(GuestAddress{2 * kPage}).value(), 0);
  EXPECT_TRUE(memory.WriteObject<uint8_t>(GuestAddress{3 * kPage}, 1).ok());
  EXPECT_EQ(memory.ReadObject<uint8_t>(GuestAddress{0}).value(), 7);
}

}  // namespace
}  // namespace touchstone
