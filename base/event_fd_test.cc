#include "base/event_fd.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cstdint>
#include <thread>

#include "gtest/gtest.h"

namespace touchstone {
namespace {

bool IsReadable(const EventFd& event) {
  pollfd descriptor{.fd = event.fd(), .events = POLLIN, .revents = 0};
  return poll(&descriptor, 1, 0) == 1;
}

TEST(EventFdTest, StartsAtZeroAndNeverBlocks) {
  const EventFd event = EventFd::Create().value();

  EXPECT_FALSE(IsReadable(event));
  EXPECT_EQ(event.Drain(), 0u);
  EXPECT_EQ(fcntl(event.fd(), F_GETFD), FD_CLOEXEC);
}

TEST(EventFdTest, DrainReturnsTheSignalsSinceTheLast) {
  const EventFd event = EventFd::Create().value();

  event.Signal();
  event.Signal();

  EXPECT_TRUE(IsReadable(event));
  EXPECT_EQ(event.Drain(), 2u);
  EXPECT_EQ(event.Drain(), 0u);
}

TEST(EventFdTest, FullCounterStaysFull) {
  const EventFd event = EventFd::Create().value();
  const uint64_t full = UINT64_MAX - 1;
  ASSERT_EQ(write(event.fd(), &full, sizeof(full)), 8);

  event.Signal();

  EXPECT_EQ(event.Drain(), full);
}

TEST(EventFdTest, DuplicateIsTheSameCounter) {
  EventFd event = EventFd::Create().value();
  const EventFd copy = event.Duplicate().value();
  ASSERT_NE(copy.fd(), event.fd());

  event.Signal();
  event = EventFd(ScopedFd());

  EXPECT_EQ(copy.Drain(), 1u);
}

TEST(EventFdTest, NoDescriptorIsHarmless) {
  const EventFd none{ScopedFd()};

  none.Signal();

  EXPECT_EQ(none.Drain(), 0u);
  EXPECT_FALSE(none.Duplicate().ok());
}

TEST(EventFdTest, ThreadsMaySignalAtOnce) {
  const EventFd event = EventFd::Create().value();
  std::thread other([&event] {
    for (int i = 0; i < 100; ++i) event.Signal();
  });

  uint64_t total = 0;
  while (total < 100) total += event.Drain();
  other.join();

  EXPECT_EQ(total, 100u);
}

}  // namespace
}  // namespace touchstone
