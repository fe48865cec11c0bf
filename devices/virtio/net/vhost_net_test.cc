#include "devices/virtio/net/vhost_net.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/event/manual_loop.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/net/fake_net_backend.h"
#include "devices/virtio/testing/guest_driver.h"
#include "devices/virtio/vhost/fake_vhost_control.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr MacAddress kMac = {0x52, 0x54, 0, 1, 2, 3};
constexpr uint64_t kKernel = kVirtioVersion1 | kVirtioEventIndex | kNetMergeable;

class VhostNetTest : public testing::Test {
 protected:
  VhostNetTest() {
    auto control = std::make_unique<FakeVhostControl>();
    kernel_ = control.get();
    kernel_->available_features = kKernel;
    auto tap = std::make_unique<FakeNetBackend>(1);
    tap_ = tap.get();
    net_ = VhostNet::Create(std::move(control), std::move(tap), {.mac = kMac}, loop_).value();
    guest_ = std::make_unique<GuestDriver>(
        *net_, GuestDriver::Options{.features = kNetMergeable | kNetGuestTso4 | kNetGuestChecksum |
                                                kNetMac});
  }

  ManualLoop loop_;
  FakeVhostControl* kernel_;
  FakeNetBackend* tap_;
  std::unique_ptr<VhostNet> net_;
  std::unique_ptr<GuestDriver> guest_;
};

TEST_F(VhostNetTest, OffersWhatKernelAndTapCanDo) {
  EXPECT_EQ(net_->features(), kKernel | FakeNetBackend::kAllOffloads | kNetMac);
  EXPECT_THAT(net_->max_queue_sizes(), ElementsAre(256, 256));
  EXPECT_EQ(net_->device_id(), 1u);
}

TEST_F(VhostNetTest, ConnectsBothQueuesToTheTap) {
  guest_->Start();

  EXPECT_EQ(kernel_->ring(0).backend, tap_->port(0).fd());
  EXPECT_EQ(kernel_->ring(1).backend, tap_->port(0).fd());
}

TEST_F(VhostNetTest, OffloadsAreForTheTapAndNotForTheKernel) {
  guest_->Start();

  EXPECT_EQ(tap_->guest_offloads, kNetGuestTso4 | kNetGuestChecksum);
  EXPECT_EQ(kernel_->features, kVirtioVersion1 | kNetMergeable);
}

TEST_F(VhostNetTest, StopDisconnects) {
  guest_->Start();
  ASSERT_TRUE(net_->StopQueue(0).ok());

  EXPECT_EQ(kernel_->ring(0).backend, -1);
  EXPECT_EQ(kernel_->ring(1).backend, tap_->port(0).fd());
  net_->Reset();
  EXPECT_EQ(kernel_->ring(1).backend, -1);
}

TEST_F(VhostNetTest, ConfigurationIsReadAnyhow) {
  std::vector<uint8_t> all(16, 0);
  std::vector<uint8_t> beyond(2, 0);

  net_->ReadConfig(0, absl::MakeSpan(all));
  net_->ReadConfig(12, absl::MakeSpan(beyond));

  EXPECT_THAT(all, ElementsAre(0x52, 0x54, 0, 1, 2, 3, 1, 0, 1, 0, 0xDC, 5, 0, 0, 0, 0));
  EXPECT_THAT(beyond, ElementsAre(0, 0));
}

TEST(VhostNetCreateTest, KernelThatIsBusyIsNamed) {
  ManualLoop loop;
  auto control = std::make_unique<FakeVhostControl>();
  control->failures[VHOST_SET_OWNER] = "Device or resource busy";

  const absl::Status status =
      VhostNet::Create(std::move(control), std::make_unique<FakeNetBackend>(1), {}, loop).status();

  EXPECT_THAT(std::string(status.message()), HasSubstr("VHOST_SET_OWNER"));
}

}  // namespace
}  // namespace touchstone
