// Keeps a process alive when a file is cut short that it has mapped: memory of somebody who is not
// trusted, such as a vhost-user front end. Its pages beyond the end would be SIGBUS.
//
//   ASSIGN_OR_RETURN(TruncationGuard guard, TruncationGuard::Watch(host, size));
//
// From the page that was missed to the end of the mapping, private pages of zeros take the place of
// the file: whoever cut it harms nobody but himself. System calls that are handed such an address
// fail with EFAULT, without a guard too.
//
// The first guard of a process installs a handler of SIGBUS, which passes on what is not its own.
//
// Thread-safe.

#ifndef TOUCHSTONE_BASE_MEMORY_TRUNCATION_GUARD_H_
#define TOUCHSTONE_BASE_MEMORY_TRUNCATION_GUARD_H_

#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"

namespace touchstone {

class TruncationGuard {
 public:
  // Guards of a process at one time.
  static constexpr int kMaxGuards = 1024;

  // Until the guard goes, which is when nobody accesses the range any more. ResourceExhausted when
  // there are too many. REQUIRES: whole pages, mapped readable and writable, not guarded yet.
  static absl::StatusOr<TruncationGuard> Watch(void* host, uint64_t size);

  TruncationGuard(TruncationGuard&& other) noexcept : slot_(std::exchange(other.slot_, -1)) {}
  TruncationGuard& operator=(TruncationGuard&& other) noexcept {
    std::swap(slot_, other.slot_);
    return *this;
  }
  ~TruncationGuard();

  // Whether a page was missed.
  [[nodiscard]] bool truncated() const;

 private:
  explicit TruncationGuard(int slot) : slot_(slot) {}

  int slot_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_MEMORY_TRUNCATION_GUARD_H_
