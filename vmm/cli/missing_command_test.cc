#include "vmm/cli/missing_command.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/cli/command_list.h"
#include "vmm/cli/control_command.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

enum class Fate {
  kListed,    // It works, and help names it.
  kUnlisted,  // It answers as crosvm's does without the device that it is for.
  kMissing,
};

struct Row {
  absl::string_view name;
  absl::string_view command;
  Fate fate;
};

// All of crosvm's (crosvm.md 2.2).
constexpr Row kCrosvm[] = {
    {"balloon", "", Fate::kListed},
    {"balloon_stats", "", Fate::kListed},
    {"balloon_ws", "", Fate::kUnlisted},
    {"battery", "", Fate::kMissing},
    {"create_composite", "", Fate::kMissing},
    {"create_qcow2", "", Fate::kMissing},
    {"device", "", Fate::kListed},
    {"devices", "", Fate::kMissing},
    {"disk", "resize", Fate::kListed},
    {"gpe", "", Fate::kListed},
    {"gpu", "add-displays", Fate::kMissing},
    {"gpu", "list-displays", Fate::kMissing},
    {"gpu", "remove-displays", Fate::kMissing},
    {"gpu", "set-mouse-mode", Fate::kMissing},
    {"make_rt", "", Fate::kListed},
    {"powerbtn", "", Fate::kListed},
    {"resume", "", Fate::kListed},
    {"run", "", Fate::kListed},
    {"sleepbtn", "", Fate::kListed},
    {"snapshot", "restore", Fate::kListed},  // As run --restore, which its error names.
    {"snapshot", "take", Fate::kListed},
    {"snd", "mute-all", Fate::kMissing},
    {"stop", "", Fate::kListed},
    {"suspend", "", Fate::kListed},
    {"swap", "disable", Fate::kMissing},
    {"swap", "enable", Fate::kMissing},
    {"swap", "out", Fate::kMissing},
    {"swap", "status", Fate::kMissing},
    {"swap", "trim", Fate::kMissing},
    {"usb", "attach", Fate::kMissing},
    {"usb", "attach_key", Fate::kMissing},
    {"usb", "detach", Fate::kMissing},
    {"usb", "list", Fate::kMissing},
    {"version", "", Fate::kListed},
    {"vfio", "add", Fate::kMissing},
    {"vfio", "remove", Fate::kMissing},
    {"virtio-net", "add", Fate::kMissing},
    {"virtio-net", "remove", Fate::kMissing},
};

class MissingCommandTest : public testing::TestWithParam<Row> {};

TEST_P(MissingCommandTest, EachHasOneFate) {
  const Row& row = GetParam();

  const bool listed = std::any_of(std::begin(kCommandList), std::end(kCommandList),
                                  [&](const CommandInfo& info) { return info.name == row.name; });
  const auto why = WhyMissing({row.name, row.command});

  EXPECT_EQ(listed, row.fate == Fate::kListed);
  EXPECT_EQ(!listed && IsControlCommand(row.name), row.fate == Fate::kUnlisted);
  EXPECT_EQ(why.has_value(), row.fate == Fate::kMissing);
  if (why.has_value()) {
    EXPECT_THAT(*why, HasSubstr(absl::StrCat(row.name, row.command.empty() ? "" : " ", row.command,
                                             ": not implemented: ")));
  }
}

INSTANTIATE_TEST_SUITE_P(Crosvm, MissingCommandTest, testing::ValuesIn(kCrosvm));

TEST(MissingCommandTableTest, HasNoOthers) {
  for (const MissingCommand& missing : MissingCommands()) {
    EXPECT_TRUE(std::any_of(std::begin(kCrosvm), std::end(kCrosvm), [&](const Row& row) {
      return row.name == missing.name && row.command == missing.command;
    })) << missing.name;
  }
}

TEST(WhyMissingTest, AWordThatNobodyKnowsIsNamed) {
  EXPECT_EQ(WhyMissing({"vfio", "move"}),
            "vfio: unknown command 'move'; of add, remove none is implemented");
  EXPECT_EQ(WhyMissing({"virtio-net"}),
            "virtio-net: its command is missing; of add, remove none is implemented");
  EXPECT_EQ(WhyMissing({"sound", "mute-all"}), absl::nullopt);
  EXPECT_EQ(WhyMissing({}), absl::nullopt);
}

}  // namespace
}  // namespace touchstone
