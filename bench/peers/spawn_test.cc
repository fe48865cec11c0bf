#include "bench/peers/spawn.h"

#include "gtest/gtest.h"

namespace touchstone {
namespace {

TEST(SpawnTest, TimesTheFirstByteAndTheEnd) {
  const absl::StatusOr<SpawnTimes> times =
      TimeSpawn({"sh", "-c", "sleep 0.05; echo x; sleep 0.05; exit 7"}, absl::Seconds(20));

  ASSERT_TRUE(times.ok()) << times.status();
  EXPECT_EQ(times->exit_status, 7);
  EXPECT_GE(times->first_byte, absl::Milliseconds(50));
  EXPECT_GE(times->gone, times->first_byte + absl::Milliseconds(50));
}

TEST(SpawnTest, SilenceHasNoFirstByte) {
  const absl::StatusOr<SpawnTimes> times = TimeSpawn({"true"}, absl::Seconds(20));

  ASSERT_TRUE(times.ok()) << times.status();
  EXPECT_EQ(times->first_byte, absl::InfiniteDuration());
  EXPECT_EQ(times->exit_status, 0);
}

TEST(SpawnTest, ACommandThatHangsIsKilled) {
  const absl::StatusOr<SpawnTimes> times = TimeSpawn({"sleep", "100"}, absl::Milliseconds(50));

  EXPECT_EQ(times.status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST(SpawnTest, AMissingCommandIsAnError) {
  EXPECT_EQ(TimeSpawn({"/no/such/command"}, absl::Seconds(1)).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(MedianTest, OddAndEvenCounts) {
  EXPECT_EQ(Median({absl::Seconds(3), absl::Seconds(1), absl::Seconds(2)}), absl::Seconds(2));
  EXPECT_EQ(Median({absl::Seconds(4), absl::Seconds(2)}), absl::Seconds(3));
}

}  // namespace
}  // namespace touchstone
