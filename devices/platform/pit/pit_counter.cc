#include "devices/platform/pit/pit_counter.h"

#include <algorithm>
#include <utility>

namespace touchstone {
namespace {

using Phase = PitCounterState::Phase;

// No host runs for so many ticks.
constexpr int64_t kMaxTicks = int64_t{1} << 56;

uint32_t Modulus(bool bcd) { return bcd ? 10000 : 65536; }

uint32_t FromBcd(uint16_t raw) {
  uint32_t value = 0;
  for (int shift = 12; shift >= 0; shift -= 4) value = value * 10 + (raw >> shift & 0xf);
  return value;
}

uint16_t ToBcd(uint32_t value) {
  uint32_t raw = 0;
  for (int shift = 0; shift < 16; shift += 4, value /= 10) raw |= value % 10 << shift;
  return static_cast<uint16_t>(raw);
}

}  // namespace

int64_t PitCounter::Elapsed(int64_t now) const {
  return state_.phase == Phase::kRunning ? now - state_.start : state_.elapsed;
}

// Data sheet, mode 3: an odd count is high for (N + 1) / 2 ticks and low for (N - 1) / 2.
int64_t PitCounter::HalfLength(uint32_t count, bool first_half) {
  return first_half ? (int64_t{count} + 1) / 2 : count / 2;
}

void PitCounter::TakeCount() {
  if (std::exchange(state_.fresh, false)) state_.initial = state_.count;
}

void PitCounter::CatchUp(int64_t now) {
  // A count that waits for no reload is loaded on the tick after it was written.
  if (!periodic()) {
    if (state_.phase != Phase::kIdle && !triggered() && Elapsed(now) >= 0) state_.fresh = false;
    return;
  }
  if (state_.phase != Phase::kRunning || now < state_.start) return;
  if (state_.mode == kPitRate) {
    // Mode 2: a new count is loaded at the end of the period.
    if (now - state_.start >= state_.initial) {
      state_.start += state_.initial;
      TakeCount();
    }
    state_.start += (now - state_.start) / state_.initial * state_.initial;
    return;
  }
  // Mode 3: at the end of the half. Once it is loaded, whole periods are skipped, so few halves are
  // left to go through.
  for (;;) {
    if (!state_.fresh && now - state_.start >= 2 * int64_t{state_.initial}) {
      state_.start += (now - state_.start) / state_.initial * state_.initial;
    }
    const int64_t length = HalfLength(state_.initial, state_.first_half);
    if (now - state_.start < length) return;
    state_.start += length;
    state_.first_half = !state_.first_half;
    TakeCount();
  }
}

bool PitCounter::Out(int64_t now) {
  CatchUp(now);
  if (state_.phase == Phase::kIdle) return state_.mode != kPitTerminalCount;
  // Modes 2 and 3: the gate sets OUT high at once.
  if (periodic() && state_.phase == Phase::kFrozen) return true;
  const int64_t elapsed = Elapsed(now);
  if (elapsed < 0) return state_.out_before;
  switch (state_.mode) {
    case kPitTerminalCount:
    case kPitOneShot:
      return elapsed >= state_.initial;
    case kPitRate:
      return state_.initial == 1 || elapsed != state_.initial - 1;
    case kPitSquare:
      return state_.first_half;
    default:
      return elapsed != state_.initial;
  }
}

std::optional<int64_t> PitCounter::NextRise(int64_t now) {
  CatchUp(now);
  if (state_.phase != Phase::kRunning) return std::nullopt;
  const int64_t start = state_.start;
  const int64_t initial = state_.initial;
  std::optional<int64_t> rise;
  switch (state_.mode) {
    case kPitTerminalCount:
    case kPitOneShot:
      rise = start + initial;
      break;
    case kPitRate:
      if (initial > 1) rise = start + initial;
      break;
    case kPitSquare: {
      const uint32_t next = state_.fresh ? state_.count : state_.initial;
      if (!state_.first_half) {
        rise = start + HalfLength(state_.initial, false);
      } else if (next > 1) {
        rise = start + HalfLength(state_.initial, true) + HalfLength(next, false);
      }
      break;
    }
    default:
      rise = start + initial + 1;
      break;
  }
  if (rise.has_value() && *rise <= now) return std::nullopt;
  return rise;
}

uint16_t PitCounter::Element(int64_t now) {
  CatchUp(now);
  if (state_.phase == Phase::kIdle) return state_.held;
  const int64_t modulus = Modulus(state_.bcd);
  const int64_t elapsed = std::max<int64_t>(Elapsed(now), 0);
  int64_t value = 0;
  if (state_.mode == kPitSquare) {
    // Counts by two, from the next even number below.
    value = (state_.initial & ~1u) - 2 * elapsed;
  } else {
    value = state_.initial - elapsed;  // goes on below 0 in modes 0, 1, 4 and 5
  }
  value = (value % modulus + modulus) % modulus;
  return state_.bcd ? ToBcd(static_cast<uint32_t>(value)) : static_cast<uint16_t>(value);
}

void PitCounter::WriteControl(uint8_t control, int64_t now) {
  const uint8_t access = control >> kPitAccessShift & kPitAccessMask;
  if (access == kPitLatch) return LatchCount(now);
  PitCounterState fresh;
  fresh.held = Element(now);
  fresh.gate = state_.gate;
  fresh.access = access;
  fresh.mode = control >> kPitModeShift & kPitModeMask;
  if (fresh.mode > kPitHardwareStrobe) fresh.mode -= 4;
  fresh.bcd = (control & kPitBcd) != 0;
  state_ = fresh;
}

// "Counter Latch Command": a second one before the first is read is ignored.
void PitCounter::LatchCount(int64_t now) {
  if (state_.latched_count.has_value()) return;
  state_.latched_count = Element(now);
  state_.read_high = false;
}

void PitCounter::LatchStatus(int64_t now) {
  if (state_.latched_status.has_value()) return;
  const bool out = Out(now);
  state_.latched_status = (out ? kPitStatusOut : 0) | (state_.fresh ? kPitStatusNull : 0) |
                          state_.access << kPitAccessShift | state_.mode << kPitModeShift |
                          (state_.bcd ? kPitBcd : 0);
}

uint8_t PitCounter::NextByte(uint16_t value) {
  bool high = state_.access == kPitHighByte;
  if (state_.access == kPitBothBytes) {
    high = state_.read_high;
    state_.read_high = !high;
  }
  return static_cast<uint8_t>(high ? value >> 8 : value);
}

// "Read-Back Command": a latched status is read first, then a latched count.
uint8_t PitCounter::Read(int64_t now) {
  if (state_.latched_status.has_value()) return *std::exchange(state_.latched_status, std::nullopt);
  if (!state_.latched_count.has_value()) return NextByte(Element(now));
  const uint8_t byte = NextByte(*state_.latched_count);
  if (!state_.read_high) state_.latched_count.reset();
  return byte;
}

void PitCounter::Write(uint8_t value, int64_t now) {
  switch (state_.access) {
    case kPitLowByte:
      return SetCount(value, now);
    case kPitHighByte:
      return SetCount(static_cast<uint16_t>(value << 8), now);
    default:
      break;
  }
  if (std::exchange(state_.write_high, !state_.write_high)) {
    return SetCount(static_cast<uint16_t>(value << 8 | state_.low_byte), now);
  }
  state_.low_byte = value;
  // Mode 0: the first byte stops the counting and sets OUT low.
  if (state_.mode != kPitTerminalCount) return;
  state_.held = Element(now);
  state_.phase = Phase::kIdle;
  state_.start = 0;
  state_.elapsed = 0;
}

void PitCounter::SetCount(uint16_t raw, int64_t now) {
  CatchUp(now);
  const uint32_t count = state_.bcd ? FromBcd(raw) : raw;
  state_.count = count == 0 ? Modulus(state_.bcd) : count;
  state_.fresh = true;
  if (triggered()) return;  // modes 1 and 5: loaded by the next trigger
  // Modes 2 and 3 that run take it when they reload; stopped ones when the gate starts them.
  if (periodic() && state_.phase != Phase::kIdle) return;
  Start(now);
  if (!state_.gate) {
    // Loaded, but not counting.
    state_.phase = Phase::kFrozen;
    state_.start = 0;
    state_.fresh = false;
  }
}

void PitCounter::Start(int64_t now) {
  // Mode 0 has OUT low as soon as a count is written.
  state_.out_before = state_.mode != kPitTerminalCount && Out(now);
  state_.phase = Phase::kRunning;
  state_.start = now + 1;
  state_.elapsed = 0;
  state_.initial = state_.count;
  state_.first_half = true;
  // Read as null until the tick on which it is loaded, see CatchUp.
  state_.fresh = state_.mode == kPitTerminalCount || state_.mode == kPitSoftwareStrobe;
}

void PitCounter::SetGate(bool gate, int64_t now) {
  if (gate == state_.gate) return;
  CatchUp(now);
  state_.gate = gate;
  if (triggered()) {
    if (gate && state_.count != 0) Start(now);
    return;
  }
  if (state_.phase == Phase::kIdle) return;
  if (!gate) {
    state_.elapsed = std::max<int64_t>(now - state_.start, 0);
    state_.start = 0;
    state_.phase = Phase::kFrozen;
  } else if (periodic()) {
    Start(now);
  } else {
    state_.phase = Phase::kRunning;
    state_.start = now - state_.elapsed;
    state_.elapsed = 0;
  }
}

PitCounterState PitCounter::Save(int64_t now) {
  CatchUp(now);
  PitCounterState state = state_;
  if (state.phase == Phase::kRunning) state.start -= now;
  return state;
}

bool PitCounter::Restore(const PitCounterState& state, int64_t now) {
  const auto is_count = [](uint32_t count) { return count >= 1 && count <= 65536; };
  const bool running = state.phase == Phase::kRunning;
  const bool frozen = state.phase == Phase::kFrozen;
  const bool gated = state.mode != kPitOneShot && state.mode != kPitHardwareStrobe;
  if (state.mode > kPitHardwareStrobe || state.access < kPitLowByte ||
      state.access > kPitBothBytes || state.phase > Phase::kFrozen || !is_count(state.initial) ||
      (state.count != 0 && !is_count(state.count)) ||
      (state.count == 0 && (running || frozen || !state.fresh)) ||
      (gated && running && !state.gate) || (frozen && (!gated || state.gate)) || state.start > 1 ||
      state.start < -kMaxTicks || state.elapsed < 0 || state.elapsed > kMaxTicks ||
      (!running && state.start != 0) || (!frozen && state.elapsed != 0)) {
    return false;
  }
  state_ = state;
  if (running) state_.start += now;
  return true;
}

}  // namespace touchstone
