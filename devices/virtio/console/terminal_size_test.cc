#include "devices/virtio/console/terminal_size.h"

#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>

#include <vector>

#include "base/event/manual_loop.h"
#include "base/scoped_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Size = TerminalSize::Size;

class TerminalSizeTest : public testing::Test {
 protected:
  TerminalSizeTest() {
    const winsize size = {.ws_row = 24, .ws_col = 80, .ws_xpixel = 0, .ws_ypixel = 0};
    int master = -1;
    int slave = -1;
    EXPECT_EQ(openpty(&master, &slave, nullptr, nullptr, &size), 0);
    master_.Reset(master);
    slave_.Reset(slave);
  }
  absl::StatusOr<std::unique_ptr<TerminalSize>> Watch() {
    return TerminalSize::Watch(loop_, slave_.get(), [this](Size size) { sizes_.push_back(size); });
  }
  // The signal would come to the process group of a controlling terminal.
  void SetSize(uint16_t cols, uint16_t rows) {
    const winsize size = {.ws_row = rows, .ws_col = cols, .ws_xpixel = 0, .ws_ypixel = 0};
    EXPECT_EQ(ioctl(master_.get(), TIOCSWINSZ, &size), 0);
    EXPECT_EQ(raise(SIGWINCH), 0);
  }

  ManualLoop loop_;
  ScopedFd master_;
  ScopedFd slave_;
  std::vector<Size> sizes_;
};

TEST_F(TerminalSizeTest, TellsTheSizeAtOnceAndEachChange) {
  const auto watch = Watch();
  ASSERT_TRUE(watch.ok()) << watch.status();
  SetSize(132, 50);
  loop_.RunReady();

  EXPECT_THAT(sizes_, ElementsAre(Size{80, 24}, Size{132, 50}));
}

TEST_F(TerminalSizeTest, ManyChangesAtOnceAreOne) {
  const auto watch = Watch();
  ASSERT_TRUE(watch.ok());
  SetSize(100, 10);
  SetSize(101, 11);
  loop_.RunReady();

  EXPECT_THAT(sizes_, ElementsAre(Size{80, 24}, Size{101, 11}));
}

TEST_F(TerminalSizeTest, EndedWatchIsSilent) {
  auto watch = Watch();
  ASSERT_TRUE(watch.ok());
  watch->reset();
  sizes_.clear();
  SetSize(100, 10);
  loop_.RunReady();

  EXPECT_THAT(sizes_, IsEmpty());
}

TEST_F(TerminalSizeTest, WatchesAreBoundedAndUsedAgain) {
  std::vector<std::unique_ptr<TerminalSize>> watches;
  for (int i = 0; i < TerminalSize::kMaxWatches; ++i) watches.push_back(Watch().value());
  EXPECT_EQ(Watch().status().code(), absl::StatusCode::kResourceExhausted);

  watches.pop_back();

  EXPECT_TRUE(Watch().ok());
}

TEST_F(TerminalSizeTest, WhatIsNoTerminalHasNoSize) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  const ScopedFd reader(fds[0]);
  const ScopedFd writer(fds[1]);

  EXPECT_FALSE(TerminalSize::Watch(loop_, reader.get(), [](Size) {}).ok());
}

}  // namespace
}  // namespace touchstone
