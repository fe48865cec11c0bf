// The device over real unix sockets, with a loop turned by hand.

#include "devices/virtio/vsock/unix_host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/event/manual_loop.h"
#include "base/fd_socket.h"
#include "devices/virtio/vsock/stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using Kind = VsockStream::Result::Kind;

// TEST_TMPDIR is too long for a socket's path.
class TemporaryFolder {
 public:
  ~TemporaryFolder() {
    unlink((path() + "/vsock_80").c_str());
    rmdir(path_);
  }
  [[nodiscard]] std::string path() const { return path_; }

 private:
  char path_[17] = "/tmp/vsockXXXXXX";
  const char* const made_ = mkdtemp(path_);
};

// Remembers what it was told.
class FakeMuxer final : public VsockAcceptor, public VsockStreamSink {
 public:
  void HostConnects(uint32_t guest_port, std::unique_ptr<VsockStream> stream) override {
    ports.push_back(guest_port);
    streams.push_back(std::move(stream));
  }
  void StreamReadable(uint64_t id) override { readable.push_back(id); }
  void StreamWritable(uint64_t id) override { writable.push_back(id); }

  std::vector<uint32_t> ports;
  std::vector<std::unique_ptr<VsockStream>> streams;
  std::vector<uint64_t> readable;
  std::vector<uint64_t> writable;
};

std::string ReadAll(VsockStream& stream) {
  char bytes[100];
  const iovec slice = {bytes, sizeof(bytes)};
  const VsockStream::Result result = stream.Read({&slice, 1});
  return {bytes, result.size};
}

VsockStream::Result WriteAll(VsockStream& stream, std::string bytes) {
  const iovec slice = {bytes.data(), bytes.size()};
  return stream.Write({&slice, 1});
}

void Say(const FdSocket& socket, const std::string& text) {
  ASSERT_TRUE(
      socket.Send(absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size()))
          .ok());
}

// What there is to read now; "(end)" at the end.
std::string Hear(const FdSocket& socket) {
  char bytes[100];
  const ssize_t size = recv(socket.fd(), bytes, sizeof(bytes), MSG_DONTWAIT);
  if (size == 0) return "(end)";
  return {bytes, static_cast<size_t>(size < 0 ? 0 : size)};
}

class UnixHostTest : public testing::Test {
 protected:
  UnixHostTest() { host_.Serve(muxer_); }

  FdSocket Call() { return FdSocket::Connect(path_, FdSocket::Kind::kStream).value(); }
  // A caller who is through to port 22, and the device's end.
  std::pair<FdSocket, VsockStream*> Connected() {
    host_.SetAccepting(true);
    FdSocket caller = Call();
    Say(caller, "CONNECT 22\n");
    loop_.RunReady();
    muxer_.streams.back()->Bind(muxer_, 7);
    return {std::move(caller), muxer_.streams.back().get()};
  }

  const TemporaryFolder folder_;
  const std::string path_ = folder_.path() + "/vsock";
  ManualLoop loop_;
  UnixHost host_{loop_, UnixHost::Listen(path_).value(), path_};
  FakeMuxer muxer_;
};

// --- Listening.

TEST_F(UnixHostTest, PathInUseIsRefused) {
  EXPECT_THAT(std::string(UnixHost::Listen(path_).status().message()), HasSubstr(path_));
}

TEST(UnixHostListenTest, LongPathsAreRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(UnixHost::Listen("").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(UnixHost::Listen(std::string(97, 'x')).status()));
}

TEST(UnixHostListenTest, RemovesItsPath) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/vsock";
  {
    const FdListener listener = UnixHost::Listen(path).value();
  }

  EXPECT_NE(access(path.c_str(), F_OK), 0);
}

// --- The host connects.

TEST_F(UnixHostTest, CallerNamesAPort) {
  host_.SetAccepting(true);
  const FdSocket caller = Call();

  Say(caller, "CONNECT 22\nhello");
  loop_.RunReady();

  EXPECT_THAT(muxer_.ports, ElementsAre(22));
  EXPECT_EQ(ReadAll(*muxer_.streams[0]), "hello");
}

TEST_F(UnixHostTest, CallerHearsOfTheGuestsAnswer) {
  const auto [caller, stream] = Connected();
  EXPECT_EQ(Hear(caller), "");

  ASSERT_TRUE(stream->Accepted(1073741824).ok());

  EXPECT_EQ(Hear(caller), "OK 1073741824\n");
}

TEST_F(UnixHostTest, RefusedCallerIsClosed) {
  const auto [caller, stream] = Connected();

  muxer_.streams.clear();

  EXPECT_EQ(Hear(caller), "(end)");
}

TEST_F(UnixHostTest, LineMayComeByteByByte) {
  host_.SetAccepting(true);
  const FdSocket caller = Call();

  for (const char byte : std::string("CONNECT 22\n")) {
    Say(caller, std::string(1, byte));
    loop_.RunReady();
  }

  EXPECT_THAT(muxer_.ports, ElementsAre(22));
}

TEST_F(UnixHostTest, NonsenseIsClosed) {
  host_.SetAccepting(true);
  const FdSocket caller = Call();

  Say(caller, "GET / HTTP/1.1\r\n\r\n");
  loop_.RunReady();

  EXPECT_THAT(muxer_.ports, SizeIs(0));
  EXPECT_NE(send(caller.fd(), "x", 1, MSG_NOSIGNAL), 1);
}

TEST_F(UnixHostTest, SilentCallerIsClosed) {
  host_.SetAccepting(true);
  const FdSocket caller = Call();
  loop_.RunReady();
  EXPECT_EQ(Hear(caller), "");

  loop_.Advance(UnixHost::kLineTimeout);

  EXPECT_EQ(Hear(caller), "(end)");
}

TEST_F(UnixHostTest, CallerWhoLeavesIsForgotten) {
  host_.SetAccepting(true);
  {
    const FdSocket caller = Call();
  }

  loop_.RunReady();

  EXPECT_THAT(muxer_.ports, SizeIs(0));
}

TEST_F(UnixHostTest, CallersWaitUntilTheGuestIsThere) {
  const FdSocket caller = Call();
  Say(caller, "CONNECT 22\n");
  EXPECT_EQ(loop_.RunReady(), 0);

  host_.SetAccepting(true);
  loop_.RunReady();

  EXPECT_THAT(muxer_.ports, ElementsAre(22));
}

TEST_F(UnixHostTest, CallersWaitWhileThereAreTooMany) {
  host_.SetAccepting(true);
  const FdSocket caller = Call();
  loop_.RunReady();
  host_.SetAccepting(false);
  Say(caller, "CONNECT 22\n");
  const FdSocket second = Call();
  Say(second, "CONNECT 23\n");
  loop_.RunReady();
  EXPECT_EQ(loop_.RunReady(), 0);  // It does not spin.
  EXPECT_THAT(muxer_.ports, SizeIs(0));

  host_.SetAccepting(true);
  loop_.RunReady();

  EXPECT_THAT(muxer_.ports, testing::UnorderedElementsAre(22, 23));
}

TEST_F(UnixHostTest, SilentCallersAreBounded) {
  host_.SetAccepting(true);
  std::vector<FdSocket> silent;
  for (size_t i = 0; i < UnixHost::kMaxCallers; ++i) silent.push_back(Call());
  loop_.RunReady();
  const FdSocket caller = Call();
  Say(caller, "CONNECT 22\n");
  EXPECT_EQ(loop_.RunReady(), 0);

  silent.pop_back();
  loop_.RunReady();

  EXPECT_THAT(muxer_.ports, ElementsAre(22));
}

// --- The guest connects.

TEST_F(UnixHostTest, GuestReachesTheProgramOfThePort) {
  const FdListener program = FdListener::Listen(path_ + "_80", FdSocket::Kind::kStream).value();

  const std::unique_ptr<VsockStream> stream = host_.Connect(80).value();
  const FdSocket accepted = program.Accept().value();
  EXPECT_TRUE(stream->Accepted(80).ok());
  WriteAll(*stream, "hello");

  EXPECT_EQ(Hear(accepted), "hello");
}

TEST_F(UnixHostTest, NobodyThereIsARefusal) {
  const absl::Status status = host_.Connect(80).status();

  EXPECT_FALSE(status.ok() || absl::IsUnavailable(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr(path_ + "_80"));
}

TEST_F(UnixHostTest, FullBacklogIsBusy) {
  const FdListener program = FdListener::Listen(path_ + "_80", FdSocket::Kind::kStream).value();
  std::vector<std::unique_ptr<VsockStream>> waiting;
  absl::StatusOr<std::unique_ptr<VsockStream>> stream = host_.Connect(80);
  while (stream.ok() && waiting.size() < 100) {
    waiting.push_back(*std::move(stream));
    stream = host_.Connect(80);
  }

  EXPECT_TRUE(absl::IsUnavailable(stream.status())) << stream.status();
}

// --- Streams.

TEST_F(UnixHostTest, StreamSaysWhenItCanBeRead) {
  const auto [caller, stream] = Connected();
  Say(caller, "x");
  loop_.RunReady();
  EXPECT_THAT(muxer_.readable, SizeIs(0));

  stream->WatchReadable(true);
  loop_.Advance(absl::ZeroDuration());

  ASSERT_FALSE(muxer_.readable.empty());
  EXPECT_EQ(muxer_.readable[0], 7u);
}

TEST_F(UnixHostTest, StreamThatIsNotWatchedDoesNotSpin) {
  const auto [caller, stream] = Connected();
  stream->WatchReadable(true);
  stream->WatchReadable(false);
  Say(caller, "x");

  loop_.RunReady();

  EXPECT_EQ(loop_.RunReady(), 0);
  EXPECT_THAT(muxer_.readable, SizeIs(0));
}

// Another thread destroys the watches of a stream that is unbound; two must not.
TEST_F(UnixHostTest, StreamThatIsUnboundLeavesItsWatchesAlone) {
  const auto [caller, stream] = Connected();
  stream->WatchReadable(true);
  stream->WatchReadable(false);
  Say(caller, "x");

  stream->Unbind();

  EXPECT_GT(loop_.RunReady(), 1);  // It goes on firing, since it is still there.
  EXPECT_THAT(muxer_.readable, SizeIs(0));
}

TEST_F(UnixHostTest, FullSocketIsWatchedForRoom) {
  const auto [caller, stream] = Connected();
  const std::string block(65536, 'x');
  while (WriteAll(*stream, block).kind == Kind::kDone) {
  }
  stream->WatchWritable(true);
  loop_.RunReady();
  EXPECT_THAT(muxer_.writable, SizeIs(0));

  std::string taken(1 << 20, 0);
  while (recv(caller.fd(), taken.data(), taken.size(), MSG_DONTWAIT) > 0) {
  }
  loop_.RunReady();

  EXPECT_FALSE(muxer_.writable.empty());
}

TEST_F(UnixHostTest, EndAndCloseAreTwoThings) {
  auto [caller, stream] = Connected();
  const FdSocket moved = std::move(caller);
  char byte;
  const iovec slice = {&byte, 1};

  EXPECT_EQ(stream->Read({&slice, 1}).kind, Kind::kWait);
  shutdown(moved.fd(), SHUT_WR);
  EXPECT_EQ(stream->Read({&slice, 1}).kind, Kind::kEnd);
  EXPECT_FALSE(stream->HostClosed());
  moved.Shutdown();

  EXPECT_TRUE(stream->HostClosed());
}

TEST_F(UnixHostTest, WritesToAClosedHostFail) {
  auto [caller, stream] = Connected();
  {
    const FdSocket closed = std::move(caller);
  }

  EXPECT_EQ(WriteAll(*stream, "x").kind, Kind::kError);
  EXPECT_FALSE(stream->Accepted(1).ok());
}

TEST_F(UnixHostTest, HalvesAreShutDown) {
  const auto [caller, stream] = Connected();

  stream->ShutdownWrite();
  stream->ShutdownRead();

  EXPECT_EQ(Hear(caller), "(end)");
  EXPECT_EQ(send(caller.fd(), "x", 1, MSG_NOSIGNAL), -1);
  EXPECT_EQ(errno, EPIPE);
}

}  // namespace
}  // namespace touchstone
