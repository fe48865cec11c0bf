// ACPI fixed hardware: the PM1a event and control registers, the PM timer and one block of
// general-purpose events (ACPI 6.4, 4.8.3 and 4.8.4; map in acpi_pm_registers.h).
//
//   AcpiPm pm(clock, loop, sci, {.on_power_off = [&] { machine.Stop(); }});
//   bus.Insert(kAcpiPmPort, kAcpiPmPortCount, pm);
//   pm.PressPowerButton();   // the guest shuts down
//
// The machine starts in ACPI mode: SCI_EN is always 1, and the FADT says SMI_CMD 0. Sleep buttons
// and power button are fixed hardware. The reset register is not here (port 0xCF9).
//
// S5 calls on_power_off. S1 calls on_suspend; the machine then stands still until something wakes
// it: a button, an enabled RTC alarm or general-purpose event, or Wake(). The guest sees WAK_STS
// then, which Linux waits for. Without on_suspend the machine is awake again at once. Other sleep
// types do nothing.
//
// Accesses may have any width and alignment; they act byte by byte, and one access sees one value
// of the timer.
//
// Thread-safe. Neither owns nor outlives its clock, loop and line. Destroyed on the loop's thread
// or while the loop does not run.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_ACPI_PM_ACPI_PM_H_
#define TOUCHSTONE_DEVICES_PLATFORM_ACPI_PM_ACPI_PM_H_

#include <array>
#include <cstdint>
#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/clock.h"
#include "base/event/event_loop.h"
#include "base/mutex.h"
#include "devices/bus/bus_device.h"
#include "devices/irq/irq_line.h"
#include "devices/platform/acpi_pm/acpi_pm_registers.h"

namespace touchstone {

// What the guest can tell of an AcpiPm.
struct AcpiPmState {
  uint16_t status = 0;
  uint16_t enable = 0;
  uint16_t control = kPm1SciEnable;
  uint32_t timer = 0;
  bool sleeping = false;  // in S1
  bool idle = false;      // in suspend-to-idle
  std::array<uint8_t, kGpe0HalfLength> gpe_status{};
  std::array<uint8_t, kGpe0HalfLength> gpe_enable{};

  bool operator==(const AcpiPmState&) const = default;
};

// Called without a lock on the thread that causes it, a vCPU's or the loop's. Each may be null.
struct AcpiPmHooks {
  std::function<void()> on_power_off;
  std::function<void()> on_suspend;
  std::function<void()> on_wake;  // what on_suspend began is over
};

class AcpiPm final : public BusDevice {
 public:
  enum class TimerWidth { k24Bits, k32Bits };  // FADT flag TMR_VAL_EXT says which

  AcpiPm(Clock& clock, EventLoop& loop, IrqLine& sci, AcpiPmHooks hooks,
         TimerWidth timer_width = TimerWidth::k24Bits);

  void Read(uint64_t offset, absl::Span<uint8_t> data) override;
  void Write(uint64_t offset, absl::Span<const uint8_t> data) override;

  // What the machine's surroundings do. From any thread.
  void PressPowerButton();
  void PressSleepButton();
  void NotifyRtcAlarm();
  // Sets general-purpose event `gpe`; one the block does not have is ignored.
  void RaiseGpe(int gpe);
  // Ends S1 for a reason of the host's. Does nothing when awake.
  void Wake();
  // Whether the guest says that it is in suspend-to-idle. It runs all the same, and an event that
  // it has enabled wakes it.
  [[nodiscard]] bool idle() const;

  [[nodiscard]] AcpiPmState Save() const;
  // Takes over `state`, or changes nothing: InvalidArgument when no AcpiPm can be in that state. No
  // hook is called.
  absl::Status Restore(const AcpiPmState& state);

 private:
  // What is left to do without the lock.
  enum class Action { kNone, kPowerOff, kSuspend, kWake };

  uint8_t ReadByte(uint64_t offset, uint32_t timer) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Action WriteByte(uint64_t offset, uint8_t value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Action EnterSleep(uint8_t type) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Action WakeIf(bool wakes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Run(Action action);
  [[nodiscard]] bool WokeUp() const;
  void RaiseEvent(uint16_t status, bool always_wakes);

  // The timer as a counter that does not wrap.
  [[nodiscard]] uint64_t Ticks() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sets TMR_STS when the timer's top bit has changed since the last call, and sees to it that
  // somebody calls when it will and the guest wants to know.
  void UpdateTimer() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void UpdateSci() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TimerDue();

  Clock& clock_;
  EventLoop& loop_;
  IrqLine& sci_;
  const AcpiPmHooks hooks_;
  const int timer_bits_;

  mutable Mutex mutex_;
  uint16_t status_ ABSL_GUARDED_BY(mutex_) = 0;
  uint16_t enable_ ABSL_GUARDED_BY(mutex_) = 0;
  uint16_t control_ ABSL_GUARDED_BY(mutex_) = kPm1SciEnable;
  bool sleeping_ ABSL_GUARDED_BY(mutex_) = false;
  bool idle_ ABSL_GUARDED_BY(mutex_) = false;
  std::array<uint8_t, kGpe0HalfLength> gpe_status_ ABSL_GUARDED_BY(mutex_){};
  std::array<uint8_t, kGpe0HalfLength> gpe_enable_ ABSL_GUARDED_BY(mutex_){};
  uint64_t tick_offset_ ABSL_GUARDED_BY(mutex_) = 0;  // wraps: an offset back is a large one
  uint64_t top_bit_changes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool sci_level_ ABSL_GUARDED_BY(mutex_) = false;
  // Reset on the loop's thread only.
  Watch timer_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_ACPI_PM_ACPI_PM_H_
