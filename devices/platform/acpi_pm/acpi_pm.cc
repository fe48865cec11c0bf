#include "devices/platform/acpi_pm/acpi_pm.h"

#include <utility>

#include "absl/time/time.h"

namespace touchstone {
namespace {

constexpr int64_t kNanosecondsPerSecond = 1000000000;

constexpr uint8_t ByteOf(uint32_t value, uint64_t index) {
  return static_cast<uint8_t>(value >> (8 * index));
}

// `bits` of byte `index` of a register, in place.
constexpr uint16_t InByte(uint8_t bits, uint64_t index) {
  return static_cast<uint16_t>(bits << (8 * index));
}

// What writing byte `index` of a 16-bit register replaces of it.
constexpr uint16_t ReplaceByte(uint16_t value, uint8_t byte, uint64_t index) {
  return static_cast<uint16_t>((value & ~InByte(0xff, index)) | InByte(byte, index));
}

// Timer ticks in `time`, rounded down; without overflow for centuries.
uint64_t TicksIn(absl::Duration time) {
  const int64_t nanoseconds = absl::ToInt64Nanoseconds(time);
  const int64_t seconds = nanoseconds / kNanosecondsPerSecond;
  const int64_t rest = nanoseconds % kNanosecondsPerSecond;
  return static_cast<uint64_t>(seconds * kPmTimerHz + rest * kPmTimerHz / kNanosecondsPerSecond);
}

}  // namespace

AcpiPm::AcpiPm(Clock& clock, EventLoop& loop, IrqLine& sci, AcpiPmHooks hooks,
               TimerWidth timer_width)
    : clock_(clock),
      loop_(loop),
      sci_(sci),
      hooks_(std::move(hooks)),
      timer_bits_(timer_width == TimerWidth::k32Bits ? 32 : 24) {
  MutexLock lock(mutex_);
  tick_offset_ = 0 - TicksIn(clock_.Monotonic());
}

void AcpiPm::Read(uint64_t offset, absl::Span<uint8_t> data) {
  if (offset >= kAcpiPmPortCount) return;
  MutexLock lock(mutex_);
  UpdateTimer();
  UpdateSci();
  const uint32_t timer = static_cast<uint32_t>(Ticks() & ((uint64_t{1} << timer_bits_) - 1));
  for (size_t i = 0; i < data.size() && offset + i < kAcpiPmPortCount; ++i) {
    data[i] = ReadByte(offset + i, timer);
  }
}

void AcpiPm::Write(uint64_t offset, absl::Span<const uint8_t> data) {
  if (offset >= kAcpiPmPortCount) return;
  Action action = Action::kNone;
  {
    MutexLock lock(mutex_);
    UpdateTimer();
    for (size_t i = 0; i < data.size() && offset + i < kAcpiPmPortCount; ++i) {
      const Action next = WriteByte(offset + i, data[i]);
      if (next != Action::kNone) action = next;
    }
    UpdateTimer();
    UpdateSci();
  }
  Run(action);
}

uint8_t AcpiPm::ReadByte(uint64_t offset, uint32_t timer) const {
  if (offset < kPm1EnableOffset) return ByteOf(status_, offset - kPm1StatusOffset);
  if (offset < kPm1ControlOffset) return ByteOf(enable_, offset - kPm1EnableOffset);
  if (offset < kPm1ControlOffset + kPm1ControlLength) {
    return ByteOf(control_, offset - kPm1ControlOffset);
  }
  if (offset >= kPmTimerOffset && offset < kPmTimerOffset + kPmTimerLength) {
    return ByteOf(timer, offset - kPmTimerOffset);
  }
  if (offset == kIdleOffset) return idle_ ? 1 : 0;
  if (offset < kGpe0Offset) return 0xff;
  const uint64_t index = offset - kGpe0Offset;
  return index < kGpe0HalfLength ? gpe_status_[index] : gpe_enable_[index - kGpe0HalfLength];
}

AcpiPm::Action AcpiPm::WriteByte(uint64_t offset, uint8_t value) {
  if (offset < kPm1EnableOffset) {
    // 4.8.3.1.1: writing 1 clears, writing 0 leaves.
    status_ &= ~InByte(value, offset - kPm1StatusOffset);
    return Action::kNone;
  }
  if (offset < kPm1ControlOffset) {
    enable_ = ReplaceByte(enable_, value, offset - kPm1EnableOffset) & kPm1EnableMask;
    return Action::kNone;
  }
  if (offset < kPm1ControlOffset + kPm1ControlLength) {
    const uint16_t written = ReplaceByte(control_, value, offset - kPm1ControlOffset);
    control_ = (written & kPm1ControlKept) | kPm1SciEnable;
    // 4.8.3.2.1: SLP_EN is write-only and takes the SLP_TYP written with it.
    if ((written & kPm1SleepEnable) == 0) return Action::kNone;
    return EnterSleep(static_cast<uint8_t>((control_ & kPm1SleepTypeMask) >> kPm1SleepTypeShift));
  }
  if (offset == kIdleOffset) idle_ = (value & 1) != 0;
  if (offset < kGpe0Offset) return Action::kNone;  // the timer is read-only
  const uint64_t index = offset - kGpe0Offset;
  if (index < kGpe0HalfLength) {
    gpe_status_[index] &= ~value;  // 4.8.4.1.1.1
  } else {
    gpe_enable_[index - kGpe0HalfLength] = value;
  }
  return Action::kNone;
}

AcpiPm::Action AcpiPm::EnterSleep(uint8_t type) {
  if (type == kSleepTypeSoftOff) return Action::kPowerOff;
  if (type != kSleepTypeStandby) return Action::kNone;
  if (hooks_.on_suspend == nullptr) {
    status_ |= kPm1WakeStatus;
    return Action::kNone;
  }
  sleeping_ = true;
  return Action::kSuspend;
}

AcpiPm::Action AcpiPm::WakeIf(bool wakes) {
  if (!sleeping_ || !wakes) return Action::kNone;
  sleeping_ = false;
  status_ |= kPm1WakeStatus;  // 4.8.3.1.1: WAK_STS
  return Action::kWake;
}

void AcpiPm::Run(Action action) {
  switch (action) {
    case Action::kNone:
      return;
    case Action::kPowerOff:
      if (hooks_.on_power_off != nullptr) hooks_.on_power_off();
      return;
    case Action::kSuspend:
      hooks_.on_suspend();
      // Who woke it before it slept was told too early.
      if (WokeUp() && hooks_.on_wake != nullptr) hooks_.on_wake();
      return;
    case Action::kWake:
      if (hooks_.on_wake != nullptr) hooks_.on_wake();
      return;
  }
}

bool AcpiPm::idle() const {
  MutexLock lock(mutex_);
  return idle_;
}

bool AcpiPm::WokeUp() const {
  MutexLock lock(mutex_);
  return !sleeping_;
}

void AcpiPm::RaiseEvent(uint16_t status, bool always_wakes) {
  Action action;
  {
    MutexLock lock(mutex_);
    status_ |= status;
    action = WakeIf(always_wakes || (enable_ & status) != 0);
    UpdateSci();
  }
  Run(action);
}

void AcpiPm::PressPowerButton() { RaiseEvent(kPm1PowerButtonStatus, true); }

void AcpiPm::PressSleepButton() { RaiseEvent(kPm1SleepButtonStatus, true); }

void AcpiPm::NotifyRtcAlarm() { RaiseEvent(kPm1RtcStatus, false); }

void AcpiPm::Wake() { RaiseEvent(0, true); }

void AcpiPm::RaiseGpe(int gpe) {
  if (gpe < 0 || gpe >= kGpeCount) return;
  const size_t byte = static_cast<size_t>(gpe) / 8;
  const uint8_t bit = static_cast<uint8_t>(1 << (gpe % 8));
  Action action;
  {
    MutexLock lock(mutex_);
    gpe_status_[byte] |= bit;
    action = WakeIf((gpe_enable_[byte] & bit) != 0);
    UpdateSci();
  }
  Run(action);
}

uint64_t AcpiPm::Ticks() const { return TicksIn(clock_.Monotonic()) + tick_offset_; }

// 4.8.3.3: TMR_STS is set whenever the top bit of the timer goes from 0 to 1 or back.
void AcpiPm::UpdateTimer() {
  const uint64_t ticks = Ticks();
  const uint64_t changes = ticks >> (timer_bits_ - 1);
  if (changes != top_bit_changes_) status_ |= kPm1TimerStatus;
  top_bit_changes_ = changes;
  const bool wanted = (enable_ & kPm1TimerEnable) != 0 && (status_ & kPm1TimerStatus) == 0;
  if (!wanted || timer_.active()) return;
  const uint64_t left = ((changes + 1) << (timer_bits_ - 1)) - ticks;
  timer_ =
      loop_.After(absl::Seconds(static_cast<int64_t>(left)) / kPmTimerHz + absl::Nanoseconds(1),
                  [this] { TimerDue(); });
}

void AcpiPm::TimerDue() {
  MutexLock lock(mutex_);
  timer_.Reset();
  UpdateTimer();
  UpdateSci();
}

void AcpiPm::UpdateSci() {
  bool level = (status_ & enable_) != 0;
  for (size_t i = 0; i < kGpe0HalfLength; ++i) level |= (gpe_status_[i] & gpe_enable_[i]) != 0;
  if (level == sci_level_) return;
  sci_level_ = level;
  sci_.Set(level);
}

AcpiPmState AcpiPm::Save() const {
  MutexLock lock(mutex_);
  AcpiPmState state;
  const uint64_t ticks = Ticks();
  state.status = status_;
  if (ticks >> (timer_bits_ - 1) != top_bit_changes_) state.status |= kPm1TimerStatus;
  state.enable = enable_;
  state.control = control_;
  state.timer = static_cast<uint32_t>(ticks & ((uint64_t{1} << timer_bits_) - 1));
  state.sleeping = sleeping_;
  state.idle = idle_;
  state.gpe_status = gpe_status_;
  state.gpe_enable = gpe_enable_;
  return state;
}

absl::Status AcpiPm::Restore(const AcpiPmState& state) {
  if ((state.status & ~kPm1StatusMask) != 0 || (state.enable & ~kPm1EnableMask) != 0 ||
      (state.control & ~kPm1ControlKept) != kPm1SciEnable ||
      uint64_t{state.timer} >> timer_bits_ != 0) {
    return absl::InvalidArgumentError("acpi_pm: the saved registers hold impossible values");
  }
  Watch stale;  // of the old timer; ended without the lock, since its callback takes it
  MutexLock lock(mutex_);
  stale = std::move(timer_);
  status_ = state.status;
  enable_ = state.enable;
  control_ = state.control;
  sleeping_ = state.sleeping;
  idle_ = state.idle;
  gpe_status_ = state.gpe_status;
  gpe_enable_ = state.gpe_enable;
  tick_offset_ = state.timer - TicksIn(clock_.Monotonic());
  top_bit_changes_ = Ticks() >> (timer_bits_ - 1);
  UpdateTimer();
  UpdateSci();
  return absl::OkStatus();
}

}  // namespace touchstone
