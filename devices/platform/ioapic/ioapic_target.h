// The local APICs, as an I/O APIC sees them: it sends them messages and hears of the ends of
// level-triggered interrupts.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_IOAPIC_IOAPIC_TARGET_H_
#define TOUCHSTONE_DEVICES_PLATFORM_IOAPIC_IOAPIC_TARGET_H_

#include <cstdint>
#include <optional>

namespace touchstone {

// An interrupt message (Intel SDM volume 3, 10.11).
struct IoapicMessage {
  uint64_t address = 0;
  uint32_t data = 0;

  bool operator==(const IoapicMessage&) const = default;
};

// Called under the I/O APIC's lock, on any thread; must not call back. The machine implements it
// over the hypervisor, tests record it (recording_ioapic_target.h).
class IoapicTarget {
 public:
  virtual ~IoapicTarget() = default;

  // Sends `message`. False when no local APIC took it.
  virtual bool Deliver(const IoapicMessage& message) = 0;

  // From now on the end of an interrupt with this level-triggered message's vector, at the local
  // APICs it is for, is to be told to Ioapic::EndOfInterrupt; with nullopt no longer for `input`'s
  // sake.
  virtual void Watch(int input, const std::optional<IoapicMessage>& message) = 0;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_IOAPIC_IOAPIC_TARGET_H_
