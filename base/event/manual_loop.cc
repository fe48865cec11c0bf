#include "base/event/manual_loop.h"

#include <poll.h>

#include <algorithm>
#include <vector>

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
  std::vector<pollfd> polled;
  std::vector<uint32_t> generations;
  for (const auto& [fd, descriptor] : descriptors_) {
    polled.push_back({.fd = fd, .events = static_cast<short>(descriptor.interest()), .revents = 0});
    generations.push_back(descriptor.generation);
  }
  if (polled.empty() || poll(polled.data(), polled.size(), 0) <= 0) return 0;
  int ran = 0;
  for (size_t i = 0; i < polled.size(); ++i) {
    if (polled[i].revents == 0) continue;
    ran += RunDescriptor(polled[i].fd, generations[i], static_cast<uint16_t>(polled[i].revents));
  }
  return ran;
}

}  // namespace touchstone
