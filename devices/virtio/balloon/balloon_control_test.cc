#include "devices/virtio/balloon/balloon_control.h"

#include <sys/socket.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/event/manual_loop.h"
#include "base/scoped_fd.h"
#include "devices/virtio/balloon/balloon_testing.h"
#include "devices/virtio/testing/guest_driver.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr uint64_t kMib = 1 << 20;

class BalloonControlTest : public testing::Test {
 protected:
  BalloonControlTest() {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    peer_.Reset(fds[0]);
    control_ = BalloonControl::Create(ScopedFd(fds[1]), loop_, balloon_).value();
  }
  // Without the "Ready".
  void Start() {
    guest_.emplace(balloon_, GuestDriver::Options{.features = ~uint64_t{0}});
    guest_->Start();
    loop_.RunReady();
    Answers();
  }
  void Send(absl::string_view text) {
    EXPECT_EQ(send(peer_.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    loop_.RunReady();
  }
  std::vector<std::string> Answers() {
    loop_.RunReady();
    std::vector<std::string> answers;
    char text[4096];
    ssize_t size;
    while ((size = recv(peer_.get(), text, sizeof(text), MSG_DONTWAIT)) > 0) {
      answers.emplace_back(text, static_cast<size_t>(size));
    }
    return answers;
  }
  void SetActual(uint64_t bytes) {
    const Le32 pages = static_cast<uint32_t>(bytes / 4096);
    balloon_.WriteConfig(4, {reinterpret_cast<const uint8_t*>(&pages), 4});
  }

  ManualLoop loop_;
  BalloonUnderTest test_{loop_};
  Balloon& balloon_ = test_.balloon();
  ScopedFd peer_;
  std::unique_ptr<BalloonControl> control_;
  std::optional<GuestDriver> guest_;
};

TEST_F(BalloonControlTest, NotReadyUntilThereIsADriver) {
  Send(R"({"Adjust":{"num_bytes":1048576,"allow_failure":false}})");
  EXPECT_THAT(Answers(), ElementsAre("\"NotReady\""));
  EXPECT_EQ(balloon_.target(), 0u);

  guest_.emplace(balloon_, GuestDriver::Options{});
  guest_->Start();
  EXPECT_THAT(Answers(), ElementsAre("\"Ready\""));
  balloon_.Reset();
  Send("\"Stats\"");
  EXPECT_THAT(Answers(), ElementsAre("\"NotReady\""));
}

TEST_F(BalloonControlTest, AdjustSetsTheTarget) {
  Start();
  Send(R"({"Adjust":{"num_bytes":1048576,"allow_failure":false}})");

  EXPECT_EQ(balloon_.target(), kMib);
  EXPECT_THAT(Answers(), IsEmpty());
}

TEST_F(BalloonControlTest, AdjustThatMayFailIsAnsweredWhenTheGuestIsThere) {
  Start();
  Send(R"({"Adjust":{"num_bytes":2097152,"allow_failure":true}})");
  SetActual(kMib);
  EXPECT_THAT(Answers(), IsEmpty());
  SetActual(2 * kMib);

  EXPECT_THAT(Answers(), ElementsAre(R"({"Adjusted":{"num_bytes":2097152}})"));
  loop_.Advance(2 * BalloonControl::kSettleTime);
  EXPECT_THAT(Answers(), IsEmpty());
}

TEST_F(BalloonControlTest, AdjustThatFailsIsAnsweredWhenNothingMoves) {
  Start();
  Send(R"({"Adjust":{"num_bytes":2097152,"allow_failure":true}})");
  loop_.Advance(BalloonControl::kSettleTime * 0.9);
  SetActual(kMib);
  EXPECT_THAT(Answers(), IsEmpty());
  loop_.Advance(BalloonControl::kSettleTime * 0.9);
  EXPECT_THAT(Answers(), IsEmpty());
  loop_.Advance(BalloonControl::kSettleTime * 0.2);

  EXPECT_THAT(Answers(), ElementsAre(R"({"Adjusted":{"num_bytes":1048576}})"));
}

TEST_F(BalloonControlTest, StatsComeFromTheDriver) {
  Start();
  SetActual(4096);
  guest_->queue(2).Chain().Readable({4, 0, 9, 0, 0, 0, 0, 0, 0, 0}).Send();
  guest_->Kick(2);
  Send(R"({"Stats":{"id":17}})");
  EXPECT_THAT(Answers(), IsEmpty());
  guest_->queue(2).PollUsed();
  guest_->queue(2).Chain().Readable({4, 0, 10, 0, 0, 0, 0, 0, 0, 0}).Send();
  guest_->Kick(2);

  const std::vector<std::string> answers = Answers();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_THAT(answers[0], StartsWith(R"({"Stats":{"stats":{"swap_in":null)"));
  EXPECT_THAT(answers[0], HasSubstr(R"("free_memory":10,)"));
  EXPECT_THAT(answers[0], HasSubstr(R"(},"balloon_actual":4096,"id":17}})"));
}

TEST_F(BalloonControlTest, AnswerAfterTheChannelWentIsNobodys) {
  Start();
  Send("\"Stats\"");
  control_.reset();
  loop_.Advance(Balloon::kStatisticsPatience);

  EXPECT_THAT(Answers(), IsEmpty());
}

TEST_F(BalloonControlTest, NonsenseIsAnswered) {
  Start();
  for (const char* text : {"{}", "null", "\"Adjust\"", "{\"Adjust\":{\"num_bytes\":-1}}",
                           "{\"Adjust\":{},\"Stats\":{}}", "{\"Adjust\":{\"size\":1}}"}) {
    Send(text);
    EXPECT_THAT(Answers(), ElementsAre(StartsWith("{\"Err\":"))) << text;
  }
  Send(std::string(BalloonControl::kMaxCommand + 1, ' '));
  EXPECT_THAT(Answers(), ElementsAre("{\"Err\":\"too long\"}"));
  EXPECT_EQ(balloon_.target(), 0u);
}

TEST_F(BalloonControlTest, BalloonStaysWhenThePeerGoes) {
  Start();
  Send(R"({"Adjust":{"num_bytes":1048576}})");
  peer_.Reset();
  loop_.RunReady();
  SetActual(kMib);

  EXPECT_EQ(loop_.RunReady(), 1);
  EXPECT_EQ(balloon_.target(), kMib);
}

TEST_F(BalloonControlTest, ConnectNamesThePath) {
  EXPECT_THAT(
      std::string(BalloonControl::Connect("/nonexistent/s", loop_, balloon_).status().message()),
      HasSubstr("connect to /nonexistent/s"));
  EXPECT_FALSE(BalloonControl::Connect(std::string(200, 'x'), loop_, balloon_).ok());
}

}  // namespace
}  // namespace touchstone
