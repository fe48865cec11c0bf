#include "vmm/control/control_socket.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/unix_socket.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

class ControlSocketTest : public testing::Test {
 protected:
  ControlSocketTest() {
    std::string folder = absl::StrCat(testing::TempDir(), "/control.XXXXXX");
    folder_ = mkdtemp(folder.data());
  }
  ~ControlSocketTest() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
};

TEST_F(ControlSocketTest, APathIsTaken) {
  const auto socket = ListenForControl(folder_ + "/socket");

  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_EQ(socket->path(), folder_ + "/socket");
}

TEST_F(ControlSocketTest, ADirectoryGetsAFileOfTheProcess) {
  const auto socket = ListenForControl(folder_);

  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_EQ(socket->path(), absl::StrCat(folder_, "/touchstone-", getpid(), ".sock"));
  EXPECT_TRUE(ConnectUnix(socket->path(), SOCK_SEQPACKET).ok());
}

TEST_F(ControlSocketTest, ErrorsNameThePath) {
  EXPECT_THAT(std::string(ListenForControl(folder_ + "/none/socket").status().message()),
              HasSubstr(folder_ + "/none/socket"));
}

}  // namespace
}  // namespace touchstone
