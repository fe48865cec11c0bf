#include "vmm/gdb/server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "base/event/manual_loop.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/gdb/fake_target.h"
#include "vmm/gdb/packet.h"

namespace touchstone {
namespace {

using testing::HasSubstr;

class GdbServerTest : public testing::Test {
 protected:
  ScopedFd Connect() {
    sockaddr_in address = {};
    socklen_t size = sizeof(address);
    EXPECT_EQ(getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    EXPECT_EQ(address.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    ScopedFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    loop_.RunReady();
    return fd;
  }
  void Say(const ScopedFd& client, absl::string_view bytes) {
    EXPECT_EQ(send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    loop_.RunReady();
  }
  // What has come; "closed" when the server is gone.
  static std::string Hear(const ScopedFd& client) {
    char buffer[65536];
    const ssize_t size = recv(client.get(), buffer, sizeof(buffer), MSG_DONTWAIT);
    if (size == 0) return "closed";
    return size < 0 ? "" : std::string(buffer, static_cast<size_t>(size));
  }

  ManualLoop loop_;
  FakeTarget target_{1};
  const ScopedFd listener_ = ListenForGdb(0).value();
  GdbServer server_{listener_.get(), loop_, target_};
};

TEST_F(GdbServerTest, HaltsTheMachineForWhoConnectsAndAnswers) {
  const ScopedFd client = Connect();
  EXPECT_EQ(target_.halts, 1);

  Say(client, "+$qAtt");
  EXPECT_EQ(Hear(client), "");
  Say(client, "ached#8f");

  EXPECT_EQ(Hear(client), "+$1#31");
}

TEST_F(GdbServerTest, ASecondDebuggerIsTurnedAway) {
  const ScopedFd first = Connect();
  const ScopedFd second = Connect();

  EXPECT_EQ(Hear(second), "closed");
  Say(first, "$qAttached#8f");
  EXPECT_EQ(Hear(first), "+$1#31");
}

TEST_F(GdbServerTest, WhoGoesHasDetachedAndTheNextMayCome) {
  {
    const ScopedFd client = Connect();
    Say(client, EncodeGdbPacket("c"));
    EXPECT_TRUE(target_.running());
  }
  loop_.RunReady();
  EXPECT_EQ(target_.detached, 1);

  const ScopedFd next = Connect();
  EXPECT_EQ(target_.halts, 2);
  Say(next, "$qAttached#8f");
  EXPECT_EQ(Hear(next), "+$1#31");
}

TEST_F(GdbServerTest, DetachedDebuggerIsDisconnected) {
  const ScopedFd client = Connect();

  Say(client, EncodeGdbPacket("D"));

  EXPECT_EQ(Hear(client), "+$OK#9a");
  EXPECT_EQ(Hear(client), "closed");
  EXPECT_EQ(target_.detached, 1);
}

TEST_F(GdbServerTest, GarbageDoesNoHarm) {
  const ScopedFd client = Connect();
  Say(client, std::string(100000, '\x80'));
  Say(client, absl::StrCat("$", std::string(100000, 'g'), "#00"));
  loop_.RunReady();
  Hear(client);

  Say(client, "$qAttached#8f");

  EXPECT_THAT(Hear(client), HasSubstr("+$1#31"));
}

TEST_F(GdbServerTest, WhoTakesNoAnswersIsDisconnected) {
  const ScopedFd client = Connect();
  std::string questions;
  for (int i = 0; i < 64; ++i) questions += EncodeGdbPacket("m0,2000");

  for (int i = 0; i < 100 && target_.detached == 0; ++i) {
    send(client.get(), questions.data(), questions.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    loop_.RunReady();
  }

  EXPECT_EQ(target_.detached, 1);
}

TEST_F(GdbServerTest, EndIsTold) {
  const ScopedFd client = Connect();
  Say(client, EncodeGdbPacket("c"));
  Hear(client);

  server_.Ended(0);

  EXPECT_EQ(Hear(client), "$W00#b7");
}

TEST(ListenForGdb, TakenPortIsAnErrorThatNamesIt) {
  const ScopedFd first = ListenForGdb(0).value();
  sockaddr_in address = {};
  socklen_t size = sizeof(address);
  ASSERT_EQ(getsockname(first.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  const uint16_t port = ntohs(address.sin_port);

  const absl::Status status = ListenForGdb(port).status();

  EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat("127.0.0.1:", port)));
}

}  // namespace
}  // namespace touchstone
