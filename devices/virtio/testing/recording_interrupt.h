// A VirtioInterrupt for tests and fuzzers: counts what it was told.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_TESTING_RECORDING_INTERRUPT_H_
#define TOUCHSTONE_DEVICES_VIRTIO_TESTING_RECORDING_INTERRUPT_H_

#include <cstdint>
#include <map>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "devices/virtio/core/virtio_interrupt.h"

namespace touchstone {

// Thread-safe.
class RecordingInterrupt final : public VirtioInterrupt {
 public:
  void SignalQueue(uint16_t index) override {
    MutexLock lock(mutex_);
    ++queue_signals_[index];
  }
  void SignalConfig() override {
    MutexLock lock(mutex_);
    ++config_signals_;
  }
  void QueueBroken(uint16_t index) override {
    MutexLock lock(mutex_);
    ++broken_[index];
  }

  // How often each was called.
  [[nodiscard]] int queue_signals(uint16_t index) {
    MutexLock lock(mutex_);
    return queue_signals_[index];
  }
  [[nodiscard]] int config_signals() {
    MutexLock lock(mutex_);
    return config_signals_;
  }
  [[nodiscard]] int broken(uint16_t index) {
    MutexLock lock(mutex_);
    return broken_[index];
  }
  // Of all queues.
  [[nodiscard]] int all_broken() {
    MutexLock lock(mutex_);
    int sum = 0;
    for (const auto& [index, count] : broken_) sum += count;
    return sum;
  }

 private:
  Mutex mutex_;
  std::map<uint16_t, int> queue_signals_ ABSL_GUARDED_BY(mutex_);
  std::map<uint16_t, int> broken_ ABSL_GUARDED_BY(mutex_);
  int config_signals_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_TESTING_RECORDING_INTERRUPT_H_
