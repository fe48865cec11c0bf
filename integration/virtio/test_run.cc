#include "integration/virtio/test_run.h"

#include <stdio.h>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "integration/testing/test_arguments.h"

namespace touchstone {

bool IsFullRun() { return !TestArguments("--full").empty(); }

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
