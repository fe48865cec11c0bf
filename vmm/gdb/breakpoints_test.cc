#include "vmm/gdb/breakpoints.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

using Kind = GdbBreakpoints::Kind;

class GdbBreakpointsTest : public testing::Test {
 protected:
  GdbBreakpointsTest() {
    EXPECT_TRUE(memory_.Write(GuestAddress{0x100}, {0x10, 0x11, 0x12, 0x13}).ok());
  }

  std::vector<uint8_t> Memory() {
    std::vector<uint8_t> bytes(4);
    EXPECT_TRUE(memory_.Read(GuestAddress{0x100}, absl::MakeSpan(bytes)).ok());
    return bytes;
  }

  // Uses them up, so that software breakpoints are INT3s.
  void TakeRegisters() {
    for (uint64_t i = 0; i < 4; ++i) {
      ASSERT_TRUE(breakpoints_.InsertHardware(Kind::kExecute, i, 1, registers_).ok());
    }
  }

  const GuestMemory memory_ = GuestMemory::Create({{{GuestAddress{0}, 0x1000}}}, {}).value();
  const SpecialRegisters registers_;
  GdbBreakpoints breakpoints_{memory_};
};

TEST_F(GdbBreakpointsTest, SoftwareBreakpointsAreInt3AndGoWithoutTrace) {
  TakeRegisters();
  ASSERT_TRUE(breakpoints_.InsertSoftware(0x101, registers_).ok());
  ASSERT_TRUE(breakpoints_.InsertSoftware(0x101, registers_).ok());
  EXPECT_THAT(Memory(), ElementsAre(0x10, 0xCC, 0x12, 0x13));
  EXPECT_THAT(breakpoints_.software(), ElementsAre(0x101));

  ASSERT_TRUE(breakpoints_.RemoveSoftware(0x101).ok());
  EXPECT_THAT(Memory(), ElementsAre(0x10, 0x11, 0x12, 0x13));
  EXPECT_THAT(breakpoints_.software(), IsEmpty());
  EXPECT_EQ(breakpoints_.RemoveSoftware(0x101).code(), absl::StatusCode::kNotFound);
}

TEST_F(GdbBreakpointsTest, ReadersSeeWhatTheGuestHasThere) {
  TakeRegisters();
  ASSERT_TRUE(breakpoints_.InsertSoftware(0x102, registers_).ok());
  std::vector<uint8_t> read = Memory();

  breakpoints_.Hide(0x100, absl::MakeSpan(read));

  EXPECT_THAT(read, ElementsAre(0x10, 0x11, 0x12, 0x13));
}

TEST_F(GdbBreakpointsTest, WhatIsWrittenOverABreakpointComesWhenItGoes) {
  TakeRegisters();
  ASSERT_TRUE(breakpoints_.InsertSoftware(0x100, registers_).ok());
  const std::vector<uint8_t> written = {0x20, 0x21};
  ASSERT_TRUE(memory_.Write(GuestAddress{0x100}, written).ok());

  breakpoints_.Rewrite(0x100, written);
  EXPECT_THAT(Memory(), ElementsAre(0xCC, 0x21, 0x12, 0x13));

  breakpoints_.RemoveAll();
  EXPECT_THAT(Memory(), ElementsAre(0x20, 0x21, 0x12, 0x13));
}

TEST_F(GdbBreakpointsTest, CodeThatTheGuestPutThereStays) {
  TakeRegisters();
  ASSERT_TRUE(breakpoints_.InsertSoftware(0x100, registers_).ok());
  ASSERT_TRUE(memory_.Write(GuestAddress{0x100}, {0x90}).ok());

  ASSERT_TRUE(breakpoints_.RemoveSoftware(0x100).ok());

  EXPECT_THAT(Memory(), ElementsAre(0x90, 0x11, 0x12, 0x13));
}

TEST_F(GdbBreakpointsTest, SoftwareBreakpointsTakeARegisterFirst) {
  ASSERT_TRUE(breakpoints_.InsertSoftware(0x101, registers_).ok());
  ASSERT_TRUE(breakpoints_.InsertSoftware(0x5000, registers_).ok());  // No memory is there.

  EXPECT_THAT(breakpoints_.software(), IsEmpty());
  EXPECT_THAT(Memory(), ElementsAre(0x10, 0x11, 0x12, 0x13));
  ASSERT_TRUE(breakpoints_.registers()[1].has_value());
  EXPECT_EQ(breakpoints_.registers()[1]->address, 0x5000u);

  ASSERT_TRUE(breakpoints_.RemoveSoftware(0x5000).ok());
  EXPECT_FALSE(breakpoints_.registers()[1].has_value());
}

TEST_F(GdbBreakpointsTest, AndGiveItToWhoNeedsOne) {
  for (uint64_t i = 0; i < 4; ++i) {
    ASSERT_TRUE(breakpoints_.InsertSoftware(0x100 + i, registers_).ok());
  }

  ASSERT_TRUE(breakpoints_.InsertHardware(Kind::kWrite, 0x208, 8, registers_).ok());

  EXPECT_THAT(Memory(), ElementsAre(0xCC, 0x11, 0x12, 0x13));
  EXPECT_THAT(breakpoints_.software(), ElementsAre(0x100));
  EXPECT_EQ(breakpoints_.registers()[0]->address, 0x208u);
  breakpoints_.RemoveAll();
  EXPECT_THAT(Memory(), ElementsAre(0x10, 0x11, 0x12, 0x13));
}

TEST_F(GdbBreakpointsTest, WithoutMemoryARegisterIsKept) {
  for (uint64_t i = 0; i < 4; ++i) {
    ASSERT_TRUE(breakpoints_.InsertSoftware(0x5000 + i, registers_).ok());
  }

  EXPECT_EQ(breakpoints_.InsertHardware(Kind::kWrite, 0x208, 8, registers_).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(breakpoints_.InsertSoftware(0x6000, registers_).code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(GdbBreakpointsTest, ThereAreFourRegisters) {
  for (uint64_t i = 0; i < 4; ++i) {
    ASSERT_TRUE(breakpoints_.InsertHardware(Kind::kExecute, i, 1, registers_).ok());
  }
  EXPECT_TRUE(breakpoints_.InsertHardware(Kind::kExecute, 3, 1, registers_).ok());
  EXPECT_EQ(breakpoints_.InsertHardware(Kind::kWrite, 3, 1, registers_).code(),
            absl::StatusCode::kResourceExhausted);

  ASSERT_TRUE(breakpoints_.RemoveHardware(Kind::kExecute, 1, 1).ok());
  ASSERT_TRUE(breakpoints_.InsertHardware(Kind::kWrite, 0x18, 8, registers_).ok());
  EXPECT_EQ(breakpoints_.registers()[1]->size, 8);
  EXPECT_EQ(breakpoints_.RemoveHardware(Kind::kWrite, 0x18, 4).code(), absl::StatusCode::kNotFound);
}

TEST_F(GdbBreakpointsTest, WatchpointsAreAlignedAndOfASizeThatExists) {
  EXPECT_EQ(breakpoints_.InsertHardware(Kind::kWrite, 0x100, 3, registers_).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(breakpoints_.InsertHardware(Kind::kAccess, 0x102, 4, registers_).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(breakpoints_.InsertHardware(Kind::kAccess, 0x104, 4, registers_).ok());
}

}  // namespace
}  // namespace touchstone
