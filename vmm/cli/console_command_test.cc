#include "vmm/cli/console_command.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/event/epoll_loop.h"
#include "base/fd_socket.h"
#include "base/scoped_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/control/control_message.h"
#include "vmm/control/control_server.h"
#include "vmm/control/control_socket.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

std::string WrongWith(const std::vector<absl::string_view>& arguments) {
  return std::string(ParseConsoleLine(arguments).status().message());
}

TEST(ParseConsoleLineTest, TakesTheSocketAndANumber) {
  EXPECT_EQ(ParseConsoleLine({"/s"})->socket, "/s");
  EXPECT_EQ(ParseConsoleLine({"/s"})->index, absl::nullopt);
  EXPECT_EQ(ParseConsoleLine({"--index", "2", "/s"})->index, 2u);
  EXPECT_EQ(ParseConsoleLine({"/s", "--index=3"})->index, 3u);
  EXPECT_EQ(ParseConsoleLine({"--", "--index"})->socket, "--index");
}

TEST(ParseConsoleLineTest, WrongArgumentsAreNamed) {
  EXPECT_THAT(WrongWith({}), HasSubstr("VM_SOCKET is missing"));
  EXPECT_EQ(WrongWith({"/s", "/t"}), "unexpected argument '/t'");
  EXPECT_EQ(WrongWith({"--all", "/s"}), "unknown option '--all'");
  EXPECT_EQ(WrongWith({"/s", "--index"}), "--index: its value is missing");
  EXPECT_THAT(WrongWith({"--index=x", "/s"}), HasSubstr("--index: 'x' is not the number"));
  EXPECT_THAT(WrongWith({"--index=-1", "/s"}), HasSubstr("--index: '-1' is not the number"));
}

// A machine whose console says who it is, and what comes back in capitals.
class AttachConsoleTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(mkdtemp(folder_.data()), nullptr);
    loop_ = *EpollLoop::Create();
    server_ = std::make_unique<ControlServer>(
        *ListenForControl(path_ = folder_ + "/s"), *loop_,
        [this](const ControlRequest& request, ControlServer::Caller caller,
               ControlServer::Reply reply) {
          request_ = request;
          if (caller.files.size() == 1) send(caller.files[0].get(), "hello", 5, 0);
          reply(response_);
        });
    thread_ = std::thread([this] { loop_->Run(); });
  }
  void TearDown() override {
    loop_->Stop();
    thread_.join();
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  std::string folder_ = "/tmp/console.XXXXXX";
  std::string path_;
  ControlRequest request_;
  ControlResponse response_ = ControlDone("COM1");
  std::unique_ptr<EpollLoop> loop_;
  std::unique_ptr<ControlServer> server_;
  std::thread thread_;
};

TEST_F(AttachConsoleTest, TheMachineGetsTheOtherEnd) {
  const absl::StatusOr<AttachedConsole> console = AttachConsole({path_, 3});

  ASSERT_TRUE(console.ok()) << console.status();
  EXPECT_EQ(console->name, "COM1");
  EXPECT_EQ(request_.command(), ControlRequest::CONSOLE);
  EXPECT_EQ(request_.number(), 3u);
  uint8_t bytes[16];
  EXPECT_EQ(console->socket.Receive(bytes).value_or(0), 5u);
  // Nobody else holds an end: the machine's is gone.
  EXPECT_EQ(console->socket.Receive(bytes).value_or(1), 0u);
}

TEST_F(AttachConsoleTest, WhatTheMachineRefusesIsSaid) {
  response_ = ControlError(ENODEV, "there is no such console");

  const absl::StatusOr<AttachedConsole> console = AttachConsole({path_, absl::nullopt});

  EXPECT_EQ(console.status().message(), "console: there is no such console");
  EXPECT_FALSE(request_.has_number());
}

// A console at one end, pipes in place of a terminal at the other.
class ShowConsoleTest : public testing::Test {
 protected:
  void SetUp() override {
    int in[2], out[2];
    ASSERT_EQ(pipe(in), 0);
    ASSERT_EQ(pipe(out), 0);
    input_.Reset(in[0]);
    keys_.Reset(in[1]);
    screen_.Reset(out[0]);
    output_.Reset(out[1]);
    auto pair = FdSocket::CreatePair(FdSocket::Kind::kStream).value();
    console_ = std::make_unique<FdSocket>(std::move(pair.first));
    guest_ = std::make_unique<FdSocket>(std::move(pair.second));
  }
  std::string Screen() {
    char bytes[256];
    const ssize_t count = read(screen_.get(), bytes, sizeof(bytes));
    return count < 0 ? "error" : std::string(bytes, static_cast<size_t>(count));
  }

  ScopedFd input_, keys_, screen_, output_;
  std::unique_ptr<FdSocket> console_, guest_;
};

TEST_F(ShowConsoleTest, BytesGoBothWaysUntilTheMachineEnds) {
  const std::string typed = "typed\x1D and on\x03";  // Keys of a terminal alone.
  ASSERT_EQ(write(keys_.get(), typed.data(), typed.size()), static_cast<ssize_t>(typed.size()));
  absl::Status status = absl::UnknownError("");
  std::thread shows([&] { status = ShowConsole(*console_, input_.get(), false, output_.get()); });

  std::vector<uint8_t> heard(typed.size());
  EXPECT_TRUE(guest_->ReceiveAll(absl::MakeSpan(heard)).value_or(false));
  EXPECT_EQ(std::string(heard.begin(), heard.end()), typed);
  const uint8_t said[] = {'h', 'i'};
  EXPECT_TRUE(guest_->Send(said).ok());
  EXPECT_EQ(Screen(), "hi");
  guest_.reset();
  shows.join();

  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(ShowConsoleTest, TheEndOfInputEndsNothing) {
  keys_.Reset();
  absl::Status status = absl::UnknownError("");
  std::thread shows([&] { status = ShowConsole(*console_, input_.get(), false, output_.get()); });
  usleep(10'000);

  const uint8_t said[] = {'h', 'i'};
  EXPECT_TRUE(guest_->Send(said).ok());
  EXPECT_EQ(Screen(), "hi");
  guest_.reset();
  shows.join();

  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(ShowConsoleTest, AScreenThatIsGoneIsAnError) {
  screen_.Reset();
  signal(SIGPIPE, SIG_IGN);
  const uint8_t said[] = {'h', 'i'};
  ASSERT_TRUE(guest_->Send(said).ok());

  EXPECT_THAT(std::string(ShowConsole(*console_, input_.get(), false, output_.get()).message()),
              HasSubstr("standard output"));
}

}  // namespace
}  // namespace touchstone
