#include "bench/peers/block_client.h"

#include <memory>
#include <optional>
#include <utility>

#include "base/event/loop_thread.h"
#include "base/fd_socket.h"
#include "bench/peers/block_client_queue.h"
#include "devices/virtio/block/block.h"
#include "devices/virtio/block/block_format.h"
#include "devices/virtio/block/fake_block_io.h"
#include "devices/virtio/vhost_user/backend.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

constexpr uint64_t kDiskSize = 1 << 20;
constexpr uint16_t kQueues = 2;

// A block device behind a socket, on a thread of its own.
class BlockClientTest : public testing::TestWithParam<BlockClient::Wait> {
 protected:
  BlockClientTest()
      : thread_(LoopThread::Start("backend").value()),
        device_(thread_->loop(), {.sectors = kDiskSize / kBlockSector, .queues = kQueues},
                disk_.Maker()) {
    auto sockets = FdSocket::CreatePair(FdSocket::Kind::kStream).value();
    socket_ = std::move(sockets.first).Release();
    backend_.emplace(device_, std::move(sockets.second).Release(), thread_->loop(),
                     [](const absl::Status&) {});
  }
  ~BlockClientTest() override {
    client_.reset();
    thread_->Stop();
  }

  absl::Status Connect(uint16_t queues) {
    absl::StatusOr<std::unique_ptr<BlockClient>> client =
        BlockClient::Create(std::move(socket_), queues);
    if (client.ok()) client_ = *std::move(client);
    return client.status();
  }

  FakeDisk disk_{kDiskSize};
  std::unique_ptr<LoopThread> thread_;
  Block device_;
  ScopedFd socket_;
  std::optional<VhostUserBackend> backend_;
  std::unique_ptr<BlockClient> client_;
};

TEST_P(BlockClientTest, AsManyRequestsComeBackAsWereAskedFor) {
  ASSERT_TRUE(Connect(kQueues).ok());

  const auto result = client_->Run({.depth = 8, .wait = GetParam(), .operations = 1000});

  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GE(result->operations, 1000u);
  EXPECT_LE(result->operations, 1000u + 2 * kQueues * 8);
  EXPECT_EQ(device_.stats().requests, result->operations);
  EXPECT_GT(result->kicks, 0u);
  EXPECT_GT(result->elapsed, absl::ZeroDuration());
}

TEST_P(BlockClientTest, ReadsGetWhatTheDiskHas) {
  disk_.bytes.assign(kDiskSize, 0x5A);
  ASSERT_TRUE(Connect(1).ok());

  const auto result = client_->Run({.depth = 1, .wait = GetParam(), .operations = 3});

  ASSERT_TRUE(result.ok()) << result.status();
  const GuestAddress data =
      GuestAddress{BlockClientQueue::kMemory} + BlockClientQueue::DataOffset(0);
  EXPECT_EQ(*client_->memory().ReadObject<uint64_t>(data), 0x5A5A5A5A5A5A5A5Au);
  EXPECT_EQ(*client_->memory().ReadObject<uint64_t>(data + 4088), 0x5A5A5A5A5A5A5A5Au);
}

TEST_P(BlockClientTest, WritesReachTheDisk) {
  disk_.bytes.assign(kDiskSize, 0x5A);
  ASSERT_TRUE(Connect(1).ok());

  const auto result = client_->Run({.write = true, .wait = GetParam(), .operations = 1});

  ASSERT_TRUE(result.ok()) << result.status();
  // The client's buffers are zeros.
  EXPECT_THAT(disk_.bytes, testing::Contains(0));
}

TEST_P(BlockClientTest, ALoadEndsWithItsTime) {
  ASSERT_TRUE(Connect(1).ok());

  const auto result = client_->Run({.wait = GetParam(), .duration = absl::Milliseconds(20)});

  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GE(result->elapsed, absl::Milliseconds(20));
}

TEST_P(BlockClientTest, FailedRequestsAreAnError) {
  disk_.error = EIO;
  ASSERT_TRUE(Connect(1).ok());

  const auto result = client_->Run({.wait = GetParam(), .operations = 5});

  EXPECT_EQ(result.status().code(), absl::StatusCode::kDataLoss);
}

INSTANTIATE_TEST_SUITE_P(Waits, BlockClientTest,
                         testing::Values(BlockClient::Wait::kEvent, BlockClient::Wait::kPoll));

using BlockClientSetUpTest = BlockClientTest;

TEST_F(BlockClientSetUpTest, MoreQueuesThanThereAreIsAnError) {
  const absl::Status status = Connect(kQueues + 1);

  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace touchstone
