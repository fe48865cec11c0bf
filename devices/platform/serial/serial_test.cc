#include "devices/platform/serial/serial.h"

#include <atomic>
#include <string>
#include <thread>

#include "absl/strings/string_view.h"
#include "devices/irq/recording_irq_line.h"
#include "devices/platform/serial/serial_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;

constexpr uint8_t kIdle = kLsrTransmitEmpty | kLsrTransmitterIdle;

class SerialTest : public ::testing::Test {
 protected:
  uint8_t In(uint64_t offset) {
    uint8_t value = 0xff;
    serial_.Read(offset, absl::MakeSpan(&value, 1));
    return value;
  }
  void Out(uint64_t offset, uint8_t value) {
    serial_.Write(offset, absl::MakeConstSpan(&value, 1));
  }
  void OutText(absl::string_view text) {
    for (const char c : text) Out(kSerialThr, static_cast<uint8_t>(c));
  }
  std::string ReadWhileReady() {
    std::string text;
    while ((In(kSerialLsr) & kLsrDataReady) != 0) text.push_back(static_cast<char>(In(kSerialRbr)));
    return text;
  }

  FakeOutput output_;
  FakeInput input_;
  RecordingIrqLine irq_;
  Serial serial_{output_, input_, irq_};
};

TEST_F(SerialTest, PowerOnValues) {
  EXPECT_EQ(In(kSerialIer), 0);
  EXPECT_EQ(In(kSerialIir), kIirNone);
  EXPECT_EQ(In(kSerialLcr), kLcr8Bits);
  EXPECT_EQ(In(kSerialMcr), kMcrOut2);
  EXPECT_EQ(In(kSerialLsr), kIdle);
  EXPECT_EQ(In(kSerialMsr), kMsrCts | kMsrDsr | kMsrDcd);
  EXPECT_EQ(In(kSerialScr), 0);
  Out(kSerialLcr, kLcrDivisor);
  EXPECT_EQ(In(kSerialDll), 12);
  EXPECT_EQ(In(kSerialDlm), 0);
}

TEST_F(SerialTest, ReservedBitsOfEachRegisterReadZero) {
  Out(kSerialIer, 0xff);
  Out(kSerialMcr, 0xff);
  Out(kSerialScr, 0xa5);
  Out(kSerialLcr, 0x7f);

  EXPECT_EQ(In(kSerialIer), 0x0f);
  EXPECT_EQ(In(kSerialMcr), 0x1f);
  EXPECT_EQ(In(kSerialScr), 0xa5);
  EXPECT_EQ(In(kSerialLcr), 0x7f);
}

TEST_F(SerialTest, DivisorLatchHidesDataAndInterruptEnable) {
  Out(kSerialIer, kIerModem);
  Out(kSerialLcr, kLcrDivisor | kLcr8Bits);
  Out(kSerialDll, 0x34);
  Out(kSerialDlm, 0x12);

  EXPECT_EQ(In(kSerialDll), 0x34);
  EXPECT_EQ(In(kSerialDlm), 0x12);
  EXPECT_EQ(output_.text(), "");
  Out(kSerialLcr, kLcr8Bits);
  EXPECT_EQ(In(kSerialIer), kIerModem);
}

TEST_F(SerialTest, TransmitIsImmediate) {
  OutText("hello\n");

  EXPECT_EQ(output_.text(), "hello\n");
  EXPECT_EQ(In(kSerialLsr), kIdle);
  EXPECT_FALSE(irq_.level());
}

TEST_F(SerialTest, FifosShowInIirOnlyWhenOn) {
  EXPECT_EQ(In(kSerialIir), kIirNone);
  Out(kSerialFcr, kFcrEnable);
  EXPECT_EQ(In(kSerialIir), kIirNone | kIirFifo);
  Out(kSerialFcr, 0);
  EXPECT_EQ(In(kSerialIir), kIirNone);
}

// Linux calls a UART without this one buggy (UART_BUG_THRE, UART_BUG_TXEN).
TEST_F(SerialTest, EnablingTransmitInterruptRaisesItEachTime) {
  Out(kSerialIer, kIerTransmit);
  EXPECT_TRUE(irq_.level());
  EXPECT_EQ(In(kSerialIir), kIirTransmit);
  EXPECT_FALSE(irq_.level());
  EXPECT_EQ(In(kSerialIir), kIirNone);

  Out(kSerialIer, 0);
  Out(kSerialIer, kIerTransmit);
  EXPECT_EQ(In(kSerialIir), kIirTransmit);
}

TEST_F(SerialTest, TransmitInterruptFollowsEachByte) {
  Out(kSerialIer, kIerTransmit);
  In(kSerialIir);
  const int edges = irq_.rising_edges();

  OutText("ab");

  EXPECT_TRUE(irq_.level());
  EXPECT_EQ(irq_.rising_edges(), edges + 1);
  EXPECT_EQ(In(kSerialIir), kIirTransmit);
}

TEST_F(SerialTest, CongestedOutputHoldsTheTransmitterBack) {
  output_.SetCapacity(SerialOutput::kBurst);
  Out(kSerialIer, kIerTransmit);
  In(kSerialIir);

  Out(kSerialThr, 'x');

  EXPECT_EQ(In(kSerialLsr), 0);
  EXPECT_EQ(In(kSerialIir), kIirNone);
  EXPECT_FALSE(irq_.level());

  output_.Drain();

  EXPECT_EQ(In(kSerialLsr), kIdle);
  EXPECT_TRUE(irq_.level());
  EXPECT_EQ(In(kSerialIir), kIirTransmit);
}

TEST_F(SerialTest, PollingForTheTransmitterDoesNotOpenTheReceiver) {
  output_.SetCapacity(0);
  Out(kSerialThr, 'x');

  for (int i = 0; i < 100; ++i) In(kSerialLsr);

  EXPECT_FALSE(input_.begun());
  EXPECT_EQ(output_.dropped(), 1);
}

TEST_F(SerialTest, ReceiveInterruptAtTriggerLevelAndTimeOutBelow) {
  const struct {
    uint8_t trigger;
    size_t level;
  } kCases[] = {{0x00, 1}, {0x40, 4}, {0x80, 8}, {0xc0, 14}};
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.level);
    Out(kSerialFcr, kFcrEnable | kFcrClearReceive | test.trigger);
    Out(kSerialIer, kIerReceive);
    input_.Type(std::string(test.level, 'a'));
    EXPECT_TRUE(irq_.level());
    EXPECT_EQ(In(kSerialIir), kIirReceive | kIirFifo);

    In(kSerialRbr);

    const bool left = test.level > 1;
    EXPECT_EQ(In(kSerialIir), (left ? kIirCharTimeout : kIirNone) | kIirFifo);
    EXPECT_EQ(irq_.level(), left);
    EXPECT_EQ(ReadWhileReady(), std::string(test.level - 1, 'a'));
    EXPECT_EQ(In(kSerialIir), kIirNone | kIirFifo);
    EXPECT_FALSE(irq_.level());
  }
}

TEST_F(SerialTest, WithoutFifosOneByteAtATime) {
  Out(kSerialIer, kIerReceive);
  input_.Type("abc");

  EXPECT_EQ(input_.waiting(), 2);
  EXPECT_EQ(In(kSerialIir), kIirReceive);
  EXPECT_EQ(ReadWhileReady(), "abc");
  EXPECT_EQ(In(kSerialRbr), 0);
}

TEST_F(SerialTest, HostInputStaysWithTheHostBeyondTheFifo) {
  Out(kSerialFcr, kFcrEnable);
  Out(kSerialIer, kIerReceive);
  input_.Type(std::string(1000, 'z'));

  EXPECT_EQ(input_.waiting(), 1000 - kSerialFifoSize);
  EXPECT_EQ(ReadWhileReady(), std::string(1000, 'z'));
  EXPECT_EQ(input_.waiting(), 0);
}

TEST_F(SerialTest, NothingIsReadFromTheHostBeforeTheGuestWantsIt) {
  input_.Type("early");
  Out(kSerialFcr, kFcrEnable | kFcrClearReceive);
  for (int i = 0; i < 50; ++i) {  // a kernel log through a polled console
    In(kSerialLsr);
    Out(kSerialThr, '.');
  }
  EXPECT_FALSE(input_.begun());

  Out(kSerialFcr, kFcrEnable | kFcrClearReceive | kFcrClearTransmit);
  Out(kSerialIer, kIerReceive);

  EXPECT_EQ(ReadWhileReady(), "early");
}

TEST_F(SerialTest, GuestThatPollsReceives) {
  input_.Type("key");

  for (int i = 1; i < Serial::kPollsToListen; ++i) EXPECT_EQ(In(kSerialLsr), kIdle);

  EXPECT_EQ(In(kSerialLsr), kIdle | kLsrDataReady);
  EXPECT_EQ(ReadWhileReady(), "key");
  EXPECT_FALSE(irq_.level());
}

TEST_F(SerialTest, ClosingTheReceiverGivesBackWhatTheGuestHasNotRead) {
  Out(kSerialFcr, kFcrEnable);
  Out(kSerialIer, kIerReceive);
  input_.Type("abcdefghijklmnopqrstuvwxyz");
  EXPECT_EQ(In(kSerialRbr), 'a');

  Out(kSerialIer, 0);

  EXPECT_EQ(In(kSerialLsr), kIdle);
  EXPECT_EQ(In(kSerialRbr), 0);
  EXPECT_EQ(input_.waiting(), 25);
  Out(kSerialIer, kIerReceive);
  EXPECT_EQ(ReadWhileReady(), "bcdefghijklmnopqrstuvwxyz");
}

TEST_F(SerialTest, ClearingTheReceiveFifoLosesNoInput) {
  Out(kSerialIer, kIerReceive);
  input_.Type("abcdefghijklmnopqrstuvwxyz");

  Out(kSerialFcr, kFcrEnable);
  Out(kSerialFcr, kFcrEnable | kFcrClearReceive);

  EXPECT_EQ(ReadWhileReady(), "abcdefghijklmnopqrstuvwxyz");
}

TEST_F(SerialTest, ClearingTheReceiveFifoDropsLoopedBytes) {
  Out(kSerialFcr, kFcrEnable);
  Out(kSerialIer, kIerReceive);
  input_.Type("host");
  Out(kSerialMcr, kMcrLoop);
  OutText("self");
  Out(kSerialMcr, 0);

  Out(kSerialFcr, kFcrEnable | kFcrClearReceive);

  EXPECT_EQ(ReadWhileReady(), "host");
}

TEST_F(SerialTest, LoopedBytesStayWhenLoopbackEnds) {
  Out(kSerialFcr, kFcrEnable);
  Out(kSerialMcr, kMcrLoop);
  input_.Type("host");
  OutText("self");
  Out(kSerialMcr, 0);
  EXPECT_EQ(In(kSerialRbr), 's');
  Out(kSerialIer, kIerReceive);
  Out(kSerialIer, 0);

  EXPECT_EQ(serial_.Save().looped, 3);
  EXPECT_EQ(ReadWhileReady(), "elf");
  Out(kSerialIer, kIerReceive);
  EXPECT_EQ(ReadWhileReady(), "host");
}

// What Linux's 8250 driver does until it listens (autoconfig, startup and set_termios in
// drivers/tty/serial/8250/8250_port.c), with input that is there from the beginning.
TEST_F(SerialTest, LinuxProbeAndStartupLoseNoInput) {
  const auto probe = [this] {
    Out(kSerialIer, 0);
    In(kSerialIer);
    Out(kSerialIer, kIerMask);
    In(kSerialIer);
    Out(kSerialIer, 0);
    Out(kSerialMcr, kMcrLoop | kMcrOut2 | kMcrRts);
    In(kSerialMsr);
    Out(kSerialMcr, kMcrOut2);
    Out(kSerialFcr, kFcrEnable);
    In(kSerialIir);
    Out(kSerialMcr, 0);
    Out(kSerialFcr, kFcrEnable);
    Out(kSerialFcr, kFcrEnable | kFcrClearReceive | kFcrClearTransmit);
    Out(kSerialFcr, 0);
    In(kSerialRbr);
    Out(kSerialIer, 0);
  };
  const auto clear = [this] {
    for (const uint64_t port : {kSerialLsr, kSerialRbr, kSerialIir, kSerialMsr}) In(port);
  };
  input_.Type("uname -r\n");

  probe();
  probe();
  Out(kSerialFcr, kFcrEnable);
  Out(kSerialFcr, kFcrEnable | kFcrClearReceive | kFcrClearTransmit);
  Out(kSerialFcr, 0);
  clear();
  Out(kSerialIer, kIerTransmit);
  clear();
  Out(kSerialIer, 0);
  clear();
  Out(kSerialIer, kIerReceive | kIerLineStatus);
  Out(kSerialFcr, kFcrEnable);
  Out(kSerialFcr, kFcrEnable | 0x80);

  EXPECT_EQ(ReadWhileReady(), "uname -r\n");
}

TEST_F(SerialTest, TurningFifosOffEmptiesThem) {
  Out(kSerialMcr, kMcrLoop);
  Out(kSerialFcr, kFcrEnable);
  OutText("abc");

  Out(kSerialFcr, 0);

  EXPECT_EQ(In(kSerialLsr), kIdle);
}

TEST_F(SerialTest, LoopbackFeedsTheReceiverAndNotTheHost) {
  Out(kSerialFcr, kFcrEnable);
  Out(kSerialIer, kIerReceive);
  Out(kSerialMcr, kMcrLoop);
  input_.Type("host");
  OutText("self");

  EXPECT_EQ(output_.text(), "");
  EXPECT_EQ(ReadWhileReady(), "self");

  Out(kSerialMcr, 0);
  EXPECT_EQ(ReadWhileReady(), "host");
}

TEST_F(SerialTest, LoopbackOverrunWithFifosLosesTheNewByte) {
  Out(kSerialFcr, kFcrEnable);
  Out(kSerialMcr, kMcrLoop);
  Out(kSerialIer, kIerLineStatus | kIerReceive);
  OutText("0123456789abcdefX");

  EXPECT_EQ(In(kSerialIir), kIirLineStatus | kIirFifo);
  EXPECT_EQ(In(kSerialLsr), kIdle | kLsrDataReady | kLsrOverrun);
  EXPECT_EQ(In(kSerialIir), kIirReceive | kIirFifo);
  EXPECT_EQ(ReadWhileReady(), "0123456789abcdef");
}

TEST_F(SerialTest, LoopbackOverrunWithoutFifosLosesTheOldByte) {
  Out(kSerialMcr, kMcrLoop);
  OutText("ab");

  EXPECT_EQ(In(kSerialLsr), kIdle | kLsrDataReady | kLsrOverrun);
  EXPECT_EQ(ReadWhileReady(), "b");
}

// The test by which Linux tells that a UART is there (autoconfig).
TEST_F(SerialTest, LoopbackConnectsModemLines) {
  Out(kSerialMcr, kMcrLoop | kMcrOut2 | kMcrRts);
  EXPECT_EQ(In(kSerialMsr) & 0xf0, kMsrDcd | kMsrCts);
  Out(kSerialMcr, kMcrLoop | kMcrOut1 | kMcrDtr);
  EXPECT_EQ(In(kSerialMsr) & 0xf0, kMsrRi | kMsrDsr);
}

TEST_F(SerialTest, ModemChangesInterruptUntilRead) {
  Out(kSerialIer, kIerModem);
  Out(kSerialMcr, kMcrLoop | kMcrOut1);  // CTS, DSR, DCD off, RI on
  EXPECT_EQ(In(kSerialIir), kIirModem);
  EXPECT_EQ(In(kSerialMsr), kMsrRi | kMsrDeltaCts | kMsrDeltaDsr | kMsrDeltaDcd);
  EXPECT_FALSE(irq_.level());

  Out(kSerialMcr, kMcrLoop);  // RI off: the trailing edge

  EXPECT_TRUE(irq_.level());
  EXPECT_EQ(In(kSerialMsr), kMsrTrailingRi);
  EXPECT_EQ(In(kSerialIir), kIirNone);
}

TEST_F(SerialTest, InterruptsComeInOrderOfPriority) {
  Out(kSerialFcr, kFcrEnable | 0x40);
  Out(kSerialMcr, kMcrLoop);
  OutText("0123456789abcdefX");
  Out(kSerialIer, kIerMask);

  EXPECT_EQ(In(kSerialIir), kIirLineStatus | kIirFifo);
  In(kSerialLsr);
  EXPECT_EQ(In(kSerialIir), kIirReceive | kIirFifo);
  ReadWhileReady();
  EXPECT_EQ(In(kSerialIir), kIirTransmit | kIirFifo);
  EXPECT_EQ(In(kSerialIir), kIirModem | kIirFifo);
  In(kSerialMsr);
  EXPECT_EQ(In(kSerialIir), kIirNone | kIirFifo);
  EXPECT_EQ(irq_.rising_edges(), 1);
}

TEST_F(SerialTest, WideAccessesAreBytesAtAscendingOffsets) {
  const uint8_t line_and_modem[] = {0x1b, 0x03};
  serial_.Write(kSerialLcr, line_and_modem);
  EXPECT_EQ(In(kSerialLcr), 0x1b);
  EXPECT_EQ(In(kSerialMcr), 0x03);

  uint8_t all[8];
  serial_.Read(0, absl::MakeSpan(all));
  EXPECT_THAT(all, ElementsAre(0, 0, kIirNone, 0x1b, 0x03, kIdle, 0xb0, 0));
}

// Every register, width, offset and a set of values: whatever is written, the readable bits stay
// within what the data sheet has, and bytes beyond the eighth port stay as they came.
TEST_F(SerialTest, SweepOfWidthsAndValues) {
  for (const uint8_t value : {0x00, 0x01, 0x55, 0x80, 0xaa, 0xff}) {
    for (uint64_t offset = 0; offset < kSerialPortCount + 2; ++offset) {
      for (size_t width = 1; width <= 8; ++width) {
        SCOPED_TRACE(testing::Message() << +value << " " << offset << " " << width);
        serial_.Write(offset, std::vector<uint8_t>(width, value));
        std::vector<uint8_t> data(width, 0xff);
        serial_.Read(offset, absl::MakeSpan(data));
        for (uint64_t at = std::max<uint64_t>(offset, kSerialPortCount); at < offset + width;
             ++at) {
          EXPECT_EQ(data[at - offset], 0xff);
        }
        Out(kSerialLcr, 0);
        EXPECT_EQ(In(kSerialIer) & ~kIerMask, 0);
        EXPECT_EQ(In(kSerialMcr) & ~kMcrMask, 0);
        EXPECT_EQ(In(kSerialLsr) & ~(kIdle | kLsrDataReady | kLsrOverrun), 0);
      }
    }
  }
}

TEST_F(SerialTest, SaveRestoreSaveIsEqual) {
  Out(kSerialLcr, kLcrDivisor);
  Out(kSerialDll, 1);
  Out(kSerialLcr, 0x1f);
  Out(kSerialFcr, kFcrEnable | 0x80);
  Out(kSerialMcr, kMcrLoop | kMcrOut1);
  Out(kSerialIer, kIerMask);
  Out(kSerialScr, 0x5a);
  OutText("0123456789abcdefX");
  const SerialState state = serial_.Save();

  RecordingIrqLine irq;
  Serial other(output_, input_, irq);
  ASSERT_TRUE(other.Restore(state).ok());

  EXPECT_EQ(other.Save(), state);
  EXPECT_EQ(state.received.size(), kSerialFifoSize);
  EXPECT_TRUE(irq.level());
}

TEST_F(SerialTest, RestoredPortReceives) {
  Out(kSerialFcr, kFcrEnable);
  Out(kSerialIer, kIerReceive);
  FakeInput input;
  RecordingIrqLine irq;
  Serial other(output_, input, irq);
  ASSERT_TRUE(other.Restore(serial_.Save()).ok());

  input.Type("x");

  EXPECT_TRUE(irq.level());
  EXPECT_THAT(other.Save().received, ElementsAre('x'));
}

TEST_F(SerialTest, RestoreOfGarbageIsAnErrorAndChangesNothing) {
  const SerialState good = serial_.Save();
  const auto garbage = [&good](auto damage) {
    SerialState state = good;
    damage(state);
    return state;
  };
  const SerialState kCases[] = {
      garbage([](SerialState& s) { s.interrupt_enable = 0x10; }),
      garbage([](SerialState& s) { s.fifo_control = kFcrTriggerMask; }),
      garbage([](SerialState& s) { s.fifo_control = kFcrEnable | kFcrClearReceive; }),
      garbage([](SerialState& s) { s.modem_control = 0x20; }),
      garbage([](SerialState& s) { s.modem_deltas = 0x10; }),
      garbage([](SerialState& s) { s.idle_polls = Serial::kPollsToListen; }),
      garbage([](SerialState& s) {
        s.received.resize(2);
        s.looped = 2;
      }),
      garbage([](SerialState& s) { s.received.resize(1); }),
      garbage([](SerialState& s) { s.looped = 1; }),
      garbage([](SerialState& s) {
        s.fifo_control = kFcrEnable;
        s.received.resize(kSerialFifoSize + 1);
        s.looped = kSerialFifoSize + 1;
      }),
  };
  for (const SerialState& state : kCases) {
    EXPECT_EQ(serial_.Restore(state).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(serial_.Save(), good);
  }
}

// For ThreadSanitizer: two vCPUs and the loop at once, and every typed byte arrives.
TEST_F(SerialTest, VcpusAndLoopMayRunAtOnce) {
  constexpr int kBytes = 2000;
  Out(kSerialFcr, kFcrEnable);
  Out(kSerialIer, kIerReceive | kIerTransmit);
  std::atomic<int> received{0};

  std::thread loop([this] {
    for (int i = 0; i < kBytes; ++i) input_.Type("k");
  });
  std::thread writer([this] { OutText(std::string(kBytes, 'w')); });
  while (received < kBytes) {
    In(kSerialIir);
    if ((In(kSerialLsr) & kLsrDataReady) != 0 && In(kSerialRbr) == 'k') ++received;
  }
  loop.join();
  writer.join();

  EXPECT_EQ(output_.text(), std::string(kBytes, 'w'));
  EXPECT_EQ(input_.waiting(), 0);
}

}  // namespace
}  // namespace touchstone
