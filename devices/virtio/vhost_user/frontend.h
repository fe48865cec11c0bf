// A VirtioDevice that another process provides, over a vhost-user socket.
//
//   ASSIGN_OR_RETURN(std::unique_ptr<VhostUserFrontend> device,
//                    VhostUserFrontend::Create(std::move(socket), loop,
//                                              {.device_id = 2, .queue_sizes = {256},
//                                               .config_size = 60}));
//
//   driver --kick eventfd--> back end        back end --trigger of the transport--> driver
//                                            back end --call eventfd--> loop --> VirtioInterrupt
//
// Requests do not come here, and interrupts only while the transport has no trigger for the queue.
// Guest memory goes to the back end by descriptor, so it has one (GuestMemory::Backing::kMemfd).
// The addresses by which rings are named are made up, and say nothing about this process.
//
// The back end is not trusted and may die. What it answers is checked, and no call waits longer
// than Options.patience. When it is gone or talks nonsense, another one is asked for, if
// Options.connect says how, every now and then until there is one:
//
//   Options.replays    the new one is told everything the old one was, with the memory in which
//   that
//                      kept what it had in flight (vhost-user, "Inflight I/O tracking"). The driver
//                      notices nothing but a delay; its reads of the configuration are answered
//                      with what was read last.
//   otherwise          the driver is told to reset the device (VirtioInterrupt::QueueBroken), and
//                      finds a new back end when it has.
//
// Without Options.connect the driver is told so too, and Attach fails from then on.
//
// Ownership: the loop is borrowed. Threads: as VirtioDevice; destroyed on the loop's thread or
// while the loop does not run.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_FRONTEND_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_FRONTEND_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/event/event_loop.h"
#include "base/event_fd.h"
#include "base/memory/guest_memory.h"
#include "base/mutex.h"
#include "base/scoped_fd.h"
#include "devices/virtio/core/virt_queue.h"
#include "devices/virtio/core/virtio_device.h"
#include "devices/virtio/vhost_user/config_copy.h"
#include "devices/virtio/vhost_user/connection.h"
#include "devices/virtio/vhost_user/frontend_channel.h"
#include "devices/virtio/vhost_user/frontend_log.h"
#include "devices/virtio/vhost_user/message.h"

namespace touchstone {

class VhostUserFrontend final : public VirtioDevice {
 public:
  struct Options {
    uint32_t device_id = 0;
    std::vector<uint16_t> queue_sizes;  // Not empty.
    // There are as many queues as the back end says, where it says so; the last size is theirs too.
    bool ask_queue_count = false;
    // Bytes of the device type's configuration; at most 256. Beyond, there is nothing.
    uint32_t config_size = 0;
    // The configuration itself, where the back end does not know it: of the same size. The driver
    // writes nothing then.
    std::vector<uint8_t> config;
    uint64_t hidden_features = 0;  // Not offered, whatever the back end has.
    absl::Duration patience = absl::Seconds(5);
    // How to wait, instead of with poll(2).
    std::unique_ptr<VhostUserWaiter> waiter = nullptr;

    // A socket that is connected to a new back end, when the old one is lost: one that listens
    // where the old one did, a new process. Called on the loop. Errors are tried again.
    std::function<absl::StatusOr<ScopedFd>()> connect = nullptr;
    // Whether requests may be answered by another back end than the one that was asked, and by both
    // (VhostUserBackend::Options::takes_over). It needs a back end that tracks them.
    bool replays = false;
  };

  // How soon a new back end is asked for, the next time after that and so on. As at first again,
  // after one has lived so long.
  static constexpr absl::Duration kFirstDelay = absl::Milliseconds(10);
  static constexpr absl::Duration kLastDelay = absl::Seconds(1);
  static constexpr absl::Duration kLongLife = absl::Milliseconds(100);

  // Takes a connected stream socket, and negotiates what does not concern the driver. Errors say
  // which message failed.
  static absl::StatusOr<std::unique_ptr<VhostUserFrontend>> Create(ScopedFd socket, EventLoop& loop,
                                                                   Options options);
  ~VhostUserFrontend() override;

  [[nodiscard]] uint32_t device_id() const override { return device_id_; }
  [[nodiscard]] absl::Span<const uint16_t> max_queue_sizes() const override { return queue_sizes_; }
  [[nodiscard]] uint64_t features() const override { return features_; }
  [[nodiscard]] bool writes_by_queues() const override { return false; }

  // Each asks the back end, as long as there is one: there is no saying which device changes its
  // configuration unasked.
  void ReadConfig(uint32_t offset, absl::Span<uint8_t> data) override;
  void WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) override;

  absl::Status Attach(Driver driver) override;
  absl::Status StartQueue(uint16_t index, VirtQueue queue) override;
  // Unavailable, and the queue goes on, while the next back end is waited for that replays.
  absl::StatusOr<QueuePosition> StopQueue(uint16_t index) override;
  void Reset() override;

  // --- Which pages of memory the back end writes, in whoever's hands the device is: for those who
  // copy memory while it runs. `memory` is that of the drivers. Unimplemented when the back end
  // cannot; the errors of a driver's request. REQUIRES: none was started before.
  absl::Status StartDirtyLog(const GuestMemory& memory);
  // Those written since the start or the last call: bit n % 64 of word n / 64 is guest page n.
  // FailedPrecondition when none was started, and so below.
  absl::StatusOr<std::vector<uint64_t>> TakeDirtyLog();
  // What is written while it stops may be in no log: stop the queues before, or take all pages.
  absl::Status StopDirtyLog();

  // Unimplemented when the back end has no DEVICE_STATE.
  absl::StatusOr<std::string> Save() override;
  absl::Status Restore(absl::string_view state) override;

 private:
  // A queue that was started, whatever became of the back end.
  struct Running {
    std::optional<VirtQueue> queue;  // Keeps memory and kick.
    std::optional<EventFd> call;
    std::optional<EventFd> error;
    Watch call_watch;
    Watch error_watch;
  };
  // What the back end keeps there outlives it.
  struct Inflight {
    VhostUserInflight description;
    ScopedFd fd;
  };

  VhostUserFrontend(EventLoop& loop, Options options);

  // --- The beginning of a connection.
  absl::Status Connect(ScopedFd socket) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Negotiate() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CountQueues() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status OpenBackendChannel() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // --- What the driver wants, for the back end that there is.
  absl::Status TellDriver() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status TellInflight() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status TellFeatures() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status TellFeaturesOk() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status TellLog() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status TellWhatIsLogged() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status TellMemory() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status TellRing(uint16_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status TellAgain() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status SetEvent(uint16_t index, VhostUserRequest request, const EventFd& event)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Which descriptor the back end signals: the transport's, or our own for null. On any thread.
  void SetCall(uint16_t index, const EventFd* trigger);
  std::vector<uint8_t> RingAddress(uint16_t index) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<QueuePosition> FetchPosition(uint16_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Forget(uint16_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // --- On the loop.
  void Called(uint16_t index);
  void Failed(uint16_t index);
  void LookAtSocket();
  void ServeBackend();
  void ConnectSoon();
  void ConnectAgain();
  // --- On any thread: the back end is lost.
  void Lose(const absl::Status& why);
  absl::Status Lost(absl::Status status);
  // The same for a request of the driver's, which a new back end will hear of.
  absl::Status Later(absl::Status status);

  // Lost, and another one will know all that it did.
  [[nodiscard]] bool away() const { return lost_ && !stale_ && connect_ != nullptr; }
  [[nodiscard]] bool has_protocol_features() const {
    return (own_features_ & kVhostUserProtocolFeatures) != 0;
  }
  [[nodiscard]] bool has(uint64_t protocol_feature) const {
    return (protocol_features_ & protocol_feature) != 0;
  }

  EventLoop& loop_;
  const uint32_t device_id_;
  const uint32_t config_size_;
  const std::vector<uint8_t> own_config_;
  const uint64_t hidden_features_;
  const bool ask_queue_count_;
  const bool replays_;
  const std::function<absl::StatusOr<ScopedFd>()> connect_;
  const std::shared_ptr<VhostUserWaiter> waiter_;
  // Of the first back end. Others have no less, and no more is used of them.
  std::vector<uint16_t> queue_sizes_;
  uint64_t features_ = 0;
  uint64_t protocol_features_ = 0;
  uint64_t own_features_ = 0;  // Of vhost-user, not of a device.
  bool connected_before_ = false;

  // Held while the back end is spoken to. No callback of the loop but that of connecting takes it:
  // calls that hold it wait for the others.
  Mutex mutex_;
  // Replaced on the loop, with the mutex held; used there, or with it.
  std::shared_ptr<VhostUserFrontendChannel> channel_;
  std::unique_ptr<VhostUserConnection> backend_requests_;
  bool attached_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<Inflight> inflight_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<VhostUserFrontendLog> log_ ABSL_GUARDED_BY(mutex_);
  VhostUserConfigCopy config_ ABSL_GUARDED_BY(mutex_);
  // Change while no callback of the loop uses them.
  Driver driver_;
  std::vector<Running> running_;

  std::atomic<bool> lost_{false};
  // The driver has to reset the device.
  std::atomic<bool> stale_{false};
  std::atomic<bool> tracks_{false};  // What is in flight outlives the back end.

  // What may be signalled at any moment, and posted: the interrupt posts with its own locks held.
  Mutex signal_mutex_;
  VirtioInterrupt* interrupt_ ABSL_GUARDED_BY(signal_mutex_) = nullptr;
  Mutex post_mutex_;
  std::shared_ptr<VhostUserFrontendChannel> post_channel_ ABSL_GUARDED_BY(post_mutex_);

  absl::Duration delay_ = kFirstDelay;
  Watch socket_watch_;
  Watch backend_watch_;
  Watch connect_timer_;
  Watch life_timer_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_FRONTEND_H_
