#include "vmm/gdb/session.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/gdb/fake_target.h"
#include "vmm/gdb/packet.h"

namespace touchstone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

using Reason = GdbStop::Reason;

class GdbSessionTest : public testing::Test {
 protected:
  GdbSessionTest() {
    session_.emplace(target_, [this](absl::string_view bytes) { absl::StrAppend(&sent_, bytes); });
  }

  // The payload of what the packet is answered with; "" when nothing is.
  std::string Ask(absl::string_view packet) {
    sent_.clear();
    session_->Feed(EncodeGdbPacket(packet));
    return Payload();
  }
  std::string Payload() const {
    std::string payload;
    GdbPacketReader reader;
    reader.Feed(sent_, [&](const GdbInput& input) {
      if (input.kind == GdbInput::Kind::kPacket) payload = std::string(input.payload);
    });
    return payload;
  }

  // Uses up the breakpoint registers: watches from 0x200 on.
  void TakeRegisters() {
    for (int i = 0; i < 4; ++i) {
      ASSERT_EQ(Ask(absl::StrCat("Z2,", absl::Hex(0x200 + 8 * i), ",8")), "OK");
    }
  }

  FakeTarget target_{2};
  std::string sent_;
  std::optional<GdbSession> session_;
};

TEST_F(GdbSessionTest, AcknowledgesAndAnswers) {
  session_->Feed("$qAttached#8f");

  EXPECT_EQ(sent_, "+$1#31");
}

TEST_F(GdbSessionTest, WithoutAcknowledgementsAfterItIsAsked) {
  EXPECT_EQ(Ask("QStartNoAckMode"), "OK");
  sent_.clear();

  session_->Feed("$qAttached#8f");
  session_->Feed("$qAttached#00");

  EXPECT_EQ(sent_, "$1#31");
}

TEST_F(GdbSessionTest, CorruptPacketsAndAnswersAreSentAgain) {
  session_->Feed("$qAttached#00");
  EXPECT_EQ(sent_, "-");
  Ask("qAttached");
  sent_.clear();

  session_->Feed("-");

  EXPECT_EQ(sent_, "$1#31");
}

TEST_F(GdbSessionTest, UnknownPacketsGetTheEmptyAnswer) {
  sent_.clear();
  session_->Feed(EncodeGdbPacket("vMustReplyEmpty"));

  EXPECT_EQ(sent_, "+$#00");
}

TEST_F(GdbSessionTest, SaysWhatItCan) {
  const std::string features = Ask("qSupported:multiprocess+;xmlRegisters=i386");

  EXPECT_THAT(features, HasSubstr("PacketSize=4000"));
  EXPECT_THAT(features, HasSubstr("qXfer:features:read+"));
  EXPECT_EQ(Ask("vCont?"), "vCont;c;C;s;S");
}

TEST_F(GdbSessionTest, TargetDescriptionComesInPieces) {
  std::string xml;
  for (;;) {
    const std::string part =
        Ask(absl::StrCat("qXfer:features:read:target.xml:", absl::Hex(xml.size()), ",400"));
    ASSERT_FALSE(part.empty());
    xml += part.substr(1);
    if (part[0] == 'l') break;
  }

  EXPECT_EQ(xml, GdbTargetDescription());
  EXPECT_EQ(Ask("qXfer:features:read:target.xml:100000,10"), "l");
}

TEST_F(GdbSessionTest, VcpusAreThreads) {
  EXPECT_EQ(Ask("qfThreadInfo"), "m1,2");
  EXPECT_EQ(Ask("qsThreadInfo"), "l");
  EXPECT_EQ(Ask("qThreadExtraInfo,2"), "764350552031");
  EXPECT_EQ(Ask("T2"), "OK");
  EXPECT_EQ(Ask("T3"), "E16");
  EXPECT_EQ(Ask("T0"), "E16");
  EXPECT_EQ(Ask("Hg3"), "E16");
  EXPECT_EQ(Ask("Hg2"), "OK");
  EXPECT_EQ(Ask("qC"), "QC2");
}

TEST_F(GdbSessionTest, RegistersOfTheChosenThread) {
  target_.states[1].general.rip = 0x1234;
  Ask("Hg2");

  EXPECT_EQ(Ask("p10"), "3412000000000000");
  EXPECT_EQ(Ask("P10=7856000000000000"), "OK");
  EXPECT_EQ(target_.states[1].general.rip, 0x5678u);
  EXPECT_EQ(target_.states[0].general.rip, 0u);
  EXPECT_EQ(Ask("pfff"), "E16");
  EXPECT_EQ(Ask("P10=78"), "E16");
}

TEST_F(GdbSessionTest, AllRegistersAtOnce) {
  std::string all = Ask("g");
  ASSERT_THAT(all, StartsWith(std::string(16, '0')));
  all.replace(0, 4, "efbe");

  EXPECT_EQ(Ask(absl::StrCat("G", all)), "OK");

  EXPECT_EQ(target_.states[0].general.rax, 0xBEEFu);
  EXPECT_EQ(Ask("g"), all);
  EXPECT_EQ(Ask("G00"), "E16");
}

TEST_F(GdbSessionTest, MemoryIsReadAndWritten) {
  EXPECT_EQ(Ask("M100,3:010203"), "OK");
  EXPECT_EQ(Ask("m100,4"), "01020300");
  EXPECT_EQ(Ask("X200,2:abc"), "E16");
  EXPECT_EQ(Ask("X200,2:}#"), "OK");
  EXPECT_EQ(Ask("m200,2"), "7d23");
  EXPECT_EQ(Ask("mfff0,20"), "00000000000000000000000000000000");
  EXPECT_EQ(Ask("m10000,1"), "E0e");
  EXPECT_EQ(Ask("Mffff,2:0102"), "E0e");
  EXPECT_EQ(Ask("M100,2:01"), "E16");
  EXPECT_EQ(Ask("M100,1:0g"), "E16");
  EXPECT_EQ(Ask("m100"), "E16");
}

TEST_F(GdbSessionTest, ContinuesUntilABreakpoint) {
  TakeRegisters();
  ASSERT_EQ(Ask("Z0,100,1"), "OK");
  EXPECT_EQ(Ask("m100,1"), "00");

  EXPECT_EQ(Ask("vCont;c"), "");
  ASSERT_TRUE(target_.running());
  EXPECT_THAT(target_.last_run.software, ElementsAre(0x100));
  EXPECT_EQ(target_.last_run.breakpoints[1]->address, 0x208u);
  target_.Stop({.reason = Reason::kSoftware, .vcpu = 1});

  EXPECT_EQ(Payload(), "T05thread:2;swbreak:;");
  EXPECT_EQ(Ask("?"), "T05thread:2;swbreak:;");
  EXPECT_EQ(Ask("qC"), "QC2");
}

TEST_F(GdbSessionTest, StopsSayWhy) {
  const std::vector<std::pair<GdbStop, std::string>> cases = {
      {{.reason = Reason::kInterrupt}, "T02thread:1;"},
      {{.reason = Reason::kStep}, "T05thread:1;"},
      {{.reason = Reason::kHardware, .vcpu = 1}, "T05thread:2;hwbreak:;"},
      {{.reason = Reason::kWrite, .address = 0xAB}, "T05thread:1;watch:ab;"},
      {{.reason = Reason::kAccess, .address = 0xAB}, "T05thread:1;awatch:ab;"},
  };
  for (const auto& [stop, reply] : cases) {
    Ask("c");
    target_.Stop(stop);
    EXPECT_EQ(Payload(), reply);
  }
}

TEST_F(GdbSessionTest, EachThreadDoesWhatItIsTold) {
  const auto runs = [this] {
    std::string text;
    for (const GdbRun::Vcpu& vcpu : target_.last_run.vcpus) {
      text += vcpu.step ? 's' : vcpu.runs ? 'c' : '-';
    }
    return text;
  };
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"vCont;c", "cc"},       {"vCont;s:1;c", "sc"}, {"vCont;s:2", "-s"}, {"vCont;C05:1", "c-"},
      {"vCont;s:2;c:1", "cs"}, {"vCont;s:-1", "ss"},  {"c", "cc"},         {"s", "sc"},
  };
  for (const auto& [packet, expected] : cases) {
    Ask("Hg1");
    EXPECT_EQ(Ask(packet), "") << packet;
    ASSERT_TRUE(target_.running()) << packet;
    EXPECT_EQ(runs(), expected) << packet;
    target_.Stop({.reason = Reason::kStep});
  }
  for (const char* const packet : {"vCont;x", "vCont;c:3", "vCont;c:0", "vCont;", "c100"}) {
    EXPECT_EQ(Ask(packet), "E16") << packet;
    EXPECT_FALSE(target_.running()) << packet;
  }
}

TEST_F(GdbSessionTest, WhileItRunsOnlyAnInterruptIsTaken) {
  Ask("c");
  EXPECT_EQ(Ask("g"), "E16");
  sent_.clear();

  session_->Feed("\x03");

  EXPECT_EQ(Payload(), "T02thread:1;");
  EXPECT_FALSE(target_.running());
}

TEST_F(GdbSessionTest, HostThatCannotGoOnIsAnError) {
  target_.resume_status = absl::InternalError("KVM_SET_GUEST_DEBUG");

  EXPECT_EQ(Ask("c"), "E05");
  EXPECT_THAT(Ask("?"), StartsWith("T05"));
}

TEST_F(GdbSessionTest, BreakpointsThatCannotBe) {
  for (int i = 0; i < 4; ++i) ASSERT_EQ(Ask(absl::StrCat("Z1,", i, ",1")), "OK");
  EXPECT_EQ(Ask("Z1,8,1"), "E1c");
  EXPECT_EQ(Ask("z1,0,1"), "OK");
  EXPECT_EQ(Ask("Z2,101,8"), "E16");
  EXPECT_EQ(Ask("z0,100,1"), "E16");
  EXPECT_EQ(Ask("Z3,100,1"), "");
  EXPECT_EQ(Ask("Z0"), "E16");
  EXPECT_EQ(Ask("Z0,x,1"), "E16");
}

TEST_F(GdbSessionTest, DetachTakesTheBreakpointsAway) {
  TakeRegisters();
  ASSERT_EQ(Ask("Z0,100,1"), "OK");
  ASSERT_EQ(*target_.memory().ReadObject<uint8_t>(GuestAddress{0x100}), 0xCC);

  EXPECT_EQ(Ask("D"), "OK");

  EXPECT_TRUE(session_->finished());
  EXPECT_EQ(target_.detached, 1);
  EXPECT_EQ(*target_.memory().ReadObject<uint8_t>(GuestAddress{0x100}), 0);
  EXPECT_EQ(Ask("g"), "");
}

TEST_F(GdbSessionTest, SoDoesADebuggerThatGoesWhileTheMachineRuns) {
  TakeRegisters();
  ASSERT_EQ(Ask("Z0,100,1"), "OK");
  Ask("c");

  session_.reset();

  EXPECT_EQ(target_.detached, 1);
  EXPECT_EQ(*target_.memory().ReadObject<uint8_t>(GuestAddress{0x100}), 0);
}

TEST_F(GdbSessionTest, KillEndsTheMachine) {
  EXPECT_EQ(Ask("vKill;1"), "OK");
  EXPECT_EQ(target_.killed, 1);
  session_.reset();
  EXPECT_EQ(target_.detached, 0);
}

TEST_F(GdbSessionTest, EndOfTheMachineIsTold) {
  Ask("c");
  sent_.clear();

  session_->Ended(32);

  EXPECT_EQ(Payload(), "W20");
}

}  // namespace
}  // namespace touchstone
