// Both BlockIos of the host, on files.

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/scoped_fd.h"
#include "devices/virtio/block/disk_file.h"
#include "devices/virtio/block/io_threads.h"
#include "devices/virtio/block/thread_io.h"
#include "devices/virtio/block/uring_io.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::Pair;
using Kind = BlockOperation::Kind;

constexpr size_t kSize = 4 << 20;
constexpr uint32_t kDepth = 64;

enum class Place { kPageCache, kDirect, kMemory };

ScopedFd TemporaryFile(Place place) {
  if (place == Place::kMemory) return ScopedFd(memfd_create("disk", MFD_CLOEXEC));
  std::string path = testing::TempDir() + "/disk_XXXXXX";
  ScopedFd fd(mkostemp(path.data(), O_CLOEXEC));
  unlink(path.c_str());
  return fd;
}

std::shared_ptr<const DiskFile> TemporaryDisk(Place place) {
  ScopedFd fd = TemporaryFile(place);
  CHECK(fd.valid() && ftruncate(fd.get(), kSize) == 0);
  DiskFile file = DiskFile::Create(std::move(fd)).value();
  // Where the file system cannot, the page cache does.
  if (place == Place::kDirect) file.SetDirect().IgnoreError();
  return std::make_shared<const DiskFile>(std::move(file));
}

struct Page {
  alignas(4096) uint8_t bytes[4096];
};

BlockOperation Transfer(Kind kind, uint32_t token, uint64_t offset, Page& page) {
  BlockOperation operation = {
      .kind = kind, .token = token, .offset = offset, .size = sizeof(page.bytes)};
  operation.slices.push_back({page.bytes, sizeof(page.bytes)});
  return operation;
}

// Parameters: io_uring, where the file is.
class HostIoTest : public testing::TestWithParam<std::tuple<bool, Place>> {
 protected:
  HostIoTest() { io_ = Make(file_); }
  std::unique_ptr<BlockIo> Make(std::shared_ptr<const DiskFile> file) {
    if (std::get<0>(GetParam())) return *UringIo::Create(std::move(file), threads_, kDepth);
    return std::make_unique<ThreadIo>(std::move(file), threads_,
                                      std::make_shared<const EventFd>(*EventFd::Create()));
  }
  // Submits, and waits for so many completions: token and error.
  std::map<uint32_t, int> Finish(size_t count) {
    std::vector<BlockCompletion> completions;
    io_->Submit();
    io_->Reap(completions);
    while (completions.size() < count) {
      io_->Wait();
      io_->completed().Drain();
      io_->Reap(completions);
    }
    std::map<uint32_t, int> errors;
    for (const BlockCompletion& completion : completions) {
      errors.emplace(completion.token, completion.error);
    }
    return errors;
  }

  std::shared_ptr<IoThreads> threads_ = std::make_shared<IoThreads>(4);
  std::shared_ptr<const DiskFile> file_ = TemporaryDisk(std::get<1>(GetParam()));
  std::unique_ptr<BlockIo> io_;
};

TEST_P(HostIoTest, WritesFlushesAndReads) {
  auto page = std::make_unique<Page>();
  std::fill_n(page->bytes, 4096, uint8_t{5});
  io_->Add(Transfer(Kind::kWrite, 1, 8192, *page));
  EXPECT_THAT(Finish(1), ElementsAre(Pair(1, 0)));
  io_->Add({.kind = Kind::kFlush, .token = 2});
  EXPECT_THAT(Finish(1), ElementsAre(Pair(2, 0)));
  std::fill_n(page->bytes, 4096, uint8_t{0});
  io_->Add(Transfer(Kind::kRead, 3, 8192, *page));

  EXPECT_THAT(Finish(1), ElementsAre(Pair(3, 0)));

  EXPECT_THAT(page->bytes, Each(5));
}

// Those beyond the depth wait their turn.
TEST_P(HostIoTest, MoreThanTheKernelTakes) {
  constexpr uint32_t kCount = 10 * kDepth;
  const auto page = std::make_unique<Page>();
  std::fill_n(page->bytes, 4096, uint8_t{7});
  for (uint32_t i = 0; i < kCount; ++i) io_->Add(Transfer(Kind::kWrite, i, 0, *page));

  const std::map<uint32_t, int> written = Finish(kCount);

  EXPECT_EQ(written.size(), kCount);
  EXPECT_THAT(written, Each(Pair(testing::_, 0)));
  const auto copy = std::make_unique<Page>();
  io_->Add(Transfer(Kind::kRead, 1, 0, *copy));
  EXPECT_THAT(Finish(1), ElementsAre(Pair(1, 0)));
  EXPECT_THAT(copy->bytes, Each(7));
}

TEST_P(HostIoTest, ManyAtOnce) {
  std::vector<Page> pages(kDepth);
  for (uint32_t i = 0; i < kDepth; ++i) {
    std::fill_n(pages[i].bytes, 4096, static_cast<uint8_t>(i));
    io_->Add(Transfer(Kind::kWrite, i, uint64_t{i} * 4096, pages[i]));
  }
  const std::map<uint32_t, int> written = Finish(kDepth);
  ASSERT_EQ(written.size(), kDepth);
  for (uint32_t i = 0; i < kDepth; ++i) {
    std::fill_n(pages[i].bytes, 4096, uint8_t{0xff});
    io_->Add(Transfer(Kind::kRead, i, uint64_t{i} * 4096, pages[i]));
  }

  const std::map<uint32_t, int> read = Finish(kDepth);

  EXPECT_THAT(written, Each(Pair(testing::_, 0)));
  EXPECT_THAT(read, Each(Pair(testing::_, 0)));
  for (uint32_t i = 0; i < kDepth; ++i) {
    EXPECT_THAT(pages[i].bytes, Each(static_cast<uint8_t>(i)));
  }
}

TEST_P(HostIoTest, DurableWrites) {
  auto page = std::make_unique<Page>();
  BlockOperation write = Transfer(Kind::kWrite, 1, 0, *page);
  write.durable = true;
  io_->Add(std::move(write));
  io_->Add({.kind = Kind::kWriteZeroes, .durable = true, .token = 2, .offset = 4096, .size = 4096});

  EXPECT_THAT(Finish(2), ElementsAre(Pair(1, 0), Pair(2, 0)));
}

TEST_P(HostIoTest, DiscardsAndZeroes) {
  auto page = std::make_unique<Page>();
  std::fill_n(page->bytes, 4096, uint8_t{5});
  io_->Add(Transfer(Kind::kWrite, 1, 0, *page));
  Finish(1);
  io_->Add({.kind = Kind::kDiscard, .token = 2, .offset = 0, .size = 4096});
  io_->Add(
      {.kind = Kind::kWriteZeroes, .may_unmap = true, .token = 3, .offset = 8192, .size = 512});
  EXPECT_THAT(Finish(2), ElementsAre(Pair(2, 0), Pair(3, 0)));
  io_->Add(Transfer(Kind::kRead, 4, 0, *page));

  EXPECT_THAT(Finish(1), ElementsAre(Pair(4, 0)));

  EXPECT_THAT(page->bytes, Each(0));
}

TEST_P(HostIoTest, ErrorsOfTheHost) {
  auto page = std::make_unique<Page>();
  io_->Add(Transfer(Kind::kRead, 1, kSize, *page));
  io_->Add(Transfer(Kind::kRead, 2, 0, *page));

  EXPECT_THAT(Finish(2), ElementsAre(Pair(1, EIO), Pair(2, 0)));
}

// A file that ends in the middle of what is read: the first part comes, the rest is an error.
TEST_P(HostIoTest, ShortTransfersGoOn) {
  auto page = std::make_unique<Page>();
  ASSERT_EQ(ftruncate(file_->fd(), 2048), 0);
  io_->Add(Transfer(Kind::kRead, 1, 0, *page));

  EXPECT_THAT(Finish(1), ElementsAre(Pair(1, EIO)));
}

// RLIMIT_FSIZE: the first half of the disk can be written, and the process lives.
TEST_P(HostIoTest, WritesBeyondTheLimitOfFiles) {
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit half = {.rlim_cur = kSize / 2, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &half), 0);
  auto page = std::make_unique<Page>();
  io_->Add(Transfer(Kind::kWrite, 1, 0, *page));
  io_->Add(Transfer(Kind::kWrite, 2, kSize / 2, *page));

  const std::map<uint32_t, int> errors = Finish(2);

  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_THAT(errors, ElementsAre(Pair(1, 0), Pair(2, EFBIG)));
}

TEST_P(HostIoTest, MoreBuffersThanTheSystemTakes) {
  if (file_->direct()) GTEST_SKIP() << "buffers of a byte are not aligned";
  std::vector<uint8_t> memory(IOV_MAX + 512, 1);
  BlockOperation write = {.kind = Kind::kWrite, .token = 1, .size = memory.size()};
  for (uint8_t& byte : memory) write.slices.push_back({&byte, 1});
  io_->Add(std::move(write));
  EXPECT_THAT(Finish(1), ElementsAre(Pair(1, 0)));

  std::vector<uint8_t> content(memory.size());
  EXPECT_EQ(pread(file_->fd(), content.data(), content.size(), 0),
            static_cast<ssize_t>(content.size()));
  EXPECT_THAT(content, Each(1));
}

TEST_P(HostIoTest, GoingAwayWaits) {
  std::vector<Page> pages(kDepth);
  for (uint32_t i = 0; i < kDepth; ++i) {
    std::fill_n(pages[i].bytes, 4096, uint8_t{3});
    io_->Add(Transfer(Kind::kWrite, i, uint64_t{i} * 4096, pages[i]));
  }
  io_->Submit();

  io_.reset();

  auto last = std::make_unique<Page>();
  EXPECT_EQ(pread(file_->fd(), last->bytes, 4096, (kDepth - 1) * 4096), 4096);
  EXPECT_THAT(last->bytes, Each(3));
}

TEST_P(HostIoTest, TwoOnOneFile) {
  std::unique_ptr<BlockIo> other = Make(file_);
  auto page = std::make_unique<Page>();
  std::fill_n(page->bytes, 4096, uint8_t{8});
  other->Add(Transfer(Kind::kWrite, 1, 0, *page));
  other->Submit();
  other.reset();
  auto read = std::make_unique<Page>();
  io_->Add(Transfer(Kind::kRead, 1, 0, *read));

  EXPECT_THAT(Finish(1), ElementsAre(Pair(1, 0)));
  EXPECT_THAT(read->bytes, Each(8));
}

constexpr const char* kPlaces[] = {"PageCache", "Direct", "Memory"};

INSTANTIATE_TEST_SUITE_P(Executors, HostIoTest,
                         testing::Combine(testing::Bool(),
                                          testing::Values(Place::kPageCache, Place::kDirect,
                                                          Place::kMemory)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param) ? "Uring" : "Threads") +
                                  kPlaces[static_cast<size_t>(std::get<1>(info.param))];
                         });

// No thread is woken for what is short, and the long goes to one.
TEST(ThreadIoTest, ShortOperationsInMemoryAreDoneAtOnce) {
  constexpr uint64_t kLong = 65 * 1024;
  const auto file = TemporaryDisk(Place::kMemory);
  ThreadIo io(file, std::make_shared<IoThreads>(1),
              std::make_shared<const EventFd>(*EventFd::Create()));
  auto page = std::make_unique<Page>();
  std::fill_n(page->bytes, 4096, uint8_t{7});
  std::vector<uint8_t> many(kLong);
  BlockOperation read = {.kind = Kind::kRead, .token = 4, .size = kLong};
  read.slices.push_back({many.data(), many.size()});
  std::vector<BlockCompletion> completions;
  io.Add(Transfer(Kind::kWrite, 1, 0, *page));
  io.Add({.kind = Kind::kFlush, .token = 2});
  io.Add(Transfer(Kind::kRead, 3, kSize, *page));

  io.Submit();
  io.Reap(completions);

  ASSERT_EQ(completions.size(), 3u);
  EXPECT_EQ(completions[0].error, 0);
  EXPECT_EQ(completions[1].error, 0);
  EXPECT_EQ(completions[2].error, EIO);
  EXPECT_EQ(io.in_flight(), 0u);
  io.Add(std::move(read));
  EXPECT_EQ(io.in_flight(), 1u);
  completions.clear();
  io.Submit();
  while (completions.empty()) {
    io.Wait();
    io.completed().Drain();
    io.Reap(completions);
  }
  EXPECT_EQ(many.front(), 7);
}

}  // namespace
}  // namespace touchstone
