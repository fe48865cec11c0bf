#include "vmm/config/key_value.h"

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "devices/module/text_proto.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/config/key_value_test.pb.h"
#include "vmm/config/key_value_test_schema.h"
#include "vmm/config/key_value_testing.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;
using ::testing::Values;

struct AcceptCase {
  const char* input;
  const char* expected;  // as a text proto
};

struct RejectCase {
  const char* input;
  const char* error;  // a part of it
};

std::ostream& operator<<(std::ostream& out, const AcceptCase& c) { return out << c.input; }
std::ostream& operator<<(std::ostream& out, const RejectCase& c) { return out << c.input; }

template <typename T>
std::string Canonical(const char* text_proto) {
  T message;
  EXPECT_TRUE(ReadTextProto(text_proto, message).ok()) << text_proto;
  return WriteTextProto(message);
}

// crosvm.md 4.2, row by row.
class StructAccepts : public testing::TestWithParam<AcceptCase> {};

TEST_P(StructAccepts, AndRoundTrips) {
  S parsed;
  S again;

  const absl::Status status = ParseKeyValue(GetParam().input, parsed);
  const absl::Status status_again = ParseKeyValue(FormatKeyValue(parsed), again);

  EXPECT_EQ(status, absl::OkStatus());
  EXPECT_EQ(WriteTextProto(parsed), Canonical<S>(GetParam().expected));
  EXPECT_EQ(status_again, absl::OkStatus()) << FormatKeyValue(parsed);
  EXPECT_EQ(WriteTextProto(parsed), WriteTextProto(again)) << FormatKeyValue(parsed);
}

INSTANTIATE_TEST_SUITE_P(
    Strings, StructAccepts,
    Values(AcceptCase{"/tmp/x", "path: '/tmp/x'"}, AcceptCase{"path=/tmp/x", "path: '/tmp/x'"},
           AcceptCase{"disk-1.img", "path: 'disk-1.img'"},
           AcceptCase{"foo/bar=1", "path: 'foo/bar=1'"}, AcceptCase{"/tmp/x=y", "path: '/tmp/x=y'"},
           AcceptCase{"123", "path: '123'"}, AcceptCase{"path=123", "path: '123'"},
           AcceptCase{"path=true", "path: 'true'"}, AcceptCase{"path=a=b", "path: 'a=b'"},
           AcceptCase{"path=/tmp/x y", "path: '/tmp/x y'"},
           AcceptCase{" /tmp/x", "path: ' /tmp/x'"}, AcceptCase{"path=\"\"", "path: ''"},
           AcceptCase{"path=''", "path: ''"}, AcceptCase{"\"\"", "path: ''"},
           AcceptCase{"\"/tmp/a,b\"", "path: '/tmp/a,b'"},
           AcceptCase{"'/tmp/a\"b'", "path: '/tmp/a\"b'"},
           AcceptCase{R"("a\"b\\c")", R"(path: 'a"b\\c')"}, AcceptCase{"'a\\b'", R"(path: 'a\\b')"},
           AcceptCase{"/tmp/x,", "path: '/tmp/x'"}, AcceptCase{"-", "path: '-'"},
           AcceptCase{"\"[x]\",n=1", "path: '[x]' n: 1"}));

INSTANTIATE_TEST_SUITE_P(
    Numbers, StructAccepts,
    Values(AcceptCase{"/tmp/x,n=1,", "path: '/tmp/x' n: 1"},
           AcceptCase{"/tmp/x,n=5", "path: '/tmp/x' n: 5"},
           AcceptCase{"n=5,path=/tmp/x", "path: '/tmp/x' n: 5"},
           AcceptCase{"x,n=0x1f", "path: 'x' n: 31"}, AcceptCase{"x,n=0x1F", "path: 'x' n: 31"},
           AcceptCase{"x,n=0o17", "path: 'x' n: 15"}, AcceptCase{"x,n=0b101", "path: 'x' n: 5"},
           AcceptCase{"x,n=007", "path: 'x' n: 7"}, AcceptCase{"x,n=255", "path: 'x' n: 255"},
           AcceptCase{"x,i=-5", "path: 'x' i: -5"}, AcceptCase{"x,i=-0x10", "path: 'x' i: -16"},
           AcceptCase{"x,i=-0", "path: 'x' i: 0"}));

INSTANTIATE_TEST_SUITE_P(Flags, StructAccepts,
                         Values(AcceptCase{"/tmp/x,flag", "path: '/tmp/x' flag: true"},
                                AcceptCase{"x,flag=true", "path: 'x' flag: true"},
                                AcceptCase{"x,flag=false", "path: 'x' flag: false"},
                                AcceptCase{"flag,path=x", "path: 'x' flag: true"}));

INSTANTIATE_TEST_SUITE_P(ListsAndTuples, StructAccepts,
                         Values(AcceptCase{"x,l=[1,2,3]", "path: 'x' l: [1,2,3]"},
                                AcceptCase{"x,l=[]", "path: 'x'"},
                                AcceptCase{"x,l=[1,2,]", "path: 'x' l: [1,2]"},
                                AcceptCase{"x,l=[],n=1", "path: 'x' n: 1"},
                                AcceptCase{"x,ls=[a,\"b,c\",'d']", "path: 'x' ls: ['a','b,c','d']"},
                                AcceptCase{"x,t=[1,2]", "path: 'x' t { first: 1 second: 2 }"},
                                AcceptCase{"x,t=[1,2,]", "path: 'x' t { first: 1 second: 2 }"}));

INSTANTIATE_TEST_SUITE_P(Variants, StructAccepts,
                         Values(AcceptCase{"x,e=a", "path: 'x' e { a {} }"},
                                AcceptCase{"x,e=b[1,2]",
                                           "path: 'x' e { b { first: 1 second: 2 } }"},
                                AcceptCase{"x,e=c", "path: 'x' e { c {} }"},
                                AcceptCase{"x,e=c[]", "path: 'x' e { c {} }"},
                                AcceptCase{"x,e=c[x=4]", "path: 'x' e { c { x: 4 } }"},
                                AcceptCase{"x,e=2d,n=1", "path: 'x' e { two {} } n: 1"}));

INSTANTIATE_TEST_SUITE_P(NestedStructs, StructAccepts,
                         Values(AcceptCase{"x,s=[u=3,v]", "path: 'x' s { u: 3 v: true }"},
                                AcceptCase{"x,s=[3]", "path: 'x' s { u: 3 }"},
                                AcceptCase{"x,s=[3,v]", "path: 'x' s { u: 3 v: true }"},
                                AcceptCase{"x,s=[3,v,]", "path: 'x' s { u: 3 v: true }"},
                                AcceptCase{"x,s", "path: 'x' s {}"},
                                AcceptCase{"x,s=", "path: 'x' s {}"},
                                AcceptCase{"x,s=[]", "path: 'x' s {}"},
                                AcceptCase{"x,s,n=1", "path: 'x' s {} n: 1"},
                                AcceptCase{"x,s=,n=1", "path: 'x' s {} n: 1"},
                                AcceptCase{"x,s=[v],n=1", "path: 'x' s { v: true } n: 1"},
                                AcceptCase{"x,s=[],n=1", "path: 'x' s {} n: 1"}));

class StructRejects : public testing::TestWithParam<RejectCase> {};

TEST_P(StructRejects, WithAReason) {
  S parsed;

  const absl::Status status = ParseKeyValue(GetParam().input, parsed);

  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    Keys, StructRejects,
    Values(
        RejectCase{"a=b",
                   "unknown key 'a', the keys are path, n, flag, l, ls, t, i, e, s at position 0"},
        RejectCase{"Path=/tmp/x", "unknown key 'Path'"},
        RejectCase{"Path=/tmp/x", "did you mean path?"},
        RejectCase{"path = /tmp/x", "expected '=' and a text at position 4"},
        RejectCase{"", "key 'path' is missing"}, RejectCase{"flag", "key 'path' is missing"},
        RejectCase{",", "expected a value but found ',' at position 0"},
        RejectCase{",path=/tmp/x", "at position 0"},
        RejectCase{"/tmp/x,,n=1", "expected a key but found ',' at position 7"},
        RejectCase{"[path=/tmp/x]", "expected a text"},
        RejectCase{"n=5,/tmp/x", "expected a key but found '/' at position 4"},
        RejectCase{"x,n=1,n=2", "key 'n' is given twice at position 6"},
        RejectCase{"x,path=y", "key 'path' is given twice at position 2"},
        RejectCase{"/tmp/x,zzz=1", "unknown key 'zzz'"},
        RejectCase{"/tmp/x,zzz", "unknown key 'zzz'"}));

INSTANTIATE_TEST_SUITE_P(
    Strings, StructRejects,
    Values(RejectCase{"path=", "expected a text"}, RejectCase{"path", "expected '=' and a text"},
           RejectCase{R"("a\nb")", "after a \\ only \" and \\ are accepted"},
           RejectCase{"ab\"c", "needs quotes around all of it"},
           RejectCase{"path=\"abc\"d", "expected ',' but found 'd' at position 10"},
           RejectCase{"path='it''s'", "expected ',' (a text with any of"},
           RejectCase{"/tmp/x[0]", "but found '[' at position 6"},
           RejectCase{"/tmp/x]", "but found ']' at position 6"},
           RejectCase{"\"abc", "the closing \" is missing at position 0"},
           RejectCase{"'abc", "the closing ' is missing at position 0"},
           RejectCase{"\"abc\\", "after a \\ only"}));

INSTANTIATE_TEST_SUITE_P(
    Numbers, StructRejects,
    Values(RejectCase{"n", "key 'n': expected '=' and a number from 0 to 255 at position 1"},
           RejectCase{"x,n=256", "key 'n': '256' is not a number from 0 to 255 at position 4"},
           RejectCase{"x,n=-1", "'-1' is not a number"},
           RejectCase{"x,n=-0", "'-0' is not a number"}, RejectCase{"x,n=+5", "'+5' is not"},
           RejectCase{"x,n=5k", "'5k' is not"}, RejectCase{"x,n=1_0", "'1_0' is not"},
           RejectCase{"x,n=0X1F", "'0X1F' is not"}, RejectCase{"x,n=5 ", "'5 ' is not"},
           RejectCase{"x,n= 5", "' 5' is not"}, RejectCase{"x,n=", "'' is not"},
           RejectCase{"x,n=0x", "'0x' is not"}, RejectCase{"x,n=0x-1", "'0x-1' is not"},
           RejectCase{"x,i=--5", "'--5' is not"}, RejectCase{"x,n=0b2", "'0b2' is not"},
           RejectCase{"x,n=0o8", "'0o8' is not"},
           RejectCase{"x,n=99999999999999999999999", "is not a number from 0 to 255"}));

INSTANTIATE_TEST_SUITE_P(Flags, StructRejects,
                         Values(RejectCase{"x,flag=", "'' is not true or false"},
                                RejectCase{"x,flag=1", "'1' is not true or false"},
                                RejectCase{"x,flag=TRUE", "'TRUE' is not true or false"},
                                RejectCase{"x,flag=yes", "'yes' is not true or false"},
                                RejectCase{"x,flag=truex", "'truex' is not true or false"},
                                RejectCase{"x,flag x",
                                           "expected ',' but found ' ' at position 6"}));

INSTANTIATE_TEST_SUITE_P(
    ListsAndTuples, StructRejects,
    Values(RejectCase{"x,l=1,2", "expected '[' of a list for key 'l' but found '1'"},
           RejectCase{"x,l", "expected '=' and a list in brackets"},
           RejectCase{"x,l=[1,2", "expected ',' or ']' but the text ends"},
           RejectCase{"x,l=[1,", "expected a value or ']' but the text ends"},
           RejectCase{"x,l=[,1]", "expected a value or ']' but found ','"},
           RejectCase{"x,l=[1,,2]", "expected a value or ']' but found ','"},
           RejectCase{"x,l=[1 ,2]", "'1 ' is not a number"},
           RejectCase{"x,t=[1]", "expected 2 values in brackets but there are 1 at position 6"},
           RejectCase{"x,t=[1,2,3]", "expected ']' but found '3'"},
           RejectCase{"x,t=[,]", "expected a value but found ','"},
           RejectCase{"x,t", "expected '='"}, RejectCase{"x,t=5", "expected '[' of 2 values"}));

INSTANTIATE_TEST_SUITE_P(
    Variants, StructRejects,
    Values(RejectCase{"x,e=A", "key 'e': 'A' is not one of a, b, c, 2d"},
           RejectCase{"x,e=zzz", "'zzz' is not one of a, b, c, 2d"},
           RejectCase{"x,e=a[]", "expected ','"},
           RejectCase{"x,e=b", "expected '[' of 2 values for key 'b' but the text ends"},
           RejectCase{"x,e=b[1]", "expected 2 values"}, RejectCase{"x,e=b[1,2,3]", "expected ']'"},
           RejectCase{"x,e=c[4]", "unknown key '4', the keys are x"},
           RejectCase{"x,e=c4", "'c4' is not one of"}, RejectCase{"x,e", "expected '='"},
           RejectCase{"x,e=", "'' is not one of"}));

INSTANTIATE_TEST_SUITE_P(
    NestedStructs, StructRejects,
    Values(RejectCase{"x,s=u=3", "key 's': 'u=3' is not [key=value,...] of the keys "},
           RejectCase{"x,s=[v", "expected ']' but the text ends at position 6"},
           RejectCase{"x,s=]", "expected ','"}, RejectCase{"x,s=[v,v]", "key 'v' is given twice"},
           RejectCase{"x,s=[[3]]", "is not a number"}));

// The forms that S does not have.
class FormsAccept : public testing::TestWithParam<AcceptCase> {};

TEST_P(FormsAccept, AndRoundTrips) {
  TestForms parsed;
  TestForms again;

  const absl::Status status = ParseKeyValue(GetParam().input, parsed);
  const absl::Status status_again = ParseKeyValue(FormatKeyValue(parsed), again);

  EXPECT_EQ(status, absl::OkStatus());
  EXPECT_EQ(WriteTextProto(parsed), Canonical<TestForms>(GetParam().expected));
  EXPECT_EQ(status_again, absl::OkStatus()) << FormatKeyValue(parsed);
  EXPECT_EQ(WriteTextProto(parsed), WriteTextProto(again)) << FormatKeyValue(parsed);
}

INSTANTIATE_TEST_SUITE_P(
    All, FormsAccept,
    Values(AcceptCase{"", ""}, AcceptCase{"color=red", "color: RED"},
           AcceptCase{"color=dark-blue", "color: DARK_BLUE"},
           AcceptCase{"color=3rd_colour", "color: OTHER"}, AcceptCase{"color=gold", "color: GOLD"},
           AcceptCase{"colors=[red,dark-blue]", "colors: [RED, DARK_BLUE]"},
           AcceptCase{"structs=[[u=1],[2,v],[]]",
                      "structs { u: 1 } structs { u: 2 v: true } structs {}"},
           AcceptCase{"sets=[[0,2-4],[7]]", "sets { element: [0,2,3,4] } sets { element: 7 }"},
           AcceptCase{"sets=[[1,1]]", "sets { element: [1,1] }"},
           AcceptCase{"bools=[true,false]", "bools: [true,false]"},
           AcceptCase{"block-size=1", "block_size: 1"}, AcceptCase{"block_size=1", "block_size: 1"},
           AcceptCase{"needy=[must=x]", "needy { must: 'x' }"},
           AcceptCase{"needy=[x]", "needy { must: 'x' }"},
           AcceptCase{"pairs=[[1,2],[3,4]]",
                      "pairs { first: 1 second: 2 } pairs { first: 3 second: 4 }"},
           AcceptCase{
               "variants=[a,b[1,2],c[x=3],c]",
               "variants { a {} } variants { b { first: 1 second: 2 } } variants { c { x: 3 } } "
               "variants { c {} }"}));

class FormsReject : public testing::TestWithParam<RejectCase> {};

TEST_P(FormsReject, WithAReason) {
  TestForms parsed;

  const absl::Status status = ParseKeyValue(GetParam().input, parsed);

  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    All, FormsReject,
    Values(RejectCase{"red", "unknown key 'red'"},
           RejectCase{"color=DARK_BLUE", "'DARK_BLUE' is not one of red, dark-blue, 3rd_colour"},
           RejectCase{"color=dark-bleu", "did you mean dark-blue?"},
           RejectCase{"color", "expected '=' and one of red, dark-blue, 3rd_colour"},
           RejectCase{"block_size=1,block-size=2", "key 'block-size' is given twice"},
           RejectCase{"structs=[u=1]", "key 'structs': 'u=1' is not [key=value,...] of the keys "},
           RejectCase{"structs=[,]", "expected a value"},
           RejectCase{"sets=[[4-2]]",
                      "'4-2' is not a number from 0 to 100000, nor a range LOW-HIGH"},
           RejectCase{"sets=[[1-]]", "'1-' is not"}, RejectCase{"sets=[[-1]]", "'-1' is not"},
           RejectCase{"sets=[[0-100000]]", "makes a list of more than 65536 numbers"},
           RejectCase{"sets=[1]", "expected '['"},
           RejectCase{"bools=[true,1]", "'1' is not true or false"},
           RejectCase{"needy", "key 'must' is missing"},
           RejectCase{"needy=[]", "key 'must' is missing"},
           RejectCase{"pairs=[[1]]", "expected 2 values"},
           RejectCase{"variants=[z]", "'z' is not one of"},
           RejectCase{"\x01=1", "expected a key but found '\\x01' at position 0"}));

struct NumberCase {
  const char* input;
  bool accepted;
};

class NumberRange : public testing::TestWithParam<NumberCase> {};

TEST_P(NumberRange, IsThatOfTheField) {
  TestNumbers parsed;

  EXPECT_EQ(ParseKeyValue(GetParam().input, parsed).ok(), GetParam().accepted) << GetParam().input;
}

INSTANTIATE_TEST_SUITE_P(
    Limits, NumberRange,
    Values(
        NumberCase{"i32=2147483647", true}, NumberCase{"i32=2147483648", false},
        NumberCase{"i32=-2147483648", true}, NumberCase{"i32=-2147483649", false},
        NumberCase{"i64=9223372036854775807", true}, NumberCase{"i64=9223372036854775808", false},
        NumberCase{"i64=-9223372036854775808", true}, NumberCase{"i64=-9223372036854775809", false},
        NumberCase{"i64=-0x8000000000000000", true}, NumberCase{"u32=4294967295", true},
        NumberCase{"u32=4294967296", false}, NumberCase{"u64=18446744073709551615", true},
        NumberCase{"u64=18446744073709551616", false}, NumberCase{"u64=0xffffffffffffffff", true},
        NumberCase{"u64=0x10000000000000000", false}, NumberCase{"small=-3", true},
        NumberCase{"small=-4", false}, NumberCase{"small=3", true}, NumberCase{"small=4", false}));

TEST(KeyValueError, NamesUnitAndLimits) {
  TestNumbers parsed;

  const absl::Status status = ParseKeyValue("small=5", parsed);

  EXPECT_EQ(status.message(), "key 'small': '5' is not a number of ms from -3 to 3 at position 6");
}

TEST(KeyValueError, CutsLongTextAndEscapesControlCharacters) {
  TestNumbers parsed;

  const absl::Status status = ParseKeyValue("small=\n" + std::string(10000, 'x'), parsed);

  EXPECT_LT(status.message().size(), 200u);
  EXPECT_THAT(std::string(status.message()), HasSubstr("'\\nxxx"));
  EXPECT_EQ(status.message().find('\n'), absl::string_view::npos);
}

}  // namespace
}  // namespace touchstone
