// Where a device's message-signalled interrupts go.

#ifndef TOUCHSTONE_DEVICES_IRQ_MSI_TARGET_H_
#define TOUCHSTONE_DEVICES_IRQ_MSI_TARGET_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/event_fd.h"

namespace touchstone {

// One routed message. Signalling the descriptor interrupts the guest; it can be handed to another
// process or to the kernel. Destroying it frees the route.
class MsiRoute {
 public:
  virtual ~MsiRoute() = default;

  [[nodiscard]] virtual const EventFd& trigger() const = 0;

  // Changes the message that `trigger` sends (PCI Local Bus 3.0, 6.8.1), as a guest does when it
  // moves an interrupt.
  virtual absl::Status Update(uint64_t address, uint32_t data) = 0;
};

// Thread-safe.
class MsiTarget {
 public:
  virtual ~MsiTarget() = default;

  // A new route for this message. ResourceExhausted when the machine has no more.
  virtual absl::StatusOr<std::unique_ptr<MsiRoute>> Route(uint64_t address, uint32_t data) = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_IRQ_MSI_TARGET_H_
