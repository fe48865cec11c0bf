// An 82093AA I/O APIC (Intel 82093AA data sheet; registers in ioapic_registers.h) with 24 inputs
// that sends its interrupts as messages.
//
//   Ioapic ioapic(target);
//   mmio.Insert({0xfec00000, kIoapicSize}, "IOAPIC", &ioapic);
//   ioapic.SetInput(4, true);
//   ioapic.EndOfInterrupt(vector);  // as target.Watch has asked for
//
// An edge on a masked input is lost, as the data sheet has it. A level that is asserted, unmasked
// and not being served is sent; one that no local APIC took is tried again when the input or its
// entry changes. Inputs are asserted or not, whatever polarity the guest chose for them. Messages
// leave at once, so delivery status is always idle.
//
// An entry that is made edge-triggered forgets its remote IRR: that is how guests end an interrupt
// of an I/O APIC without EOI register. ExtINT entries send nothing: the PICs have a wire of their
// own to the first processor.
//
// As the data sheet asks for, IOWIN is written by 32 bits; a read gives the low bytes of a
// register. Thread-safe.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_IOAPIC_IOAPIC_H_
#define TOUCHSTONE_DEVICES_PLATFORM_IOAPIC_IOAPIC_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "devices/bus/bus_device.h"
#include "devices/platform/ioapic/ioapic_registers.h"
#include "devices/platform/ioapic/ioapic_target.h"

namespace touchstone {

struct IoapicState {
  uint8_t select = 0;
  uint8_t id = 0;
  uint32_t inputs = 0;  // levels, input 0 in bit 0
  std::array<uint64_t, kIoapicInputs> entries{};

  bool operator==(const IoapicState&) const = default;
};

class Ioapic final : public BusDevice {
 public:
  // Borrows `target`.
  explicit Ioapic(IoapicTarget& target);

  // Asserts or releases an input. REQUIRES: 0 <= input < kIoapicInputs.
  void SetInput(int input, bool level);

  // A local APIC is done with this vector (data sheet 3.2.4, Remote IRR). What is still asserted is
  // sent again.
  void EndOfInterrupt(uint8_t vector);

  void Read(uint64_t offset, absl::Span<uint8_t> data) override;
  void Write(uint64_t offset, absl::Span<const uint8_t> data) override;

  [[nodiscard]] IoapicState Save();
  // Takes over `state`, or changes nothing: InvalidArgument when no Ioapic can be in that state.
  // Sends what an asserted level has not yet led to.
  absl::Status Restore(const IoapicState& state);

 private:
  [[nodiscard]] uint32_t ReadRegister() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteRegister(uint32_t value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteEntry(size_t input, uint64_t value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] bool IsHigh(size_t input) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Tells the target of the input's level-triggered message, when it is another one.
  void UpdateWatch(size_t input) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sends a level that is due.
  void SendLevel(size_t input) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  IoapicTarget& target_;
  Mutex mutex_;
  IoapicState state_ ABSL_GUARDED_BY(mutex_);
  std::array<std::optional<IoapicMessage>, kIoapicInputs> watched_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_IOAPIC_IOAPIC_H_
