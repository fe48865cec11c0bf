#include "base/event/manual_loop.h"

#include <algorithm>

namespace touchstone {

ManualLoop::~ManualLoop() { Shutdown(); }

int ManualLoop::RunReady() { return RunReady(kMaxCallbacks); }

int ManualLoop::RunReady(int budget) {
  MutexLock lock(mutex_);
  int total = 0;
  while (total < budget) {
    int ran = RunDescriptors();
    ran += RunTimers(Monotonic());
    ran += RunPosted();
    if (ran == 0) break;
    total += ran;
  }
  return total;
}

int ManualLoop::Advance(absl::Duration step) {
  const absl::Duration target = clock_.Monotonic() + step;
  int ran = RunReady();
  while (ran < kMaxCallbacks) {
    absl::Duration deadline;
    {
      MutexLock lock(mutex_);
      deadline = NextDeadline();
    }
    if (deadline > target) break;
    clock_.Advance(std::max(deadline - clock_.Monotonic(), absl::ZeroDuration()));
    ran += RunReady(kMaxCallbacks - ran);
  }
  clock_.Advance(std::max(target - clock_.Monotonic(), absl::ZeroDuration()));
  return ran;
}

void ManualLoop::UpdateInterest(int, uint32_t, uint32_t, uint32_t) {}

int ManualLoop::RunDescriptors() {
  if (descriptors_.empty()) return 0;
  polled_.clear();
  polled_.reserve(descriptors_.size());
  generations_.clear();
  generations_.reserve(descriptors_.size());
  for (const auto& [fd, descriptor] : descriptors_) {
    polled_.push_back(
        {.fd = fd, .events = static_cast<short>(descriptor.interest()), .revents = 0});
    generations_.push_back(descriptor.generation);
  }
  if (poll(polled_.data(), polled_.size(), 0) <= 0) return 0;
  int ran = 0;
  // Only this thread turns the loop, so that callbacks do not change these.
  for (size_t i = 0; i < polled_.size(); ++i) {
    if (polled_[i].revents == 0) continue;
    ran += RunDescriptor(polled_[i].fd, generations_[i], static_cast<uint16_t>(polled_[i].revents));
  }
  return ran;
}

}  // namespace touchstone
