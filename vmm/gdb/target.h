// What a debugger sees of a machine: vCPUs, numbered from 0, that all stand still or of which some
// run, and memory.
//
// Thread-compatible: on the session's loop.

#ifndef TOUCHSTONE_VMM_GDB_TARGET_H_
#define TOUCHSTONE_VMM_GDB_TARGET_H_

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/memory/guest_memory.h"
#include "hypervisor/x86_64/state.h"
#include "vmm/gdb/cpu_state.h"

namespace touchstone {

// Why the machine stands still.
struct GdbStop {
  enum class Reason : uint8_t { kInterrupt, kStep, kSoftware, kHardware, kWrite, kAccess };
  Reason reason = Reason::kInterrupt;
  uint32_t vcpu = 0;
  uint64_t address = 0;  // What is watched, for kWrite and kAccess.

  bool operator==(const GdbStop&) const = default;
};

// How the machine goes on.
struct GdbRun {
  struct Vcpu {
    bool runs = true;
    bool step = false;  // One instruction.
  };
  std::vector<Vcpu> vcpus;  // One each.
  std::array<std::optional<DebugControl::Breakpoint>, 4> breakpoints = {};
  // Linear addresses at which an INT3 is the debugger's. Sorted.
  std::vector<uint64_t> software;
};

class GdbTarget {
 public:
  virtual ~GdbTarget() = default;

  [[nodiscard]] virtual uint32_t vcpu_count() const = 0;
  [[nodiscard]] virtual const GuestMemory& memory() const = 0;

  // Brings all to a standstill; `then` is called on the loop. Not while `stopped` is awaited.
  virtual void Halt(std::function<void()> then) = 0;

  // REQUIRES (of these three): all stand still. Errors are the host's.
  virtual absl::StatusOr<GdbCpuState> ReadState(uint32_t vcpu) = 0;
  virtual absl::Status WriteState(uint32_t vcpu, const GdbCpuState& state) = 0;
  // `stopped` is called once, on the loop, when all stand still again.
  virtual absl::Status Resume(const GdbRun& run, std::function<void(const GdbStop&)> stopped) = 0;

  // Has a machine that runs stop soon; without effect on one that stands still.
  virtual void Interrupt() = 0;
  // The debugger is gone: all run, nothing stops them, and `stopped` is not called.
  virtual void Detach() = 0;
  // Ends the machine.
  virtual void Kill() = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_GDB_TARGET_H_
