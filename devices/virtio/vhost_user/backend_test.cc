#include "devices/virtio/vhost_user/backend.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/event/manual_loop.h"
#include "base/event_fd.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/testing/driver_queue.h"
#include "devices/virtio/testing/echo_device.h"
#include "devices/virtio/testing/guest_driver.h"
#include "devices/virtio/vhost_user/backend_testing.h"
#include "devices/virtio/vhost_user/raw_peer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::HasSubstr;

using Request = VhostUserRequest;

constexpr uint64_t kUser = 0x7F00'0000'0000;

Le64 Number(uint64_t value) { return value; }

VhostUserVringState State(uint32_t index, uint32_t number) {
  return {.index = index, .num = number};
}

TEST_F(VhostUserBackendTest, OffersWhatTheDeviceHas) {
  EXPECT_EQ(Ask(Request::kGetFeatures),
            device_.features() | kVhostUserProtocolFeatures | kVhostUserLogAll);
  EXPECT_EQ(Ask(Request::kGetProtocolFeatures),
            VhostUserBackend::kProtocolFeatures | kVhostUserInflightShmfd);
  EXPECT_EQ(Ask(Request::kGetQueueNum), 2u);
}

TEST_F(VhostUserBackendTest, ServesARing) {
  Start();

  EXPECT_TRUE(Works());
  EXPECT_EQ(call_.Drain(), 1u);
  EXPECT_EQ(error_.Drain(), 0u);
}

// vhost-user, "Ring states": without protocol features a ring starts enabled.
TEST_F(VhostUserBackendTest, RingsAreEnabledWithoutProtocolFeatures) {
  Negotiate(kVirtioVersion1);
  SetUpRing(0, kVirtioVersion1);
  loop_.RunReady();

  EXPECT_TRUE(Works());
}

TEST_F(VhostUserBackendTest, DisabledRingsKeepTheirRequests) {
  Negotiate();
  SetUpRing(0);
  EXPECT_FALSE(Works());
  peer_.Send(Request::kSetVringEnable, State(0, 1));
  loop_.RunReady();
  EXPECT_TRUE(driver_->PollUsed().has_value());
  peer_.Send(Request::kSetVringEnable, State(0, 0));
  loop_.RunReady();
  EXPECT_FALSE(Works());
  peer_.Send(Request::kSetVringEnable, State(0, 1));
  loop_.RunReady();

  EXPECT_TRUE(driver_->PollUsed().has_value());
}

TEST_F(VhostUserBackendTest, TellsWhereASplitRingIs) {
  Start();
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(Works());
  const uint32_t base = StopRing();
  EXPECT_EQ(base, 5u);
  EXPECT_FALSE(Works());  // Stopped: the sixth is left.
  SetUpRing(0, kFeatures, base);
  loop_.RunReady();

  EXPECT_TRUE(driver_->PollUsed().has_value());
  EXPECT_EQ(StopRing(), 6u);
}

// vhost-user, "Vring descriptor indices for packed virtqueues". Each request has two descriptors.
TEST_F(VhostUserBackendTest, TellsWhereAPackedRingIs) {
  constexpr uint64_t kPacked = kFeatures | kVirtioPackedRing;
  constexpr uint32_t kFresh = 0x8000'8000;  // Both wrap counters are 1.
  Negotiate(kPacked);
  SetUpRing(0, kPacked, kFresh);
  peer_.Send(Request::kSetVringEnable, State(0, 1));
  loop_.RunReady();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Works());
  const uint32_t base = StopRing();
  EXPECT_EQ(base, kFresh + 0x0006'0006);
  SetUpRing(0, kPacked, base);
  loop_.RunReady();
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(Works());

  EXPECT_EQ(StopRing(), 0x0002'0002u);  // One lap further.
}

// What was there before the ring's kick descriptor.
TEST_F(VhostUserBackendTest, FindsRequestsThatWereThereBefore) {
  Negotiate();
  SetUpRing(0);
  driver_->Chain().Readable({1}).Writable(1).Send();
  peer_.Send(Request::kSetVringEnable, State(0, 1));
  loop_.RunReady();

  EXPECT_TRUE(driver_->PollUsed().has_value());
}

TEST_F(VhostUserBackendTest, CallsComeLateIfTheirDescriptorDoes) {
  Start();
  const EventFd later = EventFd::Create().value();
  peer_.Send(Request::kSetVringCall, Number(kVhostUserNoFd));
  loop_.RunReady();
  EXPECT_TRUE(Works());
  EXPECT_EQ(call_.Drain(), 0u);
  peer_.Send(Request::kSetVringCall, Number(0), {later.fd()});
  loop_.RunReady();

  EXPECT_EQ(later.Drain(), 1u);
}

TEST_F(VhostUserBackendTest, KicksMayMoveToAnotherDescriptor) {
  Start();
  EXPECT_TRUE(Works());
  const EventFd other = EventFd::Create().value();
  peer_.Send(Request::kSetVringKick, Number(0), {other.fd()});
  loop_.RunReady();
  driver_->Chain().Readable({1}).Writable(1).Send();
  other.Signal();
  loop_.RunReady();

  EXPECT_TRUE(driver_->PollUsed().has_value());
}

TEST_F(VhostUserBackendTest, BrokenRingsSignalTheirError) {
  Start();
  const uint32_t senseless = 0xFFFF'0000;  // Flags 0, an index far ahead.
  ASSERT_TRUE(memory_.WriteObject(driver_->layout().driver, senseless).ok());
  kick_.Signal();
  loop_.RunReady();

  EXPECT_EQ(error_.Drain(), 1u);
  EXPECT_EQ(Error(), "");
}

// The driver chose where its ring is; the front end passes it on.
TEST_F(VhostUserBackendTest, RingsOutsideMemoryFailAndTheConnectionGoesOn) {
  Negotiate();
  SetUpRing(0);
  peer_.Send(Request::kSetVringAddr, VhostUserVringAddress{.index = 0u,
                                                           .flags = 0u,
                                                           .descriptors = uint64_t{1},
                                                           .used = kUser,
                                                           .available = kUser,
                                                           .log = uint64_t{0}});

  EXPECT_EQ(Tell(Request::kSetVringEnable, State(0, 1)), 1u);
  EXPECT_EQ(error_.Drain(), 1u);
  EXPECT_EQ(Error(), "");
  SetUpRing(0);
  loop_.RunReady();
  EXPECT_TRUE(Works());
}

TEST_F(VhostUserBackendTest, MemoryMayChangeUnderRunningRings) {
  Start();
  EXPECT_TRUE(Works());
  device_.WriteConfig(0, std::vector<uint8_t>{9});
  const ScopedFd more(memfd_create("more", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(more.get(), 0x10000), 0);
  const VhostUserSingleRegion added = {.padding = uint64_t{0},
                                       .region = {.guest_address = uint64_t{0x4000'0000},
                                                  .size = uint64_t{0x10000},
                                                  .user_address = uint64_t{0x1000},
                                                  .mmap_offset = uint64_t{0}}};
  EXPECT_EQ(Tell(Request::kAddMemReg, added, {more.get()}), 0u);
  EXPECT_TRUE(Works());
  EXPECT_TRUE(backend_->memory().Contains(GuestAddress{0x4000'0000}, 0x10000));
  EXPECT_EQ(Tell(Request::kRemMemReg, added), 0u);
  EXPECT_TRUE(Works());
  EXPECT_EQ(StopRing(), 3u);
  uint8_t kept = 0;
  device_.ReadConfig(0, {&kept, 1});

  EXPECT_EQ(kept, 9);
}

TEST_F(VhostUserBackendTest, RingsWithoutMemoryFail) {
  Start();
  peer_.Send(Request::kSetMemTable, VhostUserMemoryHeader{.regions = 0u, .padding = 0u});
  loop_.RunReady();
  EXPECT_FALSE(Works());
  EXPECT_EQ(Error(), "");
  SetMemory();
  peer_.Send(Request::kSetVringEnable, State(0, 1));
  loop_.RunReady();

  EXPECT_TRUE(driver_->PollUsed().has_value());
}

TEST_F(VhostUserBackendTest, SurvivesMemoryThatIsCutShort) {
  const ScopedFd file(memfd_create("memory", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(file.get(), 2 << 20), 0);
  memory_ = GuestMemory::MapFiles({{{.start = GuestAddress{kGuestStart},
                                     .size = 2 << 20,
                                     .file_offset = 0,
                                     .fd = file.get()}}})
                .value();
  Start();
  EXPECT_TRUE(Works());
  ASSERT_EQ(ftruncate(file.get(), 0), 0);
  kick_.Signal();
  loop_.RunReady();

  EXPECT_EQ(Error(), "");
}

TEST_F(VhostUserBackendTest, ReadsAndWritesConfiguration) {
  Negotiate();
  struct Config {
    VhostUserConfigHeader header;
    uint8_t bytes[4];
  };
  const Config write = {{.offset = 0u, .size = 4u, .flags = 0u}, {6, 7, 8, 9}};
  EXPECT_EQ(Tell(Request::kSetConfig, write), 0u);
  const Config read = {{.offset = 2u, .size = 4u, .flags = 0u}, {}};
  peer_.Send(Request::kGetConfig, read);
  const std::optional<VhostUserMessage> reply = Reply();

  ASSERT_EQ(reply->payload.size(), sizeof(Config));
  EXPECT_THAT(reply->Get<Config>().bytes, testing::ElementsAre(8, 9, 5, 0));
}

TEST_F(VhostUserBackendTest, TellsOfConfigurationChanges) {
  RawVhostUserPeer channel(VhostUserBackendTable());
  Start();
  device_.ChangeConfig(1);  // Without a channel.
  peer_.SendMessage(static_cast<uint32_t>(Request::kSetBackendReqFd), kVhostUserVersion, {},
                    {channel.TakeOther().get()});
  loop_.RunReady();
  EXPECT_FALSE(channel.Receive().has_value());
  device_.ChangeConfig(2);
  const std::optional<VhostUserMessage> message = channel.Receive();

  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->request, static_cast<uint32_t>(VhostUserBackendRequest::kConfigChange));
  for (int i = 0; i < 10000; ++i) device_.ChangeConfig(3);  // Nobody reads them.
  channel.Close();
  device_.ChangeConfig(4);
  EXPECT_EQ(Error(), "");
}

TEST_F(VhostUserBackendTest, ResetLeadsBackToTheStart) {
  Start();
  EXPECT_TRUE(Works());
  peer_.Send(Request::kResetDevice);
  loop_.RunReady();
  EXPECT_FALSE(Works());
  driver_.reset();
  Start();

  EXPECT_TRUE(Works());
}

TEST_F(VhostUserBackendTest, KeepsTheStatusOfTheDriver) {
  Negotiate();
  EXPECT_EQ(Ask(Request::kGetStatus), 0u);
  EXPECT_EQ(Tell(Request::kSetStatus, Number(0x4B)), 0u);  // NEEDS_RESET is not the driver's.
  EXPECT_EQ(Ask(Request::kGetStatus), 0x0Bu);
  peer_.Send(Request::kSetStatus, Number(256));

  EXPECT_THAT(Error(), HasSubstr("one byte"));
}

// Virtio 1.2, 2.1.
TEST_F(VhostUserBackendTest, TheStatusSaysThatTheDeviceGaveUp) {
  Start();
  peer_.Send(Request::kSetStatus, Number(0x0F));
  const uint32_t senseless = 0xFFFF'0000;  // As above.
  ASSERT_TRUE(memory_.WriteObject(driver_->layout().driver, senseless).ok());
  kick_.Signal();
  loop_.RunReady();
  EXPECT_EQ(Ask(Request::kGetStatus), 0x4Fu);
  peer_.Send(Request::kSetStatus, Number(0));
  loop_.RunReady();
  EXPECT_EQ(Ask(Request::kGetStatus), 0u);
}

// As QEMU does when it stops a device.
TEST_F(VhostUserBackendTest, AStatusOfZeroLeavesTheRingsWhereTheyAre) {
  Start();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Works());
  peer_.Send(Request::kSetStatus, Number(0));
  loop_.RunReady();

  EXPECT_EQ(StopRing(), 3u);
}

TEST_F(VhostUserBackendTest, OtherFeaturesNeedStoppedRings) {
  Start();
  peer_.Send(Request::kSetFeatures, Number(kFeatures));
  EXPECT_EQ(Error(), "");
  peer_.Send(Request::kSetFeatures, Number(kFeatures | kVirtioEventIndex));

  EXPECT_THAT(Error(), HasSubstr("SET_FEATURES: a ring runs"));
}

TEST_F(VhostUserBackendTest, SavesState) {
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
  const ScopedFd read_end(fds[0]);
  ScopedFd write_end(fds[1]);
  Negotiate();
  peer_.Send(Request::kSetDeviceStateFd,
             VhostUserStateRequest{.direction = kVhostUserStateSave, .phase = 0u},
             {write_end.get()});
  EXPECT_EQ(Reply()->Get<Le64>(), kVhostUserNoFd);
  write_end.Reset();
  char bytes[100];

  EXPECT_EQ(std::string(bytes, static_cast<size_t>(read(read_end.get(), bytes, 100))),
            device_.Save().value());
  EXPECT_EQ(read(read_end.get(), bytes, 100), 0);
  EXPECT_EQ(Ask(Request::kCheckDeviceState), 0u);
  EXPECT_EQ(Ask(Request::kCheckDeviceState), 1u);  // There was no other.
}

TEST_F(VhostUserBackendTest, RestoresStateThatIsWhole) {
  Negotiate();
  const auto restore = [this](std::string state, bool whole) {
    int fds[2];
    EXPECT_EQ(pipe2(fds, O_CLOEXEC), 0);
    const ScopedFd read_end(fds[0]);
    ScopedFd write_end(fds[1]);
    peer_.Send(Request::kSetDeviceStateFd,
               VhostUserStateRequest{.direction = kVhostUserStateLoad, .phase = 0u},
               {read_end.get()});
    EXPECT_EQ(Reply()->Get<Le64>(), kVhostUserNoFd);
    EXPECT_EQ(write(write_end.get(), state.data(), state.size()),
              static_cast<ssize_t>(state.size()));
    loop_.RunReady();
    if (whole) write_end.Reset();
    return Ask(Request::kCheckDeviceState);
  };

  EXPECT_EQ(restore("abcde", true), 0u);
  EXPECT_EQ(device_.Save().value(), "abcde");
  EXPECT_EQ(restore("vwxyz", false), 1u);
  EXPECT_EQ(restore("too long", true), 1u);
  EXPECT_EQ(device_.Save().value(), "abcde");
}

// A reader that is gone is EPIPE, not SIGPIPE.
TEST_F(VhostUserBackendTest, SavesStateToNobody) {
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
  {
    const ScopedFd read_end(fds[0]);
  }
  const ScopedFd write_end(fds[1]);
  Negotiate();
  peer_.Send(Request::kSetDeviceStateFd,
             VhostUserStateRequest{.direction = kVhostUserStateSave, .phase = 0u},
             {write_end.get()});
  Reply();

  EXPECT_EQ(Ask(Request::kCheckDeviceState), 1u);
}

TEST_F(VhostUserBackendTest, StateOfARunningDeviceIsAMistake) {
  Start();
  peer_.Send(Request::kSetDeviceStateFd,
             VhostUserStateRequest{.direction = kVhostUserStateSave, .phase = 0u}, {0});

  EXPECT_THAT(Error(), HasSubstr("SET_DEVICE_STATE_FD: a ring runs"));
}

TEST_F(VhostUserBackendTest, EndsInOrderWithItsFrontEnd) {
  const int before = CountOpenFds();
  Start();
  peer_.Close();
  loop_.RunReady();
  ASSERT_TRUE(why_.has_value());
  EXPECT_TRUE(why_->ok()) << *why_;
  EXPECT_FALSE(Works());
  backend_.reset();

  EXPECT_EQ(CountOpenFds(), before - 1);  // The socket too.
}

TEST_F(VhostUserBackendTest, MayBeDestroyedWhenItEnds) {
  RawVhostUserPeer peer;
  EchoDevice device(loop_);
  std::unique_ptr<VhostUserBackend> backend;
  backend = std::make_unique<VhostUserBackend>(device, peer.TakeOther(), loop_,
                                               [&](const absl::Status&) { backend.reset(); });
  peer.Send(Request::kGetVringBase, State(5000, 0));
  loop_.RunReady();

  EXPECT_EQ(backend, nullptr);
  EXPECT_TRUE(peer.closed());
}

// --- KE-78, KE-79: one message each, at the worst moment: while a ring runs.

struct Probe {
  const char* name;
  Request request;
  std::vector<uint8_t> payload;
  int fds = 0;
  const char* error;
};

class HostileFrontEnd : public VhostUserBackendTest, public testing::WithParamInterface<Probe> {};

TEST_P(HostileFrontEnd, IsLeft) {
  const Probe& probe = GetParam();
  const int before = CountOpenFds();
  Start();
  const EventFd event = EventFd::Create().value();
  peer_.SendMessage(static_cast<uint32_t>(probe.request), kVhostUserVersion, probe.payload,
                    std::vector<int>(static_cast<size_t>(probe.fds), event.fd()));

  EXPECT_THAT(Error(), HasSubstr(probe.error));
  EXPECT_TRUE(peer_.closed());
  backend_.reset();
  EXPECT_EQ(CountOpenFds(), before);  // Less the socket, and the event besides.
}

std::vector<uint8_t> Address(uint32_t index, uint32_t flags) {
  return VhostUserPayload(VhostUserVringAddress{.index = index,
                                                .flags = flags,
                                                .descriptors = kUser,
                                                .used = kUser,
                                                .available = kUser,
                                                .log = uint64_t{0}});
}

VhostUserLog Log(uint64_t size, uint64_t offset) {
  return {.mmap_size = size, .mmap_offset = offset};
}

VhostUserInflight Inflight(uint64_t size, uint16_t queues, uint16_t queue_size) {
  return {
      .mmap_size = size, .mmap_offset = uint64_t{0}, .queues = queues, .queue_size = queue_size};
}

template <typename T>
std::vector<uint8_t> Bytes(T payload) {
  return VhostUserPayload(payload);
}

INSTANTIATE_TEST_SUITE_P(
    Messages, HostileFrontEnd,
    testing::Values(
        Probe{"Features", Request::kSetFeatures, Bytes(Number(~uint64_t{0})), 0, "not offered"},
        Probe{"ProtocolFeatures", Request::kSetProtocolFeatures, Bytes(Number(~uint64_t{0})), 0,
              "not offered"},
        Probe{"TableCount", Request::kSetMemTable, Bytes(State(100, 0)), 0, "100 regions"},
        Probe{"TableWithoutFds", Request::kSetMemTable, std::vector<uint8_t>(8 + 32), 0,
              "0 regions in 32 bytes"},
        Probe{"TableOfEvents", Request::kSetMemTable,
              [] {
                std::vector<uint8_t> payload = Bytes(State(1, 0));
                payload.resize(8 + 32);
                payload[8 + 8 + 1] = 0x10;  // One page.
                return payload;
              }(),
              1, "not in a regular file"},
        Probe{"RemoveNothing", Request::kRemMemReg, std::vector<uint8_t>(40), 1, "no such memory"},
        Probe{"AddWithoutFd", Request::kAddMemReg, std::vector<uint8_t>(40), 0, "no descriptor"},
        Probe{"NumIndex", Request::kSetVringNum, Bytes(State(~0u, 1)), 0, "no ring 4294967295"},
        Probe{"NumZero", Request::kSetVringNum, Bytes(State(1, 0)), 0, "a size of 0"},
        Probe{"NumTooLarge", Request::kSetVringNum, Bytes(State(1, 65)), 0, "a size of 65"},
        Probe{"NumWhileRunning", Request::kSetVringNum, Bytes(State(0, 8)), 0, "ring 0 runs"},
        Probe{"AddrIndex", Request::kSetVringAddr, Address(9999, 0), 0, "no ring 9999"},
        Probe{"AddrFlags", Request::kSetVringAddr, Address(1, 2), 0, "unknown flags 2"},
        Probe{"AddrWhileRunning", Request::kSetVringAddr, Address(0, 0), 0, "ring 0 runs"},
        Probe{"LogWithoutFd", Request::kSetLogBase, Bytes(Log(4096, 0)), 0, "no descriptor"},
        Probe{"LogOfEvent", Request::kSetLogBase, Bytes(Log(4096, 0)), 1, "not in a regular file"},
        Probe{"LogEventWithoutFd", Request::kSetLogFd, {}, 0, "no descriptor"},
        Probe{"LogEventTwice", Request::kSetLogFd, {}, 2, "2 descriptors"},
        Probe{"BaseIndex", Request::kSetVringBase, Bytes(State(2, 0)), 0, "no ring 2"},
        Probe{"BaseWhileRunning", Request::kSetVringBase, Bytes(State(0, 0)), 0, "ring 0 runs"},
        Probe{"GetBaseIndex", Request::kGetVringBase, Bytes(State(5000, 0)), 0, "no ring 5000"},
        Probe{"KickIndex", Request::kSetVringKick, Bytes(Number(255)), 1, "no ring 255"},
        Probe{"KickBits", Request::kSetVringKick, Bytes(Number(0x1'0000)), 1, "unknown bits"},
        Probe{"KickWithoutFd", Request::kSetVringKick, Bytes(Number(0)), 0, "0 descriptors"},
        Probe{"KickNoFdWithFd", Request::kSetVringKick, Bytes(Number(0x100)), 1, "1 descriptors"},
        Probe{"KickPolling", Request::kSetVringKick, Bytes(Number(0x100)), 0, "polling"},
        Probe{"CallIndex", Request::kSetVringCall, Bytes(Number(77)), 1, "no ring 77"},
        Probe{"ErrTwice", Request::kSetVringErr, Bytes(Number(0)), 2, "2 descriptors"},
        Probe{"EnableIndex", Request::kSetVringEnable, Bytes(State(300, 1)), 0, "no ring 300"},
        Probe{"EnableTwo", Request::kSetVringEnable, Bytes(State(0, 2)), 0, "not 2"},
        Probe{"ConfigSize", Request::kGetConfig,
              Bytes(VhostUserConfigHeader{.offset = 0u, .size = ~0u, .flags = 0u}), 0,
              "4294967295 bytes at once"},
        Probe{"ConfigCut", Request::kSetConfig,
              Bytes(VhostUserConfigHeader{.offset = 0u, .size = 8u, .flags = 0u}), 0,
              "8 bytes of configuration in 0"},
        Probe{"ConfigFlags", Request::kSetConfig,
              Bytes(VhostUserConfigHeader{.offset = 0u, .size = 0u, .flags = 7u}), 0, "flags"},
        Probe{"InflightQueues", Request::kGetInflightFd, Bytes(Inflight(4096, 3, 16)), 0,
              "3 queues"},
        Probe{"InflightNoQueues", Request::kGetInflightFd, Bytes(Inflight(4096, 0, 16)), 0,
              "no queues"},
        Probe{"InflightQueueSize", Request::kGetInflightFd, Bytes(Inflight(4096, 2, 0xFFFF)), 0,
              "queues of 65535"},
        Probe{"InflightWithoutFd", Request::kSetInflightFd, Bytes(Inflight(4096, 2, 16)), 0,
              "no descriptor"},
        Probe{"InflightEvent", Request::kSetInflightFd, Bytes(Inflight(4096, 2, 16)), 1,
              "not in a regular file"},
        Probe{"InflightSize", Request::kSetInflightFd, Bytes(Inflight(~uint64_t{0}, 2, 16)), 1,
              "18446744073709551615 bytes"},
        Probe{"ChannelWithoutFd", Request::kSetBackendReqFd, {}, 0, "no descriptor"},
        Probe{"UnexpectedFds", Request::kGetFeatures, {}, 8, "8 descriptors"},
        Probe{"UnknownRequest", static_cast<Request>(1000), {}, 0, "unknown request"}),
    [](const auto& info) { return std::string(info.param.name); });

// As QEMU asks, with the padding of a C structure.
TEST_F(VhostUserBackendTest, GivesMemoryForChainsInFlight) {
  Negotiate();
  std::vector<uint8_t> padded = VhostUserPayload(Inflight(0, 2, 64));
  padded.resize(24);
  peer_.SendMessage(static_cast<uint32_t>(Request::kGetInflightFd), kVhostUserVersion, padded);
  std::optional<VhostUserMessage> reply = Reply();
  ASSERT_TRUE(reply.has_value());
  ASSERT_EQ(reply->fds.size(), 1u);
  EXPECT_EQ(reply->payload.size(), 24u);
  const auto description = reply->Get<VhostUserInflight>();
  EXPECT_EQ(description.queues, 2);
  EXPECT_EQ(description.queue_size, 64);
  EXPECT_EQ(lseek(reply->fds[0].get(), 0, SEEK_END), static_cast<off_t>(description.mmap_size));

  EXPECT_EQ(Tell(Request::kSetInflightFd, description, {reply->fds[0].get()}), 0u);
  SetUpRing(0);
  peer_.Send(Request::kSetVringEnable, State(0, 1));
  EXPECT_TRUE(Works());
  uint16_t used = 0;
  ASSERT_EQ(pread(reply->fds[0].get(), &used, 2, 14), 2);
  EXPECT_EQ(used, 1);
  peer_.Send(Request::kSetInflightFd, description, {reply->fds[0].get()});
  EXPECT_THAT(Error(), HasSubstr("a ring runs"));
}

// KE-78: a region that does not fit, and one that is cut short under the mapping.
TEST_F(VhostUserBackendTest, MemoryForChainsInFlightMayBeAnything) {
  Negotiate();
  const ScopedFd file(memfd_create("inflight", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(file.get(), 8192), 0);
  EXPECT_EQ(Tell(Request::kSetInflightFd, Inflight(4096, 1, 8), {file.get()}), 0u);
  SetUpRing(0);
  EXPECT_EQ(Tell(Request::kSetVringEnable, State(0, 1)), 1u);
  EXPECT_GT(error_.Drain(), 0u);
  EXPECT_EQ(Tell(Request::kSetInflightFd, Inflight(8192, 1, 64), {file.get()}), 0u);
  ASSERT_EQ(ftruncate(file.get(), 0), 0);
  EXPECT_EQ(Tell(Request::kSetVringEnable, State(0, 1)), 0u);

  EXPECT_TRUE(Works());
}

// A request of a protocol feature that was not negotiated.
TEST_F(VhostUserBackendTest, ProtocolFeaturesAreNeeded) {
  peer_.Send(Request::kResetDevice);

  EXPECT_THAT(Error(), HasSubstr("RESET_DEVICE: its protocol feature"));
}

TEST_F(VhostUserBackendTest, KicksOfOtherFilesAreRefused) {
  Negotiate();
  const ScopedFd file(open("/dev/null", O_RDWR | O_CLOEXEC));
  peer_.Send(Request::kSetVringKick, Number(0), {file.get()});

  EXPECT_THAT(Error(), HasSubstr("not an eventfd"));
}

// Rings in every half-made state.
TEST_F(VhostUserBackendTest, OrderDoesNotMatter) {
  peer_.Send(Request::kSetProtocolFeatures, Number(VhostUserBackend::kProtocolFeatures));
  peer_.Send(Request::kSetFeatures, Number(kFeatures));
  peer_.Send(Request::kSetVringEnable, State(0, 1));
  EXPECT_EQ(StopRing(), 0u);
  SetUpRing(0);
  peer_.Send(Request::kSetVringEnable, State(1, 1));
  peer_.Send(Request::kSetVringKick, Number(1), {kick_.fd()});
  SetMemory();
  peer_.Send(Request::kSetVringEnable, State(0, 1));
  loop_.RunReady();

  EXPECT_EQ(Error(), "");
  EXPECT_TRUE(Works());
}

}  // namespace
}  // namespace touchstone
