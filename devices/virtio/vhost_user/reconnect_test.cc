// A front end whose back ends die, and new ones that take over.

#include <fcntl.h>
#include <sys/socket.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/event/manual_loop.h"
#include "base/fd_socket.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/testing/direct_host.h"
#include "devices/virtio/testing/echo_device.h"
#include "devices/virtio/testing/guest_driver.h"
#include "devices/virtio/vhost_user/backend.h"
#include "devices/virtio/vhost_user/frontend.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::ElementsAre;

constexpr absl::Duration kSoon = VhostUserFrontend::kFirstDelay;

// The process of a back end: an echo device, whose queue 1 answers when it is told to.
class Process {
 public:
  Process(ScopedFd socket, bool takes_over)
      : socket_(fcntl(socket.get(), F_DUPFD_CLOEXEC, 0)),
        device_(loop_),
        backend_(
            device_, std::move(socket), loop_, [](const absl::Status&) {},
            VhostUserBackend::Options{.takes_over = takes_over}) {}

  int Run() { return alive_ ? loop_.RunReady() : 0; }
  // Its connection ends, and nothing that it holds goes back.
  void Die() {
    alive_ = false;
    shutdown(socket_.get(), SHUT_RDWR);
  }
  [[nodiscard]] EchoDevice& device() { return device_; }

 private:
  bool alive_ = true;
  ManualLoop loop_;
  const ScopedFd socket_;
  EchoDevice device_;
  VhostUserBackend backend_;
};

class ReconnectTest : public testing::TestWithParam<uint64_t> {
 protected:
  // Its patience is at its end when no process has anything to do.
  class Waiter final : public VhostUserWaiter {
   public:
    explicit Waiter(ReconnectTest& test) : test_(test) {}
    void Begin() override {}
    bool Wait(int /*fd*/, bool /*writable*/) override { return test_.RunProcesses() > 0; }

   private:
    ReconnectTest& test_;
  };

  ~ReconnectTest() override {
    guest_.reset();
    host_.reset();
    frontend_.reset();
  }

  void Create(bool replays = true) {
    frontend_ = VhostUserFrontend::Create(NewProcess(), loop_,
                                          {.device_id = EchoDevice::kDeviceId,
                                           .queue_sizes = {64, 16},
                                           .config_size = 5,
                                           .waiter = std::make_unique<Waiter>(*this),
                                           .connect = [this]() -> absl::StatusOr<ScopedFd> {
                                             ++attempts_;
                                             if (refuses_) {
                                               return absl::UnavailableError("nobody listens");
                                             }
                                             return NewProcess();
                                           },
                                           .replays = replays})
                    .value();
    host_ = std::make_unique<DirectHost>(
        *frontend_,
        GuestDriver::MemoryFor(2, GuestDriver::kQueueMemory, GuestMemory::Backing::kMemfd));
    guest_ = std::make_unique<GuestDriver>(
        *host_, GuestDriver::Options{.features = GetParam() | kVirtioIndirectDescriptors});
  }
  ScopedFd NewProcess() {
    auto [ours, theirs] = FdSocket::CreatePair(FdSocket::Kind::kStream).value();
    processes_.push_back(std::make_unique<Process>(std::move(theirs).Release(), takes_over_));
    return std::move(ours).Release();
  }
  Process& last() { return *processes_.back(); }
  int RunProcesses() {
    int ran = 0;
    for (const auto& process : processes_) ran += process->Run();
    return ran;
  }
  void Run(absl::Duration time = absl::ZeroDuration()) {
    loop_.Advance(time);
    for (int i = 0; i < 10; ++i) {
      RunProcesses();
      loop_.RunReady();
    }
  }
  uint16_t Send(uint16_t queue) {
    const uint16_t id = guest_->queue(queue).Chain().Readable({0x5A, 7}).Writable(8).Send();
    guest_->Kick(queue);
    Run();
    return id;
  }
  std::vector<uint16_t> Used(uint16_t queue) {
    std::vector<uint16_t> ids;
    while (std::optional<DriverQueue::Used> used = guest_->queue(queue).PollUsed()) {
      EXPECT_EQ(used->length, 2u);
      ids.push_back(used->id);
    }
    return ids;
  }
  std::vector<uint8_t> Config() {
    std::vector<uint8_t> bytes(5);
    host_->ReadConfig(0, absl::MakeSpan(bytes));
    return bytes;
  }

  ManualLoop loop_;
  std::vector<std::unique_ptr<Process>> processes_;
  std::unique_ptr<VhostUserFrontend> frontend_;
  std::unique_ptr<DirectHost> host_;
  std::unique_ptr<GuestDriver> guest_;
  bool takes_over_ = true;
  bool refuses_ = false;
  int attempts_ = 0;
};

// KE-81.
TEST_P(ReconnectTest, RequestsInFlightAreAnsweredByTheNextProcess) {
  Create();
  guest_->Start();
  const uint16_t a = Send(1);
  const uint16_t b = Send(1);
  last().device().AnswerOldest();
  last().Die();
  Run();
  EXPECT_EQ(attempts_, 0);
  // The driver goes on meanwhile.
  const uint16_t c = Send(1);
  const uint16_t d = Send(0);
  EXPECT_THAT(Used(0), ElementsAre());
  Run(kSoon);

  EXPECT_EQ(attempts_, 1);
  EXPECT_THAT(Used(0), ElementsAre(d));
  EXPECT_THAT(Used(1), ElementsAre(a));
  last().device().AnswerOldest();
  last().device().AnswerOldest();
  EXPECT_THAT(Used(1), ElementsAre(b, c));
  EXPECT_FALSE(host_->needs_reset());
}

// What the dead process wrote and had not logged yet is written again, or in the ring.
TEST_P(ReconnectTest, TheNextProcessGoesOnLogging) {
  Create();
  guest_->Start();
  ASSERT_TRUE(frontend_->StartDirtyLog(host_->memory()).ok());
  Send(1);
  ASSERT_TRUE(frontend_->TakeDirtyLog().ok());
  last().Die();
  Run();
  Run(kSoon);
  const uint64_t page = Raw(guest_->queue(1).layout().device) / kGuestPageSize;
  const std::vector<uint64_t> rings = frontend_->TakeDirtyLog().value();
  last().device().AnswerOldest();
  const std::vector<uint64_t> answer = frontend_->TakeDirtyLog().value();

  EXPECT_NE(rings[page / 64] & uint64_t{1} << (page % 64), 0u);
  EXPECT_NE(answer, std::vector<uint64_t>(answer.size()));
}

TEST_P(ReconnectTest, ALogMayBeginWhileThereIsNoProcess) {
  Create();
  guest_->Start();
  last().Die();
  Run();
  ASSERT_TRUE(frontend_->StartDirtyLog(host_->memory()).ok());
  Run(kSoon);
  ASSERT_TRUE(frontend_->TakeDirtyLog().ok());
  Send(0);
  const std::vector<uint64_t> answer = frontend_->TakeDirtyLog().value();

  EXPECT_NE(answer, std::vector<uint64_t>(answer.size()));
}

TEST_P(ReconnectTest, ManyProcessesDie) {
  Create();
  guest_->Start();
  std::vector<uint16_t> kept = {Send(1), Send(1)};
  for (int i = 0; i < 10; ++i) {
    SCOPED_TRACE(i);
    kept.push_back(Send(1));
    last().device().AnswerOldest();
    ASSERT_THAT(Used(1), ElementsAre(kept[0]));
    kept.erase(kept.begin());
    last().Die();
    Run();
    Run(VhostUserFrontend::kLastDelay);
  }
  EXPECT_EQ(attempts_, 10);
  last().device().AnswerOldest();
  last().device().AnswerOldest();
  EXPECT_EQ(Used(1), kept);
}

// The dead process may have returned chains without a word.
TEST_P(ReconnectTest, TheDriverIsInterrupted) {
  Create();
  guest_->Start();
  Send(0);
  const int before = guest_->interrupt().queue_signals(0);
  last().Die();
  Run();
  Run(kSoon);

  EXPECT_GT(guest_->interrupt().queue_signals(0), before);
}

TEST_P(ReconnectTest, AsksForANewProcessLessAndLessOften) {
  Create();
  guest_->Start();
  refuses_ = true;
  last().Die();
  Run();
  Run(kSoon);
  EXPECT_EQ(attempts_, 1);
  Run(kSoon);
  EXPECT_EQ(attempts_, 1);
  Run(kSoon);
  EXPECT_EQ(attempts_, 2);
  Run(absl::Seconds(60));
  EXPECT_LT(attempts_, 70);
  refuses_ = false;
  Run(VhostUserFrontend::kLastDelay);
  const uint16_t id = Send(0);

  EXPECT_THAT(Used(0), ElementsAre(id));
}

TEST_P(ReconnectTest, ConfigurationIsReadAndWrittenWithoutAProcess) {
  Create();
  guest_->Start();
  const uint8_t written[] = {8, 9};
  host_->WriteConfig(1, written);
  EXPECT_THAT(Config(), ElementsAre(1, 8, 9, 4, 5));
  last().Die();
  Run();
  EXPECT_THAT(Config(), ElementsAre(1, 8, 9, 4, 5));
  const uint8_t more[] = {77};
  host_->WriteConfig(3, more);
  Run(kSoon);

  EXPECT_EQ(attempts_, 1);
  EXPECT_THAT(Config(), ElementsAre(1, 8, 9, 77, 5));
}

TEST_P(ReconnectTest, ADriverComesWhileThereIsNoProcess) {
  Create();
  refuses_ = true;
  last().Die();
  Run();
  guest_->Start();
  const uint16_t id = Send(0);
  EXPECT_FALSE(host_->needs_reset());
  refuses_ = false;
  Run(absl::Seconds(1));

  EXPECT_THAT(Used(0), ElementsAre(id));
}

TEST_P(ReconnectTest, ADriverGoesWhileThereIsNoProcess) {
  Create();
  guest_->Start();
  Send(1);
  last().Die();
  Run();
  host_->Reset();
  Run(kSoon);
  guest_->Restart();
  const uint16_t id = Send(1);
  last().device().AnswerOldest();

  EXPECT_THAT(Used(1), ElementsAre(id));
}

// Nobody says where its queues are, so they are not stopped.
TEST_P(ReconnectTest, ADriverCannotStopAQueueWhileThereIsNoProcess) {
  Create();
  guest_->Start();
  const uint16_t id = Send(1);
  last().Die();
  EXPECT_TRUE(absl::IsUnavailable(frontend_->StopQueue(1).status()));
  Run();
  EXPECT_TRUE(absl::IsUnavailable(frontend_->StopQueue(1).status()));
  Run(kSoon);
  last().device().AnswerOldest();

  EXPECT_THAT(Used(1), ElementsAre(id));
  EXPECT_NE(host_->StopQueue(1), std::nullopt);
  EXPECT_FALSE(host_->needs_reset());
}

// A front end that must not ask twice, and a back end that does not say what it has in flight.
TEST_P(ReconnectTest, WithoutReplayTheDriverHasToResetTheDevice) {
  takes_over_ = GetParam() != 0;
  Create(/*replays=*/GetParam() == 0);
  guest_->Start();
  Send(1);
  last().Die();
  Run();

  EXPECT_TRUE(host_->needs_reset());
  Run(kSoon);
  EXPECT_EQ(attempts_, 1);
  EXPECT_EQ(host_->StopQueue(0), std::nullopt);
  guest_->Restart();
  const uint16_t id = Send(0);
  EXPECT_THAT(Used(0), ElementsAre(id));
  EXPECT_FALSE(host_->needs_reset());
}

TEST_P(ReconnectTest, AProcessThatOffersLessIsNotTaken) {
  Create();
  guest_->Start();
  const uint16_t id = Send(1);
  takes_over_ = false;
  last().Die();
  Run();
  Run(absl::Seconds(10));
  EXPECT_GT(attempts_, 5);
  EXPECT_THAT(Used(1), ElementsAre());
  takes_over_ = true;
  Run(absl::Seconds(1));
  last().device().AnswerOldest();

  EXPECT_THAT(Used(1), ElementsAre(id));
}

INSTANTIATE_TEST_SUITE_P(Rings, ReconnectTest, testing::Values(uint64_t{0}, kVirtioPackedRing));

}  // namespace
}  // namespace touchstone
