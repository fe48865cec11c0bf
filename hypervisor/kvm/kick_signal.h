// The signal that brings a vCPU thread out of the guest.
//
// A real-time signal with a handler that does nothing: only its arrival counts, because it makes
// KVM_RUN return EINTR.

#ifndef TOUCHSTONE_HYPERVISOR_KVM_KICK_SIGNAL_H_
#define TOUCHSTONE_HYPERVISOR_KVM_KICK_SIGNAL_H_

#include <sys/types.h>

#include "absl/status/status.h"

namespace touchstone {

// The signal's number.
int KickSignal();

// Installs the handler for the process. Idempotent. Thread-safe.
absl::Status InstallKickSignal();

// The calling thread's id, for SendKickSignal; the first call of a thread also unblocks the signal
// there.
pid_t KickableThread();

// Async-signal-safe. A thread that is gone meanwhile is no error.
void SendKickSignal(pid_t thread);

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_KVM_KICK_SIGNAL_H_
