#include "devices/virtio/block/disk_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::Each;
using testing::HasSubstr;
using Kind = BlockOperation::Kind;

constexpr size_t kSize = 1 << 20;

ScopedFd TemporaryFile(size_t size) {
  std::string path = testing::TempDir() + "/disk_XXXXXX";
  ScopedFd fd(mkostemp(path.data(), O_CLOEXEC));
  EXPECT_TRUE(fd.valid() && ftruncate(fd.get(), static_cast<off_t>(size)) == 0);
  unlink(path.c_str());
  return fd;
}

uint64_t Allocated(const DiskFile& file) {
  struct stat status;
  EXPECT_EQ(fstat(file.fd(), &status), 0);
  return static_cast<uint64_t>(status.st_blocks) * 512;
}

std::vector<uint8_t> Content(const DiskFile& file, uint64_t offset, size_t size) {
  std::vector<uint8_t> bytes(size);
  EXPECT_EQ(pread(file.fd(), bytes.data(), size, static_cast<off_t>(offset)),
            static_cast<ssize_t>(size));
  return bytes;
}

// A regular file on disk, and one of a file system that cannot zero ranges but can punch holes.
class DiskFileTest : public testing::TestWithParam<bool> {
 protected:
  DiskFileTest() {
    std::vector<uint8_t> bytes(kSize, 7);
    BlockOperation write = {.kind = Kind::kWrite, .size = kSize};
    write.slices.push_back({bytes.data(), bytes.size()});
    EXPECT_EQ(file_.Execute(std::move(write)), 0);
    EXPECT_EQ(file_.Flush(), 0);
  }
  static ScopedFd MakeFile() {
    if (!GetParam()) return TemporaryFile(kSize);
    ScopedFd fd(memfd_create("disk", MFD_CLOEXEC));
    EXPECT_EQ(ftruncate(fd.get(), kSize), 0);
    return fd;
  }

  DiskFile file_ = DiskFile::Create(MakeFile()).value();
};

TEST_P(DiskFileTest, SaysWhatItIs) {
  EXPECT_EQ(file_.size(), kSize);
  EXPECT_FALSE(file_.block_device());
  EXPECT_FALSE(file_.direct());
  EXPECT_EQ(file_.address_alignment(), 1u);
}

// Whether the page cache holds the file's first page.
bool Cached(const DiskFile& file) {
  void* const page = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, file.fd(), 0);
  EXPECT_NE(page, MAP_FAILED);
  unsigned char resident = 0;
  EXPECT_EQ(mincore(page, 4096, &resident), 0);
  munmap(page, 4096);
  return (resident & 1) != 0;
}

TEST_P(DiskFileTest, PageCacheForgetsWhatWasRead) {
  if (file_.in_memory()) GTEST_SKIP() << "a file in memory has nothing but the page cache";
  std::vector<uint8_t> bytes(8192);
  const auto execute = [&](Kind kind) {
    BlockOperation operation = {.kind = kind, .size = bytes.size()};
    operation.slices.push_back({bytes.data(), bytes.size()});
    return file_.Execute(std::move(operation));
  };
  ASSERT_EQ(execute(Kind::kRead), 0);
  ASSERT_TRUE(Cached(file_));
  // The kernel keeps what others have read.
  ASSERT_EQ(posix_fadvise(file_.fd(), 0, 0, POSIX_FADV_DONTNEED), 0);
  ASSERT_FALSE(Cached(file_));

  file_.SetDontCache();

  EXPECT_EQ(execute(Kind::kRead), 0);
  EXPECT_FALSE(Cached(file_));
  EXPECT_EQ(bytes, std::vector<uint8_t>(8192, 7));
  bytes.assign(8192, 9);
  EXPECT_EQ(execute(Kind::kWrite), 0);
  EXPECT_EQ(file_.Flush(), 0);
  EXPECT_EQ(Content(file_, 0, 8192), bytes);
}

TEST_P(DiskFileTest, ReadsIntoSeveralBuffers) {
  std::vector<uint8_t> first(100);
  std::vector<uint8_t> second(412);
  BlockOperation read = {.kind = Kind::kRead, .offset = 512, .size = 512};
  read.slices = {{first.data(), first.size()}, {second.data(), second.size()}};

  EXPECT_EQ(file_.Execute(std::move(read)), 0);

  EXPECT_THAT(first, Each(7));
  EXPECT_THAT(second, Each(7));
}

TEST_P(DiskFileTest, DiscardMakesAHole) {
  const uint64_t before = Allocated(file_);

  EXPECT_EQ(file_.Execute({.kind = Kind::kDiscard, .offset = 65536, .size = 131072}), 0);

  EXPECT_EQ(Allocated(file_), before - 131072);
  EXPECT_THAT(Content(file_, 65536, 131072), Each(0));
  EXPECT_THAT(Content(file_, 0, 65536), Each(7));
  EXPECT_EQ(lseek(file_.fd(), 0, SEEK_END), static_cast<off_t>(kSize));
}

TEST_P(DiskFileTest, ZeroesThatMayUnmapMakeAHole) {
  const uint64_t before = Allocated(file_);

  EXPECT_EQ(
      file_.Execute({.kind = Kind::kWriteZeroes, .may_unmap = true, .offset = 4096, .size = 8192}),
      0);

  EXPECT_EQ(Allocated(file_), before - 8192);
  EXPECT_THAT(Content(file_, 4096, 8192), Each(0));
}

TEST_P(DiskFileTest, ZeroesEndWhereTheyShould) {
  EXPECT_EQ(
      file_.Execute({.kind = Kind::kWriteZeroes, .durable = true, .offset = 512, .size = 1024}), 0);

  EXPECT_THAT(Content(file_, 0, 512), Each(7));
  EXPECT_THAT(Content(file_, 512, 1024), Each(0));
  EXPECT_THAT(Content(file_, 1536, 512), Each(7));
}

TEST_P(DiskFileTest, FileThatShrankIsAnError) {
  ASSERT_EQ(ftruncate(file_.fd(), 256), 0);
  std::vector<uint8_t> bytes(512);
  BlockOperation read = {.kind = Kind::kRead, .size = 512};
  read.slices.push_back({bytes.data(), bytes.size()});

  EXPECT_EQ(file_.Execute(std::move(read)), EIO);
}

INSTANTIATE_TEST_SUITE_P(FileSystems, DiskFileTest, testing::Bool());

TEST(DiskFileKindTest, ZeroesKeepTheSpaceWhereTheHostCan) {
  DiskFile file = DiskFile::Create(TemporaryFile(kSize)).value();
  ASSERT_EQ(posix_fallocate(file.fd(), 0, kSize), 0);
  const uint64_t before = Allocated(file);

  EXPECT_EQ(file.WriteZeroes(0, kSize, /*may_unmap=*/false), 0);

  EXPECT_EQ(Allocated(file), before);
}

TEST(DiskFileKindTest, WhatIsNoDiskIsRefused) {
  ScopedFd pipe_ends[2];
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
  pipe_ends[1].Reset(fds[1]);

  EXPECT_THAT(std::string(DiskFile::Create(ScopedFd(fds[0])).status().message()),
              HasSubstr("is a pipe, not a regular file or a block device"));
  EXPECT_THAT(std::string(DiskFile::Create(ScopedFd(open("/", O_RDONLY))).status().message()),
              HasSubstr("is a directory"));
  EXPECT_THAT(std::string(DiskFile::Create(ScopedFd(open("/dev/null", O_RDWR))).status().message()),
              HasSubstr("is a character device"));
}

TEST(DiskFileKindTest, DirectSaysWhatItWants) {
  DiskFile file = DiskFile::Create(TemporaryFile(kSize)).value();
  if (const absl::Status status = file.SetDirect(); !status.ok()) GTEST_SKIP() << status;

  EXPECT_TRUE(file.direct());
  EXPECT_GT(file.address_alignment(), 1u);
  EXPECT_GE(file.offset_alignment(), 512u);
  alignas(4096) static uint8_t buffer[4096] = {9};
  BlockOperation write = {.kind = Kind::kWrite, .durable = true, .size = sizeof(buffer)};
  write.slices.push_back({buffer, sizeof(buffer)});
  EXPECT_EQ(file.Execute(std::move(write)), 0);
}

// Nothing is written to a file that is open for reading.
TEST(DiskFileKindTest, HostErrorsComeBack) {
  const ScopedFd writable = TemporaryFile(kSize);
  const std::string path = "/proc/self/fd/" + std::to_string(writable.get());
  DiskFile file = DiskFile::Create(ScopedFd(open(path.c_str(), O_RDONLY | O_CLOEXEC))).value();
  std::vector<uint8_t> bytes(512);
  BlockOperation write = {.kind = Kind::kWrite, .size = 512};
  write.slices.push_back({bytes.data(), bytes.size()});

  EXPECT_EQ(file.Execute(std::move(write)), EBADF);
  EXPECT_EQ(file.Execute({.kind = Kind::kWriteZeroes, .size = 512}), EBADF);
  EXPECT_EQ(file.Execute({.kind = Kind::kDiscard, .size = 512}), EBADF);
}

}  // namespace
}  // namespace touchstone
