// How a child process ended, as the kernel tells the process that started it.

#ifndef TOUCHSTONE_VMM_JAIL_CHILD_END_H_
#define TOUCHSTONE_VMM_JAIL_CHILD_END_H_

#include <cstdint>

#include "absl/status/statusor.h"

namespace touchstone {

// Fixed in size and without pointers, to be sent from process to process.
struct ChildEnd {
  enum class Kind : uint32_t {
    kExited = 1,      // `value` is the status.
    kKilled = 2,      // `value` is the signal.
    kNotStarted = 3,  // `text` says why.
  };

  Kind kind = Kind::kExited;
  int32_t value = 0;
  char text[248] = {};  // Ends with 0.
};
static_assert(sizeof(ChildEnd) == 256);

// Waits until this process's child behind `pidfd` has ended, and reaps it.
absl::StatusOr<ChildEnd> WaitForChild(int pidfd);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_JAIL_CHILD_END_H_
