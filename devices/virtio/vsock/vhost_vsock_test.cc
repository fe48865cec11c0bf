#include "devices/virtio/vsock/vhost_vsock.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/event/manual_loop.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/testing/guest_driver.h"
#include "devices/virtio/vhost/fake_vhost_control.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class VhostVsockTest : public testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<VhostVsock>> Create() {
    return VhostVsock::Create(std::move(control_), 3, {256, 128, 64}, loop_);
  }

  ManualLoop loop_;
  std::unique_ptr<FakeVhostControl> control_ = std::make_unique<FakeVhostControl>();
  FakeVhostControl& kernel_ = *control_;
};

TEST_F(VhostVsockTest, IsWhatTheDriverExpects) {
  kernel_.available_features |= 1 << 1;
  const auto device = Create().value();
  uint8_t config[8] = {};

  device->ReadConfig(0, absl::MakeSpan(config));

  EXPECT_EQ(device->device_id(), 19u);
  EXPECT_THAT(device->max_queue_sizes(), ElementsAre(256, 128, 64));
  EXPECT_EQ(device->features(), kVirtioVersion1 | kVirtioEventIndex | 1 << 1);
  EXPECT_THAT(config, ElementsAre(3, 0, 0, 0, 0, 0, 0, 0));
  EXPECT_EQ(kernel_.guest_cid, 3u);
}

TEST_F(VhostVsockTest, AddressInUseIsAnError) {
  kernel_.failures[VHOST_VSOCK_SET_GUEST_CID] = "Address already in use";

  EXPECT_THAT(std::string(Create().status().message()),
              HasSubstr("VHOST_VSOCK_SET_GUEST_CID: Address already in use"));
}

TEST_F(VhostVsockTest, KernelBeginsWithBothQueues) {
  const auto device = Create().value();
  GuestDriver guest(*device, {});

  guest.Start();

  EXPECT_EQ(kernel_.vsock_running, 1);
  EXPECT_EQ(kernel_.ring(0).size, 256u);
  EXPECT_EQ(kernel_.ring(1).size, 128u);
  EXPECT_THAT(kernel_.rings, Not(Contains(testing::Key(2))));
}

TEST_F(VhostVsockTest, KernelEndsWithAnyQueue) {
  const auto device = Create().value();
  GuestDriver guest(*device, {});
  guest.Start();

  ASSERT_TRUE(device->StopQueue(0).ok());

  EXPECT_EQ(kernel_.vsock_running, 0);
}

TEST_F(VhostVsockTest, TheDriverHearsThatItsConnectionsAreGone) {
  const auto before = Create().value();
  GuestDriver(*before, {}).Start();
  const std::string state = before->Save().value();
  const auto device =
      VhostVsock::Create(std::make_unique<FakeVhostControl>(), 3, {256, 128, 64}, loop_).value();
  GuestDriver guest(*device, {});

  ASSERT_TRUE(device->Restore(state).ok());
  guest.Start();
  guest.queue(2).Chain().Writable(4).Send();
  guest.RestartQueue(2);

  const std::optional<DriverQueue::Used> event = guest.queue(2).PollUsed();
  ASSERT_TRUE(event.has_value());
  EXPECT_THAT(event->data, ElementsAre(0, 0, 0, 0));
  EXPECT_EQ(guest.interrupt().queue_signals(2), 1);
}

TEST_F(VhostVsockTest, ADriverThatNeverStartedHearsOfNothing) {
  const std::string state = Create().value()->Save().value();
  const auto device =
      VhostVsock::Create(std::make_unique<FakeVhostControl>(), 3, {256, 128, 64}, loop_).value();
  GuestDriver guest(*device, {});

  ASSERT_TRUE(device->Restore(state).ok());
  guest.Start();
  guest.queue(2).Chain().Writable(4).Send();
  guest.RestartQueue(2);

  EXPECT_FALSE(guest.queue(2).PollUsed().has_value());
  EXPECT_EQ(device->Restore("garbage").code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(VhostVsockTest, KernelBeginsAgainAfterAReset) {
  const auto device = Create().value();
  GuestDriver guest(*device, {});
  guest.Start();

  device->Reset();
  EXPECT_EQ(kernel_.vsock_running, 0);
  guest.Start();

  EXPECT_EQ(kernel_.vsock_running, 1);
}

}  // namespace
}  // namespace touchstone
