// A loop on a thread of its own, for devices that may keep a loop busy.
//
//   ASSIGN_OR_RETURN(std::unique_ptr<LoopThread> thread, LoopThread::Start("block vda"));
//   Block block(thread->loop(), ...);
//   ...
//   thread->Stop();  // Or destroy it: after what works on the loop has stopped.
//
// The thread inherits the signal mask of the one that starts it. Thread-compatible; the loop itself
// is thread-safe.

#ifndef TOUCHSTONE_BASE_EVENT_LOOP_THREAD_H_
#define TOUCHSTONE_BASE_EVENT_LOOP_THREAD_H_

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "base/event/epoll_loop.h"
#include "base/event/event_loop.h"

namespace touchstone {

class LoopThread {
 public:
  // `name` is what ps and debuggers show, cut to its first 15 bytes. Errors as EpollLoop::Create.
  static absl::StatusOr<std::unique_ptr<LoopThread>> Start(std::string name);
  // Stops.
  ~LoopThread();
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  // Lets the callback that is running finish, runs no further ones, and joins the thread. Harmless
  // when done already. Not to be called on the loop's thread.
  void Stop();

  // Outlives the thread, so that watches may be destroyed after Stop.
  [[nodiscard]] EventLoop& loop() { return *loop_; }

 private:
  LoopThread(std::unique_ptr<EpollLoop> loop, std::string name);

  const std::unique_ptr<EpollLoop> loop_;
  std::thread thread_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_EVENT_LOOP_THREAD_H_
