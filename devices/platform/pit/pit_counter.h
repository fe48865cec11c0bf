// One counter of an 8254 (Intel 82C54 data sheet), by the ticks of its clock: every method is told
// which tick it is. Nothing runs: counts and outputs are computed from when counting began.
//
//   PitCounter counter(/*gate=*/true);
//   counter.WriteControl(kPitBothBytes << kPitAccessShift | kPitRate << kPitModeShift, tick);
//   counter.Write(0x34, tick);
//   counter.Write(0x12, tick);   // OUT is low for a tick every 0x1234
//
// A count is loaded on the tick after it was written or triggered, as the data sheet has it. The
// count 1, which modes 2 and 3 do not allow, leaves OUT as it is. BCD digits above 9 count as the
// number they are.
//
// Thread-compatible. REQUIRES: ticks never go back.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_PIT_PIT_COUNTER_H_
#define TOUCHSTONE_DEVICES_PLATFORM_PIT_PIT_COUNTER_H_

#include <cstdint>
#include <optional>

#include "devices/platform/pit/pit_registers.h"

namespace touchstone {

// All there is to a counter. Ticks are relative to the one it was saved at.
struct PitCounterState {
  enum class Phase : uint8_t {
    kIdle,     // no count since the control word, or half of one: the element stands at `held`
    kRunning,  // `start` is the tick with the element at `initial`
    kFrozen,   // by the gate, `elapsed` ticks after that
  };

  uint8_t mode = kPitTerminalCount;
  uint8_t access = kPitBothBytes;
  bool bcd = false;
  bool gate = true;
  Phase phase = Phase::kIdle;
  int64_t start = 0;
  int64_t elapsed = 0;
  uint32_t initial = 1;
  uint16_t held = 0;
  uint32_t count = 0;       // as written; 0: none since the control word
  bool fresh = true;        // and not loaded yet (null count)
  bool first_half = true;   // of the square wave: OUT is high
  bool out_before = false;  // OUT up to `start`
  bool write_high = false;  // the next byte written is the high one
  bool read_high = false;
  uint8_t low_byte = 0;  // of a count that is half written
  std::optional<uint16_t> latched_count;
  std::optional<uint8_t> latched_status;

  bool operator==(const PitCounterState&) const = default;
};

class PitCounter {
 public:
  explicit PitCounter(bool gate) { state_.gate = gate; }

  // A control word for this counter: its mode, or a latch command.
  void WriteControl(uint8_t control, int64_t now);
  // The read-back command's two halves.
  void LatchCount(int64_t now);
  void LatchStatus(int64_t now);

  void Write(uint8_t value, int64_t now);
  uint8_t Read(int64_t now);

  void SetGate(bool gate, int64_t now);
  [[nodiscard]] bool gate() const { return state_.gate; }

  [[nodiscard]] bool Out(int64_t now);
  // The next tick after `now` with which OUT goes from low to high, if nobody intervenes.
  [[nodiscard]] std::optional<int64_t> NextRise(int64_t now);

  [[nodiscard]] PitCounterState Save(int64_t now);
  // False, and nothing changed, when no counter can be in that state.
  [[nodiscard]] bool Restore(const PitCounterState& state, int64_t now);

 private:
  [[nodiscard]] bool periodic() const {
    return state_.mode == kPitRate || state_.mode == kPitSquare;
  }
  [[nodiscard]] bool triggered() const {
    return state_.mode == kPitOneShot || state_.mode == kPitHardwareStrobe;
  }
  // Ticks since the element was at `initial`; -1 just before it is. REQUIRES: not idle.
  [[nodiscard]] int64_t Elapsed(int64_t now) const;
  // How long a half of the square wave of `count` lasts.
  static int64_t HalfLength(uint32_t count, bool first_half);
  // Goes on to the period that `now` is in.
  void CatchUp(int64_t now);
  void TakeCount();
  // Begins to count down from what was written.
  void Start(int64_t now);
  void SetCount(uint16_t raw, int64_t now);
  // The counting element, as it is read.
  [[nodiscard]] uint16_t Element(int64_t now);
  [[nodiscard]] uint8_t NextByte(uint16_t value);

  PitCounterState state_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_PIT_PIT_COUNTER_H_
