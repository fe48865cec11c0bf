#include "vmm/machine/pause_gate.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"

namespace touchstone {
namespace {

uint8_t BitOf(PauseGate::Reason reason) { return static_cast<uint8_t>(reason); }

void CallAll(std::vector<PauseGate::Done> callbacks) {
  for (PauseGate::Done& done : callbacks) done();
}

}  // namespace

void PauseGate::Add(Vcpu& vcpu) {
  MutexLock lock(mutex_);
  vcpus_.push_back(&vcpu);
}

void PauseGate::Close(Reason reason, Done done) {
  std::vector<Done> ready;
  {
    MutexLock lock(mutex_);
    reasons_ |= BitOf(reason);
    if (done != nullptr) done_.push_back(std::move(done));
    // What a kicked vCPU sees when it comes here is already said.
    for (Vcpu* vcpu : vcpus_) vcpu->Kick();
    changed_.SignalAll();
    ready = TakeDone();
  }
  CallAll(std::move(ready));
}

void PauseGate::Open(Reason reason) {
  std::vector<Done> ready;
  {
    MutexLock lock(mutex_);
    reasons_ &= static_cast<uint8_t>(~BitOf(reason));
    if (reasons_ == 0) changed_.SignalAll();
    ready = TakeDone();
  }
  CallAll(std::move(ready));
}

bool PauseGate::closed(Reason reason) const {
  MutexLock lock(mutex_);
  return (reasons_ & BitOf(reason)) != 0;
}

void PauseGate::Hold(std::vector<const Vcpu*> vcpus) {
  MutexLock lock(mutex_);
  held_ = std::move(vcpus);
  changed_.SignalAll();
}

bool PauseGate::MustWait(const Vcpu& vcpu) const {
  return reasons_ != 0 || std::find(held_.begin(), held_.end(), &vcpu) != held_.end();
}

bool PauseGate::Wait(const Vcpu& vcpu, const std::atomic<bool>& stopping) {
  std::vector<Done> ready;
  {
    MutexLock lock(mutex_);
    // Acquire: pairs with the store before Wake.
    if (!MustWait(vcpu) || stopping.load(std::memory_order_acquire)) return false;
    ++waiting_;
    ready = TakeDone();
  }
  CallAll(std::move(ready));
  MutexLock lock(mutex_);
  while (MustWait(vcpu) && !stopping.load(std::memory_order_acquire)) changed_.Wait(mutex_);
  --waiting_;
  return true;
}

void PauseGate::Sleep(absl::Duration duration, const std::atomic<bool>& stopping) {
  const absl::Duration end = SystemClock().Monotonic() + duration;
  MutexLock lock(mutex_);
  // Acquire: pairs with the store before Wake.
  while (reasons_ == 0 && !stopping.load(std::memory_order_acquire)) {
    const absl::Duration left = end - SystemClock().Monotonic();
    if (left <= absl::ZeroDuration()) return;
    changed_.WaitFor(mutex_, absl::ToChronoNanoseconds(left));
  }
}

void PauseGate::Wake() {
  MutexLock lock(mutex_);
  changed_.SignalAll();
}

std::vector<PauseGate::Done> PauseGate::TakeDone() {
  if (reasons_ != 0 && waiting_ < vcpus_.size()) return {};
  return std::exchange(done_, {});
}

}  // namespace touchstone
