#include "vmm/machine/cpu/lapic.h"

#include <cstdint>

#include "absl/types/span.h"
#include "base/endian.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

uint64_t Register(const LapicState& state, size_t offset) {
  return LoadLe(absl::MakeConstSpan(state).subspan(offset, 4));
}

TEST(LapicTest, PinsAreUnmaskedWithTheirModes) {
  LapicState state = {};
  StoreLe(0x10000, absl::MakeSpan(state).subspan(0x350, 4));  // as after reset: masked
  StoreLe(0x10000, absl::MakeSpan(state).subspan(0x360, 4));

  WireLocalInterrupts(state);

  EXPECT_EQ(Register(state, 0x350), 0x700u);
  EXPECT_EQ(Register(state, 0x360), 0x400u);
}

TEST(LapicTest, OtherBitsAndRegistersStay) {
  LapicState state;
  state.fill(0xFF);

  WireLocalInterrupts(state);

  EXPECT_EQ(Register(state, 0x350), 0xFFFEFFFFu);
  EXPECT_EQ(Register(state, 0x360), 0xFFFEFCFFu);
  EXPECT_EQ(Register(state, 0x340), 0xFFFFFFFFu);
  EXPECT_EQ(Register(state, 0x370), 0xFFFFFFFFu);
}

}  // namespace
}  // namespace touchstone
