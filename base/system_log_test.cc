#include "base/system_log.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/scoped_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

// What a daemon that listens at `fd` gets.
std::string Receive(const ScopedFd& fd) {
  char text[2048];
  const ssize_t size = recv(fd.get(), text, sizeof(text), MSG_DONTWAIT);
  return size < 0 ? "nothing" : std::string(text, static_cast<size_t>(size));
}

// Before LinesHaveTheTag, which sets the tag for good.
TEST(SystemLogTest, MessageIsOneLineOfPrintableCharacters) {
  EXPECT_THAT(SystemLogMessage(LogLevel::kInfo, "a\tb\n<0>\x1b[0m\x7f \xc3\xa9"),
              MatchesRegex("<14>[A-Z][a-z][a-z] [ 0-9]+ [0-9:]+ touchstone.[0-9]+.: "
                           "a b.<0>..0m. \xc3\xa9"));
  EXPECT_THAT(SystemLogMessage(LogLevel::kInfo, "a\tb\n\x1b"), EndsWith("]: a b??"));
}

TEST(SystemLogTest, LinesHaveTheTag) {
  char folder[] = "/tmp/logXXXXXX";  // Short: a socket's path is.
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string path = absl::StrCat(folder, "/log");
  const ScopedFd daemon(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {.sun_family = AF_UNIX};
  ASSERT_LT(path.size(), sizeof(address.sun_path));
  memcpy(address.sun_path, path.data(), path.size());
  ASSERT_EQ(bind(daemon.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);

  ASSERT_TRUE(StartSystemLog("vm one", path).ok());
  unlink(path.c_str());
  rmdir(folder);
  testing::internal::CaptureStderr();
  LOG(kWarning, "block", "%s\n<0>", "no room");
  LOG(kError, "vcpu", "stuck");
  LOG(kDebug, "vcpu", "not at this level");

  // LOG_USER is 8; its warnings are 4 and errors 3.
  EXPECT_THAT(Receive(daemon),
              MatchesRegex("<12>[A-Z][a-z][a-z] [ 0-9]+ [0-9:]+ vm one.[0-9]+.: block: no "
                           "room.<0>"));
  EXPECT_THAT(Receive(daemon), EndsWith(absl::StrCat("vm one[", getpid(), "]: vcpu: stuck")));
  EXPECT_EQ(Receive(daemon), "nothing");
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("touchstone: error: vcpu: stuck"));
}

TEST(SystemLogTest, WithoutADaemonThereIsAnError) {
  EXPECT_THAT(std::string(StartSystemLog("x", "/no/such/log").message()),
              HasSubstr("/no/such/log"));
  EXPECT_FALSE(StartSystemLog("x", std::string(200, 'x')).ok());
}

}  // namespace
}  // namespace touchstone
