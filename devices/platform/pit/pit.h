// An 8254 interval timer (Intel 82C54 data sheet; registers in pit_registers.h) as a PC has it:
// counter 0 interrupts, counter 2 is behind port 0x61.
//
//   Pit pit(clock, loop, irq0);
//   ports.Insert({kPitPort, kPitPortCount}, "PIT", &pit);
//   ports.Insert({kPitSpeakerPort, kPitSpeakerPortCount}, "speaker", &pit.speaker());
//
// Counts, outputs and status follow the host's monotonic clock to the tick. The interrupt line has
// the level of counter 0's output, except that of an output that rises only the rise is made in
// time: a square wave's fall waits for the next rise or access. Several rises that are late are
// one. At most kMaxHz of them a second are started by a timer, as KVM's does by default.
//
// The control word cannot be read. Accesses wider than a byte are split, as an ISA bus does.
//
// Thread-safe. Neither owns nor outlives its clock, loop and line. Destroyed on the loop's thread
// or while the loop does not run.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_PIT_PIT_H_
#define TOUCHSTONE_DEVICES_PLATFORM_PIT_PIT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/clock.h"
#include "base/event/event_loop.h"
#include "base/mutex.h"
#include "devices/bus/bus_device.h"
#include "devices/irq/irq_line.h"
#include "devices/platform/pit/pit_counter.h"
#include "devices/platform/pit/pit_registers.h"

namespace touchstone {

struct PitState {
  std::array<PitCounterState, kPitCounters> counters;
  bool speaker_data = false;

  bool operator==(const PitState&) const = default;
};

class Pit final : public BusDevice {
 public:
  static constexpr int kMaxHz = 5000;

  Pit(Clock& clock, EventLoop& loop, IrqLine& irq);

  void Read(uint64_t offset, absl::Span<uint8_t> data) override;
  void Write(uint64_t offset, absl::Span<const uint8_t> data) override;

  // Port 0x61.
  [[nodiscard]] BusDevice& speaker() { return speaker_; }

  [[nodiscard]] PitState Save();
  // Takes over `state`, or changes nothing: InvalidArgument when no Pit can be in that state. It
  // goes on from where it was saved.
  absl::Status Restore(const PitState& state);

 private:
  class Speaker final : public BusDevice {
   public:
    explicit Speaker(Pit& pit) : pit_(pit) {}
    void Read(uint64_t offset, absl::Span<uint8_t> data) override;
    void Write(uint64_t offset, absl::Span<const uint8_t> data) override;

   private:
    Pit& pit_;
  };

  // Ticks of the counters' clock.
  [[nodiscard]] int64_t Now() const;
  void WriteControl(uint8_t value, int64_t now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Interrupts when counter 0's output has risen.
  void CatchUp(int64_t now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Puts the line and the timer to what counter 0 says. The watch returned is to be ended once the
  // lock is released: that may wait for its callback.
  [[nodiscard]] Watch Settle(int64_t now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetLine(bool level) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TimerDue();

  Clock& clock_;
  EventLoop& loop_;
  IrqLine& irq_;
  Speaker speaker_{*this};

  Mutex mutex_;
  std::array<PitCounter, kPitCounters> counters_ ABSL_GUARDED_BY(mutex_);
  bool speaker_data_ ABSL_GUARDED_BY(mutex_) = false;
  bool irq_level_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<int64_t> next_rise_ ABSL_GUARDED_BY(mutex_);  // of counter 0's output
  Watch timer_ ABSL_GUARDED_BY(mutex_);
  absl::Duration timer_deadline_ ABSL_GUARDED_BY(mutex_);  // on the monotonic clock
  absl::Duration last_timer_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_PIT_PIT_H_
