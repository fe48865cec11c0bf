#include "integration/testing/runfiles.h"

#include <cstdlib>
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"

namespace touchstone {

std::string Runfile(absl::string_view path) {
  const char* root = getenv("TEST_SRCDIR");
  const char* workspace = getenv("TEST_WORKSPACE");
  if (root != nullptr && workspace != nullptr) return absl::StrCat(root, "/", workspace, "/", path);
  return std::filesystem::absolute(std::string(path)).string();
}

}  // namespace touchstone
