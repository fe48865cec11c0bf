#include "vmm/control/control_client.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "base/event/epoll_loop.h"
#include "base/fd_socket.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/control/control_message.h"
#include "vmm/control/control_server.h"
#include "vmm/control/control_socket.h"

namespace touchstone {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ControlClientTest : public testing::Test {
 protected:
  ControlClientTest() {
    std::string folder = "/tmp/client.XXXXXX";  // Short: FdListener takes no long paths.
    folder_ = mkdtemp(folder.data());
    path_ = folder_ + "/socket";
    request_.set_command(ControlRequest::STOP);
  }
  ~ControlClientTest() override { std::filesystem::remove_all(folder_); }

  // Serves one client on a thread: takes a packet, and answers with `answer` unless it is empty.
  absl::StatusOr<ControlResponse> AskPeerThatSays(const std::string& answer) {
    const FdListener listener = FdListener::Listen(path_, FdSocket::Kind::kSeqPacket).value();
    std::thread peer([&] {
      const FdSocket client = listener.Accept().value();
      uint8_t bytes[100];
      EXPECT_TRUE(client.Receive(absl::MakeSpan(bytes)).ok());
      if (answer.empty()) return;
      EXPECT_TRUE(
          client.Send({reinterpret_cast<const uint8_t*>(answer.data()), answer.size()}).ok());
    });
    auto response = SendControlRequest(path_, request_);
    peer.join();
    return response;
  }

  std::string folder_;
  std::string path_;
  ControlRequest request_;
};

TEST_F(ControlClientTest, GetsTheAnswerOfTheServer) {
  const std::unique_ptr<EpollLoop> loop = EpollLoop::Create().value();
  ControlServer server(
      *ListenForControl(path_), *loop,
      [](const ControlRequest& request, const ControlServer::Caller&, ControlServer::Reply reply) {
        reply(ControlError(request.command(), "text"));
      });
  std::thread thread([&] { loop->Run(); });

  const auto first = SendControlRequest(path_, request_);
  const auto second = SendControlRequest(path_, request_);

  loop->Stop();
  thread.join();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->error(), ControlRequest::STOP);
  EXPECT_EQ(first->text(), "text");
  EXPECT_TRUE(second.ok());
}

TEST_F(ControlClientTest, NoSocketIsAnErrorThatNamesIt) {
  const absl::Status status = SendControlRequest(path_, request_).status();

  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(path_), HasSubstr("No such file or directory")));
}

TEST_F(ControlClientTest, ASocketThatNobodyListensOnIsAnError) {
  std::ofstream(path_) << "no socket";

  const absl::Status status = SendControlRequest(path_, request_).status();

  EXPECT_THAT(std::string(status.message()), HasSubstr("Connection refused"));
}

TEST_F(ControlClientTest, AMachineThatGoesWithoutAnAnswerIsAnError) {
  const absl::Status status = AskPeerThatSays("").status();

  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(path_), HasSubstr("gone")));
}

TEST_F(ControlClientTest, AnAnswerThatIsNoneIsAnError) {
  const absl::Status status = AskPeerThatSays("\xff").status();

  EXPECT_THAT(std::string(status.message()), HasSubstr("cannot be read"));
}

}  // namespace
}  // namespace touchstone
