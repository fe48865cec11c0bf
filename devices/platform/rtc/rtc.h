// An MC146818 real-time clock with 128 bytes of memory (Motorola MC146818A data sheet; registers in
// rtc_registers.h).
//
//   Rtc rtc(clock, loop, irq8, {.below_4g = ram}, [&] { pm.NotifyRtcAlarm(); });
//   bus.Insert(kRtcPort, kRtcPortCount, rtc);
//
// The time is the host's wall clock in UTC until the guest sets it; from then on it is that far
// from the host's (crosvm ignores the setting, after which a guest reads back another time than it
// wrote). BCD and binary, 12 and 24 hours are there. The clock stands still while SET is 1 or the
// divider is held in reset; released from reset it begins half a second before its next second,
// as Linux expects when it sets the time. A date that does not exist is not taken over.
//
// UIP is on during the last 244 us of a second. Flags rise whether or not they are enabled, and the
// interrupt output is high while an enabled one is set. Alarms have seconds, minutes, hours, and
// beyond the original chip a day and a month. An alarm that is enabled calls `on_alarm` too (ACPI
// RTC_STS).
//
// At most kMaxPeriodicHz periodic interrupts a second are started by a timer; the periodic flag
// itself keeps the programmed pace. A host clock that is stepped is noticed within kMaxSleep.
//
// Accesses wider than a byte are split, as an ISA bus does. The index port cannot be read.
//
// Thread-safe. Neither owns nor outlives its clock, loop and line. Destroyed on the loop's thread
// or while the loop does not run.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_RTC_RTC_H_
#define TOUCHSTONE_DEVICES_PLATFORM_RTC_RTC_H_

#include <cstdint>
#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/clock.h"
#include "base/event/event_loop.h"
#include "base/mutex.h"
#include "devices/bus/bus_device.h"
#include "devices/irq/irq_line.h"
#include "devices/platform/rtc/rtc_calendar.h"
#include "devices/platform/rtc/rtc_registers.h"

namespace touchstone {

// Bytes of guest memory, as firmware learns of them.
struct RtcMemorySizes {
  uint64_t below_4g = 0;
  uint64_t above_4g = 0;
};

// What the guest can tell of an Rtc.
struct RtcState {
  uint8_t index = 0;
  // As written. The clock bytes count only while the clock stands still and are 0 otherwise; C and
  // D are 0.
  RtcRegisters registers{};
  uint8_t flags = 0;                       // register C without kRtcInterrupt
  absl::Duration offset;                   // guest time less host time
  absl::Time checked = absl::UnixEpoch();  // guest time up to which events have been seen
  bool time_written = false;               // since the clock stands still
  bool divider_was_reset = false;          // since the clock stands still

  bool operator==(const RtcState&) const = default;
};

class Rtc final : public BusDevice {
 public:
  static constexpr int kMaxPeriodicHz = 1024;
  static constexpr absl::Duration kUpdateWarning = absl::Microseconds(244);
  static constexpr absl::Duration kMaxSleep = absl::Minutes(1);

  // `on_alarm` may be null; it is called without a lock on the loop's or a vCPU's thread.
  Rtc(Clock& clock, EventLoop& loop, IrqLine& irq, const RtcMemorySizes& memory,
      std::function<void()> on_alarm);

  void Read(uint64_t offset, absl::Span<uint8_t> data) override;
  void Write(uint64_t offset, absl::Span<const uint8_t> data) override;

  [[nodiscard]] RtcState Save();
  // Takes over `state`, or changes nothing: InvalidArgument when no Rtc can be in that state. The
  // guest's clock has gone on in between; an alarm that it missed goes off now.
  absl::Status Restore(const RtcState& state);

 private:
  // What is to do once the lock is released: ending `stale` may wait for its callback, and the hook
  // may take other locks.
  struct Aftermath {
    Watch stale;
    bool alarm = false;
  };

  [[nodiscard]] bool divider_reset() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] bool halted() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] absl::Time Now() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The period of the periodic flag; infinite when it is off.
  [[nodiscard]] absl::Duration Period() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  uint8_t ReadRegister() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteRegister(uint8_t value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteControl(uint8_t a, uint8_t b) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The clock stops with its time in the registers; it goes on with what they hold.
  void Halt() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Resume() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // The flags as they are now.
  [[nodiscard]] uint8_t FlagsNow(absl::Time now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Raises the flags of what has happened since the last call.
  void CatchUp() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Puts the interrupt output and the timer to what the registers say.
  Aftermath Settle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] absl::Duration UntilNextInterrupt() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Finish(Aftermath aftermath);
  void TimerDue();

  Clock& clock_;
  EventLoop& loop_;
  IrqLine& irq_;
  const std::function<void()> on_alarm_;

  mutable Mutex mutex_;
  uint8_t index_ ABSL_GUARDED_BY(mutex_) = 0;
  RtcRegisters registers_ ABSL_GUARDED_BY(mutex_){};
  uint8_t flags_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Duration offset_ ABSL_GUARDED_BY(mutex_);
  absl::Time checked_ ABSL_GUARDED_BY(mutex_);
  absl::Time next_alarm_ ABSL_GUARDED_BY(mutex_);  // the first one after checked_
  bool time_written_ ABSL_GUARDED_BY(mutex_) = false;
  bool divider_was_reset_ ABSL_GUARDED_BY(mutex_) = false;

  bool alarm_due_ ABSL_GUARDED_BY(mutex_) = false;  // on_alarm is still to be called
  bool irq_level_ ABSL_GUARDED_BY(mutex_) = false;
  Watch timer_ ABSL_GUARDED_BY(mutex_);
  absl::Duration timer_deadline_ ABSL_GUARDED_BY(mutex_);  // on the monotonic clock
  absl::Duration last_timer_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_RTC_RTC_H_
