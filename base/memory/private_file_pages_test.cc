#include "base/memory/private_file_pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include "base/memory/memory_control.h"
#include "base/scoped_fd.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

constexpr uint64_t kPage = kGuestPageSize;
using Extent = PrivateFilePages::Extent;

class PrivateFilePagesTest : public testing::Test {
 protected:
  PrivateFilePagesTest() : file_(memfd_create("test", MFD_CLOEXEC)) {
    for (int page = 0; page < 4; ++page) {
      const std::string bytes(kPage, static_cast<char>('a' + page));
      EXPECT_EQ(pwrite(file_.get(), bytes.data(), kPage, page * static_cast<off_t>(kPage)),
                static_cast<ssize_t>(kPage));
    }
  }
  absl::StatusOr<PrivateFilePages> Map(const std::vector<Extent>& extents) {
    return PrivateFilePages::Map(memory_, memory_.regions()[0], file_.get(), extents);
  }
  char ByteOf(uint64_t page) {
    return static_cast<char>(memory_.ReadObject<uint8_t>(GuestAddress{page * kPage}).value());
  }

  ScopedFd file_;
  GuestMemory memory_ = GuestMemory::Create({{GuestAddress{0}, 8 * kPage}}, {}).value();
};

TEST_F(PrivateFilePagesTest, ReadAsTheFileAndTheRestAsBefore) {
  ASSERT_TRUE(memory_.Fill(GuestAddress{0}, 8 * kPage, 'z').ok());

  const auto pages = Map({{.offset = kPage, .size = 2 * kPage, .file_offset = 0},
                          {.offset = 7 * kPage, .size = kPage, .file_offset = 3 * kPage}});

  ASSERT_TRUE(pages.ok()) << pages.status();
  std::string seen;
  for (uint64_t page = 0; page < 8; ++page) seen += ByteOf(page);
  EXPECT_EQ(seen, "zabzzzzd");
  EXPECT_FALSE(pages->truncated());
}

TEST_F(PrivateFilePagesTest, WritesStayOutOfTheFile) {
  const auto pages = Map({{.offset = 0, .size = kPage, .file_offset = kPage}});
  ASSERT_TRUE(pages.ok()) << pages.status();
  ASSERT_TRUE(memory_.WriteObject<uint8_t>(GuestAddress{0}, 'X').ok());
  char there = 0;

  EXPECT_EQ(pread(file_.get(), &there, 1, kPage), 1);
  EXPECT_EQ(there, 'b');
  EXPECT_EQ(ByteOf(0), 'X');
}

TEST_F(PrivateFilePagesTest, NeedTheDescriptorNoMore) {
  const auto pages = Map({{.offset = 0, .size = kPage, .file_offset = 0}});
  file_.Reset();

  EXPECT_EQ(ByteOf(0), 'a');
}

TEST_F(PrivateFilePagesTest, AFileThatIsCutShortReadsAsZeros) {
  const auto pages = Map({{.offset = 0, .size = 4 * kPage, .file_offset = 0}});
  ASSERT_EQ(ftruncate(file_.get(), kPage), 0);

  EXPECT_EQ(ByteOf(0), 'a');
  EXPECT_EQ(ByteOf(1), 0);
  EXPECT_TRUE(memory_.WriteObject<uint8_t>(GuestAddress{2 * kPage}, 1).ok());
  EXPECT_TRUE(pages->truncated());
}

TEST_F(PrivateFilePagesTest, KeepTheMemoryMapped) {
  std::optional<PrivateFilePages> pages =
      Map({{.offset = 0, .size = kPage, .file_offset = 0}}).value();
  memory_ = GuestMemory();

  pages.reset();  // The mapping and its guard, in the right order.
}

// A balloon's pages are zeros, not what the file has.
TEST_F(PrivateFilePagesTest, WhatIsReleasedReadsAsZeros) {
  const auto pages = Map({{.offset = 0, .size = 4 * kPage, .file_offset = 0}});
  ASSERT_TRUE(memory_.WriteObject<uint8_t>(GuestAddress{kPage}, 'X').ok());

  const absl::StatusOr<uint64_t> released =
      GuestMemoryControl(memory_).Release(GuestAddress{kPage}, 2 * kPage);

  EXPECT_EQ(released.value(), 2 * kPage);
  std::string seen;
  for (uint64_t page = 0; page < 4; ++page) seen += ByteOf(page);
  EXPECT_EQ(seen, std::string("a\0\0d", 4));
  EXPECT_TRUE(memory_.WriteObject<uint8_t>(GuestAddress{kPage}, 'Y').ok());
}

TEST_F(PrivateFilePagesTest, AreKnownAsLongAsTheyAreThere) {
  const uint8_t* const host = memory_.regions()[0].host;
  EXPECT_FALSE(PrivateFilePages::MayBeAt(host));
  std::optional<PrivateFilePages> pages =
      Map({{.offset = 0, .size = kPage, .file_offset = 0}}).value();
  PrivateFilePages moved = *std::move(pages);
  pages.reset();

  EXPECT_TRUE(PrivateFilePages::MayBeAt(host));
  EXPECT_TRUE(PrivateFilePages::MayBeAt(host + 8 * kPage - 1));
  EXPECT_FALSE(PrivateFilePages::MayBeAt(host + 8 * kPage));
  EXPECT_FALSE(PrivateFilePages::MayBeAt(host - 1));
}

TEST_F(PrivateFilePagesTest, RefuseExtentsThatAreNotInTheRegion) {
  for (const Extent& extent : std::vector<Extent>{{0, 0, 0},
                                                  {1, kPage, 0},
                                                  {0, kPage + 1, 0},
                                                  {0, kPage, 1},
                                                  {8 * kPage, kPage, 0},
                                                  {7 * kPage, 2 * kPage, 0},
                                                  {~uint64_t{0} - kPage + 1, 2 * kPage, 0}}) {
    EXPECT_EQ(Map({extent}).status().code(), absl::StatusCode::kInvalidArgument)
        << extent.offset << " " << extent.size << " " << extent.file_offset;
  }
  EXPECT_EQ(ByteOf(0), 0);
}

}  // namespace
}  // namespace touchstone
