// One virtual processor.
//
// A vCPU belongs to the thread that first calls Run; every method but Kick and Counters is called
// on that thread, or while no thread runs it. Those are thread-safe, and Kick is async-signal-safe.
//
//   for (;;) {
//     ASSIGN_OR_RETURN(VcpuExit exit, vcpu->Run());
//     ... dispatch; a read exit is answered in its data span before the next Run ...
//   }

#ifndef TOUCHSTONE_HYPERVISOR_VCPU_H_
#define TOUCHSTONE_HYPERVISOR_VCPU_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hypervisor/vcpu_counter.h"
#include "hypervisor/vcpu_exit.h"
#include "hypervisor/x86_64/state.h"

namespace touchstone {

class Vcpu {
 public:
  virtual ~Vcpu() = default;

  // Enters the guest until something is for the caller to do. An error is the host's, not the
  // guest's.
  virtual absl::StatusOr<VcpuExit> Run() = 0;

  // Makes a running or the next Run return InterruptedExit soon. What the last exit left to be
  // completed (a read's data) is completed first, so that the state can be read afterwards.
  virtual void Kick() = 0;

  // The vCPU stood still since the last Run for a reason that its guest cannot know: tells it, if
  // it wants to know, so that its watchdog does not take that for a lock-up. Called before Run.
  virtual void NotePause() = 0;

  virtual absl::StatusOr<GeneralRegisters> GetRegisters() = 0;
  virtual absl::Status SetRegisters(const GeneralRegisters& registers) = 0;

  virtual absl::StatusOr<SpecialRegisters> GetSpecialRegisters() = 0;
  virtual absl::Status SetSpecialRegisters(const SpecialRegisters& registers) = 0;

  // Returns the MSRs that exist of those asked for, in their order.
  virtual absl::StatusOr<std::vector<Msr>> GetMsrs(absl::Span<const uint32_t> indices) = 0;
  // Sets all that exist; returns the indices of those that the hypervisor refuses, which need not
  // be an error.
  virtual absl::StatusOr<std::vector<uint32_t>> SetMsrs(absl::Span<const Msr> msrs) = 0;

  virtual absl::StatusOr<ExtendedState> GetExtendedState() = 0;
  virtual absl::Status SetExtendedState(const ExtendedState& state) = 0;

  virtual absl::StatusOr<LapicState> GetLapic() = 0;
  virtual absl::Status SetLapic(const LapicState& state) = 0;

  virtual absl::StatusOr<VcpuEvents> GetEvents() = 0;
  virtual absl::Status SetEvents(const VcpuEvents& events) = 0;

  // How fast the time stamp counter counts; 0 where the hypervisor does not say.
  virtual absl::StatusOr<uint32_t> GetTscKhz() = 0;
  // An error where the processor cannot count so fast, or slowly.
  virtual absl::Status SetTscKhz(uint32_t khz) = 0;

  // What Run returns a DebugExit for, until the next call; while anything is asked for, the guest's
  // own debug registers are out of force.
  virtual absl::Status SetDebug(const DebugControl& control) = 0;

  // What the hypervisor counts of this vCPU; empty when it does not.
  [[nodiscard]] virtual absl::StatusOr<std::vector<VcpuCounter>> Counters() const = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_VCPU_H_
