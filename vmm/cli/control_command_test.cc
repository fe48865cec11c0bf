#include "vmm/cli/control_command.h"

#include <errno.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/cli/command_list.h"
#include "vmm/control/control_message.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

std::string WrongWith(absl::string_view name, const std::vector<absl::string_view>& arguments) {
  return std::string(ParseControlCommand(name, arguments).status().message());
}

TEST(ControlCommandTest, StopTakesTheSocket) {
  const auto call = ParseControlCommand("stop", {"/socket"});

  ASSERT_TRUE(call.ok()) << call.status();
  EXPECT_EQ(call->socket, "/socket");
  EXPECT_EQ(call->request.command(), ControlRequest::STOP);
}

TEST(ControlCommandTest, ASocketMayLookLikeAnOption) {
  const auto call = ParseControlCommand("stop", {"--", "--full"});

  ASSERT_TRUE(call.ok()) << call.status();
  EXPECT_EQ(call->socket, "--full");
}

TEST(ControlCommandTest, FullMayStandAnywhere) {
  for (const std::vector<absl::string_view>& line :
       {std::vector<absl::string_view>{"--full", "/s"}, {"/s", "--full"}}) {
    const auto call = ParseControlCommand("suspend", line);
    ASSERT_TRUE(call.ok()) << call.status();
    EXPECT_TRUE(call->request.full());
    EXPECT_EQ(call->socket, "/s");
  }
  EXPECT_FALSE(ParseControlCommand("resume", {"/s"})->request.full());
  EXPECT_EQ(WrongWith("powerbtn", {"--full", "/s"}), "unknown option '--full'");
}

TEST(ControlCommandTest, AGpeIsANumberBeforeTheSocket) {
  const auto call = ParseControlCommand("gpe", {"255", "/s"});

  ASSERT_TRUE(call.ok()) << call.status();
  EXPECT_EQ(call->request.command(), ControlRequest::GPE);
  EXPECT_EQ(call->request.number(), 255u);
  EXPECT_EQ(WrongWith("gpe", {"256", "/s"}), "GPE: '256' is not a number from 0 to 255");
  EXPECT_EQ(WrongWith("gpe", {"x", "/s"}), "GPE: 'x' is not a number from 0 to 255");
  EXPECT_THAT(WrongWith("gpe", {"/s"}), HasSubstr("VM_SOCKET is missing"));
  EXPECT_THAT(WrongWith("gpe", {}), HasSubstr("GPE is missing"));
}

TEST(ControlCommandTest, ABalloonHasASizeInBytes) {
  const auto call = ParseControlCommand("balloon", {"1048576", "/s", "--wait"});

  ASSERT_TRUE(call.ok()) << call.status();
  EXPECT_EQ(call->request.size(), 1048576u);
  EXPECT_TRUE(call->request.wait());
  EXPECT_EQ(WrongWith("balloon", {"1M", "/s"}),
            "SIZE: '1M' is not a number from 0 to 18446744073709551615");
}

TEST(ControlCommandTest, ADiskHasANumberAndASize) {
  const auto call = ParseControlCommand("disk", {"resize", "1", "1048576", "/s"});

  ASSERT_TRUE(call.ok()) << call.status();
  EXPECT_EQ(call->request.command(), ControlRequest::DISK_RESIZE);
  EXPECT_EQ(call->request.number(), 1u);
  EXPECT_EQ(call->request.size(), 1048576u);
  EXPECT_EQ(call->socket, "/s");
  EXPECT_EQ(WrongWith("disk", {"shrink", "1", "0", "/s"}),
            "unknown command 'shrink', the only one is resize");
  EXPECT_THAT(WrongWith("disk", {"resize", "a", "0", "/s"}), HasSubstr("INDEX: 'a' is not"));
  EXPECT_THAT(WrongWith("disk", {"resize", "0", "1G", "/s"}), HasSubstr("SIZE: '1G' is not"));
  EXPECT_THAT(WrongWith("disk", {"resize", "0"}), HasSubstr("SIZE is missing"));
}

TEST(ControlCommandTest, ErrorsOfStatisticsAreJson) {
  ControlRequest request;
  request.set_command(ControlRequest::BALLOON_STATISTICS);

  EXPECT_EQ(ControlOutput(request, ControlError(EOPNOTSUPP, "")), "{\n  \"Err\": 95\n}\n");
}

TEST(ControlCommandTest, WrongArgumentsAreNamed) {
  EXPECT_THAT(WrongWith("stop", {}), HasSubstr("VM_SOCKET is missing"));
  EXPECT_EQ(WrongWith("stop", {"/s", "/t"}), "unexpected argument '/t'");
  EXPECT_EQ(WrongWith("stop", {"--now", "/s"}), "unknown option '--now'");
}

TEST(ControlCommandTest, EveryCommandIsOnTheList) {
  int listed = 0;
  for (const CommandInfo& command : kCommandList) listed += IsControlCommand(command.name) ? 1 : 0;

  // All but run, console, snapshot, status, list, device, version and help.
  EXPECT_EQ(listed + 8, static_cast<int>(std::size(kCommandList)));
}

TEST(ControlCommandTest, SuccessSaysWhatTheAnswerSays) {
  EXPECT_EQ(ControlOutput({}, ControlDone()), "");
  EXPECT_EQ(ControlOutput({}, ControlDone("text\n")), "text\n");
}

TEST(ControlCommandTest, AnErrorIsInTheWordsOfItsNumber) {
  EXPECT_EQ(ControlOutput({}, ControlError(EROFS, "more")),
            "unexpected response: error: Read-only file system\n");
}

}  // namespace
}  // namespace touchstone
