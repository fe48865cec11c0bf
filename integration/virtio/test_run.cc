#include "integration/virtio/test_run.h"

#include <stdio.h>

#include <fstream>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/log.h"

namespace touchstone {

bool IsFullRun() {
  // Each argument ends with a NUL, and the program's name precedes them.
  constexpr char kFull[] = "\0--full";
  std::ifstream file("/proc/self/cmdline");
  const std::string arguments{std::istreambuf_iterator<char>(file), {}};
  return absl::StrContains(arguments, absl::string_view(kFull, sizeof(kFull)));
}

std::string HostSays(const std::string& command) {
  FILE* const pipe = popen(absl::StrCat("{ ", command, "\n} 2>&1").c_str(), "re");
  CHECK(pipe != nullptr);
  std::string output;
  char buffer[4096];
  while (const size_t count = fread(buffer, 1, sizeof(buffer), pipe)) output.append(buffer, count);
  pclose(pipe);
  return output;
}

}  // namespace touchstone
