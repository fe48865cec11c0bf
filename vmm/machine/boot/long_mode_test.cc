#include "vmm/machine/boot/long_mode.h"

#include <optional>

#include "base/endian.h"
#include "gtest/gtest.h"
#include "vmm/machine/boot/boot_testing.h"

namespace touchstone {
namespace {

class LongModeTest : public ::testing::Test {
 protected:
  uint64_t Quad(uint64_t address) {
    return memory_.ReadObject<Le64>(GuestAddress{address}).value();
  }

  // Walks the page tables as the processor does (Intel SDM volume 3, 4.5).
  std::optional<uint64_t> Translate(uint64_t cr3, uint64_t address) {
    const uint64_t pml4e = Quad((cr3 & ~0xFFFull) + 8 * ((address >> 39) & 511));
    if ((pml4e & 3) != 3) return std::nullopt;
    const uint64_t pdpte = Quad((pml4e & ~0xFFFull) + 8 * ((address >> 30) & 511));
    if ((pdpte & 3) != 3) return std::nullopt;
    const uint64_t pde = Quad((pdpte & ~0xFFFull) + 8 * ((address >> 21) & 511));
    if ((pde & 0x83) != 0x83) return std::nullopt;
    return (pde & ~0x1FFFFFull) + (address & 0x1FFFFF);
  }

  const GuestMemory memory_ = MakeMemory(MakeLayout(2 * kMiB));
};

TEST_F(LongModeTest, Linux64IsEnteredInLongMode) {
  const auto state = EnterLinux64(memory_, GuestAddress{0x1000200});

  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->general.rip, 0x1000200u);
  EXPECT_EQ(state->general.rsi, 0x7000u);
  EXPECT_EQ(state->general.rsp, 0x8000u);
  EXPECT_EQ(state->general.rflags, 2u);  // interrupts off
  EXPECT_EQ(state->special.cr0, 0x80000011u);
  EXPECT_EQ(state->special.cr4, 0x20u);
  EXPECT_EQ(state->special.efer, 0x500u);
  EXPECT_EQ(state->special.apic_base, 0xFEE00900u);
}

TEST_F(LongModeTest, Linux64SegmentsAreThoseOfTheBootProtocol) {
  const auto state = EnterLinux64(memory_, GuestAddress{0x1000200});

  ASSERT_TRUE(state.ok()) << state.status();
  const SpecialRegisters& special = state->special;
  EXPECT_EQ(special.cs.selector, 0x10);
  EXPECT_TRUE(special.cs.l);
  EXPECT_FALSE(special.cs.db);
  EXPECT_EQ(special.ds.selector, 0x18);
  EXPECT_TRUE(special.ds.db);
  EXPECT_EQ(special.es, special.ds);
  EXPECT_EQ(special.fs, special.ds);
  EXPECT_EQ(special.gs, special.ds);
  EXPECT_EQ(special.ss, special.ds);
  EXPECT_EQ(special.tr.type, 0xB);
  EXPECT_TRUE(special.tr.present);
  EXPECT_FALSE(special.tr.s);
}

// The bytes are those of Intel SDM volume 3, figure 3-8, for the segments in the registers.
TEST_F(LongModeTest, DescriptorsMatchTheRegisters) {
  const auto state = EnterLinux64(memory_, GuestAddress{0x1000200});

  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->special.gdt.base, 0x1500u);
  EXPECT_EQ(state->special.gdt.limit, 0x2F);
  EXPECT_EQ(Quad(0x1500), 0u);
  EXPECT_EQ(Quad(0x1510), 0x00AF9B000000FFFFu);
  EXPECT_EQ(Quad(0x1518), 0x00CF93000000FFFFu);
  EXPECT_EQ(Quad(0x1520), 0x00008B0000000067u);
  EXPECT_EQ(Quad(0x1528), 0u);
}

TEST_F(LongModeTest, FirstFourGiBMapToThemselves) {
  const auto state = EnterLinux64(memory_, GuestAddress{0x1000200});

  ASSERT_TRUE(state.ok()) << state.status();
  for (uint64_t address = 0; address < 4 * kGiB; address += 2 * kMiB) {
    ASSERT_EQ(Translate(state->special.cr3, address + 0x123), address + 0x123);
  }
  EXPECT_EQ(Translate(state->special.cr3, 4 * kGiB), std::nullopt);
  EXPECT_EQ(Translate(state->special.cr3, uint64_t{1} << 39), std::nullopt);
}

TEST_F(LongModeTest, TablesLeaveTheirNeighboursAlone) {
  ASSERT_TRUE(memory_.Fill(GuestAddress{0}, 0x20000, 0xCC).ok());

  const auto state = EnterLinux64(memory_, GuestAddress{0x1000200});

  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(Quad(0x14F8), 0xCCCCCCCCCCCCCCCCu);
  EXPECT_EQ(Quad(0x1530), 0xCCCCCCCCCCCCCCCCu);
  EXPECT_EQ(Quad(0x8FF8), 0xCCCCCCCCCCCCCCCCu);
  EXPECT_EQ(Quad(0xF000), 0xCCCCCCCCCCCCCCCCu);
}

// "x86/HVM direct boot ABI": the state that it prescribes.
TEST_F(LongModeTest, PvhIsEnteredInFlatProtectedMode) {
  const auto state = EnterPvh(memory_, GuestAddress{0x100010});

  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->general.rip, 0x100010u);
  EXPECT_EQ(state->general.rbx, 0x6000u);
  EXPECT_EQ(state->general.rflags, 2u);
  const SpecialRegisters& special = state->special;
  EXPECT_EQ(special.cr0, 0x11u);
  EXPECT_EQ(special.cr3, 0u);
  EXPECT_EQ(special.cr4, 0u);
  EXPECT_EQ(special.efer, 0u);
  EXPECT_EQ(special.cs.base, 0u);
  EXPECT_EQ(special.cs.limit, 0xFFFFFFFFu);
  EXPECT_EQ(special.cs.type, 0xB);
  EXPECT_TRUE(special.cs.db);
  EXPECT_FALSE(special.cs.l);
  EXPECT_EQ(special.ds.limit, 0xFFFFFFFFu);
  EXPECT_EQ(special.ds.type, 0x3);
  EXPECT_EQ(special.tr.base, 0u);
  EXPECT_EQ(special.tr.limit, 0x67u);
  EXPECT_EQ(special.tr.type, 0xB);
  EXPECT_EQ(Quad(0x1510), 0x00CF9B000000FFFFu);
}

TEST_F(LongModeTest, WithoutMemoryIsAnError) {
  EXPECT_FALSE(EnterLinux64(GuestMemory(), GuestAddress{0x1000200}).ok());
  EXPECT_FALSE(EnterPvh(GuestMemory(), GuestAddress{0x100010}).ok());
}

}  // namespace
}  // namespace touchstone
