#include "devices/platform/pit/pit.h"

#include <algorithm>
#include <utility>

#include "base/bits.h"

namespace touchstone {
namespace {

constexpr int64_t kNanosecondsPerSecond = 1000000000;

__extension__ using Wide = __int128;

int64_t TicksAt(absl::Duration time) {
  return static_cast<int64_t>(Wide{absl::ToInt64Nanoseconds(time)} * kPitHz /
                              kNanosecondsPerSecond);
}

// The first moment of that tick.
absl::Duration TimeOf(int64_t tick) {
  return absl::Nanoseconds(
      static_cast<int64_t>((Wide{tick} * kNanosecondsPerSecond + kPitHz - 1) / kPitHz));
}

}  // namespace

// The gates of counters 0 and 1 are wired high; 2's is bit 0 of port 0x61.
Pit::Pit(Clock& clock, EventLoop& loop, IrqLine& irq)
    : clock_(clock),
      loop_(loop),
      irq_(irq),
      counters_{PitCounter(true), PitCounter(true), PitCounter(false)} {}

int64_t Pit::Now() const { return TicksAt(clock_.Monotonic()); }

void Pit::Read(uint64_t offset, absl::Span<uint8_t> data) {
  MutexLock lock(mutex_);
  const int64_t now = Now();
  for (size_t i = 0; i < data.size() && offset < kPitCounters; ++i, ++offset) {
    data[i] = counters_[offset].Read(now);
  }
}

void Pit::Write(uint64_t offset, absl::Span<const uint8_t> data) {
  Watch stale;
  MutexLock lock(mutex_);
  const int64_t now = Now();
  CatchUp(now);
  for (size_t i = 0; i < data.size() && offset < kPitPortCount; ++i, ++offset) {
    if (offset == kPitControlOffset) {
      WriteControl(data[i], now);
    } else {
      counters_[offset].Write(data[i], now);
    }
  }
  stale = Settle(now);
}

void Pit::WriteControl(uint8_t value, int64_t now) {
  const uint8_t select = value >> kPitSelectShift;
  if (select != kPitReadBack) return counters_[select].WriteControl(value, now);
  for (size_t i = 0; i < kPitCounters; ++i) {
    if ((value & Bit(kPitReadBackCounterShift + static_cast<int>(i))) == 0) continue;
    if ((value & kPitReadBackNoCount) == 0) counters_[i].LatchCount(now);
    if ((value & kPitReadBackNoStatus) == 0) counters_[i].LatchStatus(now);
  }
}

void Pit::Speaker::Read(uint64_t offset, absl::Span<uint8_t> data) {
  if (offset != 0 || data.empty()) return;
  MutexLock lock(pit_.mutex_);
  const int64_t now = pit_.Now();
  PitCounter& counter = pit_.counters_[2];
  data[0] = (counter.gate() ? kPitSpeakerGate : 0) | (pit_.speaker_data_ ? kPitSpeakerData : 0) |
            (now / kPitRefreshTicks % 2 != 0 ? kPitSpeakerRefresh : 0) |
            (counter.Out(now) ? kPitSpeakerOut : 0);
}

void Pit::Speaker::Write(uint64_t offset, absl::Span<const uint8_t> data) {
  if (offset != 0 || data.empty()) return;
  MutexLock lock(pit_.mutex_);
  pit_.speaker_data_ = (data[0] & kPitSpeakerData) != 0;
  pit_.counters_[2].SetGate((data[0] & kPitSpeakerGate) != 0, pit_.Now());
}

void Pit::SetLine(bool level) {
  if (std::exchange(irq_level_, level) != level) irq_.Set(level);
}

void Pit::CatchUp(int64_t now) {
  if (!next_rise_.has_value() || *next_rise_ > now) return;
  SetLine(false);
  SetLine(true);
  next_rise_ = counters_[0].NextRise(now);
}

Watch Pit::Settle(int64_t now) {
  SetLine(counters_[0].Out(now));
  next_rise_ = counters_[0].NextRise(now);
  Watch stale;
  if (!next_rise_.has_value()) return stale;
  // One that is early finds nothing to do and sets the next.
  const absl::Duration deadline =
      std::max(TimeOf(*next_rise_), last_timer_ + absl::Seconds(1) / kMaxHz);
  if (timer_.active() && timer_deadline_ <= deadline) return stale;
  stale = std::move(timer_);
  timer_ = loop_.After(deadline - clock_.Monotonic(), [this] { TimerDue(); });
  timer_deadline_ = deadline;
  return stale;
}

void Pit::TimerDue() {
  Watch stale;
  MutexLock lock(mutex_);
  // On the loop's thread: if this is the callback of a timer that was replaced meanwhile, the new
  // one is ended here and set again below.
  timer_.Reset();
  last_timer_ = clock_.Monotonic();
  const int64_t now = Now();
  CatchUp(now);
  stale = Settle(now);
}

PitState Pit::Save() {
  Watch stale;
  MutexLock lock(mutex_);
  const int64_t now = Now();
  CatchUp(now);
  PitState state;
  for (size_t i = 0; i < kPitCounters; ++i) state.counters[i] = counters_[i].Save(now);
  state.speaker_data = speaker_data_;
  stale = Settle(now);
  return state;
}

absl::Status Pit::Restore(const PitState& state) {
  Watch stale;
  MutexLock lock(mutex_);
  const int64_t now = Now();
  std::array<PitCounter, kPitCounters> counters = counters_;
  bool possible = state.counters[0].gate && state.counters[1].gate;
  for (size_t i = 0; i < kPitCounters; ++i) {
    possible = possible && counters[i].Restore(state.counters[i], now);
  }
  if (!possible) return absl::InvalidArgumentError("PIT: none can be in the saved state");
  counters_ = counters;
  speaker_data_ = state.speaker_data;
  stale = Settle(now);
  return absl::OkStatus();
}

}  // namespace touchstone
