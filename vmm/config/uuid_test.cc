#include "vmm/config/uuid.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;
using ::testing::Values;

constexpr std::array<uint8_t, 16> kUuid = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                                           0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF};

class GoodUuid : public testing::TestWithParam<const char*> {};

TEST_P(GoodUuid, IsRead) { EXPECT_EQ(ParseUuid(GetParam()).value(), kUuid); }

INSTANTIATE_TEST_SUITE_P(Forms, GoodUuid,
                         Values("00112233-4455-6677-8899-aabbccddeeff",
                                "00112233-4455-6677-8899-AABBCCDDEEFF",
                                "00112233445566778899aabbccddeeff",
                                "{00112233-4455-6677-8899-aabbccddeeff}",
                                "urn:uuid:00112233-4455-6677-8899-aabbccddeeff"));

class BadUuid : public testing::TestWithParam<const char*> {};

TEST_P(BadUuid, IsRefusedWithAnExample) {
  const absl::Status status = ParseUuid(GetParam()).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam()));
  EXPECT_THAT(std::string(status.message()), HasSubstr("is no UUID such as 00112233-4455"));
}

INSTANTIATE_TEST_SUITE_P(
    Forms, BadUuid,
    Values("", "{}", "-", "0", "00112233-4455-6677-8899-aabbccddeef",
           "00112233-4455-6677-8899-aabbccddeeff0", "00112233-4455-6677-8899-aabbccddeefg",
           "0011223-34455-6677-8899-aabbccddeeff", "00112233 4455 6677 8899 aabbccddeeff",
           "{00112233-4455-6677-8899-aabbccddeeff", "00112233-44556677-8899-aabb-ccddeeff"));

}  // namespace
}  // namespace touchstone
