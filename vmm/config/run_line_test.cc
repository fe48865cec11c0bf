#include "vmm/config/run_line.h"

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "devices/module/text_proto.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/config/config_schema.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A file holds its own name as a parameter and a disk, unless it is "bad" or "absent".
absl::StatusOr<std::string> ReadFile(const std::string& path) {
  if (path == "absent") return absl::NotFoundError("open absent: No such file or directory");
  if (path == "bad") return "{\"mem\":\n {\"size\": \"x\"}}";
  if (path == "later") return "{\"tpm\": 1}";
  if (path == "gpu") return "{\"gpu\": {}}";
  return absl::StrCat("{\"params\": [\"", path, "\"], \"block\": [{\"path\": \"", path,
                      "\"}], \"mem\": {\"size\": 64}}");
}

std::string Complaint(const std::vector<absl::string_view>& arguments) {
  return std::string(ReadRunLine(arguments, ReadFile).status().message());
}

TEST(RunLine, JoinsFilesAndArguments) {
  const std::vector<absl::string_view> arguments = {"-p",     "mine",   "--block", "one", "--cfg=a",
                                                    "--root", "middle", "--cfg",   "b",   "k"};
  RunConfig expected;
  ASSERT_EQ(
      ReadTextProto(
          "kernel: 'k' params: 'a' params: 'b' params: 'mine' mem { size: 64 } block { path: 'one' "
          "} "
          "block { path: 'a' } block { path: 'middle' ro: true root: true } block { path: 'b' }",
          expected),
      absl::OkStatus());

  const absl::StatusOr<RunLine> line = ReadRunLine(arguments, ReadFile);

  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(WriteTextProto(line->config), WriteTextProto(expected));
  EXPECT_THAT(line->warnings, ElementsAre("--root is deprecated: use --block PATH,ro,root"));
  EXPECT_THAT(line->refused, IsEmpty());
}

TEST(RunLine, NamesOptionFileAndLineOfAnError) {
  EXPECT_EQ(Complaint({"--cfg", "absent"}), "--cfg: open absent: No such file or directory");
  EXPECT_EQ(Complaint({"--cfg", "bad"}),
            "--cfg: bad: line 2: mem.size: expected a number of MiB from 0 to "
            "18446744073709551615 but found '\"'");
  EXPECT_EQ(Complaint({"--cfg=later"}), "--cfg: later: line 1: unknown key 'tpm'");
  EXPECT_EQ(Complaint({"--cfg"}), "--cfg needs a value: --cfg FILE");
}

TEST(RunLine, CollectsRefusedOptionsOfFilesAndArguments) {
  const std::vector<absl::string_view> arguments = {"--cpu-capacity=0=1", "--cfg", "gpu",
                                                    "--pvclock", "k"};

  const absl::StatusOr<RunLine> line = ReadRunLine(arguments, ReadFile);

  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_THAT(line->refused,
              ElementsAre("--cpu-capacity: not on this platform: aarch64 only",
                          "--gpu: not implemented yet", "--pvclock: not implemented yet"));
}

TEST(RunLine, ChecksTheValuesOfRefusedOptions) {
  EXPECT_EQ(Complaint({"--pci-hotplug-slots=x"}),
            "--pci-hotplug-slots: 'x' is not a number from 0 to 255");
  EXPECT_EQ(Complaint({"--pvclock=1"}),
            "--pvclock is a switch and takes no value, but '1' is given");
  EXPECT_EQ(Complaint({"--pci-hotplug-slots=1", "--pci-hotplug-slots=1"}),
            "--pci-hotplug-slots is given twice, but accepted once");
  EXPECT_EQ(Complaint({"--pci-hotplug-slot=1"}),
            "unknown option '--pci-hotplug-slot' (did you mean --pci-hotplug-slots?)");
}

TEST(RunLine, WarnsOfOptionsWithoutEffect) {
  const absl::StatusOr<RunLine> line =
      ReadRunLine(std::vector<absl::string_view>{"--balloon_bias_mib=5", "k"}, ReadFile);

  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_THAT(line->warnings,
              ElementsAre("--balloon-bias-mib has no effect: nothing reads it on Linux"));
}

}  // namespace
}  // namespace touchstone
