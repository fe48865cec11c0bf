#include "base/memory/dirty_log.h"

#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "base/event_fd.h"
#include "base/memory/dirty_bitmap.h"
#include "base/scoped_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::HasSubstr;

constexpr uint64_t kPage = 4096;

class DirtyLogTest : public testing::Test {
 protected:
  DirtyLogTest() : file_(memfd_create("log", MFD_CLOEXEC)) {
    EXPECT_EQ(ftruncate(file_.get(), 3 * kPage), 0);
  }
  std::string Error(uint64_t offset, uint64_t size) const {
    return std::string(DirtyLog::Map(file_.get(), offset, size).status().message());
  }

  const ScopedFd file_;
};

TEST_F(DirtyLogTest, IsAPieceOfTheFile) {
  const std::shared_ptr<const DirtyLog> log = DirtyLog::Map(file_.get(), kPage, 100).value();
  DirtyBitmap({.log = log}, 0).Mark(13 * kPage, 1);
  uint8_t bytes[2] = {};
  ASSERT_EQ(pread(file_.get(), bytes, 2, kPage), 2);

  EXPECT_EQ(log->pages(), 800u);
  EXPECT_EQ(bytes[0], 0);
  EXPECT_EQ(bytes[1], 1 << 5);
}

TEST_F(DirtyLogTest, NeedsNoWholePage) {
  ASSERT_EQ(ftruncate(file_.get(), 9), 0);
  const std::shared_ptr<const DirtyLog> log = DirtyLog::Map(file_.get(), 0, 9).value();
  DirtyBitmap({.log = log}, 0).Mark(0, 1000 * kPage);
  uint8_t bytes[10] = {};

  EXPECT_EQ(pread(file_.get(), bytes, 10, 0), 9);
  EXPECT_EQ(bytes[8], 0xFF);
}

TEST_F(DirtyLogTest, RefusesWhatIsNotInTheFile) {
  EXPECT_THAT(Error(0, 0), HasSubstr("0 bytes at 0 has no size"));
  EXPECT_THAT(Error(0, DirtyLog::kMaxBytes + 1), HasSubstr("has no size"));
  EXPECT_THAT(Error(8, 8), HasSubstr("does not begin with a 4 KiB page"));
  EXPECT_THAT(Error(2 * kPage, kPage + 1), HasSubstr("passes the end"));
  EXPECT_THAT(Error(~uint64_t{0} - 4095, 1), HasSubstr("passes the end"));
  EXPECT_EQ(Error(2 * kPage, kPage), "");
}

TEST_F(DirtyLogTest, RefusesOtherFiles) {
  const EventFd event = EventFd::Create().value();

  EXPECT_THAT(DirtyLog::Map(event.fd(), 0, 8).status().message(),
              HasSubstr("not in a regular file"));
  EXPECT_FALSE(DirtyLog::Map(-1, 0, 8).ok());
}

TEST_F(DirtyLogTest, SurvivesAFileThatIsCutShort) {
  const std::shared_ptr<const DirtyLog> log = DirtyLog::Map(file_.get(), 0, 2 * kPage).value();
  DirtyBitmap bitmap({.log = log}, 0);
  ASSERT_EQ(ftruncate(file_.get(), 0), 0);
  bitmap.Mark(0, 8 * kPage * 2 * kPage);

  EXPECT_TRUE(bitmap.IsDirty(0));
  ASSERT_EQ(ftruncate(file_.get(), 3 * kPage), 0);
  uint8_t byte = 1;
  EXPECT_EQ(pread(file_.get(), &byte, 1, 0), 1);
  EXPECT_EQ(byte, 0);  // The marks went nowhere.
}

TEST_F(DirtyLogTest, NeedsSoManyBytes) {
  EXPECT_EQ(DirtyLog::BytesFor(0), 0u);
  EXPECT_EQ(DirtyLog::BytesFor(1), 8u);
  EXPECT_EQ(DirtyLog::BytesFor(64 * kPage), 8u);
  EXPECT_EQ(DirtyLog::BytesFor(64 * kPage + 1), 16u);
}

}  // namespace
}  // namespace touchstone
