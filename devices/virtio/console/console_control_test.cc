#include "devices/virtio/console/console_control.h"

#include <cstring>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Message {
  uint32_t port;
  ConsoleEvent event;
  uint16_t value;
  std::string rest;
  friend bool operator==(const Message&, const Message&) = default;
};

ConsoleMessage Say(uint32_t port, ConsoleEvent event, uint16_t value) {
  return {.port = port, .event = static_cast<uint16_t>(event), .value = value};
}

class ConsoleControlTest : public testing::Test {
 protected:
  std::vector<Message> Messages() {
    std::vector<Message> messages;
    while (control_.HasMessage()) {
      const std::string bytes = control_.NextMessage();
      ConsoleMessage header;
      memcpy(&header, bytes.data(), sizeof(header));
      messages.push_back({header.port, static_cast<ConsoleEvent>(header.event.get()), header.value,
                          bytes.substr(sizeof(header))});
    }
    return messages;
  }
  static ConsoleState StateWithPorts(int count) {
    ConsoleState state;
    for (int i = 0; i < count; ++i) state.add_port();
    return state;
  }

  ConsoleControl control_{{{.name = "", .console = true}, {.name = "agent", .console = false}}};
};

TEST_F(ConsoleControlTest, SaysNothingUnasked) { EXPECT_THAT(Messages(), IsEmpty()); }

TEST_F(ConsoleControlTest, ReadyDriverLearnsOfThePorts) {
  control_.Receive(Say(0, ConsoleEvent::kDeviceReady, 1));

  EXPECT_THAT(Messages(), ElementsAre(Message{0, ConsoleEvent::kDeviceAdd, 1, ""},
                                      Message{1, ConsoleEvent::kDeviceAdd, 1, ""}));
}

TEST_F(ConsoleControlTest, DriverThatFailedLearnsNothing) {
  control_.Receive(Say(0, ConsoleEvent::kDeviceReady, 0));

  EXPECT_THAT(Messages(), IsEmpty());
}

TEST_F(ConsoleControlTest, ReadyConsoleIsIntroducedAndOpened) {
  control_.Resize(0x0102, 0x0304);
  control_.Receive(Say(0, ConsoleEvent::kPortReady, 1));

  EXPECT_THAT(Messages(), ElementsAre(Message{0, ConsoleEvent::kConsolePort, 1, ""},
                                      Message{0, ConsoleEvent::kPortOpen, 1, ""},
                                      Message{0, ConsoleEvent::kResize, 1, "\x02\x01\x04\x03"}));
}

TEST_F(ConsoleControlTest, ReadyChannelIsNamedAndOpened) {
  control_.Resize(80, 25);
  control_.Receive(Say(1, ConsoleEvent::kPortReady, 1));

  EXPECT_THAT(Messages(), ElementsAre(Message{1, ConsoleEvent::kPortName, 1, "agent"},
                                      Message{1, ConsoleEvent::kPortOpen, 1, ""}));
}

TEST_F(ConsoleControlTest, FailedPortIsLeftAlone) {
  control_.Receive(Say(0, ConsoleEvent::kPortReady, 1));
  control_.Receive(Say(0, ConsoleEvent::kPortReady, 0));
  control_.Resize(80, 25);

  EXPECT_THAT(Messages(), IsEmpty());
}

TEST_F(ConsoleControlTest, OnlyConsolesOfADriverAreResizedAndOnlyByChanges) {
  control_.Receive(Say(0, ConsoleEvent::kPortReady, 1));
  control_.Receive(Say(1, ConsoleEvent::kPortReady, 1));
  Messages();

  control_.Resize(80, 25);
  EXPECT_THAT(Messages(), ElementsAre(Message{0, ConsoleEvent::kResize, 1,
                                              std::string("\x50\x00\x19\x00", 4)}));
  control_.Resize(80, 25);
  EXPECT_THAT(Messages(), IsEmpty());
}

TEST_F(ConsoleControlTest, DriverOpensAndClosesAPort) {
  EXPECT_FALSE(control_.open(1));
  control_.Receive(Say(1, ConsoleEvent::kPortOpen, 1));
  EXPECT_TRUE(control_.open(1));
  EXPECT_FALSE(control_.open(0));
  control_.Receive(Say(1, ConsoleEvent::kPortOpen, 0));
  EXPECT_FALSE(control_.open(1));
}

TEST_F(ConsoleControlTest, NonsenseIsCounted) {
  control_.Receive(Say(2, ConsoleEvent::kPortReady, 1));
  control_.Receive(Say(0xFFFFFFFF, ConsoleEvent::kPortOpen, 1));
  control_.Receive(Say(0, ConsoleEvent::kConsolePort, 1));
  control_.Receive(Say(0, static_cast<ConsoleEvent>(0xFFFF), 1));

  EXPECT_EQ(control_.rejected(), 4u);
  EXPECT_THAT(Messages(), IsEmpty());
}

TEST_F(ConsoleControlTest, AskingWithoutEndDoesNotGrow) {
  for (int i = 0; i < 100000; ++i) control_.Receive(Say(0, ConsoleEvent::kDeviceReady, 1));

  EXPECT_EQ(Messages().size(), 2u);
}

TEST_F(ConsoleControlTest, ResetForgetsTheDriver) {
  control_.Receive(Say(0, ConsoleEvent::kDeviceReady, 1));
  control_.Receive(Say(1, ConsoleEvent::kPortOpen, 1));
  control_.Reset();

  EXPECT_FALSE(control_.open(1));
  EXPECT_THAT(Messages(), IsEmpty());
}

TEST_F(ConsoleControlTest, RestoreGoesOnWhereSaveWas) {
  control_.Receive(Say(1, ConsoleEvent::kPortReady, 1));
  control_.Receive(Say(1, ConsoleEvent::kPortOpen, 1));
  control_.NextMessage();
  ConsoleState state = StateWithPorts(2);
  control_.Save(state);
  control_.Reset();

  ASSERT_TRUE(control_.Check(state).ok());
  control_.Restore(state);

  EXPECT_TRUE(control_.open(1));
  EXPECT_THAT(Messages(), ElementsAre(Message{1, ConsoleEvent::kPortOpen, 1, ""}));
}

TEST_F(ConsoleControlTest, RestoreInAnotherTerminalResizes) {
  control_.Receive(Say(0, ConsoleEvent::kPortReady, 1));
  Messages();
  ConsoleState state = StateWithPorts(2);
  control_.Save(state);
  control_.Reset();
  control_.Resize(132, 50);

  control_.Restore(state);

  EXPECT_EQ(Messages().size(), 1u);
}

TEST_F(ConsoleControlTest, GarbageIsNoState) {
  ConsoleState message_that_does_not_exist = StateWithPorts(2);
  message_that_does_not_exist.mutable_port(0)->set_pending(1u << 8);

  EXPECT_FALSE(control_.Check(StateWithPorts(1)).ok());
  EXPECT_FALSE(control_.Check(message_that_does_not_exist).ok());
}

}  // namespace
}  // namespace touchstone
