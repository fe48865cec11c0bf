// A virtio device in a jailed process of its own, as the machine has it: a vhost-user front end
// that is made when somebody first asks the device something. Until then nobody waits for the
// process, so those of all devices start at the same time, while the machine is built and its guest
// begins.
//
// A process that dies before it serves is a mistake of the host or its user, and ends the run
// (Options.failed). One that dies later is replaced, where requests may be answered twice
// (Options.relaunch): the guest notices a delay. Others are lost: the log says which and of what,
// the guest is told to reset the device (NEEDS_RESET), and everything else goes on.
//
// Threads: as VirtioDevice; made and destroyed on the loop's thread, or while the loop does not
// run.

#ifndef TOUCHSTONE_VMM_MACHINE_HOSTED_DEVICE_H_
#define TOUCHSTONE_VMM_MACHINE_HOSTED_DEVICE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/event/event_loop.h"
#include "base/mutex.h"
#include "base/scoped_fd.h"
#include "devices/virtio/core/virtio_device.h"
#include "devices/virtio/vhost_user/frontend.h"
#include "vmm/jail/jailed_process.h"

namespace touchstone {

class HostedDevice final : public VirtioDevice {
 public:
  // What the machine shows of a device before it has answered anything.
  struct Shape {
    uint32_t device_id = 0;
    std::vector<uint16_t> queue_sizes;
    uint32_t config_size = 0;
  };

  // A process of the device that has been started, and the socket that it serves vhost-user at.
  struct Launched {
    JailedProcess process;
    ScopedFd socket;
    std::shared_ptr<void> helper;  // What works for the process elsewhere. Outlives it.
  };

  struct Options {
    Shape shape;
    // Called on any thread, at most once and under a lock: the process does not come to serve.
    std::function<void(const absl::Status& why)> failed;
    // It may have something to write when the machine ends, and is given time for it.
    bool lingers = false;
    // Another process for the one that died, which takes over what that had in flight. Called on
    // the loop. Null: the device is lost with its process.
    std::function<absl::StatusOr<Launched>()> relaunch;
  };

  HostedDevice(Launched launched, EventLoop& loop, Options options);
  ~HostedDevice() override;

  // The device is used no more: its process ends, by itself or not, and nobody hears of it. So
  // those of several devices can end together. Harmless when done already.
  void BeginEnd();

  // Waits until it serves, if it does not yet. An error says why it will not.
  absl::Status AwaitServing();

  [[nodiscard]] uint32_t device_id() const override { return shape_.device_id; }
  [[nodiscard]] absl::Span<const uint16_t> max_queue_sizes() const override {
    return shape_.queue_sizes;
  }
  // None of a process that is dead.
  [[nodiscard]] uint64_t features() const override;
  void ReadConfig(uint32_t offset, absl::Span<uint8_t> data) override;
  void WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) override;
  absl::Status Attach(Driver driver) override;
  absl::Status StartQueue(uint16_t index, VirtQueue queue) override;
  absl::StatusOr<QueuePosition> StopQueue(uint16_t index) override;
  void Reset() override;
  absl::StatusOr<std::string> Save() override;
  absl::Status Restore(absl::string_view state) override;

 private:
  // The front end, made now if need be; an error when there is none.
  absl::StatusOr<VhostUserFrontend*> Ask() const;
  absl::Status Connect() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status AwaitProcess(absl::Duration patience) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Fail(const absl::Status& why) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // --- On the loop.
  void LookAtReports();
  void Ended() const;
  // For the front end, which is locked then.
  absl::StatusOr<ScopedFd> Relaunch() const;

  EventLoop& loop_;
  const Shape shape_;
  const bool lingers_;
  const std::function<absl::StatusOr<Launched>()> relaunch_;
  const std::shared_ptr<void> helper_;

  // Those who ask first may be const. Locked in this order, the front end between them.
  mutable Mutex mutex_;
  mutable Mutex process_mutex_;
  mutable std::optional<JailedProcess> process_ ABSL_GUARDED_BY(process_mutex_);
  mutable ScopedFd socket_ ABSL_GUARDED_BY(mutex_);  // Until the front end has it.
  mutable std::function<void(const absl::Status&)> failed_ ABSL_GUARDED_BY(mutex_);
  mutable bool serving_ ABSL_GUARDED_BY(mutex_) = false;
  mutable absl::Status lost_ ABSL_GUARDED_BY(mutex_);
  mutable std::unique_ptr<VhostUserFrontend> frontend_ ABSL_GUARDED_BY(mutex_);

  Watch reports_watch_;
  mutable Watch end_watch_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_HOSTED_DEVICE_H_
