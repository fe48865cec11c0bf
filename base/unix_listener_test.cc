#include "base/unix_listener.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/unix_socket.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

class UnixListenerTest : public testing::Test {
 protected:
  UnixListenerTest() {
    std::string folder = absl::StrCat(testing::TempDir(), "/listener.XXXXXX");
    folder_ = mkdtemp(folder.data());
  }
  ~UnixListenerTest() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
};

TEST_F(UnixListenerTest, OnlyTheOwnerMayUseTheFile) {
  const std::string path = folder_ + "/socket";
  const mode_t old_mask = umask(0);

  const auto socket = UnixListener::Listen(path, SOCK_SEQPACKET);

  umask(old_mask);
  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_EQ(socket->path(), path);
  struct stat status = {};
  ASSERT_EQ(lstat(path.c_str(), &status), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  EXPECT_TRUE(ConnectUnix(path, SOCK_SEQPACKET).ok());
}

TEST_F(UnixListenerTest, TheFileGoesWithTheSocket) {
  const std::string path = folder_ + "/socket";
  {
    auto socket = UnixListener::Listen(path, SOCK_SEQPACKET);
    ASSERT_TRUE(socket.ok());
    const UnixListener moved = *std::move(socket);
    EXPECT_TRUE(std::filesystem::exists(path));
  }

  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_TRUE(UnixListener::Listen(path, SOCK_SEQPACKET).ok());
}

TEST_F(UnixListenerTest, AFileThatTookItsPlaceStays) {
  const std::string path = folder_ + "/socket";
  {
    const auto socket = UnixListener::Listen(path, SOCK_SEQPACKET);
    ASSERT_TRUE(socket.ok());
    std::filesystem::rename(path, folder_ + "/moved");
    std::ofstream(path) << "another's";
  }

  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(UnixListenerTest, WhatIsThereAlreadyIsNotReplaced) {
  const std::string path = folder_ + "/file";
  std::ofstream(path) << "precious";

  const auto socket = UnixListener::Listen(path, SOCK_SEQPACKET);

  EXPECT_EQ(socket.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(socket.status().message()), HasSubstr(path));
  EXPECT_EQ(std::filesystem::file_size(path), 8u);
}

TEST_F(UnixListenerTest, StreamsToo) {
  const auto socket = UnixListener::Listen(folder_ + "/socket", SOCK_STREAM);

  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_TRUE(ConnectUnix(socket->path(), SOCK_STREAM).ok());
}

TEST_F(UnixListenerTest, PathsLongerThanAnAddressWork) {
  const std::string directory = folder_ + "/" + std::string(120, 'd');
  std::filesystem::create_directory(directory);
  const std::string path = directory + "/socket";
  {
    const auto socket = UnixListener::Listen(path, SOCK_SEQPACKET);
    ASSERT_TRUE(socket.ok()) << socket.status();
    EXPECT_TRUE(ConnectUnix(path, SOCK_SEQPACKET).ok());
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(UnixListenerTest, WhereNothingCanBeMadeIsAnErrorThatNamesIt) {
  for (const std::string& path :
       {folder_ + "/none/socket", std::string(), folder_ + "/" + std::string(300, 'x'),
        folder_ + "/none/" + std::string(120, 'x')}) {
    const auto socket = UnixListener::Listen(path, SOCK_SEQPACKET);
    EXPECT_FALSE(socket.ok()) << path;
    EXPECT_THAT(std::string(socket.status().message()), HasSubstr(path));
  }
}

}  // namespace
}  // namespace touchstone
