#include "base/event/epoll_loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"

namespace touchstone {
namespace {

static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLERR == POLLERR &&
              EPOLLHUP == POLLHUP);

constexpr int kEventsPerTurn = 64;

// What comes back with an event: the generation above the descriptor number.
constexpr uint64_t Key(int fd, uint32_t generation) {
  return uint64_t{generation} << 32 | static_cast<uint32_t>(fd);
}
// Descriptor numbers are not negative, so these are none's.
constexpr uint64_t kWakeKey = UINT64_MAX;
constexpr uint64_t kTimerKey = UINT64_MAX - 1;

absl::Status AddTo(int epoll, int fd, uint64_t key) {
  epoll_event event{.events = EPOLLIN, .data = {.u64 = key}};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) return ErrnoStatus(errno, "epoll_ctl");
  return absl::OkStatus();
}

int TimeoutMilliseconds(absl::Duration timeout) {
  if (timeout == absl::InfiniteDuration()) return -1;
  const int64_t rounded_up = absl::ToInt64Milliseconds(absl::Ceil(timeout, absl::Milliseconds(1)));
  return static_cast<int>(std::clamp<int64_t>(rounded_up, 0, INT32_MAX));
}

}  // namespace

absl::StatusOr<std::unique_ptr<EpollLoop>> EpollLoop::Create() {
  ScopedFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return ErrnoStatus(errno, "epoll_create1");
  ScopedFd timer(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!timer.valid()) return ErrnoStatus(errno, "timerfd_create");
  ASSIGN_OR_RETURN(EventFd wake, EventFd::Create());
  RETURN_IF_ERROR(AddTo(epoll.get(), timer.get(), kTimerKey));
  RETURN_IF_ERROR(AddTo(epoll.get(), wake.fd(), kWakeKey));
  return std::unique_ptr<EpollLoop>(
      new EpollLoop(std::move(epoll), std::move(timer), std::move(wake)));
}

EpollLoop::EpollLoop(ScopedFd epoll, ScopedFd timer, EventFd wake)
    : epoll_(std::move(epoll)), timer_(std::move(timer)), wake_(std::move(wake)) {}

EpollLoop::~EpollLoop() { Shutdown(); }

void EpollLoop::Run() {
  while (true) {
    {
      MutexLock lock(mutex_);
      if (stopped_) {
        stopped_ = false;
        return;
      }
    }
    RunOnce(absl::InfiniteDuration());
  }
}

void EpollLoop::Stop() {
  MutexLock lock(mutex_);
  stopped_ = true;
  Wake();
}

int EpollLoop::RunOnce(absl::Duration timeout) {
  {
    MutexLock lock(mutex_);
    CHECK(!InCallback());
    ArmTimer();
    if (!posted_.empty() || !always_ready_.empty() || stopped_) timeout = absl::ZeroDuration();
  }
  epoll_event events[kEventsPerTurn];
  const int count = epoll_wait(epoll_.get(), events, kEventsPerTurn, TimeoutMilliseconds(timeout));
  CHECK(count >= 0 || errno == EINTR);

  MutexLock lock(mutex_);
  int ran = 0;
  for (int i = 0; i < count; ++i) {
    const uint64_t key = events[i].data.u64;
    if (key == kWakeKey) {
      wake_.Drain();
    } else if (key == kTimerKey) {
      uint64_t expirations;
      [[maybe_unused]] const ssize_t ignored =
          read(timer_.get(), &expirations, sizeof(expirations));
      armed_ = absl::InfiniteDuration();
    } else {
      ran += RunDescriptor(static_cast<int>(key & UINT32_MAX), static_cast<uint32_t>(key >> 32),
                           events[i].events);
    }
  }
  ran += RunAlwaysReady();
  if (NextDeadline() != absl::InfiniteDuration()) ran += RunTimers(Monotonic());
  ran += RunPosted();
  return ran;
}

int EpollLoop::RunAlwaysReady() {
  if (always_ready_.empty()) return 0;
  int ran = 0;
  // A copy: callbacks change the map. RunDescriptor looks each one up.
  const auto ready = always_ready_;
  for (const auto& [descriptor, events] : ready) {
    ran += RunDescriptor(descriptor.first, descriptor.second, events);
  }
  return ran;
}

absl::Duration EpollLoop::Monotonic() { return SystemClock().Monotonic(); }

void EpollLoop::UpdateInterest(int fd, uint32_t generation, uint32_t before, uint32_t after) {
  if (const auto it = always_ready_.find({fd, generation}); it != always_ready_.end()) {
    if (after == 0) {
      always_ready_.erase(it);
    } else {
      it->second = after;
    }
    return;
  }
  epoll_event event{.events = after, .data = {.u64 = Key(fd, generation)}};
  const int operation = before == 0 ? EPOLL_CTL_ADD : after == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
  if (epoll_ctl(epoll_.get(), operation, fd, &event) == 0) return;
  if (operation == EPOLL_CTL_ADD && errno == EPERM) {
    always_ready_.emplace(std::make_pair(fd, generation), after);
    Wake();
    return;
  }
  // Out of watches (fs.epoll.max_user_watches), or a descriptor closed under its watch.
  LOG(kError, "event", "epoll_ctl on descriptor %d: %s", fd, strerror(errno));
  CHECK(operation == EPOLL_CTL_DEL);
}

void EpollLoop::DeadlineMovedUp() {
  // The loop's own thread arms the timer before it waits.
  if (!InCallback()) ArmTimer();
}

void EpollLoop::Wake() {
  // The loop's own thread looks before it waits.
  if (!InCallback()) wake_.Signal();
}

void EpollLoop::ArmTimer() {
  // A deadline that moved away only costs a spurious wakeup, less than a call for each cancelled
  // timer.
  const absl::Duration deadline = NextDeadline();
  if (deadline >= armed_) return;
  itimerspec when{};
  // A time of zero would disarm it.
  when.it_value = absl::ToTimespec(std::max(deadline, absl::Nanoseconds(1)));
  CHECK(timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr) == 0);
  armed_ = deadline;
}

}  // namespace touchstone
