#include "vmm/config/address_ranges.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Values;

constexpr uint64_t kMiB = 1 << 20;

TEST(EcamTest, BaseAndLength) {
  EXPECT_EQ(ParseEcam("0x80000000,0x10000000").value(), (ConfiguredRange{0x80000000, 256 * kMiB}));
  EXPECT_EQ(ParseEcam("3221225472,1048576").value(), (ConfiguredRange{0xC0000000, kMiB}));
}

TEST(EcamTest, LengthIsAtMostThatOf256Buses) {
  EXPECT_EQ(ParseEcam("0x80000000,0x40000000").value(), (ConfiguredRange{0x80000000, 256 * kMiB}));
  EXPECT_EQ(ParseEcam("0x80000000,0xffffffffffffffff").value(),
            (ConfiguredRange{0x80000000, 256 * kMiB}));
}

struct Mistake {
  const char* text;
  const char* error;
};

class BadEcam : public testing::TestWithParam<Mistake> {};

TEST_P(BadEcam, IsRefused) {
  EXPECT_THAT(std::string(ParseEcam(GetParam().text).status().message()),
              HasSubstr(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    Texts, BadEcam,
    Values(Mistake{"", "'' is no BASE,LENGTH such as"}, Mistake{"1", "is no BASE,LENGTH"},
           Mistake{"0x80000000,0x100000,1", "is no BASE,LENGTH"},
           Mistake{"0x80000000,", "is no BASE,LENGTH"}, Mistake{"a,b", "is no BASE,LENGTH"},
           Mistake{"0x80000000,0", "multiples of 1 MiB, the length is not 0"},
           Mistake{"0x80000000,0x180000", "multiples of 1 MiB"},
           Mistake{"0x80080000,0x100000", "multiples of 1 MiB"},
           Mistake{"0x80100000,0x200000", "the base is a multiple of the length"},
           Mistake{"0xf0000000,0x10000000", "the end is below 4 GiB"},
           Mistake{"0xfffffffff0000000,0x10000000", "the end is below 4 GiB"}));

TEST(AddressRangesTest, EndsAreIncluded) {
  EXPECT_THAT(ParseAddressRanges("0x1000-0x1fff").value(),
              ElementsAre(ConfiguredRange{0x1000, 0x1000}));
  EXPECT_THAT(ParseAddressRanges("7-7,0-9").value(),
              ElementsAre(ConfiguredRange{7, 1}, ConfiguredRange{0, 10}));
  EXPECT_THAT(ParseAddressRanges("1-0xffffffffffffffff").value(),
              ElementsAre(ConfiguredRange{1, UINT64_MAX}));
}

class BadRanges : public testing::TestWithParam<const char*> {};

TEST_P(BadRanges, AreRefusedWithAnExample) {
  EXPECT_THAT(std::string(ParseAddressRanges(GetParam()).status().message()),
              HasSubstr("is no START-END such as 0xd0000000-0xd0ffffff"));
}

INSTANTIATE_TEST_SUITE_P(Texts, BadRanges,
                         Values("", "1", "1-", "-1", "2-1", "1-2-3", "1-2,", "a-b",
                                "0-18446744073709551615", "0-18446744073709551616"));

}  // namespace
}  // namespace touchstone
