#include "vmm/gdb/cpu_state.h"

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using testing::HasSubstr;

// Numbers as the target description gives them out.
constexpr size_t kRbx = 1;
constexpr size_t kRip = 16;
constexpr size_t kFlags = 17;
constexpr size_t kCs = 18;
constexpr size_t kSt0 = 24;
constexpr size_t kFtag = 34;
constexpr size_t kXmm1 = 41;
constexpr size_t kFsBase = 57;
constexpr size_t kCr3 = 61;

GdbCpuState Plain() {
  GdbCpuState state;
  state.general.rbx = 0x1122334455667788;
  state.general.rip = 0xFFFFFFFF81000000;
  state.general.rflags = 0x246;
  state.special.cs.selector = 0x10;
  state.special.fs.base = 0x7F0000001000;
  state.special.cr3 = 0x2000;
  state.extended.xsave.resize(4096);
  return state;
}

std::string Hex(const GdbCpuState& state, size_t number) {
  return absl::BytesToHexString(ReadGdbRegister(state, number));
}

TEST(GdbCpuState, RegistersAreReadLowestByteFirst) {
  const GdbCpuState state = Plain();

  EXPECT_EQ(Hex(state, kRbx), "8877665544332211");
  EXPECT_EQ(Hex(state, kRip), "00000081ffffffff");
  EXPECT_EQ(Hex(state, kFlags), "46020000");
  EXPECT_EQ(Hex(state, kCs), "10000000");
  EXPECT_EQ(Hex(state, kFsBase), "00100000007f0000");
  EXPECT_EQ(Hex(state, kCr3), "0020000000000000");
}

TEST(GdbCpuState, EveryRegisterHasItsSizeAndTakesItsOwnValue) {
  const GdbCpuState state = Plain();
  GdbCpuState copy = state;

  for (size_t i = 0; i < GdbRegisterCount(); ++i) {
    const std::string value = ReadGdbRegister(state, i);
    EXPECT_EQ(value.size(), GdbRegisterSize(i)) << i;
    EXPECT_TRUE(WriteGdbRegister(copy, i, value).ok()) << i;
  }

  EXPECT_EQ(copy.general, state.general);
  EXPECT_EQ(copy.special, state.special);
}

TEST(GdbCpuState, WrittenRegistersAreReadBack) {
  GdbCpuState state = Plain();

  ASSERT_TRUE(WriteGdbRegister(state, kRip, std::string(8, '\x11')).ok());
  ASSERT_TRUE(WriteGdbRegister(state, kXmm1, "0123456789abcdef").ok());
  ASSERT_TRUE(WriteGdbRegister(state, kSt0, "0123456789").ok());

  EXPECT_EQ(state.general.rip, 0x1111111111111111u);
  EXPECT_EQ(ReadGdbRegister(state, kXmm1), "0123456789abcdef");
  EXPECT_EQ(ReadGdbRegister(state, kSt0), "0123456789");
  // Otherwise XRSTOR would not load them.
  EXPECT_EQ(state.extended.xsave[512], 3);
}

TEST(GdbCpuState, TagsAreThoseOfTheStack) {
  GdbCpuState state = Plain();
  state.extended.xsave[3] = 6 << 3;     // The top is register 6,
  state.extended.xsave[4] = 0xC0;       // which with 7 is in use:
  state.extended.xsave[32 + 7] = 0x80;  // ST(0) is 1.0, ST(1) 0.0.
  state.extended.xsave[32 + 8] = 0xFF;
  state.extended.xsave[32 + 9] = 0x3F;

  EXPECT_EQ(Hex(state, kFtag), "ff4f0000");
  ASSERT_TRUE(WriteGdbRegister(state, kFtag, std::string("\xFF\xFF\0\0", 4)).ok());
  EXPECT_EQ(state.extended.xsave[4], 0);
}

TEST(GdbCpuState, WithoutExtendedStateItsRegistersAreZero) {
  GdbCpuState state = Plain();
  state.extended.xsave.clear();

  EXPECT_EQ(ReadGdbRegister(state, kXmm1), std::string(16, '\0'));
  EXPECT_TRUE(WriteGdbRegister(state, kXmm1, std::string(16, 'x')).ok());
  EXPECT_TRUE(state.extended.xsave.empty());
}

TEST(GdbCpuState, WrongSizesAndHiddenPartsAreErrors) {
  GdbCpuState state = Plain();

  EXPECT_EQ(WriteGdbRegister(state, kRip, "1234").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(WriteGdbRegister(state, kCs, std::string(4, '\x08')).code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(WriteGdbRegister(state, kCr3, std::string(8, '\0')).code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(state, Plain());
}

TEST(GdbTargetDescription, NamesTheRegistersInTheirOrder) {
  const std::string xml = GdbTargetDescription();

  EXPECT_THAT(xml, HasSubstr("<architecture>i386:x86-64</architecture>"));
  EXPECT_THAT(xml, HasSubstr("<reg name=\"rip\" bitsize=\"64\" type=\"code_ptr\"/>"));
  size_t at = 0;
  size_t registers = 0;
  while ((at = xml.find("<reg ", at)) != std::string::npos) {
    const char* const expected = registers == kRip    ? "name=\"rip\""
                                 : registers == kSt0  ? "name=\"st0\""
                                 : registers == kFtag ? "name=\"ftag\""
                                 : registers == kXmm1 ? "name=\"xmm1\""
                                 : registers == kCr3  ? "name=\"cr3\""
                                                      : "name=";
    EXPECT_TRUE(absl::StartsWith(xml.substr(at + 5), expected)) << registers;
    ++registers;
    ++at;
  }
  EXPECT_EQ(registers, GdbRegisterCount());
}

}  // namespace
}  // namespace touchstone
