// What a debugger does when a vCPU stops for it.

#ifndef TOUCHSTONE_VMM_MACHINE_DEBUG_HOOK_H_
#define TOUCHSTONE_VMM_MACHINE_DEBUG_HOOK_H_

#include <cstdint>

#include "hypervisor/vcpu.h"
#include "hypervisor/vcpu_exit.h"

namespace touchstone {

// Thread-safe.
class DebugHook {
 public:
  virtual ~DebugHook() = default;

  // On the vCPU's thread. The machine's gate is closed when this returns, unless the vCPU is to go
  // on at once.
  virtual void OnDebugExit(Vcpu& vcpu, uint32_t index, const DebugExit& exit) = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_DEBUG_HOOK_H_
