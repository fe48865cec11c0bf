// Files that are open already, and connections that a broker makes.

#include "vmm/jail/jailed_files.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/event/loop_thread.h"
#include "base/fd_socket.h"
#include "base/scoped_fd.h"
#include "base/unix_socket.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/jail/connect_broker.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

TEST(JailedFilesTest, OpenIsByPathAndAccess) {
  const ScopedFd zero(open("/dev/zero", O_RDONLY | O_CLOEXEC));
  JailedFiles files({{"/user's/zero", O_RDONLY, zero.get()}}, FdSocket(ScopedFd()));
  SetFileProvider(&files);
  absl::StatusOr<ScopedFd> opened = OpenFile("/user's/zero", O_RDONLY | O_NONBLOCK);
  const absl::Status other = OpenFile("/user's/zero", O_RDWR).status();
  const absl::Status connected = ConnectUnix("/socket", SOCK_STREAM).status();
  SetFileProvider(nullptr);

  ASSERT_EQ(opened.status(), absl::OkStatus());
  char byte = 1;
  EXPECT_EQ(read(opened->get(), &byte, 1), 1);
  EXPECT_EQ(byte, 0);
  EXPECT_THAT(other.message(), HasSubstr("open /user's/zero: No such file"));
  EXPECT_THAT(connected.message(), HasSubstr("/socket: this device connects to nothing"));
}

class BrokerTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/broker.XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
    path_ = absl::StrCat(directory_, "/s");
  }
  void TearDown() override { ASSERT_EQ(rmdir(directory_.c_str()), 0); }

  // What a child with this declaration uses.
  std::unique_ptr<JailedFiles> FilesFor(std::vector<ConnectTarget> targets) {
    auto pair = FdSocket::CreatePair(FdSocket::Kind::kSeqPacket).value();
    broker_ =
        std::make_unique<ConnectBroker>(std::move(pair.first), std::move(targets), thread_->loop());
    return std::make_unique<JailedFiles>(std::vector<JailedFiles::File>(), std::move(pair.second));
  }

  std::string directory_;
  std::string path_;
  std::unique_ptr<LoopThread> thread_ = LoopThread::Start("broker").value();
  std::unique_ptr<ConnectBroker> broker_;
};

TEST_F(BrokerTest, ConnectsToWhatWasDeclared) {
  const auto files = FilesFor({{path_, SOCK_STREAM}});
  const FdListener listener = FdListener::Listen(path_, FdSocket::Kind::kStream).value();
  absl::StatusOr<ScopedFd> connected = files->Connect(path_, SOCK_STREAM);
  ASSERT_EQ(connected.status(), absl::OkStatus());

  const FdSocket peer = listener.Accept().value();
  EXPECT_EQ(write(connected->get(), "x", 1), 1);
  uint8_t byte = 0;
  EXPECT_EQ(peer.Receive({&byte, 1}).value(), 1u);
  EXPECT_EQ(byte, 'x');
}

TEST_F(BrokerTest, ErrorsAreThoseOfConnecting) {
  const auto files = FilesFor({{path_, SOCK_STREAM}});
  const absl::Status status = files->Connect(path_, SOCK_STREAM).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_EQ(status.message(), absl::StrCat("connect to ", path_, ": No such file or directory"));
  EXPECT_TRUE(MayConnectLater(status));
}

TEST_F(BrokerTest, PortsAreNumbers) {
  const auto files = FilesFor({{path_, SOCK_STREAM, /*ports=*/true}});
  const FdListener listener =
      FdListener::Listen(absl::StrCat(path_, "_1024"), FdSocket::Kind::kStream).value();
  EXPECT_EQ(files->Connect(absl::StrCat(path_, "_1024"), SOCK_STREAM).status(), absl::OkStatus());
  EXPECT_TRUE(
      absl::IsNotFound(files->Connect(absl::StrCat(path_, "_4294967295"), SOCK_STREAM).status()));
}

// As when a device dies while its machine ends.
TEST_F(BrokerTest, ChildAndBrokerMayGoAtOnce) {
  for (int i = 0; i < 1000; ++i) {
    auto files = FilesFor({{path_, SOCK_STREAM}});
    files.reset();
    broker_.reset();
  }
  const auto files = FilesFor({{path_, SOCK_STREAM}});
  EXPECT_TRUE(absl::IsNotFound(files->Connect(path_, SOCK_STREAM).status()));
}

class BrokerRefusesTest : public BrokerTest, public testing::WithParamInterface<const char*> {};

TEST_P(BrokerRefusesTest, WhatWasNotDeclaredAndEverythingAfterIt) {
  const auto files = FilesFor({{path_, SOCK_STREAM, /*ports=*/true}});
  testing::internal::CaptureStderr();
  EXPECT_FALSE(files->Connect(absl::StrCat(path_, GetParam()), SOCK_STREAM).ok());
  EXPECT_FALSE(files->Connect(absl::StrCat(path_, "_1"), SOCK_STREAM).ok());
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("not made for"));
}

INSTANTIATE_TEST_SUITE_P(Paths, BrokerRefusesTest,
                         testing::Values("", "_", "_x", "_01", "_+1", "_1/../x", "_4294967296",
                                         "2_1"));

}  // namespace
}  // namespace touchstone
