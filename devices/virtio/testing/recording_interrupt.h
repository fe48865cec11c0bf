// A VirtioInterrupt for tests and fuzzers: counts what it was told.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_TESTING_RECORDING_INTERRUPT_H_
#define TOUCHSTONE_DEVICES_VIRTIO_TESTING_RECORDING_INTERRUPT_H_

#include <cstdint>
#include <map>

#include "absl/base/thread_annotations.h"
#include "absl/container/inlined_vector.h"
#include "base/event_fd.h"
#include "base/mutex.h"
#include "devices/virtio/core/virtio_interrupt.h"

namespace touchstone {

// Thread-safe.
class RecordingInterrupt final : public VirtioInterrupt {
 public:
  void SignalQueue(uint16_t index) override {
    MutexLock lock(mutex_);
    ++At(queue_signals_, index);
  }
  void SignalConfig() override {
    MutexLock lock(mutex_);
    ++config_signals_;
  }
  void QueueBroken(uint16_t index) override {
    MutexLock lock(mutex_);
    ++At(broken_, index);
  }

  void WatchTrigger(uint16_t index, const TriggerWatch& watch) override {
    MutexLock lock(mutex_);
    watches_[index] = watch;
    if (watches_[index]) watches_[index](triggers_[index]);
  }

  // The transport can from now on interrupt by this descriptor, or null again: not.
  void SetTrigger(uint16_t index, const EventFd* trigger) {
    MutexLock lock(mutex_);
    triggers_[index] = trigger;
    if (watches_[index]) watches_[index](trigger);
  }

  // How often each was called.
  [[nodiscard]] int queue_signals(uint16_t index) {
    MutexLock lock(mutex_);
    return At(queue_signals_, index);
  }
  [[nodiscard]] int config_signals() {
    MutexLock lock(mutex_);
    return config_signals_;
  }
  [[nodiscard]] int broken(uint16_t index) {
    MutexLock lock(mutex_);
    return At(broken_, index);
  }
  // Of all queues.
  [[nodiscard]] int all_broken() {
    MutexLock lock(mutex_);
    int sum = 0;
    for (const int count : broken_) sum += count;
    return sum;
  }

 private:
  using Counts = absl::InlinedVector<int, 8>;

  static int& At(Counts& counts, uint16_t index) {
    if (counts.size() <= index) counts.resize(index + 1);
    return counts[index];
  }

  Mutex mutex_;
  // By queue, as far as anything was counted.
  Counts queue_signals_ ABSL_GUARDED_BY(mutex_);
  Counts broken_ ABSL_GUARDED_BY(mutex_);
  std::map<uint16_t, TriggerWatch> watches_ ABSL_GUARDED_BY(mutex_);
  std::map<uint16_t, const EventFd*> triggers_ ABSL_GUARDED_BY(mutex_);
  int config_signals_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_TESTING_RECORDING_INTERRUPT_H_
