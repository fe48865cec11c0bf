// What needs no tap: ports over a socket that keeps frames apart, and errors.

#include "devices/virtio/net/tap.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/event/manual_loop.h"
#include "devices/virtio/net/net_open.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class TapPortTest : public testing::Test {
 protected:
  TapPortTest() {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    port_ = std::make_unique<TapPort>(ScopedFd(fds[0]));
    peer_.Reset(fds[1]);
  }

  std::unique_ptr<TapPort> port_;
  ScopedFd peer_;
};

TEST_F(TapPortTest, ReceivesIntoSeveralBuffers) {
  ASSERT_EQ(write(peer_.get(), "abcde", 5), 5);
  char first[2];
  char second[10];
  const iovec buffers[] = {{first, sizeof(first)}, {second, sizeof(second)}};
  size_t size = 0;

  EXPECT_EQ(port_->Receive(buffers, size), NetResult::kDone);

  EXPECT_EQ(size, 5u);
  EXPECT_EQ(std::string(first, 2), "ab");
  EXPECT_EQ(std::string(second, 3), "cde");
  EXPECT_EQ(port_->Receive(buffers, size), NetResult::kAgain);
}

TEST_F(TapPortTest, SendsSeveralBuffersAsOneFrame) {
  char first[] = {'a', 'b'};
  char second[] = {'c'};
  const iovec frame[] = {{first, 2}, {second, 1}};

  EXPECT_EQ(port_->Send(frame), NetResult::kDone);

  char received[10];
  EXPECT_EQ(read(peer_.get(), received, sizeof(received)), 3);
  EXPECT_EQ(std::string(received, 3), "abc");
}

TEST_F(TapPortTest, AFullInterfaceSaysAgain) {
  char byte = 0;
  const iovec frame[] = {{&byte, 1}};
  NetResult result = NetResult::kDone;
  for (int i = 0; i < 100000 && result == NetResult::kDone; ++i) result = port_->Send(frame);

  EXPECT_EQ(result, NetResult::kAgain);
}

TEST_F(TapPortTest, ABadBufferLosesTheFrameOnly) {
  ASSERT_EQ(write(peer_.get(), "abcde", 5), 5);
  const iovec buffers[] = {{nullptr, 10}};
  size_t size = 0;

  EXPECT_EQ(port_->Receive(buffers, size), NetResult::kFailed);
  EXPECT_EQ(port_->Send(buffers), NetResult::kFailed);
}

std::string ErrorOf(const NetConfig& config) {
  ManualLoop loop;
  return std::string(OpenNet(config, 1, loop).status().message());
}

TEST(OpenNetTest, MissingInterfaceIsNamed) {
  NetConfig config;
  config.set_tap_name("no-such-tap");

  EXPECT_EQ(ErrorOf(config), "tap-name=no-such-tap: there is no such interface");
}

TEST(OpenNetTest, LongNamesAreRefused) {
  NetConfig config;
  config.set_tap_name("a-name-that-is-too-long");

  EXPECT_THAT(ErrorOf(config), HasSubstr("at most 15 characters"));
}

TEST(OpenNetTest, HostWithoutVhostNetIsTold) {
  NetConfig config;
  config.set_tap_name("no-such-tap");
  config.mutable_vhost_net()->set_device("/dev/no-vhost-net");

  EXPECT_EQ(ErrorOf(config),
            "vhost-net: open /dev/no-vhost-net: No such file or directory (is the kernel's module "
            "no_vhost_net loaded?)");
}

TEST(OpenNetTest, ClosedDescriptorIsNamed) {
  NetConfig config;
  config.set_tap_fd(12345);

  EXPECT_THAT(ErrorOf(config), AllOf(HasSubstr("tap-fd=12345"), HasSubstr("Bad file")));
}

TEST(OpenNetTest, DescriptorOfSomethingElseIsNamed) {
  const ScopedFd null = OpenFile("/dev/null", O_RDWR).value();
  NetConfig config;
  config.set_tap_fd(null.get());

  EXPECT_THAT(ErrorOf(config),
              AllOf(HasSubstr(absl::StrCat("tap-fd=", null.get())), HasSubstr("is no tap")));
}

}  // namespace
}  // namespace touchstone
