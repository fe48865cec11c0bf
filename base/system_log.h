// The system log (syslog(3)), as datagrams to its socket.
//
//   StartSystemLog("vm1");   // From now on what LOG prints is in the system log too, as vm1[PID].
//
// Not the C library's syslog(): that opens /dev/log again whenever it likes, which a sandbox
// forbids, and no test can listen to it. Lines that the daemon is too slow for are lost.

#ifndef TOUCHSTONE_BASE_SYSTEM_LOG_H_
#define TOUCHSTONE_BASE_SYSTEM_LOG_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/log.h"

namespace touchstone {

inline constexpr char kSystemLogSocket[] = "/dev/log";

// Connects to the datagram socket at `path`. At most once that succeeds. Thread-compatible; the
// lines then come from any thread.
absl::Status StartSystemLog(absl::string_view tag, const std::string& path = kSystemLogSocket);

// The datagram that brings a line to the system log (RFC 3164, 4.1): severity, time, the tag of
// StartSystemLog or "touchstone" without one, and `text` with a '?' for each control character but
// a tab, which becomes a space. Thread-safe once StartSystemLog has returned.
std::string SystemLogMessage(LogLevel level, absl::string_view text);

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_SYSTEM_LOG_H_
