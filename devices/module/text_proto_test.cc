#include "devices/module/text_proto.h"

#include <ostream>
#include <string>

#include "devices/module/module_test.pb.h"
#include "devices/module/module_test_schema.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

struct TextCase {
  const char* text;
  const char* result;  // As WriteTextProto writes it, or the error.
};

std::ostream& operator<<(std::ostream& out, const TextCase& c) { return out << c.text; }

class Accepted : public testing::TestWithParam<TextCase> {};

TEST_P(Accepted, IsReadAndWritten) {
  DynamicMessage message(SchemaOf<ModuleTestMessage>());
  DynamicMessage again(SchemaOf<ModuleTestMessage>());

  const absl::Status status = ReadTextProto(GetParam().text, message);
  const absl::Status status_again = ReadTextProto(WriteTextProto(message), again);

  EXPECT_EQ(status, absl::OkStatus());
  EXPECT_EQ(WriteTextProto(message), GetParam().result);
  EXPECT_EQ(status_again, absl::OkStatus());
  EXPECT_EQ(again.Serialize(), message.Serialize());
}

INSTANTIATE_TEST_SUITE_P(
    All, Accepted,
    testing::Values(
        TextCase{"", ""}, TextCase{" # nothing\n# more", ""}, TextCase{"flag: true", "flag: true"},
        TextCase{"flag:0", "flag: false"},
        TextCase{"i32: -0x10 u32: 010, u64: 0xffffffffffffffff;",
                 "i32: -16 u32: 8 u64: 18446744073709551615"},
        TextCase{"i64: -9223372036854775808", "i64: -9223372036854775808"},
        TextCase{"color: GOLD colors: RED colors: DARK_BLUE",
                 "color: GOLD colors: RED colors: DARK_BLUE"},
        TextCase{"text: 'a\\'b\\n' \"c\"", "text: \"a\\'b\\nc\""},
        TextCase{"texts: 'a' texts: ['b', 'c'] packed: [] packed: [1,2]",
                 "packed: 1 packed: 2 texts: \"a\" texts: \"b\" texts: \"c\""},
        TextCase{"pair { first: 1 } messages <> messages: { flag: true } messages [{}, {i32: 1}]",
                 "messages { } messages { flag: true } messages { } messages { i32: 1 } "
                 "pair { first: 1 }"},
        TextCase{"choice { pair { second: 2 } }", "choice { pair { second: 2 } }"}));

class Refused : public testing::TestWithParam<TextCase> {};

TEST_P(Refused, SaysWhy) {
  DynamicMessage message(SchemaOf<ModuleTestMessage>());

  const absl::Status status = ReadTextProto(GetParam().text, message);

  EXPECT_EQ(status.message(), GetParam().result);
}

INSTANTIATE_TEST_SUITE_P(
    All, Refused,
    testing::Values(
        TextCase{"\n\nno: 1",
                 "line 3: Message type \"ModuleTestMessage\" has no field named \"no\"."},
        TextCase{"the-text: 'a'",
                 "line 1: Message type \"ModuleTestMessage\" has no field named \"the\"."},
        TextCase{"flag true", "line 1: Expected \":\", found \"true\"."},
        TextCase{"flag:", "line 1: Expected identifier, got: "},
        TextCase{"flag: yes", "line 1: Invalid value for boolean field \"flag\". Value: \"yes\"."},
        TextCase{"flag: true\nflag: true",
                 "line 2: Non-repeated field \"flag\" is specified multiple times."},
        TextCase{"u32: 4294967296", "line 1: Integer out of range (4294967296)"},
        TextCase{"u32: -1", "line 1: Expected integer, got: -"},
        TextCase{"u32: 08", "line 1: Integer out of range (08)"},
        TextCase{"i32: 2147483648", "line 1: Integer out of range (2147483648)"},
        TextCase{"i32: -2147483649", "line 1: Integer out of range (2147483649)"},
        TextCase{"color: navy",
                 "line 1: Unknown enumeration value of \"navy\" for field \"color\"."},
        TextCase{"color: '1'", "line 1: Expected integer or identifier, got: '1'"},
        TextCase{"text: 1", "line 1: Expected string, got: 1"},
        TextCase{"text: 'a", "line 1: Unexpected end of string."},
        TextCase{"text: 'a\n'", "line 1: String literals cannot cross line boundaries."},
        TextCase{"text: 'a\\", "line 1: Unexpected end of string."},
        TextCase{"text: '\\q'", "line 1: Invalid escape sequence in string literal."},
        TextCase{"pair: 1", "line 1: Expected \"{\", found \"1\"."},
        TextCase{"pair { first: 1", "line 1: Expected identifier, got: "},
        TextCase{"pair { first: 1 >", "line 1: Expected \"}\", found \">\"."},
        TextCase{"}", "line 1: Expected identifier, got: }"},
        TextCase{"[]", "line 1: Expected identifier, got: ]"},
        TextCase{"packed: [1 2]", "line 1: Expected \"]\", found \"2\"."},
        TextCase{"choice { pair {} inner {} }",
                 "line 1: Field \"inner\" is specified along with field \"pair\"."}));

TEST(TextProtoTest, FillsAClass) {
  ModuleTestMessage message;

  const absl::Status status = ReadTextProto("i32: 5 texts: 'x'", message);

  EXPECT_EQ(status, absl::OkStatus());
  EXPECT_EQ(message.i32(), 5);
  EXPECT_EQ(WriteTextProto(message), "i32: 5 texts: \"x\"");
}

}  // namespace
}  // namespace touchstone
