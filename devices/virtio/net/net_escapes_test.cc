// Published holes of other monitors' network devices (KE) that are in no other test of this folder:
// a header of another size than the one that was negotiated, and features with tables of indices.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "base/bits.h"
#include "base/event/manual_loop.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/net/fake_net_backend.h"
#include "devices/virtio/net/net.h"
#include "devices/virtio/net/net_protocol.h"
#include "devices/virtio/testing/guest_driver.h"
#include "devices/virtio/testing/recording_interrupt.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

constexpr uint16_t kTransmit = 1;
constexpr uint64_t kRss = Bit<uint64_t>(60);
constexpr uint64_t kHashReport = Bit<uint64_t>(57);
constexpr uint64_t kOffloads = kNetHostOffloadBits | kNetGuestOffloadBits;

struct Subject {
  explicit Subject(Net::Options options, size_t pairs = 1)
      : backend(new FakeNetBackend(pairs, kOffloads)),
        net(std::unique_ptr<NetBackend>(backend), options, loop) {}

  ManualLoop loop;
  FakeNetBackend* backend;
  Net net;
};

// KE-34, KE-36: with them the header would be 20 bytes long, and the driver would send a table.
TEST(NetEscapesTest, HashReportsAndRssAreNotNegotiated) {
  for (const bool mergeable : {false, true}) {
    for (const size_t pairs : {1, 2}) {
      Subject subject({.mergeable = mergeable}, pairs);
      RecordingInterrupt interrupt;
      for (const uint64_t feature : {kRss, kHashReport}) {
        EXPECT_EQ(subject.net.features() & feature, 0u);
        EXPECT_FALSE(subject.net
                         .Attach({.features = subject.net.features() | feature,
                                  .memory = {},
                                  .interrupt = &interrupt})
                         .ok());
      }
    }
  }
}

// KE-34: whatever was negotiated, the header is 12 bytes long, and a frame what follows it.
TEST(NetEscapesTest, HeadersOfEverySizeByEveryFeature) {
  for (const uint64_t features :
       {uint64_t{0}, kNetMergeable, kNetHostOffloadBits, kNetGuestOffloadBits,
        kNetMergeable | kOffloads, kNetMergeable | kOffloads | kVirtioEventIndex}) {
    SCOPED_TRACE(features);
    Subject subject({});
    GuestDriver guest(subject.net,
                      GuestDriver::Options{.features = features & subject.net.features(),
                                           .queue_memory = 1 << 20});
    guest.Start();
    std::vector<uint8_t> packet(40);
    for (size_t i = sizeof(NetHeader); i < packet.size(); ++i) packet[i] = static_cast<uint8_t>(i);
    for (size_t size = 0; size <= packet.size(); ++size) {
      SCOPED_TRACE(size);
      FakeNetPort& port = subject.backend->fake_port(0);
      port.sent.clear();
      const auto part = absl::MakeConstSpan(packet).first(size);
      guest.queue(kTransmit).Chain().Readable(part).Send();
      guest.Kick(kTransmit);
      subject.loop.RunReady();

      EXPECT_TRUE(guest.queue(kTransmit).PollUsed().has_value());
      ASSERT_EQ(port.sent.size(), size >= kNetMinPacket ? 1u : 0u);
      for (const std::vector<uint8_t>& frame : port.sent) {
        EXPECT_EQ(frame, std::vector<uint8_t>(part.begin(), part.end()));
      }
    }
  }
}

}  // namespace
}  // namespace touchstone
