// A balloon and its operator at the two ends of a link, on one loop.

#include "devices/virtio/balloon/balloon_link.h"

#include <sys/socket.h>

#include <memory>
#include <optional>
#include <vector>

#include "absl/types/optional.h"
#include "base/event/manual_loop.h"
#include "base/fd_socket.h"
#include "devices/virtio/balloon/balloon_testing.h"
#include "devices/virtio/testing/guest_driver.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

constexpr uint64_t kMib = uint64_t{1} << 20;

class BalloonLinkTest : public testing::Test {
 protected:
  void SetUp() override {
    auto pair = FdSocket::CreatePair(FdSocket::Kind::kSeqPacket).value();
    raw_ = pair.second.fd();
    remote_ = std::make_unique<RemoteBalloon>(std::move(pair.first), loop_, kFakeMemorySize, 0);
    server_ = BalloonServer::Create(std::move(pair.second), loop_, balloon_).value();
  }
  void TearDown() override {
    guest_.reset();
    balloon_.Reset();
  }

  void Start() {
    guest_.emplace(balloon_, GuestDriver::Options{.features = ~uint64_t{0}});
    guest_->Start();
    loop_.RunReady();
  }
  void SetActual(uint64_t bytes) {
    const Le32 pages = static_cast<uint32_t>(bytes / 4096);
    balloon_.WriteConfig(4, {reinterpret_cast<const uint8_t*>(&pages), sizeof(pages)});
    loop_.RunReady();
  }

  ManualLoop loop_;
  BalloonUnderTest test_{loop_};
  Balloon& balloon_ = test_.balloon();
  int raw_ = -1;  // The balloon's end.
  std::unique_ptr<RemoteBalloon> remote_;
  std::unique_ptr<BalloonServer> server_;
  std::optional<GuestDriver> guest_;
  // What the statistics were, once they came.
  std::vector<absl::optional<BalloonStatistics>> answers_;
  BalloonHandle::StatisticsCallback Note() {
    return [this](const absl::optional<BalloonStatistics>& answer) { answers_.push_back(answer); };
  }
};

TEST_F(BalloonLinkTest, TheTargetGoesOver) {
  remote_->SetTarget(kMib + 5);
  EXPECT_EQ(remote_->target(), kMib);
  loop_.RunReady();
  EXPECT_EQ(balloon_.target(), kMib);
  remote_->SetTarget(2 * kFakeMemorySize);
  EXPECT_EQ(remote_->target(), kFakeMemorySize);
}

TEST_F(BalloonLinkTest, TheStateComesBack) {
  int changes = 0;
  remote_->OnChange([&changes] { ++changes; });
  EXPECT_FALSE(remote_->active());
  Start();
  SetActual(3 * kMib);

  EXPECT_TRUE(remote_->active());
  EXPECT_EQ(remote_->actual(), 3 * kMib);
  EXPECT_EQ(changes, 2);
}

TEST_F(BalloonLinkTest, StatisticsComeFromTheDriver) {
  Start();
  guest_->queue(2).Chain().Readable({4, 0, 9, 0, 0, 0, 0, 0, 0, 0}).Send();
  guest_->Kick(2);
  loop_.RunReady();
  remote_->RequestStatistics(Note());
  loop_.RunReady();
  EXPECT_TRUE(answers_.empty());
  guest_->queue(2).PollUsed();
  guest_->queue(2).Chain().Readable({4, 0, 10, 0, 0, 0, 0, 0, 0, 0}).Send();
  guest_->Kick(2);
  loop_.RunReady();

  ASSERT_EQ(answers_.size(), 1u);
  ASSERT_TRUE(answers_[0].has_value());
  EXPECT_EQ(answers_[0]->Get(BalloonTag::kFreeMemory), 10u);
  EXPECT_FALSE(answers_[0]->Get(BalloonTag::kSwapIn).has_value());
}

TEST_F(BalloonLinkTest, WithoutADriverThereAreNone) {
  remote_->RequestStatistics(Note());
  loop_.RunReady();
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_FALSE(answers_[0].has_value());
}

TEST_F(BalloonLinkTest, ABalloonThatSaysNothingHasNone) {
  server_.reset();
  auto pair = FdSocket::CreatePair(FdSocket::Kind::kSeqPacket).value();
  RemoteBalloon remote(std::move(pair.first), loop_, kFakeMemorySize, 0);
  for (size_t i = 0; i < Balloon::kMaxRequests + 1; ++i) remote.RequestStatistics(Note());
  EXPECT_EQ(answers_.size(), 1u);
  loop_.Advance(absl::Seconds(4));
  EXPECT_EQ(answers_.size(), Balloon::kMaxRequests + 1);
}

TEST_F(BalloonLinkTest, ABalloonThatHasGoneHasNone) {
  Start();
  remote_->RequestStatistics(Note());
  server_.reset();
  loop_.RunReady();
  remote_->RequestStatistics(Note());
  remote_->SetTarget(kMib);
  EXPECT_EQ(answers_.size(), 2u);
}

TEST_F(BalloonLinkTest, NonsenseEndsTheLink) {
  ASSERT_EQ(send(raw_, "nonsense", 8, 0), 8);
  loop_.RunReady();
  remote_->RequestStatistics(Note());
  EXPECT_EQ(answers_.size(), 1u);
}

}  // namespace
}  // namespace touchstone
