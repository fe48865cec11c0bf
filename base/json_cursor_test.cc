#include "base/json_cursor.h"

#include <string>

#include "gtest/gtest.h"

namespace touchstone {
namespace {

TEST(JsonCursorTest, TakesAnObjectWordByWord) {
  JsonCursor json(" {\"a\" : [1, -2.5e3], \"b\": true }\n");

  EXPECT_FALSE(json.Take('['));
  EXPECT_TRUE(json.Take('{'));
  EXPECT_EQ(*json.TakeString(), "a");
  EXPECT_TRUE(json.Take(':'));
  EXPECT_TRUE(json.Take('['));
  EXPECT_EQ(json.TakeToken(), "1");
  EXPECT_TRUE(json.Take(','));
  EXPECT_EQ(json.TakeToken(), "-2.5e3");
  EXPECT_TRUE(json.Take(']') && json.Take(','));
  EXPECT_EQ(*json.TakeString(), "b");
  EXPECT_TRUE(json.Take(':'));
  EXPECT_FALSE(json.TakeWord("tru"));
  EXPECT_TRUE(json.TakeWord("true"));
  EXPECT_TRUE(json.At('}'));
  EXPECT_TRUE(json.Take('}'));
  EXPECT_TRUE(json.AtEnd());
}

TEST(JsonCursorTest, ResolvesEscapes) {
  JsonCursor json(R"("\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00")");

  EXPECT_EQ(*json.TakeString(), "\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
}

TEST(JsonCursorTest, CountsLinesAndSaysWhatItFound) {
  JsonCursor json("{\n\n  oops}");
  json.Take('{');

  EXPECT_EQ(json.line(), 3u);
  EXPECT_EQ(json.Expected("a key").message(), "expected a key but found 'oops'");
  json.TakeToken();
  json.Take('}');
  EXPECT_EQ(json.Expected("more").message(), "expected more but the text ends");
}

class BadString : public testing::TestWithParam<const char*> {};

TEST_P(BadString, IsRefused) {
  JsonCursor json(GetParam());

  EXPECT_EQ(json.TakeString().status().code(), absl::StatusCode::kInvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(All, BadString,
                         testing::Values("", "a", "\"a", "\"a\\", "\"\\x\"", "\"\\u12\"",
                                         "\"\\u0000\"", "\"\\ud800\"", "\"\\udc00\"",
                                         "\"\\ud800\\u0041\"", "\"a\nb\""));

}  // namespace
}  // namespace touchstone
