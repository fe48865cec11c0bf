// How a machine's run ends: any thread says why, the first reason counts.

#ifndef TOUCHSTONE_VMM_MACHINE_LIFECYCLE_H_
#define TOUCHSTONE_VMM_MACHINE_LIFECYCLE_H_

#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "base/mutex.h"

namespace touchstone {

enum class EndOfRun {
  kPowerOff,     // the guest switched itself off (ACPI S5)
  kReset,        // the guest asked for a reset; the process ends and its caller may start it anew
  kTripleFault,  // the processor shut down
  kCrash,        // the hypervisor could not go on, or the machine itself failed
  kPanic,        // the guest's kernel reported a panic before one of the above
  kStopped,      // a signal or a control request
};

// Thread-safe.
class Lifecycle {
 public:
  // `on_end` is called once, at the first End, on that thread; it must not block.
  explicit Lifecycle(absl::AnyInvocable<void()> on_end);

  // Ends the run for this reason, unless it has ended already.
  void End(EndOfRun reason);

  // The machine itself cannot go on: ends the run as a kCrash, and keeps the first of these.
  void Fail(const absl::Status& why);
  [[nodiscard]] absl::Status failure() const;

  // The guest's kernel panicked. It goes on (to write a dump, to reset); the next end of the run is
  // a kPanic then, except a kStopped.
  void NotePanic();

  // The reason, once the run has ended.
  [[nodiscard]] std::optional<EndOfRun> end() const;

 private:
  mutable Mutex mutex_;
  absl::AnyInvocable<void()> on_end_ ABSL_GUARDED_BY(mutex_);
  std::optional<EndOfRun> end_ ABSL_GUARDED_BY(mutex_);
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  bool panicked_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_LIFECYCLE_H_
