#include "base/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/fd_socket.h"
#include "base/scoped_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

// Relative: the sandbox's own directories are longer than a socket path may be.
std::string TestPath(absl::string_view name) {
  return absl::StrCat("unix_socket_test.", getpid(), ".", name);
}

std::string AbsolutePath(const std::string& relative) {
  char directory[4096];
  return absl::StrCat(getcwd(directory, sizeof(directory)), "/", relative);
}

TEST(UnixSocketTest, ConnectsWithoutWaiting) {
  const std::string path = TestPath("stream");
  const FdListener listener = *FdListener::Listen(path, FdSocket::Kind::kStream);

  const absl::StatusOr<ScopedFd> fd = ConnectUnix(path, SOCK_STREAM);

  ASSERT_TRUE(fd.ok()) << fd.status();
  const FdSocket accepted = *listener.Accept();
  ASSERT_TRUE(accepted.Send({7}).ok());
  uint8_t byte = 0;
  EXPECT_EQ(read(fd->get(), &byte, 1), 1);
  EXPECT_EQ(byte, 7);
  EXPECT_EQ(read(fd->get(), &byte, 1), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(fcntl(fd->get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST(UnixSocketTest, ReachesAPathLongerThanAnAddress) {
  const std::string directory = AbsolutePath(TestPath(std::string(120, 'd')));
  ASSERT_EQ(mkdir(directory.c_str(), 0700), 0);
  const ScopedFd at(open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const FdListener listener = *FdListener::Listen(absl::StrCat("/proc/self/fd/", at.get(), "/s"),
                                                  FdSocket::Kind::kSeqPacket);

  const absl::StatusOr<ScopedFd> fd = ConnectUnix(directory + "/s", SOCK_SEQPACKET);

  EXPECT_TRUE(fd.ok()) << fd.status();
}

struct Refusal {
  std::string path;
  absl::StatusCode code;
  std::string message;
  bool later;
};

TEST(UnixSocketTest, ErrorsSayWhetherWaitingHelps) {
  const std::string regular = TestPath("regular");
  ScopedFd(open(regular.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  const std::vector<Refusal> refusals = {
      {"absent", absl::StatusCode::kNotFound, "connect to absent: No such file", true},
      {regular, absl::StatusCode::kFailedPrecondition, "Connection refused", true},
      {regular + "/s", absl::StatusCode::kInternal, "Not a directory", false},
      {"", absl::StatusCode::kInvalidArgument, "'' is no socket path: 1 to 107 bytes", false},
      {std::string("a\0b", 3), absl::StatusCode::kInvalidArgument, "none of them 0", false},
      {std::string(108, 'a'), absl::StatusCode::kInvalidArgument, "1 to 107 bytes", false},
      {"./" + std::string(108, 'a'), absl::StatusCode::kInvalidArgument, "1 to 107 bytes", false},
  };

  for (const Refusal& refusal : refusals) {
    const absl::Status error = ConnectUnix(refusal.path, SOCK_STREAM).status();

    EXPECT_EQ(error.code(), refusal.code) << error;
    EXPECT_THAT(std::string(error.message()), HasSubstr(refusal.message));
    EXPECT_EQ(MayConnectLater(error), refusal.later) << error;
  }
}

TEST(UnixSocketTest, FullBacklogIsUnavailable) {
  const std::string path = TestPath("full");
  const FdListener listener = *FdListener::Listen(path, FdSocket::Kind::kStream);
  std::vector<ScopedFd> waiting;
  absl::StatusOr<ScopedFd> fd = ConnectUnix(path, SOCK_STREAM);
  while (fd.ok() && waiting.size() < 100) {
    waiting.push_back(*std::move(fd));
    fd = ConnectUnix(path, SOCK_STREAM);
  }

  EXPECT_TRUE(absl::IsUnavailable(fd.status())) << fd.status();
  EXPECT_TRUE(MayConnectLater(fd.status()));
}

}  // namespace
}  // namespace touchstone
