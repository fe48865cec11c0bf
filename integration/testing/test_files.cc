#include "integration/testing/test_files.h"

#include <stdlib.h>

#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace touchstone {

std::string TemporaryPath(absl::string_view name) {
  return absl::StrCat(getenv("TEST_TMPDIR") ?: "/tmp", "/", name);
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace touchstone
