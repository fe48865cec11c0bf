// Command lines, one argument a line: whatever they say, the answer is a valid configuration handed
// to the machine, a text, or one-line errors, with an exit code that fits. A line that --cfg names
// is a file with the content that its name says, newlines spelt as \x01.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "base/log.h"
#include "vmm/cli/command.h"
#include "vmm/config/kernel_command_line.h"
#include "vmm/config/validate.h"

namespace touchstone {
namespace {

struct Outcome {
  int runs = 0;
  std::string out;
  std::string err;
};

absl::StatusOr<std::string> Content(const std::string& path) {
  return absl::StrReplaceAll(path, {{"\x01", "\n"}});
}

void CheckRunnable(const RunConfig& config) {
  CHECK(Validate(config, ReadHostLimits(config)).empty());
  CHECK(config.serial_size() >= 4);
  CHECK(KernelCommandLine(config).ok());
}

void CheckOutcome(int code, const Outcome& outcome) {
  for (const absl::string_view line : absl::StrSplit(outcome.err, '\n', absl::SkipEmpty())) {
    CHECK(absl::StartsWith(line, "touchstone: "));
  }
  switch (code) {
    case static_cast<int>(ExitCode::kOk):
      CHECK(outcome.runs == 1 || !outcome.out.empty());
      CHECK(outcome.err.empty());
      return;
    case static_cast<int>(ExitCode::kError):
    case static_cast<int>(ExitCode::kInvalidArguments):
      CHECK(outcome.runs == 0 && !outcome.err.empty());
      return;
    default:
      CHECK(false);
  }
}

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const std::vector<absl::string_view> arguments = absl::StrSplit(text, '\n', absl::SkipEmpty());
  touchstone::Outcome outcome;
  const int code = touchstone::Main(
      arguments,
      {.out = [&outcome](absl::string_view part) { outcome.out += std::string(part); },
       .err = [&outcome](absl::string_view part) { outcome.err += std::string(part); },
       .run =
           [&outcome](const touchstone::RunConfig& config) {
             ++outcome.runs;
             touchstone::CheckRunnable(config);
             return touchstone::ExitCode::kOk;
           },
       .read_file = touchstone::Content,
       .write_file = [](const std::string&, absl::string_view) { return absl::OkStatus(); }});
  touchstone::CheckOutcome(code, outcome);
  return 0;
}
