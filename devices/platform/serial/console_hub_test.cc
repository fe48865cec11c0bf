#include "devices/platform/serial/console_hub.h"

#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/event/manual_loop.h"
#include "base/fd_socket.h"
#include "base/scoped_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

// What a port writes to and reads from by itself.
class OwnOutput final : public SerialOutput {
 public:
  bool Write(absl::Span<const uint8_t> bytes) override {
    written.append(bytes.begin(), bytes.end());
    return true;
  }
  bool Ready() override { return true; }
  size_t Room() override { return SIZE_MAX; }
  void OnReady(EventLoop::Callback) override {}
  void Flush() override {}

  std::string written;
};

class OwnInput final : public SerialInput {
 public:
  void OnBytes(EventLoop::Callback callback) override { on_bytes = std::move(callback); }
  size_t Read(absl::Span<uint8_t> bytes) override {
    const size_t count = text.copy(reinterpret_cast<char*>(bytes.data()), bytes.size());
    text.erase(0, count);
    return count;
  }
  void Unread(absl::Span<const uint8_t>) override {}

  std::string text;
  EventLoop::Callback on_bytes;
};

class ConsoleHubTest : public testing::Test {
 protected:
  // Our end of a client that was let in.
  FdSocket Attach() {
    auto pair = FdSocket::CreatePair(FdSocket::Kind::kStream).value();
    EXPECT_TRUE(hub_->Attach(std::move(pair.second).Release()).ok());
    return std::move(pair.first);
  }
  void Write(absl::string_view text) {
    hub_->output().Write({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
    loop_.Advance(absl::Milliseconds(2));
  }
  static void Type(const FdSocket& client, absl::string_view text) {
    EXPECT_EQ(send(client.fd(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  }
  static std::string Said(const FdSocket& client) {
    char bytes[256];
    const ssize_t count = recv(client.fd(), bytes, sizeof(bytes), MSG_DONTWAIT);
    return count < 0 ? "nothing" : std::string(bytes, static_cast<size_t>(count));
  }
  std::string Read(size_t size) {
    std::string text(size, '\0');
    text.resize(hub_->input().Read({reinterpret_cast<uint8_t*>(text.data()), size}));
    return text;
  }

  ManualLoop loop_;
  OwnOutput own_output_;
  OwnInput own_input_;
  std::optional<ConsoleHub> hub_{std::in_place, loop_,      loop_.clock(),
                                 own_output_,   own_input_, "COM1"};
};

TEST_F(ConsoleHubTest, OutputGoesToEveryone) {
  Write("before ");
  const FdSocket one = Attach(), two = Attach();

  Write("hello");

  EXPECT_EQ(own_output_.written, "before hello");
  EXPECT_EQ(Said(one), "hello");
  EXPECT_EQ(Said(two), "hello");
}

TEST_F(ConsoleHubTest, WhatIsTypedIsReadAfterTheOwnInput) {
  int calls = 0;
  hub_->input().OnBytes([&calls] { ++calls; });
  const FdSocket one = Attach(), two = Attach();
  Type(one, "ab");
  loop_.RunReady();
  Type(two, "cd");
  loop_.RunReady();
  own_input_.text = "own";
  own_input_.on_bytes();

  EXPECT_EQ(calls, 3);
  EXPECT_EQ(Read(6), "ownabc");
  EXPECT_EQ(Read(6), "d");
}

TEST_F(ConsoleHubTest, BytesTakenBackAreReadAgainFirst) {
  const FdSocket client = Attach();
  Type(client, "xyz");
  loop_.RunReady();
  EXPECT_EQ(Read(2), "xy");
  own_input_.text = "own";
  const uint8_t taken[] = {'x', 'y'};

  hub_->input().Unread(taken);

  EXPECT_EQ(Read(16), "xyownz");
}

TEST_F(ConsoleHubTest, AClientThatHangsUpIsForgotten) {
  std::optional<FdSocket> one = Attach();
  const FdSocket two = Attach();

  one.reset();
  Write("more");
  loop_.RunReady();

  EXPECT_EQ(hub_->clients(), 1u);
  EXPECT_EQ(Said(two), "more");
}

TEST_F(ConsoleHubTest, AClientThatDoesNotReadLosesOutputAlone) {
  const FdSocket idle = Attach(), reader = Attach();
  const std::string line(1000, 'x');
  std::string read;

  for (int i = 0; i < 2000; ++i) {
    Write(line);
    for (std::string some = Said(reader); some != "nothing"; some = Said(reader)) read += some;
  }

  EXPECT_EQ(own_output_.written.size(), 2'000'000u);
  EXPECT_EQ(read.size(), 2'000'000u);
  EXPECT_TRUE(hub_->output().Ready());
  EXPECT_EQ(hub_->clients(), 2u);
}

// The client's own socket holds the rest back.
TEST_F(ConsoleHubTest, AFloodOfInputIsBounded) {
  const FdSocket client = Attach(), other = Attach();
  Type(client, std::string(20000, 'f'));
  loop_.RunReady();
  Type(other, "o");
  EXPECT_LE(loop_.RunReady(), 1);
  EXPECT_EQ(loop_.RunReady(), 0);

  std::string all;
  for (std::string some = Read(1000); !some.empty(); some = Read(1000)) {
    all += some;
    loop_.RunReady();
  }

  EXPECT_EQ(all.size(), 20001u);
}

TEST_F(ConsoleHubTest, ThereIsAnEndToClients) {
  std::vector<FdSocket> clients;
  for (size_t i = 0; i < ConsoleHub::kMaxClients; ++i) clients.push_back(Attach());

  auto pair = FdSocket::CreatePair(FdSocket::Kind::kStream).value();
  const absl::Status status = hub_->Attach(std::move(pair.second).Release());
  EXPECT_THAT(std::string(status.message()), HasSubstr("COM1 has 4 clients already"));

  // One that is gone makes room, even while nobody looks at it.
  Type(clients[0], std::string(ConsoleHub::kCapacity, 'f'));
  loop_.RunReady();
  clients.erase(clients.begin());
  EXPECT_EQ(hub_->clients(), ConsoleHub::kMaxClients);
  Attach();
}

TEST_F(ConsoleHubTest, WhatIsNoStreamSocketIsRefused) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  const ScopedFd other(fds[1]);

  EXPECT_TRUE(absl::IsInvalidArgument(hub_->Attach(ScopedFd(fds[0]))));
  EXPECT_TRUE(absl::IsInvalidArgument(
      hub_->Attach(std::move(FdSocket::CreatePair(FdSocket::Kind::kSeqPacket)->first).Release())));
  EXPECT_TRUE(absl::IsInvalidArgument(hub_->Attach(ScopedFd())));
  EXPECT_EQ(hub_->clients(), 0u);
}

TEST_F(ConsoleHubTest, TheEndHangsUpAfterTheLastWord) {
  const FdSocket client = Attach();
  hub_->output().Write({reinterpret_cast<const uint8_t*>("a"), 1});
  hub_->output().Write({reinterpret_cast<const uint8_t*>("b"), 1});

  hub_.reset();

  EXPECT_EQ(Said(client), "ab");
  EXPECT_EQ(Said(client), "");
}

}  // namespace
}  // namespace touchstone
