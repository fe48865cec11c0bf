// Giving the host back the memory behind guest pages: what a balloon is for.
//
// Devices see the interface; GuestMemoryControl does it for the memory of a machine.

#ifndef TOUCHSTONE_BASE_MEMORY_MEMORY_CONTROL_H_
#define TOUCHSTONE_BASE_MEMORY_MEMORY_CONTROL_H_

#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "base/memory/guest_address.h"
#include "base/memory/guest_memory.h"

namespace touchstone {

// Thread-safe.
class MemoryControl {
 public:
  virtual ~MemoryControl() = default;

  // The pages of [start, start + size) read as 0 from now on, and take no memory of the host until
  // they are touched again. What is no guest memory is passed over; returns how many bytes were.
  // The errno of the host when it refuses; some of the pages may be released then. REQUIRES: both
  // are multiples of kGuestPageSize, the end is no more than 2^64.
  virtual absl::StatusOr<uint64_t> Release(GuestAddress start, uint64_t size) = 0;
};

// Private memory is forgotten (MADV_DONTNEED), that of a memfd is cut out of the file, for all
// processes that map it. Thread-safe.
class GuestMemoryControl final : public MemoryControl {
 public:
  explicit GuestMemoryControl(GuestMemory memory) : memory_(std::move(memory)) {}

  absl::StatusOr<uint64_t> Release(GuestAddress start, uint64_t size) override;

 private:
  const GuestMemory memory_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_MEMORY_MEMORY_CONTROL_H_
