#include "base/event/callback_loop.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "base/log.h"

namespace touchstone {

class CallbackLoop::DescriptorRegistration final : public Watch::Registration {
 public:
  DescriptorRegistration(CallbackLoop& loop, int fd, std::shared_ptr<Handler> Descriptor::* slot,
                         std::shared_ptr<Handler> handler)
      : loop_(loop), fd_(fd), slot_(slot), handler_(std::move(handler)) {}
  ~DescriptorRegistration() override { loop_.RemoveDescriptor(fd_, slot_, *handler_); }

 private:
  CallbackLoop& loop_;
  const int fd_;
  std::shared_ptr<Handler> Descriptor::* const slot_;
  const std::shared_ptr<Handler> handler_;
};

class CallbackLoop::TimerRegistration final : public Watch::Registration {
 public:
  TimerRegistration(CallbackLoop& loop, TimerKey key, std::shared_ptr<Handler> handler)
      : loop_(loop), key_(key), handler_(std::move(handler)) {}
  ~TimerRegistration() override { loop_.RemoveTimer(key_, *handler_); }

 private:
  CallbackLoop& loop_;
  const TimerKey key_;
  const std::shared_ptr<Handler> handler_;
};

Watch CallbackLoop::OnReadable(int fd, Callback callback) {
  return AddDescriptor(fd, &Descriptor::readable, std::move(callback));
}

Watch CallbackLoop::OnWritable(int fd, Callback callback) {
  return AddDescriptor(fd, &Descriptor::writable, std::move(callback));
}

Watch CallbackLoop::AddDescriptor(int fd, std::shared_ptr<Handler> Descriptor::* slot,
                                  Callback callback) {
  CHECK(fd >= 0);
  auto handler = std::make_shared<Handler>(Handler{std::move(callback)});
  MutexLock lock(mutex_);
  auto [it, is_new] = descriptors_.try_emplace(fd);
  Descriptor& descriptor = it->second;
  if (is_new) descriptor.generation = next_generation_++;
  CHECK(descriptor.*slot == nullptr);  // one watch of each direction
  const uint32_t before = descriptor.interest();
  descriptor.*slot = handler;
  UpdateInterest(fd, descriptor.generation, before, descriptor.interest());
  ++registrations_;
  return Watch(std::make_unique<DescriptorRegistration>(*this, fd, slot, std::move(handler)));
}

void CallbackLoop::RemoveDescriptor(int fd, std::shared_ptr<Handler> Descriptor::* slot,
                                    const Handler& handler) {
  MutexLock lock(mutex_);
  const auto it = descriptors_.find(fd);
  CHECK(it != descriptors_.end() && (it->second.*slot).get() == &handler);
  Descriptor& descriptor = it->second;
  const uint32_t before = descriptor.interest();
  (descriptor.*slot).reset();  // the registration still holds it
  UpdateInterest(fd, descriptor.generation, before, descriptor.interest());
  if (descriptor.interest() == 0) descriptors_.erase(it);
  WaitUntilDone(handler);
  --registrations_;
}

Watch CallbackLoop::After(absl::Duration delay, Callback callback) {
  auto handler = std::make_shared<Handler>(Handler{std::move(callback)});
  const absl::Duration deadline = Monotonic() + std::max(delay, absl::ZeroDuration());
  MutexLock lock(mutex_);
  const TimerKey key(deadline, next_timer_++);
  const auto it = timers_.emplace(key, handler).first;
  if (it == timers_.begin()) DeadlineMovedUp();
  ++registrations_;
  return Watch(std::make_unique<TimerRegistration>(*this, key, std::move(handler)));
}

void CallbackLoop::RemoveTimer(TimerKey key, const Handler& handler) {
  MutexLock lock(mutex_);
  timers_.erase(key);  // the registration still holds the handler
  WaitUntilDone(handler);
  --registrations_;
}

void CallbackLoop::Post(Callback callback) {
  MutexLock lock(mutex_);
  posted_.push_back(std::move(callback));
  if (posted_.size() == 1) Wake();
}

void CallbackLoop::Shutdown() {
  std::vector<Callback> dropped;  // Without memory when there are none.
  {
    MutexLock lock(mutex_);
    CHECK(running_ == nullptr);
    dropped.assign(std::make_move_iterator(posted_.begin()),
                   std::make_move_iterator(posted_.end()));
    posted_.clear();
  }
  dropped.clear();
  MutexLock lock(mutex_);
  CHECK(registrations_ == 0);
}

int CallbackLoop::RunDescriptor(int fd, uint32_t generation, uint32_t events) {
  int ran = 0;
  const std::pair<std::shared_ptr<Handler> Descriptor::*, uint32_t> directions[] = {
      {&Descriptor::readable, kReadable | POLLHUP | POLLERR},
      {&Descriptor::writable, kWritable | POLLHUP | POLLERR},
  };
  for (const auto& [slot, wanted] : directions) {
    // Looked up anew each time: callbacks destroy watches.
    const auto it = descriptors_.find(fd);
    if (it == descriptors_.end() || it->second.generation != generation || Interrupted()) break;
    std::shared_ptr<Handler> handler = it->second.*slot;
    if (handler == nullptr || (events & wanted) == 0) continue;
    const void* const identity = handler.get();
    RunUnlocked(identity, [handler = std::move(handler)] { handler->callback(); });
    ++ran;
  }
  return ran;
}

int CallbackLoop::RunTimers(absl::Duration now) {
  int ran = 0;
  const uint64_t first_new = next_timer_;
  auto it = timers_.begin();
  while (it != timers_.end() && it->first.first <= now && !Interrupted()) {
    if (it->first.second >= first_new) {
      ++it;
      continue;
    }
    const std::shared_ptr<Handler> handler = std::move(it->second);
    const void* const identity = handler.get();
    timers_.erase(it);
    RunUnlocked(identity, std::move(handler->callback));
    ++ran;
    it = timers_.begin();  // the callback may have changed the map
  }
  return ran;
}

int CallbackLoop::RunPosted() {
  int ran = 0;
  for (size_t left = posted_.size(); left > 0 && !Interrupted(); --left) {
    Callback callback = std::move(posted_.front());
    posted_.pop_front();
    RunUnlocked(&posted_, std::move(callback));
    ++ran;
  }
  return ran;
}

absl::Duration CallbackLoop::NextDeadline() const {
  return timers_.empty() ? absl::InfiniteDuration() : timers_.begin()->first.first;
}

bool CallbackLoop::InCallback() const {
  return running_ != nullptr && running_thread_ == std::this_thread::get_id();
}

void CallbackLoop::WaitUntilDone(const Handler& handler) {
  if (InCallback()) return;
  ++waiters_;
  while (running_ == &handler) done_.Wait(mutex_);
  --waiters_;
}

template <typename Run>
void CallbackLoop::RunUnlocked(const void* identity, Run callback) {
  CHECK(running_ == nullptr);  // one thread at a time, and not from inside a callback
  running_ = identity;
  running_thread_ = std::this_thread::get_id();
  mutex_.Unlock();
  {
    Run run = std::move(callback);
    run();
  }
  mutex_.Lock();
  running_ = nullptr;
  if (waiters_ > 0) done_.SignalAll();
}

}  // namespace touchstone
