#include "devices/virtio/rng/rng.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/event/manual_loop.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/testing/guest_driver.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::Each;
using testing::ElementsAre;

// Counts up from 1, or fails.
struct FakeSource {
  absl::Status operator()(absl::Span<uint8_t> bytes) {
    if (fails) return absl::UnavailableError("no entropy today");
    for (uint8_t& byte : bytes) byte = ++next;
    largest = std::max(largest, bytes.size());
    return absl::OkStatus();
  }
  uint8_t next = 0;
  size_t largest = 0;
  bool fails = false;
};

class RngTest : public testing::TestWithParam<uint64_t> {
 protected:
  DriverQueue::Used Serve() {
    guest_.Kick(0);
    loop_.RunReady();
    return guest_.queue(0).PollUsed().value();
  }

  ManualLoop loop_;
  FakeSource source_;
  Rng rng_{loop_, [this](absl::Span<uint8_t> bytes) { return source_(bytes); }};
  GuestDriver guest_{rng_, {.features = GetParam()}};
};

TEST_P(RngTest, FillsTheBuffer) {
  guest_.Start();
  guest_.queue(0).Chain().Writable(5).Send();

  const DriverQueue::Used used = Serve();

  EXPECT_EQ(used.length, 5u);
  EXPECT_THAT(used.data, ElementsAre(1, 2, 3, 4, 5));
}

TEST_P(RngTest, FillsAllBuffersOfAChain) {
  guest_.Start();
  guest_.queue(0).Chain().Writable(2).Writable(3).Send();

  EXPECT_THAT(Serve().data, ElementsAre(1, 2, 3, 4, 5));
}

TEST_P(RngTest, IgnoresWhatIsReadable) {
  guest_.Start();
  guest_.queue(0).Chain().Readable({9, 9}).Writable(1).Send();

  EXPECT_EQ(Serve().length, 1u);
}

TEST_P(RngTest, ChainWithoutRoomComesBackEmpty) {
  guest_.Start();
  guest_.queue(0).Chain().Readable({9}).Send();

  EXPECT_EQ(Serve().length, 0u);
}

TEST_P(RngTest, HugeRequestsGetAPart) {
  guest_.Start();
  guest_.queue(0).Chain().Writable(3 * Rng::kMaxBytes).Send();

  const DriverQueue::Used used = Serve();

  EXPECT_EQ(used.length, Rng::kMaxBytes);
  EXPECT_EQ(source_.largest, 4096u);
  EXPECT_THAT(std::vector<uint8_t>(used.data.begin() + Rng::kMaxBytes, used.data.end()), Each(0));
}

TEST_P(RngTest, FailingSourceGivesNothingAndTheDeviceGoesOn) {
  guest_.Start();
  source_.fails = true;
  guest_.queue(0).Chain().Writable(8).Send();
  EXPECT_EQ(Serve().length, 0u);
  source_.fails = false;
  guest_.queue(0).Chain().Writable(8).Send();

  EXPECT_EQ(Serve().length, 8u);
}

INSTANTIATE_TEST_SUITE_P(Features, RngTest, testing::Values(0, kVirtioEventIndex));

TEST(RngDeviceTest, IsWhatTheDriverExpects) {
  ManualLoop loop;
  Rng rng(loop);

  EXPECT_EQ(rng.device_id(), 4u);
  EXPECT_THAT(rng.max_queue_sizes(), ElementsAre(256));
  EXPECT_EQ(rng.features(), kVirtioVersion1 | kVirtioEventIndex);
}

TEST(RngDeviceTest, HostRandomFillsAll) {
  std::vector<uint8_t> bytes(1000);

  ASSERT_TRUE(Rng::HostRandom(absl::MakeSpan(bytes)).ok());

  // Each value is missing with probability (255/256)^1000; 40 of 256 is far beyond chance.
  std::sort(bytes.begin(), bytes.end());
  bytes.erase(std::unique(bytes.begin(), bytes.end()), bytes.end());
  EXPECT_GT(bytes.size(), 216u);
}

}  // namespace
}  // namespace touchstone
