// The base of most devices: looks after kicks, notification suppression and interrupts, and hands
// over one chain at a time.
//
//   class Rng final : public QueueDevice {
//    public:
//     explicit Rng(EventLoop& loop) : QueueDevice({.device_id = 4, .queue_sizes = {256}}, loop) {}
//    private:
//     void Handle(uint16_t queue, ReadableChain chain) override { ... }
//   };
//
// A turn of the loop serves a limited number of chains of one queue, so that a driver that never
// stops holds up neither other queues nor StopQueue.
//
// A device that waits for something else than its driver (input from the host, room in a file)
// leaves chains in the ring meanwhile: Accepts says so, Resume ends it.
//
// Ownership: the loop is borrowed. Destroy a device while no queue runs or on the loop's thread.
// Threads: as VirtioDevice; Handle and what it calls run on the queue's loop.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_CORE_QUEUE_DEVICE_H_
#define TOUCHSTONE_DEVICES_VIRTIO_CORE_QUEUE_DEVICE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/event/event_loop.h"
#include "base/event_fd.h"
#include "base/mutex.h"
#include "devices/virtio/core/virt_queue.h"
#include "devices/virtio/core/virtio_device.h"

namespace touchstone {

class QueueDevice : public VirtioDevice {
 public:
  struct Traits {
    uint32_t device_id = 0;
    std::vector<uint16_t> queue_sizes;
    // Offered besides what every device offers: VERSION_1, EVENT_IDX.
    uint64_t features = 0;
  };

  // Chains of a queue that one turn of the loop serves.
  static constexpr int kChainsPerTurn = 256;

  [[nodiscard]] uint32_t device_id() const final { return traits_.device_id; }
  [[nodiscard]] absl::Span<const uint16_t> max_queue_sizes() const final {
    return traits_.queue_sizes;
  }
  [[nodiscard]] uint64_t features() const final { return traits_.features; }

  // Without a configuration, unless overridden.
  void ReadConfig(uint32_t offset, absl::Span<uint8_t> data) override;
  void WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) override;

  absl::Status Attach(Driver driver) final;
  absl::Status StartQueue(uint16_t index, VirtQueue queue) final;
  absl::StatusOr<QueuePosition> StopQueue(uint16_t index) final;
  void Reset() final;

  // Without state, unless overridden.
  absl::StatusOr<std::string> Save() override;
  absl::Status Restore(absl::string_view state) override;

 protected:
  QueueDevice(Traits traits, EventLoop& loop);

  // Whether the device takes a chain of this queue now; asked before each. When it does not, what
  // is in the ring stays there until Resume. Chains that were kept may be completed here.
  virtual bool Accepts(uint16_t queue) {
    static_cast<void>(queue);
    return true;
  }
  // Has Accepts asked again, soon. Thread-safe; harmless when the queue does not run, which it
  // does no more after Drain. Whether it runs.
  bool Resume(uint16_t queue);

  // A request. The chain may be completed here, or later on the loop's thread and before Drain
  // returns; Flush follows then.
  virtual void Handle(uint16_t queue, ReadableChain chain) = 0;
  // There are no more chains for now: what Handle gathered can be sent off as one batch. Interrupts
  // follow.
  virtual void EndBatch(uint16_t queue) { static_cast<void>(queue); }
  // The loop that serves this queue, for devices that have several. Does not change.
  virtual EventLoop& LoopOf(uint16_t queue) {
    static_cast<void>(queue);
    return loop_;
  }
  // The driver kicked this queue, which has just started or may have new chains: hands them to
  // Handle, unless overridden by a device that pops chains when it has a use for them. Such a
  // device asks for the next kick (VirtQueue::EnableKicks) and calls Flush itself.
  virtual void OnKick(uint16_t index, VirtQueue& queue);
  // The ring is empty, in which there were `served` chains. When true, the device calls Resume by
  // itself, soon, and is not kicked for the next chain: for chains that come in bursts.
  virtual bool LooksAgain(uint16_t queue, int served) {
    static_cast<void>(queue);
    static_cast<void>(served);
    return false;
  }
  // Completes all chains of this queue that Handle kept. Called on StopQueue's thread; Handle is
  // not called for the queue any more.
  virtual void Drain(uint16_t queue) { static_cast<void>(queue); }
  // The driver is gone, no queue runs.
  virtual void OnReset() {}

  // Interrupts the driver if it wants that, after chains were completed outside of Handle. On the
  // thread of the queue's loop, or inside Drain.
  void Flush(uint16_t queue);

  // Tells the driver that the configuration changed, if there is one. Thread-safe.
  void SignalConfig();

  // A queue that runs, else null. On the loop's thread, or inside Drain.
  [[nodiscard]] VirtQueue* running_queue(uint16_t index) {
    return running_[index].queue.has_value() ? &*running_[index].queue : nullptr;
  }

  // Whether the driver did not want to hear of the chains that came back last: it looks by itself.
  // On the thread of the queue's loop.
  [[nodiscard]] bool DriverPolls(uint16_t queue) const { return running_[queue].unheard; }

  // What Attach was given. For the loop while a queue runs.
  [[nodiscard]] const Driver& driver() const { return driver_; }
  [[nodiscard]] EventLoop& loop() { return loop_; }

 private:
  // The queue belongs to the loop while the watch is there, to the caller otherwise.
  struct Running {
    std::optional<VirtQueue> queue;
    Watch watch;
    bool reported = false;  // That the queue is broken.
    bool unheard = false;
    uint64_t flushed = 0;  // Chains that were completed when Flush was last called.
  };

  void Kicked(uint16_t index);

  const Traits traits_;
  EventLoop& loop_;
  bool attached_ = false;
  Driver driver_;
  std::vector<Running> running_;

  // What any thread may signal at any moment.
  Mutex signal_mutex_;
  VirtioInterrupt* interrupt_ ABSL_GUARDED_BY(signal_mutex_) = nullptr;
  std::vector<std::shared_ptr<const EventFd>> kicks_ ABSL_GUARDED_BY(signal_mutex_);
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_CORE_QUEUE_DEVICE_H_
