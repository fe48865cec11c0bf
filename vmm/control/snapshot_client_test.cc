// What becomes of PATH, whatever the machine at the other end does.

#include "vmm/control/snapshot_client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/event/epoll_loop.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/control/control_message.h"
#include "vmm/control/control_server.h"
#include "vmm/control/control_socket.h"

namespace touchstone {
namespace {

using std::filesystem::exists;
using ::testing::HasSubstr;

class SnapshotClientTest : public testing::Test {
 protected:
  using Work = std::function<ControlResponse(const ControlRequest&, ControlServer::Caller&)>;

  SnapshotClientTest() {
    std::string folder = absl::StrCat(testing::TempDir(), "/client.XXXXXX");
    folder_ = mkdtemp(folder.data());
    order_ = {.path = folder_ + "/snapshot", .socket = folder_ + "/socket"};
    server_.emplace(*ListenForControl(order_.socket), *loop_,
                    [this](const ControlRequest& request, ControlServer::Caller caller,
                           ControlServer::Reply reply) {
                      ControlResponse progress;
                      progress.set_more(true);
                      for (progress.set_done(1); progress.done() < 4;
                           progress.set_done(progress.done() + 1)) {
                        reply(progress);
                      }
                      reply(work_(request, caller));
                    });
    thread_ = std::thread([this] { loop_->Run(); });
  }
  ~SnapshotClientTest() override {
    loop_->Stop();
    thread_.join();
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  // Writes "m" and "pages".
  static ControlResponse Obey(const ControlRequest&, ControlServer::Caller& caller) {
    EXPECT_EQ(caller.files.size(), 2u);
    EXPECT_EQ(pwrite(caller.files[0].get(), "m", 1, 0), 1);
    EXPECT_EQ(pwrite(caller.files[1].get(), "pages", 5, 0), 5);
    EXPECT_TRUE(caller.waits());
    return ControlDone();
  }
  std::string ErrorOfTake() {
    return std::string(TakeSnapshot(order_, nullptr).status().message());
  }
  static std::string ReadFile(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  void ExpectNothing() {
    EXPECT_FALSE(exists(order_.path));
    EXPECT_FALSE(exists(Partial()));
  }
  std::string Partial() const { return folder_ + "/snapshot.partial"; }

  std::string folder_;
  SnapshotOrder order_;
  Work work_ = Obey;
  std::unique_ptr<EpollLoop> loop_ = EpollLoop::Create().value();
  std::optional<ControlServer> server_;
  std::thread thread_;
};

TEST_F(SnapshotClientTest, ThereIsAFolderOfTheUsersAlone) {
  order_.path += "//";
  const auto response = TakeSnapshot(order_, nullptr);

  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->error(), 0);
  EXPECT_EQ(ReadFile(folder_ + "/snapshot/machine"), "m");
  EXPECT_EQ(ReadFile(folder_ + "/snapshot/memory"), "pages");
  EXPECT_FALSE(exists(Partial()));
  struct stat status = {};
  ASSERT_EQ(stat((folder_ + "/snapshot").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700u);
  ASSERT_EQ(stat((folder_ + "/snapshot/memory").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
}

TEST_F(SnapshotClientTest, TellsHowFarItIsAndWhetherItIsToBeSmall) {
  bool compress = false;
  work_ = [&compress](const ControlRequest& request, ControlServer::Caller& caller) {
    compress = request.compress();
    return Obey(request, caller);
  };
  order_.compress = true;
  uint64_t sum = 0;

  EXPECT_TRUE(TakeSnapshot(order_, [&sum](const ControlResponse& progress) {
                sum += progress.done();
              }).ok());

  EXPECT_TRUE(compress);
  EXPECT_EQ(sum, 6u);
}

TEST_F(SnapshotClientTest, NothingIsLeftOfWhatTheMachineRefuses) {
  work_ = [](const ControlRequest&, ControlServer::Caller&) { return ControlError(EIO, "no"); };

  const auto response = TakeSnapshot(order_, nullptr);

  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->error(), EIO);
  ExpectNothing();
}

TEST_F(SnapshotClientTest, NothingIsLeftWithoutAMachine) {
  order_.socket += "x";

  EXPECT_THAT(ErrorOfTake(), HasSubstr("No such file or directory"));
  ExpectNothing();
}

TEST_F(SnapshotClientTest, WhatExistsIsLeftAlone) {
  std::ofstream(order_.path) << "mine";

  EXPECT_EQ(ErrorOfTake(),
            absl::StrCat(order_.path, " exists; a snapshot is a new folder, which must not"));
  EXPECT_EQ(ReadFile(order_.path), "mine");
  EXPECT_FALSE(exists(Partial()));
}

TEST_F(SnapshotClientTest, WhatComesToExistMeanwhileIsLeftAlone) {
  work_ = [this](const ControlRequest& request, ControlServer::Caller& caller) {
    std::filesystem::create_directory(order_.path);
    return Obey(request, caller);
  };

  EXPECT_THAT(ErrorOfTake(), HasSubstr("rename to"));
  EXPECT_TRUE(std::filesystem::is_empty(order_.path));
  EXPECT_FALSE(exists(Partial()));
}

// A client that was killed.
TEST_F(SnapshotClientTest, WhatAnEarlierClientHasLeftIsReplaced) {
  std::filesystem::create_directory(Partial());
  std::ofstream(Partial() + "/memory") << "old and long";

  EXPECT_TRUE(TakeSnapshot(order_, nullptr).ok());

  EXPECT_EQ(ReadFile(order_.path + "/memory"), "pages");
  EXPECT_FALSE(exists(Partial()));
}

TEST_F(SnapshotClientTest, AClientThatIsStillThereIsLeftAlone) {
  std::filesystem::create_directory(Partial());
  const ScopedFd theirs(open(Partial().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(flock(theirs.get(), LOCK_EX), 0);
  std::ofstream(Partial() + "/memory") << "theirs";

  EXPECT_THAT(ErrorOfTake(), HasSubstr("another snapshot is on its way"));
  EXPECT_EQ(ReadFile(Partial() + "/memory"), "theirs");
}

TEST_F(SnapshotClientTest, NoLinkIsFollowed) {
  std::filesystem::create_directory(folder_ + "/elsewhere");
  std::filesystem::create_directory_symlink(folder_ + "/elsewhere", Partial());

  EXPECT_THAT(ErrorOfTake(), HasSubstr("snapshot.partial"));
  EXPECT_TRUE(std::filesystem::is_empty(folder_ + "/elsewhere"));
}

TEST_F(SnapshotClientTest, AFolderThatIsNotThereIsNamed) {
  order_.path = folder_ + "/none/snapshot";

  EXPECT_THAT(ErrorOfTake(), HasSubstr("none/snapshot.partial: No such file or directory"));
}

}  // namespace
}  // namespace touchstone
