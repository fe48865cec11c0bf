// A machine as a debugger's target.
//
//   MachineTarget target(machine, loop);      // before Start: the vCPUs wait at the gate
//   machine.Start();
//   GdbSession session(target, send);
//
// A vCPU that stops closes the machine's gate; when all wait there the loop hears of it. Of several
// that stop at once one is told of: breakpoints stop the others again when they go on, and what
// they saw of watchpoints is told next.
//
// Ownership: machine and loop are borrowed; this outlives the machine's threads. Threads: as
// GdbTarget; the hook is called on the vCPUs' threads.

#ifndef TOUCHSTONE_VMM_GDB_MACHINE_TARGET_H_
#define TOUCHSTONE_VMM_GDB_MACHINE_TARGET_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/event/event_loop.h"
#include "base/memory/guest_memory.h"
#include "base/mutex.h"
#include "vmm/gdb/target.h"
#include "vmm/machine/debug_hook.h"
#include "vmm/machine/machine.h"

namespace touchstone {

class MachineTarget final : public GdbTarget, public DebugHook {
 public:
  // The vCPUs stand still from now on. REQUIRES: the machine has not started.
  MachineTarget(Machine& machine, EventLoop& loop);

  // --- GdbTarget.
  [[nodiscard]] uint32_t vcpu_count() const override { return machine_.vcpu_count(); }
  [[nodiscard]] const GuestMemory& memory() const override { return machine_.memory(); }
  void Halt(std::function<void()> then) override;
  absl::StatusOr<GdbCpuState> ReadState(uint32_t vcpu) override;
  absl::Status WriteState(uint32_t vcpu, const GdbCpuState& state) override;
  absl::Status Resume(const GdbRun& run, std::function<void(const GdbStop&)> stopped) override;
  void Interrupt() override;
  void Detach() override;
  void Kill() override;

  // --- DebugHook.
  void OnDebugExit(Vcpu& vcpu, uint32_t index, const DebugExit& exit) override;

 private:
  // What the exit says, or nothing when the guest is to go on.
  std::optional<GdbStop> Understand(Vcpu& vcpu, uint32_t index, const DebugExit& exit);
  // An INT3 that is not the debugger's: the guest's own, or one that was taken away meanwhile.
  void PassOn(Vcpu& vcpu, uint64_t address);
  void Report();
  // What all vCPUs stop for, and which wait.
  absl::Status Prepare(const GdbRun& run);

  Machine& machine_;
  EventLoop& loop_;

  Mutex mutex_;
  GdbRun run_ ABSL_GUARDED_BY(mutex_);
  std::deque<GdbStop> stops_ ABSL_GUARDED_BY(mutex_);
  // While somebody waits for a stop.
  std::function<void(const GdbStop&)> stopped_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_GDB_MACHINE_TARGET_H_
