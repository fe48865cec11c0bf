// Command lines and configuration files as data: accepted_lines.txt with the configuration that
// each makes, rejected_lines.txt with the exit code and all that is said.
//
// A case is a line of arguments after `run`, separated by blanks, and an indented line with what
// comes of it. In an argument U+2423 is a blank, U+23CE a newline and U+2409 a tab. The value of
// --cfg is the content of a file.

#include <fstream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "devices/module/text_proto.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/cli/command.h"
#include "vmm/config/config_schema.h"
#include "vmm/config/run_line.h"
#include "vmm/config/validate.h"

namespace touchstone {
namespace {

using ::testing::IsEmpty;

constexpr HostLimits kHost = {.physical_address_bits = 40};

struct Case {
  std::string arguments;
  std::string expected;
};

std::vector<Case> ReadCases(const std::string& name) {
  std::ifstream file(absl::StrCat("vmm/cli/", name));
  std::vector<Case> cases;
  std::string line;
  while (std::getline(file, line)) {
    if (absl::StartsWith(line, "#")) continue;
    if (absl::StartsWith(line, "  ")) {
      cases.back().expected = line.substr(2);
    } else {
      cases.push_back({line, ""});
    }
  }
  return cases;
}

std::vector<std::string> Arguments(const std::string& line) {
  std::vector<std::string> arguments = absl::StrSplit(line, ' ', absl::SkipEmpty());
  for (std::string& argument : arguments) {
    argument = absl::StrReplaceAll(argument, {{"\u2423", " "}, {"\u23ce", "\n"}, {"\u2409", "\t"}});
  }
  return arguments;
}

// The name of a file is its content.
absl::StatusOr<std::string> Content(const std::string& path) {
  if (path == "missing.json") return absl::NotFoundError("open missing.json: No such file");
  return path;
}

// "kernel: "k" mem { size: 512 }", or why it is not accepted.
std::string Configuration(const std::string& line) {
  const std::vector<std::string> strings = Arguments(line);
  const std::vector<absl::string_view> arguments(strings.begin(), strings.end());
  absl::StatusOr<RunLine> read = ReadRunLine(arguments, Content);
  if (!read.ok()) return std::string(read.status().message());
  for (const std::string& error : read->refused) return error;
  for (const std::string& error : Validate(read->config, kHost)) return error;
  return WriteTextProto(read->config);
}

// "35 --mem: ...", errors separated by " / ".
std::string Complaint(const std::string& line) {
  const std::vector<std::string> strings = Arguments(line);
  std::vector<absl::string_view> arguments = {"run"};
  arguments.insert(arguments.end(), strings.begin(), strings.end());
  std::string errors;
  const int code =
      Main(arguments, {.out = [](absl::string_view) {},
                       .err = [&](absl::string_view text) { absl::StrAppend(&errors, text); },
                       .run = [](const RunConfig&) { return ExitCode::kOk; },
                       .read_file = Content});
  return absl::StrCat(
      code, " ",
      absl::StrReplaceAll(errors, {{"\ntouchstone: ", " / "}, {"touchstone: ", ""}, {"\n", ""}}));
}

TEST(AcceptedLines, MakeTheirConfiguration) {
  const std::vector<Case> cases = ReadCases("accepted_lines.txt");
  ASSERT_GE(cases.size(), 300u);

  for (const Case& each : cases)
    EXPECT_EQ(Configuration(each.arguments), each.expected) << each.arguments;
}

TEST(RejectedLines, SayWhatIsWrong) {
  const std::vector<Case> cases = ReadCases("rejected_lines.txt");
  ASSERT_GE(cases.size(), 300u);

  for (const Case& each : cases)
    EXPECT_EQ(Complaint(each.arguments), each.expected) << each.arguments;
}

// For whoever adds cases: what the cases of the file NAME make, to be read and then kept.
//   TOUCHSTONE_SHOW_LINES=accepted_lines.txt lines_test --gtest_filter=Lines.*
TEST(Lines, AreShownOnDemand) {
  const char* name = getenv("TOUCHSTONE_SHOW_LINES");
  if (name == nullptr) GTEST_SKIP() << "nobody asks";
  for (const Case& each : ReadCases(name)) {
    printf(
        "%s\n  %s\n", each.arguments.c_str(),
        (absl::StartsWith(name, "accepted") ? Configuration : Complaint)(each.arguments).c_str());
  }
}

}  // namespace
}  // namespace touchstone
