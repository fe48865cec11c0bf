#include "devices/virtio/net/passt.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// Shell scripts in passt's place.
class PasstTest : public testing::Test {
 protected:
  static PasstCommand Script(const std::string& text) {
    const std::string path = testing::TempDir() + "/passt";
    std::ofstream(path) << "#!/bin/sh\n" << text << "\n";
    chmod(path.c_str(), 0755);
    return {.path = path};
  }
  static std::string ErrorOf(const PasstCommand& command) {
    return std::string(StartPasst(command).status().message());
  }
  static bool HasChildren() { return waitpid(-1, nullptr, WNOHANG) != -1 || errno != ECHILD; }
  // What comes until the other side hangs up.
  static std::string ReadAll(const ScopedFd& fd) {
    std::string text;
    char buffer[512];
    for (ssize_t count; (count = read(fd.get(), buffer, sizeof(buffer))) > 0;) {
      text.append(buffer, static_cast<size_t>(count));
    }
    return text;
  }
};

TEST_F(PasstTest, TalksOverTheSocketFromTheBackground) {
  const ScopedFd socket = *StartPasst(Script("(head -c 5 <&3 >&3) 2> /dev/null &"));
  ASSERT_EQ(write(socket.get(), "hello world", 11), 11);

  EXPECT_EQ(ReadAll(socket), "hello");
  EXPECT_FALSE(HasChildren());
}

TEST_F(PasstTest, IsToldItsSocketAndWhatTheCallerSays) {
  PasstCommand command = Script("echo \"$@\" >&3");
  command.arguments = {"--tcp-ports", "8080:80", "a b"};

  EXPECT_EQ(ReadAll(*StartPasst(command)), "--fd 3 --quiet --tcp-ports 8080:80 a b\n");
}

TEST_F(PasstTest, HasNoOtherDescriptorAndNoTerminal) {
  const ScopedFd stray(dup2(STDERR_FILENO, 57));  // Not close-on-exec.

  const std::string said = ReadAll(*StartPasst(
      Script("readlink /proc/self/fd/0 >&3; [ -e /proc/self/fd/57 ] || echo no stray >&3; "
             "[ $(cut -d ' ' -f 6 /proc/self/stat) = $$ ] && echo own session >&3")));

  EXPECT_EQ(said, "/dev/null\nno stray\nown session\n");
}

TEST_F(PasstTest, AFailureIsToldInItsWords) {
  const std::string error = ErrorOf(Script(
      "echo 'Failed to send 36 bytes to syslog' >&2; echo No routable interface >&2; exit 1"));

  EXPECT_THAT(error, HasSubstr("/passt ended with status 1: No routable interface"));
  EXPECT_THAT(error, Not(HasSubstr("syslog")));
  EXPECT_FALSE(HasChildren());
}

TEST_F(PasstTest, AFailureMaySayTooMuchOrNothing) {
  EXPECT_LT(ErrorOf(Script("yes | head -c 1000000 >&2; exit 1")).size(), 10'000u);
  EXPECT_THAT(ErrorOf(Script("kill -9 $$")), testing::EndsWith("passt was ended by signal 9"));
}

TEST_F(PasstTest, AProgramThatIsNotThereIsNamed) {
  EXPECT_THAT(ErrorOf({.path = "no-such-passt"}),
              AllOf(HasSubstr("no-such-passt"), HasSubstr("package passt")));
}

TEST_F(PasstTest, AProgramThatStaysInTheForegroundIsEnded) {
  const absl::Status status =
      StartPasst(Script("exec sleep 1000"), absl::Milliseconds(100)).status();

  EXPECT_TRUE(absl::IsDeadlineExceeded(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("is not in the background after 100ms"));
  EXPECT_FALSE(HasChildren());
}

}  // namespace
}  // namespace touchstone
