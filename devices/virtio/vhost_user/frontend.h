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
// The back end is not trusted and may die. What it answers is checked, no call waits longer than
// Options.patience, and when it is gone or talks nonsense, the driver is told to reset the device
// (VirtioInterrupt::QueueBroken); Attach fails from then on.
//
// Ownership: the loop is borrowed. Threads: as VirtioDevice; destroyed on the loop's thread or
// while the loop does not run.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_FRONTEND_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_FRONTEND_H_

#include <atomic>
#include <cstdint>
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
#include "base/mutex.h"
#include "base/scoped_fd.h"
#include "devices/virtio/core/virt_queue.h"
#include "devices/virtio/core/virtio_device.h"
#include "devices/virtio/vhost_user/connection.h"
#include "devices/virtio/vhost_user/frontend_channel.h"

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
    uint64_t hidden_features = 0;  // Not offered, whatever the back end has.
    absl::Duration patience = absl::Seconds(5);
    // How to wait, instead of with poll(2).
    std::unique_ptr<VhostUserWaiter> waiter = nullptr;
  };

  // Takes a connected stream socket, and negotiates what does not concern the driver. Errors say
  // which message failed.
  static absl::StatusOr<std::unique_ptr<VhostUserFrontend>> Create(ScopedFd socket, EventLoop& loop,
                                                                   Options options);
  ~VhostUserFrontend() override;

  [[nodiscard]] uint32_t device_id() const override { return device_id_; }
  [[nodiscard]] absl::Span<const uint16_t> max_queue_sizes() const override { return queue_sizes_; }
  [[nodiscard]] uint64_t features() const override { return features_; }

  // Each asks the back end: there is no saying which device changes its configuration unasked.
  void ReadConfig(uint32_t offset, absl::Span<uint8_t> data) override;
  void WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) override;

  absl::Status Attach(Driver driver) override;
  absl::Status StartQueue(uint16_t index, VirtQueue queue) override;
  absl::StatusOr<QueuePosition> StopQueue(uint16_t index) override;
  void Reset() override;

  // Unimplemented when the back end has no DEVICE_STATE.
  absl::StatusOr<std::string> Save() override;
  absl::Status Restore(absl::string_view state) override;

 private:
  struct Running {
    std::optional<VirtQueue> queue;  // Keeps memory and kick.
    std::optional<EventFd> call;
    std::optional<EventFd> error;
    Watch call_watch;
    Watch error_watch;
  };

  VhostUserFrontend(EventLoop& loop, ScopedFd socket, Options options,
                    std::unique_ptr<VhostUserWaiter> waiter);
  absl::Status Negotiate(bool ask_queue_count);
  absl::Status OpenBackendChannel();
  absl::Status SetMemory(const GuestMemory& memory);
  absl::Status SetUpRing(uint16_t index, Running& running);
  absl::Status SetEvent(uint16_t index, VhostUserRequest request, const EventFd& event);
  // Which descriptor the back end signals: the transport's, or our own for null. On any thread.
  void SetCall(uint16_t index, const EventFd* trigger);
  absl::StatusOr<ScopedFd> OpenStatePipe(uint32_t direction);
  absl::Status CheckState();

  // --- On the loop.
  void Called(uint16_t index);
  void Failed(uint16_t index);
  void LookAtSocket();
  void ServeBackend();
  // --- On any thread: the back end is lost.
  void Lose(const absl::Status& why);
  absl::Status Lost(absl::Status status);

  [[nodiscard]] bool has(uint64_t protocol_feature) const {
    return (protocol_features_ & protocol_feature) != 0;
  }

  EventLoop& loop_;
  const uint32_t device_id_;
  const uint32_t config_size_;
  const uint64_t hidden_features_;
  std::vector<uint16_t> queue_sizes_;
  VhostUserFrontendChannel channel_;
  std::optional<VhostUserConnection> backend_requests_;
  uint64_t features_ = 0;
  uint64_t protocol_features_ = 0;
  bool has_protocol_features_ = false;
  bool attached_ = false;
  Driver driver_;
  std::vector<Running> running_;
  std::atomic<bool> lost_{false};

  // What the loop may signal at any moment.
  Mutex signal_mutex_;
  VirtioInterrupt* interrupt_ ABSL_GUARDED_BY(signal_mutex_) = nullptr;

  Watch socket_watch_;
  Watch backend_watch_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VHOST_USER_FRONTEND_H_
