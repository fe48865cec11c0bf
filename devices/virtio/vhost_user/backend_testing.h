// A back end of an echo device, and a front end that says what it likes.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_BACKEND_TESTING_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_BACKEND_TESTING_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "base/endian.h"
#include "base/event/manual_loop.h"
#include "base/event_fd.h"
#include "base/memory/guest_memory.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/testing/driver_queue.h"
#include "devices/virtio/testing/echo_device.h"
#include "devices/virtio/testing/guest_driver.h"
#include "devices/virtio/vhost_user/backend.h"
#include "devices/virtio/vhost_user/raw_peer.h"
#include "gtest/gtest.h"

namespace touchstone {

class VhostUserBackendTest : public testing::Test {
 public:
  using Request = VhostUserRequest;

  static constexpr uint64_t kFeatures = kVirtioVersion1 | kVhostUserProtocolFeatures;
  static constexpr uint64_t kUser = 0x7F00'0000'0000;
  static constexpr uint32_t kRingSize = 16;
  static constexpr uint64_t kGuestStart = 0x100000;  // Of GuestDriver::MemoryFor.

 protected:
  static Le64 Number(uint64_t value) { return value; }
  static VhostUserVringState State(uint32_t index, uint32_t number) {
    return {.index = index, .num = number};
  }

  VhostUserBackendTest()
      : memory_(GuestDriver::MemoryFor(2, GuestDriver::kQueueMemory, GuestMemory::Backing::kMemfd)),
        device_(loop_),
        backend_(std::make_unique<VhostUserBackend>(
            device_, peer_.TakeOther(), loop_, [this](const absl::Status& why) { why_ = why; },
            VhostUserBackend::Options{.takes_over = true})) {}

  std::optional<VhostUserMessage> Reply() {
    loop_.RunReady();
    return peer_.Receive();
  }
  uint64_t Ask(Request request) {
    peer_.Send(request);
    return Reply().value().Get<Le64>();
  }
  // Sends with NEED_REPLY; 0 for success.
  template <typename T>
  uint64_t Tell(Request request, const T& payload, absl::Span<const int> fds = {}) {
    peer_.SendMessage(static_cast<uint32_t>(request), kVhostUserVersion | kVhostUserNeedReply,
                      VhostUserPayload(payload), fds);
    return Reply().value().Get<Le64>();
  }
  // The back end has ended the connection because of the last message. Else an empty text.
  std::string Error() {
    loop_.RunReady();
    return why_.has_value() ? std::string(why_->message()) : "";
  }

  struct Table {
    VhostUserMemoryHeader header;
    VhostUserMemoryRegion region;
  };
  Table MemoryTable() {
    const GuestMemory::Region& region = memory_.regions()[0];
    return {{.regions = 1u, .padding = 0u},
            {.guest_address = Raw(region.start),
             .size = region.size,
             .user_address = kUser,
             .mmap_offset = region.file_offset}};
  }
  void SetMemory() { peer_.Send(Request::kSetMemTable, MemoryTable(), {memory_.regions()[0].fd}); }
  void Negotiate(uint64_t features = kFeatures) {
    peer_.Send(Request::kSetOwner);
    peer_.Send(Request::kSetProtocolFeatures,
               Number(VhostUserBackend::kProtocolFeatures | kVhostUserInflightShmfd));
    peer_.Send(Request::kSetFeatures, Number(features));
    SetMemory();
  }
  // Where the driver has its ring.
  [[nodiscard]] VhostUserVringAddress RingAddress(uint32_t index, uint32_t flags = 0,
                                                  uint64_t log = 0) const {
    const QueueLayout& layout = driver_->layout();
    const auto user = [](GuestAddress address) { return Raw(address) - kGuestStart + kUser; };
    return {.index = index,
            .flags = flags,
            .descriptors = user(layout.descriptors),
            .used = user(layout.device),
            .available = user(layout.driver),
            .log = log};
  }
  void SetUpRing(uint32_t index, uint64_t features = kFeatures, uint32_t base = 0) {
    if (driver_ == nullptr) {
      driver_ = std::make_unique<DriverQueue>(
          memory_, GuestMemory::RegionSpec{GuestAddress{kGuestStart}, GuestDriver::kQueueMemory},
          kRingSize, features & ~kVhostUserProtocolFeatures);
    }
    peer_.Send(Request::kSetVringNum, State(index, kRingSize));
    peer_.Send(Request::kSetVringBase, State(index, base));
    peer_.Send(Request::kSetVringAddr, RingAddress(index));
    peer_.Send(Request::kSetVringCall, Number(index), {call_.fd()});
    peer_.Send(Request::kSetVringErr, Number(index), {error_.fd()});
    peer_.Send(Request::kSetVringKick, Number(index), {kick_.fd()});
  }
  void Start(uint64_t features = kFeatures) {
    Negotiate(features);
    SetUpRing(0, features);
    peer_.Send(Request::kSetVringEnable, State(0, 1));
    loop_.RunReady();
  }
  // Whether a request comes back.
  bool Works() {
    driver_->Chain().Readable({0x5A, 1}).Writable(2).Send();
    kick_.Signal();
    loop_.RunReady();
    const std::optional<DriverQueue::Used> used = driver_->PollUsed();
    return used.has_value() && used->data == std::vector<uint8_t>{0x5A, 1};
  }
  uint32_t StopRing() {
    peer_.Send(Request::kGetVringBase, State(0, 0));
    return Reply().value().Get<VhostUserVringState>().num;
  }

  ManualLoop loop_;
  RawVhostUserPeer peer_;
  GuestMemory memory_;
  const EventFd kick_ = EventFd::Create().value();
  const EventFd call_ = EventFd::Create().value();
  const EventFd error_ = EventFd::Create().value();
  std::unique_ptr<DriverQueue> driver_;
  std::optional<absl::Status> why_;
  EchoDevice device_;
  std::unique_ptr<VhostUserBackend> backend_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_BACKEND_TESTING_H_
