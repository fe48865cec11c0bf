#include "vmm/gdb/packet.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

using Kind = GdbInput::Kind;
using Inputs = std::vector<std::pair<Kind, std::string>>;

Inputs Read(GdbPacketReader& reader, absl::string_view bytes) {
  Inputs inputs;
  reader.Feed(bytes,
              [&](GdbInput input) { inputs.emplace_back(input.kind, std::string(input.payload)); });
  return inputs;
}

TEST(GdbPacketReader, ReadsPacketsAndWhatIsBetween) {
  GdbPacketReader reader;

  EXPECT_THAT(Read(reader, "+$g#67-\x03$m0,4#fd"),
              ElementsAre(Pair(Kind::kAck, ""), Pair(Kind::kPacket, "g"), Pair(Kind::kNack, ""),
                          Pair(Kind::kInterrupt, ""), Pair(Kind::kPacket, "m0,4")));
}

TEST(GdbPacketReader, TakesPiecesOfAnySize) {
  GdbPacketReader reader;
  Inputs all;

  for (const char byte : std::string("$vCont;c#a8")) {
    for (auto& input : Read(reader, std::string(1, byte))) all.push_back(std::move(input));
  }

  EXPECT_THAT(all, ElementsAre(Pair(Kind::kPacket, "vCont;c")));
}

TEST(GdbPacketReader, UndoesEscapes) {
  GdbPacketReader reader;

  EXPECT_THAT(Read(reader, EncodeGdbPacket("a#b$c}d*e")),
              ElementsAre(Pair(Kind::kPacket, "a#b$c}d*e")));
}

TEST(GdbPacketReader, ChecksTheSum) {
  GdbPacketReader reader;

  EXPECT_THAT(
      Read(reader, "$g#68$g#6x$g#67"),
      ElementsAre(Pair(Kind::kCorrupt, ""), Pair(Kind::kCorrupt, ""), Pair(Kind::kPacket, "g")));
}

TEST(GdbPacketReader, SkipsWhatIsNoPacket) {
  GdbPacketReader reader;

  EXPECT_THAT(Read(reader, "GET / HTTP/1.1\r\n"), IsEmpty());
}

TEST(GdbPacketReader, LongPacketsAreCorruptAndNotKept) {
  GdbPacketReader reader;
  const std::string longest(kGdbMaxPacket, 'x');

  EXPECT_THAT(Read(reader, EncodeGdbPacket(longest)), ElementsAre(Pair(Kind::kPacket, longest)));
  EXPECT_THAT(Read(reader, EncodeGdbPacket(longest + "x")), ElementsAre(Pair(Kind::kCorrupt, "")));
  EXPECT_THAT(Read(reader, EncodeGdbPacket("g")), ElementsAre(Pair(Kind::kPacket, "g")));
}

TEST(EncodeGdbPacket, AddsTheSum) {
  EXPECT_EQ(EncodeGdbPacket(""), "$#00");
  EXPECT_EQ(EncodeGdbPacket("OK"), "$OK#9a");
  EXPECT_EQ(EncodeGdbPacket("}"), "$}]#da");
}

}  // namespace
}  // namespace touchstone
