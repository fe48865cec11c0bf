#include "base/terminal.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/scoped_fd.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

// A pseudo-terminal whose line side is `fd()`.
class Pty {
 public:
  Pty() : controller_(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    char name[64];
    if (grantpt(controller_.get()) != 0 || unlockpt(controller_.get()) != 0 ||
        ptsname_r(controller_.get(), name, sizeof(name)) != 0) {
      return;
    }
    line_.Reset(open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
  }

  int fd() const { return line_.get(); }

  termios mode() const {
    termios mode{};
    tcgetattr(fd(), &mode);
    return mode;
  }

  bool IsRaw() const {
    const termios now = mode();
    return (now.c_lflag & (ICANON | ECHO)) == 0 && (now.c_iflag & (IXON | ICRNL)) == 0;
  }

  bool HasMode(const termios& wanted) const {
    const termios now = mode();
    return now.c_iflag == wanted.c_iflag && now.c_oflag == wanted.c_oflag &&
           now.c_cflag == wanted.c_cflag && now.c_lflag == wanted.c_lflag;
  }

 private:
  ScopedFd controller_;
  ScopedFd line_;
};

class RawTerminalTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_GE(pty_.fd(), 0);
    ASSERT_FALSE(pty_.IsRaw());
  }

  Pty pty_;
  const termios original_ = pty_.mode();
};

TEST_F(RawTerminalTest, IsRawUntilDestroyed) {
  {
    const RawTerminal raw = RawTerminal::Enter(pty_.fd()).value();

    EXPECT_TRUE(raw.active());
    EXPECT_TRUE(pty_.IsRaw());
    EXPECT_EQ(pty_.mode().c_lflag & ISIG, 0u);
    EXPECT_EQ(pty_.mode().c_oflag, original_.c_oflag);
  }

  EXPECT_TRUE(pty_.HasMode(original_));
}

TEST_F(RawTerminalTest, SignalKeysMayBeKept) {
  const RawTerminal raw = RawTerminal::Enter(pty_.fd(), RawTerminal::SignalKeys::kToUs).value();

  EXPECT_TRUE(pty_.IsRaw());
  EXPECT_NE(pty_.mode().c_lflag & ISIG, 0u);
}

TEST_F(RawTerminalTest, MovesWithItsOwner) {
  std::optional<RawTerminal> first = RawTerminal::Enter(pty_.fd()).value();
  std::optional<RawTerminal> second = std::move(first);

  first.reset();
  EXPECT_TRUE(pty_.IsRaw());
  second.reset();

  EXPECT_TRUE(pty_.HasMode(original_));
}

TEST_F(RawTerminalTest, RestoresAlsoWhenTheDescriptorWasClosed) {
  ScopedFd borrowed(dup(pty_.fd()));
  std::optional<RawTerminal> raw = RawTerminal::Enter(borrowed.get()).value();

  borrowed.Reset();
  raw.reset();

  EXPECT_TRUE(pty_.HasMode(original_));
}

TEST_F(RawTerminalTest, NoTerminalNothingToDo) {
  const ScopedFd null = OpenFile("/dev/null", O_RDWR).value();

  EXPECT_FALSE(RawTerminal::Enter(null.get()).value().active());
  EXPECT_FALSE(RawTerminal::Enter(-1).value().active());
}

TEST_F(RawTerminalTest, RefusesMoreTerminalsThanItCanRestore) {
  std::vector<RawTerminal> all;
  for (int i = 0; i < RawTerminal::kMaxTerminals; ++i) {
    all.push_back(RawTerminal::Enter(pty_.fd()).value());
  }

  EXPECT_EQ(RawTerminal::Enter(pty_.fd()).status().code(), absl::StatusCode::kResourceExhausted);

  while (!all.empty()) all.pop_back();
  EXPECT_TRUE(pty_.HasMode(original_));
  EXPECT_TRUE(RawTerminal::Enter(pty_.fd()).value().active());
}

// How a process may end, and what its parent must see.
struct Ending {
  const char* name;
  std::function<void()> end;
  std::function<bool(int status)> expected;
};

std::function<bool(int)> KilledBy(int number) {
  return [number](int status) { return WIFSIGNALED(status) && WTERMSIG(status) == number; };
}

std::function<bool(int)> ExitedWith(int code) {
  return [code](int status) { return WIFEXITED(status) && WEXITSTATUS(status) == code; };
}

void Fault() {
  volatile int* volatile nowhere = nullptr;
  *nowhere = 1;
}

class RawTerminalEndTest : public testing::TestWithParam<Ending> {};

INSTANTIATE_TEST_SUITE_P(
    Endings, RawTerminalEndTest,
    testing::Values(Ending{"Exit", [] { exit(3); }, ExitedWith(3)},
                    Ending{"Abort", [] { abort(); }, KilledBy(SIGABRT)},
                    Ending{"Terminate", [] { kill(getpid(), SIGTERM); }, KilledBy(SIGTERM)},
                    Ending{"HangUp", [] { kill(getpid(), SIGHUP); }, KilledBy(SIGHUP)},
                    Ending{"Interrupt", [] { kill(getpid(), SIGINT); }, KilledBy(SIGINT)},
                    Ending{"Quit", [] { raise(SIGQUIT); }, KilledBy(SIGQUIT)},
                    // A sanitizer's own handler runs after ours and exits instead.
                    Ending{"Fault", Fault, [](int status) { return status != 0; }},
                    Ending{"SentFault", [] { kill(getpid(), SIGSEGV); },
                           [](int status) { return status != 0; }}),
    [](const testing::TestParamInfo<Ending>& info) { return std::string(info.param.name); });

TEST_P(RawTerminalEndTest, ParentSeesTheEndingAndTheOldMode) {
  Pty pty;
  ASSERT_GE(pty.fd(), 0);
  const termios original = pty.mode();
  int raw_seen[2];
  ASSERT_EQ(pipe2(raw_seen, O_CLOEXEC), 0);

  const pid_t child = fork();
  if (child == 0) {
    close(STDERR_FILENO);
    const RawTerminal raw = RawTerminal::Enter(pty.fd()).value();
    const char is_raw = pty.IsRaw() ? 1 : 0;
    if (write(raw_seen[1], &is_raw, 1) != 1) _exit(99);
    GetParam().end();
    pause();
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  char was_raw = 0;
  ASSERT_EQ(read(raw_seen[0], &was_raw, 1), 1);
  close(raw_seen[0]);
  close(raw_seen[1]);

  EXPECT_EQ(was_raw, 1);
  EXPECT_TRUE(GetParam().expected(status)) << status;
  EXPECT_TRUE(pty.HasMode(original));
}

// A program that ends in good order by itself destroys its guards.
TEST_F(RawTerminalTest, HandlerOfTheProgramIsLeftAlone) {
  static volatile sig_atomic_t handled = 0;
  const auto handler = [](int) { handled = 1; };

  const pid_t child = fork();
  if (child == 0) {
    signal(SIGTERM, handler);
    const RawTerminal raw = RawTerminal::Enter(pty_.fd()).value();
    raise(SIGTERM);
    _exit(handled == 1 && pty_.IsRaw() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);

  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace touchstone
