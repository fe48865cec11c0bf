#include "devices/virtio/vhost_user/frontend.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/event/manual_loop.h"
#include "base/event_fd.h"
#include "base/fd_socket.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/testing/echo_device.h"
#include "devices/virtio/testing/guest_driver.h"
#include "devices/virtio/testing/recording_interrupt.h"
#include "devices/virtio/testing/vhost_user_host.h"
#include "devices/virtio/vhost_user/raw_peer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::HasSubstr;

using Request = VhostUserRequest;

// --- With our own back end.

class VhostUserFrontendTest : public testing::Test {
 protected:
  VhostUserFrontendTest()
      : device_(loop_),
        host_(device_,
              GuestDriver::MemoryFor(2, GuestDriver::kQueueMemory, GuestMemory::Backing::kMemfd),
              loop_) {}

  // A driver that is attached, without queues.
  absl::Status Attach() {
    return host_.frontend().Attach(
        {.features = kVirtioVersion1, .memory = host_.memory(), .interrupt = &interrupt_});
  }

  ManualLoop loop_;
  EchoDevice device_;
  VhostUserHost host_;
  RecordingInterrupt interrupt_;
};

TEST_F(VhostUserFrontendTest, OffersWhatTheDeviceOffers) {
  EXPECT_EQ(host_.frontend().device_id(), EchoDevice::kDeviceId);
  EXPECT_EQ(host_.frontend().features(), device_.features());
  EXPECT_THAT(host_.frontend().max_queue_sizes(), testing::ElementsAre(64, 16));
}

TEST_F(VhostUserFrontendTest, CarriesRequests) {
  GuestDriver guest(host_, {.features = ~uint64_t{0}});
  guest.Start();
  guest.queue(0).Chain().Readable({0x5A, 1}).Writable(8).Send();
  guest.Kick(0);
  loop_.RunReady();

  EXPECT_EQ(guest.queue(0).PollUsed()->length, 2u);
  EXPECT_EQ(guest.interrupt().queue_signals(0), 1);
}

TEST_F(VhostUserFrontendTest, CarriesConfigurationChanges) {
  GuestDriver guest(host_, {});
  guest.Start();
  device_.ChangeConfig(77);
  loop_.RunReady();
  uint8_t value = 0;
  host_.ReadConfig(4, {&value, 1});

  EXPECT_EQ(guest.interrupt().config_signals(), 1);
  EXPECT_EQ(value, 77);
}

// The back end signals the transport's own descriptor while there is one.
TEST_F(VhostUserFrontendTest, InterruptsPassUsBy) {
  GuestDriver guest(host_, {});
  guest.Start();
  const EventFd trigger = EventFd::Create().value();
  const auto request = [&] {
    guest.queue(0).Chain().Readable({1}).Writable(1).Send();
    guest.Kick(0);
    loop_.RunReady();
  };
  guest.interrupt().SetTrigger(0, &trigger);
  host_.backend_loop().RunReady();
  request();
  EXPECT_EQ(trigger.Drain(), 1u);
  EXPECT_EQ(guest.interrupt().queue_signals(0), 0);
  guest.interrupt().SetTrigger(0, nullptr);
  host_.backend_loop().RunReady();
  request();

  EXPECT_EQ(trigger.Drain(), 0u);
  EXPECT_EQ(guest.interrupt().queue_signals(0), 1);
}

TEST_F(VhostUserFrontendTest, CarriesState) {
  const std::string state = host_.frontend().Save().value();
  EXPECT_EQ(state, device_.Save().value());
  EXPECT_TRUE(host_.frontend().Restore("abcde").ok());
  EXPECT_EQ(device_.Save().value(), "abcde");
  EXPECT_EQ(host_.frontend().Restore("no state").code(), absl::StatusCode::kInvalidArgument);
  // More than a pipe holds.
  EXPECT_EQ(host_.frontend().Restore(std::string(1 << 20, 'x')).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(host_.frontend().Save().value(), "abcde");
}

TEST_F(VhostUserFrontendTest, MemoryWithoutADescriptorIsRefused) {
  const absl::Status status = host_.frontend().Attach(
      {.features = kVirtioVersion1, .memory = GuestDriver::MemoryFor(1), .interrupt = &interrupt_});

  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
}

// KE-81.
TEST_F(VhostUserFrontendTest, ALostBackEndAsksForAReset) {
  GuestDriver guest(host_, {});
  guest.Start();
  host_.KillBackend();
  loop_.RunReady();

  EXPECT_TRUE(host_.needs_reset());
  host_.Reset();
  EXPECT_EQ(Attach().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(host_.frontend().Save().ok());
}

TEST_F(VhostUserFrontendTest, ABackEndLostInARequestIsNoticed) {
  ASSERT_TRUE(Attach().ok());
  host_.KillBackend();
  uint8_t bytes[4] = {1, 2, 3, 4};
  host_.frontend().ReadConfig(0, absl::MakeSpan(bytes));

  EXPECT_EQ(interrupt_.broken(0), 1);
  EXPECT_THAT(bytes, testing::ElementsAre(1, 2, 3, 4));
  host_.frontend().WriteConfig(0, bytes);
  host_.frontend().Reset();
  loop_.RunReady();
  EXPECT_EQ(interrupt_.broken(0), 1);
}

TEST_F(VhostUserFrontendTest, LeavesNoDescriptors) {
  const int before = CountOpenFds();
  GuestDriver guest(host_, {});
  for (int i = 0; i < 3; ++i) {
    guest.Restart();
    EXPECT_TRUE(host_.StopQueue(1).has_value());
  }
  host_.Reset();
  const int after = CountOpenFds();

  EXPECT_LE(after,
            before + 3);  // The memory's, and a call and an error of queue 0 at the back end.
}

// --- With a back end that answers what it likes.

class ScriptedBackend final : public VhostUserWaiter {
 public:
  using Script = std::function<void(RawVhostUserPeer& peer, const VhostUserMessage& message)>;

  explicit ScriptedBackend(RawVhostUserPeer& peer) : peer_(peer) {
    Answer(Request::kGetFeatures, kVirtioVersion1 | kVhostUserProtocolFeatures);
    Answer(Request::kGetProtocolFeatures, 0);
    Answer(Request::kGetQueueNum, 1);
  }

  void Begin() override {}
  bool Wait(int /*fd*/, bool /*writable*/) override {
    bool worked = false;
    while (std::optional<VhostUserMessage> message = peer_.Receive()) {
      const Request request = static_cast<Request>(message->request);
      requests.push_back(request);
      if (const auto script = scripts_.find(request); script != scripts_.end()) {
        script->second(peer_, *message);
        worked = true;
      }
    }
    return worked;
  }

  void Answer(Request request, uint64_t number) {
    On(request, [request, number](RawVhostUserPeer& peer, const VhostUserMessage&) {
      Reply(peer, request, VhostUserPayload(Le64(number)));
    });
  }
  void On(Request request, Script script) { scripts_[request] = std::move(script); }
  static void Reply(RawVhostUserPeer& peer, Request request, const std::vector<uint8_t>& payload) {
    peer.SendMessage(static_cast<uint32_t>(request), kVhostUserVersion | kVhostUserReply, payload);
  }

  std::vector<Request> requests;

 private:
  RawVhostUserPeer& peer_;
  std::map<Request, Script> scripts_;
};

class HostileBackEnd : public testing::Test {
 protected:
  HostileBackEnd() : waiter_(std::make_unique<ScriptedBackend>(peer_)), script_(*waiter_) {}

  absl::Status Create(std::vector<uint16_t> queue_sizes = {16}, bool ask = false) {
    absl::StatusOr<std::unique_ptr<VhostUserFrontend>> frontend =
        VhostUserFrontend::Create(peer_.TakeOther(), loop_,
                                  {.device_id = 1,
                                   .queue_sizes = std::move(queue_sizes),
                                   .ask_queue_count = ask,
                                   .config_size = 8,
                                   .waiter = std::move(waiter_)});
    if (frontend.ok()) frontend_ = *std::move(frontend);
    return frontend.status();
  }
  std::vector<uint8_t> Config() {
    std::vector<uint8_t> bytes(8);
    frontend_->ReadConfig(0, absl::MakeSpan(bytes));
    return bytes;
  }

  ManualLoop loop_;
  RawVhostUserPeer peer_;
  std::unique_ptr<ScriptedBackend> waiter_;
  ScriptedBackend& script_;
  std::unique_ptr<VhostUserFrontend> frontend_;
  RecordingInterrupt interrupt_;
};

TEST_F(HostileBackEnd, SilenceIsAnError) {
  script_.On(Request::kGetFeatures, [](RawVhostUserPeer&, const VhostUserMessage&) {});

  const absl::Status status = Create();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("GET_FEATURES"));
}

TEST_F(HostileBackEnd, OtherRepliesAreErrors) {
  script_.On(Request::kGetFeatures, [](RawVhostUserPeer& peer, const VhostUserMessage&) {
    ScriptedBackend::Reply(peer, Request::kGetQueueNum, VhostUserPayload(Le64(uint64_t{1})));
  });

  EXPECT_THAT(std::string(Create().message()), HasSubstr("answers something else"));
}

TEST_F(HostileBackEnd, RequestsInsteadOfRepliesAreErrors) {
  script_.On(Request::kGetFeatures, [](RawVhostUserPeer& peer, const VhostUserMessage&) {
    peer.Send(Request::kGetFeatures);
  });

  EXPECT_THAT(std::string(Create().message()), HasSubstr("answers something else"));
}

TEST_F(HostileBackEnd, ShortRepliesAreErrors) {
  script_.On(Request::kGetFeatures, [](RawVhostUserPeer& peer, const VhostUserMessage&) {
    ScriptedBackend::Reply(peer, Request::kGetFeatures, {1, 2, 3});
  });

  EXPECT_THAT(std::string(Create().message()), HasSubstr("GET_FEATURES: 3 bytes"));
}

TEST_F(HostileBackEnd, QueueCountsAreChecked) {
  for (const uint64_t count : {uint64_t{0}, uint64_t{1}, uint64_t{257}, ~uint64_t{0}}) {
    RawVhostUserPeer peer;
    auto script = std::make_unique<ScriptedBackend>(peer);
    script->Answer(Request::kGetProtocolFeatures, kVhostUserMq);
    script->Answer(Request::kGetQueueNum, count);
    const absl::Status status =
        VhostUserFrontend::Create(
            peer.TakeOther(), loop_,
            {.device_id = 1, .queue_sizes = {16, 16}, .waiter = std::move(script)})
            .status();
    EXPECT_THAT(std::string(status.message()), HasSubstr("GET_QUEUE_NUM")) << count;
  }
}

TEST_F(HostileBackEnd, MaySayHowManyQueuesThereAre) {
  script_.Answer(Request::kGetProtocolFeatures, kVhostUserMq);
  script_.Answer(Request::kGetQueueNum, 3);
  ASSERT_TRUE(Create({64, 16}, true).ok());

  EXPECT_THAT(frontend_->max_queue_sizes(), testing::ElementsAre(64, 16, 16));
}

TEST_F(HostileBackEnd, OnlyBitsOfDevicesAreOffered) {
  script_.Answer(Request::kGetFeatures, ~uint64_t{0});
  ASSERT_TRUE(Create().ok());

  EXPECT_EQ(frontend_->features() & (uint64_t{1} << 26 | kVhostUserProtocolFeatures |
                                     kVirtioRingReset | kVirtioAccessPlatform),
            0u);
  EXPECT_NE(frontend_->features() & kVirtioVersion1, 0u);
}

// A back end of old.
TEST_F(HostileBackEnd, WorksWithoutProtocolFeatures) {
  script_.Answer(Request::kGetFeatures, kVirtioVersion1);
  script_.On(Request::kGetVringBase, [](RawVhostUserPeer& peer, const VhostUserMessage&) {
    ScriptedBackend::Reply(peer, Request::kGetVringBase,
                           VhostUserPayload(VhostUserVringState{.index = 0u, .num = 7u}));
  });
  ASSERT_TRUE(Create().ok());
  DirectHost host(*frontend_, GuestDriver::MemoryFor(1, 1 << 20, GuestMemory::Backing::kMemfd));
  GuestDriver guest(host, {});
  guest.Start();

  EXPECT_EQ(host.StopQueue(0)->available, 7);
  EXPECT_THAT(
      script_.requests,
      testing::ElementsAre(Request::kSetOwner, Request::kGetFeatures, Request::kSetFeatures,
                           Request::kSetMemTable, Request::kSetVringNum, Request::kSetVringBase,
                           Request::kSetVringAddr, Request::kSetVringCall, Request::kSetVringErr,
                           Request::kSetVringKick, Request::kGetVringBase));
  EXPECT_EQ(Config(), std::vector<uint8_t>(8));
  EXPECT_EQ(frontend_->Save().status().code(), absl::StatusCode::kUnimplemented);
}

TEST_F(HostileBackEnd, HearsTheStatusAndMayRefuseFeaturesByIt) {
  script_.Answer(Request::kGetProtocolFeatures, kVhostUserStatus);
  script_.Answer(Request::kGetStatus, 3);
  ASSERT_TRUE(Create().ok());
  const auto attach = [this] {
    return frontend_->Attach(
        {.features = kVirtioVersion1,
         .memory = GuestDriver::MemoryFor(1, 1 << 20, GuestMemory::Backing::kMemfd),
         .interrupt = &interrupt_});
  };
  const absl::Status refused = attach();
  script_.Answer(Request::kGetStatus, 0x0B);
  const absl::Status taken = attach();
  script_.requests.clear();
  frontend_->Reset();
  ASSERT_TRUE(attach().ok());  // It is heard what was said before.

  EXPECT_THAT(std::string(refused.message()), HasSubstr("refuses the driver's features"));
  EXPECT_TRUE(taken.ok()) << taken;
  EXPECT_THAT(script_.requests,
              testing::IsSupersetOf({Request::kSetStatus, Request::kSetMemTable}));
  EXPECT_EQ(std::count(script_.requests.begin(), script_.requests.end(), Request::kSetStatus), 2);
}

TEST_F(HostileBackEnd, MayRefuseAndLive) {
  script_.Answer(Request::kGetProtocolFeatures, kVhostUserReplyAck);
  script_.Answer(Request::kSetFeatures, 1);
  ASSERT_TRUE(Create().ok());
  const auto attach = [this] {
    return frontend_->Attach(
        {.features = kVirtioVersion1,
         .memory = GuestDriver::MemoryFor(1, 1 << 20, GuestMemory::Backing::kMemfd),
         .interrupt = &interrupt_});
  };

  EXPECT_EQ(attach().code(), absl::StatusCode::kAborted);
  script_.Answer(Request::kSetFeatures, 0);
  script_.Answer(Request::kSetMemTable, 0);
  EXPECT_TRUE(attach().ok());
}

// vhost-user, GET_CONFIG: an empty reply is an error.
TEST_F(HostileBackEnd, ConfigurationMayBeMissing) {
  script_.Answer(Request::kGetProtocolFeatures, kVhostUserConfigSpace);
  ASSERT_TRUE(Create().ok());
  for (const size_t size : {0, 12, 19, 21, 268}) {
    script_.On(Request::kGetConfig, [size](RawVhostUserPeer& peer, const VhostUserMessage&) {
      ScriptedBackend::Reply(peer, Request::kGetConfig, std::vector<uint8_t>(size, 0xAA));
    });
    EXPECT_EQ(Config(), std::vector<uint8_t>(8)) << size;
  }
  script_.On(Request::kGetConfig, [](RawVhostUserPeer& peer, const VhostUserMessage&) {
    ScriptedBackend::Reply(peer, Request::kGetConfig, std::vector<uint8_t>(20, 0xAA));
  });

  EXPECT_EQ(Config(), std::vector<uint8_t>(8, 0xAA));
}

TEST_F(HostileBackEnd, SpeakingUnaskedLosesIt) {
  ASSERT_TRUE(Create().ok());
  ASSERT_TRUE(
      frontend_
          ->Attach({.features = kVirtioVersion1,
                    .memory = GuestDriver::MemoryFor(1, 1 << 20, GuestMemory::Backing::kMemfd),
                    .interrupt = &interrupt_})
          .ok());
  loop_.RunReady();
  EXPECT_EQ(interrupt_.broken(0), 0);
  ScriptedBackend::Reply(peer_, Request::kGetFeatures, VhostUserPayload(Le64(uint64_t{1})));
  loop_.RunReady();

  EXPECT_EQ(interrupt_.broken(0), 1);
}

TEST_F(HostileBackEnd, NonsenseOnItsOwnChannelLosesIt) {
  ScopedFd channel;
  script_.Answer(Request::kGetProtocolFeatures, kVhostUserBackendReq);
  ASSERT_TRUE(Create().ok());
  ASSERT_TRUE(
      frontend_
          ->Attach({.features = kVirtioVersion1,
                    .memory = GuestDriver::MemoryFor(1, 1 << 20, GuestMemory::Backing::kMemfd),
                    .interrupt = &interrupt_})
          .ok());
  while (std::optional<VhostUserMessage> message = peer_.Receive()) {
    if (message->request == static_cast<uint32_t>(Request::kSetBackendReqFd)) {
      channel = std::move(message->fds[0]);
    }
  }
  ASSERT_TRUE(channel.valid());
  const FdSocket socket(std::move(channel));
  const std::vector<uint8_t> change =
      VhostUserPayload(VhostUserHeader{.request = 2u, .flags = 1u, .size = 0u});
  ASSERT_TRUE(socket.Send(change).ok());
  loop_.RunReady();
  EXPECT_EQ(interrupt_.config_signals(), 1);
  ASSERT_TRUE(socket.Send(std::vector<uint8_t>(12, 0xFF)).ok());
  loop_.RunReady();

  EXPECT_EQ(interrupt_.broken(0), 1);
}

TEST_F(HostileBackEnd, StateThatNeverEndsIsAnError) {
  script_.Answer(Request::kGetProtocolFeatures, kVhostUserDeviceState);
  ScopedFd kept;
  script_.On(Request::kSetDeviceStateFd,
             [&kept](RawVhostUserPeer& peer, const VhostUserMessage& message) {
               kept.Reset(fcntl(message.fds[0].get(), F_DUPFD_CLOEXEC, 0));
               ScriptedBackend::Reply(peer, Request::kSetDeviceStateFd,
                                      VhostUserPayload(Le64(kVhostUserNoFd)));
             });
  ASSERT_TRUE(Create().ok());

  EXPECT_EQ(frontend_->Save().status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(frontend_->Restore(std::string(1 << 20, 'x')).code(),
            absl::StatusCode::kDeadlineExceeded);
  kept.Reset();
  script_.Answer(Request::kSetDeviceStateFd, 1);
  EXPECT_EQ(frontend_->Save().status().code(), absl::StatusCode::kAborted);
}

// The real waiter, whose patience is short here.
TEST(VhostUserWaiterTest, HasPatience) {
  const auto [a, b] = FdSocket::CreatePair(FdSocket::Kind::kStream).value();
  const std::unique_ptr<VhostUserWaiter> waiter = MakeVhostUserWaiter(absl::Milliseconds(1));
  waiter->Begin();
  EXPECT_FALSE(waiter->Wait(a.fd(), false));
  EXPECT_TRUE(waiter->Wait(a.fd(), true));
  ASSERT_TRUE(b.Send(std::vector<uint8_t>{1}).ok());

  EXPECT_TRUE(waiter->Wait(a.fd(), false));
}

}  // namespace
}  // namespace touchstone
