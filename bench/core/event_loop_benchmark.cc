// What the loop costs a device: one notification, one posted callback, one timer.

#include <memory>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "base/event/epoll_loop.h"
#include "base/event_fd.h"
#include "benchmark/benchmark.h"

namespace touchstone {
namespace {

// One eventfd signalled and handled, beside `range` idle ones: epoll_wait and two system calls on
// the eventfd.
void BM_Notification(benchmark::State& state) {
  const std::unique_ptr<EpollLoop> loop = EpollLoop::Create().value();
  std::vector<EventFd> events;
  std::vector<Watch> watches;
  for (int i = 0; i <= state.range(0); ++i) events.push_back(EventFd::Create().value());
  for (const EventFd& event : events) {
    watches.push_back(loop->OnReadable(event.fd(), [&event] { event.Drain(); }));
  }
  for (auto _ : state) {
    events[0].Signal();
    benchmark::DoNotOptimize(loop->RunOnce(absl::InfiniteDuration()));
  }
}
BENCHMARK(BM_Notification)->Arg(0)->Arg(100);

void BM_Post(benchmark::State& state) {
  const std::unique_ptr<EpollLoop> loop = EpollLoop::Create().value();
  int calls = 0;
  for (auto _ : state) {
    loop->Post([&calls] { ++calls; });
    benchmark::DoNotOptimize(loop->RunOnce(absl::InfiniteDuration()));
  }
}
BENCHMARK(BM_Post);

// A timer made and cancelled before it is due, as for a rate limit or a timeout.
void BM_CancelledTimer(benchmark::State& state) {
  const std::unique_ptr<EpollLoop> loop = EpollLoop::Create().value();
  for (auto _ : state) {
    benchmark::DoNotOptimize(loop->After(absl::Seconds(10), [] {}));
  }
}
BENCHMARK(BM_CancelledTimer);

// From a signal on this thread to the answer of a loop that sleeps on another.
void BM_RoundTripBetweenThreads(benchmark::State& state) {
  const std::unique_ptr<EpollLoop> near = EpollLoop::Create().value();
  const std::unique_ptr<EpollLoop> far = EpollLoop::Create().value();
  const EventFd request = EventFd::Create().value();
  const EventFd answer = EventFd::Create().value();
  Watch on_answer = near->OnReadable(answer.fd(), [&answer] { answer.Drain(); });
  Watch on_request = far->OnReadable(request.fd(), [&request, &answer] {
    request.Drain();
    answer.Signal();
  });
  std::thread thread([&far] { far->Run(); });
  for (auto _ : state) {
    request.Signal();
    benchmark::DoNotOptimize(near->RunOnce(absl::InfiniteDuration()));
  }
  far->Stop();
  thread.join();
}
BENCHMARK(BM_RoundTripBetweenThreads)->UseRealTime();

}  // namespace
}  // namespace touchstone
