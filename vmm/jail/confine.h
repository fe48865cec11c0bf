// The inner half of the jail: what a process made by Spawn() does with itself before it looks at
// anything that is not its own.
//
//   root directory   an empty file system, or the mount at kJailRootFd, read-only; the host's is
//   gone user             "nobody" of the host, unless a user namespace has seen to that
//   capabilities     none, in all five sets, and no way to get any (securebits, no-new-privs)
//   ptrace, dumps    not dumpable
//   limits           so many descriptors, no core file
//   parent           dies when the thread that spawned it does
//   system calls     `filter`; SIGSYS is answered by a report and death (violation.h)

#ifndef TOUCHSTONE_VMM_JAIL_CONFINE_H_
#define TOUCHSTONE_VMM_JAIL_CONFINE_H_

#include "vmm/jail/filter.h"

namespace touchstone {

// Room for the descriptors of guest memory and queues.
inline constexpr int kJailMaxFds = 1024;

// Confines the calling process and reports the outcome at kJailReportFd. Ends the process when a
// step fails: half a jail is none. There are at most `max_fds` descriptors from then on, or as many
// as the process was allowed.
// REQUIRES: a child of Spawn() with one thread; no call before.
void ConfineOrDie(const Filter& filter, int max_fds = kJailMaxFds);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_JAIL_CONFINE_H_
