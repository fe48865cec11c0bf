#include "vmm/jail/fd_map.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <vector>

#include "base/event_fd.h"
#include "base/scoped_fd.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

// The exit status of `body` in a child.
int InChild(const std::function<int()>& body) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Which of the first numbers are open.
std::vector<int> OpenNumbers() {
  std::vector<int> open;
  for (int number = 0; number < 200; ++number) {
    if (fcntl(number, F_GETFD) >= 0) open.push_back(number);
  }
  return open;
}

bool SameFile(int fd, uint64_t flag) {
  uint64_t value = 0;
  return read(fd, &value, sizeof(value)) == sizeof(value) && value == flag;
}

EventFd Marked(uint64_t flag) {
  EventFd event = *EventFd::Create();
  EXPECT_EQ(write(event.fd(), &flag, sizeof(flag)), 8);
  return event;
}

TEST(FdMap, NothingElseIsLeft) {
  const EventFd first = Marked(7);
  const EventFd second = Marked(8);
  FdMap map;
  map.Set(3, first.fd());
  map.Set(60, second.fd());
  const int status = InChild([&] {
    if (!map.Apply()) return 1;
    if (OpenNumbers() != std::vector<int>{3, 60}) return 2;
    return SameFile(3, 7) && SameFile(60, 8) ? 0 : 3;
  });
  EXPECT_EQ(status, 0);
}

TEST(FdMap, EmptyClosesAll) {
  FdMap map;
  EXPECT_EQ(InChild([&] { return map.Apply() && OpenNumbers().empty() ? 0 : 1; }), 0);
}

TEST(FdMap, SwapsNumbers) {
  const EventFd first = Marked(7);
  const EventFd second = Marked(8);
  FdMap map;
  map.Set(first.fd(), second.fd());
  map.Set(second.fd(), first.fd());
  const int status = InChild([&] {
    if (!map.Apply()) return 1;
    return SameFile(first.fd(), 8) && SameFile(second.fd(), 7) ? 0 : 2;
  });
  EXPECT_EQ(status, 0);
}

TEST(FdMap, OneDescriptorUnderTwoNumbers) {
  const EventFd event = Marked(7);
  FdMap map;
  map.Set(4, event.fd());
  map.Set(5, event.fd());
  const int status = InChild([&] {
    if (!map.Apply()) return 1;
    return SameFile(5, 7) && OpenNumbers() == std::vector<int>{4, 5} ? 0 : 2;
  });
  EXPECT_EQ(status, 0);
}

TEST(FdMap, OnlyWhatIsMarkedClosesOnExec) {
  const EventFd event = Marked(7);
  FdMap map;
  map.Set(4, event.fd());
  map.Set(5, event.fd(), FdMap::OnExec::kClose);
  const int status = InChild([&] {
    if (!map.Apply()) return 1;
    return fcntl(4, F_GETFD) == 0 && fcntl(5, F_GETFD) == FD_CLOEXEC ? 0 : 2;
  });
  EXPECT_EQ(status, 0);
}

TEST(FdMap, AppendCountsFromTheHighest) {
  FdMap map;
  EXPECT_EQ(map.Append(0), 0);
  map.Set(9, 1);
  EXPECT_EQ(map.Append(2), 10);
  EXPECT_TRUE(map.Has(9));
  EXPECT_FALSE(map.Has(1));
}

TEST(FdMap, TheLaterDescriptorOfANumberCounts) {
  const EventFd first = Marked(7);
  const EventFd second = Marked(8);
  FdMap map;
  map.Set(3, first.fd());
  map.Set(3, second.fd());
  EXPECT_EQ(InChild([&] { return map.Apply() && SameFile(3, 8) ? 0 : 1; }), 0);
}

TEST(FdMap, AClosedDescriptorIsAnError) {
  FdMap map;
  map.Set(3, 4000);
  EXPECT_EQ(InChild([&] { return map.Apply() ? 1 : (errno == EBADF ? 0 : 2); }), 0);
}

}  // namespace
}  // namespace touchstone
