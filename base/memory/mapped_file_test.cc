#include "base/memory/mapped_file.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <utility>

#include "base/scoped_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kPage = 4096;

// A file of two pages: one of letters a, one of letters b.
class MappedFileTest : public testing::Test {
 protected:
  MappedFileTest() : fd_(memfd_create("file", MFD_CLOEXEC)) {
    const std::string text = std::string(kPage, 'a') + std::string(kPage, 'b');
    EXPECT_EQ(pwrite(fd_.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  }
  // Only tests look through the mapping.
  static char First(const MappedFile& file) { return *static_cast<const char*>(file.host()); }

  ScopedFd fd_;
};

TEST_F(MappedFileTest, ShowsThePieceThatIsAskedFor) {
  const MappedFile file = MappedFile::Map(fd_.get(), kPage, kPage, MappedFile::kReadOnly).value();

  EXPECT_EQ(file.size(), kPage);
  EXPECT_EQ(First(file), 'b');
}

TEST_F(MappedFileTest, WritesReachTheFile) {
  const MappedFile file = MappedFile::Map(fd_.get(), 0, kPage, MappedFile::kWritable).value();
  memcpy(file.host(), "new", 3);

  char found[3];
  ASSERT_EQ(pread(fd_.get(), found, sizeof(found), 0), 3);
  EXPECT_EQ(std::string(found, 3), "new");
}

TEST_F(MappedFileTest, OutlivesItsDescriptor) {
  const MappedFile file = MappedFile::Map(fd_.get(), 0, kPage, MappedFile::kReadOnly).value();
  fd_.Reset();

  EXPECT_EQ(First(file), 'a');
}

TEST_F(MappedFileTest, MovedFromHoldsNothing) {
  MappedFile file = MappedFile::Map(fd_.get(), 0, kPage, MappedFile::kReadOnly).value();
  void* const host = file.host();

  MappedFile other = std::move(file);

  EXPECT_EQ(other.host(), host);
  EXPECT_EQ(file.host(), nullptr);  // NOLINT(bugprone-use-after-move): what is tested
  EXPECT_EQ(First(other), 'a');
}

TEST_F(MappedFileTest, IsUnmappedAtItsEnd) {
  void* host = nullptr;
  {
    const MappedFile file = MappedFile::Map(fd_.get(), 0, kPage, MappedFile::kReadOnly).value();
    host = file.host();
  }
  unsigned char resident = 0;
  EXPECT_NE(mincore(host, kPage, &resident), 0);
}

TEST_F(MappedFileTest, WhatCannotBeMappedIsAnError) {
  EXPECT_THAT(std::string(MappedFile::Map(-1, 0, kPage, MappedFile::kReadOnly).status().message()),
              HasSubstr("mmap of 4096 bytes at 0: Bad file descriptor"));
}

}  // namespace
}  // namespace touchstone
