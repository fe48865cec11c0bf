#include "devices/virtio/net/stream_backend.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/endian.h"
#include "base/event/manual_loop.h"
#include "devices/virtio/net/net.h"
#include "devices/virtio/testing/guest_driver.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

using Bytes = std::vector<uint8_t>;

constexpr uint16_t kReceive = 0;
constexpr uint16_t kTransmit = 1;
constexpr size_t kLarge = 30'000;

// A listening socket that a network is behind.
class Listener {
 public:
  explicit Listener(const std::string& path) : path_(path) {
    unlink(path_.c_str());
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, path_.data(), path_.size());
    fd_.Reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(fd_.get(), 1), 0);
  }
  ~Listener() { unlink(path_.c_str()); }

  // Not valid when nobody has connected.
  ScopedFd Accept() {
    return ScopedFd(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  }

 private:
  const std::string path_;
  ScopedFd fd_;
};

// A network device over a backend, and its driver.
class StreamBackendTest : public testing::Test {
 protected:
  void Start(std::unique_ptr<NetBackend> backend) {
    net_ = std::make_unique<Net>(std::move(backend), Net::Options{}, loop_);
    guest_ = std::make_unique<GuestDriver>(
        *net_, GuestDriver::Options{.features = kNetStatus, .queue_memory = 4 << 20});
    guest_->Start();
  }
  void StartConnected() {
    listener_.emplace(path_);
    Start(*StreamBackend::Connect(path_, loop_));
    peer_ = listener_->Accept();
    ASSERT_TRUE(peer_.valid());
  }
  void Offer(int count) {
    for (int i = 0; i < count; ++i) guest_->queue(kReceive).Chain().Writable(1526).Send();
    guest_->Kick(kReceive);
    loop_.RunReady();
  }
  // Sends frames until one has to wait; how many went.
  int TransmitUntilFull() {
    int went = 0;
    do {
      Transmit(kLarge);
    } while (Collected(kTransmit) == 1 && ++went < 10'000);
    return went;
  }
  void Transmit(size_t size) {
    guest_->queue(kTransmit).Chain().Readable(Bytes(sizeof(NetHeader) + size, 7)).Send();
    guest_->Kick(kTransmit);
    loop_.RunReady();
  }
  int Collected(uint16_t queue) {
    int count = 0;
    while (guest_->queue(queue).PollUsed().has_value()) ++count;
    return count;
  }
  void PeerSends(uint32_t length) {
    const Be32 big = length;
    ASSERT_EQ(write(peer_.get(), &big, sizeof(big)), static_cast<ssize_t>(sizeof(big)));
    ASSERT_EQ(write(peer_.get(), Bytes(100, 0xFF).data(), 100), 100);
    loop_.RunReady();
  }
  size_t PeerReads() {
    Bytes buffer(1 << 20);
    size_t total = 0;
    for (ssize_t count; (count = read(peer_.get(), buffer.data(), buffer.size())) > 0;) {
      total += static_cast<size_t>(count);
    }
    loop_.RunReady();
    return total;
  }
  bool LinkIsUp() {
    Le16 status;
    net_->ReadConfig(6, {reinterpret_cast<uint8_t*>(&status), sizeof(status)});
    return status == kNetLinkUp;
  }

  const std::string path_ = absl::StrCat("/tmp/stream_backend_test.", getpid());
  ManualLoop loop_;
  std::optional<Listener> listener_;
  ScopedFd peer_;
  std::unique_ptr<Net> net_;
  std::unique_ptr<GuestDriver> guest_;
};

TEST_F(StreamBackendTest, FramesGoBothWays) {
  StartConnected();
  Offer(1);

  PeerSends(100);
  Transmit(60);

  EXPECT_EQ(Collected(kReceive), 1);
  EXPECT_EQ(Collected(kTransmit), 1);
  EXPECT_EQ(PeerReads(), 64u);
  EXPECT_TRUE(LinkIsUp());
}

TEST_F(StreamBackendTest, NothingCanBeLeftToTheOtherSide) {
  StartConnected();

  EXPECT_EQ(net_->features() & (kNetHostOffloadBits | kNetGuestOffloadBits | kNetGuestOffloads),
            0u);
  EXPECT_EQ(net_->features() & (kNetMultiqueue | kNetMtu), 0u);
  EXPECT_NE(net_->features() & kNetStatus, 0u);
}

TEST_F(StreamBackendTest, FramesWaitInTheRingWhileTheSocketIsFull) {
  StartConnected();
  const auto went = static_cast<size_t>(TransmitUntilFull());
  Transmit(kLarge);
  Transmit(kLarge);
  ASSERT_EQ(Collected(kTransmit), 0);

  size_t got = 0;
  for (size_t count; (count = PeerReads()) > 0;) got += count;

  EXPECT_EQ(Collected(kTransmit), 3);
  EXPECT_EQ(got, (went + 3) * (4 + kLarge));
}

TEST_F(StreamBackendTest, TheLinkGoesDownWithThePeerAndComesBack) {
  StartConnected();
  Offer(4);
  peer_.Reset();
  loop_.RunReady();
  EXPECT_FALSE(LinkIsUp());
  EXPECT_EQ(guest_->interrupt().config_signals(), 1);
  Transmit(60);
  EXPECT_EQ(Collected(kTransmit), 1);
  EXPECT_EQ(net_->transmit_stats(0).failed, 1u);

  loop_.Advance(StreamBackend::kRetryInterval);
  peer_ = listener_->Accept();
  ASSERT_TRUE(peer_.valid());
  EXPECT_TRUE(LinkIsUp());
  EXPECT_EQ(guest_->interrupt().config_signals(), 2);
  PeerSends(100);
  Transmit(60);

  EXPECT_EQ(Collected(kReceive), 1);
  EXPECT_EQ(Collected(kTransmit), 1);
  EXPECT_EQ(PeerReads(), 64u);
}

TEST_F(StreamBackendTest, AFrameThatWaitsIsLostWithItsConnection) {
  StartConnected();
  TransmitUntilFull();
  Transmit(kLarge);
  peer_.Reset();
  loop_.RunReady();
  EXPECT_EQ(Collected(kTransmit), 2);
  EXPECT_EQ(net_->transmit_stats(0).failed, 2u);

  loop_.Advance(StreamBackend::kRetryInterval);
  peer_ = listener_->Accept();
  Transmit(60);

  EXPECT_EQ(PeerReads(), 64u);
}

TEST_F(StreamBackendTest, TriesUntilSomebodyListens) {
  StartConnected();
  Offer(1);
  listener_.reset();
  peer_.Reset();
  loop_.RunReady();
  loop_.Advance(10 * StreamBackend::kRetryInterval);
  EXPECT_FALSE(LinkIsUp());

  listener_.emplace(path_);
  loop_.Advance(StreamBackend::kRetryInterval);

  peer_ = listener_->Accept();
  EXPECT_TRUE(peer_.valid());
  EXPECT_TRUE(LinkIsUp());
}

TEST_F(StreamBackendTest, APeerThatBreaksTheProtocolIsNotAskedAgain) {
  StartConnected();
  Offer(1);

  PeerSends(0);
  loop_.Advance(10 * StreamBackend::kRetryInterval);

  EXPECT_FALSE(LinkIsUp());
  EXPECT_FALSE(listener_->Accept().valid());
}

TEST_F(StreamBackendTest, ADeviceMayGoWhileItWaitsForItsPeer) {
  StartConnected();
  Offer(1);
  peer_.Reset();
  loop_.RunReady();

  guest_.reset();
  net_.reset();
  loop_.Advance(10 * StreamBackend::kRetryInterval);

  EXPECT_FALSE(listener_->Accept().valid());
}

TEST_F(StreamBackendTest, AResetDoesNotBringTheLinkBack) {
  StartConnected();
  listener_.reset();
  Offer(1);
  peer_.Reset();
  loop_.RunReady();

  net_->Reset();
  guest_->Start();
  Offer(1);

  EXPECT_FALSE(LinkIsUp());
}

TEST_F(StreamBackendTest, AGivenSocketHasNoSecondOne) {
  int fds[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  peer_.Reset(fds[1]);
  Start(*StreamBackend::FromSocket(ScopedFd(fds[0]), "test", 65520, loop_));
  EXPECT_NE(net_->features() & kNetMtu, 0u);
  Offer(1);

  peer_.Reset();
  loop_.RunReady();
  EXPECT_EQ(loop_.Advance(10 * StreamBackend::kRetryInterval), 0);

  EXPECT_FALSE(LinkIsUp());
}

TEST_F(StreamBackendTest, OnlyConnectedStreamsAreTaken) {
  int datagrams[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, datagrams), 0);
  peer_.Reset(datagrams[1]);
  const auto error = [this](int fd) {
    return StreamBackend::FromSocket(ScopedFd(fd), "test", {}, loop_).status();
  };

  EXPECT_TRUE(absl::IsInvalidArgument(error(datagrams[0])));
  EXPECT_TRUE(absl::IsInvalidArgument(error(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))));
  EXPECT_TRUE(absl::IsInvalidArgument(error(dup(STDIN_FILENO))));
}

TEST_F(StreamBackendTest, APathWithoutListenerIsAnError) {
  const auto error = [this](const std::string& path) {
    return std::string(StreamBackend::Connect(path, loop_).status().message());
  };

  EXPECT_THAT(error("/no/such/socket"), HasSubstr("connect to /no/such/socket: No such file"));
  EXPECT_THAT(error(""), HasSubstr("1 to 107 bytes"));
  EXPECT_THAT(error(std::string(108, 'a')), HasSubstr("1 to 107 bytes"));
}

}  // namespace
}  // namespace touchstone
