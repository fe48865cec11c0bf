#include "bench/peers/monitor_process.h"

#include <signal.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

TEST(MonitorProcessTest, LinesAreFoundByTheirBeginning) {
  const auto monitor =
      MonitorProcess::Start({"sh", "-c", "echo noise; printf 'load one\\r\\n'; echo load two"});
  ASSERT_TRUE(monitor.ok()) << monitor.status();

  EXPECT_EQ(*(*monitor)->AwaitLine("load ", absl::Seconds(20)), "one");
  EXPECT_EQ(*(*monitor)->AwaitLine("load ", absl::Seconds(20)), "two");
}

TEST(MonitorProcessTest, AnEndWithoutTheLineTellsWhatCameInstead) {
  const auto monitor = MonitorProcess::Start({"sh", "-c", "echo panic; printf half"});
  ASSERT_TRUE(monitor.ok()) << monitor.status();

  const absl::StatusOr<std::string> line = (*monitor)->AwaitLine("load ", absl::Seconds(20));

  EXPECT_EQ(line.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(line.status().message(), testing::HasSubstr("panic\nhalf"));
}

TEST(MonitorProcessTest, PatienceEndsAndTheProcessWithIt) {
  absl::StatusOr<std::unique_ptr<MonitorProcess>> monitor = MonitorProcess::Start({"sleep", "100"});
  ASSERT_TRUE(monitor.ok()) << monitor.status();
  const pid_t pid = (*monitor)->pid();

  EXPECT_EQ((*monitor)->AwaitLine("load ", absl::Milliseconds(20)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  monitor->reset();

  EXPECT_NE(kill(pid, 0), 0);
}

TEST(MonitorProcessTest, TerminateLetsItEndInOrder) {
  const auto monitor = MonitorProcess::Start(
      {"sh", "-c", "trap 'echo orderly; exit' TERM; echo up; while :; do sleep 0.01; done"});
  ASSERT_TRUE(monitor.ok()) << monitor.status();
  ASSERT_TRUE((*monitor)->AwaitLine("up", absl::Seconds(20)).ok());

  EXPECT_TRUE((*monitor)->Terminate(absl::Seconds(20)).ok());

  EXPECT_TRUE((*monitor)->AwaitLine("orderly", absl::Seconds(20)).ok());
}

TEST(MonitorProcessTest, AMissingCommandIsAnError) {
  EXPECT_EQ(MonitorProcess::Start({"/no/such/command"}).status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace touchstone
