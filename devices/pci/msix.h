// MSI-X of one function: the capability, the table and the pending bits (PCI Local Bus 3.0, 6.8.2).
//
//   Msix msix(vectors, target);
//   RETURN_IF_ERROR(msix.AddCapability(config, {.bar = 0, .offset = 0x6000},
//                                      {.bar = 0, .offset = 0x7000}));
//   // WriteConfig:  config.Write(offset, data);  msix.ConfigWritten(config);
//   // BAR 0:        msix.ReadTable(offset - 0x6000, data); ...
//   if (msix.enabled()) msix.Signal(vector);  // Otherwise INTx.
//
//   table entry, 16 bytes: address low | address high | data | vector control (bit 0: masked)
//   pending bits: one a vector, in quadwords
//
// A vector gets its route in the machine when it first becomes deliverable (MSI-X enabled, neither
// the function nor the vector masked) and keeps it; a later change of its message updates the
// route. A message signalled while masked sets the pending bit and is sent on unmasking. Where the
// machine has no route to give, messages wait as pending and `lost` counts.
//
// Ownership: the target is borrowed. Threads: thread-safe. When a write that masks a vector has
// returned, Signal sends nothing for it; who holds `trigger` and signals by itself is not held
// back.

#ifndef TOUCHSTONE_DEVICES_PCI_MSIX_H_
#define TOUCHSTONE_DEVICES_PCI_MSIX_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/event_fd.h"
#include "base/mutex.h"
#include "devices/irq/msi_target.h"
#include "devices/pci/config_space.h"

namespace touchstone {

class Msix {
 public:
  static constexpr uint16_t kMaxVectors = 2048;

  struct Location {
    int bar = 0;
    uint32_t offset = 0;  // A multiple of 8.
  };

  // What a guest can have changed outside the configuration space; plain data.
  struct State {
    std::vector<uint8_t> table;    // As the guest reads it.
    std::vector<uint8_t> pending;  // As the guest reads it.

    friend bool operator==(const State&, const State&) = default;
  };

  // REQUIRES: 1 <= vectors <= kMaxVectors.
  Msix(uint16_t vectors, MsiTarget& target);

  // Adds the capability, once. Errors as ConfigSpace::AddCapability, and InvalidArgument for a
  // location that the registers cannot express.
  absl::Status AddCapability(ConfigSpace& config, Location table, Location pending);

  // Takes over the enable and mask bits. REQUIRES: AddCapability was called, for this space or one
  // that it was copied to.
  void ConfigWritten(const ConfigSpace& config);

  // Accesses to the table and the pending bits, `offset` from their start: any offset, size and
  // alignment. Bytes behind the end are left as they are, and not written.
  void ReadTable(uint64_t offset, absl::Span<uint8_t> data) const;
  void WriteTable(uint64_t offset, absl::Span<const uint8_t> data);
  void ReadPending(uint64_t offset, absl::Span<uint8_t> data) const;  // Read-only to the guest.

  [[nodiscard]] uint32_t table_size() const;
  [[nodiscard]] uint32_t pending_size() const;

  [[nodiscard]] bool enabled() const {
    // Relaxed: says what the guest last wrote; nothing else is read on the strength of it.
    return enabled_.load(std::memory_order_relaxed);
  }

  // Sends the vector's message, or remembers it while masked. Ignored for a vector that does not
  // exist and while MSI-X is not enabled.
  void Signal(uint16_t vector);

  // The descriptor that sends the vector's message, for whoever delivers by itself (another
  // process, the kernel); null while the vector is masked, MSI-X not enabled or there is no route.
  // Lives as long as this object.
  [[nodiscard]] const EventFd* trigger(uint16_t vector) const;

  // How often the machine refused a route or its change.
  [[nodiscard]] uint64_t lost() const;

  [[nodiscard]] State Save() const;
  // InvalidArgument when the sizes are not those of this object. ConfigWritten follows the restored
  // configuration space.
  absl::Status Restore(const State& state);

 private:
  struct Message {
    uint64_t address = 0;
    uint32_t data = 0;

    friend bool operator==(const Message&, const Message&) = default;
  };
  struct Vector {
    std::unique_ptr<MsiRoute> route;
    Message routed;
  };

  bool Deliverable(uint16_t vector) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Pending(uint16_t vector) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetPending(uint16_t vector, bool pending) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What the vector's entry says.
  Message MessageOf(uint16_t vector) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether the vector's route sends that.
  bool RouteIsCurrent(uint16_t vector) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool UpdateRoute(uint16_t vector) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Refresh(uint16_t vector) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const uint16_t count_;
  MsiTarget& target_;
  uint8_t capability_ = 0;

  std::atomic<bool> enabled_{false};  // Written under mutex_.
  mutable Mutex mutex_;
  bool function_masked_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<uint8_t> table_ ABSL_GUARDED_BY(mutex_);
  std::vector<uint8_t> pending_ ABSL_GUARDED_BY(mutex_);
  std::vector<Vector> vectors_ ABSL_GUARDED_BY(mutex_);
  uint64_t lost_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PCI_MSIX_H_
