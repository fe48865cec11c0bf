// Where the threads of a machine's vCPUs wait while the machine stands still.
//
//   gate.Close(PauseGate::Reason::kHost, [&] { ... });   // all vCPUs wait, none is in the guest
//   gate.Open(PauseGate::Reason::kHost);                 // they go on
//
// Nobody waits for the threads: one may need the caller's loop to finish an access to a device.
//
// Thread-safe. Threads that wait sleep.

#ifndef TOUCHSTONE_VMM_MACHINE_PAUSE_GATE_H_
#define TOUCHSTONE_VMM_MACHINE_PAUSE_GATE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "hypervisor/vcpu.h"

namespace touchstone {

class PauseGate {
 public:
  // Open when nobody has a reason to keep it closed.
  enum class Reason : uint8_t {
    kHost = 1,   // The user's wish.
    kSleep = 2,  // The guest's: ACPI S1.
    kDebugger = 4,
  };
  using Done = absl::AnyInvocable<void()>;

  // Counts in a vCPU whose thread is yet to start. Borrowed while the gate may be closed.
  void Add(Vcpu& vcpu);

  // Kicks all vCPUs. `done` is called once, without a lock, on any thread: when all of them wait,
  // or somebody has opened the gate.
  void Close(Reason reason, Done done);
  void Open(Reason reason);
  [[nodiscard]] bool closed(Reason reason) const;

  // These wait even while it is open, until the next call. They count as waiting once they do.
  void Hold(std::vector<const Vcpu*> vcpus);

  // For a vCPU's thread, after each kick: waits while the gate is closed, or `vcpu` is held, and
  // `stopping` is false. Whether it waited at all.
  bool Wait(const Vcpu& vcpu, const std::atomic<bool>& stopping);
  // For a vCPU's thread: sleeps for so long, but no longer than until the gate is closed or
  // `stopping`.
  void Sleep(absl::Duration duration, const std::atomic<bool>& stopping);
  // Has threads that wait look at their `stopping`.
  void Wake();

 private:
  [[nodiscard]] bool MustWait(const Vcpu& vcpu) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes the callers that are done, to be called without the lock.
  std::vector<Done> TakeDone() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  CondVar changed_;  // Opened, closed, or a thread is to stop.
  std::vector<Vcpu*> vcpus_ ABSL_GUARDED_BY(mutex_);
  std::vector<const Vcpu*> held_ ABSL_GUARDED_BY(mutex_);
  uint8_t reasons_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Done> done_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_PAUSE_GATE_H_
