// EventFds and poll(2) without the system: in a fuzzer's process their counters are variables, as
// system calls would be a quarter of what an execution costs. The descriptors are the system's, so
// that each is one of a kind.
//
// Linked with --wrap (BUILD.bazel), which gives every call of these functions to us; calls on any
// other descriptor go on. Duplicates are not followed: nothing that is fuzzed makes any. For one
// thread.

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace {

constexpr int kMaxFds = 1024;
constexpr size_t kMaxPolled = 64;

struct Counter {
  bool exists = false;
  uint64_t value = 0;
};
Counter counters[kMaxFds];

Counter* CounterOf(int fd) {
  return fd >= 0 && fd < kMaxFds && counters[fd].exists ? &counters[fd] : nullptr;
}

int Fail(int error) {
  errno = error;
  return -1;
}

}  // namespace

extern "C" {

int __real_eventfd(unsigned int initial, int flags);
ssize_t __real_read(int fd, void* bytes, size_t size);
ssize_t __real_write(int fd, const void* bytes, size_t size);
int __real_poll(pollfd* polled, nfds_t count, int timeout);
int __real_close(int fd);

int __wrap_eventfd(unsigned int initial, int flags) {
  const int fd = __real_eventfd(initial, flags);
  if (fd >= 0 && fd < kMaxFds) counters[fd] = {.exists = true, .value = initial};
  return fd;
}

int __wrap_close(int fd) {
  if (Counter* const counter = CounterOf(fd); counter != nullptr) *counter = {};
  return __real_close(fd);
}

ssize_t __wrap_read(int fd, void* bytes, size_t size) {
  Counter* const counter = CounterOf(fd);
  if (counter == nullptr) return __real_read(fd, bytes, size);
  if (size < sizeof(counter->value)) return Fail(EINVAL);
  if (counter->value == 0) return Fail(EAGAIN);
  memcpy(bytes, &counter->value, sizeof(counter->value));
  counter->value = 0;
  return sizeof(counter->value);
}

ssize_t __wrap_write(int fd, const void* bytes, size_t size) {
  Counter* const counter = CounterOf(fd);
  if (counter == nullptr) return __real_write(fd, bytes, size);
  uint64_t more = 0;
  if (size < sizeof(more)) return Fail(EINVAL);
  memcpy(&more, bytes, sizeof(more));
  if (more > UINT64_MAX - 1 - counter->value) return Fail(EAGAIN);
  counter->value += more;
  return sizeof(more);
}

// The system is asked about the other descriptors only, and does not wait when there are counters
// among these.
int __wrap_poll(pollfd* polled, nfds_t count, int timeout) {
  if (count > kMaxPolled) return __real_poll(polled, count, timeout);
  pollfd others[kMaxPolled];
  nfds_t other_count = 0;
  int ready = 0;
  for (nfds_t i = 0; i < count; ++i) {
    const Counter* const counter = CounterOf(polled[i].fd);
    if (counter == nullptr) {
      others[other_count++] = polled[i];
      continue;
    }
    const int events = (counter->value > 0 ? POLLIN : 0) | POLLOUT;
    polled[i].revents = static_cast<short>(polled[i].events & events);
    if (polled[i].revents != 0) ++ready;
  }
  if (other_count == 0) return ready;
  const int others_ready = __real_poll(others, other_count, other_count == count ? timeout : 0);
  if (others_ready < 0) return others_ready;
  for (nfds_t i = 0, other = 0; i < count; ++i) {
    if (CounterOf(polled[i].fd) == nullptr) polled[i].revents = others[other++].revents;
  }
  return ready + others_ready;
}

}  // extern "C"
