#include "devices/virtio/vhost_user/memory_table.h"

#include <sys/mman.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace touchstone {
namespace {

constexpr uint64_t kPage = 4096;

ScopedFd File(uint64_t pages) {
  ScopedFd file(memfd_create("test", MFD_CLOEXEC));
  EXPECT_EQ(ftruncate(file.get(), static_cast<off_t>(pages * kPage)), 0);
  return file;
}

VhostUserMemoryRegion Region(uint64_t guest, uint64_t size, uint64_t user, uint64_t offset = 0) {
  return {.guest_address = guest, .size = size, .user_address = user, .mmap_offset = offset};
}

std::vector<ScopedFd> Files(size_t count, uint64_t pages = 1) {
  std::vector<ScopedFd> files;
  for (size_t i = 0; i < count; ++i) files.push_back(File(pages));
  return files;
}

TEST(VhostUserMemoryTableTest, TranslatesUserAddresses) {
  VhostUserMemoryTable table;
  ASSERT_TRUE(
      table.Set({Region(0x10000, kPage, 0x7000'0000), Region(0, kPage, 0x9000'0000)}, Files(2))
          .ok());

  EXPECT_EQ(table.ToGuest(0x7000'0000), GuestAddress{0x10000});
  EXPECT_EQ(table.ToGuest(0x7000'0FFF), GuestAddress{0x10FFF});
  EXPECT_EQ(table.ToGuest(0x9000'0010), GuestAddress{0x10});
  EXPECT_EQ(table.ToGuest(0x7000'1000), std::nullopt);
  EXPECT_EQ(table.ToGuest(0x6FFF'FFFF), std::nullopt);
  EXPECT_EQ(table.ToGuest(0), std::nullopt);
  EXPECT_TRUE(table.memory().Contains(GuestAddress{0x10000}, kPage));
}

TEST(VhostUserMemoryTableTest, AddsAndRemoves) {
  VhostUserMemoryTable table;
  EXPECT_TRUE(table.empty());
  ASSERT_TRUE(table.Add(Region(0, kPage, 0x1000), File(1)).ok());
  ASSERT_TRUE(table.memory().WriteObject<uint32_t>(GuestAddress{0}, 7).ok());
  ASSERT_TRUE(table.Add(Region(0x8000, kPage, 0x9000, kPage), File(2)).ok());

  // What was there is mapped anew from its file.
  EXPECT_EQ(table.memory().ReadObject<uint32_t>(GuestAddress{0}).value(), 7u);
  EXPECT_EQ(table.ToGuest(0x9000), GuestAddress{0x8000});
  EXPECT_TRUE(table.Remove(Region(0, kPage, 0x1000, 0x5000)).ok());
  EXPECT_EQ(table.ToGuest(0x1000), std::nullopt);
  EXPECT_FALSE(table.Remove(Region(0, kPage, 0x1000)).ok());
  EXPECT_TRUE(table.Remove(Region(0x8000, kPage, 0x9000)).ok());
  EXPECT_TRUE(table.empty());
  EXPECT_EQ(table.memory().total_size(), 0u);
}

// KE-78 and more. What is refused changes nothing.
TEST(VhostUserMemoryTableTest, RefusesWhatMakesNoSense) {
  VhostUserMemoryTable table;
  ASSERT_TRUE(table.Set({Region(0, kPage, 0x1000)}, Files(1)).ok());
  const auto refused = [&table](std::vector<VhostUserMemoryRegion> regions,
                                std::vector<ScopedFd> fds) {
    return table.Set(regions, std::move(fds)).code() == absl::StatusCode::kInvalidArgument;
  };

  EXPECT_TRUE(refused({Region(0, kPage, 0)}, {}));
  EXPECT_TRUE(refused({Region(0, kPage, 0)}, Files(2)));
  EXPECT_TRUE(refused({Region(0, 2 * kPage, 0)}, Files(1)));
  EXPECT_TRUE(refused({Region(0, 0, 0)}, Files(1)));
  EXPECT_TRUE(refused({Region(0, 100, 0)}, Files(1)));
  EXPECT_TRUE(refused({Region(0, kPage, 0, kPage)}, Files(1)));
  EXPECT_TRUE(refused({Region(0, kPage, 0, ~uint64_t{0} - kPage + 1)}, Files(1)));
  EXPECT_TRUE(refused({Region(~uint64_t{0} - kPage + 1, kPage, 0)}, Files(1)));
  EXPECT_TRUE(refused({Region(0, kPage, ~uint64_t{0} - 10)}, Files(1)));
  EXPECT_TRUE(refused({Region(0, kPage, 0x1000), Region(0, kPage, 0x9000)}, Files(2)));
  EXPECT_TRUE(refused({Region(0, kPage, 0x1000), Region(0x4000, kPage, 0x1800)}, Files(2)));
  EXPECT_TRUE(refused({Region(0, ~uint64_t{0}, 0)}, Files(1)));
  EXPECT_EQ(table.ToGuest(0x1000), GuestAddress{0});
  EXPECT_TRUE(table.memory().Contains(GuestAddress{0}, kPage));
}

TEST(VhostUserMemoryTableTest, BoundsWhatThereMayBe) {
  VhostUserMemoryTable table;
  for (uint64_t i = 0; i < VhostUserMemoryTable::kMaxRegions; ++i) {
    ASSERT_TRUE(table.Add(Region(i * kPage, kPage, i * kPage), File(1)).ok());
  }
  EXPECT_EQ(table.Add(Region(1 << 30, kPage, 1 << 30), File(1)).code(),
            absl::StatusCode::kInvalidArgument);
  VhostUserMemoryTable large;
  const uint64_t half = VhostUserMemoryTable::kMaxBytes / 2 + kPage;
  EXPECT_EQ(
      large.Set({Region(0, half, 0), Region(half, half, half)}, Files(2, half / kPage)).code(),
      absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace touchstone
