// The device over real sockets on a thread of its own, as the machine runs it.

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/event/loop_thread.h"
#include "base/fd_socket.h"
#include "devices/virtio/testing/guest_driver.h"
#include "devices/virtio/vsock/vsock_open.h"
#include "devices/virtio/vsock/vsock_testing.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

constexpr VsockConnection::Ports kPorts = {.host = 80, .guest = 1000};

class VsockThreadsTest : public testing::Test {
 protected:
  VsockThreadsTest() {
    VsockConfig config;
    config.set_cid(VsockBench::kGuestCid);
    config.set_socket(path_);
    device_ = OpenVsock(config, thread_->loop()).value();
    guest_ = std::make_unique<GuestDriver>(*device_, GuestDriver::Options{});
    guest_->Start();
    GiveBuffers();
  }
  ~VsockThreadsTest() override {
    guest_.reset();
    thread_->Stop();
    device_.reset();
    rmdir(folder_);
  }

  void GiveBuffers() {
    while (guest_->queue(Vsock::kRx).in_flight() < 64) {
      guest_->queue(Vsock::kRx).Chain().Writable(4096).Send();
    }
    guest_->Kick(Vsock::kRx);
  }
  void Send(const VsockHeader& header, absl::string_view payload = "") {
    DriverQueue& queue = guest_->queue(Vsock::kTx);
    DriverQueue::Builder chain = queue.Chain();
    chain.Readable(absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(&header), sizeof(header)));
    if (!payload.empty()) {
      chain.Readable(
          absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(payload.data()), payload.size()));
    }
    chain.Send();
    guest_->Kick(Vsock::kTx);
    while (!queue.PollUsed().has_value()) absl::SleepFor(absl::Microseconds(10));
  }
  // The next packet for the guest; kInvalid when none comes.
  VsockPacket Receive() {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (absl::Now() < deadline) {
      const std::optional<DriverQueue::Used> used = guest_->queue(Vsock::kRx).PollUsed();
      if (!used.has_value()) {
        absl::SleepFor(absl::Microseconds(10));
        continue;
      }
      GiveBuffers();
      VsockPacket packet;
      memcpy(&packet.header, used->data.data(), sizeof(packet.header));
      packet.payload.assign(used->data.begin() + sizeof(packet.header),
                            used->data.begin() + used->length);
      return packet;
    }
    return {};
  }

  // TEST_TMPDIR is too long for a socket's path.
  char folder_[17] = "/tmp/vsockXXXXXX";
  const std::string path_ = std::string(mkdtemp(folder_)) + "/s";
  const std::unique_ptr<LoopThread> thread_ = LoopThread::Start("vsock").value();
  std::unique_ptr<VirtioDevice> device_;
  std::unique_ptr<GuestDriver> guest_;
};

TEST_F(VsockThreadsTest, GuestTalksToAProgram) {
  const FdListener program = FdListener::Listen(path_ + "_80", FdSocket::Kind::kStream).value();
  Send(VsockBench::Packet(VsockOp::kRequest, kPorts));
  EXPECT_EQ(Receive().op(), VsockOp::kResponse);
  const FdSocket socket = program.Accept().value();

  VsockHeader header = VsockBench::Packet(VsockOp::kReadWrite, kPorts);
  header.length = 5;
  Send(header, "hello");
  uint8_t heard[5];
  EXPECT_TRUE(socket.ReceiveAll(absl::MakeSpan(heard)).ok());
  EXPECT_TRUE(socket.Send(heard).ok());

  EXPECT_EQ(Receive().payload, "hello");
}

TEST_F(VsockThreadsTest, ProgramsComeAndGoWhileTheDriverResets) {
  for (int round = 0; round < 50; ++round) {
    const FdSocket caller = FdSocket::Connect(path_, FdSocket::Kind::kStream).value();
    const std::string line = "CONNECT 22\n";
    ASSERT_EQ(send(caller.fd(), line.data(), line.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(line.size()));
    const VsockPacket request = Receive();
    ASSERT_EQ(request.op(), VsockOp::kRequest);
    Send(VsockBench::Packet(VsockOp::kResponse, {.host = request.header.src_port, .guest = 22}));
    // Data is on its way while everything ends.
    const std::string block(100000, 'x');
    send(caller.fd(), block.data(), block.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    guest_->Restart();
    GiveBuffers();
  }

  SUCCEED();
}

}  // namespace
}  // namespace touchstone
