// The memory balloon (Virtio 1.2, 5.5): asks the guest for memory, and gives it back to the host.
//
//   Balloon balloon(loop, {.memory_size = memory.total_size(), .page_reporting = true}, control);
//   balloon.SetTarget(512 << 20);       // The driver inflates the balloon to 512 MiB.
//   balloon.RequestStatistics([](absl::optional<BalloonStatistics> statistics) { ... });
//
// Pages that the driver puts into the balloon (inflate queue) and pages that it reports as free
// (reporting queue) are released at once, in ranges that are as long as they can be; they come back
// by themselves when the guest touches them. So whatever page a hostile driver names, its own
// kernel's among them, costs nobody but its guest; what is no memory is counted and passed over.
//
// Queues are those of the features that were negotiated, without gaps: inflate, deflate,
// statistics, reporting (5.5.2; Linux and QEMU leave no gaps where a queue is missing). Free page
// hints and page poisoning are not offered: there is no migration that could use the former.
//
// Ownership: the loop is borrowed. Threads: as QueueDevice; what is not VirtioDevice's is
// thread-safe, but for RequestStatistics, which belongs to the loop's thread.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BALLOON_BALLOON_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BALLOON_BALLOON_H_

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
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "base/event/event_loop.h"
#include "base/memory/memory_control.h"
#include "base/mutex.h"
#include "devices/virtio/balloon/balloon_handle.h"
#include "devices/virtio/balloon/balloon_statistics.h"
#include "devices/virtio/balloon/page_batch.h"
#include "devices/virtio/core/queue_device.h"

namespace touchstone {

class Balloon final : public QueueDevice, public BalloonHandle {
 public:
  static constexpr uint32_t kDeviceId = 5;
  static constexpr uint16_t kQueueSize = 128;
  // A driver that owes statistics for so long has none.
  static constexpr absl::Duration kStatisticsPatience = absl::Seconds(2);
  // Requests for statistics that may wait.
  static constexpr size_t kMaxRequests = 16;

  struct Options {
    uint64_t memory_size = 0;  // Of the guest: no target is larger.
    uint64_t target = 0;       // To begin with.
    // The driver leaves the balloon alone when it runs out of memory, since the host is to act.
    bool strict = false;
    bool page_reporting = false;
  };
  // Things that happened, ever.
  struct Counters {
    uint64_t released_bytes = 0;
    uint64_t releases = 0;       // Calls for them.
    uint64_t foreign_bytes = 0;  // That the driver named, and are no memory.
    uint64_t failures = 0;       // Of the host to release.
  };

  Balloon(EventLoop& loop, Options options, std::unique_ptr<MemoryControl> control);
  ~Balloon() override;

  void SetTarget(uint64_t bytes) override;
  [[nodiscard]] uint64_t target() const override;
  [[nodiscard]] uint64_t actual() const override;
  [[nodiscard]] bool active() const override;
  // None, too, if kMaxRequests wait already.
  void RequestStatistics(StatisticsCallback callback) override;
  void OnChange(EventLoop::Callback callback) override;
  [[nodiscard]] Counters counters() const;

  void ReadConfig(uint32_t offset, absl::Span<uint8_t> data) override;
  void WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) override;
  absl::StatusOr<std::string> Save() override;
  absl::Status Restore(absl::string_view state) override;

 private:
  static constexpr uint32_t kStateVersion = 1;
  // Page numbers that are looked at before others have their turn: some 10 ms of work.
  static constexpr size_t kFramesPerTurn = size_t{16} * 1024;
  enum class Role { kInflate, kDeflate, kStatistics, kReporting, kNone };

  bool Accepts(uint16_t queue) override;
  void Handle(uint16_t queue, ReadableChain chain) override;
  void EndBatch(uint16_t queue) override;
  void Drain(uint16_t queue) override;
  void OnReset() override;

  [[nodiscard]] Role RoleOf(uint16_t queue) const;
  // Works on inflating_, if there is one, as long as its turn lasts.
  void Inflate() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Report(ReadableChain chain) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Release(GuestAddress start, uint64_t size) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReleaseBatch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeStatistics(ReadableChain chain);
  void AnswerRequests(const absl::optional<BalloonStatistics>& statistics);
  void Changed() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  const std::unique_ptr<MemoryControl> control_;

  mutable Mutex mutex_;
  uint32_t target_ ABSL_GUARDED_BY(mutex_);  // Pages.
  uint32_t actual_ ABSL_GUARDED_BY(mutex_) = 0;
  bool active_ ABSL_GUARDED_BY(mutex_) = false;
  Counters counters_ ABSL_GUARDED_BY(mutex_);
  std::optional<ReadableChain> inflating_ ABSL_GUARDED_BY(mutex_);
  size_t frames_left_ ABSL_GUARDED_BY(mutex_) = kFramesPerTurn;
  PageBatch batch_ ABSL_GUARDED_BY(mutex_);
  // The driver's buffer for statistics: returned when there is a request (5.5.6.3).
  std::optional<ReadableChain> statistics_ ABSL_GUARDED_BY(mutex_);
  std::optional<uint16_t> statistics_queue_ ABSL_GUARDED_BY(mutex_);
  std::vector<StatisticsCallback> requests_ ABSL_GUARDED_BY(mutex_);
  bool asked_ ABSL_GUARDED_BY(mutex_) = false;  // The driver owes statistics.
  EventLoop::Callback on_change_ ABSL_GUARDED_BY(mutex_);
  Watch patience_;  // The loop's.
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BALLOON_BALLOON_H_
