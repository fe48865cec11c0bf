#include "devices/virtio/vsock/vsock_open.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>

#include "base/event/manual_loop.h"
#include "base/fd_socket.h"
#include "devices/virtio/core/virtio_features.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class VsockOpenTest : public testing::Test {
 protected:
  ~VsockOpenTest() override { rmdir(folder_); }

  // TEST_TMPDIR is too long for a socket's path.
  char folder_[17] = "/tmp/vsockXXXXXX";
  const std::string path_ = std::string(mkdtemp(folder_)) + "/s";
  ManualLoop loop_;
  VsockConfig config_;
};

TEST_F(VsockOpenTest, ListensAtTheSocket) {
  config_.set_cid(3);
  config_.set_socket(path_);

  const auto device = OpenVsock(config_, loop_);

  ASSERT_TRUE(device.ok()) << device.status();
  EXPECT_EQ((*device)->device_id(), 19u);
  EXPECT_THAT((*device)->max_queue_sizes(), ElementsAre(256, 256, 256));
  EXPECT_TRUE(FdSocket::Connect(path_, FdSocket::Kind::kStream).ok());
}

TEST_F(VsockOpenTest, QueuesHaveTheSizesThatAreAskedFor) {
  config_.set_cid(3);
  config_.set_socket(path_);
  for (const uint32_t size : {64, 32, 8}) config_.add_max_queue_sizes(size);

  const auto device = OpenVsock(config_, loop_);

  EXPECT_THAT((*device)->max_queue_sizes(), ElementsAre(64, 32, 8));
}

TEST_F(VsockOpenTest, ManyDescriptorsAreAllowed) {
  config_.set_cid(3);
  config_.set_socket(path_);

  const auto device = OpenVsock(config_, loop_);

  rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(limit.rlim_cur, limit.rlim_max);
}

TEST_F(VsockOpenTest, SocketInUseIsNamed) {
  config_.set_cid(3);
  config_.set_socket(path_);
  const FdListener other = FdListener::Listen(path_, FdSocket::Kind::kStream).value();

  const absl::Status status = OpenVsock(config_, loop_).status();

  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("socket: "), HasSubstr(path_)));
}

TEST_F(VsockOpenTest, MissingDeviceSaysWhatElseThereIs) {
  config_.set_cid(3);
  config_.set_device(path_);

  const absl::Status status = OpenVsock(config_, loop_).status();

  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("device: "), HasSubstr(path_), HasSubstr("socket=PATH")));
}

TEST_F(VsockOpenTest, WhatIsNoVhostDeviceIsRefused) {
  config_.set_cid(3);
  config_.set_device("/dev/null");

  const absl::Status status = OpenVsock(config_, loop_).status();

  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("/dev/null, cid=3"), HasSubstr("VHOST_SET_OWNER")));
}

}  // namespace
}  // namespace touchstone
