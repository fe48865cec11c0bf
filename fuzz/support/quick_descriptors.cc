// EventFds, pairs of stream sockets and poll(2) without the system: in a fuzzer's process what they
// hold are variables, as system calls would be a quarter of what an execution costs. The
// descriptors are the system's, so that each is one of a kind.
//
// A socket of a pair has room for kRoom bytes that its peer sent. They move by read(2) and write(2)
// alone, and nobody waits: both are as if they were non-blocking.
//
// Linked with --wrap (BUILD.bazel), which gives every call of these functions to us; calls on any
// other descriptor go on. Duplicates are not followed: nothing that is fuzzed makes any. For one
// thread.

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace {

constexpr int kMaxFds = 1024;
constexpr size_t kMaxPolled = 64;
constexpr size_t kRoom = 64;

struct Descriptor {
  enum class Kind { kOther, kCounter, kStream };

  Kind kind = Kind::kOther;
  uint64_t value = 0;  // Of a counter.
  // Of a stream: the other end, or -1 when that is gone, and what came from it.
  int peer = -1;
  size_t held = 0;
  uint8_t bytes[kRoom] = {};
};
Descriptor descriptors[kMaxFds];

// Null for those that are the system's business.
Descriptor* Quick(int fd) {
  if (fd < 0 || fd >= kMaxFds || descriptors[fd].kind == Descriptor::Kind::kOther) return nullptr;
  return &descriptors[fd];
}

int Fail(int error) {
  errno = error;
  return -1;
}

ssize_t ReadCounter(Descriptor& counter, void* bytes, size_t size) {
  if (size < sizeof(counter.value)) return Fail(EINVAL);
  if (counter.value == 0) return Fail(EAGAIN);
  memcpy(bytes, &counter.value, sizeof(counter.value));
  counter.value = 0;
  return sizeof(counter.value);
}

ssize_t WriteCounter(Descriptor& counter, const void* bytes, size_t size) {
  uint64_t more = 0;
  if (size < sizeof(more)) return Fail(EINVAL);
  memcpy(&more, bytes, sizeof(more));
  if (more > UINT64_MAX - 1 - counter.value) return Fail(EAGAIN);
  counter.value += more;
  return sizeof(more);
}

ssize_t ReadStream(Descriptor& stream, void* bytes, size_t size) {
  if (stream.held == 0) return stream.peer < 0 ? 0 : Fail(EAGAIN);
  const size_t taken = std::min(size, stream.held);
  memcpy(bytes, stream.bytes, taken);
  stream.held -= taken;
  memmove(stream.bytes, stream.bytes + taken, stream.held);
  return static_cast<ssize_t>(taken);
}

ssize_t WriteStream(const Descriptor& stream, const void* bytes, size_t size) {
  if (stream.peer < 0) return Fail(EPIPE);
  Descriptor& peer = descriptors[stream.peer];
  const size_t taken = std::min(size, kRoom - peer.held);
  if (taken == 0 && size > 0) return Fail(EAGAIN);
  memcpy(peer.bytes + peer.held, bytes, taken);
  peer.held += taken;
  return static_cast<ssize_t>(taken);
}

int EventsOf(const Descriptor& descriptor) {
  if (descriptor.kind == Descriptor::Kind::kCounter) {
    return (descriptor.value > 0 ? POLLIN : 0) | POLLOUT;
  }
  if (descriptor.peer < 0) return POLLIN | POLLOUT | POLLHUP;
  return (descriptor.held > 0 ? POLLIN : 0) |
         (descriptors[descriptor.peer].held < kRoom ? POLLOUT : 0);
}

}  // namespace

extern "C" {

int __real_eventfd(unsigned int initial, int flags);
int __real_socketpair(int domain, int type, int protocol, int fds[2]);
ssize_t __real_read(int fd, void* bytes, size_t size);
ssize_t __real_write(int fd, const void* bytes, size_t size);
int __real_poll(pollfd* polled, nfds_t count, int timeout);
int __real_close(int fd);

int __wrap_eventfd(unsigned int initial, int flags) {
  const int fd = __real_eventfd(initial, flags);
  if (fd >= 0 && fd < kMaxFds) {
    descriptors[fd] = {.kind = Descriptor::Kind::kCounter, .value = initial};
  }
  return fd;
}

int __wrap_socketpair(int domain, int type, int protocol, int fds[2]) {
  const int result = __real_socketpair(domain, type, protocol, fds);
  constexpr int kFlags = SOCK_CLOEXEC | SOCK_NONBLOCK;
  if (result != 0 || (type & ~kFlags) != SOCK_STREAM || (type & SOCK_NONBLOCK) == 0 ||
      std::max(fds[0], fds[1]) >= kMaxFds) {
    return result;
  }
  descriptors[fds[0]] = {.kind = Descriptor::Kind::kStream, .peer = fds[1]};
  descriptors[fds[1]] = {.kind = Descriptor::Kind::kStream, .peer = fds[0]};
  return result;
}

int __wrap_close(int fd) {
  if (Descriptor* const quick = Quick(fd); quick != nullptr) {
    if (quick->peer >= 0) descriptors[quick->peer].peer = -1;
    *quick = {};
  }
  return __real_close(fd);
}

ssize_t __wrap_read(int fd, void* bytes, size_t size) {
  Descriptor* const quick = Quick(fd);
  if (quick == nullptr) return __real_read(fd, bytes, size);
  return quick->kind == Descriptor::Kind::kCounter ? ReadCounter(*quick, bytes, size)
                                                   : ReadStream(*quick, bytes, size);
}

ssize_t __wrap_write(int fd, const void* bytes, size_t size) {
  Descriptor* const quick = Quick(fd);
  if (quick == nullptr) return __real_write(fd, bytes, size);
  return quick->kind == Descriptor::Kind::kCounter ? WriteCounter(*quick, bytes, size)
                                                   : WriteStream(*quick, bytes, size);
}

// The system is asked about the other descriptors only, and does not wait when there are some of
// ours among these.
int __wrap_poll(pollfd* polled, nfds_t count, int timeout) {
  if (count > kMaxPolled) return __real_poll(polled, count, timeout);
  pollfd others[kMaxPolled];
  nfds_t other_count = 0;
  int ready = 0;
  for (nfds_t i = 0; i < count; ++i) {
    const Descriptor* const quick = Quick(polled[i].fd);
    if (quick == nullptr) {
      others[other_count++] = polled[i];
      continue;
    }
    polled[i].revents = static_cast<short>((polled[i].events | POLLHUP) & EventsOf(*quick));
    if (polled[i].revents != 0) ++ready;
  }
  if (other_count == 0) return ready;
  const int others_ready = __real_poll(others, other_count, other_count == count ? timeout : 0);
  if (others_ready < 0) return others_ready;
  for (nfds_t i = 0, other = 0; i < count; ++i) {
    if (Quick(polled[i].fd) == nullptr) polled[i].revents = others[other++].revents;
  }
  return ready + others_ready;
}

}  // extern "C"
