#include "devices/virtio/balloon/balloon_command.h"

#include <string>

#include "gtest/gtest.h"

namespace touchstone {
namespace {

TEST(BalloonCommandTest, AdjustSaysHowMuch) {
  const auto command = ParseBalloonCommand(
      R"( {"Adjust": {"num_bytes": 18446744073709551615, "allow_failure": true}} )");

  ASSERT_TRUE(command.ok()) << command.status();
  EXPECT_FALSE(command->has_stats());
  EXPECT_EQ(command->adjust().num_bytes(), UINT64_MAX);
  EXPECT_TRUE(command->adjust().allow_failure());
}

TEST(BalloonCommandTest, StatsMayHaveAnId) {
  const auto with_id = ParseBalloonCommand(R"({"Stats":{"id":17}})");
  const auto without = ParseBalloonCommand("\"Stats\"");
  const auto with_null = ParseBalloonCommand(R"({"Stats":{"id":null}})");

  ASSERT_TRUE(with_id.ok() && without.ok() && with_null.ok());
  EXPECT_EQ(with_id->stats().id(), 17u);
  EXPECT_TRUE(without->has_stats());
  EXPECT_FALSE(without->stats().has_id());
  EXPECT_FALSE(with_null->stats().has_id());
}

class Nonsense : public testing::TestWithParam<const char*> {};

TEST_P(Nonsense, IsRefused) {
  EXPECT_EQ(ParseBalloonCommand(GetParam()).status().code(), absl::StatusCode::kInvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(
    All, Nonsense,
    testing::Values("", "{}", "null", "17", "\"Adjust\"", "{\"Adjust\"}", "{\"Adjust\":{}",
                    "{\"Adjust\":{}}x", "{\"Adjust\":{\"size\":1}}",
                    "{\"Adjust\":{\"num_bytes\":-1}}", "{\"Adjust\":{\"num_bytes\":1.5}}",
                    "{\"Adjust\":{\"num_bytes\":18446744073709551616}}",
                    "{\"Adjust\":{\"num_bytes\":1,\"num_bytes\":1}}",
                    "{\"Adjust\":{\"allow_failure\":1}}", "{\"Adjust\":{},\"Stats\":{}}",
                    "{\"Adjust\":{\"num_bytes\":1,}}"));

}  // namespace
}  // namespace touchstone
