// What a machine needs from its surroundings.

#ifndef TOUCHSTONE_VMM_MACHINE_MACHINE_HOST_H_
#define TOUCHSTONE_VMM_MACHINE_MACHINE_HOST_H_

#include "base/clock.h"
#include "base/event/event_loop.h"
#include "hypervisor/hypervisor.h"

namespace touchstone {

// All are borrowed and outlive the machine.
struct MachineHost {
  Hypervisor* hypervisor = nullptr;
  EventLoop* loop = nullptr;
  Clock* clock = nullptr;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_MACHINE_HOST_H_
