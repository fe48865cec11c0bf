#include "base/fd_socket.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/event_fd.h"
#include "base/scoped_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Kind = FdSocket::Kind;

int OpenDescriptors() {
  int count = 0;
  DIR* const directory = opendir("/proc/self/fd");
  if (directory == nullptr) return -1;
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

bool Exists(const std::string& path) {
  struct stat status;
  return lstat(path.c_str(), &status) == 0;
}

std::string TestPath(absl::string_view name) {
  // Relative: the sandbox's own directories are longer than a socket path may be.
  return absl::StrCat("fd_socket_test.", getpid(), ".", name);
}

class FdSocketTest : public testing::TestWithParam<Kind> {
 protected:
  std::pair<FdSocket, FdSocket> pair_ = FdSocket::CreatePair(GetParam()).value();
  FdSocket& near_ = pair_.first;
  FdSocket& far_ = pair_.second;
  std::vector<uint8_t> buffer_ = std::vector<uint8_t>(64);
  std::vector<ScopedFd> fds_;

  absl::StatusOr<size_t> Receive(size_t max_fds = FdSocket::kMaxFds) {
    return far_.Receive(absl::MakeSpan(buffer_), &fds_, max_fds);
  }
};

INSTANTIATE_TEST_SUITE_P(Kinds, FdSocketTest, testing::Values(Kind::kStream, Kind::kSeqPacket),
                         [](const testing::TestParamInfo<Kind>& info) {
                           return info.param == Kind::kStream ? "Stream" : "SeqPacket";
                         });

TEST_P(FdSocketTest, CarriesBytes) {
  ASSERT_TRUE(near_.Send({1, 2, 3}).ok());

  ASSERT_EQ(*Receive(), 3u);

  EXPECT_EQ(buffer_[0], 1);
  EXPECT_EQ(buffer_[2], 3);
  EXPECT_THAT(fds_, IsEmpty());
}

TEST_P(FdSocketTest, CarriesDescriptorsOfTheSameFile) {
  const EventFd first = EventFd::Create().value();
  const EventFd second = EventFd::Create().value();
  ASSERT_TRUE(near_.Send({1}, {first.fd(), second.fd()}).ok());

  ASSERT_EQ(*Receive(), 1u);

  ASSERT_THAT(fds_, SizeIs(2));
  EXPECT_EQ(fcntl(fds_[0].get(), F_GETFD), FD_CLOEXEC);
  EventFd(std::move(fds_[1])).Signal();
  EXPECT_EQ(first.Drain(), 0u);
  EXPECT_EQ(second.Drain(), 1u);
}

TEST_P(FdSocketTest, CarriesAsManyDescriptorsAsPromised) {
  const std::vector<int> many(FdSocket::kMaxFds, near_.fd());
  ASSERT_TRUE(near_.Send({1}, many).ok());

  ASSERT_EQ(*Receive(), 1u);

  EXPECT_THAT(fds_, SizeIs(FdSocket::kMaxFds));
}

TEST_P(FdSocketTest, ReceiveReplacesOldDescriptors) {
  ASSERT_TRUE(near_.Send({1}, {near_.fd()}).ok());
  ASSERT_TRUE(Receive().ok());
  ASSERT_TRUE(near_.Send({2}).ok());

  ASSERT_TRUE(Receive().ok());

  EXPECT_THAT(fds_, IsEmpty());
}

TEST_P(FdSocketTest, SurplusDescriptorsAreClosed) {
  ASSERT_TRUE(near_.Send({1}, {near_.fd(), near_.fd(), near_.fd()}).ok());
  const int before = OpenDescriptors();

  ASSERT_EQ(*Receive(/*max_fds=*/1), 1u);

  EXPECT_THAT(fds_, SizeIs(1));
  EXPECT_EQ(OpenDescriptors(), before + 1);
}

TEST_P(FdSocketTest, UnwantedDescriptorsAreClosed) {
  ASSERT_TRUE(near_.Send({1}, {near_.fd()}).ok());
  const int before = OpenDescriptors();

  ASSERT_EQ(*far_.Receive(absl::MakeSpan(buffer_)), 1u);

  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_P(FdSocketTest, MoreDescriptorsThanAMessageMayHaveIsDataLoss) {
  // Sent by hand: Send() refuses.
  constexpr size_t kCount = FdSocket::kMaxFds + 1;
  alignas(cmsghdr) char control[CMSG_SPACE(kCount * sizeof(int))] = {};
  uint8_t byte = 1;
  iovec data{&byte, 1};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(kCount * sizeof(int));
  const std::vector<int> many(kCount, near_.fd());
  memcpy(CMSG_DATA(header), many.data(), kCount * sizeof(int));
  ASSERT_EQ(sendmsg(near_.fd(), &message, 0), 1);
  const int before = OpenDescriptors();

  EXPECT_EQ(Receive().status().code(), absl::StatusCode::kDataLoss);

  EXPECT_THAT(fds_, IsEmpty());
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_P(FdSocketTest, SendRefusesWhatCannotBeSent) {
  const std::vector<int> many(FdSocket::kMaxFds + 1, near_.fd());

  EXPECT_EQ(near_.Send({1}, many).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(near_.Send({}, {near_.fd()}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(near_.Send({1}, {-1}).ok());
}

TEST_P(FdSocketTest, PeerThatIsGoneIsTheEnd) {
  near_ = FdSocket(ScopedFd());

  EXPECT_EQ(*Receive(), 0u);
  EXPECT_EQ(far_.Send({1}).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_P(FdSocketTest, PeerThatIsGoneWithUnreadBytesIsTheEndToo) {
  ASSERT_TRUE(far_.Send({1}).ok());
  near_ = FdSocket(ScopedFd());

  EXPECT_EQ(*Receive(), 0u);
}

TEST_P(FdSocketTest, NonBlockingReceiveWouldWait) {
  ASSERT_EQ(fcntl(far_.fd(), F_SETFL, O_NONBLOCK), 0);

  EXPECT_EQ(Receive().status().code(), absl::StatusCode::kUnavailable);
}

TEST_P(FdSocketTest, TimeoutEndsTheWait) {
  ASSERT_TRUE(far_.SetTimeout(absl::Milliseconds(5)).ok());

  EXPECT_EQ(Receive().status().code(), absl::StatusCode::kUnavailable);
}

TEST_P(FdSocketTest, TimeoutMayBeTakenBack) {
  ASSERT_TRUE(far_.SetTimeout(absl::ZeroDuration()).ok());
  EXPECT_EQ(Receive().status().code(), absl::StatusCode::kUnavailable);
  ASSERT_TRUE(far_.SetTimeout(absl::InfiniteDuration()).ok());
  std::thread sender([this] {
    usleep(5000);
    near_.Send({1}).IgnoreError();
  });

  const absl::StatusOr<size_t> size = Receive();
  sender.join();

  EXPECT_EQ(*size, 1u);
}

TEST_P(FdSocketTest, PeerThatDoesNotReadCannotHoldTheSender) {
  ASSERT_TRUE(near_.SetTimeout(absl::Milliseconds(5)).ok());
  const std::vector<uint8_t> bytes(1000);

  absl::Status status;
  while (status.ok()) status = near_.Send(bytes);

  EXPECT_THAT(status.message(), HasSubstr("would wait"));
}

TEST_P(FdSocketTest, ShutdownWakesAReceiver) {
  std::thread other([this] {
    usleep(2000);
    far_.Shutdown();
  });

  const absl::StatusOr<size_t> size = Receive();
  other.join();

  EXPECT_EQ(*size, 0u);
}

TEST(FdSocketSeqPacketTest, KeepsMessagesApart) {
  const auto [near, far] = FdSocket::CreatePair(Kind::kSeqPacket).value();
  std::vector<uint8_t> buffer(8);
  ASSERT_TRUE(near.Send({1, 2}).ok());
  ASSERT_TRUE(near.Send({3}).ok());

  EXPECT_EQ(*far.Receive(absl::MakeSpan(buffer)), 2u);
  EXPECT_EQ(*far.Receive(absl::MakeSpan(buffer)), 1u);
}

TEST(FdSocketSeqPacketTest, MessageLargerThanTheBufferIsDataLoss) {
  const auto [near, far] = FdSocket::CreatePair(Kind::kSeqPacket).value();
  std::vector<uint8_t> buffer(2);
  ASSERT_TRUE(near.Send({1, 2, 3}, {near.fd()}).ok());
  ASSERT_TRUE(near.Send({4}).ok());
  const int before = OpenDescriptors();

  const absl::Status status = far.Receive(absl::MakeSpan(buffer)).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(OpenDescriptors(), before);
  EXPECT_EQ(*far.Receive(absl::MakeSpan(buffer)), 1u);
}

TEST(FdSocketStreamTest, ReceiveAllPutsPiecesTogether) {
  const auto [near, far] = FdSocket::CreatePair(Kind::kStream).value();
  std::vector<uint8_t> buffer(4);
  std::vector<ScopedFd> fds;
  ASSERT_TRUE(near.Send({1, 2}, {near.fd()}).ok());
  ASSERT_TRUE(near.Send({3}, {near.fd()}).ok());
  ASSERT_TRUE(near.Send({4, 5}).ok());

  EXPECT_TRUE(*far.ReceiveAll(absl::MakeSpan(buffer), &fds));

  EXPECT_THAT(buffer, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(fds, SizeIs(2));
  EXPECT_EQ(*far.Receive(absl::MakeSpan(buffer)), 1u);
}

TEST(FdSocketStreamTest, ReceiveAllKeepsTheDescriptorBoundOverAllPieces) {
  const auto [near, far] = FdSocket::CreatePair(Kind::kStream).value();
  std::vector<uint8_t> buffer(2);
  std::vector<ScopedFd> fds;
  ASSERT_TRUE(near.Send({1}, {near.fd()}).ok());
  ASSERT_TRUE(near.Send({2}, {near.fd()}).ok());

  EXPECT_TRUE(*far.ReceiveAll(absl::MakeSpan(buffer), &fds, /*max_fds=*/1));

  EXPECT_THAT(fds, SizeIs(1));
}

TEST(FdSocketStreamTest, ReceiveAllTellsTheEndFromAnUnfinishedMessage) {
  auto [near, far] = FdSocket::CreatePair(Kind::kStream).value();
  std::vector<uint8_t> buffer(4);
  ASSERT_TRUE(near.Send({1, 2}).ok());
  near = FdSocket(ScopedFd());

  const absl::Status status = far.ReceiveAll(absl::MakeSpan(buffer)).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), HasSubstr("2 of 4 bytes"));
  EXPECT_FALSE(*far.ReceiveAll(absl::MakeSpan(buffer)));
}

TEST(FdSocketStreamTest, LargeMessagesArriveWhole) {
  const auto [near, far] = FdSocket::CreatePair(Kind::kStream).value();
  const std::vector<uint8_t> sent(2 << 20, 7);
  std::vector<uint8_t> received(sent.size());
  std::thread sender([&near = near, &sent] { near.Send(sent, {near.fd()}).IgnoreError(); });
  std::vector<ScopedFd> fds;

  const absl::StatusOr<bool> whole = far.ReceiveAll(absl::MakeSpan(received), &fds);
  sender.join();

  EXPECT_TRUE(*whole);
  EXPECT_EQ(received, sent);
  EXPECT_THAT(fds, SizeIs(1));
}

TEST(FdListenerTest, ConnectsAtAPathAndRemovesIt) {
  const std::string path = TestPath("connect");
  std::optional<FdListener> listener = FdListener::Listen(path, Kind::kSeqPacket).value();
  std::vector<uint8_t> buffer(8);

  const FdSocket client = FdSocket::Connect(path, Kind::kSeqPacket).value();
  const FdSocket server = listener->Accept().value();
  ASSERT_TRUE(client.Send({1, 2}).ok());

  EXPECT_EQ(*server.Receive(absl::MakeSpan(buffer)), 2u);
  listener.reset();
  EXPECT_FALSE(Exists(path));
}

TEST(FdListenerTest, MovedListenerRemovesThePathOnce) {
  const std::string path = TestPath("move");
  std::optional<FdListener> first = FdListener::Listen(path, Kind::kStream).value();
  FdListener second = *std::move(first);

  first.reset();  // NOLINT(bugprone-use-after-move)

  EXPECT_TRUE(FdSocket::Connect(path, Kind::kStream).ok());
}

TEST(FdListenerTest, AdoptedListenerLeavesThePath) {
  const std::string path = TestPath("adopt");
  FdListener owner = FdListener::Listen(path, Kind::kStream).value();

  {
    FdListener adopted(ScopedFd(dup(owner.fd())));
  }

  EXPECT_TRUE(Exists(path));
}

TEST(FdListenerTest, StaleSocketFileIsReplaced) {
  const std::string path = TestPath("stale");
  std::optional<FdListener> old = FdListener::Listen(path, Kind::kStream).value();
  const std::string kept = TestPath("kept");
  ASSERT_EQ(link(path.c_str(), kept.c_str()), 0);
  old.reset();
  ASSERT_EQ(rename(kept.c_str(), path.c_str()), 0);

  const absl::StatusOr<FdListener> listener = FdListener::Listen(path, Kind::kStream);

  ASSERT_TRUE(listener.ok());
  EXPECT_TRUE(FdSocket::Connect(path, Kind::kStream).ok());
}

TEST(FdListenerTest, LiveSocketAndOtherFilesAreLeftAlone) {
  const std::string path = TestPath("live");
  const std::string file = TestPath("file");
  const FdListener live = FdListener::Listen(path, Kind::kStream).value();
  const ScopedFd other = OpenFile(file, O_CREAT | O_RDWR).value();

  EXPECT_EQ(FdListener::Listen(path, Kind::kStream).status().code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(FdListener::Listen(file, Kind::kStream).status().code(),
            absl::StatusCode::kAlreadyExists);

  EXPECT_TRUE(FdSocket::Connect(path, Kind::kStream).ok());
  EXPECT_TRUE(Exists(file));
  unlink(file.c_str());
}

TEST(FdListenerTest, NonBlockingAcceptWouldWait) {
  const FdListener listener = FdListener::Listen(TestPath("accept"), Kind::kStream).value();
  ASSERT_EQ(fcntl(listener.fd(), F_SETFL, O_NONBLOCK), 0);

  EXPECT_EQ(listener.Accept().status().code(), absl::StatusCode::kUnavailable);
}

TEST(FdListenerTest, ErrorsNameThePath) {
  EXPECT_THAT(FdSocket::Connect("no/such/socket", Kind::kStream).status().message(),
              HasSubstr("connect to no/such/socket"));
  EXPECT_THAT(FdListener::Listen("no/such/socket", Kind::kStream).status().message(),
              HasSubstr("bind to no/such/socket"));
  EXPECT_THAT(FdListener::Listen(std::string(108, 'a'), Kind::kStream).status().message(),
              HasSubstr("1 to 107 bytes"));
  EXPECT_EQ(FdSocket::Connect("", Kind::kStream).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace touchstone
