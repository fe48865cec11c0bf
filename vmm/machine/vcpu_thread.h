// A thread that runs one vCPU and sends its exits to the buses, or waits at the machine's gate.
// Where it cannot be placed as it should, it ends the run as a stop (crosvm.md 2.3).
//
// Thread-compatible: created, started and stopped by one thread.

#ifndef TOUCHSTONE_VMM_MACHINE_VCPU_THREAD_H_
#define TOUCHSTONE_VMM_MACHINE_VCPU_THREAD_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "devices/bus/bus.h"
#include "hypervisor/vcpu.h"
#include "hypervisor/vcpu_counter.h"
#include "hypervisor/vcpu_exit.h"
#include "vmm/machine/bus_lock_throttle.h"
#include "vmm/machine/cpu/hwp_msrs.h"
#include "vmm/machine/debug_hook.h"
#include "vmm/machine/lifecycle.h"
#include "vmm/machine/pause_gate.h"
#include "vmm/machine/split_irq_chip.h"
#include "vmm/machine/vcpu_placement.h"

namespace touchstone {

class VcpuThread {
 public:
  // Where the exits of a vCPU go. All are borrowed and outlive the thread.
  struct Targets {
    Bus* ports;
    Bus* mmio;
    Lifecycle* lifecycle;
    PauseGate* pause;
    SplitIrqChip* split = nullptr;      // unless the interrupt controllers are the hypervisor's
    uint64_t bus_locks_per_second = 0;  // of each vCPU (bus_lock_throttle.h)
    HwpMsrs* hwp = nullptr;             // with --enable-hwp
  };

  VcpuThread(std::unique_ptr<Vcpu> vcpu, uint32_t index, const Targets& targets,
             VcpuPlacement placement = {});
  // Stops.
  ~VcpuThread();

  // Runs `prologue`, unless it is null, on the thread before the vCPU; its error ends the run.
  void Start(std::function<absl::Status()> prologue = nullptr);
  // Brings the vCPU out of the guest and joins the thread. Harmless when it never started.
  void Stop();

  enum class State : uint8_t {
    kNotStarted,
    kRunning,  // Its guest's code, an exit, or idle in the hypervisor.
    kWaiting,  // At the machine's gate.
    kEnded,
  };
  // Exits to this program since the start, by VcpuExit::index(). Interrupted ones are those of
  // kicks and signals.
  using ExitCounts = std::array<uint64_t, std::variant_size_v<VcpuExit>>;

  // --- Thread-safe.
  [[nodiscard]] State state() const { return state_.load(std::memory_order_relaxed); }
  [[nodiscard]] ExitCounts exit_counts() const;
  [[nodiscard]] absl::StatusOr<std::vector<VcpuCounter>> hypervisor_counters() const {
    return vcpu_->Counters();
  }

  // Gives the thread real-time priority, if it is one that is to have it. Errors name the call.
  // REQUIRES: started.
  absl::Status MakeRealtime();

  // Who hears of DebugExits; borrowed. REQUIRES: not started.
  void SetDebugHook(DebugHook& hook) { debug_ = &hook; }

  // REQUIRES: not running, or waiting at the gate.
  [[nodiscard]] Vcpu& vcpu() { return *vcpu_; }

 private:
  void Run(const std::function<absl::Status()>& prologue);
  void Loop(const std::function<absl::Status()>& prologue);
  // While the machine stands still.
  void AwaitResume();
  // False when the vCPU cannot go on.
  bool Dispatch(const VcpuExit& exit);

  const std::unique_ptr<Vcpu> vcpu_;
  const uint32_t index_;
  const Targets targets_;
  const VcpuPlacement placement_;
  BusLockThrottle bus_locks_;  // The thread's own.
  DebugHook* debug_ = nullptr;
  std::atomic<State> state_{State::kNotStarted};
  // The thread's own to write.
  std::array<std::atomic<uint64_t>, std::variant_size_v<VcpuExit>> exits_{};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_VCPU_THREAD_H_
