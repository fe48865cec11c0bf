#include "devices/virtio/console/console.h"

#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/event/manual_loop.h"
#include "devices/virtio/console/console.pb.h"
#include "devices/virtio/console/console_protocol.h"
#include "devices/virtio/console/console_testing.h"
#include "devices/virtio/core/virtio_features.h"
#include "devices/virtio/testing/guest_driver.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr uint64_t kAllFeatures = ~uint64_t{0} & ~kVirtioPackedRing;

absl::Span<const uint8_t> Bytes(absl::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string Text(const std::vector<uint8_t>& bytes, size_t size) {
  return std::string(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
}

class ConsoleTest : public testing::Test {
 protected:
  explicit ConsoleTest(Console::Kind kind = Console::Kind::kSingle) : console_(loop_, kind) {}

  GuestDriver::Options DriverOptions(uint64_t features) {
    return {.features = features, .queue_size = 8, .queue_memory = 1 << 20};
  }
  void Kick(uint16_t queue) {
    guest_->Kick(queue);
    loop_.RunReady();
  }
  void Start(uint64_t features = kAllFeatures) {
    guest_.emplace(*console_.device, DriverOptions(features));
    guest_->Start();
    loop_.RunReady();
  }
  void Write(absl::string_view text, uint16_t queue = 1) {
    guest_->queue(queue).Chain().Readable(Bytes(text)).Send();
    Kick(queue);
  }
  void Offer(uint32_t size, uint16_t queue = 0) {
    guest_->queue(queue).Chain().Writable(size).Send();
    Kick(queue);
  }
  void Type(absl::string_view text, size_t port = 0) {
    console_.inputs[port]->Type(text);
    loop_.RunReady();
  }
  // What the next buffer that came back holds; "(none)" if none did.
  std::string Received(uint16_t queue = 0) {
    const std::optional<DriverQueue::Used> used = guest_->queue(queue).PollUsed();
    return used.has_value() ? Text(used->data, used->length) : "(none)";
  }
  bool Returned(uint16_t queue = 1) { return guest_->queue(queue).PollUsed().has_value(); }
  std::string Config(uint32_t offset, size_t size) {
    std::string bytes(size, '\0');
    console_.device->ReadConfig(
        offset, absl::MakeSpan(reinterpret_cast<uint8_t*>(bytes.data()), bytes.size()));
    return bytes;
  }

  ManualLoop loop_;
  FakeConsole console_;
  std::optional<GuestDriver> guest_;
};

TEST_F(ConsoleTest, IsWhatADriverExpects) {
  EXPECT_EQ(console_.device->device_id(), 3u);
  EXPECT_THAT(console_.device->max_queue_sizes(), ElementsAre(256, 256));
  EXPECT_EQ(console_.device->features(),
            kVirtioVersion1 | kVirtioEventIndex | kConsoleSizeFeature | kConsoleEmergencyWrite);
}

TEST_F(ConsoleTest, OutputReachesTheHost) {
  Start();
  Write("hello, ");
  guest_->queue(1).Chain().Readable(Bytes("wor")).Readable(Bytes("ld")).Send();
  Kick(1);

  EXPECT_EQ(console_.outputs[0]->text(), "hello, world");
  EXPECT_TRUE(Returned());
  EXPECT_TRUE(Returned());
}

TEST_F(ConsoleTest, EmptyOutputComesBack) {
  Start();
  guest_->queue(1).Chain().Writable(4).Send();
  Kick(1);

  EXPECT_TRUE(Returned());
  EXPECT_EQ(console_.outputs[0]->text(), "");
}

TEST_F(ConsoleTest, LargeOutputArrivesWhole) {
  std::string text;
  for (int i = 0; text.size() < 300000; ++i) text += std::to_string(i);
  Start();
  Write(text);

  EXPECT_EQ(console_.outputs[0]->text(), text);
  EXPECT_TRUE(Returned());
}

TEST_F(ConsoleTest, SlowReaderHoldsTheChainBack) {
  Start();
  console_.outputs[0]->SetCapacity(20);
  Write("0123456789012345");
  EXPECT_TRUE(Returned());
  Write("abcdefghijklmnopqrst");
  Write("next");
  EXPECT_FALSE(Returned());
  EXPECT_EQ(console_.outputs[0]->text(), "0123456789012345");

  console_.outputs[0]->SetCapacity(SIZE_MAX);
  loop_.RunReady();

  EXPECT_TRUE(Returned());
  EXPECT_TRUE(Returned());
  EXPECT_EQ(console_.outputs[0]->text(), "0123456789012345abcdefghijklmnopqrstnext");
  EXPECT_EQ(console_.outputs[0]->dropped(), 0u);
}

TEST_F(ConsoleTest, NothingIsLostWhenTheQueueStopsInAChain) {
  Start();
  console_.outputs[0]->SetCapacity(32);
  const std::string text = "a chain that does not fit into what the reader has room for";
  Write(text);
  EXPECT_EQ(console_.outputs[0]->text(), text.substr(0, 32));

  const QueuePosition position = console_.device->StopQueue(1).value();
  EXPECT_TRUE(Returned());
  guest_->StartQueue(1, position);
  Write(", and another");
  console_.outputs[0]->SetCapacity(SIZE_MAX);
  loop_.RunReady();

  EXPECT_EQ(console_.outputs[0]->text(), text + ", and another");
}

TEST_F(ConsoleTest, LastWordsBeforeAResetAreWrittenWithoutADriver) {
  Start();
  console_.outputs[0]->SetCapacity(16);
  Write("panic: the last words of a guest");
  console_.device->Reset();

  console_.outputs[0]->SetCapacity(SIZE_MAX);

  EXPECT_EQ(console_.outputs[0]->text(), "panic: the last words of a guest");
}

TEST_F(ConsoleTest, InputFillsBuffersInOrder) {
  Start();
  Offer(4);
  Offer(10);
  Type("abcdef");

  EXPECT_EQ(Received(), "abcd");
  EXPECT_EQ(Received(), "ef");
  EXPECT_EQ(Received(), "(none)");
}

// KE-37: a port without buffers comes to life again.
TEST_F(ConsoleTest, InputWaitsForBuffers) {
  Start();
  Type("early");
  EXPECT_EQ(Received(), "(none)");
  Offer(2);
  Offer(64);

  EXPECT_EQ(Received(), "ea");
  EXPECT_EQ(Received(), "rly");
}

// KE-38: what the driver does not take stays with the host.
TEST_F(ConsoleTest, InputWithoutBuffersIsNotHoarded) {
  Start();
  const std::string flood(100000, 'x');
  for (int i = 0; i < 10; ++i) Type(flood);

  EXPECT_GE(console_.inputs[0]->waiting(), 1000000 - ConsolePort::kInputSize);
}

TEST_F(ConsoleTest, BuffersWithoutInputStayInTheRing) {
  Start();
  Offer(4);
  const QueuePosition position = console_.device->StopQueue(0).value();
  EXPECT_EQ(Received(), "(none)");
  guest_->StartQueue(0, position);
  Type("go");

  EXPECT_EQ(Received(), "go");
}

TEST_F(ConsoleTest, BufferWithoutRoomComesBackEmptyAndLosesNothing) {
  Start();
  guest_->queue(0).Chain().Readable({1}).Send();
  Kick(0);
  Type("kept");
  Offer(8);

  EXPECT_EQ(Received(), "");
  EXPECT_EQ(Received(), "kept");
}

TEST_F(ConsoleTest, ConfigurationHasTheSize) {
  Start();
  console_.device->Resize(80, 25);

  EXPECT_EQ(Config(0, 12), std::string("\x50\0\x19\0\x01\0\0\0\0\0\0\0", 12));
  EXPECT_EQ(Config(2, 1), "\x19");
  EXPECT_EQ(Config(11, 4), std::string(4, '\0'));
  EXPECT_EQ(Config(0xFFFFFFFF, 1), std::string(1, '\0'));
  EXPECT_EQ(guest_->interrupt().config_signals(), 1);
}

TEST_F(ConsoleTest, EmergencyWriteNeedsNoDriver) {
  const Le32 character = 'E';
  console_.device->WriteConfig(8, {reinterpret_cast<const uint8_t*>(&character), 4});
  console_.device->WriteConfig(8, {reinterpret_cast<const uint8_t*>(&character), 1});
  console_.device->WriteConfig(0, {reinterpret_cast<const uint8_t*>(&character), 4});

  EXPECT_EQ(console_.outputs[0]->text(), "EE");
}

TEST_F(ConsoleTest, LegacyHasNeitherFeaturesNorConfiguration) {
  FakeConsole legacy(loop_, Console::Kind::kLegacy);
  const Le32 character = 'E';
  legacy.device->Resize(80, 25);
  legacy.device->WriteConfig(8, {reinterpret_cast<const uint8_t*>(&character), 4});
  std::vector<uint8_t> config(12);
  legacy.device->ReadConfig(0, absl::MakeSpan(config));

  EXPECT_EQ(legacy.device->features(), kVirtioVersion1 | kVirtioEventIndex);
  EXPECT_THAT(legacy.device->max_queue_sizes(), SizeIs(2));
  EXPECT_THAT(config, testing::Each(0));
  EXPECT_EQ(legacy.outputs[0]->text(), "");
}

TEST_F(ConsoleTest, StateHoldsBytesOnTheirWay) {
  Start();
  console_.outputs[0]->SetCapacity(16);
  Write("0123456789012345 carried");
  Type("staged");
  console_.device->Reset();
  const std::string state = console_.device->Save().value();
  FakeConsole other(loop_, Console::Kind::kSingle);

  ASSERT_TRUE(other.device->Restore(state).ok());

  EXPECT_EQ(other.device->Save().value(), state);
  GuestDriver guest(*other.device, DriverOptions(kAllFeatures));
  guest.Start();
  guest.queue(0).Chain().Writable(64).Send();
  guest.Kick(0);
  loop_.RunReady();
  EXPECT_EQ(guest.queue(0).PollUsed()->length, 6u);
  EXPECT_EQ(other.outputs[0]->text(), " carried");
}

TEST_F(ConsoleTest, GarbageIsNoStateAndChangesNothing) {
  ConsoleState too_much;
  too_much.set_version(1);
  too_much.add_port()->set_input(std::string(ConsolePort::kInputSize + 1, 'x'));
  ConsoleState two_ports;
  two_ports.set_version(1);
  two_ports.add_port();
  two_ports.add_port();
  ConsoleState another_version;
  another_version.set_version(2);
  another_version.add_port();
  const std::string before = console_.device->Save().value();

  EXPECT_FALSE(console_.device->Restore("\xFF\xFF").ok());
  EXPECT_FALSE(console_.device->Restore("").ok());
  EXPECT_FALSE(console_.device->Restore(std::string(1 << 24, '\0')).ok());
  EXPECT_FALSE(console_.device->Restore(too_much.SerializeAsString()).ok());
  EXPECT_FALSE(console_.device->Restore(two_ports.SerializeAsString()).ok());
  EXPECT_FALSE(console_.device->Restore(another_version.SerializeAsString()).ok());
  EXPECT_EQ(console_.device->Save().value(), before);
}

// Two ports: a console and a channel called "data".
class ConsolePortsTest : public ConsoleTest {
 protected:
  ConsolePortsTest() : ConsoleTest(Console::Kind::kPorts) {}

  void Say(uint32_t port, ConsoleEvent event, uint16_t value) {
    const ConsoleMessage message = {
        .port = port, .event = static_cast<uint16_t>(event), .value = value};
    Write({reinterpret_cast<const char*>(&message), sizeof(message)}, kConsoleControlToDevice);
  }
  // The events of the buffers that came back.
  std::vector<ConsoleEvent> Events() {
    std::vector<ConsoleEvent> events;
    while (const auto used = guest_->queue(kConsoleControlToDriver).PollUsed()) {
      ConsoleMessage message;
      memcpy(&message, used->data.data(), sizeof(message));
      events.push_back(static_cast<ConsoleEvent>(message.event.get()));
    }
    return events;
  }
  void OfferControl(int count) {
    for (int i = 0; i < count; ++i) Offer(64, kConsoleControlToDriver);
  }
};

TEST_F(ConsolePortsTest, HasQueuesForEachPortAndForControl) {
  EXPECT_THAT(console_.device->max_queue_sizes(), SizeIs(6));
  EXPECT_EQ(console_.device->features() & kConsoleMultiport, kConsoleMultiport);
  EXPECT_EQ(Config(4, 4), std::string("\x02\0\0\0", 4));
}

TEST_F(ConsolePortsTest, IntroducesItsPorts) {
  Start();
  OfferControl(8);
  Say(0xFFFFFFFF, ConsoleEvent::kDeviceReady, 1);
  EXPECT_THAT(Events(), ElementsAre(ConsoleEvent::kDeviceAdd, ConsoleEvent::kDeviceAdd));

  Say(0, ConsoleEvent::kPortReady, 1);
  Say(1, ConsoleEvent::kPortReady, 1);

  EXPECT_THAT(Events(), ElementsAre(ConsoleEvent::kConsolePort, ConsoleEvent::kPortOpen,
                                    ConsoleEvent::kPortName, ConsoleEvent::kPortOpen));
}

TEST_F(ConsolePortsTest, MessagesWaitForBuffers) {
  Start();
  Say(0, ConsoleEvent::kDeviceReady, 1);
  EXPECT_THAT(Events(), IsEmpty());
  OfferControl(1);
  EXPECT_THAT(Events(), ElementsAre(ConsoleEvent::kDeviceAdd));
  OfferControl(2);
  EXPECT_THAT(Events(), ElementsAre(ConsoleEvent::kDeviceAdd));
}

TEST_F(ConsolePortsTest, ShortMessagesAndShortBuffersAreHarmless) {
  Start();
  Write("short", kConsoleControlToDevice);
  EXPECT_TRUE(Returned(kConsoleControlToDevice));
  Say(0, ConsoleEvent::kDeviceReady, 1);
  Offer(7, kConsoleControlToDriver);

  EXPECT_EQ(Received(kConsoleControlToDriver), "");
}

TEST_F(ConsolePortsTest, OutputOfEachPortGoesItsWay) {
  Start();
  Write("console", 1);
  Write("channel", 5);

  EXPECT_EQ(console_.outputs[0]->text(), "console");
  EXPECT_EQ(console_.outputs[1]->text(), "channel");
}

TEST_F(ConsolePortsTest, InputWaitsUntilThePortIsOpen) {
  Start();
  Offer(16, 4);
  Type("for the agent", 1);
  EXPECT_EQ(Received(4), "(none)");
  Say(1, ConsoleEvent::kPortOpen, 1);
  EXPECT_EQ(Received(4), "for the agent");

  Say(1, ConsoleEvent::kPortOpen, 0);
  Offer(16, 4);
  Type("too late", 1);
  EXPECT_EQ(Received(4), "(none)");
}

TEST_F(ConsolePortsTest, DriverWithoutPortsHasAConsole) {
  Start(kVirtioEventIndex);
  Offer(16);
  Type("typed");
  Write("shown");

  EXPECT_EQ(Received(), "typed");
  EXPECT_EQ(console_.outputs[0]->text(), "shown");
}

TEST_F(ConsolePortsTest, ResizeTellsTheConsole) {
  Start();
  OfferControl(4);
  Say(0, ConsoleEvent::kPortReady, 1);
  Events();

  console_.device->Resize(132, 50);
  loop_.RunReady();

  EXPECT_THAT(Events(), ElementsAre(ConsoleEvent::kResize));
}

TEST_F(ConsolePortsTest, StateSurvivesAMove) {
  Start();
  Say(1, ConsoleEvent::kPortReady, 1);
  Say(1, ConsoleEvent::kPortOpen, 1);
  for (uint16_t queue = 0; queue < 6; ++queue) ASSERT_TRUE(console_.device->StopQueue(queue).ok());
  const std::string state = console_.device->Save().value();
  FakeConsole other(loop_, Console::Kind::kPorts);
  ASSERT_TRUE(other.device->Restore(state).ok());

  EXPECT_EQ(other.device->Save().value(), state);
  GuestDriver guest(*other.device, DriverOptions(kAllFeatures));
  guest.Start();
  guest.queue(4).Chain().Writable(16).Send();
  guest.Kick(4);
  other.inputs[1]->Type("hello again");
  loop_.RunReady();

  EXPECT_EQ(guest.queue(4).PollUsed()->length, 11u);
}

}  // namespace
}  // namespace touchstone
