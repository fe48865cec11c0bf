#include "integration/testing/test_arguments.h"

#include <fstream>
#include <iterator>

#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace touchstone {

std::vector<std::string> TestArguments(absl::string_view prefix) {
  std::ifstream file("/proc/self/cmdline");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::string> found;
  bool name = true;  // The program's precedes its arguments.
  for (absl::string_view argument :
       absl::StrSplit(absl::StripSuffix(text, absl::string_view("\0", 1)), '\0')) {
    if (!name && absl::ConsumePrefix(&argument, prefix)) found.emplace_back(argument);
    name = false;
  }
  return found;
}

std::vector<std::string> MachineOptions() { return TestArguments("--machine-option="); }

}  // namespace touchstone
