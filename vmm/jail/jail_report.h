// What a jailed child tells its parent, as datagrams on descriptor kJailReportFd: that it is
// confined, or which step of that failed; that it does its work; later, which system call it dies
// for.
//
// Fixed in size and without pointers: a signal handler writes them, and the parent trusts nothing
// in them but the layout.

#ifndef TOUCHSTONE_VMM_JAIL_JAIL_REPORT_H_
#define TOUCHSTONE_VMM_JAIL_JAIL_REPORT_H_

#include <cstdint>

namespace touchstone {

// Numbers of descriptors in every jailed child; its own begin with kJailFirstFd.
inline constexpr int kJailReportFd = 3;
inline constexpr int kJailRootFd = 4;  // Only with --pivot-root: the mount that becomes "/".
inline constexpr int kJailFirstFd = 5;

struct JailReport {
  enum class Kind : uint32_t {
    kConfined = 1,
    kFailed = 2,     // `step` with `number` as its errno.
    kViolation = 3,  // `number` is the system call.
    kServing = 4,
  };

  Kind kind = Kind::kFailed;
  int32_t number = 0;
  char step[56] = {};  // Ends with 0.
};
static_assert(sizeof(JailReport) == 64);

// Sends a report from the child. False when nobody listens. Async-signal-safe.
bool SendJailReport(int fd, JailReport::Kind kind, int32_t number, const char* step);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_JAIL_JAIL_REPORT_H_
