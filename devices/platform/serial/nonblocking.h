// Descriptors that can be written and read without waiting, and without a mark on whoever shares
// them.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_SERIAL_NONBLOCKING_H_
#define TOUCHSTONE_DEVICES_PLATFORM_SERIAL_NONBLOCKING_H_

#include "absl/status/statusor.h"
#include "base/scoped_fd.h"

namespace touchstone {

// A descriptor of our own for what `fd` refers to. O_NONBLOCK belongs to the open file, which
// standard input and output share with the shell and its other children, so a terminal or pipe is
// opened anew, with `access` (O_RDONLY or O_WRONLY) and O_NONBLOCK. Where that is refused, and for
// files and sockets, it is a duplicate: files do not block, and sockets have MSG_DONTWAIT.
absl::StatusOr<ScopedFd> NonBlocking(const ScopedFd& fd, int access);

// From now on a write to a pipe without a reader is an error (EPIPE), not the end of the process
// (SIGPIPE). Does nothing when the process handles the signal already.
void IgnoreBrokenPipes();

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_SERIAL_NONBLOCKING_H_
