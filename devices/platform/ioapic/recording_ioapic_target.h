// An IoapicTarget for tests, fuzzers and benchmarks: remembers what it was sent.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_IOAPIC_RECORDING_IOAPIC_TARGET_H_
#define TOUCHSTONE_DEVICES_PLATFORM_IOAPIC_RECORDING_IOAPIC_TARGET_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "devices/platform/ioapic/ioapic_registers.h"
#include "devices/platform/ioapic/ioapic_target.h"

namespace touchstone {

// Thread-compatible: read it while nobody calls the I/O APIC.
class RecordingIoapicTarget final : public IoapicTarget {
 public:
  bool Deliver(const IoapicMessage& message) override {
    ++deliveries;
    last = message;
    return accepts;
  }
  void Watch(int input, const std::optional<IoapicMessage>& message) override {
    ++changes;
    watched.at(static_cast<size_t>(input)) = message;
  }

  bool accepts = true;  // what Deliver answers
  int deliveries = 0;
  IoapicMessage last;
  int changes = 0;  // of what is watched
  std::array<std::optional<IoapicMessage>, kIoapicInputs> watched;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_IOAPIC_RECORDING_IOAPIC_TARGET_H_
