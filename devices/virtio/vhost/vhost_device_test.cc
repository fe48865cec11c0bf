#include "devices/virtio/vhost/vhost_device.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/event/manual_loop.h"
#include "base/event_fd.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/testing/guest_driver.h"
#include "devices/virtio/vhost/fake_vhost_control.h"
#include "devices/virtio/vhost/vhost_abi.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint64_t kMergeable = uint64_t{1} << 15;
constexpr uint64_t kMac = uint64_t{1} << 5;
constexpr uint64_t kHeader = uint64_t{1} << 27;

// Three queues, of which the kernel works on two.
class TestDevice final : public VhostDevice {
 public:
  TestDevice(std::unique_ptr<VhostControl> control, uint64_t available, EventLoop& loop)
      : VhostDevice({.device_id = 1,
                     .queue_sizes = {16, 32, 8},
                     .kernel_queues = 2,
                     .kernel_features = kMergeable,
                     .own_features = kMac,
                     .forced_features = kHeader},
                    available, std::move(control), loop) {}

  std::vector<int> connected;
  std::vector<int> disconnected;
  absl::Status connect_status;

 private:
  absl::Status Connect(uint16_t queue) override {
    connected.push_back(queue);
    return connect_status;
  }
  void Disconnect(uint16_t queue) override { disconnected.push_back(queue); }
};

class VhostDeviceTest : public testing::Test {
 protected:
  explicit VhostDeviceTest(uint64_t features = kVirtioVersion1 | kVirtioEventIndex | kMergeable) {
    auto control = std::make_unique<FakeVhostControl>();
    kernel_ = control.get();
    kernel_->available_features = features;
    device_ = std::make_unique<TestDevice>(std::move(control), features, loop_);
    guest_ = std::make_unique<GuestDriver>(
        *device_, GuestDriver::Options{.features = kVirtioEventIndex | kMergeable | kMac});
  }

  ManualLoop loop_;
  FakeVhostControl* kernel_;
  std::unique_ptr<TestDevice> device_;
  std::unique_ptr<GuestDriver> guest_;
};

TEST(VhostClaimTest, OwnsTheDeviceAndAsksForItsFeatures) {
  FakeVhostControl kernel;
  kernel.available_features = kVirtioVersion1 | kMergeable;

  const absl::StatusOr<uint64_t> features = VhostDevice::Claim(kernel);

  EXPECT_EQ(*features, kVirtioVersion1 | kMergeable);
  EXPECT_TRUE(kernel.owned);
}

TEST(VhostClaimTest, KernelWithoutVirtio1IsRefused) {
  FakeVhostControl kernel;
  kernel.available_features = kMergeable;

  EXPECT_EQ(VhostDevice::Claim(kernel).status().code(), absl::StatusCode::kUnimplemented);
}

TEST(VhostClaimTest, FailureNamesTheRequest) {
  FakeVhostControl kernel;
  kernel.failures[VHOST_SET_OWNER] = "Device or resource busy";

  EXPECT_THAT(std::string(VhostDevice::Claim(kernel).status().message()),
              HasSubstr("VHOST_SET_OWNER: Device or resource busy"));
}

TEST_F(VhostDeviceTest, OffersWhatTheKernelHasAndItsOwn) {
  EXPECT_EQ(device_->features(), kVirtioVersion1 | kVirtioEventIndex | kMergeable | kMac);
}

class OldKernelTest : public VhostDeviceTest {
 protected:
  OldKernelTest() : VhostDeviceTest(kVirtioVersion1) {}
};

TEST_F(OldKernelTest, OffersNothingThatTheKernelLacks) {
  EXPECT_EQ(device_->features(), kVirtioVersion1 | kMac);
}

TEST_F(VhostDeviceTest, AttachTellsFeaturesAndMemory) {
  guest_->Start();

  EXPECT_EQ(kernel_->features, kVirtioVersion1 | kVirtioEventIndex | kMergeable | kHeader);
  ASSERT_EQ(kernel_->memory.size(), 1u);
  const GuestMemory::Region& region = guest_->memory().regions()[0];
  EXPECT_EQ(kernel_->memory[0].guest_phys_addr, Raw(region.start));
  EXPECT_EQ(kernel_->memory[0].memory_size, region.size);
  EXPECT_EQ(kernel_->memory[0].userspace_addr, reinterpret_cast<uint64_t>(region.host));
}

TEST_F(VhostDeviceTest, FeaturesThatWereNotOfferedAreRefused) {
  RecordingInterrupt interrupt;

  EXPECT_EQ(device_->Attach({.features = 1, .memory = {}, .interrupt = &interrupt}).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(VhostDeviceTest, StartTellsTheRing) {
  guest_->Start();

  const QueueLayout layout = guest_->queue(1).layout();
  const auto host = [this](GuestAddress address) {
    return reinterpret_cast<uint64_t>(guest_->memory().Slices(address, 1).value()[0].iov_base);
  };
  const FakeVhostControl::Ring& ring = kernel_->ring(1);
  EXPECT_EQ(ring.size, 32u);
  EXPECT_EQ(ring.base, 0u);
  EXPECT_EQ(ring.address.desc_user_addr, host(layout.descriptors));
  EXPECT_EQ(ring.address.avail_user_addr, host(layout.driver));
  EXPECT_EQ(ring.address.used_user_addr, host(layout.device));
  EXPECT_EQ(ring.address.flags, 0u);
  EXPECT_THAT(device_->connected, ElementsAre(0, 1));
}

TEST_F(VhostDeviceTest, QueuesOfNobodyAreKeptFromTheKernel) {
  guest_->Start();

  EXPECT_EQ(kernel_->rings.count(2), 0u);
  EXPECT_EQ(*device_->StopQueue(2), QueuePosition());
}

TEST_F(VhostDeviceTest, KernelHearsOfChainsThatWereThereBefore) {
  guest_->Prepare();
  guest_->queue(0).Chain().Readable({1}).Send();

  guest_->Start();

  EXPECT_EQ(kernel_->ring(0).kick.Drain(), 1u);
}

TEST_F(VhostDeviceTest, CallsBecomeInterrupts) {
  guest_->Start();

  kernel_->ring(1).call.Signal();
  loop_.RunReady();

  EXPECT_EQ(guest_->interrupt().queue_signals(0), 0);
  EXPECT_EQ(guest_->interrupt().queue_signals(1), 1);
}

TEST_F(VhostDeviceTest, KernelInterruptsByItselfWhileTheTransportLetsIt) {
  const EventFd trigger = EventFd::Create().value();
  guest_->interrupt().SetTrigger(1, &trigger);
  guest_->Start();

  kernel_->ring(1).call.Signal();
  loop_.RunReady();
  EXPECT_EQ(trigger.Drain(), 1u);
  EXPECT_EQ(guest_->interrupt().queue_signals(1), 0);

  guest_->interrupt().SetTrigger(1, nullptr);
  kernel_->ring(1).call.Signal();
  loop_.RunReady();
  EXPECT_EQ(trigger.Drain(), 0u);
  EXPECT_EQ(guest_->interrupt().queue_signals(1), 1);
}

TEST_F(VhostDeviceTest, StoppedQueueTakesNoTrigger) {
  const EventFd trigger = EventFd::Create().value();
  guest_->Start();
  ASSERT_TRUE(device_->StopQueue(0).ok());

  guest_->interrupt().SetTrigger(0, &trigger);

  EXPECT_EQ(kernel_->ring(0).call.fd(), -1);
}

TEST_F(VhostDeviceTest, ErrorsBreakTheQueue) {
  guest_->Start();

  kernel_->ring(0).error.Signal();
  loop_.RunReady();

  EXPECT_EQ(guest_->interrupt().broken(0), 1);
}

TEST_F(VhostDeviceTest, StopSaysWhereTheKernelIsAndLosesNoInterrupt) {
  guest_->Start();
  kernel_->ring(0).base = 0xFFFE;
  kernel_->ring(0).call.Signal();

  const absl::StatusOr<QueuePosition> position = device_->StopQueue(0);

  EXPECT_EQ(*position, (QueuePosition{.available = 0xFFFE, .used = 0xFFFE}));
  EXPECT_THAT(device_->disconnected, ElementsAre(0));
  EXPECT_EQ(kernel_->ring(0).kick.fd(), -1);
  EXPECT_EQ(kernel_->ring(0).call.fd(), -1);
  EXPECT_EQ(guest_->interrupt().queue_signals(0), 1);
}

TEST_F(VhostDeviceTest, StartGoesOnWhereStopLeftOff) {
  guest_->Start();
  kernel_->ring(0).base = 7;
  const QueuePosition position = device_->StopQueue(0).value();
  kernel_->ring(0).base = 0;

  guest_->StartQueue(0, position);

  EXPECT_EQ(kernel_->ring(0).base, 7u);
}

TEST_F(VhostDeviceTest, StoppingWhatDoesNotRunIsAnError) {
  guest_->Start();
  ASSERT_TRUE(device_->StopQueue(0).ok());

  EXPECT_EQ(device_->StopQueue(0).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(device_->StopQueue(9).status().code(), absl::StatusCode::kFailedPrecondition);
}

// What a guest can make the kernel refuse, such as a ring that it does not like.
TEST_F(VhostDeviceTest, RefusedRingIsAnErrorAndLeavesNothing) {
  RecordingInterrupt interrupt;
  guest_->Prepare();
  ASSERT_TRUE(
      device_
          ->Attach(
              {.features = kVirtioVersion1, .memory = guest_->memory(), .interrupt = &interrupt})
          .ok());
  kernel_->failures[VHOST_SET_VRING_ADDR] = "Bad address";
  VirtQueue queue =
      VirtQueue::Create(guest_->memory(), {.layout = guest_->queue(0).layout(),
                                           .features = kVirtioVersion1,
                                           .kick = std::make_shared<EventFd>(*EventFd::Create())})
          .value();

  const absl::Status status = device_->StartQueue(0, std::move(queue));

  EXPECT_THAT(std::string(status.message()), HasSubstr("VHOST_SET_VRING_ADDR: Bad address"));
  EXPECT_EQ(device_->StopQueue(0).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(VhostDeviceTest, FailedConnectionIsUndone) {
  RecordingInterrupt interrupt;
  guest_->Prepare();
  ASSERT_TRUE(
      device_
          ->Attach(
              {.features = kVirtioVersion1, .memory = guest_->memory(), .interrupt = &interrupt})
          .ok());
  device_->connect_status = absl::UnavailableError("no such tap");
  VirtQueue queue =
      VirtQueue::Create(guest_->memory(), {.layout = guest_->queue(0).layout(),
                                           .features = kVirtioVersion1,
                                           .kick = std::make_shared<EventFd>(*EventFd::Create())})
          .value();

  EXPECT_EQ(device_->StartQueue(0, std::move(queue)), absl::UnavailableError("no such tap"));
  EXPECT_THAT(device_->disconnected, ElementsAre(0));
}

TEST_F(VhostDeviceTest, ResetStopsAllAndTheNextDriverStartsAfresh) {
  guest_->Start();
  device_->Reset();
  guest_->Start();

  EXPECT_THAT(device_->disconnected, ElementsAre(0, 1));
  EXPECT_THAT(device_->connected, ElementsAre(0, 1, 0, 1));
  kernel_->ring(0).call.Signal();
  loop_.RunReady();
  EXPECT_EQ(guest_->interrupt().queue_signals(0), 1);
}

TEST_F(VhostDeviceTest, WhatTheKernelKnowsIsNeitherSavedNorRestored) {
  EXPECT_EQ(device_->Save().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(device_->Restore("").code(), absl::StatusCode::kInvalidArgument);
}

TEST(OpenVhostControlTest, MissingNodeNamesPathAndModule) {
  const absl::Status status = OpenVhostControl("/dev/vhost-nothing").status();

  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/dev/vhost-nothing"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("module vhost_nothing"));
}

TEST(OpenVhostControlTest, CallsOfWhatIsNoVhostDeviceFailByName) {
  const std::unique_ptr<VhostControl> control = OpenVhostControl("/dev/null").value();

  EXPECT_THAT(std::string(VhostDevice::Claim(*control).status().message()),
              HasSubstr("VHOST_SET_OWNER: "));
}

}  // namespace
}  // namespace touchstone
