// A disk and its operator at the two ends of a link, on one loop.

#include "devices/virtio/block/block_link.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/event/manual_loop.h"
#include "base/fd_socket.h"
#include "base/scoped_fd.h"
#include "devices/virtio/block/block_handle.h"
#include "devices/virtio/block/block_testing.h"
#include "devices/virtio/testing/guest_driver.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kSectors = 64;
constexpr uint64_t kMost = 4 * kSectors;
constexpr uint8_t kOk = static_cast<uint8_t>(BlockStatus::kOk);
constexpr uint8_t kIoError = static_cast<uint8_t>(BlockStatus::kIoError);

class BlockLinkTest : public testing::Test {
 protected:
  void SetUp() override { Make({}); }

  void Make(BlockHandle::Disk disk) {
    auto pair = FdSocket::CreatePair(FdSocket::Kind::kSeqPacket).value();
    disk.file.Reset(memfd_create("disk", MFD_CLOEXEC));
    file_ = disk.file.get();
    ASSERT_EQ(ftruncate(file_, kSectors * kBlockSector), 0);
    server_ = BlockServer::Create(std::move(pair.second), loop_, block_).value();
    handle_ = BlockHandle::Create(std::move(disk), std::move(pair.first), loop_).value();
  }
  // The errors that calls of Resize ended with.
  void Resize(uint64_t sectors) { ResizeTo(sectors * kBlockSector); }
  void ResizeTo(uint64_t bytes) {
    handle_->Resize(bytes, [this](int error, std::string why) {
      errors_.push_back(error);
      why_ = std::move(why);
    });
    loop_.RunReady();
  }
  [[nodiscard]] uint64_t FileSectors() const {
    struct stat status = {};
    EXPECT_EQ(fstat(file_, &status), 0);
    return static_cast<uint64_t>(status.st_size) / kBlockSector;
  }
  [[nodiscard]] uint64_t ShownSectors() {
    BlockConfigSpace config;
    block_.ReadConfig(0, absl::MakeSpan(reinterpret_cast<uint8_t*>(&config), sizeof(config)));
    return config.capacity;
  }
  void Send(uint64_t sector, uint16_t queue = 0) {
    guest_.queue(queue)
        .Chain()
        .Readable(HeaderBytes(BlockRequestType::kOut, sector))
        .Readable(std::vector<uint8_t>(512, 0xA5))
        .Writable(1)
        .Send();
    guest_.Kick(queue);
    loop_.RunReady();
  }
  std::optional<uint8_t> Answer(uint16_t queue = 0) {
    const std::optional<DriverQueue::Used> used = guest_.queue(queue).PollUsed();
    return used.has_value() ? std::optional<uint8_t>(used->data.back()) : std::nullopt;
  }

  ManualLoop loop_;
  FakeDisk fake_{kMost * kBlockSector};
  Block block_{loop_, {.sectors = kSectors, .queues = 2}, fake_.Maker()};
  GuestDriver guest_{block_, {}};
  int file_ = -1;
  std::unique_ptr<BlockServer> server_;
  std::unique_ptr<BlockHandle> handle_;
  std::vector<int> errors_;
  std::string why_;
};

TEST_F(BlockLinkTest, ALargerDiskIsThereForTheDriver) {
  guest_.Start();
  loop_.RunReady();
  Send(kSectors);
  EXPECT_EQ(Answer(), kIoError);

  Resize(2 * kSectors);

  EXPECT_THAT(errors_, ElementsAre(0));
  EXPECT_EQ(FileSectors(), 2 * kSectors);
  EXPECT_EQ(ShownSectors(), 2 * kSectors);
  EXPECT_EQ(guest_.interrupt().config_signals(), 1);
  Send(2 * kSectors - 1);
  EXPECT_EQ(Answer(), kOk);
  Send(2 * kSectors);
  EXPECT_EQ(Answer(), kIoError);
}

TEST_F(BlockLinkTest, WithoutADriverTheSizeChangesAllTheSame) {
  Resize(3 * kSectors);
  Resize(kSectors / 2);

  EXPECT_THAT(errors_, ElementsAre(0, 0));
  EXPECT_EQ(ShownSectors(), kSectors / 2);
  EXPECT_EQ(FileSectors(), kSectors / 2);
}

// What was promised to be written finds its place; the file ends only then.
TEST_F(BlockLinkTest, ASmallerDiskEndsWhatItIsAtFirst) {
  guest_.Start();
  loop_.RunReady();
  fake_.hold = true;
  Send(kSectors - 1, 1);
  EXPECT_EQ(Answer(1), std::nullopt);

  Resize(kSectors / 2);
  loop_.Advance(absl::Milliseconds(5));

  EXPECT_THAT(errors_, ElementsAre(0));
  EXPECT_EQ(Answer(1), kOk);
  EXPECT_EQ(FileSectors(), kSectors / 2);
  EXPECT_EQ(ShownSectors(), kSectors / 2);
  fake_.hold = false;
  Send(kSectors / 2);
  EXPECT_EQ(Answer(), kIoError);
}

TEST_F(BlockLinkTest, AQueueThatStopsMeanwhileEndsWhatItIsAtToo) {
  guest_.Start();
  loop_.RunReady();
  fake_.hold = true;
  Send(kSectors - 1);
  bool done = false;
  block_.Resize(kSectors / 2, [&done] { done = true; });

  ASSERT_TRUE(block_.StopQueue(0).ok());
  ASSERT_TRUE(block_.StopQueue(1).ok());
  EXPECT_FALSE(done);
  loop_.Advance(absl::Milliseconds(5));

  EXPECT_TRUE(done);
  EXPECT_EQ(Answer(), kOk);
}

TEST_F(BlockLinkTest, ADiskThatIsOnlyReadKeepsItsSize) {
  Make({.read_only = true});

  Resize(2 * kSectors);

  EXPECT_THAT(errors_, ElementsAre(EROFS));
  EXPECT_EQ(FileSectors(), kSectors);
}

TEST_F(BlockLinkTest, ADiskThatIsNotSparseTakesItsRoom) {
  Make({.sparse = false});

  Resize(2 * kSectors);

  struct stat status = {};
  ASSERT_EQ(fstat(file_, &status), 0);
  EXPECT_THAT(errors_, ElementsAre(0));
  EXPECT_GE(static_cast<uint64_t>(status.st_blocks), kSectors);
}

TEST_F(BlockLinkTest, SizesThatNoFileHasAreErrors) {
  ResizeTo(kSectors * kBlockSector + 1);
  EXPECT_THAT(why_, HasSubstr("not a multiple of 512"));
  ResizeTo(~uint64_t{0} / kBlockSector * kBlockSector);
  EXPECT_THAT(why_, HasSubstr("File too large"));

  EXPECT_THAT(errors_, ElementsAre(EIO, EIO));
  EXPECT_EQ(FileSectors(), kSectors);
  EXPECT_EQ(guest_.interrupt().config_signals(), 0);
}

TEST_F(BlockLinkTest, ABlockDeviceOfTheHostHasItsOwnSize) {
  auto pair = FdSocket::CreatePair(FdSocket::Kind::kSeqPacket).value();
  auto file = FdSocket::CreatePair(FdSocket::Kind::kStream).value();  // No regular file.
  handle_ =
      BlockHandle::Create({.file = std::move(file.first).Release()}, std::move(pair.first), loop_)
          .value();

  Resize(2 * kSectors);

  EXPECT_THAT(errors_, ElementsAre(EIO));
  EXPECT_THAT(why_, HasSubstr("the size that the host gives it"));
}

TEST_F(BlockLinkTest, ADeviceThatDoesNotAnswerKeepsItsSize) {
  auto pair = FdSocket::CreatePair(FdSocket::Kind::kSeqPacket).value();
  const int file = memfd_create("disk", MFD_CLOEXEC);
  ASSERT_EQ(ftruncate(file, kSectors * kBlockSector), 0);
  handle_ = BlockHandle::Create({.file = ScopedFd(file)}, std::move(pair.first), loop_).value();
  file_ = file;

  Resize(2 * kSectors);
  EXPECT_THAT(errors_, IsEmpty());
  Resize(3 * kSectors);
  EXPECT_THAT(why_, HasSubstr("is being changed"));
  loop_.Advance(BlockHandle::kPatience);

  EXPECT_THAT(errors_, ElementsAre(EIO, EIO));
  EXPECT_EQ(FileSectors(), kSectors);
  // The next process of the device does not begin with what is no more.
  server_ = BlockServer::Create(std::move(pair.second), loop_, block_).value();
  loop_.RunReady();
  EXPECT_EQ(ShownSectors(), kSectors);
  EXPECT_EQ(errors_.size(), 2u);
}

TEST_F(BlockLinkTest, ALostDeviceIsAnError) {
  server_.reset();

  Resize(2 * kSectors);

  EXPECT_THAT(errors_, ElementsAre(EIO));
  EXPECT_EQ(FileSectors(), kSectors);
}

TEST_F(BlockLinkTest, NonsenseFromTheDeviceIsIgnored) {
  auto pair = FdSocket::CreatePair(FdSocket::Kind::kSeqPacket).value();
  handle_ =
      BlockHandle::Create({.file = ScopedFd(dup(file_))}, std::move(pair.first), loop_).value();
  BlockLinkMessage message;
  message.id = uint64_t{7};
  EXPECT_TRUE(SendBlockLink(pair.second, message));
  loop_.RunReady();
  const uint8_t byte = 1;
  EXPECT_TRUE(pair.second.Send({&byte, 1}).ok());
  loop_.RunReady();

  EXPECT_THAT(errors_, IsEmpty());
}

}  // namespace
}  // namespace touchstone
