#include "devices/virtio/block/block_open.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/event/loop_thread.h"
#include "base/event/manual_loop.h"
#include "base/log.h"
#include "base/scoped_fd.h"
#include "devices/virtio/block/block_testing.h"
#include "devices/virtio/testing/guest_driver.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::AllOf;
using testing::Each;
using testing::HasSubstr;

constexpr size_t kSize = 1 << 20;

class BlockOpenTest : public testing::Test {
 protected:
  BlockOpenTest() : path_(testing::TempDir() + "/disk_XXXXXX") {
    fd_.Reset(mkostemp(path_.data(), O_CLOEXEC));
    CHECK(fd_.valid() && ftruncate(fd_.get(), kSize) == 0);
    config_.set_path(path_);
  }
  ~BlockOpenTest() override { unlink(path_.c_str()); }

  absl::StatusOr<std::unique_ptr<Block>> Open() { return OpenBlock(config_, EPOLL, loop_, {}); }
  std::string Error() {
    const absl::StatusOr<std::unique_ptr<Block>> block = Open();
    return block.ok() ? "" : std::string(block.status().message());
  }

  ManualLoop loop_;
  std::string path_;
  ScopedFd fd_;
  BlockConfig config_;
};

TEST_F(BlockOpenTest, DiskIsTheFile) {
  config_.set_id("disk one");
  config_.set_block_size(4096);
  config_.set_packed_queue(true);
  config_.set_sparse(false);

  const std::unique_ptr<Block> block = *Open();

  EXPECT_EQ(block->disk().sectors, kSize / 512);
  EXPECT_EQ(block->disk().block_size, 4096u);
  EXPECT_EQ(block->disk().id, "disk one");
  EXPECT_TRUE(block->disk().packed_ring);
  EXPECT_FALSE(block->disk().sparse);
  EXPECT_FALSE(block->disk().read_only);
  EXPECT_EQ(block->max_queue_sizes().size(), 16u);
}

TEST_F(BlockOpenTest, ErrorsNameOptionFileAndReason) {
  config_.set_path("/nonexistent/disk.img");
  EXPECT_EQ(Error(),
            "--block path=/nonexistent/disk.img: open /nonexistent/disk.img: "
            "No such file or directory");
  config_.set_path(testing::TempDir());
  EXPECT_THAT(Error(), HasSubstr("directory"));
  config_.set_ro(true);
  EXPECT_THAT(Error(), HasSubstr("is a directory, not a regular file or a block device"));
  config_.set_path("/dev/null");
  EXPECT_THAT(Error(), HasSubstr("is a character device"));
  config_.set_path("");
  EXPECT_THAT(Error(), HasSubstr("the path is empty"));
}

TEST_F(BlockOpenTest, PipesDoNotHangIt) {
  const std::string pipe = path_ + ".pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  config_.set_path(pipe);
  config_.set_ro(true);

  EXPECT_THAT(Error(), HasSubstr("is a pipe"));
  unlink(pipe.c_str());
}

TEST_F(BlockOpenTest, BadValues) {
  config_.set_block_size(513);
  EXPECT_THAT(Error(), HasSubstr("block-size=513 is not a multiple of 512"));
  config_.set_block_size(0);
  EXPECT_THAT(Error(), HasSubstr("block-size=0"));
  config_.clear_block_size();
  config_.set_id("123456789012345678901");
  EXPECT_THAT(Error(), HasSubstr("is longer than 20 bytes"));
}

TEST_F(BlockOpenTest, PartsOfASectorAreNoDisk) {
  ASSERT_EQ(ftruncate(fd_.get(), 1000), 0);

  EXPECT_THAT(Error(), AllOf(HasSubstr(path_), HasSubstr("1000 bytes, is not a multiple of 512")));
}

TEST_F(BlockOpenTest, DescriptorsAreTakenAsTheyAre) {
  const ScopedFd readable(open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  config_.set_path(absl::StrCat("/proc/self/fd/", readable.get()));

  EXPECT_THAT(Error(), HasSubstr("open for reading only: give ro"));
  config_.set_ro(true);
  EXPECT_TRUE((*Open())->disk().read_only);
  const ScopedFd writable(open(path_.c_str(), O_WRONLY | O_CLOEXEC));
  config_.set_path(absl::StrCat("/proc/self/fd/", writable.get()));
  EXPECT_THAT(Error(), HasSubstr("open for writing only"));
}

// KE-70: two writers on one image.
TEST_F(BlockOpenTest, DisksAreLocked) {
  {
    const std::unique_ptr<Block> block = *Open();
    EXPECT_THAT(Error(), HasSubstr("another process uses this disk"));
    config_.set_ro(true);
    EXPECT_THAT(Error(), HasSubstr("another process uses this disk"));
    config_.set_lock(false);
    EXPECT_EQ(Error(), "");
  }
  config_.set_lock(true);
  const std::unique_ptr<Block> reader = *Open();
  EXPECT_EQ(Error(), "");
  config_.set_ro(false);
  EXPECT_THAT(Error(), HasSubstr("another process uses this disk"));
}

// As after the death of a process that used io_uring.
TEST_F(BlockOpenTest, ALockThatGoesSoonIsWaitedFor) {
  ScopedFd other(open(path_.c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(flock(other.get(), LOCK_EX), 0);
  std::thread holder([&other] {
    absl::SleepFor(absl::Milliseconds(100));
    other.Reset();
  });

  EXPECT_EQ(Error(), "");

  holder.join();
}

// KE-62: what a guest writes to the start of its disk does not change how it is opened.
TEST_F(BlockOpenTest, ContentDecidesNothing) {
  ASSERT_EQ(pwrite(fd_.get(), "QFI\xfb\0\0\0\3", 8, 0), 8);

  EXPECT_EQ((*Open())->disk().sectors, kSize / 512);
}

struct Combination {
  AsyncExecutor executor;
  bool direct;
};

// The whole way, on a loop of its own thread.
class BlockHostTest : public BlockOpenTest, public testing::WithParamInterface<Combination> {
 protected:
  // What comes back, and nothing of it is still being written as far as ThreadSanitizer can tell.
  static DriverQueue::Used Await(GuestDriver& guest, LoopThread& thread) {
    // Ten seconds.
    for (int i = 0; i < 100000; ++i) {
      if (std::optional<DriverQueue::Used> used = guest.queue(0).PollUsed(); used.has_value()) {
        std::binary_semaphore after(0);
        thread.loop().Post([&after] { after.release(); });
        after.acquire();
        return *std::move(used);
      }
      poll(nullptr, 0, i < 1000 ? 0 : 1);
    }
    return {};
  }
};

TEST_P(BlockHostTest, ReadsAndWrites) {
  const std::unique_ptr<LoopThread> thread = *LoopThread::Start("block");
  config_.set_direct(GetParam().direct);
  absl::StatusOr<std::unique_ptr<Block>> block =
      OpenBlock(config_, GetParam().executor, thread->loop(), {});
  if (!block.ok() && GetParam().direct) GTEST_SKIP() << block.status();
  ASSERT_TRUE(block.ok()) << block.status();
  GuestDriver guest(**block, {.features = kBlockFlush | kBlockDiscard});
  guest.Start();
  const std::vector<uint8_t> data(128 * 1024, 6);

  guest.queue(0)
      .Chain()
      .Readable(HeaderBytes(BlockRequestType::kOut, 8))
      .Readable(data)
      .Writable(1)
      .Send();
  guest.Kick(0);
  EXPECT_THAT(Await(guest, *thread).data, testing::ElementsAre(0));
  guest.queue(0).Chain().Readable(HeaderBytes(BlockRequestType::kFlush)).Writable(1).Send();
  guest.Kick(0);
  EXPECT_THAT(Await(guest, *thread).data, testing::ElementsAre(0));
  guest.queue(0)
      .Chain()
      .Readable(HeaderBytes(BlockRequestType::kDiscard))
      .Readable(RangeBytes({{.sector = 8, .sectors = 8}}))
      .Writable(1)
      .Send();
  guest.Kick(0);
  EXPECT_THAT(Await(guest, *thread).data, testing::ElementsAre(0));
  guest.queue(0)
      .Chain()
      .Readable(HeaderBytes(BlockRequestType::kIn, 0))
      .Writable(16384)
      .Writable(1)
      .Send();
  guest.Kick(0);
  std::vector<uint8_t> read = Await(guest, *thread).data;

  ASSERT_EQ(read.size(), 16385u);
  EXPECT_EQ(read.back(), 0);
  EXPECT_TRUE(std::all_of(read.begin(), read.begin() + 8192, [](uint8_t b) { return b == 0; }));
  EXPECT_TRUE(
      std::all_of(read.begin() + 8192, read.begin() + 16384, [](uint8_t b) { return b == 6; }));
}

// What StopQueue's thread and the loop's do at the same time: for ThreadSanitizer.
TEST_P(BlockHostTest, StopsInFullFlight) {
  const std::unique_ptr<LoopThread> thread = *LoopThread::Start("block");
  config_.set_direct(GetParam().direct);
  absl::StatusOr<std::unique_ptr<Block>> block =
      OpenBlock(config_, GetParam().executor, thread->loop(), {});
  if (!block.ok() && GetParam().direct) GTEST_SKIP() << block.status();
  ASSERT_TRUE(block.ok()) << block.status();
  GuestDriver guest(**block, {.features = kBlockFlush});
  guest.Start();

  uint64_t sent = 0;
  uint64_t used = 0;
  for (int round = 0; round < 50; ++round) {
    // What a stop came before is still in the ring.
    for (int i = 0; i < 40 && guest.queue(0).room() >= 2; ++i, ++sent) {
      guest.queue(0)
          .Chain()
          .Readable(HeaderBytes(i % 2 == 0 ? BlockRequestType::kIn : BlockRequestType::kFlush))
          .Writable(i % 2 == 0 ? 4097 : 1)
          .Send();
    }
    guest.kick(0).Signal();
    const QueuePosition position = *(*block)->StopQueue(0);
    while (guest.queue(0).PollUsed().has_value()) ++used;
    guest.StartQueue(0, position);
  }
  while (used < sent) {
    ASSERT_FALSE(Await(guest, *thread).data.empty());
    ++used;
  }

  (*block)->Reset();
  EXPECT_EQ((*block)->stats().requests, sent);
  EXPECT_EQ((*block)->stats().failed, 0u);
}

INSTANTIATE_TEST_SUITE_P(Executors, BlockHostTest,
                         testing::Values(Combination{EPOLL, false}, Combination{EPOLL, true},
                                         Combination{URING, false}, Combination{URING, true}));

}  // namespace
}  // namespace touchstone
