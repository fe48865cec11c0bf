#include "devices/platform/rtc/rtc.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace touchstone {
namespace {

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;
constexpr uint64_t kUnit = 64 * kKiB;

// Clock offsets that a guest can bring about: dates of four digits on a sane host. Also keeps
// arithmetic with them finite.
constexpr absl::Duration kMaxOffset = absl::Hours(int64_t{24} * 366 * 20000);

absl::Time WholeSecond(absl::Time time) {
  return absl::UnixEpoch() + absl::Floor(time - absl::UnixEpoch(), absl::Seconds(1));
}

// Which of the periods since the epoch `time` is in.
absl::Duration PeriodStart(absl::Time time, absl::Duration period) {
  return absl::Floor(time - absl::UnixEpoch(), period);
}

void StoreSize(RtcRegisters& registers, uint8_t index, int bytes, uint64_t size, uint64_t unit) {
  const uint64_t value = std::min(size / unit, (uint64_t{1} << (8 * bytes)) - 1);
  for (int i = 0; i < bytes; ++i) registers[index + i] = static_cast<uint8_t>(value >> (8 * i));
}

uint64_t Beyond(uint64_t size, uint64_t start) { return size - std::min(size, start); }

}  // namespace

Rtc::Rtc(Clock& clock, EventLoop& loop, IrqLine& irq, const RtcMemorySizes& memory,
         std::function<void()> on_alarm)
    : clock_(clock), loop_(loop), irq_(irq), on_alarm_(std::move(on_alarm)) {
  MutexLock lock(mutex_);
  registers_[kRtcRegisterA] = kRtcInitialA;
  registers_[kRtcRegisterB] = kRtcInitialB;
  StoreSize(registers_, kCmosBaseMemory, 2, std::min(memory.below_4g, 640 * kKiB), kKiB);
  StoreSize(registers_, kCmosExtendedMemory, 2, Beyond(memory.below_4g, kMiB), kKiB);
  StoreSize(registers_, kCmosExtendedMemory2, 2, Beyond(memory.below_4g, kMiB), kKiB);
  StoreSize(registers_, kCmosMemoryAbove16M, 2, Beyond(memory.below_4g, 16 * kMiB), kUnit);
  StoreSize(registers_, kCmosMemoryAbove4G, 3, memory.above_4g, kUnit);
  checked_ = Now();
  next_alarm_ = NextRtcAlarm(registers_, checked_);
}

void Rtc::Read(uint64_t offset, absl::Span<uint8_t> data) {
  Aftermath aftermath;
  {
    MutexLock lock(mutex_);
    for (size_t i = 0; i < data.size() && offset + i < kRtcPortCount && offset < kRtcPortCount;
         ++i) {
      if (offset + i == kRtcDataOffset) data[i] = ReadRegister();
    }
    aftermath = Settle();
  }
  Finish(std::move(aftermath));
}

void Rtc::Write(uint64_t offset, absl::Span<const uint8_t> data) {
  Aftermath aftermath;
  {
    MutexLock lock(mutex_);
    for (size_t i = 0; i < data.size() && offset + i < kRtcPortCount && offset < kRtcPortCount;
         ++i) {
      if (offset + i == kRtcIndexOffset) {
        index_ = data[i] & kRtcIndexMask;
      } else {
        CatchUp();
        WriteRegister(data[i]);
      }
    }
    aftermath = Settle();
  }
  Finish(std::move(aftermath));
}

bool Rtc::divider_reset() const {
  return (registers_[kRtcRegisterA] & kRtcDividerReset) == kRtcDividerReset;
}

bool Rtc::halted() const { return divider_reset() || (registers_[kRtcRegisterB] & kRtcSet) != 0; }

absl::Time Rtc::Now() const { return clock_.Now() + offset_; }

// Data sheet table 5, for a crystal of 32768 Hz: the two smallest rates repeat two larger ones.
absl::Duration Rtc::Period() const {
  const int rate = registers_[kRtcRegisterA] & kRtcRateMask;
  if (rate == 0 || divider_reset()) return absl::InfiniteDuration();
  const int shift = rate <= 2 ? rate + 6 : rate - 1;
  return absl::Seconds(1) * (int64_t{1} << shift) / 32768;
}

uint8_t Rtc::ReadRegister() {
  switch (index_) {
    case kRtcRegisterA: {
      const absl::Time now = Now();
      const bool updating =
          !halted() && now - WholeSecond(now) >= absl::Seconds(1) - kUpdateWarning;
      return registers_[kRtcRegisterA] | (updating ? kRtcUpdateInProgress : 0);
    }
    case kRtcRegisterC: {
      CatchUp();
      const bool interrupt = (flags_ & registers_[kRtcRegisterB]) != 0;
      return std::exchange(flags_, 0) | (interrupt ? kRtcInterrupt : 0);
    }
    case kRtcRegisterD:
      return kRtcValid;
    default:
      break;
  }
  if (!IsRtcTime(index_) || halted()) return registers_[index_];
  RtcRegisters now = registers_;
  RtcStoreTime(Now(), now);
  return now[index_];
}

void Rtc::WriteRegister(uint8_t value) {
  switch (index_) {
    case kRtcRegisterA:
      return WriteControl(value & ~kRtcUpdateInProgress, registers_[kRtcRegisterB]);
    case kRtcRegisterB:
      return WriteControl(registers_[kRtcRegisterA], value & kRtcBMask);
    case kRtcRegisterC:
    case kRtcRegisterD:
      return;  // read-only
    default:
      break;
  }
  if (IsRtcTime(index_)) {
    const bool was_running = !halted();
    if (was_running) Halt();
    registers_[index_] = value;
    time_written_ = true;
    if (was_running) Resume();
    return;
  }
  registers_[index_] = value;
  if (IsRtcAlarm(index_)) next_alarm_ = NextRtcAlarm(registers_, checked_);
}

void Rtc::WriteControl(uint8_t a, uint8_t b) {
  const bool was_halted = halted();
  // Data sheet, register B: SET going high clears UIE.
  if ((b & ~registers_[kRtcRegisterB] & kRtcSet) != 0) b &= ~kRtcUpdateEnable;
  // In the old format: a guest sets the mode before the time.
  const bool halts = (b & kRtcSet) != 0 || (a & kRtcDividerReset) == kRtcDividerReset;
  if (!was_halted && halts) Halt();
  registers_[kRtcRegisterA] = a;
  registers_[kRtcRegisterB] = b;
  if (divider_reset()) divider_was_reset_ = true;
  if (was_halted && !halts) Resume();
  next_alarm_ = NextRtcAlarm(registers_, checked_);
}

void Rtc::Halt() {
  RtcStoreTime(Now(), registers_);
  time_written_ = false;
  divider_was_reset_ = false;
}

void Rtc::Resume() {
  const std::optional<absl::Time> set = RtcLoadTime(registers_);
  // A pause by SET alone, in which nobody wrote, loses no time.
  if (set.has_value() && (time_written_ || divider_was_reset_)) {
    const absl::Time now = Now();
    const absl::Duration phase =
        divider_was_reset_ ? absl::Milliseconds(500) : now - WholeSecond(now);
    offset_ = std::clamp(*set + phase - clock_.Now(), -kMaxOffset, kMaxOffset);
  }
  for (uint8_t i = 0; i < kRtcSize; ++i) {
    if (IsRtcTime(i)) registers_[i] = 0;
  }
  time_written_ = false;
  divider_was_reset_ = false;
  checked_ = Now();
  next_alarm_ = NextRtcAlarm(registers_, checked_);
}

uint8_t Rtc::FlagsNow(absl::Time now) const {
  uint8_t flags = flags_;
  if (now <= checked_) return flags;
  const absl::Duration period = Period();
  if (period != absl::InfiniteDuration() &&
      PeriodStart(now, period) != PeriodStart(checked_, period)) {
    flags |= kRtcPeriodic;
  }
  if (halted()) return flags;
  if (WholeSecond(now) != WholeSecond(checked_)) flags |= kRtcUpdate;
  if (next_alarm_ <= now) flags |= kRtcAlarm;
  return flags;
}

void Rtc::CatchUp() {
  const absl::Time now = Now();
  if (now == checked_) return;
  const uint8_t risen = FlagsNow(now) & ~flags_;
  flags_ |= risen;
  if ((risen & registers_[kRtcRegisterB] & kRtcAlarm) != 0) alarm_due_ = true;
  // The host's clock may have been set back: then the next alarm is another one too.
  if (now < checked_ || next_alarm_ <= now) next_alarm_ = NextRtcAlarm(registers_, now);
  checked_ = now;
}

Rtc::Aftermath Rtc::Settle() {
  Aftermath aftermath;
  const bool level = (flags_ & registers_[kRtcRegisterB]) != 0;
  if (level != irq_level_) {
    irq_level_ = level;
    irq_.Set(level);
  }
  aftermath.alarm = std::exchange(alarm_due_, false);
  const absl::Duration left = UntilNextInterrupt();
  if (left == absl::InfiniteDuration()) return aftermath;
  // One that is early finds nothing to do and sets the next.
  const absl::Duration deadline = clock_.Monotonic() + left;
  if (timer_.active() && timer_deadline_ <= deadline) return aftermath;
  aftermath.stale = std::move(timer_);
  timer_ = loop_.After(left, [this] { TimerDue(); });
  timer_deadline_ = deadline;
  return aftermath;
}

absl::Duration Rtc::UntilNextInterrupt() const {
  // A flag that is up interrupts already.
  const uint8_t wanted = registers_[kRtcRegisterB] & kRtcFlags & ~flags_;
  absl::Duration left = absl::InfiniteDuration();
  if (wanted == 0) return left;
  const absl::Time now = Now();
  if (const absl::Duration period = Period();
      (wanted & kRtcPeriodic) != 0 && period != absl::InfiniteDuration()) {
    const absl::Duration next = absl::UnixEpoch() + PeriodStart(now, period) + period - now;
    const absl::Duration allowed =
        last_timer_ + absl::Seconds(1) / kMaxPeriodicHz - clock_.Monotonic();
    left = std::max(next, allowed);
  }
  if (!halted()) {
    if ((wanted & kRtcUpdate) != 0) {
      left = std::min(left, WholeSecond(now) + absl::Seconds(1) - now);
    }
    if ((wanted & kRtcAlarm) != 0) left = std::min({left, next_alarm_ - now, kMaxSleep});
  }
  return left;
}

void Rtc::Finish(Aftermath aftermath) {
  if (aftermath.alarm && on_alarm_ != nullptr) on_alarm_();
}

void Rtc::TimerDue() {
  Aftermath aftermath;
  {
    MutexLock lock(mutex_);
    // On the loop's thread: if this is the callback of a timer that was replaced meanwhile, the new
    // one is ended here and set again below.
    timer_.Reset();
    last_timer_ = clock_.Monotonic();
    CatchUp();
    aftermath = Settle();
  }
  Finish(std::move(aftermath));
}

RtcState Rtc::Save() {
  RtcState state;
  Aftermath aftermath;
  {
    MutexLock lock(mutex_);
    CatchUp();
    aftermath = Settle();
    state.index = index_;
    state.registers = registers_;
    state.flags = flags_;
    state.offset = offset_;
    state.checked = checked_;
    state.time_written = time_written_;
    state.divider_was_reset = divider_was_reset_;
  }
  Finish(std::move(aftermath));
  return state;
}

absl::Status Rtc::Restore(const RtcState& state) {
  const RtcRegisters& registers = state.registers;
  const bool halted = (registers[kRtcRegisterA] & kRtcDividerReset) == kRtcDividerReset ||
                      (registers[kRtcRegisterB] & kRtcSet) != 0;
  bool clock_bytes = state.time_written || state.divider_was_reset;
  for (uint8_t i = 0; i < kRtcSize; ++i) clock_bytes |= IsRtcTime(i) && registers[i] != 0;
  const absl::Time latest = absl::UnixEpoch() + 2 * kMaxOffset;
  const absl::Time earliest = absl::UnixEpoch() - 2 * kMaxOffset;
  if (state.index > kRtcIndexMask || (registers[kRtcRegisterA] & kRtcUpdateInProgress) != 0 ||
      (registers[kRtcRegisterB] & ~kRtcBMask) != 0 || registers[kRtcRegisterC] != 0 ||
      registers[kRtcRegisterD] != 0 || (state.flags & ~kRtcFlags) != 0 ||
      absl::AbsDuration(state.offset) > kMaxOffset || state.checked > latest ||
      state.checked < earliest || (clock_bytes && !halted)) {
    return absl::InvalidArgumentError("rtc: the saved registers hold impossible values");
  }
  Aftermath aftermath;
  {
    MutexLock lock(mutex_);
    index_ = state.index;
    registers_ = registers;
    flags_ = state.flags;
    offset_ = state.offset;
    checked_ = state.checked;
    next_alarm_ = NextRtcAlarm(registers_, checked_);
    time_written_ = state.time_written;
    divider_was_reset_ = state.divider_was_reset;
    CatchUp();
    aftermath = Settle();
  }
  Finish(std::move(aftermath));
  return absl::OkStatus();
}

}  // namespace touchstone
