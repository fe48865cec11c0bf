// MSI of one function: the capability with a 64-bit address and without per-vector masks (PCI Local
// Bus 3.0, 6.8.1).
//
//   Msi msi(1, target);
//   RETURN_IF_ERROR(msi.AddCapability(config));
//   // WriteConfig:  config.Write(offset, data);  msi.ConfigWritten(config);
//   if (msi.enabled()) msi.Signal(0);  // Otherwise INTx.
//
// Ownership: the target is borrowed. Thread-safe.

#ifndef TOUCHSTONE_DEVICES_PCI_MSI_H_
#define TOUCHSTONE_DEVICES_PCI_MSI_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "devices/irq/msi_target.h"
#include "devices/pci/config_space.h"

namespace touchstone {

class Msi {
 public:
  // REQUIRES: `vectors` is a power of two, up to 32.
  Msi(uint8_t vectors, MsiTarget& target);

  // Adds the capability, once. Errors as ConfigSpace::AddCapability.
  absl::Status AddCapability(ConfigSpace& config);

  // Takes over what the guest wrote. REQUIRES: AddCapability was called.
  void ConfigWritten(const ConfigSpace& config);

  [[nodiscard]] bool enabled() const {
    // Relaxed: says what the guest last wrote; nothing else is read on the strength of it.
    return enabled_.load(std::memory_order_relaxed);
  }

  // Sends the message of `vector`, folded into as many as the guest allowed. Ignored while MSI is
  // not enabled, and when the machine has no route for it (a log line says so).
  void Signal(uint8_t vector);

 private:
  struct Vector {
    std::unique_ptr<MsiRoute> route;
    uint64_t routed_address = 0;
    uint32_t routed_data = 0;
  };

  absl::Status UpdateRoute(Vector& vector, uint32_t data) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  MsiTarget& target_;
  uint8_t capability_ = 0;

  std::atomic<bool> enabled_{false};  // Written under mutex_.
  Mutex mutex_;
  uint32_t allowed_ ABSL_GUARDED_BY(mutex_) = 1;  // A power of two, no more than vectors_ has.
  uint64_t address_ ABSL_GUARDED_BY(mutex_) = 0;
  uint16_t data_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Vector> vectors_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PCI_MSI_H_
