// Serves a VirtioDevice to a front end over a vhost-user socket: `touchstone device`, a jailed
// child, tests.
//
//   VhostUserBackend backend(device, std::move(socket), loop,
//                            [&](const absl::Status& why) { loop.Stop(); });
//   loop.Run();
//
// Offered, each because all of it works: MQ, LOG_SHMFD, REPLY_ACK, BACKEND_REQ, CONFIG,
// RESET_DEVICE, CONFIGURE_MEM_SLOTS, STATUS, DEVICE_STATE. Chains in flight when a ring stops are
// completed first.
//
// With Options.takes_over also INFLIGHT_SHMFD: when this process dies, another one goes on where it
// was, and answers again what it may have worked on already. That is right for a device whose
// requests say all (a disk, entropy) and whose VirtQueues are popped in this process, and wrong for
// one that has to remember (connections) or must not do a thing twice (a terminal).
//
// The front end is not trusted. What makes no sense ends the connection; a ring or a device that
// does not start is answered with an error where an answer was asked for, signalled on the ring's
// error descriptor, and the connection goes on. It can neither make this process crash or wait, nor
// make it hold more than the bounds of message_table.h, memory_table.h and state_transfer.h; the
// one exception is that a front end which clears O_NONBLOCK of an eventfd that it shares, and
// drains it first, keeps the device's thread waiting for its own next kick.
//
// Ownership: device and loop are borrowed; the device is reset when this goes, or the connection
// ends. Threads: everything happens on the loop's thread, where this is also destroyed (or while
// the loop does not run). The device may work on another loop.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_BACKEND_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_BACKEND_H_

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/event/event_loop.h"
#include "base/event_fd.h"
#include "base/scoped_fd.h"
#include "devices/virtio/core/virtio_device.h"
#include "devices/virtio/vhost_user/backend_interrupt.h"
#include "devices/virtio/vhost_user/backend_rings.h"
#include "devices/virtio/vhost_user/connection.h"
#include "devices/virtio/vhost_user/memory_table.h"
#include "devices/virtio/vhost_user/state_transfer.h"

namespace touchstone {

class VhostUserBackend {
 public:
  // Called once, when the connection has ended: OK when the front end closed it, else why it was
  // closed. May destroy the back end.
  using Closed = absl::AnyInvocable<void(const absl::Status& why)>;

  static constexpr uint64_t kProtocolFeatures =
      kVhostUserMq | kVhostUserLogShmfd | kVhostUserReplyAck | kVhostUserBackendReq |
      kVhostUserConfigSpace | kVhostUserResetDevice | kVhostUserConfigureMemSlots |
      kVhostUserStatus | kVhostUserDeviceState;

  struct Options {
    bool takes_over = false;
  };

  // Takes a connected stream socket. REQUIRES: the device is idle and has at most 256 queues.
  VhostUserBackend(VirtioDevice& device, ScopedFd socket, EventLoop& loop, Closed closed)
      : VhostUserBackend(device, std::move(socket), loop, std::move(closed), Options()) {}
  VhostUserBackend(VirtioDevice& device, ScopedFd socket, EventLoop& loop, Closed closed,
                   Options options);
  VhostUserBackend(const VhostUserBackend&) = delete;
  VhostUserBackend& operator=(const VhostUserBackend&) = delete;

  // The front end's memory as it is now; for devices that manage it.
  [[nodiscard]] const GuestMemory& memory() const { return memory_.memory(); }

 private:
  // What a handler has to say. Nothing: the acknowledgement, if one was asked for.
  struct Reply {
    Reply(std::vector<uint8_t> bytes) : payload(std::move(bytes)) {}  // NOLINT: from any payload.
    std::vector<uint8_t> payload;
    ScopedFd fd;  // That goes with it, if any.
  };
  using Answer = absl::StatusOr<std::optional<Reply>>;
  struct Handler;

  // Messages that one turn of the loop serves.
  static constexpr int kMessagesPerTurn = 64;

  void Serve();
  void Close(const absl::Status& why);
  absl::Status Dispatch(VhostUserMessage message);

  // --- One for each request.
  Answer GetFeatures(VhostUserMessage& message);
  Answer SetFeatures(VhostUserMessage& message);
  Answer SetOwner(VhostUserMessage& message);
  Answer ResetOwner(VhostUserMessage& message);
  Answer SetMemTable(VhostUserMessage& message);
  Answer SetLogBase(VhostUserMessage& message);
  Answer SetLogFd(VhostUserMessage& message);
  Answer SetVringNum(VhostUserMessage& message);
  Answer SetVringAddr(VhostUserMessage& message);
  Answer SetVringBase(VhostUserMessage& message);
  Answer GetVringBase(VhostUserMessage& message);
  Answer SetVringKick(VhostUserMessage& message);
  Answer SetVringCall(VhostUserMessage& message);
  Answer SetVringErr(VhostUserMessage& message);
  Answer GetProtocolFeatures(VhostUserMessage& message);
  Answer SetProtocolFeatures(VhostUserMessage& message);
  Answer GetQueueNum(VhostUserMessage& message);
  Answer SetVringEnable(VhostUserMessage& message);
  Answer SetBackendReqFd(VhostUserMessage& message);
  Answer GetConfig(VhostUserMessage& message);
  Answer SetConfig(VhostUserMessage& message);
  Answer GetInflightFd(VhostUserMessage& message);
  Answer SetInflightFd(VhostUserMessage& message);
  Answer ResetDevice(VhostUserMessage& message);
  Answer GetMaxMemSlots(VhostUserMessage& message);
  Answer AddMemReg(VhostUserMessage& message);
  Answer RemMemReg(VhostUserMessage& message);
  Answer SetStatus(VhostUserMessage& message);
  Answer GetStatus(VhostUserMessage& message);
  Answer SetDeviceStateFd(VhostUserMessage& message);
  Answer CheckDeviceState(VhostUserMessage& message);

  // The ring that a kick, call or error descriptor is for.
  absl::StatusOr<uint16_t> RingOf(const VhostUserMessage& message) const;
  // The descriptor of such a message; nothing where its flag says that there is none.
  static absl::StatusOr<std::optional<EventFd>> EventOf(VhostUserMessage& message);
  // A descriptor that is to be signalled, or waited for.
  static absl::StatusOr<EventFd> TakeEvent(ScopedFd fd);

  VirtioDevice& device_;
  EventLoop& loop_;
  Closed closed_;
  VhostUserConnection connection_;
  VhostUserMemoryTable memory_;
  VhostUserBackendInterrupt interrupt_;
  VhostUserStateTransfer transfer_;
  VhostUserBackendRings rings_;
  const uint64_t offered_protocol_features_;
  uint64_t protocol_features_ = 0;
  uint8_t status_ = 0;  // As the driver set it.
  Watch watch_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_BACKEND_H_
