#include "vmm/cli/watch_command.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "base/event/epoll_loop.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/control/control_message.h"
#include "vmm/control/control_server.h"
#include "vmm/control/control_socket.h"

namespace touchstone {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A control socket whose machine says what it is told to.
class Machine {
 public:
  Machine(const std::string& socket, std::function<ControlResponse()> answer)
      : loop_(*EpollLoop::Create()),
        server_(std::make_unique<ControlServer>(
            *ListenForControl(socket), *loop_,
            [answer = std::move(answer)](const ControlRequest& request,
                                         const ControlServer::Caller&, ControlServer::Reply reply) {
              EXPECT_EQ(request.command(), ControlRequest::STATUS);
              const ControlResponse response = answer();
              if (response.has_error()) reply(response);
            })),
        thread_([this] { loop_->Run(); }) {}
  ~Machine() {
    loop_->Stop();
    thread_.join();
  }

 private:
  const std::unique_ptr<EpollLoop> loop_;
  const std::unique_ptr<ControlServer> server_;
  std::thread thread_;
};

ControlResponse Status(uint32_t pid, uint64_t uptime_us = 0) {
  ControlResponse response = ControlDone();
  response.mutable_status()->set_pid(pid);
  response.mutable_status()->set_uptime_us(uptime_us);
  return response;
}

class WatchCommandTest : public testing::Test {
 protected:
  WatchCommandTest() {
    std::string folder = "/tmp/watch.XXXXXX";
    folder_ = mkdtemp(folder.data());
  }
  ~WatchCommandTest() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
};

TEST_F(WatchCommandTest, AStatusLineHasASocket) {
  EXPECT_EQ(ParseStatusLine({"/s"})->socket, "/s");
  EXPECT_FALSE(ParseStatusLine({"/s"})->json);
  EXPECT_TRUE(ParseStatusLine({"--json", "/s"})->json);
  EXPECT_EQ(ParseStatusLine({"--", "--json"})->socket, "--json");
  EXPECT_EQ(ParseStatusLine({}).status().message(), "VM_SOCKET is missing");
  EXPECT_EQ(ParseStatusLine({"/s", "/t"}).status().message(), "unexpected argument '/t'");
  EXPECT_EQ(ParseStatusLine({"--xml", "/s"}).status().message(), "unknown option '--xml'");
}

TEST_F(WatchCommandTest, AListLineMayNameAFolder) {
  EXPECT_EQ(*ParseListLine({"/f"}), "/f");
  EXPECT_EQ(*ParseListLine({}), DefaultSocketFolder());
  EXPECT_EQ(ParseListLine({"/f", "/g"}).status().message(), "unexpected argument '/g'");
  EXPECT_EQ(ParseListLine({"--all"}).status().message(), "unknown option '--all'");
}

TEST_F(WatchCommandTest, PeopleSeeWhatHappensBetweenTwoLooks) {
  uint64_t uptime = 0;
  const Machine machine(folder_ + "/s", [&] { return Status(7, uptime += 1'000'000); });

  EXPECT_THAT(*ShowStatus({.json = false, .socket = folder_ + "/s"}, absl::ZeroDuration()),
              HasSubstr("pid 7, running, up 2.0 s"));
  EXPECT_THAT(*ShowStatus({.json = true, .socket = folder_ + "/s"}, absl::ZeroDuration()),
              HasSubstr("\"uptime_us\": 3000000"));
}

TEST_F(WatchCommandTest, ARefusalIsAnErrorThatNamesTheSocket) {
  const Machine machine(folder_ + "/s", [] { return ControlError(95, "does not know it"); });

  EXPECT_EQ(AskStatus(folder_ + "/s", absl::Seconds(10)).status().message(),
            folder_ + "/s: does not know it");
}

TEST_F(WatchCommandTest, NobodyIsWaitedForForever) {
  const Machine machine(folder_ + "/s", [] { return ControlResponse(); });

  EXPECT_EQ(AskStatus(folder_ + "/s", absl::Milliseconds(20)).status().message(),
            folder_ + "/s: the machine does not answer");
}

TEST_F(WatchCommandTest, MachinesAreListedByTheNamesOfTheirSockets) {
  const Machine second(folder_ + "/b.sock", [] { return Status(2); });
  const Machine first(folder_ + "/a.sock", [] { return Status(1); });
  const Machine other(folder_ + "/c", [] { return Status(3); });
  // What a machine leaves that was killed.
  {
    std::ofstream dead(folder_ + "/d.sock");
  }

  const auto list = ListMachines(folder_);

  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(list->text.find("PID"), 0u);
  EXPECT_LT(list->text.find("/a.sock"), list->text.find("/b.sock"));
  EXPECT_EQ(list->text.find("/c"), std::string::npos);
  EXPECT_THAT(list->silent, ElementsAre(HasSubstr("/d.sock")));
}

TEST_F(WatchCommandTest, AFolderThatIsNotThereHasNoMachines) {
  const auto list = ListMachines(folder_ + "/none");
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(list->text, "");
  EXPECT_THAT(list->silent, IsEmpty());
}

TEST_F(WatchCommandTest, AFolderThatIsNoneIsAnError) {
  {
    std::ofstream file(folder_ + "/file");
  }
  EXPECT_THAT(ListMachines(folder_ + "/file").status().message(),
              AllOf(HasSubstr(folder_ + "/file"), HasSubstr("Not a directory")));
}

}  // namespace
}  // namespace touchstone
