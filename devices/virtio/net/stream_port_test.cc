#include "devices/virtio/net/stream_port.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include "base/endian.h"
#include "base/log.h"
#include "base/scoped_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr size_t kHeader = sizeof(NetHeader);

std::string Ethernet(size_t size, uint8_t seed = 0) {
  std::string frame(size, '\0');
  for (size_t i = 0; i < size; ++i) frame[i] = static_cast<char>(seed + i * 7 + i / 256);
  return frame;
}

std::string Length(uint32_t length) {
  const Be32 big = length;
  return std::string(reinterpret_cast<const char*>(&big), sizeof(big));
}

std::string OnTheWire(const std::string& frame) {
  return Length(static_cast<uint32_t>(frame.size())) + frame;
}

class StreamPortTest : public testing::Test {
 protected:
  StreamPortTest() {
    const auto [ours, theirs] = Pair();
    peer_.Reset(theirs);
    port_.emplace(ScopedFd(ours),
                  [this](const absl::Status& reason) { losses_.push_back(reason); });
  }

  static std::pair<int, int> Pair() {
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    return {fds[0], fds[1]};
  }

  void PeerWrites(const std::string& bytes) {
    ASSERT_EQ(write(peer_.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  // All that is there now.
  std::string PeerReads() {
    std::string text;
    char buffer[4096];
    for (ssize_t count; (count = read(peer_.get(), buffer, sizeof(buffer))) > 0;) {
      text.append(buffer, static_cast<size_t>(count));
    }
    return text;
  }
  // Receives into buffers of these sizes; the frame with its header, as far as it fits.
  NetResult Receive(const std::vector<size_t>& sizes = {kNetMaxPacket}) {
    std::vector<std::string> buffers;
    for (const size_t size : sizes) buffers.emplace_back(size, '\xEE');
    std::vector<iovec> vector;
    for (std::string& buffer : buffers) vector.push_back({buffer.data(), buffer.size()});
    size_ = 0;
    const NetResult result = port_->Receive(vector, size_);
    received_.clear();
    for (const std::string& buffer : buffers) received_ += buffer;
    received_.resize(std::min(received_.size(), size_));
    return result;
  }
  // Sends a frame in pieces of `piece` bytes, the last of which may be shorter.
  NetResult Send(const std::string& frame, size_t piece = kNetMaxPacket) {
    std::string bytes = std::string(kHeader, '\x11') + frame;
    std::vector<iovec> vector;
    for (size_t at = 0; at < bytes.size(); at += piece) {
      vector.push_back({bytes.data() + at, std::min(piece, bytes.size() - at)});
    }
    return port_->Send(vector);
  }
  // Sends frames of `frame` until one does not go; how many went.
  int Fill(const std::string& frame) {
    int count = 0;
    while (count < 10'000 && Send(frame) == NetResult::kDone) ++count;
    return count;
  }

  ScopedFd peer_;
  std::optional<StreamPort> port_;
  std::vector<absl::Status> losses_;
  std::string received_;
  size_t size_ = 0;
};

// --- Receiving.

TEST_F(StreamPortTest, AFrameArrivesBehindAHeaderOfZeros) {
  PeerWrites(OnTheWire(Ethernet(60)));

  EXPECT_EQ(Receive(), NetResult::kDone);
  EXPECT_EQ(size_, kHeader + 60);
  EXPECT_EQ(received_, std::string(kHeader, '\0') + Ethernet(60));
  EXPECT_EQ(Receive(), NetResult::kAgain);
}

TEST_F(StreamPortTest, FramesMayCloseUp) {
  PeerWrites(OnTheWire(Ethernet(60, 1)) + OnTheWire(Ethernet(14, 2)) +
             OnTheWire(Ethernet(1514, 3)));

  for (const auto& [size, seed] : {std::pair(60, 1), std::pair(14, 2), std::pair(1514, 3)}) {
    EXPECT_EQ(Receive(), NetResult::kDone);
    EXPECT_EQ(received_.substr(kHeader),
              Ethernet(static_cast<size_t>(size), static_cast<uint8_t>(seed)));
  }
  EXPECT_EQ(Receive(), NetResult::kAgain);
}

TEST_F(StreamPortTest, AFrameMayComeByteByByte) {
  const std::string bytes = OnTheWire(Ethernet(20));
  for (const char byte : bytes) {
    EXPECT_EQ(Receive(), NetResult::kAgain);
    PeerWrites(std::string(1, byte));
  }

  EXPECT_EQ(Receive(), NetResult::kDone);
  EXPECT_EQ(received_.substr(kHeader), Ethernet(20));
}

TEST_F(StreamPortTest, LargestFramesGoOnAndOn) {
  for (uint8_t i = 0; i < 20; ++i) {
    PeerWrites(OnTheWire(Ethernet(kNetMaxFrame, i)));
    PeerWrites(Length(99));
    ASSERT_EQ(Receive(), NetResult::kDone);
    ASSERT_EQ(received_.substr(kHeader), Ethernet(kNetMaxFrame, i));
    ASSERT_EQ(Receive(), NetResult::kAgain);
    PeerWrites(Ethernet(99, i));
    ASSERT_EQ(Receive(), NetResult::kDone);
    ASSERT_EQ(received_.substr(kHeader), Ethernet(99, i));
  }
}

TEST_F(StreamPortTest, BuffersMayBeAnyPieces) {
  PeerWrites(OnTheWire(Ethernet(100)));

  EXPECT_EQ(Receive({1, 0, 10, 7, 50, 1000}), NetResult::kDone);
  EXPECT_EQ(received_, std::string(kHeader, '\0') + Ethernet(100));
}

TEST_F(StreamPortTest, AFrameThatDoesNotFitIsCut) {
  PeerWrites(OnTheWire(Ethernet(100)) + OnTheWire(Ethernet(30)));

  EXPECT_EQ(Receive({20, 30}), NetResult::kDone);
  EXPECT_EQ(size_, kHeader + 100);
  EXPECT_EQ(received_.substr(kHeader), Ethernet(100).substr(0, 50 - kHeader));
  EXPECT_EQ(Receive(), NetResult::kDone);
  EXPECT_EQ(received_.substr(kHeader), Ethernet(30));
}

class BadLengthTest : public StreamPortTest, public testing::WithParamInterface<uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Lengths, BadLengthTest,
                         testing::Values(0, 1, 13, kNetMaxFrame + 1, 0x10000000, 0x80000000,
                                         0xFFFFFFFC, 0xFFFFFFFF));

TEST_P(BadLengthTest, EndsTheConnection) {
  PeerWrites(OnTheWire(Ethernet(14)) + Length(GetParam()) + Ethernet(100));

  EXPECT_EQ(Receive(), NetResult::kDone);
  EXPECT_EQ(Receive(), NetResult::kGone);
  EXPECT_EQ(Receive(), NetResult::kGone);
  EXPECT_EQ(Send(Ethernet(60)), NetResult::kGone);
  ASSERT_EQ(losses_.size(), 1u);
  EXPECT_TRUE(absl::IsDataLoss(losses_[0]));
  EXPECT_THAT(std::string(losses_[0].message()), HasSubstr(std::to_string(GetParam())));
  char byte;
  EXPECT_EQ(read(peer_.get(), &byte, 1), 0);
}

TEST_F(StreamPortTest, APeerMayHangUpInAFrame) {
  PeerWrites(OnTheWire(Ethernet(60)) + Length(60) + "abc");
  peer_.Reset();

  EXPECT_EQ(Receive(), NetResult::kDone);
  EXPECT_EQ(Receive(), NetResult::kGone);
  ASSERT_EQ(losses_.size(), 1u);
  EXPECT_TRUE(absl::IsUnavailable(losses_[0]));
}

// --- Sending.

TEST_F(StreamPortTest, AFrameIsSentWithoutItsHeader) {
  EXPECT_EQ(Send(Ethernet(60)), NetResult::kDone);

  EXPECT_EQ(PeerReads(), OnTheWire(Ethernet(60)));
}

TEST_F(StreamPortTest, PiecesMayBeAnywhere) {
  for (const size_t piece : {1u, 5u, 11u, 12u, 13u, 27u}) {
    EXPECT_EQ(Send(Ethernet(60), piece), NetResult::kDone);
    EXPECT_EQ(PeerReads(), OnTheWire(Ethernet(60))) << piece;
  }
}

// More pieces than sendmsg takes, with the length in front.
TEST_F(StreamPortTest, ThereMayBeVeryManyPieces) {
  EXPECT_EQ(Send(Ethernet(1024 - kHeader), 1), NetResult::kDone);
  EXPECT_EQ(Send(Ethernet(1024 * 2 - kHeader + 1), 2), NetResult::kDone);

  EXPECT_EQ(PeerReads(),
            OnTheWire(Ethernet(1024 - kHeader)) + OnTheWire(Ethernet(1024 * 2 - kHeader + 1)));
}

TEST_F(StreamPortTest, AFullSocketTakesTheSameFrameLater) {
  const std::string frame = Ethernet(kNetMaxFrame);
  const int sent = Fill(frame);
  ASSERT_GT(sent, 0);
  ASSERT_LT(sent, 1000);
  std::string expected;
  for (int i = 0; i < sent + 2; ++i) expected += OnTheWire(frame);

  EXPECT_EQ(Send(frame), NetResult::kAgain);
  std::string got = PeerReads();
  EXPECT_EQ(Send(frame), NetResult::kDone);
  EXPECT_EQ(Send(frame), NetResult::kDone);
  got += PeerReads();

  EXPECT_TRUE(got == expected);
}

TEST_F(StreamPortTest, TheStreamStaysWholeWhenAFrameIsAbandoned) {
  const std::string frame = Ethernet(kNetMaxFrame);
  const int sent = Fill(frame);
  std::string got = PeerReads();
  const bool in_part = got.size() % (kNetMaxFrame + 4) != 0;
  ASSERT_TRUE(in_part);

  port_->Abandon();
  EXPECT_EQ(Send(Ethernet(60)), NetResult::kDone);
  got += PeerReads();

  std::string expected;
  for (int i = 0; i < sent + 1; ++i) expected += OnTheWire(frame);
  EXPECT_TRUE(got == expected + OnTheWire(Ethernet(60)));
}

TEST_F(StreamPortTest, AFullSocketThatHangsUpIsGone) {
  Fill(Ethernet(kNetMaxFrame));
  peer_.Reset();

  EXPECT_EQ(Send(Ethernet(60)), NetResult::kGone);
  EXPECT_EQ(Receive(), NetResult::kGone);
  EXPECT_EQ(losses_.size(), 1u);
}

// --- Another connection.

TEST_F(StreamPortTest, AReplacementStartsAnew) {
  PeerWrites(Length(60) + "abc");
  Fill(Ethernet(kNetMaxFrame));
  ASSERT_EQ(Receive(), NetResult::kAgain);
  peer_.Reset();
  ASSERT_EQ(Receive(), NetResult::kGone);
  const int before = port_->fd();
  const auto [ours, theirs] = Pair();

  port_->Replace(ScopedFd(ours));
  peer_.Reset(theirs);

  EXPECT_NE(port_->fd(), before);
  EXPECT_GE(fcntl(before, F_GETFD), 0);
  port_->ForgetPrevious();
  EXPECT_LT(fcntl(before, F_GETFD), 0);
  EXPECT_EQ(Send(Ethernet(60)), NetResult::kDone);
  EXPECT_EQ(PeerReads(), OnTheWire(Ethernet(60)));
  PeerWrites(OnTheWire(Ethernet(61)));
  EXPECT_EQ(Receive(), NetResult::kDone);
  EXPECT_EQ(received_.substr(kHeader), Ethernet(61));
}

}  // namespace
}  // namespace touchstone
