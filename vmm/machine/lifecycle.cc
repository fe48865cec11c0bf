#include "vmm/machine/lifecycle.h"

#include <utility>

namespace touchstone {

Lifecycle::Lifecycle(absl::AnyInvocable<void()> on_end) : on_end_(std::move(on_end)) {}

void Lifecycle::End(EndOfRun reason) {
  absl::AnyInvocable<void()> on_end;
  {
    MutexLock lock(mutex_);
    if (end_.has_value()) return;
    end_ = panicked_ && reason != EndOfRun::kStopped ? EndOfRun::kPanic : reason;
    on_end = std::move(on_end_);
  }
  on_end();
}

void Lifecycle::Fail(const absl::Status& why) {
  {
    MutexLock lock(mutex_);
    if (failure_.ok()) failure_ = why;
  }
  End(EndOfRun::kCrash);
}

absl::Status Lifecycle::failure() const {
  MutexLock lock(mutex_);
  return failure_;
}

void Lifecycle::NotePanic() {
  MutexLock lock(mutex_);
  panicked_ = true;
}

std::optional<EndOfRun> Lifecycle::end() const {
  MutexLock lock(mutex_);
  return end_;
}

}  // namespace touchstone
