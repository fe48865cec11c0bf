// A server with real sockets, on a loop that the test turns.

#include "vmm/control/control_server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/event/manual_loop.h"
#include "base/scoped_fd.h"
#include "base/unix_socket.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/control/control_message.h"
#include "vmm/control/control_socket.h"

namespace touchstone {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class ControlServerTest : public testing::Test {
 protected:
  ControlServerTest() {
    std::string folder = absl::StrCat(testing::TempDir(), "/control.XXXXXX");
    folder_ = mkdtemp(folder.data());
    path_ = folder_ + "/socket";
    Serve(geteuid());
  }
  ~ControlServerTest() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  void Serve(uid_t owner) {
    server_.reset();
    server_.emplace(
        *ListenForControl(path_), loop_,
        [this](const ControlRequest& request, ControlServer::Caller caller,
               ControlServer::Reply reply) {
          requests_.push_back(request);
          callers_.push_back(std::move(caller));
          replies_.push_back(std::move(reply));
        },
        owner);
  }
  ScopedFd Connect() {
    ScopedFd fd = ConnectUnix(path_, SOCK_SEQPACKET).value();
    loop_.RunReady();
    return fd;
  }
  void Send(const ScopedFd& client, absl::string_view packet) {
    EXPECT_EQ(send(client.get(), packet.data(), packet.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(packet.size()));
    loop_.RunReady();
  }
  static std::string Stop() {
    ControlRequest request;
    request.set_command(ControlRequest::STOP);
    return request.SerializeAsString();
  }
  // What came, or nothing.
  static std::optional<ControlResponse> Answer(const ScopedFd& client) {
    char bytes[4096];
    const ssize_t size = recv(client.get(), bytes, sizeof(bytes), MSG_DONTWAIT);
    ControlResponse response;
    if (size <= 0 || !response.ParseFromArray(bytes, static_cast<int>(size))) return std::nullopt;
    return response;
  }
  static int ErrorOf(const std::optional<ControlResponse>& response) {
    return response.has_value() ? response->error() : -1;
  }
  static bool Ended(const ScopedFd& client) {
    char byte;
    return recv(client.get(), &byte, 1, MSG_DONTWAIT) == 0;
  }
  // A client is served as it should be.
  void ExpectService() {
    const size_t before = requests_.size();
    const ScopedFd client = Connect();
    Send(client, Stop());
    ASSERT_THAT(requests_, SizeIs(before + 1));
    replies_.back()(ControlDone());
    EXPECT_EQ(ErrorOf(Answer(client)), 0);
  }

  std::string folder_;
  std::string path_;
  ManualLoop loop_;
  std::vector<ControlRequest> requests_;
  std::vector<ControlServer::Caller> callers_;
  std::vector<ControlServer::Reply> replies_;
  std::optional<ControlServer> server_;
};

TEST_F(ControlServerTest, ARequestIsAnswered) {
  const ScopedFd client = Connect();
  Send(client, Stop());

  ASSERT_THAT(requests_, SizeIs(1));
  EXPECT_EQ(requests_[0].command(), ControlRequest::STOP);
  EXPECT_FALSE(Answer(client).has_value());
  replies_[0](ControlError(EROFS, "why"));

  const auto answer = Answer(client);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->error(), EROFS);
  EXPECT_EQ(answer->text(), "why");
}

TEST_F(ControlServerTest, RequestsOfAClientAreServedOneByOne) {
  const ScopedFd client = Connect();
  Send(client, Stop());
  Send(client, Stop());
  EXPECT_THAT(requests_, SizeIs(1));

  replies_[0](ControlDone());
  loop_.RunReady();

  EXPECT_THAT(requests_, SizeIs(2));
}

TEST_F(ControlServerTest, AClientThatWaitsHoldsNobodyUp) {
  const ScopedFd silent = Connect();
  const ScopedFd waiting = Connect();
  Send(waiting, Stop());

  ExpectService();
  EXPECT_EQ(server_->clients(), 3u);
}

TEST_F(ControlServerTest, CommandsOfANewerProgramReachTheHandlerAsUnknown) {
  const ScopedFd client = Connect();
  Send(client, absl::string_view("\x08\x7f", 2));

  ASSERT_THAT(requests_, SizeIs(1));
  EXPECT_EQ(requests_[0].command(), ControlRequest::UNKNOWN);
}

class BadPacket : public ControlServerTest, public testing::WithParamInterface<std::string> {};

TEST_P(BadPacket, IsAnErrorAndHarmless) {
  const ScopedFd client = Connect();
  testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i) {
    Send(client, GetParam());
    EXPECT_EQ(ErrorOf(Answer(client)), EBADMSG);
  }
  const std::string log = testing::internal::GetCapturedStderr();

  EXPECT_EQ(log.find("not a request"), log.rfind("not a request"));
  EXPECT_THAT(requests_, IsEmpty());
  Send(client, Stop());
  EXPECT_THAT(requests_, SizeIs(1));
}

INSTANTIATE_TEST_SUITE_P(Packets, BadPacket,
                         testing::Values(std::string("\x08", 1),          // half a field
                                         std::string("\x00\x01", 2),      // field 0
                                         std::string("GET / HTTP/1.1"),   //
                                         std::string("\x0a\xff\xff", 3),  // longer than itself
                                         std::string(kMaxControlRequest, '\xff')));

TEST_F(ControlServerTest, APacketOfAMegabyteIsRefused) {
  const ScopedFd client = Connect();
  const int size = 4 << 20;
  setsockopt(client.get(), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
  setsockopt(client.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
  std::string packet(size_t{1} << 20, 'x');
  // Who may not have so large a buffer sends what it can.
  while (send(client.get(), packet.data(), packet.size(), MSG_NOSIGNAL) < 0) {
    ASSERT_EQ(errno, EMSGSIZE);
    packet.resize(packet.size() / 2);
  }
  loop_.RunReady();

  ASSERT_GT(packet.size(), kMaxControlRequest);
  EXPECT_EQ(ErrorOf(Answer(client)), EMSGSIZE);
  EXPECT_THAT(requests_, IsEmpty());
  ExpectService();
}

TEST_F(ControlServerTest, DescriptorsComeAlongAndSurplusOnesAreClosed) {
  const ScopedFd client = Connect();
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  const ScopedFd reader(ends[0]);
  ScopedFd writer(ends[1]);
  ASSERT_TRUE(FdSocket(ScopedFd(dup(client.get())))
                  .Send({reinterpret_cast<const uint8_t*>(Stop().data()), Stop().size()},
                        {writer.get(), writer.get(), writer.get()})
                  .ok());
  writer.Reset();

  loop_.RunReady();

  EXPECT_THAT(requests_, SizeIs(1));
  EXPECT_THAT(callers_[0].files, SizeIs(kMaxControlFiles));
  callers_.clear();
  char byte;
  EXPECT_EQ(read(reader.get(), &byte, 1), 0);  // The last writer is gone.
}

TEST_F(ControlServerTest, HowFarARequestIsComesBeforeItsAnswer) {
  const ScopedFd client = Connect();
  Send(client, Stop());
  ControlResponse progress;
  progress.set_more(true);

  // More than a client takes that does not look.
  for (uint64_t i = 0; i < 10000; ++i) {
    progress.set_done(i);
    replies_[0](progress);
  }
  EXPECT_EQ(Answer(client)->done(), 0u);
  EXPECT_EQ(Answer(client)->done(), 1u);
  while (Answer(client).has_value()) {
  }
  replies_[0](ControlDone());

  const std::optional<ControlResponse> answer = Answer(client);
  ASSERT_TRUE(answer.has_value());
  EXPECT_FALSE(answer->more());
}

TEST_F(ControlServerTest, WhetherAClientWaitsIsKnown) {
  ScopedFd client = Connect();
  Send(client, Stop());
  EXPECT_TRUE(callers_[0].waits());

  client.Reset();
  EXPECT_FALSE(callers_[0].waits());

  replies_[0](ControlDone());  // Which finds out that it is gone.
  EXPECT_FALSE(callers_[0].waits());
  server_.reset();
  EXPECT_FALSE(callers_[0].waits());
}

TEST_F(ControlServerTest, AHundredClientsAreServed) {
  std::vector<ScopedFd> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(Connect());
  for (const ScopedFd& client : clients) Send(client, Stop());
  ASSERT_THAT(requests_, SizeIs(100));

  for (auto& reply : replies_) reply(ControlDone());

  for (const ScopedFd& client : clients) EXPECT_EQ(ErrorOf(Answer(client)), 0);
  clients.clear();
  loop_.RunReady();
  EXPECT_EQ(server_->clients(), 0u);
}

TEST_F(ControlServerTest, TheOldestIdleClientMakesRoom) {
  std::vector<ScopedFd> clients;
  for (size_t i = 0; i < ControlServer::kMaxClients; ++i) clients.push_back(Connect());
  Send(clients[0], Stop());

  ExpectService();

  EXPECT_FALSE(Ended(clients[0]));
  EXPECT_TRUE(Ended(clients[1]));
  EXPECT_FALSE(Ended(clients[2]));
}

TEST_F(ControlServerTest, NobodyIsLetInWhileAllAreAtWork) {
  std::vector<ScopedFd> clients;
  for (size_t i = 0; i < ControlServer::kMaxClients; ++i) {
    clients.push_back(Connect());
    Send(clients.back(), Stop());
  }

  const ScopedFd late = Connect();

  EXPECT_TRUE(Ended(late));
  replies_[0](ControlDone());
  EXPECT_EQ(ErrorOf(Answer(clients[0])), 0);
  ExpectService();
}

TEST_F(ControlServerTest, AnotherUserIsTurnedAway) {
  Serve(geteuid() + 1);  // To whom this process is another user.
  testing::internal::CaptureStderr();

  const ScopedFd client = Connect();

  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::HasSubstr("only the owner"));
  EXPECT_TRUE(Ended(client));
  EXPECT_EQ(server_->clients(), 0u);
}

TEST_F(ControlServerTest, TheFileKeepsAnotherUserOut) {
  ASSERT_EQ(chmod(folder_.c_str(), 0755), 0);
  const pid_t child = fork();
  if (child == 0) {
    if (setuid(65534) != 0) _exit(2);
    _exit(ConnectUnix(path_, SOCK_SEQPACKET).ok() ? 1 : 0);
  }
  int status = 0;

  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 2) GTEST_SKIP() << "only root can become another user";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(ControlServerTest, AnAnswerForAClientThatIsGoneIsDropped) {
  {
    const ScopedFd client = Connect();
    Send(client, Stop());
  }
  loop_.RunReady();

  replies_[0](ControlDone());
  loop_.RunReady();

  EXPECT_EQ(server_->clients(), 0u);
  ExpectService();
}

TEST_F(ControlServerTest, AClientThatTakesNoAnswersIsDisconnected) {
  const ScopedFd client = Connect();
  const std::string text(kMaxControlResponse / 2, 'x');
  int answered = 0;

  for (; server_->clients() == 1 && answered < 1000; ++answered) {
    Send(client, Stop());
    replies_.back()(ControlDone(text));
  }

  EXPECT_LT(answered, 1000);
  ExpectService();
}

TEST_F(ControlServerTest, AnAnswerAfterTheServerIsDropped) {
  const ScopedFd client = Connect();
  Send(client, Stop());
  server_.reset();

  replies_[0](ControlDone());

  EXPECT_TRUE(Ended(client));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(ControlServerTest, WithoutDescriptorsItWaitsAndDoesNotSpin) {
  rlimit limit = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const ScopedFd client = ConnectUnix(path_, SOCK_SEQPACKET).value();
  const ScopedFd probe(dup(client.get()));
  const rlimit none = {static_cast<rlim_t>(probe.get()), limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);

  const int calls = loop_.RunReady();

  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(server_->clients(), 0u);
  loop_.Advance(ControlServer::kRetry);
  EXPECT_EQ(server_->clients(), 1u);
}

}  // namespace
}  // namespace touchstone
