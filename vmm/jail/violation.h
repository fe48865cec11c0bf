// The answer to a forbidden system call: it is reported, and the process dies of SIGSYS.
//
// Filters trap (SECCOMP_RET_TRAP) instead of killing at once, since a kill leaves the number in the
// kernel's audit log only. Nothing is lost by it: the call was not made; filters kill for any
// attempt to replace the handler (rt_sigaction of SIGSYS) and for the system call by which the
// handler ends (kFatalSystemCall); and the kernel kills by itself when SIGSYS is blocked. The other
// way, SECCOMP_RET_USER_NOTIF, would hang the child on an answer of the VMM's, and can't serve the
// VMM itself.

#ifndef TOUCHSTONE_VMM_JAIL_VIOLATION_H_
#define TOUCHSTONE_VMM_JAIL_VIOLATION_H_

namespace touchstone {

// _sysctl, which no kernel since 5.5 has.
inline constexpr int kFatalSystemCall = 156;

// Installs the handler, which reports the call's number to the descriptor `report_fd`. False, with
// errno, when it cannot.
bool HandleViolations(int report_fd);

// The same for a process that has nobody to report to: the handler writes a line to standard error,
// and lets the handler that was there do its part (RawTerminal).
bool AnnounceViolations();

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_JAIL_VIOLATION_H_
