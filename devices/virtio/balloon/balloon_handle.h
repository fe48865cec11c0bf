// A balloon as its machine's operator sees it, wherever the device is: in this process (Balloon) or
// in another (RemoteBalloon).
//
// Thread-safe, but for RequestStatistics, which belongs to the loop's thread.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_BALLOON_BALLOON_HANDLE_H_
#define TOUCHSTONE_DEVICES_VIRTIO_BALLOON_BALLOON_HANDLE_H_

#include <cstdint>

#include "absl/functional/any_invocable.h"
#include "absl/types/optional.h"
#include "base/event/event_loop.h"
#include "devices/virtio/balloon/balloon_statistics.h"

namespace touchstone {

class BalloonHandle {
 public:
  using StatisticsCallback = absl::AnyInvocable<void(absl::optional<BalloonStatistics>)>;

  virtual ~BalloonHandle() = default;

  // Bytes that the balloon is to hold, rounded down to whole pages.
  virtual void SetTarget(uint64_t bytes) = 0;
  [[nodiscard]] virtual uint64_t target() const = 0;
  // Bytes that it holds, as the driver says, which may say anything.
  [[nodiscard]] virtual uint64_t actual() const = 0;
  // Whether there is a driver at work.
  [[nodiscard]] virtual bool active() const = 0;
  // Asks the driver, and calls back on the loop's thread, at once or later. None if there is no
  // driver that has statistics, or it does not answer, or too many requests wait already.
  virtual void RequestStatistics(StatisticsCallback callback) = 0;
  // Called when active() or actual() has changed, on any thread and under a lock: signals
  // something, and does nothing else. Null: nobody.
  virtual void OnChange(EventLoop::Callback callback) = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_BALLOON_BALLOON_HANDLE_H_
